// If, Loop and Scan (https://onnx.ai/onnx/operators/onnx__Loop.html). There is no
// control flow in a graph: what decides must be known while tracing, as constants
// and shapes are, and bodies are traced as often as they run.

package onnx

import (
	"errors"
	"slices"
	"strings"

	"github.com/weft-ml/weft/internal/ir"
	"github.com/weft-ml/weft/tensor"
)

func init() {
	register(map[string]func(c *call) []val{"If": branch, "Loop": loop, "Scan": scan})
}

// body is the graph in an attribute.
func (c *call) body(name string) *graphProto {
	a := c.attr(name)
	if a == nil || a.G == nil {
		c.fail("it has no %s", name)
	}
	return a.G
}

// evaluate runs a graph within the node for the given inputs.
func (c *call) evaluate(g *graphProto, in ...val) ([]val, error) {
	if len(in) > len(g.Input) {
		c.fail("%d inputs for a body of %d", len(in), len(g.Input))
	}
	order := c.net.bodies[g]
	c.unroll(1 + len(order))
	s := &scope{vals: map[string]val{}, bad: map[string]bool{}, parent: c.scope}
	for i, v := range in {
		s.vals[g.Input[i].Name] = v
	}
	if errs := c.trace.eval(order, s); len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	out := make([]val, len(g.Output))
	for i, o := range g.Output {
		if out[i] = s.get(o.Name); out[i].missing() {
			c.fail("nothing computes the result %s of its body", quote(o.Name))
		}
	}
	return out, nil
}

// run1 is evaluate for a body that must not fail.
func (c *call) run1(g *graphProto, in ...val) []val {
	out, err := c.evaluate(g, in...)
	if err != nil {
		c.fail("in its body: %s", strings.ReplaceAll(err.Error(), "\n", "; "))
	}
	return out
}

// known reports whether input i does not depend on the network's inputs.
func (c *call) known(v val) bool { return v.h != nil || v.t != nil && v.t.Trace() == nil }

// truth is v as a truth.
func (c *call) truth(v val) bool {
	h := (&call{net: c.net, node: &nodeProto{Input: []string{"condition"}}, trace: c.trace, in: []val{v}}).number(0)
	return h != 0
}

// branch is If. A condition that depends on the network's inputs lets both branches be
// computed, and picks among their results.
func branch(c *call) []val {
	if !c.has(0) {
		c.fail("it has no condition")
	}
	then, other := c.body("then_branch"), c.body("else_branch")
	if c.known(c.in[0]) {
		if c.truth(c.in[0]) {
			return c.run1(then)
		}
		return c.run1(other)
	}
	if c.in[0].seq != nil || ir.NumElems(c.in[0].shape()) != 1 {
		c.fail("the condition is not one truth")
	}
	a, err := c.evaluate(then)
	b, err2 := c.evaluate(other)
	if err := errors.Join(err, err2); err != nil {
		c.fail("its condition depends on the network's input, so both branches are computed, and one fails: %s", strings.ReplaceAll(err.Error(), "\n", "; "))
	}
	if len(a) != len(b) {
		c.fail("branches of %d and %d results", len(a), len(b))
	}
	cond := c.in[0].tensor().To(tensor.Bool).Reshape()
	out := make([]val, len(a))
	for i := range a {
		out[i] = c.choose(cond, a[i], b[i], "its condition depends on the network's input, and the branches' results %d have")
	}
	return out
}

// choose is a where cond holds, else b.
func (c *call) choose(cond tt, a, b val, complaint string) val {
	if a.h != nil && b.h != nil && a.h.kind == b.h.kind && slices.Equal(a.h.shape, b.h.shape) && slices.Equal(a.h.v, b.h.v) {
		return a
	}
	if a.seq != nil || b.seq != nil {
		c.fail("a condition that depends on the network's input cannot pick among sequences")
	}
	x, y := a.tensor(), b.tensor()
	if !slices.Equal(x.Shape(), y.Shape()) {
		c.fail("%s the shapes %v and %v; results whose shapes depend on the input are not supported: fix the condition in the model (onnxruntime's symbolic shape inference or onnx-simplifier can)", complaint, x.Shape(), y.Shape())
	}
	return val{t: tensor.Where(cond, x, y)}
}

// loop runs its body M times, or as long as its condition holds. Both must be known
// while tracing, but for a condition that ends a loop of known length early: then
// all turns are computed, and values stay what they were at its end.
func loop(c *call) []val {
	g := c.body("body")
	turns := maxUnrolled
	if c.has(0) {
		turns = int(max(0, min(c.number(0), maxUnrolled+1)))
	}
	going := true
	var running tt // while the condition holds, if that is not known
	test := func(v val) {
		switch {
		case c.known(v):
			going = going && c.truth(v)
		case !c.has(0):
			c.fail("its condition depends on the network's input, and it has no greatest number of turns")
		case v.seq != nil || ir.NumElems(v.shape()) != 1:
			c.fail("the condition is not one truth")
		default:
			cond := v.tensor().To(tensor.Bool).Reshape()
			if running == nil {
				running = cond
			} else {
				running = running.And(cond)
			}
		}
	}
	if c.has(1) {
		test(c.in[1])
	}
	var state []val
	if len(c.in) > 2 {
		state = slices.Clone(c.in[2:])
	}
	n := len(state)
	if len(g.Input) != 2+n || len(g.Output) < 1+n {
		c.fail("a body of %d inputs and %d results for %d values", len(g.Input), len(g.Output), n)
	}
	if running != nil && len(g.Output) > 1+n {
		c.fail("its condition depends on the network's input, and so does the length of its result %d; only loops of a known length can collect results", n)
	}
	collected := make([][]val, len(g.Output)-1-n)
	for i := 0; going && i < turns; i++ {
		in := []val{{h: &host{elemInt64, nil, []float64{float64(i)}}}, {h: &host{elemBool, nil, []float64{1}}}}
		out := c.run1(g, append(in, state...)...)
		for j, v := range out[1 : 1+n] {
			if running != nil {
				v = c.choose(running, v, state[j], "its condition depends on the network's input, and a value changes between")
			}
			state[j] = v
		}
		for j, v := range out[1+n:] {
			collected[j] = append(collected[j], v)
		}
		test(out[0])
	}
	out := state
	for j, list := range collected {
		out = append(out, c.stacked(0, list, g.Output[1+n+j]))
	}
	return out
}

