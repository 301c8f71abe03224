package fuse

import (
	"errors"
	"fmt"
	"strings"

	"github.com/weft-ml/weft/internal/ir"
	"github.com/weft-ml/weft/internal/kernel"
)

// errNotFusable says that a node cannot be computed inside of a kernel,
// because it needs a reduction or product that is not at hand there.
var errNotFusable = errors.New("not fusable")

// errTooLong says that a kernel's program has grown beyond maxVals.
var errTooLong = errors.New("too many operations")

// maxVals bounds a kernel's program; beyond it registers spill and shader
// compilers take seconds.
const maxVals = 600

// builder collects the program of one kernel.
type builder struct {
	s     *scheduler
	pos   int // kernels before this position may be read
	k     *kernel.Kernel
	index map[string]int       // value by its text, so that equal values are one
	memo  map[string]memoEntry // lowered nodes
	bufs  map[int]int          // plan buffer to position in k.Bufs
	stage map[*ir.Node]int     // reductions computed by this kernel
	order []int                // loop variable of each dimension of the full domain
	full  []int                // extents of the full domain, in the order of memory
	acc   *ir.Node             // the matrix product computed by this kernel
	own   map[*ir.Node]bool    // nodes that this kernel stores

	mergedExtent int // of the loops that mergeDims is about to join
}

type memoEntry struct {
	v   int
	err error
}

func (s *scheduler) newBuilder(kind kernel.Kind, dims []int, outer int) *builder {
	return &builder{
		s: s, pos: len(s.kernels),
		k:     &kernel.Kernel{Kind: kind, Dims: dims, Outer: outer},
		index: map[string]int{}, memo: map[string]memoEntry{}, bufs: map[int]int{},
		stage: map[*ir.Node]int{}, own: map[*ir.Node]bool{},
	}
}

// loop returns loop variable d as an index.
func (b *builder) loop(d int) kernel.Index { return kernel.Dim(d, b.k.Dims[d]) }

// outerIndex is the row-major position among the independent elements.
func (b *builder) outerIndex() kernel.Index {
	var x kernel.Index
	for d := range b.k.Outer {
		x = x.Mul(b.k.Dims[d]).Add(b.loop(d))
	}
	return x
}

// fullIndex is the row-major position in the whole domain, whose dimensions
// lie in memory in the order of the anchor's input.
func (b *builder) fullIndex() kernel.Index {
	var x kernel.Index
	for i, d := range b.order {
		x = x.Mul(b.full[i])
		if d >= 0 {
			x = x.Add(b.loop(d))
		}
	}
	return x
}

// coordinates splits a row-major position into coordinates of shape.
func coordinates(x kernel.Index, shape []int) []kernel.Index {
	c := make([]kernel.Index, len(shape))
	for d := len(shape) - 1; d >= 0; d-- {
		if d == 0 {
			c[d] = x
		} else {
			c[d] = x.Mod(shape[d])
			x = x.Div(shape[d])
		}
		if shape[d] == 1 {
			c[d] = kernel.Int(0)
		}
	}
	return c
}

// add appends a value unless an equal one exists.
func (b *builder) add(v kernel.Val) int {
	key := fmt.Sprintf("%d %d %d %v %v %d %s %d", v.Kind, v.Op, v.DType, v.Args, v.Const, v.N, v.Index.Key(), v.Mask)
	if i, ok := b.index[key]; ok {
		return i
	}
	inner := func(n int) bool { return b.k.Vals[n].Inner }
	v.Inner = v.Index.DependsOn(func(d int) bool { return d >= b.k.Outer && d < len(b.k.Dims) }, inner)
	for _, a := range v.Args {
		v.Inner = v.Inner || inner(a)
	}
	if v.Kind == kernel.Load && v.Mask >= 0 {
		v.Inner = v.Inner || inner(v.Mask)
	}
	b.k.Vals = append(b.k.Vals, v)
	b.index[key] = len(b.k.Vals) - 1
	return len(b.k.Vals) - 1
}

func (b *builder) elem(op ir.Op, dt ir.DType, args ...int) int {
	return b.add(kernel.Val{Kind: kernel.Elem, Op: op, DType: dt, Args: args, Mask: -1})
}

func (b *builder) constant(dt ir.DType, v float64) int {
	return b.add(kernel.Val{Kind: kernel.Const, DType: dt, Const: v, Mask: -1})
}

