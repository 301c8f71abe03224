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
	n := &Network{model: m, values: map[string]val{}, norms: map[*nodeProto]*nn.BatchNorm{}, used: map[string]bool{}}
	for _, node := range g.Node {
		for _, in := range node.Input {
			n.used[in] = in != ""
		}
	}
	for _, out := range g.Output {
		n.used[out.Name] = true
	}
	if err := unsupported(g); err != nil {
		return nil, err
	}
	order, err := sorted(g)
	if err != nil {
		return nil, err
	}
	n.order = order
	if err := n.initialize(); err != nil {
		return nil, err
	}
	if err := n.arguments(o); err != nil {
		return nil, err
	}
	return n, n.try()
}

// unsupported lists the nodes whose operators are not known.
func unsupported(g *graphProto) error {
	var list []string
	for _, n := range g.Node {
		if operators[n.kind()] == nil {
			list = append(list, n.label())
		}
	}
	if len(list) == 0 {
		return nil
	}
	return fmt.Errorf("%w: %d of %d nodes have operators that are not known:\n  %s", ErrUnsupported, len(list), len(g.Node), strings.Join(list, "\n  "))
}

// sorted puts the nodes into an order in which inputs come first.
func sorted(g *graphProto) ([]*nodeProto, error) {
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
		for _, in := range n.Input {
			if ready[in] {
				continue
			}
			m := maker[in]
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
		if !ready[o.Name] && maker[o.Name] == nil {
			return nil, invalid("nothing computes the output %s", quote(o.Name))
		}
	}
	if len(g.Output) == 0 {
		return nil, invalid("the graph has no output")
	}
	return order, nil
}

// settings are inputs that are numbers of an operator and not weights.
var settings = map[string][]int{
	"Clip": {1, 2}, "Resize": {1, 2, 3}, "Upsample": {1}, "Pad": {1, 2, 3}, "Dropout": {1, 2}, "QuantizeLinear": {1, 2}, "DequantizeLinear": {0, 1, 2},
	"Range": {0, 1, 2}, "OneHot": {0, 1, 2}, "Pow": {1}, "Reshape": {1}, "Expand": {1}, "Tile": {1}, "ConstantOfShape": {0}, "Slice": {1, 2, 3, 4}, "Where": {0},
	"Attention": {3}, "RotaryEmbedding": {1, 2, 3},
}

// weighty are operators whose operands are weights, even of a single element.
var weighty = map[string]bool{
	"Conv": true, "ConvTranspose": true, "Gemm": true, "MatMul": true, "BatchNormalization": true, "InstanceNormalization": true,
	"LayerNormalization": true, "GroupNormalization": true, "PRelu": true,
}

// shaping are those of them that decide about shapes: so does then everything
// that they are computed from, by the operators that compute on shapes.
var (
	shaping      = []string{"Resize", "Upsample", "Pad", "Range", "OneHot", "Reshape", "Expand", "Tile", "ConstantOfShape", "Slice"}
	shapeOfShape = []string{"Cast", "Where", "Concat", "Gather", "Slice", "Reshape", "Unsqueeze", "Squeeze", "Transpose", "Expand", "Range", "Split"}
)

// decides lists the names that shapes depend on.
func (n *Network) decides() map[string]bool {
	shape := map[string]bool{}
	for _, node := range slices.Backward(n.order) {
		computes := slices.Contains(shapeOfShape, node.OpType) || hostUnary[node.OpType] != nil || hostBinary[node.OpType] != nil
		computes = computes && slices.ContainsFunc(node.Output, func(out string) bool { return shape[out] })
		for i, in := range node.Input {
			if computes || slices.Contains(shaping, node.OpType) && slices.Contains(settings[node.OpType], i) {
				shape[in] = true
			}
		}
	}
	return shape
}

