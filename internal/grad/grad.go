// Package grad derives gradients as a rewrite from graph to graph.
//
// Because the result is an ordinary graph, the backward pass is simplified,
// fused and planned like the forward one, and differentiating it again works
// without further code.
package grad

import (
	"slices"

	"github.com/weft-ml/weft/internal/ir"
)

// Of returns the gradient of sum(out * seed) with respect to each node of
// wrt; seed has out's shape. A node that out does not depend on gets zeros.
func Of(out *ir.Node, wrt []*ir.Node, seed *ir.Node) []*ir.Node {
	order := ir.Topo(out)
	target := make(map[*ir.Node]bool, len(wrt))
	for _, w := range wrt {
		target[w] = true
	}
	// Only nodes between wrt and out take part.
	active := map[*ir.Node]bool{}
	for _, n := range order {
		active[n] = target[n]
		if n.Op != ir.OpDetach && n.DType.Compute() == ir.F32 {
			for _, in := range n.In {
				active[n] = active[n] || active[in]
			}
		}
	}
	acc := map[*ir.Node]*ir.Node{out: seed}
	for _, n := range slices.Backward(order) {
		g := acc[n]
		if g == nil || !active[n] {
			continue
		}
		for i, gi := range inputs(n, g) {
			in := n.In[i]
			if gi == nil || !active[in] {
				continue
			}
			if have := acc[in]; have != nil {
				gi = ir.Add(have, gi)
			}
			acc[in] = gi
		}
	}
	res := make([]*ir.Node, len(wrt))
	for i, w := range wrt {
		if res[i] = acc[w]; res[i] == nil {
			res[i] = ir.Const(ir.F32, 0, w.Shape...)
		}
	}
	return res
}

// inputs returns the gradients of n's inputs, given that of n.
func inputs(n, g *ir.Node) []*ir.Node {
	if n.Op.IsElementwise() {
		if f := ir.Table[n.Op].Grad; f != nil {
			return f(n, g)
		}
		return nil
	}
	if len(n.In) == 0 {
		return nil
	}
	x := n.In[0]
	switch n.Op {
	case ir.OpSum:
		return []*ir.Node{ir.Expand(g, x.Shape...)}
	case ir.OpMax, ir.OpMin:
		// Ties share the gradient equally, as PyTorch's amax does.
		hit := ir.Cast(ir.Binary(ir.OpEq, x, ir.Expand(n, x.Shape...)), ir.F32)
		share := ir.Div(g, ir.Reduce(ir.OpSum, hit, n.Axes...))
		return []*ir.Node{ir.Mul(hit, ir.Expand(share, x.Shape...))}
	case ir.OpProd:
		return []*ir.Node{prod(n, g)}
	case ir.OpReshape:
		return []*ir.Node{ir.Reshape(g, x.Shape...)}
	case ir.OpPermute:
		inv := make([]int, len(n.Axes))
		for i, a := range n.Axes {
			inv[a] = i
		}
		return []*ir.Node{ir.Permute(g, inv...)}
	case ir.OpExpand:
		var axes []int
		for d := range n.Shape {
			if x.Shape[d] != n.Shape[d] {
				axes = append(axes, d)
			}
		}
		return []*ir.Node{ir.Reduce(ir.OpSum, g, axes...)}
	case ir.OpSlice:
		return []*ir.Node{unslice(n, g)}
	case ir.OpPad:
		return []*ir.Node{ir.Slice(g, n.Start, ones(len(n.Shape)), x.Shape)}
	case ir.OpUnfold:
		return []*ir.Node{refold(n, g)}
	case ir.OpConv:
		return conv(n, g)
	case ir.OpGather:
		return []*ir.Node{scatter(n, g), nil}
	case ir.OpMatMul:
		a, b := n.In[0], n.In[1]
		return []*ir.Node{ir.MatMul(g, transpose(b)), ir.MatMul(transpose(a), g)}
	}
	return nil
}

