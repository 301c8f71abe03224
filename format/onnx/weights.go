// What of a model's numbers are weights. A file does not say: initializers and
// constants hold weights, settings of operators such as axes, and masks. Weights become
// variables, so that a network can be trained further; norms become layers, which
// keep running statistics.

package onnx

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/weft-ml/weft/nn"
	"github.com/weft-ml/weft/tensor"
)

// settings are inputs that are numbers of an operator and not weights.
var settings = map[string][]int{
	"NonZero": {0}, "Unique": {0}, "Compress": {1}, // whose shapes follow from values
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
	var walk func(order []*nodeProto)
	walk = func(order []*nodeProto) {
		for _, node := range slices.Backward(order) {
			for _, g := range node.graphs() {
				skip := 0
				if node.OpType == "Loop" { // whose body also returns whether to go on
					skip = 1
				}
				for i, out := range g.Output {
					if i -= skip; i >= 0 && i < len(node.Output) && shape[node.Output[i]] {
						shape[out.Name] = true
					}
				}
				walk(n.bodies[g])
				for i, in := range g.Input {
					if i < len(node.Input) && shape[in.Name] {
						shape[node.Input[i]] = true
					}
				}
			}
			computes := slices.Contains(shapeOfShape, node.OpType) || hostUnary[node.OpType] != nil || hostBinary[node.OpType] != nil
			computes = computes && slices.ContainsFunc(node.Output, func(out string) bool { return shape[out] })
			for i, in := range node.Input {
				if computes || slices.Contains(shaping, node.OpType) && slices.Contains(settings[node.OpType], i) {
					shape[in] = true
				}
			}
		}
	}
	walk(n.order)
	return shape
}

// withInitializers is the model with the tables of its Constant nodes as initializers,
// under the names of the nodes' results. To the standard the two are the same, and
// some exporters write all weights as nodes: paddle2onnx, CNTK.
func (m *Model) withInitializers() *Model {
	p, g := *m.proto, *m.proto.Graph
	p.Graph = &g
	g.Node, g.Initializer = nil, slices.Clone(g.Initializer)
	for _, node := range m.proto.Graph.Node {
		if t := node.table(); t != nil {
			named := *t
			named.Name = node.Output[0]
			g.Initializer = append(g.Initializer, &named)
			continue
		}
		g.Node = append(g.Node, node)
	}
	return &Model{Metadata: m.Metadata, proto: &p, opset: m.opset}
}

// table is the tensor of floats of a Constant node. One that is broken stays a node,
// whose error names it.
func (n *nodeProto) table() *tensorProto {
	if n.kind() != "Constant" || len(n.Output) != 1 || n.Output[0] == "" || len(n.Attribute) != 1 {
		return nil
	}
	a := n.Attribute[0]
	if a.Name != "value" || a.T == nil || !isFloat(elem(a.T.DataType)) {
		return nil
	}
	if _, err := a.T.check(); err != nil {
		return nil
	}
	return a.T
}

// initialize makes variables of the float weights and constants of all else.
func (n *Network) initialize() error {
	g := n.model.proto.Graph.flat()
	weight, buffer, state, setting := map[string]bool{}, map[string]bool{}, map[string]bool{}, n.decides()
	for _, node := range g.Node {
		for i, in := range node.Input {
			weight[in] = weight[in] || weighty[node.OpType]
			buffer[in] = buffer[in] || node.OpType == "BatchNormalization" && i >= 3
			setting[in] = setting[in] || slices.Contains(settings[node.OpType], i)
			state[in] = state[in] || slices.Contains(recurrents, node.OpType) && (i == 5 || i == 6)
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
		if state[t.Name] && !elsewhere { // zeros that recurrent layers begin with: of as many samples as there are
			h, err := hostOf(t)
			if err != nil {
				return err
			}
			setting[t.Name] = setting[t.Name] || isZero(val{h: h})
		}
		isWeight := wide || float && size > 0 && !setting[t.Name] && (weight[t.Name] || size > 1)
		if k := elem(t.DataType); (k == elemInt8 || k == elemUint8) && size >= minBytes && !setting[t.Name] {
			x, err := t.bytes()
			if err != nil {
				return err
			}
			n.values[t.Name] = val{t: x, kind: k}
			continue
		}
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
	g := n.model.proto.Graph.flat()
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
