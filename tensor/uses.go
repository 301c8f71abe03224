package tensor

import "github.com/weft-ml/weft/internal/ir"

// Use is an operation that reads a variable directly: itself, or a view of it.
type Use struct {
	Op    string // such as "conv", "matmul", "mul"
	Shape []int  // of the operation's result
	// MACs are the multiplications with additions of a convolution or matrix
	// product, 0 for others.
	MACs int
}

// Uses lists for each of vars the operations among those that compute x which
// read it, in the order of computation: where a layer's variables are used,
// without anything being computed.
func Uses(x *Tensor, vars []*Tensor) [][]Use {
	uses := make([][]Use, len(vars))
	number := map[*ir.Leaf]int{}
	for i, v := range vars {
		number[v.node.Leaf] = i
	}
	view := func(n *ir.Node) bool { return n.Op.IsMovement() || n.Op == ir.OpCast || n.Op == ir.OpDetach }
	for _, n := range ir.Topo(x.node) {
		if view(n) {
			continue
		}
		for _, in := range n.In {
			for view(in) {
				in = in.In[0]
			}
			if in.Op != ir.OpLeaf {
				continue
			}
			if i, ok := number[in.Leaf]; ok {
				uses[i] = append(uses[i], Use{n.Op.Name(), n.Shape, macs(n)})
			}
		}
	}
	return uses
}

func macs(n *ir.Node) int {
	switch n.Op {
	case ir.OpConv:
		return n.Elems() * ir.NumElems(n.In[1].Shape[1:])
	case ir.OpMatMul:
		k := n.In[0].Shape
		return n.Elems() * k[len(k)-1]
	}
	return 0
}