// prod multiplies, for each element, all the others, so that zeros among
// them need no special case: O(n^2) in the reduced size, which is small.
func prod(n, g *ir.Node) *ir.Node {
	x := n.In[0]
	// All reduced dimensions as one at the end: [rest, r].
	var perm []int
	r := 1
	for d := range x.Shape {
		if !slices.Contains(n.Axes, d) {
			perm = append(perm, d)
		}
	}
	for _, d := range n.Axes {
		perm = append(perm, d)
		r *= x.Shape[d]
	}
	moved := ir.Permute(x, perm...)
	rest := x.Elems() / r
	cube := []int{rest, r, r}
	other := ir.Expand(ir.Reshape(moved, rest, 1, r), cube...)
	self := ir.Binary(ir.OpEq, ir.Iota(1, cube...), ir.Iota(2, cube...))
	others := ir.Reduce(ir.OpProd, ir.Where(self, ir.Const(ir.F32, 1, cube...), other), 2)
	inv := make([]int, len(perm))
	for i, p := range perm {
		inv[p] = i
	}
	return ir.Mul(ir.Expand(g, x.Shape...), ir.Permute(ir.Reshape(others, moved.Shape...), inv...))
}

// unslice puts g back where OpSlice took it from, zeros elsewhere.
func unslice(n, g *ir.Node) *ir.Node {
	x := n.In[0]
	for d := range n.Shape {
		start, step, size := n.Start[d], n.Step[d], n.Shape[d]
		if step < 0 { // reverse, then it is an ascending slice
			g = flip(g, d)
			start, step = start+(size-1)*step, -step
		}
		if step > 1 && size > 1 { // spread: [size] -> [size, step] -> [size*step]
			s := slices.Insert(slices.Clone(g.Shape), d+1, 1)
			hi := make([]int, len(s))
			hi[d+1] = step - 1
			g = ir.Pad(ir.Reshape(g, s...), make([]int, len(s)), hi, 0)
			flat := slices.Delete(slices.Clone(g.Shape), d+1, d+2)
			flat[d] = size * step
			g = ir.Reshape(g, flat...)
		}
		if extra := start + g.Shape[d] - x.Shape[d]; extra > 0 { // the last step's trailing zeros
			cut := slices.Clone(g.Shape)
			cut[d] -= extra
			g = ir.Slice(g, make([]int, len(cut)), ones(len(cut)), cut)
		}
		lo, hi := make([]int, len(g.Shape)), make([]int, len(g.Shape))
		lo[d], hi[d] = start, x.Shape[d]-start-g.Shape[d]
		g = ir.Pad(g, lo, hi, 0)
	}
	return g
}

// scatter adds g's elements where OpGather took them from. As a sum over
// comparisons with each target index it has a fixed order and needs no
// atomics, and it fuses with its neighbours; where the index has size 1 along
// the axis (the cross-entropy's target) it is no reduction at all.
func scatter(n, g *ir.Node) *ir.Node {
	x, index := n.In[0], n.In[1]
	d := n.Axis
	insert := func(t *ir.Node) *ir.Node { return ir.Reshape(t, slices.Insert(slices.Clone(t.Shape), d+1, 1)...) }
	full := slices.Insert(slices.Clone(index.Shape), d+1, x.Shape[d])
	hit := ir.Binary(ir.OpEq, ir.Expand(insert(index), full...), ir.Iota(d+1, full...))
	sum := ir.Reduce(ir.OpSum, ir.Where(hit, ir.Expand(insert(g), full...), ir.Const(ir.F32, 0, full...)), d)
	return ir.Reshape(sum, x.Shape...)
}

func transpose(n *ir.Node) *ir.Node {
	perm := make([]int, len(n.Shape))
	for i := range perm {
		perm[i] = i
	}
	r := len(perm)
	perm[r-1], perm[r-2] = r-2, r-1
	return ir.Permute(n, perm...)
}

func flip(n *ir.Node, d int) *ir.Node {
	start, step := make([]int, len(n.Shape)), ones(len(n.Shape))
	start[d], step[d] = n.Shape[d]-1, -1
	return ir.Slice(n, start, step, n.Shape)
}

func ones(n int) []int {
	s := make([]int, n)
	for i := range s {
		s[i] = 1
	}
	return s
}
