package cpu

import (
	"slices"

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
	cuts   []int // the same, with those of the mask's conditions
	// segment is how many elements from a multiple of it on are linear, if the
	// machine's blocks are longer; else 0.
	segment int
	parts   bool // blocks have several segments
	rowDim  int  // the loop variable that counts segments; -1 if they are pieces of the vector one
	even    bool // each segment's address is rowStep further than the last one's
	rowStep int
	rowwise bool // segments are linear and even
	// wide is how often each element of a row is repeated and tall each row, where
	// that is what the address says of an image that is enlarged; else 0. rowStep is
	// then that of every tall rows.
	wide, tall int

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
		m.spaced(a)
	} else if !a.linear {
		a.step, a.pieces, a.linear = piecewise(x, v, varies)
		a.parts = len(a.pieces) > 0 && !m.cutting
		a.cuts = a.pieces
		if step, ok := evenPieces(x, v, a.pieces); ok {
			a.segment, a.rowStep, a.rowDim, a.even = a.pieces[0], step, -1, true
			a.rowwise = a.parts
		}
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

// spaced sets what a says of the distance of its segments.
func (m *machine) spaced(a *address) {
	varies := func(val int) bool { return m.varying[val] }
	a.rowDim = rowAround(m.k.Dims, m.vec, m.rows, a.segment)
	a.rowStep, a.even = a.full.Affine(a.rowDim, varies)
	a.rowwise = a.parts && a.linear && a.even
	if wide, tall, step := enlarged(a.full, m.k.Dims, m.vec, a.rowDim, varies); !a.linear && wide > 0 && a.segment > 0 {
		a.wide, a.tall, a.rowStep = wide, tall, step
	}
}

// rowAround is the one of the rows' loop variables that counts segments of span
// elements.
func rowAround(dims []int, vec int, rows []int, span int) int {
	i := len(rows) - 1
	for n := dims[vec]; i > 0 && n < span; i-- {
		n *= dims[rows[i]]
	}
	return rows[i]
}

// enlarged describes x as the address of an image that is enlarged: elements along
// loop variable v are repeated wide times and rows, which r counts, tall times; step
// is what every tall rows add. wide is 0 where x is not so.
func enlarged(x kernel.Index, dims []int, v, r int, varies func(val int) bool) (wide, tall, step int) {
	tall = 1 << 30
	for _, t := range x.Terms {
		onV, onR := t.Atom.On(v), t.Atom.On(r)
		if t.Atom.DependsOn(func(int) bool { return false }, varies) {
			return 0, 0, 0
		}
		q := quotient(t.Atom)
		switch {
		case !onV && !onR:
		case onV && !onR && t.Coef == 1 && wide == 0 && q > 1 && dims[v]%q == 0:
			wide = q
		case onR && !onV && step == 0 && q > 0:
			tall, step = q, t.Coef
		default:
			return 0, 0, 0
		}
	}
	return wide, tall, step
}

// quotient is by what a loop variable is divided, 1 for the variable itself, and 0
// where the atom is something else.
func quotient(a *kernel.Atom) int {
	switch {
	case a.Kind == kernel.AtomDim:
		return 1
	case a.Kind == kernel.AtomDiv && a.X.Const == 0 && len(a.X.Terms) == 1 && a.X.Terms[0].Coef == 1 && a.X.Terms[0].Atom.Kind == kernel.AtomDim:
		return a.C
	}
	return 0
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
		for _, q := range a.cuts {
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

// evenPieces reports whether pieces of x are of one length, and each the same step
// further than the last one.
func evenPieces(x kernel.Index, v int, divisors []int) (step int, ok bool) {
	if len(divisors) == 0 {
		return 0, false
	}
	for _, t := range x.Terms {
		switch a := t.Atom; {
		case a.Kind == kernel.AtomDim && a.N == v:
			step += t.Coef * divisors[0]
		case !a.On(v):
		case a.C != divisors[0] || a.X.Terms[0].Atom.Kind != kernel.AtomDim:
			return 0, false
		case a.Kind == kernel.AtomDiv:
			step += t.Coef
		}
	}
	return step, true
}

// base is the address of the block's first element, for a linear one.
func (a *address) base(c *context) int {
	switch {
	case a.pieces != nil && a.even:
		piece := c.at / a.segment
		return a.rest(c) + a.rowStep*piece + a.step*(c.at-piece*a.segment)
	case a.pieces != nil:
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

func ceilDiv(x, y int) int { return -floorDiv(-x, y) }

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
