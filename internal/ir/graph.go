package ir

import (
	"fmt"
	"strconv"
	"strings"
)

// Topo returns the nodes that outs depend on, inputs before users. The order
// depends on the graph alone, so whatever follows from it is reproducible.
func Topo(outs ...*Node) []*Node {
	var order []*Node
	done := map[*Node]bool{}
	type frame struct {
		n    *Node
		next int
	}
	for _, o := range outs {
		if done[o] {
			continue
		}
		done[o] = true
		stack := []frame{{n: o}} // explicit: graphs of long unrolled loops are deep
		for len(stack) > 0 {
			f := &stack[len(stack)-1]
			if f.next < len(f.n.In) {
				in := f.n.In[f.next]
				f.next++
				if !done[in] {
					done[in] = true
					stack = append(stack, frame{n: in})
				}
				continue
			}
			order = append(order, f.n)
			stack = stack[:len(stack)-1]
		}
	}
	return order
}

// Rewrite rebuilds the graph of outs bottom-up: f receives each node with its
// inputs already replaced and returns the replacement (often n itself).
func Rewrite(outs []*Node, f func(n *Node) *Node) []*Node {
	repl := map[*Node]*Node{}
	for _, n := range Topo(outs...) {
		m := n
		for i, in := range n.In {
			if r := repl[in]; r != in {
				if m == n {
					c := *n
					c.In = append([]*Node(nil), n.In...)
					m = &c
				}
				m.In[i] = r
			}
		}
		repl[n] = f(m)
	}
	res := make([]*Node, len(outs))
	for i, o := range outs {
		res[i] = repl[o]
	}
	return res
}

// Dedup merges nodes that compute the same value from the same inputs, and
// drops OpDetach, which has done its work once gradients are taken.
func Dedup(outs []*Node) []*Node {
	seen := map[string]*Node{}
	id := map[*Node]int{}
	return Rewrite(outs, func(n *Node) *Node {
		if n.Op == OpDetach {
			return n.In[0]
		}
		var k strings.Builder
		fmt.Fprintf(&k, "%d %d %v %d %v %v %v %v %p", n.Op, n.DType, n.Shape, n.Axis, n.Axes, n.Start, n.Step,
			strconv.FormatFloat(n.Value, 'x', -1, 64), n.Leaf)
		for _, in := range n.In {
			fmt.Fprintf(&k, " %d", id[in])
		}
		if m, ok := seen[k.String()]; ok {
			return m
		}
		seen[k.String()] = n
		id[n] = len(id)
		return n
	})
}

// Name is the operation's name in printed graphs.
func (op Op) Name() string {
	if op.IsElementwise() && op < numOps {
		return Table[op].Name
	}
	names := [...]string{OpInvalid: "invalid", OpConst: "const", OpLeaf: "leaf", OpScalar: "scalar", OpIota: "iota",
		OpSum: "sum", OpMax: "max", OpMin: "min", OpProd: "prod", OpReshape: "reshape", OpPermute: "permute",
		OpExpand: "expand", OpSlice: "slice", OpPad: "pad", OpGather: "gather", OpUnfold: "unfold", OpConv: "conv", OpMatMul: "matmul", OpDetach: "detach"}
	if int(op) < len(names) {
		return names[op]
	}
	return fmt.Sprintf("op(%d)", uint8(op))
}

// Print writes the graph of outs, a line for each node: "%4 = add f32[2 3] %1 %3".
func Print(outs ...*Node) string {
	var b strings.Builder
	id := map[*Node]int{}
	for i, n := range Topo(outs...) {
		id[n] = i
		fmt.Fprintf(&b, "%%%d = %s %v%v", i, n.Op.Name(), n.DType, n.Shape)
		for _, in := range n.In {
			fmt.Fprintf(&b, " %%%d", id[in])
		}
		switch {
		case n.Op == OpConst:
			fmt.Fprintf(&b, " %g", n.Value)
		case n.Leaf != nil:
			fmt.Fprintf(&b, " %s %q", [...]string{"input", "state", "data", "step"}[n.Leaf.Kind], n.Leaf.Name)
		case n.Op == OpIota || n.Op == OpGather:
			fmt.Fprintf(&b, " axis=%d", n.Axis)
		case n.Op == OpUnfold:
			fmt.Fprintf(&b, " axis=%d size=%d stride=%d dilation=%d", n.Axis, n.Step[0], n.Step[1], n.Step[2])
		case n.Op == OpConv:
			fmt.Fprintf(&b, " stride=%v dilation=%v groups=%d", n.Step, n.Start, n.Axis)
		case n.Axes != nil:
			fmt.Fprintf(&b, " axes=%v", n.Axes)
		case n.Op == OpSlice:
			fmt.Fprintf(&b, " start=%v step=%v", n.Start, n.Step)
		case n.Op == OpPad:
			fmt.Fprintf(&b, " before=%v value=%g", n.Start, n.Value)
		}
		b.WriteByte('\n')
	}
	b.WriteString("return")
	for _, o := range outs {
		fmt.Fprintf(&b, " %%%d", id[o])
	}
	b.WriteByte('\n')
	return b.String()
}

// Graph is one traced function: what goes in, what comes out, and which state
// is given a new value when the step ends.
type Graph struct {
	Inputs  []*Leaf // Kind Input, in the order of the arguments
	Scalars []*Leaf // Kind Step, in the order of their slots
	Outputs []*Node
	Targets []*Leaf // state that is assigned ...
	Values  []*Node // ... and what it becomes, of the same shape and type

	// Half, if not 0, allows values of at least so many elements to be F16 where
	// they wait in memory for a later kernel, under the rule in package fuse.
	Half int
	// Grads are the gradients of variables, which that rule asks for. They are no
	// roots: what nobody uses is not computed.
	Grads []*Node

	// Checks are what inputs must hold; who writes them sees to it.
	Checks []*IndexCheck
}

// IndexCheck says that an input's elements are indices from 0 to N-1, or one of
// Except.
type IndexCheck struct {
	Leaf     *Leaf  // the input
	Op, What string // for messages: who asks, and what an element is to it
	N        int
	Except   []int
}

// Roots are all nodes that a run of the graph has to compute.
func (g *Graph) Roots() []*Node { return append(append([]*Node{}, g.Outputs...), g.Values...) }

// Rewrite replaces the roots, and the gradients with them, by what f makes of
// them.
func (g *Graph) Rewrite(f func(roots []*Node) []*Node) {
	n, m := len(g.Outputs), len(g.Outputs)+len(g.Values)
	all := f(append(g.Roots(), g.Grads...))
	g.Outputs, g.Values, g.Grads = all[:n:n], all[n:m:m], all[m:]
}

// Finish applies the whole-graph rewrites that precede fusion.
func (g *Graph) Finish() { g.Rewrite(Dedup) }

// String prints the graph, its outputs and its assignments.
func (g *Graph) String() string {
	s := Print(g.Roots()...)
	for i, t := range g.Targets {
		s += fmt.Sprintf("assign %q <- result %d\n", t.Name, len(g.Outputs)+i)
	}
	return s
}
