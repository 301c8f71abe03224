package web

// Programs that say why. They are traces like any other: the gradient is that of
// tensor.Grad, and the features are values that the network computes anyway,
// kept instead of passed on. A page may leave them alone: their buffers are made
// when they are first run.

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/weft-ml/weft/internal/fuse"
	"github.com/weft-ml/weft/internal/ir"
	"github.com/weft-ml/weft/internal/plan"
	"github.com/weft-ml/weft/internal/wgsl"
	"github.com/weft-ml/weft/tensor"
)

// The names of the programs.
const (
	Saliency = "saliency"
	Features = "features"
)

// mostFeatures bounds the layers of Features: all results are in memory at once.
const mostFeatures = 16

// explain adds the programs that fit.
func (w *writer) explain() error {
	for _, add := range []func() error{w.saliency, w.features} {
		if err := add(); err != nil && !errors.Is(err, errTooLarge) {
			return err
		}
	}
	return nil
}

// saliency adds the gradient of one class's score (Simonyan, Vedaldi, Zisserman,
// "Deep inside convolutional networks", 2013), of the input's shape. Which class
// is an input: a vector that is 1 there and 0 elsewhere.
func (w *writer) saliency() error {
	if len(w.plan.Output.Shape) != 1 || w.plan.Output.DType != "" {
		return nil // no classifier
	}
	x := tensor.Zeros(append([]int{1}, w.plan.Input.Shape...)...)
	class := tensor.Zeros(1, w.plan.Output.Shape[0])
	return w.both(func(software bool) (Program, error) {
		g, err := tensor.TraceGraph(func(_ *tensor.Trace, in []*tensor.Tensor) []*tensor.Tensor {
			return tensor.GradWith(w.model.Net.Forward(in[0]), in[1], in[0])
		}, x, class)
		if err != nil {
			return Program{}, err
		}
		return w.named(Saliency, g, []string{"gradient"}, software)
	})
}

// features adds what the convolutions of the network find, each after the
// activation that follows it.
func (w *writer) features() error {
	x := tensor.Zeros(append([]int{1}, w.plan.Input.Shape...)...)
	trace := func() (*ir.Graph, []string, error) {
		g, err := tensor.TraceGraph(func(_ *tensor.Trace, in []*tensor.Tensor) []*tensor.Tensor {
			return []*tensor.Tensor{w.model.Net.Forward(in[0])}
		}, x)
		if err != nil {
			return nil, nil, err
		}
		nodes, names := convolved(g, w.names)
		g.Outputs = nodes
		return g, names, nil
	}
	if _, names, err := trace(); err != nil || len(names) == 0 {
		return err
	}
	return w.both(func(software bool) (Program, error) {
		g, names, err := trace()
		if err != nil {
			return Program{}, err
		}
		return w.named(Features, g, names, software)
	})
}

// named is the program of a graph whose first input is the network's and whose
// second, if there is one, says which class.
func (w *writer) named(name string, g *ir.Graph, results []string, software bool) (Program, error) {
	if err := tensor.FoldConstants(g); err != nil {
		return Program{}, err
	}
	p, err := fuse.Build(g, fuse.Options{MaxBuffers: maxBuffers, NoRing: true})
	if err != nil {
		return Program{}, err
	}
	wgsl.SplitLongSums(p, limits(software))
	if err := fitsDefaults(p); err != nil {
		return Program{}, fmt.Errorf("web: %s %w", name, err)
	}
	buffers, err := w.allocate(p, name, 1)
	if err != nil {
		return Program{}, err
	}
	out := Program{Name: name, Batch: 1, Output: buffers[p.Results[0].Buf]}
	for i, b := range p.Buffers {
		if b.Kind != plan.Input {
			continue
		}
		if b.Leaf == g.Inputs[0] {
			out.Input = buffers[i]
		} else {
			out.Class = &buffers[i]
		}
	}
	for i, r := range p.Results {
		out.Results = append(out.Results, Result{Name: results[i], Buffer: buffers[r.Buf], Shape: slices.Clone(r.Shape[1:])})
	}
	err = w.kernels(&out, p, buffers, limits(software))
	return out, err
}

// convolved are the values of convolutions and of what follows each of them
// element by element (norms, additions, activations), in order, with the names of
// the convolutions' weights. Of many layers some are left out, evenly.
func convolved(g *ir.Graph, weights map[*ir.Leaf]string) (nodes []*ir.Node, names []string) {
	order := ir.Topo(g.Outputs...)
	at := make(map[*ir.Node]int, len(order))
	users := map[*ir.Node][]*ir.Node{}
	for i, n := range order {
		at[n] = i
		for _, in := range n.In {
			users[in] = append(users[in], n)
		}
	}
	seen := map[*ir.Node]bool{}
	for _, n := range order {
		if n.Op != ir.OpConv || n.Shape[2]*n.Shape[3] < 2 {
			continue
		}
		end := n
		for next := n; next != nil; next = joined(next, users, at) {
			if next.DType == ir.F32 {
				end = next
			}
		}
		if seen[end] {
			continue
		}
		seen[end] = true
		leaf := n.In[1]
		for leaf.Op != ir.OpLeaf && len(leaf.In) > 0 {
			leaf = leaf.In[0]
		}
		name := strings.TrimRight(strings.TrimSuffix(weights[leaf.Leaf], "weight"), "._")
		if name == "" {
			name = fmt.Sprintf("convolution %d", len(nodes)+1)
		}
		nodes, names = append(nodes, end), append(names, name)
	}
	if n := len(nodes); n > mostFeatures {
		for i := range mostFeatures {
			j := i * (n - 1) / (mostFeatures - 1)
			nodes[i], names[i] = nodes[j], names[j]
		}
		nodes, names = nodes[:mostFeatures], names[:mostFeatures]
	}
	return nodes, names
}

// joined is the next elementwise node that everything made of n goes through, if
// on the way there are only elementwise nodes of the same shape; else nil. An
// activation such as x*sigmoid(x) uses n twice and is one step.
func joined(n *ir.Node, users map[*ir.Node][]*ir.Node, at map[*ir.Node]int) *ir.Node {
	open := map[*ir.Node]bool{}
	for _, u := range users[n] {
		open[u] = true
	}
	for len(open) > 0 {
		var first *ir.Node
		for u := range open {
			if !u.Op.IsElementwise() || !slices.Equal(u.Shape, n.Shape) {
				return nil
			}
			if first == nil || at[u] < at[first] {
				first = u
			}
		}
		if len(open) == 1 {
			return first
		}
		delete(open, first)
		if len(users[first]) == 0 {
			return nil
		}
		for _, u := range users[first] {
			open[u] = true
		}
	}
	return nil
}
