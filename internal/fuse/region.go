package fuse

import (
	"fmt"
	"slices"

	"github.com/weft-ml/weft/internal/ir"
	"github.com/weft-ml/weft/internal/kernel"
)

// member is a node computed inside of an anchor's kernel.
type member struct {
	node  *ir.Node
	val   int
	at    kernel.Index
	inner bool
	// coords are the node's coordinates as functions of a product's loop
	// variables: users may see the result permuted.
	coords []kernel.Index
}

// anchor builds the kernel of a reduction or matrix product and of the nodes
// around it that can be computed with it.
func (s *scheduler) anchor(n *ir.Node) error {
	if n.Op.IsReduce() {
		s.shorten(n)
	}
	b, err := s.startAnchor(n)
	for (err != nil || len(b.k.Bufs)+3 > s.opt.MaxBuffers) && s.relieve(n, err) {
		b, err = s.startAnchor(n)
	}
	if err != nil {
		return fmt.Errorf("weft: %s of shape %v: %w", n.Op.Name(), n.Shape, err)
	}
	region := map[*ir.Node]member{}
	stored := s.cut(s.grow(b, n, region), region)
	if len(b.k.Bufs)+2*len(stored) > s.opt.MaxBuffers && !s.fits(b, stored) {
		// Too much for one kernel: this node alone.
		if b, err = s.startAnchor(n); err != nil {
			return err
		}
		v, _ := b.lower(n, coordinates(b.outerIndex(), n.Shape), -1)
		stored = []member{{node: n, val: v, at: b.outerIndex()}}
		region = nil
	}
	for c := range region {
		s.absorbed[c] = c.Op.IsReduce()
	}
	for _, m := range stored {
		s.store(b, m.node, m.val, m.at, m.inner)
	}
	s.kernels = append(s.kernels, b)
	return nil
}

// fits counts the buffers that the kernel needs for the given members.
func (s *scheduler) fits(b *builder, stored []member) bool {
	bufs := map[int]bool{}
	seen := map[int]bool{}
	var visit func(v int)
	visit = func(v int) {
		if seen[v] {
			return
		}
		seen[v] = true
		val := &b.k.Vals[v]
		switch val.Kind {
		case kernel.Load:
			bufs[val.N] = true
		case kernel.Result:
			visit(b.k.Stages[val.N].Val)
		}
		val.Uses(visit)
	}
	outs, ring := 0, 0
	for _, m := range stored {
		visit(m.val)
		i, isResult := s.result[m.node]
		if isResult && s.plan.Results[i].Ring {
			ring = 1
			if len(s.users[m.node]) == 0 && !s.assigned[m.node] {
				continue
			}
		}
		outs++
	}
	if p := b.k.Product; p != nil {
		visit(p.A)
		visit(p.B)
	}
	return len(bufs)+outs+ring <= s.opt.MaxBuffers
}

func (s *scheduler) startAnchor(n *ir.Node) (*builder, error) {
	if n.Op == ir.OpMatMul {
		r := len(n.Shape)
		if err := countable(n.Shape); err != nil {
			return nil, err
		}
		b := s.newBuilder(kernel.MatMul, n.Shape, r)
		for i := range r {
			b.order = append(b.order, i)
		}
		b.full = n.Shape
		b.acc = n
		k := n.In[0].Shape[r-1]
		batch := make([]kernel.Index, r-2, r)
		for d := range batch {
			batch[d] = b.loop(d)
		}
		inner := kernel.Dim(r, k)
		va, err := b.lower(n.In[0], append(slices.Clone(batch), b.loop(r-2), inner), -1)
		if err != nil {
			return nil, err
		}
		vb, err := b.lower(n.In[1], append(slices.Clone(batch), inner, b.loop(r-1)), -1)
		if err != nil {
			return nil, err
		}
		for i, v := range []int{va, vb} {
			// Another kernel may have stored something half way up the chain of
			// views since findOperands looked at it.
			if u := &b.k.Vals[v]; u.Kind != kernel.Load || u.Mask >= 0 || !separable(u.Index, r-2) {
				if err := s.mapKernel(n.In[i]); err != nil {
					return nil, err
				}
				return s.startAnchor(n)
			}
		}
		b.k.Product = &kernel.Product{K: k, A: va, B: vb}
		// The backends load the operands themselves, so the epilogue must not
		// find them as values of its own, even at the same address.
		clear(b.index)
		clear(b.memo)
		return b, nil
	}
	x := n.In[0]
	var dims, reduced []int
	for d, size := range x.Shape {
		if size == 1 {
			continue
		}
		if slices.Contains(n.Axes, d) {
			reduced = append(reduced, size)
		} else {
			dims = append(dims, size)
		}
	}
	for _, loops := range [][]int{dims, reduced} {
		if err := countable(loops); err != nil {
			return nil, err
		}
	}
	b := s.newBuilder(kernel.Reduce, append(slices.Clone(dims), reduced...), len(dims))
	outer, inner := 0, len(dims)
	for d, size := range x.Shape {
		if size == 1 {
			continue
		}
		b.full = append(b.full, size)
		if slices.Contains(n.Axes, d) {
			b.order = append(b.order, inner)
			inner++
		} else {
			b.order = append(b.order, outer)
			outer++
		}
	}
	return b, s.addStage(b, n)
}

