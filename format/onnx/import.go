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
	g := m.proto.Graph
	n := &Network{model: m, values: map[string]val{}, norms: map[*nodeProto]*nn.BatchNorm{}, used: map[string]bool{}, kinds: map[string]elem{}, bodies: map[*graphProto][]*nodeProto{}, captured: map[*nodeProto][]string{}}
	for name := range g.reads() {
		n.used[name] = true
	}
	if err := m.unsupported(); err != nil {
		return nil, err
	}
	if err := n.sort(g, func(string) bool { return false }); err != nil {
		return nil, err
	}
	n.order = n.bodies[g]
	if err := n.initialize(); err != nil {
		return nil, err
	}
	if err := n.arguments(o); err != nil {
		return nil, err
	}
	return n, n.try()
}

// unsupported lists the nodes whose operators are not known, or which have what
// their operator has not.
func (m *Model) unsupported() error {
	var list, odd []string
	g := m.proto.Graph
	own := map[*nodeProto]bool{}
	for _, n := range g.Node {
		own[n] = true
	}
	for _, n := range g.flat().Node {
		if operators[n.kind()] == nil {
			if own[n] { // in a branch it may never be reached
				list = append(list, n.label())
			}
		} else if err := n.check(m.opset); err != nil {
			odd = append(odd, err.Error())
		}
	}
	if len(list) == 0 && len(odd) == 0 {
		return nil
	}
	if len(list) == 0 {
		return fmt.Errorf("%w: %s", ErrUnsupported, strings.Join(odd, "\n  "))
	}
	return fmt.Errorf("%w: %d of %d nodes have operators that are not known:\n  %s", ErrUnsupported, len(list), len(g.Node), strings.Join(append(list, odd...), "\n  "))
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
	var open []string
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
		if s := v.Type.Tensor.Shape; s != nil {
			if fixed && len(shape) != len(s.Dim) {
				return fmt.Errorf("onnx: input %s has %d dimensions, and %v was given", quote(v.Name), len(s.Dim), shape)
			}
			for i, d := range s.Dim {
				size := int(min(max(d.Value, 0), math.MaxInt32))
				if i == 0 && size > 0 {
					written = size
				}
				switch {
				case fixed:
					if size = shape[i]; i == 0 && len(shape) > 1 && size == 1 {
						size = Batch
					}
				case i == 0 && len(s.Dim) > 1 && size <= 1: // the samples: also where they were one
					size = Batch
				case size == 0:
					size = Batch
					open = append(open, fmt.Sprintf("%s (dimension %d, %s)", quote(v.Name), i, quote(d.Param)))
				}
				in.Shape = append(in.Shape, size)
			}
		} else if fixed {
			in.Shape = slices.Clone(shape)
		} else {
			open = append(open, quote(v.Name))
		}
		for i, size := range in.Shape {
			if fixed && (size < 1 && (size != Batch || i > 0)) {
				return fmt.Errorf("onnx: input %s of shape %v: sizes are at least 1, only the first may be open", quote(v.Name), shape)
			}
		}
		n.inputs = append(n.inputs, in)
		n.batches = append(n.batches, written)
	}
	for name := range given {
		return fmt.Errorf("onnx: the model has no input %s; it has %s", quote(name), inputNames(n.inputs))
	}
	if len(open) > 0 {
		return fmt.Errorf("%w: %s", ErrOpen, strings.Join(open, ", "))
	}
	for _, v := range g.Output {
		n.outputs = append(n.outputs, v.Name)
	}
	return nil
}

func inputNames(inputs []Input) string {
	var names []string
	for _, in := range inputs {
		names = append(names, quote(in.Name)+" "+shapeText(in.Shape))
	}
	return strings.Join(names, ", ")
}

// try traces the network once. Nothing is computed but constants.
func (n *Network) try() error {
	args := make([]*tensor.Tensor, len(n.inputs))
	for i, in := range n.inputs {
		shape := slices.Clone(in.Shape)
		total := 1
		for d, size := range shape {
			if size == Batch {
				shape[d] = 1
			}
			if total *= shape[d]; total > math.MaxInt32 {
				return invalid("input %s of shape %v is too large", quote(in.Name), in.Shape)
			}
		}
		args[i] = tensor.FromNode(ir.Const(in.DType, 0, shape...))
	}
	var errs []error
	_, err := tensor.TraceGraph(func(_ *tensor.Trace, in []*tensor.Tensor) []*tensor.Tensor {
		var out []*tensor.Tensor
		if out, errs = n.run(in); len(errs) > 0 {
			return nil
		}
		if s := out[0].Shape(); len(s) == 2 {
			n.classes = s[1]
		}
		return out
	}, args...)
	if err = errors.Join(append(errs, err)...); err != nil {
		return fmt.Errorf("%w: %w", ErrUnsupported, err)
	}
	return nil
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
