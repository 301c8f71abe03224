package cpu

import (
	"slices"

	"github.com/weft-ml/weft/internal/cpu/simd"
	"github.com/weft-ml/weft/internal/ir"
	"github.com/weft-ml/weft/internal/kernel"
)

// address evaluates a kernel.Index for a block of elements. Most accesses are
// linear there: a base, evaluated once for the block, and a step. Some are linear
// in segments, such as the rows of an image without its border. The rest
// (data-dependent indices, remainders of reshapes) compute an index for each
// element.
type address struct {
	konst  int
	dims   []dimTerm // loop variables other than the vector one
	terms  []kernel.Term
	step   int   // multiple of the vector variable
	linear bool  // base + step*v, within a segment
	pieces []int // divisors of the vector variable: linear between their multiples
	// segment is how many elements from a multiple of it on are linear, if the
	// machine's blocks are longer; else 0.
	segment int
	parts   bool // blocks have several segments
	even    bool // each row's address is rowStep further than the last one's
	rowStep int
	rowwise bool // and a segment is a row

	// For the element by element case: the whole, and its part that changes.
	full, vary kernel.Index

	buf   int
	dtype ir.DType
	mask  int
	// within are the conditions that the mask consists of, where each is
	// linear with step 0 or 1; nil otherwise.
	within []rangeTest
	copy   bool // the kernel writes this buffer too: never alias it
	ring   int
}

type dimTerm struct{ dim, coef int }

// address returns x as an address of the machine's blocks.
func (m *machine) address(x kernel.Index) *address {
	varies := func(val int) bool { return m.varying[val] }
	v := m.vec
	a := &address{konst: x.Const, full: x, mask: -1}
	a.step, a.linear = x.Affine(v, varies)
	if len(m.rows) > 0 {
		if a.segment = linearSpan(x, m.k.Dims, v, m.rows, varies); a.segment == m.extent {
			a.segment = 0
		}
		a.parts = a.segment > 0
		a.rowStep, a.even = x.Affine(m.rows[len(m.rows)-1], varies)
		a.rowwise = a.linear && a.even && a.segment == m.k.Dims[v]
	} else if !a.linear {
		a.step, a.pieces, a.linear = piecewise(x, v, varies)
		a.parts = len(a.pieces) > 0 && !m.cutting
	}
	for _, t := range x.Terms {
		switch {
		case t.Atom.DependsOn(func(d int) bool { return d == v }, varies):
			a.vary.Terms = append(a.vary.Terms, t)
		case t.Atom.Kind == kernel.AtomDim:
			a.dims = append(a.dims, dimTerm{t.Atom.N, t.Coef})
		default:
			a.terms = append(a.terms, t)
		}
	}
	return a
}

// linearSpan is over how many elements of the rows x is linear.
func linearSpan(x kernel.Index, dims []int, vec int, rows []int, varies func(val int) bool) int {
	span := dims[vec]
	step, ok := x.Affine(vec, varies)
	for _, d := range slices.Backward(rows) {
		coef, affine := x.Affine(d, varies)
		if !ok || !affine || coef != step*span {
			return span
		}
		span *= dims[d]
	}
	return span
}

// segments calls f for each linear segment of the block of n elements: where it
// begins in the block and its length.
func (c *context) segments(a *address, n int, f func(off, n int)) {
	v0 := c.v0
	row := 0
	if len(c.m.rows) > 0 {
		row = c.m.k.Dims[c.vec]
	}
	for off := 0; off < n; {
		p, size := v0+off, n-off
		if a.segment > 0 {
			size = min(size, a.segment-p%a.segment)
		}
		for _, q := range a.pieces {
			size = min(size, q-p%q)
		}
		switch {
		case off == 0:
		case row > 0 && a.segment == row: // at the beginning of the next row
			c.v0, c.at = p, 0
			c.nextRow()
		default:
			c.move(p)
		}
		c.off = off
		f(off, size)
		off += size
	}
	c.off = 0
	c.move(v0)
}

// nextRow counts the rows' loop variables on.
func (c *context) nextRow() {
	m := c.m
	for i := len(m.rows) - 1; i > 0; i-- {
		d := m.rows[i]
		if c.coord[d]++; c.coord[d] < m.k.Dims[d] {
			return
		}
		c.coord[d] = 0
	}
	c.coord[m.rows[0]]++
}

