// From a model to a network: the graph is checked as a whole, put into order,
// and traced once for nothing, so that everything that is wrong with it is said
// before anyone relies on it.

package onnx

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/weft-ml/weft/internal/ir"
	"github.com/weft-ml/weft/nn"
	"github.com/weft-ml/weft/tensor"
)

// ImportOptions are the choices of Model.Network.
type ImportOptions struct {
	// Inputs fixes the shapes of inputs, by name: {"tokens": {Batch, 128}}.
	// Sizes other than the first that the file leaves open must be given.
	Inputs map[string][]int
}

// maxWeights bounds the elements of all weights of a network.
const maxWeights = 1 << 29

// location marks weights that are stored elsewhere, in Network.Structure.
const location = "weft:parameters"

// Network makes a module of the model. If there are nodes that it cannot
// compute, the error lists all of them.
func (m *Model) Network(o ImportOptions) (*Network, error) {
	m = m.withInitializers()
	g := m.proto.Graph
	n := &Network{model: m, values: map[string]val{}, norms: map[*nodeProto]*nn.BatchNorm{}, used: map[string]bool{}, kinds: map[string]elem{}, bodies: map[*graphProto][]*nodeProto{}, captured: map[*nodeProto][]string{}}
	for name := range g.reads() {
		n.used[name] = true
	}
	unknown := m.unsupported()
	if err := n.sort(g, func(string) bool { return false }); err != nil {
		return nil, err
	}
	n.order = n.bodies[g]
	if err := n.initialize(); err != nil {
		return nil, errors.Join(unknown, err)
	}
	err := n.arguments(o)
	if err == nil { // so that all that is wrong is said at once
		err = n.try()
	}
	if unknown != nil && !errors.Is(err, errSkipped) {
		return nil, errors.Join(unknown, err)
	}
	if unknown != nil {
		return nil, unknown
	}
	return n, err
}

// mostListed is how many nodes an error names.
const mostListed = 60

// unsupported lists the nodes whose operators are not known, with how many there
// are of each, and those which have what their operator has not.
func (m *Model) unsupported() error {
	g := m.proto.Graph
	var list, odd []string
	count, own := map[string]int{}, map[*nodeProto]bool{}
	for _, n := range g.Node {
		own[n] = true
	}
	for _, n := range g.flat().Node {
		if operators[n.kind()] == nil {
			if own[n] { // in a branch it may never be reached
				list = append(list, n.label())
				count[n.kind()]++
			}
		} else if err := n.check(m.opset); err != nil {
			odd = append(odd, err.Error())
		}
	}
	if len(list) == 0 && len(odd) == 0 {
		return nil
	}
	var unfit error
	if len(odd) > 0 {
		if total := len(odd); total > mostListed {
			odd = append(odd[:mostListed], fmt.Sprintf("and %d more", total-mostListed))
		}
		unfit = fmt.Errorf("%w: %s", ErrUnsupported, strings.Join(odd, "\n  "))
	}
	if len(list) == 0 {
		return unfit
	}
	kinds := slices.Sorted(maps.Keys(count))
	slices.SortStableFunc(kinds, func(a, b string) int { return count[b] - count[a] })
	for i, k := range kinds {
		kinds[i] = fmt.Sprintf("%d %s", count[k], k)
	}
	total := len(list)
	if total > mostListed {
		list = append(list[:mostListed], fmt.Sprintf("and %d more", total-mostListed))
	}
	unknown := fmt.Errorf("%w: %d of %d nodes have operators that are not known (%s):\n  %s", ErrOperators, total, len(g.Node), strings.Join(kinds, ", "), strings.Join(list, "\n  "))
	if unfit == nil {
		return unknown
	}
	return errors.Join(unknown, unfit)
}

// sorted puts the nodes into an order in which inputs come first, and with them
// what graphs within a node take from around it: captured. outer tells which names g
// itself may take from around it.
func sorted(g *graphProto, captured map[*nodeProto][]string, outer func(name string) bool) ([]*nodeProto, error) {
	ready := map[string]bool{"": true}
	for _, t := range g.Initializer {
		if t.Name == "" { // which stands for an input that is left out
			return nil, invalid("an initializer has no name")
		}
		ready[t.Name] = true
	}
	inputs := map[string]bool{}
	for _, v := range g.Input {
		if v.Name == "" || inputs[v.Name] {
			return nil, invalid("an input has no name, or that of another: %s", quote(v.Name))
		}
		inputs[v.Name], ready[v.Name] = true, true
	}
	maker := map[string]*nodeProto{}
	for _, n := range g.Node {
		for _, o := range n.Output {
			if o == "" {
				continue
			}
			if ready[o] || maker[o] != nil {
				return nil, invalid("the name %s has two values, one of them from node %s", quote(o), n.label())
			}
			maker[o] = n
		}
	}
	// Kahn's algorithm, in the file's order where that is free.
	waits, users := map[*nodeProto]int{}, map[*nodeProto][]*nodeProto{}
	var queue []*nodeProto
	for _, n := range g.Node {
		for _, in := range slices.Concat(n.Input, captured[n]) {
			if ready[in] {
				continue
			}
			m := maker[in]
			if m == nil && outer(in) {
				continue
			}
			if m == nil {
				return nil, invalid("node %s reads %s, which nothing computes", n.label(), quote(in))
			}
			waits[n]++
			users[m] = append(users[m], n)
		}
		if waits[n] == 0 {
			queue = append(queue, n)
		}
	}
	var order []*nodeProto
	for len(queue) > 0 {
		n := queue[0]
		queue = queue[1:]
		order = append(order, n)
		for _, u := range users[n] {
			if waits[u]--; waits[u] == 0 {
				queue = append(queue, u)
			}
		}
	}
	if len(order) < len(g.Node) {
		for _, n := range g.Node {
			if waits[n] > 0 {
				return nil, invalid("the graph has a cycle, through or before node %s", n.label())
			}
		}
	}
	for _, o := range g.Output {
		if !ready[o.Name] && maker[o.Name] == nil && !outer(o.Name) {
			return nil, invalid("nothing computes the output %s", quote(o.Name))
		}
	}
	if len(g.Output) == 0 {
		return nil, invalid("the graph has no output")
	}
	return order, nil
}

