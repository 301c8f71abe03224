// Package fuse turns a graph into few kernels.
//
// Only what must be in memory is computed into memory: results, assigned
// state, operands of matrix products. Everything elementwise is inlined into
// whatever reads it, by lowering: a node is asked for its value at some
// coordinates, and asks its inputs for theirs, until loads are reached.
// Movement operations only change the coordinates on the way.
//
// Reductions and matrix products are anchors: each begins a kernel, and the
// kernel then grows over the users of its result as far as lowering succeeds
// (region.go). Whether a node fits into a kernel is never decided by pattern
// matching; it fits if it can be lowered there.
package fuse

import (
	"fmt"
	"math"
	"slices"

	"github.com/weft-ml/weft/internal/ir"
	"github.com/weft-ml/weft/internal/kernel"
	"github.com/weft-ml/weft/internal/plan"
)

// Options are the limits of a backend.
type Options struct {
	// MaxBuffers is how many buffers one kernel may be bound to; 0 means 8,
	// WebGPU's default.
	MaxBuffers int
	// NoRing keeps every result in a buffer of its own: for plans that are run
	// one step at a time.
	NoRing bool
}

// place says where a node's value is stored, and from which kernel on.
type place struct {
	buf    int
	kernel int
}

type scheduler struct {
	opt     Options
	graph   *ir.Graph
	plan    *plan.Plan
	order   []*ir.Node
	users   map[*ir.Node][]*ir.Node
	must    map[*ir.Node]bool // has to be in memory
	stored  map[*ir.Node]place
	leaf    map[*ir.Leaf]int // buffer of each leaf
	slot    map[*ir.Leaf]int // slot of each per-step scalar
	kernels []*builder
	result  map[*ir.Node]int // output number

	assigned map[*ir.Node]bool // becomes the value of some state
	inRing   map[*ir.Node]bool // stored as a per-step result only
	absorbed map[*ir.Node]bool // reductions that only their own kernel needs

	halves   map[*ir.Node]bool // may be float16 in memory
	compared map[*ir.Node]bool // of these, what comparisons for equality see
}

// Build fuses and plans a graph.
func Build(g *ir.Graph, opt Options) (*plan.Plan, error) {
	if opt.MaxBuffers == 0 {
		opt.MaxBuffers = 8
	}
	if g.Half == 0 {
		g.Grads = nil // nobody asks
	}
	g.Rewrite(expandConvolutions)
	g.Finish()
	g.Rewrite(splitReductions)
	s := &scheduler{
		opt: opt, graph: g, plan: &plan.Plan{Graph: g, RingBuf: -1},
		order: ir.Topo(g.Roots()...),
		users: map[*ir.Node][]*ir.Node{}, must: map[*ir.Node]bool{},
		stored: map[*ir.Node]place{}, leaf: map[*ir.Leaf]int{}, slot: map[*ir.Leaf]int{},
		result: map[*ir.Node]int{}, assigned: map[*ir.Node]bool{},
		inRing: map[*ir.Node]bool{}, absorbed: map[*ir.Node]bool{},
	}
	for i, l := range g.Scalars {
		s.slot[l] = i
	}
	s.addLeaves()
	s.addResults()
	for _, n := range s.order {
		for _, in := range n.In {
			s.users[in] = append(s.users[in], n)
		}
	}
	s.findOperands()
	s.findHalves()
	for _, n := range s.order {
		var err error
		switch {
		case s.done(n):
		case n.Op.IsReduce() || n.Op == ir.OpMatMul:
			err = s.anchor(n)
		case s.must[n] && n.Op != ir.OpLeaf:
			err = s.mapKernel(n)
		}
		if err != nil {
			return nil, err
		}
	}
	s.finish()
	return s.plan, nil
}

// done reports whether a kernel computes n already.
func (s *scheduler) done(n *ir.Node) bool {
	_, ok := s.stored[n]
	return ok || s.inRing[n] || s.absorbed[n]
}

func (s *scheduler) addBuffer(b plan.Buffer) int {
	b.Bytes = b.Elems * b.DType.Size()
	s.plan.Buffers = append(s.plan.Buffers, b)
	return len(s.plan.Buffers) - 1
}