// maxStages bounds the reductions of one kernel: on a GPU each takes a
// kilobyte of workgroup memory, of which there are 16.
const maxStages = 12

// signature is the domain of a reduction: its dimensions without those of
// size 1, reduced ones negative.
func signature(n *ir.Node) []int {
	var sig []int
	for d, size := range n.In[0].Shape {
		switch {
		case size == 1:
		case slices.Contains(n.Axes, d):
			sig = append(sig, -size)
		default:
			sig = append(sig, size)
		}
	}
	return sig
}

// addStage appends reduction n to kernel b.
func (s *scheduler) addStage(b *builder, n *ir.Node) error {
	x := n.In[0]
	idx := make([]kernel.Index, len(x.Shape))
	i := 0
	for d, size := range x.Shape {
		if size != 1 {
			idx[d] = b.loop(b.order[i])
			i++
		}
	}
	v, err := b.lower(x, idx, -1)
	if err != nil {
		return err
	}
	b.k.Stages = append(b.k.Stages, kernel.Stage{Op: n.Op, Val: v})
	b.stage[n] = len(b.k.Stages) - 1
	clear(b.memo) // nodes that failed for want of this result may succeed now
	return nil
}

// grow adds to the kernel of anchor n, in topological order, every node that
// can be lowered there: users of what it computes, and reductions over the
// same domain.
func (s *scheduler) grow(b *builder, n *ir.Node, region map[*ir.Node]member) []member {
	outerAt := b.outerIndex()
	first := member{node: n, at: outerAt}
	first.val, _ = b.lower(n, coordinates(outerAt, n.Shape), -1)
	if b.acc != nil {
		for d := range n.Shape {
			first.coords = append(first.coords, b.loop(d))
		}
	}
	region[n] = first
	members := []member{first}
	var sig []int
	if n.Op.IsReduce() {
		sig = signature(n)
	}
	started := false
	for _, c := range s.order {
		if !started {
			started = c == n
			continue
		}
		if s.done(c) || c.Op == ir.OpMatMul || c.Op == ir.OpLeaf || c.Op == ir.OpConst {
			continue
		}
		if c.Op.IsReduce() {
			if sig == nil || !slices.Equal(sig, signature(c)) || len(b.k.Vals) > maxVals/2 || len(b.k.Stages) >= maxStages {
				continue
			}
			if m, ok := s.try(b, c, true); ok {
				region[c] = m
				members = append(members, m)
			}
			continue
		}
		touches := false
		for _, in := range c.In {
			_, ok := region[in]
			touches = touches || ok
		}
		if !touches {
			continue
		}
		if m, ok := s.try(b, c, false, forward(c, region)...); ok {
			region[c] = m
			members = append(members, m)
		}
	}
	return members
}

// forward follows the coordinates of a product's result to its user c, nil
// where c is no plain rearrangement.
func forward(c *ir.Node, region map[*ir.Node]member) []kernel.Index {
	for _, in := range c.In {
		p, ok := region[in]
		if !ok || p.coords == nil {
			continue
		}
		switch {
		case c.Op == ir.OpReshape:
			return reshape(p.coords, in.Shape, c.Shape)
		case c.Op == ir.OpPermute:
			coords := make([]kernel.Index, len(c.Axes))
			for i, a := range c.Axes {
				coords[i] = p.coords[a]
			}
			return coords
		case c.Op.IsElementwise() && slices.Equal(in.Shape, c.Shape):
			return p.coords
		}
	}
	return nil
}