// shortest is the length from which pieces are worth it.
const shortest = 8

// piecewise finds the step of an index that is linear between the multiples of
// some divisors of the vector variable: its quotients stay the same there and
// its remainders count on. Reshapes of a merged dimension look so.
func piecewise(x kernel.Index, v int, varies func(val int) bool) (step int, divisors []int, ok bool) {
	isV := func(d int) bool { return d == v }
	if x.DependsOn(func(int) bool { return false }, func(int) bool { return true }) {
		return 0, nil, false // Index.Eval knows loop variables only
	}
	for _, t := range x.Terms {
		a := t.Atom
		switch {
		case a.Kind == kernel.AtomDim && a.N == v:
			step += t.Coef
			continue
		case !a.DependsOn(isV, varies):
			continue
		case a.Kind != kernel.AtomDiv && a.Kind != kernel.AtomMod:
			return 0, nil, false
		}
		in := a.X
		if len(in.Terms) != 1 || in.Const != 0 || in.Terms[0].Coef != 1 {
			return 0, nil, false
		}
		c := a.C
		inner := in.Terms[0].Atom
		switch {
		case inner.Kind == kernel.AtomDim && inner.N == v:
			if a.Kind == kernel.AtomMod {
				step += t.Coef
			}
		case inner.Kind == kernel.AtomDiv && len(inner.X.Terms) == 1 && inner.X.Const == 0 && inner.X.Terms[0].Coef == 1 &&
			inner.X.Terms[0].Atom.Kind == kernel.AtomDim && inner.X.Terms[0].Atom.N == v:
			c = inner.C // constant between multiples of the inner divisor
		default:
			return 0, nil, false
		}
		if c < shortest {
			return 0, nil, false // not worth it
		}
		divisors = append(divisors, c)
	}
	return step, divisors, true
}

// base is the address of the block's first element, for a linear one.
func (a *address) base(c *context) int {
	if a.pieces != nil {
		c.coord[c.vec] = c.at
		return a.full.Eval(c.coordinate) + a.ring*c.slot
	}
	return a.rest(c) + a.step*c.at
}

// atom evaluates an atom that does not change within the block.
func (c *context) atom(a *kernel.Atom) int {
	switch a.Kind {
	case kernel.AtomDim:
		return c.coord[a.N]
	case kernel.AtomVal:
		return int(ints(c.cur[a.N])[0])
	}
	x := a.X.Const
	for _, t := range a.X.Terms {
		x += t.Coef * c.atom(t.Atom)
	}
	q := floorDiv(x, a.C)
	if a.Kind == kernel.AtomDiv {
		return q
	}
	return x - q*a.C
}

func floorDiv(x, y int) int {
	q := x / y
	if x%y < 0 {
		q--
	}
	return q
}

// vector evaluates the address for each of n elements.
func (a *address) vector(c *context, dst []int32) { c.indexVector(a.vary, a.rest(c), dst, 0) }

// rest is what does not change with the vector variable.
func (a *address) rest(c *context) int {
	x := a.konst + a.ring*c.slot
	for _, t := range a.dims {
		x += c.coord[t.dim] * t.coef
	}
	for _, t := range a.terms {
		x += t.Coef * c.atom(t.Atom)
	}
	return x
}

// vectors is vector for a block.
func (a *address) vectors(c *context, dst []int32) {
	if !a.parts {
		a.vector(c, dst)
		return
	}
	c.segments(a, len(dst), func(off, n int) { a.vector(c, dst[off:off+n]) })
}

// indexVector writes base + x for each element of the block to dst.
func (c *context) indexVector(x kernel.Index, base int, dst []int32, depth int) {
	base += x.Const
	step := 0
	for _, t := range x.Terms {
		if t.Atom.Kind == kernel.AtomDim {
			if t.Atom.N == c.vec {
				step = t.Coef
				base += t.Coef * c.at
			} else {
				base += t.Coef * c.coord[t.Atom.N]
			}
		}
	}
	for i := range dst {
		dst[i] = int32(base + step*i)
	}
	for _, t := range x.Terms {
		switch t.Atom.Kind {
		case kernel.AtomVal:
			reg := ints(c.cur[t.Atom.N])
			if c.varying[t.Atom.N] {
				reg = reg[c.off:]
				for i := range dst {
					dst[i] += int32(t.Coef) * reg[i]
				}
			} else {
				for i := range dst {
					dst[i] += int32(t.Coef) * reg[0]
				}
			}
		case kernel.AtomDiv, kernel.AtomMod:
			if !c.counted(t, dst) {
				c.divided(t, dst, depth)
			}
		}
	}
}

