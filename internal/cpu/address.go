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
	step   int  // multiple of the vector variable
	linear bool // base + step*v

	// For the element by element case.
	full kernel.Index

	buf   int
	dtype ir.DType
	mask  int
	copy  bool // the kernel writes this buffer too: never alias it
	ring  int
}

type dimTerm struct{ dim, coef int }

func newAddress(x kernel.Index, v int, varies func(val int) bool) *address {
	a := &address{konst: x.Const, full: x, mask: -1}
	a.step, a.linear = x.Affine(v, varies)
	for _, t := range x.Terms {
		switch {
		case t.Atom.Kind == kernel.AtomDim && t.Atom.N == v:
		case t.Atom.Kind == kernel.AtomDim:
			a.dims = append(a.dims, dimTerm{t.Atom.N, t.Coef})
		default:
			a.terms = append(a.terms, t)
		}
	}
	return a
}

// base is the address of the block's first element, for a linear one.
func (a *address) base(c *context) int {
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
	c.indexVector(a.full, dst, 0)
	if a.ring != 0 {
		for i := range dst {
			dst[i] += int32(a.ring * c.slot)
		}
	}
}

func (c *context) indexVector(x kernel.Index, dst []int32, depth int) {
	base, step := x.Const, 0
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
			for len(c.index) <= depth {
				c.index = append(c.index, make([]int32, len(c.lane)))
			}
			tmp := c.index[depth][:len(dst)]
			c.indexVector(t.Atom.X, tmp, depth+1)
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

// loadMasked fetches only where the mask holds: elsewhere the address may lie
// outside of the buffer.
func loadMasked(c *context, in *instr, n int) {
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
