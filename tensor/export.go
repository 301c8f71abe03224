// What exporters need: the graph of a function without a device to compile it
// for, and the contents of its leaves.

package tensor

import "github.com/weft-ml/weft/internal/ir"

// TraceGraph traces f for arguments of the shapes and types of in, as Compile
// does, and returns the graph. It is for Weft's own exporters.
func TraceGraph(f Function, in ...*Tensor) (*ir.Graph, error) { return traceFunction(f, in) }

// Leaf is the leaf that a variable or constant is in a graph, nil for other
// tensors.
func (t *Tensor) Leaf() *ir.Leaf { return t.node.Leaf }

// LeafBytes are the elements of a variable or constant of a graph, in the
// host's byte order. The caller must not change them.
func LeafBytes(l *ir.Leaf) ([]byte, error) { return storageOf(l).read() }

// FoldConstants computes, on the CPU, what in g follows from variables and
// constants alone, and puts constants in its place: what batch norm makes of
// its variance, for one. Movement of a variable is left as it is, since it
// costs nothing, and so is whatever would take more room than it is made of.
// It must not be used on a graph that assigns variables.
func FoldConstants(g *ir.Graph) (err error) {
	// constant reports whether n is known, and how many elements it comes from.
	constant := func(n *ir.Node) (elems int, leaf, ok bool) {
		for n.Op.IsMovement() {
			n = n.In[0]
		}
		switch {
		case n.Op == ir.OpConst:
			return 1, false, true
		case n.Op == ir.OpLeaf && (n.Leaf.Kind == ir.State || n.Leaf.Kind == ir.Data):
			return n.Elems(), true, true
		}
		return 0, false, false
	}
	g.Outputs = ir.Rewrite(g.Outputs, func(n *ir.Node) *ir.Node {
		if err != nil || n.Op.IsMovement() || len(n.In) == 0 {
			return n
		}
		total, any := 0, false
		for _, in := range n.In {
			elems, leaf, ok := constant(in)
			if !ok {
				return n
			}
			total, any = total+elems, any || leaf
		}
		if !any || n.Elems() > total {
			return n
		}
		t := &Tensor{node: n}
		if err = t.evaluate(); err != nil {
			return n
		}
		return t.node
	})
	return err
}