// buf returns the kernel's number of a plan buffer.
func (b *builder) buf(id int) int {
	if i, ok := b.bufs[id]; ok {
		return i
	}
	u := b.s.plan.Buffers[id]
	b.k.Bufs = append(b.k.Bufs, kernel.Buf{ID: id, DType: u.DType, Elems: u.Elems})
	b.bufs[id] = len(b.k.Bufs) - 1
	return len(b.k.Bufs) - 1
}

// lower adds the value of node n at coordinates idx to the program and
// returns its number. Under mask (a value, or -1) loads that would leave their
// buffer are suppressed where the mask is false.
func (b *builder) lower(n *ir.Node, idx []kernel.Index, mask int) (int, error) {
	var key strings.Builder
	fmt.Fprintf(&key, "%p %d", n, mask)
	for _, x := range idx {
		key.WriteByte(' ')
		key.WriteString(x.Key())
	}
	if m, ok := b.memo[key.String()]; ok {
		return m.v, m.err
	}
	v, err := b.lowerNode(n, idx, mask)
	b.memo[key.String()] = memoEntry{v, err}
	return v, err
}

func (b *builder) load(buf int, shape []int, idx []kernel.Index, mask int) int {
	var at kernel.Index
	for d, n := range shape {
		at = at.Mul(n).Add(idx[d])
	}
	if lo, hi := at.Range(); lo >= 0 && hi < ir.NumElems(shape) {
		mask = -1 // within the buffer anyway; padding replaces the value
	}
	u := b.buf(buf)
	return b.add(kernel.Val{Kind: kernel.Load, DType: b.k.Bufs[u].DType.Compute(), N: u, Index: at, Mask: mask})
}

func (b *builder) lowerNode(n *ir.Node, idx []kernel.Index, mask int) (int, error) {
	if len(b.k.Vals) > maxVals {
		return 0, errTooLong
	}
	if r, ok := b.s.stored[n]; ok && !b.own[n] {
		if r.kernel >= b.pos {
			return 0, errNotFusable
		}
		return b.load(r.buf, n.Shape, idx, mask), nil
	}
	if k, ok := b.stage[n]; ok {
		if !b.atOuter(n, idx) {
			return 0, errNotFusable
		}
		return b.add(kernel.Val{Kind: kernel.Result, DType: n.DType, N: k, Mask: -1}), nil
	}
	if n == b.acc {
		for d := range idx {
			if idx[d].Key() != b.loop(d).Key() {
				return 0, errNotFusable
			}
		}
		return b.add(kernel.Val{Kind: kernel.Acc, DType: ir.F32, Mask: -1}), nil
	}
	if n.Op.IsElementwise() {
		args := make([]int, len(n.In))
		for i, x := range n.In {
			a, err := b.lower(x, idx, mask)
			if err != nil {
				return 0, err
			}
			args[i] = a
		}
		if n.Op == ir.OpCast && b.k.Vals[args[0]].DType == n.DType {
			return args[0], nil // loading has widened a storage type
		}
		return b.elem(n.Op, n.DType, args...), nil
	}
	switch n.Op {
	case ir.OpLeaf:
		return b.load(b.s.leaf[n.Leaf], n.Shape, idx, mask), nil
	case ir.OpConst:
		return b.constant(n.DType, n.Value), nil
	case ir.OpScalar:
		return b.add(kernel.Val{Kind: kernel.Scalar, DType: n.DType, N: b.s.slot[n.Leaf], Mask: -1}), nil
	case ir.OpIota:
		return b.add(kernel.Val{Kind: kernel.AsValue, DType: ir.I32, Index: idx[n.Axis], Mask: -1}), nil
	case ir.OpGather:
		return b.lowerGather(n, idx, mask)
	case ir.OpPad:
		return b.lowerPad(n, idx, mask)
	}
	if !n.Op.IsMovement() {
		return 0, errNotFusable
	}
	return b.lower(n.In[0], source(n, idx), mask)
}

// source maps coordinates of a movement operation's result to its input's.
func source(n *ir.Node, idx []kernel.Index) []kernel.Index {
	x := n.In[0]
	src := make([]kernel.Index, len(x.Shape))
	switch n.Op {
	case ir.OpReshape:
		return reshape(idx, n.Shape, x.Shape)
	case ir.OpPermute:
		for i, a := range n.Axes {
			src[a] = idx[i]
		}
	case ir.OpExpand:
		for d := range src {
			if x.Shape[d] == n.Shape[d] {
				src[d] = idx[d]
			}
		}
	case ir.OpUnfold:
		a := n.Axis
		copy(src, idx[:a])
		src[a] = idx[a].Mul(n.Step[1]).Add(idx[a+1].Mul(n.Step[2]))
		copy(src[a+1:], idx[a+2:])
	case ir.OpSlice:
		for d := range src {
			src[d] = idx[d].Mul(n.Step[d]).Add(kernel.Int(n.Start[d]))
		}
	}
	return src
}