// counted adds a quotient or remainder of the vector variable itself, by
// counting: divisions are slow and here always of successive numbers.
func (c *context) counted(t kernel.Term, dst []int32) bool {
	x := t.Atom.X
	if len(x.Terms) != 1 || x.Terms[0].Coef != 1 || x.Terms[0].Atom.Kind != kernel.AtomDim || x.Terms[0].Atom.N != c.vec {
		return false
	}
	at := x.Const + c.at
	q := floorDiv(at, t.Atom.C)
	r := at - q*t.Atom.C
	if t.Atom.Kind == kernel.AtomDiv {
		for i := range dst {
			dst[i] += int32(t.Coef * q)
			if r++; r == t.Atom.C {
				r = 0
				q++
			}
		}
		return true
	}
	for i := range dst {
		dst[i] += int32(t.Coef * r)
		if r++; r == t.Atom.C {
			r = 0
		}
	}
	return true
}

// divided adds any quotient or remainder.
func (c *context) divided(t kernel.Term, dst []int32, depth int) {
	for len(c.index) <= depth {
		c.index = append(c.index, make([]int32, len(c.lane)))
	}
	tmp := c.index[depth][:len(dst)]
	c.indexVector(t.Atom.X, 0, tmp, depth+1)
	div := int32(t.Atom.C)
	for i, y := range tmp {
		q := y / div
		if y%div < 0 {
			q--
		}
		if t.Atom.Kind == kernel.AtomMod {
			q = y - q*div
		}
		dst[i] += int32(t.Coef) * q
	}
}

// load fetches a block of elements.
func load(c *context, in *instr, n int) {
	a := in.addr
	switch {
	case a.rowwise && a.mask < 0 && a.dtype != ir.U8 && a.dtype != ir.F16:
		a.fetchRows(c, c.to(in, n))
	case a.rowwise && a.mask >= 0 && a.ranged() && a.evenMask():
		a.fetchRangedRows(c, c.to(in, n))
	case a.parts:
		dst := c.to(in, n)
		c.segments(a, n, func(off, n int) { a.fetch(c, dst[off:off+n]) })
	case a.linear && a.mask < 0 && (n == 1 || a.step == 1) && a.dtype != ir.U8 && a.dtype != ir.F16 && !a.copy && in.out < 0:
		at := a.base(c)
		c.cur[in.dst] = floats(c.mem[a.buf])[at : at+n : at+n]
	default:
		a.fetch(c, c.to(in, n))
	}
}

// grid walks through a block whose rows are evenly spaced: f gets pieces of it
// that consist of rows of one length, rowStep apart from at on.
func (c *context) grid(a *address, n int, f func(at, off, rows, length int)) {
	m := c.m
	d := m.rows[len(m.rows)-1]
	length := m.k.Dims[c.vec]
	v0 := c.v0
	for off := 0; off < n; {
		c.move(v0 + off)
		rows, size := 1, min(length-c.at, n-off)
		if c.at == 0 && size == length {
			rows = min((n-off)/length, m.k.Dims[d]-c.coord[d])
		}
		f(a.base(c), off, rows, size)
		off += rows * size
	}
	c.move(v0)
}

// fetchRows is fetch for rows that are evenly spaced and often short: pooling
// reads every other pixel of them.
func (a *address) fetchRows(c *context, dst []float32) {
	src := floats(c.mem[a.buf])
	c.grid(a, len(dst), func(at, off, rows, length int) {
		d := dst[off : off+rows*length]
		for ; rows > 0; rows-- {
			row := d[:length]
			switch a.step {
			case 1:
				copy(row, src[at:at+length])
			case 2:
				from := src[at : at+2*length-1]
				for i := range row {
					row[i] = from[2*i]
				}
			default:
				simd.GatherStrided(row, src, at, a.step)
			}
			d, at = d[length:], at+a.rowStep
		}
	})
}

// evenMask reports whether the mask's conditions count evenly from row to row.
func (a *address) evenMask() bool {
	for i := range a.within {
		if !a.within[i].addr.even {
			return false
		}
	}
	return len(a.within) <= 8
}