func (s *scheduler) addLeaves() {
	kinds := map[ir.LeafKind]plan.BufferKind{ir.Input: plan.Input, ir.State: plan.State, ir.Data: plan.Data}
	add := func(l *ir.Leaf) {
		if _, ok := s.leaf[l]; !ok && l.Kind != ir.Step {
			s.leaf[l] = s.addBuffer(plan.Buffer{Kind: kinds[l.Kind], Name: l.Name, DType: l.DType, Elems: ir.NumElems(l.Shape), Leaf: l})
		}
	}
	for _, l := range s.graph.Inputs {
		add(l)
	}
	for _, n := range s.order {
		if n.Op == ir.OpLeaf {
			add(n.Leaf)
		}
	}
	for _, l := range s.graph.Targets {
		add(l)
	}
}

// ringElems is the size up to which an output goes to the ring of per-step
// results: losses, metrics, norms.
const ringElems = 16

func (s *scheduler) addResults() {
	p := s.plan
	for _, v := range s.graph.Values {
		s.must[v], s.assigned[v] = true, true
	}
	for _, o := range s.graph.Outputs {
		n := o.Elems()
		if n <= ringElems && o.DType.Size() == 4 && !s.opt.NoRing {
			p.Results = append(p.Results, plan.Result{Offset: p.RingWords, Elems: n, Ring: true, DType: o.DType, Shape: o.Shape})
			p.RingWords += n
		} else {
			p.Results = append(p.Results, plan.Result{Elems: n, DType: o.DType.Compute(), Shape: o.Shape})
		}
		s.must[o] = true
	}
	if p.RingWords > 0 {
		p.RingBuf = s.addBuffer(plan.Buffer{Kind: plan.Ring, Name: "ring", DType: ir.I32, Elems: p.RingWords * plan.RingSlots})
	}
	for i, o := range s.graph.Outputs {
		r := &p.Results[i]
		if r.Ring {
			r.Buf = p.RingBuf
		} else {
			r.Buf = s.addBuffer(plan.Buffer{Kind: plan.Output, Name: fmt.Sprintf("output %d", i), DType: r.DType, Elems: r.Elems})
		}
		if _, ok := s.result[o]; !ok {
			s.result[o] = i
		}
	}
}

// findOperands marks what matrix products read. An operand is addressed by
// the sum of an offset for its row and one for its column, so it has to be a
// view of something in memory in which the two do not mix: a strided matrix,
// or the windows of a convolution.
func (s *scheduler) findOperands() {
	for _, n := range s.order {
		if n.Op != ir.OpMatMul {
			continue
		}
		for _, x := range n.In {
			base := x
			idx := make([]kernel.Index, len(x.Shape))
			for d, size := range x.Shape {
				idx[d] = kernel.Dim(d, size)
			}
			for base.Op.IsMovement() && base.Op != ir.OpPad && !s.must[base] {
				idx = source(base, idx)
				base = base.In[0]
			}
			var at kernel.Index
			for d, size := range base.Shape {
				at = at.Mul(size).Add(idx[d])
			}
			if base.DType != ir.F32 || !separable(at, len(x.Shape)-2) {
				base = x
			}
			if base.Op != ir.OpLeaf {
				s.must[base] = true
			}
		}
	}
}

// separable reports whether x is a sum of functions of one loop variable
// each, none of them ever negative (products walk forwards), and a multiple
// of each of the first batch variables.
func separable(x kernel.Index, batch int) bool {
	for _, t := range x.Terms {
		if t.Coef*t.Atom.Lo < 0 || t.Coef*t.Atom.Hi < 0 {
			return false
		}
		dims := map[int]bool{}
		uneven := t.Atom.DependsOn(func(d int) bool {
			dims[d] = true
			return d < batch && t.Atom.Kind != kernel.AtomDim
		}, func(int) bool { return true })
		if uneven || len(dims) > 1 {
			return false
		}
	}
	return true
}

