// What becomes of the tensors in a file: float weights are variables, which
// train; numbers that an operator is set by are constants, because shapes depend
// on them; and weights that are stored in few bits are widened once, here.

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
	"Clip": {1, 2}, "Resize": {1, 2, 3}, "Upsample": {1}, "Pad": {1, 2, 3}, "Dropout": {1, 2}, "QuantizeLinear": {1, 2}, "DequantizeLinear": {0, 1, 2},
	"Range": {0, 1, 2}, "OneHot": {0, 1, 2}, "Pow": {1}, "Reshape": {1}, "Expand": {1}, "Tile": {1}, "ConstantOfShape": {0}, "Slice": {1, 2, 3, 4}, "Where": {0},
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

// weighty are operators whose operands are weights, even of a single element.
var weighty = map[string]bool{
	"Conv": true, "ConvTranspose": true, "Gemm": true, "MatMul": true, "BatchNormalization": true, "InstanceNormalization": true,
	"LayerNormalization": true, "GroupNormalization": true, "PRelu": true,
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
	rename, err := n.widened(g)
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

func (t *tensorProto) elsewhere() bool {
	return t.DataLocation != 0 && len(t.External) == 1 && t.External[0].Value == location
}

// widened finds weights that are stored in few bits, and the nodes that widen
// them, which disappear: the variable has the name of what they compute.
func (n *Network) widened(g *graphProto) (map[*tensorProto]string, error) {
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
		if len(node.Input) == 0 || len(node.Output) != 1 || node.Output[0] == "" {
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
	moved := map[*tensor.Tensor]bool{}
	own := func(node *nodeProto, i int, t *tensor.Tensor) (*tensor.Tensor, error) {
		if !moved[t] {
			moved[t] = true
			return t, nil
		}
		data, err := t.Read()
		if err != nil {
			return nil, err
		}
		name := n.fresh(node.Input[i] + "." + node.Output[0])
		t = tensor.NewVariable(name, data, t.Shape()...)
		n.params = append(n.params, nn.Param{Name: name, Value: t, Buffer: true})
		return t, nil
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
		steps := tensor.NewIntVariable("num_batches_tracked", []int32{0})
		n.norms[node] = &nn.BatchNorm{Weight: v(1), Bias: v(2), RunningMean: mean, RunningVar: variance, NumBatchesTracked: steps,
			Momentum: 1 - c.float("momentum", 0.9), Eps: c.float("epsilon", 1e-5)}
		name := n.fresh(strings.TrimSuffix(mean.Name(), ".running_mean") + ".num_batches_tracked")
		n.params = append(n.params, nn.Param{Name: name, Value: steps, Buffer: true})
	}
	return nil
}

// fresh is name, or something like it that no parameter is called.
func (n *Network) fresh(name string) string {
	for slices.ContainsFunc(n.params, func(p nn.Param) bool { return p.Name == name }) {
		name += "_"
	}
	return name
}