// fetchRangedRows is fetchRows for an image with padding around it.
func (a *address) fetchRangedRows(c *context, dst []float32) {
	src := floats(c.mem[a.buf])
	c.grid(a, len(dst), func(at, off, rows, length int) {
		d := dst[off : off+rows*length]
		var first [8]int
		for i := range a.within {
			first[i] = a.within[i].addr.base(c)
		}
		for r := range rows {
			row := d[r*length:][:length]
			lo, hi := 0, length
			for i := range a.within {
				t := &a.within[i]
				lo, hi = t.cut(first[i]+r*t.addr.rowStep, lo, hi)
			}
			if lo >= hi {
				clear(row)
				continue
			}
			clear(row[:lo])
			if from := at + r*a.rowStep + lo*a.step; a.step == 1 {
				copy(row[lo:hi], src[from:from+hi-lo])
			} else {
				simd.GatherStrided(row[lo:hi], src, from, a.step)
			}
			clear(row[hi:])
		}
	})
}

// putRows is the same for a store.
func (a *address) putRows(c *context, src []float32) {
	dst := floats(c.mem[a.buf])
	c.grid(a, len(src), func(at, off, rows, length int) {
		s := src[off : off+rows*length]
		for ; rows > 0; rows-- {
			row := s[:length]
			switch a.step {
			case 1:
				copy(dst[at:at+length], row)
			case 2:
				to := dst[at : at+2*length-1]
				for i, v := range row {
					to[2*i] = v
				}
			default:
				simd.ScatterStrided(dst, at, a.step, row)
			}
			s, at = s[length:], at+a.rowStep
		}
	})
}

// fetch fills dst with elements from the present position on.
func (a *address) fetch(c *context, dst []float32) {
	n := len(dst)
	switch {
	case a.mask >= 0:
		a.fetchMasked(c, dst)
		return
	case !a.linear:
		if a.fetchRepeated(c, dst) {
			return
		}
		idx := c.lane[:n]
		a.vector(c, idx)
		gather(dst, a.dtype, c.mem[a.buf], idx)
		return
	}
	at := a.base(c)
	mem := c.mem[a.buf]
	switch a.dtype {
	case ir.U8:
		if a.step == 1 {
			simd.U8ToI32(ints(dst), mem[at:at+n])
			return
		}
		for i, dst := 0, ints(dst); i < n; i++ {
			dst[i] = int32(mem[at+i*a.step])
		}
	case ir.F16:
		src := halves(mem)
		if a.step == 1 {
			simd.F16ToF32(dst, src[at:at+n])
			return
		}
		for i := 0; i < n; i++ {
			simd.F16ToF32(dst[i:i+1], src[at+i*a.step:][:1])
		}
	default:
		src := floats(mem)
		switch a.step {
		case 1:
			copy(dst, src[at:at+n])
		case 0:
			simd.Fill(dst, src[at])
		default:
			simd.GatherStrided(dst, src, at, a.step)
		}
	}
}

// fetchRepeated is fetch for an image that is enlarged: the index counts a
// quotient of the vector variable.
func (a *address) fetchRepeated(c *context, dst []float32) bool {
	if len(a.vary.Terms) != 1 || a.dtype == ir.U8 || a.dtype == ir.F16 {
		return false
	}
	t := a.vary.Terms[0]
	if t.Atom.Kind != kernel.AtomDiv {
		return false
	}
	x := t.Atom.X
	if len(x.Terms) != 1 || x.Terms[0].Coef != 1 || x.Terms[0].Atom.Kind != kernel.AtomDim || x.Terms[0].Atom.N != c.vec {
		return false
	}
	times := t.Atom.C
	q := floorDiv(x.Const+c.at, times)
	used := x.Const + c.at - q*times // of the first element
	at := a.rest(c) + t.Coef*q
	src := floats(c.mem[a.buf])
	if times == 2 && used == 0 && t.Coef == 1 {
		from := src[at : at+(len(dst)+1)/2]
		for i, v := range from[:len(dst)/2] {
			pair := dst[2*i : 2*i+2]
			pair[0], pair[1] = v, v
		}
		if n := len(dst); n%2 == 1 {
			dst[n-1] = from[n/2]
		}
		return true
	}
	for i := 0; i < len(dst); at += t.Coef {
		v := src[at]
		for ; used < times && i < len(dst); used++ {
			dst[i] = v
			i++
		}
		used = 0
	}
	return true
}