// initialize makes variables of the float weights and constants of all else.
func (n *Network) initialize() error {
	g := n.model.proto.Graph
	weight, buffer, setting := map[string]bool{}, map[string]bool{}, n.decides()
	for _, node := range g.Node {
		for i, in := range node.Input {
			weight[in] = weight[in] || weighty[node.OpType]
			buffer[in] = buffer[in] || node.OpType == "BatchNormalization" && i >= 3
			setting[in] = setting[in] || slices.Contains(settings[node.OpType], i)
		}
	}
	rename, err := n.widened(g, setting)
	if err != nil {
		return err
	}
	total := 0
	for _, t := range g.Initializer {
		if _, ok := n.values[t.Name]; ok {
			return invalid("two initializers are called %s", quote(t.Name))
		}
		elsewhere := t.elsewhere()
		float := isFloat(elem(t.DataType))
		name, wide := rename[t]
		size := 1
		for _, d := range t.Dims {
			if d < 0 || d > math.MaxInt32 || size > math.MaxInt32/int(max(d, 1)) {
				return invalid("initializer %s has the shape %v", quote(t.Name), t.Dims)
			}
			size *= int(d)
		}
		if float && !wide && !elsewhere && size > 1 && !weight[t.Name] {
			mask, err := t.isMask()
			if err != nil {
				return err
			}
			setting[t.Name] = setting[t.Name] || mask
		}
		isWeight := wide || float && size > 0 && !setting[t.Name] && (weight[t.Name] || size > 1)
		if !isWeight {
			h, err := hostOf(t)
			if err != nil {
				return err
			}
			n.values[t.Name] = val{h: h}
			continue
		}
		if total += size; total > maxWeights {
			return fmt.Errorf("%w: more than %d weights", ErrUnsupported, maxWeights)
		}
		if name == "" {
			name = t.Name
		}
		data := make([]float32, size)
		if !elsewhere && !wide {
			if data, err = t.floats(); err != nil {
				return err
			}
		}
		v := tensor.NewVariable(name, data, t.shape()...)
		n.params = append(n.params, nn.Param{Name: name, Value: v, Buffer: buffer[t.Name], Decay: !buffer[t.Name] && len(t.Dims) >= 2})
		n.values[t.Name] = val{t: v}
		if wide {
			n.values[name] = val{t: v}
		}
	}
	if err := n.dequantize(rename); err != nil {
		return err
	}
	return n.normLayers()
}

// isMask reports whether t is added to scores to forbid some: zeros, and numbers
// so low that their exponential is nothing. Nobody learns such numbers, and
// training must not.
func (t *tensorProto) isMask() (bool, error) {
	const low = -100 // as Swin Transformers have it; others take more, or infinity
	data, err := t.floats()
	if err != nil {
		return false, err
	}
	zeros := 0
	for _, v := range data {
		if v == 0 {
			zeros++
		} else if !(v <= low) {
			return false, nil
		}
	}
	return zeros > 0 && zeros < len(data), nil
}

func (t *tensorProto) elsewhere() bool {
	return t.DataLocation != 0 && len(t.External) == 1 && t.External[0].Value == location
}

// widened finds weights that are stored in few bits, and the nodes that widen
// them, which disappear: the variable has the name of what they compute.
func (n *Network) widened(g *graphProto, setting map[string]bool) (map[*tensorProto]string, error) {
	initial, uses := map[string]*tensorProto{}, map[string]int{}
	for _, t := range g.Initializer {
		initial[t.Name] = t
	}
	for _, node := range g.Node {
		for _, in := range node.Input {
			uses[in]++
		}
	}
	names := map[*tensorProto]string{}
	n.order = slices.DeleteFunc(n.order, func(node *nodeProto) bool {
		if len(node.Input) == 0 || len(node.Output) != 1 || node.Output[0] == "" || setting[node.Output[0]] {
			return false
		}
		t := initial[node.Input[0]]
		if t == nil || uses[t.Name] != 1 || len(t.Dims) == 0 || slices.Contains(t.Dims, 0) {
			return false
		}
		switch node.OpType {
		case "Cast":
			to := elem(0)
			for _, a := range node.Attribute {
				if a.Name == "to" {
					to = elem(a.I)
				}
			}
			if k := elem(t.DataType); k != elemFloat16 && k != elemBfloat16 || to != elemFloat {
				return false
			}
		case "DequantizeLinear":
			if len(node.Input) < 2 {
				return false
			}
			for _, in := range node.Input[1:] {
				if in != "" && initial[in] == nil {
					return false
				}
			}
		default:
			return false
		}
		names[t] = node.Output[0]
		return true
	})
	return names, nil
}