// arguments finds out what the network takes.
func (n *Network) arguments(o ImportOptions) error {
	g := n.model.proto.Graph
	given := maps.Clone(o.Inputs)
	samples := n.samplesOf(g)
	var open []string
	var flags []Input
	for _, v := range g.Input {
		if _, ok := n.values[v.Name]; ok {
			continue // older files list weights among the inputs
		}
		if v.Type == nil || v.Type.Tensor == nil {
			return fmt.Errorf("%w: input %s is no tensor", ErrUnsupported, quote(v.Name))
		}
		kind := elem(v.Type.Tensor.Elem)
		if elemSize[kind] == 0 {
			return fmt.Errorf("%w: input %s has the element type %d", ErrUnsupported, quote(v.Name), kind)
		}
		n.kinds[v.Name] = kind
		in := Input{Name: v.Name, DType: dtype(kind)}
		if kind == elemUint8 {
			in.DType = tensor.Uint8
		}
		written := Batch
		shape, fixed := given[v.Name]
		delete(given, v.Name)
		missing := false
		if s := v.Type.Tensor.Shape; s != nil {
			if fixed && len(shape) != len(s.Dim) {
				return fmt.Errorf("onnx: input %s has %d dimensions, and %v was given", quote(v.Name), len(s.Dim), shape)
			}
			// A first dimension of 1 is the samples unless another one is them, as in
			// the state of a recurrent layer: [layers, batch, size].
			behind := false
			for i, d := range s.Dim {
				if i > 0 && d.Value <= 0 && samples(d, i, len(s.Dim)) && (!fixed || shape[i] == Batch) {
					behind = true
				}
			}
			for i, d := range s.Dim {
				size := int(min(max(d.Value, 0), math.MaxInt32))
				if i == 0 && size > 0 {
					written = size
				}
				switch {
				case fixed:
					if size = shape[i]; size == 1 && (i == 0 && len(shape) > 1 && !behind || samples(d, i, len(s.Dim))) {
						size = Batch
					}
				case i == 0 && len(s.Dim) > 1 && size == 1 && !behind: // the samples: also where they were one
					size = Batch
				case size == 0 && samples(d, i, len(s.Dim)):
					size = Batch
				case size == 0:
					missing = true
					open = append(open, fmt.Sprintf("%s (dimension %d, %s)", quote(v.Name), i, quote(d.Param)))
				}
				in.Shape = append(in.Shape, size)
			}
		} else if fixed {
			in.Shape = slices.Clone(shape)
		} else {
			missing = true
			open = append(open, quote(v.Name))
		}
		for i, size := range in.Shape {
			if fixed && (size < 1 && size != Batch) {
				return fmt.Errorf("onnx: input %s of shape %v: size %d of dimension %d; sizes are at least 1, or the number of samples", quote(v.Name), shape, size, i)
			}
		}
		if missing {
			flags = append(flags, in)
		}
		n.inputs = append(n.inputs, in)
		n.batches = append(n.batches, written)
	}
	for name := range given {
		return fmt.Errorf("onnx: the model has no input %s; it has %s", quote(name), inputNames(n.inputs))
	}
	if len(open) > 0 {
		return &OpenError{Inputs: flags, msg: strings.Join(open, ", ")}
	}
	for _, v := range g.Output {
		n.outputs = append(n.outputs, v.Name)
	}
	return nil
}

// OpenError is ErrOpen with the inputs whose sizes have to be chosen: 0 in their
// Shape, which is nil where the file does not even say how many dimensions there are.
type OpenError struct {
	Inputs []Input
	msg    string
}

func (e *OpenError) Error() string { return fmt.Sprintf("%v: %s", ErrOpen, e.msg) }

// Unwrap is ErrOpen.
func (e *OpenError) Unwrap() error { return ErrOpen }

