// Loads and stores. What an address says about its form decides how elements are
// fetched: in place, copied, in segments, row by row, or one by one.

package cpu

import (
	"github.com/weft-ml/weft/internal/cpu/simd"
	"github.com/weft-ml/weft/internal/ir"
	"github.com/weft-ml/weft/internal/kernel"
)

// load fetches a block of elements.
func load(c *context, in *instr, n int) {
	a := in.addr
	switch {
	case a.rowwise && a.mask < 0 && a.dtype != ir.U8 && a.dtype != ir.F16:
		a.fetchRows(c, c.to(in, n))
	case a.rowwise && a.mask >= 0 && a.ranged() && a.evenMask(c.m):
		a.fetchRangedRows(c, c.to(in, n))
	case a.wide > 0 && a.mask < 0 && a.dtype != ir.U8 && a.dtype != ir.F16:
		a.fetchEnlarged(c, c.to(in, n))
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

// grid walks through a block whose segments are evenly spaced: f gets pieces of it
// that consist of rows of one length, rowStep apart from at on.
func (c *context) grid(a *address, n int, f func(at, off, rows, length int)) {
	m := c.m
	v0 := c.v0
	for off := 0; off < n; {
		c.move(v0 + off)
		within := c.v0 % a.segment
		rows, size := 1, min(a.segment-within, n-off)
		if within == 0 && size == a.segment {
			if rows = (n - off) / size; a.rowDim >= 0 {
				rows = min(rows, m.k.Dims[a.rowDim]-c.coord[a.rowDim])
			}
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
		if a.step == 2 {
			simd.TakeEvens(d, src, at, length, rows, a.rowStep)
			return
		}
		for ; rows > 0; rows-- {
			row := d[:length]
			switch a.step {
			case 0:
				simd.Fill(row, src[at])
			case 1:
				copy(row, src[at:at+length])
			default:
				simd.GatherStrided(row, src, at, a.step)
			}
			d, at = d[length:], at+a.rowStep
		}
	})
}

// evenMask reports whether segments are rows, and each of the mask's conditions is
// one of rows or of columns.
func (a *address) evenMask(m *machine) bool {
	for i := range a.within {
		if t := a.within[i].addr; !t.even || t.rowDim != a.rowDim || t.rowStep != 0 && t.step != 0 {
			return false
		}
	}
	return len(m.rows) > 0 && a.segment == m.k.Dims[m.vec]
}

// fetchRangedRows is fetchRows for an image with padding around it: where some rows
// and some columns are zero.
func (a *address) fetchRangedRows(c *context, dst []float32) {
	src := floats(c.mem[a.buf])
	c.grid(a, len(dst), func(at, off, rows, length int) {
		d := dst[off : off+rows*length]
		first, last, lo, hi := 0, rows, 0, length
		for i := range a.within {
			t := &a.within[i]
			x, step := t.addr.base(c), t.addr.rowStep
			switch {
			case step == 0:
				lo, hi = t.cut(x, lo, hi)
			case step > 0: // 0 <= x + row*step < limit
				first, last = max(first, ceilDiv(-x, step)), min(last, ceilDiv(t.limit-x, step))
			default:
				first, last = max(first, floorDiv(x-t.limit, -step)+1), min(last, floorDiv(x, -step)+1)
			}
		}
		if first >= last || lo >= hi {
			clear(d)
			return
		}
		done := 0 // elements
		for r := first; r < last; r++ {
			from, to := r*length+lo, r*length+hi
			clear(d[done:from])
			if p := at + r*a.rowStep + lo*a.step; a.step == 1 {
				copy(d[from:to], src[p:p+hi-lo])
			} else {
				simd.GatherStrided(d[from:to], src, p, a.step)
			}
			done = to
		}
		clear(d[done:])
	})
}

// putRows is the same for a store.
func (a *address) putRows(c *context, src []float32) {
	dst := floats(c.mem[a.buf])
	c.grid(a, len(src), func(at, off, rows, length int) {
		s := src[off : off+rows*length]
		if a.step == 2 {
			simd.PutEvens(dst, s, at, length, rows, a.rowStep)
			return
		}
		for ; rows > 0; rows-- {
			row := s[:length]
			if a.step == 1 {
				copy(dst[at:at+length], row)
			} else {
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

// fetchEnlarged is fetch for rows whose elements are repeated, and which may be
// repeated themselves: the gradient of pooling reads so.
func (a *address) fetchEnlarged(c *context, dst []float32) {
	src := floats(c.mem[a.buf])
	length := a.segment
	c.grid(a, len(dst), func(at, off, rows, size int) {
		if size < length {
			a.fetchRepeated(c, dst[off:off+size])
			return
		}
		used := c.coord[a.rowDim] % a.tall
		to := dst[off : off+rows*length]
		for r := range rows {
			row := to[r*length:][:length]
			if used > 0 && r > 0 {
				copy(row, to[(r-1)*length:])
			} else {
				enlarge(row, src[at:at+length/a.wide], a.wide)
			}
			if used++; used == a.tall {
				used = 0
				at += a.rowStep
			}
		}
	})
}

// enlarge repeats each element of src the given number of times.
func enlarge(dst, src []float32, times int) {
	if times == 2 {
		simd.Double(dst, src)
		return
	}
	for _, v := range src {
		for i := range dst[:times] {
			dst[i] = v
		}
		dst = dst[times:]
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
		simd.Double(dst, from[:len(dst)/2])
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
	if a.dtype != ir.U8 && a.dtype != ir.F16 {
		src := floats(mem)
		clear(to)
		for i, m := range mask[:len(to)] {
			if m != 0 {
				to[i] = src[idx[i]]
			}
		}
		return
	}
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
	case a.rowwise && a.dtype != ir.F16:
		a.putRows(c, src)
	case a.parts:
		c.segments(a, n, func(off, n int) { a.put(c, src[off:off+n]) })
	default:
		a.put(c, src)
	}
}

// put writes elements from the present position on.
func (a *address) put(c *context, src []float32) {
	if a.dtype == ir.F16 {
		a.putHalves(c, src)
		return
	}
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

// putHalves is put with rounding.
func (a *address) putHalves(c *context, src []float32) {
	dst := halves(c.mem[a.buf])
	n := len(src)
	if !a.linear {
		idx := c.lane[:n]
		a.vector(c, idx)
		for i, x := range idx {
			simd.F32ToF16(dst[x:x+1], src[i:i+1])
		}
		return
	}
	at := a.base(c)
	if a.step == 1 || n == 1 {
		simd.F32ToF16(dst[at:at+n], src)
		return
	}
	for i := range src {
		simd.F32ToF16(dst[at+i*a.step:][:1], src[i:i+1])
	}
}