// dequantize fills the variables of weights that were stored in few bits.
func (n *Network) dequantize(rename map[*tensorProto]string) error {
	g := n.model.proto.Graph
	made := map[string]*nodeProto{}
	for _, node := range g.Node {
		if len(node.Output) == 1 {
			made[node.Output[0]] = node
		}
	}
	for _, t := range g.Initializer {
		name, ok := rename[t]
		if !ok || t.elsewhere() {
			continue
		}
		node := made[name]
		data, err := t.floats()
		if err != nil {
			return err
		}
		if node.OpType == "DequantizeLinear" {
			c := &call{net: n, node: node}
			for i, in := range node.Input {
				v := n.values[in]
				if i == 0 {
					v = val{h: &host{elemFloat, t.shape(), nil}}
				}
				c.in = append(c.in, v)
			}
			if err := c.scaleWeights(data, t.shape()); err != nil {
				return err
			}
		}
		if err := n.values[name].t.Set(data); err != nil {
			return err
		}
	}
	return nil
}

// normLayers makes a layer for each batch norm, which in training moves its
// statistics. Exporters write equal weights once, such as the statistics of
// norms that were never trained: the second layer that uses some gets a copy.
func (n *Network) normLayers() error {
	moved, taken := map[*tensor.Tensor]bool{}, map[string]bool{}
	for _, p := range n.params {
		taken[p.Name] = true
	}
	add := func(name string, make func(name string) *tensor.Tensor) *tensor.Tensor {
		for taken[name] {
			name += "_"
		}
		taken[name] = true
		t := make(name)
		n.params = append(n.params, nn.Param{Name: name, Value: t, Buffer: true})
		return t
	}
	own := func(node *nodeProto, i int, t *tensor.Tensor) (*tensor.Tensor, error) {
		if !moved[t] {
			moved[t] = true
			return t, nil
		}
		data, err := t.Read()
		if err != nil {
			return nil, err
		}
		return add(node.Input[i]+"."+node.Output[0], func(name string) *tensor.Tensor { return tensor.NewVariable(name, data, t.Shape()...) }), nil
	}
	for _, node := range n.order {
		if node.OpType != "BatchNormalization" || len(node.Input) != 5 || len(node.Output) == 0 {
			continue
		}
		v := func(i int) *tensor.Tensor {
			if t := n.values[node.Input[i]].t; t != nil && t.IsVariable() && t.Dims() == 1 {
				return t
			}
			return nil
		}
		if v(1) == nil || v(2) == nil || v(3) == nil || v(4) == nil {
			continue // computed ones are no layer's
		}
		mean, err := own(node, 3, v(3))
		if err != nil {
			return err
		}
		variance, err := own(node, 4, v(4))
		if err != nil {
			return err
		}
		c := &call{net: n, node: node}
		steps := add(strings.TrimSuffix(mean.Name(), ".running_mean")+".num_batches_tracked", func(string) *tensor.Tensor {
			return tensor.NewIntVariable("num_batches_tracked", []int32{0})
		})
		n.norms[node] = &nn.BatchNorm{Weight: v(1), Bias: v(2), RunningMean: mean, RunningVar: variance, NumBatchesTracked: steps,
			Momentum: 1 - c.float("momentum", 0.9), Eps: c.float("epsilon", 1e-5)}
	}
	return nil
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
	g.Initializer, g.Input = nil, nil
	for _, t := range n.model.proto.Graph.Initializer {
		if n.values[t.Name].t != nil {
			bare := &tensorProto{Dims: t.Dims, DataType: t.DataType, Name: t.Name, DataLocation: 1, External: []*entryProto{{"location", location}}}
			t = bare
		}
		g.Initializer = append(g.Initializer, t)
	}
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
		g.Input = append(g.Input, valueInfo(in.Name, elemOf(in.DType), shape))
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