// samplesOf is a function that says of an open dimension whether it is the number of
// samples. The first of several is, whatever its name, and so is what has the same
// name elsewhere: in a vector of labels or time steps, or behind the time in a
// recurrent network's input. Where no input begins with the samples, a dimension is
// them by its name, or because there is nothing else.
func (n *Network) samplesOf(g *graphProto) func(d *dimProto, i, rank int) bool {
	name, only, count := "", "", 0
	usual := []string{"batch", "batch_size", "batchsize", "n", "bs", "b", "batch_dim", "samples", "num_samples"}
	isUsual := func(s string) bool { return slices.Contains(usual, strings.ToLower(s)) }
	named := map[string]bool{}
	vectors := true
	for _, v := range g.Input {
		if _, weight := n.values[v.Name]; weight || v.Type == nil || v.Type.Tensor == nil || v.Type.Tensor.Shape == nil {
			continue
		}
		dims := v.Type.Tensor.Shape.Dim
		vectors = vectors && len(dims) <= 1
		for i, d := range dims {
			if d.Value > 0 {
				continue
			}
			if !named[d.Param] {
				count, only = count+1, d.Param
			}
			named[d.Param] = true
			if i == 0 && len(dims) > 1 && (name == "" || isUsual(d.Param)) {
				name = d.Param
			}
		}
	}
	for s := range named { // a usual name goes before the place
		if isUsual(s) && !isUsual(name) {
			name = s
		}
	}
	if name == "" && vectors && count == 1 {
		name = only
		return func(d *dimProto, i, _ int) bool { return i == 0 && d.Param == name }
	}
	return func(d *dimProto, i, rank int) bool {
		if i == 0 && rank > 1 && !(isUsual(name) && named[d.Param] && d.Param != "" && d.Param != name) {
			return true
		}
		return name != "" && d.Param == name
	}
}

func inputNames(inputs []Input) string {
	var names []string
	for _, in := range inputs {
		names = append(names, quote(in.Name)+" "+shapeText(in.Shape))
	}
	return strings.Join(names, ", ")
}

// try traces the network once, and where the number of samples is open once more
// for others, which shows whether its first result has a row for each. Nothing is
// computed but constants.
func (n *Network) try() error {
	out, err := n.trace(1)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnsupported, err)
	}
	if len(out) == 2 {
		n.classes = out[1]
	}
	open := slices.ContainsFunc(n.inputs, func(in Input) bool { return slices.Contains(in.Shape, Batch) })
	if !open || len(out) == 0 || out[0] != 1 {
		return nil
	}
	// A network that takes no others says so when it is given some.
	if more, err := n.trace(3); err == nil {
		n.rows = len(more) == len(out) && more[0] == 3 && slices.Equal(more[1:], out[1:])
	}
	return nil
}

// trace is the shape of the first result for a number of samples.
func (n *Network) trace(samples int) ([]int, error) {
	args := make([]*tensor.Tensor, len(n.inputs))
	for i, in := range n.inputs {
		shape := slices.Clone(in.Shape)
		total := 1
		for d, size := range shape {
			if size == Batch {
				shape[d] = samples
			}
			if total *= shape[d]; total > math.MaxInt32 {
				return nil, invalid("input %s of shape %v is too large", quote(in.Name), in.Shape)
			}
		}
		args[i] = tensor.FromNode(ir.Const(in.DType, 0, shape...))
	}
	var errs []error
	var shape []int
	_, err := tensor.TraceGraph(func(_ *tensor.Trace, in []*tensor.Tensor) []*tensor.Tensor {
		var out []*tensor.Tensor
		if out, errs = n.run(in); len(errs) > 0 {
			return nil
		}
		shape = out[0].Shape()
		return out
	}, args...)
	return shape, errors.Join(append(errs, err)...)
}

// Structure is the model without the contents of its variables, and with the
// shapes of its inputs as they were chosen: what a file of the weights needs so
// that Restore can build the network again.
func (n *Network) Structure() ([]byte, error) {
	p, g := *n.model.proto, *n.model.proto.Graph
	p.Graph = &g
	g.Input = nil
	g.mapped(func(t *tensorProto) *tensorProto {
		if v := n.values[t.Name].t; v == nil || !v.IsVariable() {
			return t
		}
		return &tensorProto{Dims: t.Dims, DataType: t.DataType, Name: t.Name, DataLocation: 1, External: []*entryProto{{"location", location}}}
	})
	for i, in := range n.inputs {
		shape := make([]dim, len(in.Shape))
		for d, size := range in.Shape {
			switch {
			case size != Batch:
				shape[d] = dim{0, size}
			case d == 0 && n.batches[i] == 1: // what shapes inside of the graph were written for
				shape[d] = one
			default:
				shape[d] = dim{1, 0}
			}
		}
		g.Input = append(g.Input, valueInfo(in.Name, n.kinds[in.Name], shape))
	}
	return (&Model{Metadata: map[string]string{}, proto: &p}).bytes()
}

// Restore builds the network that Structure describes. Its variables are zero.
func Restore(structure []byte) (*Network, error) {
	m, err := parse(structure, "", true)
	if err != nil {
		return nil, err
	}
	return m.Network(ImportOptions{})
}