// fetchRange is fetchMasked where the mask is a range of the segment: zeros
// around contiguous elements.
func (a *address) fetchRange(c *context, dst []float32) bool {
	if !a.ranged() {
		return false
	}
	lo, hi := 0, len(dst)
	for i := range a.within {
		lo, hi = a.within[i].cut(a.within[i].addr.base(c), lo, hi)
	}
	if lo >= hi {
		clear(dst)
		return true
	}
	clear(dst[:lo])
	simd.GatherStrided(dst[lo:hi], floats(c.mem[a.buf]), a.base(c)+lo*a.step, a.step)
	clear(dst[hi:])
	return true
}

// ranged reports whether the mask's conditions are all there is to look at.
func (a *address) ranged() bool {
	return a.linear && a.dtype != ir.U8 && a.dtype != ir.F16 && a.within != nil
}

// cut narrows the range of a segment's elements to those for which the condition
// holds, if x is the first one's address.
func (t *rangeTest) cut(x, lo, hi int) (int, int) {
	if t.addr.step == 0 {
		if x < 0 || x >= t.limit {
			return lo, lo
		}
		return lo, hi
	}
	return max(lo, -x), min(hi, t.limit-x)
}

// fetchMasked fetches only where the mask holds: elsewhere the address may lie
// outside of the buffer.
func (a *address) fetchMasked(c *context, to []float32) {
	if a.fetchRange(c, to) {
		return
	}
	mask := ints(c.cur[a.mask])[c.off:]
	dst := ints(to)
	idx := c.lane[:len(dst)]
	a.vector(c, idx)
	mem := c.mem[a.buf]
	one := c.one[:]
	for i := range dst {
		dst[i] = 0
		if mask[i] != 0 {
			gather(one, a.dtype, mem, idx[i:i+1])
			dst[i] = ints(one)[0]
		}
	}
}

// rangeTest is one condition 0 <= address < limit.
type rangeTest struct {
	addr  *address
	limit int
}

func gather(dst []float32, dt ir.DType, mem []byte, idx []int32) {
	switch dt {
	case ir.U8:
		d := ints(dst)
		for i, x := range idx {
			d[i] = int32(mem[x])
		}
	case ir.F16:
		src := halves(mem)
		for i, x := range idx {
			simd.F16ToF32(dst[i:i+1], src[x:x+1])
		}
	default:
		src := floats(mem)
		for i, x := range idx {
			dst[i] = src[x]
		}
	}
}

// asValue makes an index a value.
func asValue(c *context, in *instr, n int) { in.addr.vectors(c, ints(c.to(in, n))) }

// inRange tests 0 <= index < limit.
func inRange(c *context, in *instr, n int) {
	dst := ints(c.to(in, n))
	a := in.addr
	if a.linear && (a.step == 0 || a.step == 1) {
		t := rangeTest{a, in.limit}
		test := func(off, n int) {
			lo, hi := t.cut(a.base(c), 0, n)
			lo = min(lo, n)
			hi = max(hi, lo)
			d := dst[off : off+n]
			clear(d[:lo])
			for i := range d[lo:hi] {
				d[lo+i] = 1
			}
			clear(d[hi:])
		}
		if a.parts {
			c.segments(a, n, test)
		} else {
			test(0, n)
		}
		return
	}
	a.vectors(c, dst)
	for i, x := range dst {
		dst[i] = truth(x >= 0 && int(x) < in.limit)
	}
}

// store writes a block of elements.
type store struct {
	val    int
	addr   *address
	direct bool // the value is computed in place
}

func (s *store) put(c *context, n int) {
	a := s.addr
	src := c.reg(s.val, n)
	switch {
	case a.rowwise:
		a.putRows(c, src)
	case a.parts:
		c.segments(a, n, func(off, n int) { a.put(c, src[off:off+n]) })
	default:
		a.put(c, src)
	}
}

// put writes elements from the present position on.
func (a *address) put(c *context, src []float32) {
	dst := floats(c.mem[a.buf])
	n := len(src)
	if !a.linear {
		idx := c.lane[:n]
		a.vector(c, idx)
		for i, x := range idx {
			dst[x] = src[i]
		}
		return
	}
	at := a.base(c)
	if a.step == 1 || n == 1 {
		copy(dst[at:at+n], src)
		return
	}
	simd.ScatterStrided(dst, at, a.step, src)
}