// try lowers c in kernel b and takes the attempt back if it does not fit.
func (s *scheduler) try(b *builder, c *ir.Node, reduce bool, coords ...kernel.Index) (member, bool) {
	before := len(b.k.Bufs)
	m := member{node: c, at: b.outerIndex(), coords: coords}
	var err error
	switch {
	case coords != nil:
		m.at = kernel.Index{}
		for d, size := range c.Shape {
			m.at = m.at.Mul(size).Add(coords[d])
		}
		m.val, err = b.lower(c, coords, -1)
	case reduce:
		if err = s.addStage(b, c); err == nil {
			m.val, err = b.lower(c, coordinates(m.at, c.Shape), -1)
		}
	case c.Elems() == b.k.OuterElems():
		m.val, err = b.lower(c, coordinates(m.at, c.Shape), -1)
	case c.Elems() == ir.NumElems(b.k.Dims) && (b.k.OuterElems() >= 64 || b.k.InnerElems() <= 4096):
		// Few long rows would keep few processors busy; those stay apart.
		m.at, m.inner = b.fullIndex(), true
		m.val, err = b.lower(c, coordinates(m.at, c.Shape), -1)
	default:
		err = errNotFusable
	}
	// Leave room for what the kernel stores: three buffers serve almost all.
	if err == nil && len(b.k.Bufs) > before && len(b.k.Bufs)+3 > s.opt.MaxBuffers {
		err = errNotFusable
		if reduce {
			b.k.Stages = b.k.Stages[:len(b.k.Stages)-1]
			delete(b.stage, c)
		}
	}
	if err != nil {
		b.dropBufs(before)
		return member{}, false
	}
	return m, true
}

// cut chooses which members go to memory: those that have to, and the
// cheapest set from which the users outside of the kernel can compute the
// rest. A member is not stored if its inputs are, or if they are smaller:
// mean and deviation instead of normalised rows, the activation instead of
// its mask.
func (s *scheduler) cut(members []member, region map[*ir.Node]member) []member {
	needed := map[*ir.Node]bool{}
	for _, m := range members {
		if s.must[m.node] {
			needed[m.node] = true
			continue
		}
		for _, u := range s.users[m.node] {
			if _, in := region[u]; !in {
				needed[m.node] = true
			}
		}
	}
	for _, m := range slices.Backward(members) {
		n := m.node
		if !needed[n] || s.must[n] || n.Op.IsReduce() || n.Op == ir.OpMatMul {
			continue
		}
		cost := 0
		var inputs []*ir.Node
		for _, in := range n.In {
			if _, ok := region[in]; ok && !needed[in] && !slices.Contains(inputs, in) {
				inputs = append(inputs, in)
				cost += in.Bytes()
			}
		}
		if cost < n.Bytes() {
			delete(needed, n)
			for _, in := range inputs {
				needed[in] = true
			}
		}
	}
	// What follows from other stored members in a few operations need not be
	// stored besides: the derivative of an activation, the same map in another
	// order.
	for _, m := range slices.Backward(members) {
		if n := m.node; needed[n] && !s.must[n] {
			delete(needed, n)
			if work := s.again(n, n, region, needed, map[*ir.Node]bool{}); work < 0 || work > mostAgain {
				needed[n] = true
			}
		}
	}
	var stored []member
	for _, m := range members {
		if needed[m.node] {
			stored = append(stored, m)
		}
	}
	return stored
}

// mostAgain is the arithmetic (in additions) that is repeated for each element
// rather than storing and loading it.
const mostAgain = 40

// again is the arithmetic that another kernel needs to compute x from stored
// members, -1 if that is impossible. Comparisons for equality are not repeated:
// where two kernels round differently, nothing would be equal any more.
func (s *scheduler) again(n, x *ir.Node, region map[*ir.Node]member, needed, seen map[*ir.Node]bool) int {
	if _, in := region[x]; x != n && (!in || needed[x]) || seen[x] {
		return 0
	}
	seen[x] = true
	if x.Op.IsReduce() || x.Op == ir.OpMatMul || x.Op == ir.OpEq || x.Op == ir.OpNe || x.Op == ir.OpGather {
		return -1
	}
	work := 0
	if x.Op.IsElementwise() {
		work = ir.Table[x.Op].Cost
	}
	for _, in := range x.In {
		w := s.again(n, in, region, needed, seen)
		if w < 0 {
			return -1
		}
		work += w
	}
	return work
}