// stacked joins what the turns of a loop gave along a new dimension d. Of no turns
// the body's declaration tells the shape.
func (c *call) stacked(d int, list []val, declared *valueProto) val {
	if len(list) == 0 {
		shape := []int{}
		kind := elemFloat
		if t := declared.Type; t != nil && t.Tensor != nil {
			kind = elem(t.Tensor.Elem)
			if t.Tensor.Shape != nil {
				for _, dim := range t.Tensor.Shape.Dim {
					shape = append(shape, int(max(0, min(dim.Value, maxHost))))
				}
			}
		}
		d = c.axis(d, len(shape)+1)
		return val{h: &host{kind, slices.Insert(shape, d, 0), nil}}
	}
	hosts, total := true, 0
	for _, v := range list {
		if v.seq != nil {
			c.fail("sequences cannot be stacked")
		}
		if !slices.Equal(v.shape(), list[0].shape()) {
			c.fail("turns give results of shapes %v and %v, which cannot be stacked", list[0].shape(), v.shape())
		}
		hosts = hosts && v.h != nil
		total += ir.NumElems(v.shape())
	}
	d = c.axis(d, len(list[0].shape())+1)
	if hosts && d == 0 && total <= maxHost {
		out := &host{list[0].h.kind, append([]int{len(list)}, list[0].h.shape...), nil}
		for _, v := range list {
			out.v = append(out.v, v.h.v...)
		}
		return val{h: out}
	}
	parts := make([]tt, len(list))
	for i, v := range list {
		parts[i] = v.tensor()
	}
	return val{t: joined(d, parts)}
}

// scan runs its body for each element of its last inputs along a dimension. In opset
// 8 all of it is done for each sample by itself.
func scan(c *call) []val {
	if c.net.model.opset >= 9 {
		return c.scanned(c.in, c.list("scan_input_directions"))
	}
	if c.has(0) {
		c.fail("lengths of sequences are not supported")
	}
	in := c.in[min(1, len(c.in)):]
	if len(in) == 0 || in[0].missing() || len(in[0].shape()) < 1 {
		c.fail("it has no samples")
	}
	samples := in[0].shape()[0]
	var all [][]val
	for i := range samples {
		one := make([]val, len(in))
		for j, v := range in {
			if v.missing() || len(v.shape()) < 1 || v.shape()[0] != samples {
				c.fail("input %d has no dimension of %d samples", 1+j, samples)
			}
			t := v.tensor().Slice(0, i, i+1)
			one[j] = val{t: t.Reshape(t.Shape()[1:]...)}
		}
		for j, v := range c.scanned(one, c.list("directions")) {
			if i == 0 {
				all = append(all, nil)
			}
			all[j] = append(all[j], v)
		}
	}
	out := make([]val, len(all))
	for j, list := range all {
		out[j] = c.stacked(0, list, c.body("body").Output[j])
	}
	return out
}

func (c *call) scanned(in []val, backwards []int) []val {
	g := c.body("body")
	m := c.int("num_scan_inputs", 0)
	n := len(in) - m
	if m < 1 || n < 0 || len(g.Input) != len(in) || len(g.Output) < n {
		c.fail("a body of %d inputs and %d results for %d values and %d sequences", len(g.Input), len(g.Output), n, m)
	}
	nth := func(list []int, i int) int {
		if i < len(list) {
			return list[i]
		}
		return 0
	}
	axes := c.list("scan_input_axes")
	sources, dims, turns := make([]tt, m), make([]int, m), 0
	for i := range m {
		if in[n+i].missing() {
			c.fail("input %d is missing", n+i)
		}
		sources[i] = in[n+i].tensor()
		dims[i] = c.axis(nth(axes, i), sources[i].Dims())
		size := sources[i].Dim(dims[i])
		if i > 0 && size != turns {
			c.fail("sequences of %d and %d elements", turns, size)
		}
		turns = size
	}
	state := slices.Clone(in[:n])
	collected := make([][]val, len(g.Output)-n)
	for t := range turns {
		args := slices.Clone(state)
		for i, x := range sources {
			at := t
			if nth(backwards, i) != 0 {
				at = turns - 1 - t
			}
			args = append(args, val{t: x.Slice(dims[i], at, at+1).Squeeze(dims[i])})
		}
		out := c.run1(g, args...)
		copy(state, out[:n])
		for j, v := range out[n:] {
			collected[j] = append(collected[j], v)
		}
	}
	results := state
	for j, list := range collected {
		if nth(c.list("scan_output_directions"), j) != 0 {
			slices.Reverse(list)
		}
		results = append(results, c.stacked(nth(c.list("scan_output_axes"), j), list, g.Output[n+j]))
	}
	return results
}
