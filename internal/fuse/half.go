package fuse

// Mixed precision. A large step is bound by the memory that activations and their
// gradients go through between kernels, and they need neither the range nor the
// digits of float32 there. So they are stored as float16 and widened when they are
// loaded; nothing is computed in float16 (Micikevicius et al., "Mixed Precision
// Training", 2018, whose master weights and float32 sums come of themselves here).
//
// What is stored so follows from the gradients of variables, which tensor.Grad
// notes in the graph:
//
//   - only what those gradients are computed from, so that a program without
//     gradients, metrics, and whatever follows from gradients (sums over several
//     batches, norms, the update) stay as they are;
//   - and of that only what depends both on data and on a variable of floats, which
//     is what activations do: random numbers, coordinates and pictures have digits
//     that count, and a rearranged weight is still a weight;
//   - not the gradients themselves;
//   - no statistics, which need the digits or the range: results of long reductions,
//     also the short sums that a long one is split into, and what is computed from
//     those alone;
//   - nothing below Graph.Half elements, which would save no time;
//   - nothing that a comparison for equality sees, such as the pixels that the
//     gradient of a maximum looks for: a kernel that has the value at hand sees it
//     before it is rounded, another one after. Only the values that a product's
//     kernel leaves behind are safe, since no maximum is taken there.

import (
	"slices"

	"github.com/weft-ml/weft/internal/ir"
)

// windowElems is up to how many elements a reduction gives an activation, as
// pooling and depthwise convolutions do; what covers more is a statistic.
const windowElems = 64

// findHalves decides which values may be float16 in memory.
func (s *scheduler) findHalves() {
	least := s.graph.Half
	if least == 0 || len(s.graph.Grads) == 0 {
		return
	}
	type set = map[*ir.Node]bool
	// Gradients, back to the product or reduction that they come from.
	exact := set{}
	var origin func(n *ir.Node)
	origin = func(n *ir.Node) {
		if exact[n] {
			return
		}
		exact[n] = true
		if n.Op.IsMovement() || n.Op.IsElementwise() {
			for _, in := range n.In {
				origin(in)
			}
		}
	}
	for _, g := range s.graph.Grads {
		origin(g)
	}
	parts := set{} // of reductions
	for _, n := range s.order {
		if !n.Op.IsReduce() {
			continue
		}
		x := n.In[0]
		for x.Op.IsMovement() {
			x = x.In[0]
		}
		if x.Op == n.Op {
			parts[x] = true
		}
	}
	onData, onVariable, statistic := set{}, set{}, set{}
	for _, n := range s.order {
		if n.Op == ir.OpLeaf {
			onData[n] = n.Leaf.Kind != ir.State
			onVariable[n] = n.Leaf.Kind == ir.State && n.DType == ir.F32
		}
		for _, in := range n.In {
			onData[n] = onData[n] || onData[in]
			onVariable[n] = onVariable[n] || onVariable[in]
		}
		switch {
		case n.Op.IsReduce():
			statistic[n] = parts[n] || n.In[0].Elems() > windowElems*n.Elems()
		case n.Op.IsElementwise(), n.Op.IsMovement():
			other := func(in *ir.Node) bool { return onData[in] && !statistic[in] }
			statistic[n] = onData[n] && !slices.ContainsFunc(n.In, other)
		}
	}
	s.compared = set{}
	var see func(n *ir.Node)
	see = func(n *ir.Node) {
		if s.compared[n] {
			return
		}
		s.compared[n] = true
		if n.Op.IsMovement() || n.Op.IsElementwise() || n.Op == ir.OpGather {
			for _, in := range n.In {
				see(in)
			}
		}
	}
	for _, n := range s.order {
		if n.Op == ir.OpEq || n.Op == ir.OpNe {
			see(n.In[0])
			see(n.In[1])
		}
	}
	s.halves = set{}
	for _, n := range ir.Topo(s.graph.Grads...) {
		s.halves[n] = n.DType == ir.F32 && n.Elems() >= least && !s.assigned[n] &&
			onData[n] && onVariable[n] && !exact[n] && !statistic[n]
	}
}

// tempType is the type in which kernel b leaves node n in memory for others.
func (s *scheduler) tempType(b *builder, n *ir.Node) ir.DType {
	if s.halves[n] && (!s.compared[n] || b.acc != nil) {
		return ir.F16
	}
	return n.DType.Compute()
}
