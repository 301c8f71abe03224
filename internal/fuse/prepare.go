package fuse

import (
	"slices"

	"github.com/weft-ml/weft/internal/ir"
)

// Rewrites and decisions that precede kernel building.

// splitElems is the number of elements that one sequence of a reduction may
// cover when there are few sequences; longer ones would leave most of a GPU
// idle and are reduced in two steps.
const splitElems = 8192

// splitReductions turns a reduction of very many elements to few into two, by
// cutting its longest dimension in parts. Since the graph decides it, every
// backend adds in the same order.
func splitReductions(roots []*ir.Node) []*ir.Node {
	return ir.Rewrite(roots, func(n *ir.Node) *ir.Node {
		if !n.Op.IsReduce() || n.Elems() > 256 {
			return n
		}
		x := n.In[0]
		inner := x.Elems() / n.Elems()
		if inner < splitElems {
			return n
		}
		axis := n.Axes[0]
		for _, a := range n.Axes {
			if x.Shape[a] > x.Shape[axis] {
				axis = a
			}
		}
		parts := 0
		for p := 2; p <= 512 && p*64 <= inner; p++ {
			if x.Shape[axis]%p == 0 {
				parts = p
			}
		}
		if parts < 8 {
			return n
		}
		shape := slices.Insert(slices.Clone(x.Shape), axis, parts)
		shape[axis+1] /= parts
		var axes []int
		for _, a := range n.Axes {
			if a >= axis {
				a++
			}
			axes = append(axes, a)
		}
		first := ir.Reduce(n.Op, ir.Reshape(x, shape...), axes...)
		second := ir.Reduce(n.Op, first, axis)
		return ir.Reshape(second, n.Shape...)
	})
}

// limitSources marks nodes for memory where an expression would read from
// more places than a kernel may be bound to.
func (s *scheduler) limitSources() {
	most := s.opt.MaxBuffers - 3
	sources := map[*ir.Node]map[*ir.Node]bool{}
	self := func(n *ir.Node) map[*ir.Node]bool { return map[*ir.Node]bool{n: true} }
	for _, n := range s.order {
		if n.Op == ir.OpLeaf || n.Op.IsReduce() || n.Op == ir.OpMatMul {
			s.limitInputs(n, sources, most)
			sources[n] = self(n)
			continue
		}
		sources[n] = s.limitInputs(n, sources, most)
		if s.must[n] {
			sources[n] = self(n)
		}
	}
}

// limitInputs returns what n's expression reads, after putting inputs with
// the most sources into memory until there are few enough.
func (s *scheduler) limitInputs(n *ir.Node, sources map[*ir.Node]map[*ir.Node]bool, most int) map[*ir.Node]bool {
	for {
		all := map[*ir.Node]bool{}
		var widest *ir.Node
		for _, in := range n.In {
			for src := range sources[in] {
				all[src] = true
			}
			if len(sources[in]) > 1 && (widest == nil || len(sources[in]) > len(sources[widest])) {
				widest = in
			}
		}
		if len(all) <= most || widest == nil {
			return all
		}
		s.must[widest] = true
		sources[widest] = map[*ir.Node]bool{widest: true}
	}
}