// store makes kernel b compute node n into memory, at element at. A per-step
// result goes to its ring row, and to a buffer of its own only if something
// reads it there; an assigned value gets a buffer of its own here, and finish
// decides whether that can be the state's.
func (s *scheduler) store(b *builder, n *ir.Node, v int, at kernel.Index, inner bool) {
	put := func(buf int, at kernel.Index, ring int) {
		b.k.Stores = append(b.k.Stores, kernel.Store{Val: v, Buf: b.buf(buf), Index: at, Inner: inner, Ring: ring})
	}
	b.own[n] = true
	i, isResult := s.result[n]
	if isResult {
		r := s.plan.Results[i]
		if !r.Ring {
			put(r.Buf, at, 0)
			s.stored[n] = place{r.Buf, b.pos}
			return
		}
		put(r.Buf, at.Add(kernel.Int(r.Offset)), s.plan.RingWords)
		if len(s.users[n]) == 0 && !s.assigned[n] {
			s.inRing[n] = true
			return
		}
	}
	buf := s.addBuffer(plan.Buffer{Kind: plan.Temp, DType: s.tempType(b, n), Elems: n.Elems()})
	put(buf, at, 0)
	s.stored[n] = place{buf, b.pos}
}

// mapKernel computes node n elementwise, in an existing kernel of the same
// shape if its inputs are there by then.
func (s *scheduler) mapKernel(n *ir.Node) error {
	s.shorten(n)
	for _, b := range slices.Backward(s.kernels) {
		if b.k.Kind != kernel.Map || !sameLoops(b.k.Dims, n.Shape) || len(b.k.Vals) > maxVals/4 {
			continue
		}
		if s.mapInto(b, n) == nil {
			return nil
		}
	}
	if err := countable(n.Shape); err != nil {
		return err
	}
	b := s.newBuilder(kernel.Map, n.Shape, len(n.Shape))
	err := s.mapInto(b, n)
	for err != nil && s.relieve(n, err) {
		b = s.newBuilder(kernel.Map, n.Shape, len(n.Shape))
		err = s.mapInto(b, n)
	}
	if err != nil {
		return fmt.Errorf("weft: %s of shape %v cannot be computed by kernels with %d buffers: %w", n.Op.Name(), n.Shape, s.opt.MaxBuffers, err)
	}
	s.kernels = append(s.kernels, b)
	return nil
}

// sameLoops reports whether two shapes are the same but for dimensions of size
// 1. Other shapes of as many elements would be walked through by divisions.
func sameLoops(a, b []int) bool {
	i := 0
	for _, n := range b {
		for i < len(a) && a[i] == 1 {
			i++
		}
		switch {
		case n == 1:
		case i == len(a) || a[i] != n:
			return false
		default:
			i++
		}
	}
	for ; i < len(a); i++ {
		if a[i] != 1 {
			return false
		}
	}
	return true
}

// countable fails for loops that 32-bit indices cannot count. Larger values
// may exist between operations, as long as no kernel walks through one.
func countable(dims []int) error {
	n := 1
	for _, d := range dims {
		if d > math.MaxInt32/n {
			return fmt.Errorf("weft: a step computes a tensor of shape %v, which has more than 2^31-1 elements; use a smaller batch", dims)
		}
		n *= d
	}
	return nil
}

func (s *scheduler) mapInto(b *builder, n *ir.Node) error {
	before := len(b.k.Bufs)
	at := b.outerIndex()
	v, err := b.lower(n, coordinates(at, n.Shape), -1)
	if err == nil && len(b.k.Bufs)+2 > s.opt.MaxBuffers {
		err = errNotFusable // no room for the result, and its row in the ring
	}
	if err != nil {
		b.dropBufs(before)
		return err
	}
	s.store(b, n, v, at, false)
	return nil
}

// dropBufs forgets buffers that a failed attempt bound; its values stay, dead,
// until the kernel is finished.
func (b *builder) dropBufs(n int) {
	clear(b.memo)
	if len(b.k.Bufs) == n {
		return
	}
	for id, i := range b.bufs {
		if i >= n {
			delete(b.bufs, id)
		}
	}
	for key, i := range b.index {
		if v := b.k.Vals[i]; v.Kind == kernel.Load && v.N >= n {
			delete(b.index, key)
		}
	}
	b.k.Bufs = b.k.Bufs[:n]
}