// reshape maps coordinates between shapes group by group: where a run of
// dimensions on both sides has the same number of elements, only that run is
// linearised, so that the others keep their simple form.
func reshape(idx []kernel.Index, from, to []int) []kernel.Index {
	res := make([]kernel.Index, len(to))
	i, j := 0, 0
	for i < len(from) || j < len(to) {
		i0, j0 := i, j
		a, b := 1, 1
		if i < len(from) {
			a = from[i]
			i++
		}
		if j < len(to) {
			b = to[j]
			j++
		}
		for a != b {
			if a < b {
				a *= from[i]
				i++
			} else {
				b *= to[j]
				j++
			}
		}
		var lin kernel.Index
		for d := i0; d < i; d++ {
			lin = lin.Mul(from[d]).Add(idx[d])
		}
		copy(res[j0:j], coordinates(lin, to[j0:j]))
	}
	return res
}

func (b *builder) lowerGather(n *ir.Node, idx []kernel.Index, mask int) (int, error) {
	v, err := b.lower(n.In[1], idx, mask)
	if err != nil {
		return 0, err
	}
	extent := n.In[0].Shape[n.Axis]
	src := append([]kernel.Index(nil), idx...)
	if u := b.k.Vals[v]; u.Kind == kernel.AsValue {
		// A known function of the position needs no detour over a value.
		if lo, hi := u.Index.Range(); lo >= 0 && hi < extent {
			src[n.Axis] = u.Index
			return b.lower(n.In[0], src, mask)
		}
	}
	v = b.elem(ir.OpMaximum, ir.I32, v, b.constant(ir.I32, 0))
	v = b.elem(ir.OpMinimum, ir.I32, v, b.constant(ir.I32, float64(extent-1)))
	src[n.Axis] = kernel.FromVal(v, extent)
	return b.lower(n.In[0], src, mask)
}

func (b *builder) lowerPad(n *ir.Node, idx []kernel.Index, mask int) (int, error) {
	x := n.In[0]
	src := make([]kernel.Index, len(idx))
	cond := -1
	for d := range src {
		src[d] = idx[d].Add(kernel.Int(-n.Start[d]))
		lo, hi := src[d].Range()
		if lo >= 0 && hi < x.Shape[d] {
			continue
		}
		if hi < 0 || lo >= x.Shape[d] { // nothing but padding is looked at
			return b.constant(n.DType, n.Value), nil
		}
		in := b.add(kernel.Val{Kind: kernel.InRange, DType: ir.Bool, N: x.Shape[d], Index: src[d], Mask: -1})
		cond = b.and(cond, in)
	}
	inside := b.and(mask, cond)
	v, err := b.lower(x, src, inside)
	if err != nil || cond < 0 {
		return v, err
	}
	if u := b.k.Vals[v]; u.Kind == kernel.Load && u.Mask >= 0 && b.implies(u.Mask, cond) && n.Value == 0 {
		return v, nil // a suppressed load is 0 already
	}
	return b.elem(ir.OpWhere, n.DType, cond, v, b.constant(n.DType, n.Value)), nil
}

// implies reports whether condition y is one of those that x joins.
func (b *builder) implies(x, y int) bool {
	v := &b.k.Vals[x]
	if x == y {
		return true
	}
	return v.Kind == kernel.Elem && v.Op == ir.OpAnd && (b.implies(v.Args[0], y) || b.implies(v.Args[1], y))
}

func (b *builder) and(x, y int) int {
	switch {
	case x < 0:
		return y
	case y < 0 || b.implies(x, y):
		return x
	}
	return b.elem(ir.OpAnd, ir.Bool, x, y)
}

// atOuter reports whether idx are the kernel's own outer coordinates of a
// reduction's result.
func (b *builder) atOuter(n *ir.Node, idx []kernel.Index) bool {
	d := 0
	for i, size := range n.Shape {
		if size == 1 {
			continue
		}
		for d < b.k.Outer && b.k.Dims[d] == 1 {
			d++
		}
		if d >= b.k.Outer || idx[i].Key() != b.loop(d).Key() {
			return false
		}
		d++
	}
	return true
}
