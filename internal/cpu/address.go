package cpu

import (
	"github.com/weft-ml/weft/internal/cpu/simd"
	"github.com/weft-ml/weft/internal/ir"
	"github.com/weft-ml/weft/internal/kernel"
)

// address evaluates a kernel.Index for a block of the vector loop variable.
// Most accesses are linear there: a base, evaluated once for the block, and a
// step. The rest (data-dependent indices, remainders of reshapes) compute an
// index for each element.
type address struct {
	konst  int
	dims   []dimTerm // loop variables other than the vector one
	terms  []kernel.Term
	step   int   // multiple of the vector variable
	linear bool  // base + step*v, within a piece
	pieces []int // divisors of the vector variable: linear between their multiples

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

func newAddress(x kernel.Index, v int, varies func(val int) bool) *address {
	a := &address{konst: x.Const, full: x, mask: -1}
	if a.step, a.linear = x.Affine(v, varies); !a.linear {
		a.step, a.pieces, a.linear = piecewise(x, v, varies)
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
		if c < 16 {
			return 0, nil, false // pieces too short to be worth it
		}
		divisors = append(divisors, c)
	}
	return step, divisors, true
}

// base is the address of the block's first element, for a linear one.
func (a *address) base(c *context) int {
	if a.pieces != nil {
		c.coord[c.vec] = c.v0
		return a.full.Eval(c.coordinate) + a.ring*c.slot
	}
	x := a.konst + a.step*c.v0
	for _, t := range a.dims {
		x += c.coord[t.dim] * t.coef
	}
	for _, t := range a.terms {
		x += t.Coef * c.atom(t.Atom)
	}
	return x + a.ring*c.slot
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
func (a *address) vector(c *context, dst []int32) {
	base := a.konst + a.ring*c.slot
	for _, t := range a.dims {
		base += c.coord[t.dim] * t.coef
	}
	for _, t := range a.terms {
		base += t.Coef * c.atom(t.Atom)
	}
	c.indexVector(a.vary, base, dst, 0)
}

// indexVector writes base + x for each element of the block to dst.
func (c *context) indexVector(x kernel.Index, base int, dst []int32, depth int) {
	base += x.Const
	step := 0
	for _, t := range x.Terms {
		if t.Atom.Kind == kernel.AtomDim {
			if t.Atom.N == c.vec {
				step = t.Coef
				base += t.Coef * c.v0
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
	at := x.Const + c.v0
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
	if a.mask >= 0 {
		loadMasked(c, in, n)
		return
	}
	mem := c.mem[a.buf]
	if !a.linear {
		idx := c.lane[:n]
		a.vector(c, idx)
		gather(c.to(in, n), a.dtype, mem, idx)
		return
	}
	at := a.base(c)
	switch a.dtype {
	case ir.U8:
		if a.step == 1 {
			simd.U8ToI32(ints(c.to(in, n)), mem[at:at+n])
			return
		}
		for i, dst := 0, ints(c.to(in, n)); i < n; i++ {
			dst[i] = int32(mem[at+i*a.step])
		}
	case ir.F16:
		src := halves(mem)
		if a.step == 1 {
			simd.F16ToF32(c.to(in, n), src[at:at+n])
			return
		}
		for i, dst := 0, c.to(in, n); i < n; i++ {
			simd.F16ToF32(dst[i:i+1], src[at+i*a.step:][:1])
		}
	default:
		src := floats(mem)
		switch {
		case (n == 1 || a.step == 1) && !a.copy && in.out < 0:
			c.cur[in.dst] = src[at : at+n : at+n]
		case a.step == 1:
			copy(c.to(in, n), src[at:at+n])
		default:
			simd.GatherStrided(c.to(in, n), src, at, a.step)
		}
	}
}

// loadRange is loadMasked where the mask is a range of the block: zeros around
// a contiguous piece.
func (c *context) loadRange(in *instr, n int) bool {
	a := in.addr
	if !a.linear || a.step != 1 || a.dtype == ir.U8 || a.dtype == ir.F16 || a.within == nil {
		return false
	}
	lo, hi := 0, n
	for _, t := range a.within {
		x := t.addr.base(c)
		if t.addr.step == 0 {
			if x < 0 || x >= t.limit {
				hi = 0
			}
			continue
		}
		lo, hi = max(lo, -x), min(hi, t.limit-x)
	}
	dst := c.to(in, n)
	if lo >= hi {
		clear(dst)
		return true
	}
	at := a.base(c)
	clear(dst[:lo])
	copy(dst[lo:hi], floats(c.mem[a.buf])[at+lo:at+hi])
	clear(dst[hi:])
	return true
}

// rangeTest is one condition 0 <= address < limit.
type rangeTest struct {
	addr  *address
	limit int
}

// loadMasked fetches only where the mask holds: elsewhere the address may lie
// outside of the buffer.
func loadMasked(c *context, in *instr, n int) {
	if c.loadRange(in, n) {
		return
	}
	a := in.addr
	mask := ints(c.reg(a.mask, n))
	dst := ints(c.to(in, n))
	idx := c.lane[:n]
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
func asValue(c *context, in *instr, n int) { in.addr.vector(c, ints(c.to(in, n))) }

// inRange tests 0 <= index < limit.
func inRange(c *context, in *instr, n int) {
	dst := ints(c.to(in, n))
	in.addr.vector(c, dst)
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
	dst := floats(c.mem[a.buf])
	src := c.reg(s.val, n)
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
