package onnx

import (
	"math"
	"slices"
	"testing"

	"github.com/weft-ml/weft/tensor"
)

// Corners of operators' definitions for which ONNX Runtime Web gives no
// reference, or that a file seldom reaches: the results follow from the text of
// https://onnx.ai/onnx/operators.
func TestOperatorCorners(t *testing.T) {
	vector := func(name string, v ...float64) array { return array{name, elemFloat, []int{len(v)}, v} }
	number := func(name string, kind elem, v float64) array { return array{name, kind, nil, []float64{v}} }
	nan, inf := math.NaN(), math.Inf(1)
	for _, c := range []struct {
		name   string
		opset  int64
		nodes  []*nodeProto
		inputs []array
		want   []float64
	}{
		{"Slice from before the start, backwards", 21, op("Slice", "x b e a s"),
			[]array{vector("x", 1, 2, 3), longs("b", -9), longs("e", -9), longs("a", 0), longs("s", -1)}, []float64{1}},
		{"Slice of everything, backwards", 21, op("Slice", "x b e a s"),
			[]array{vector("x", 1, 2, 3), longs("b", 9), longs("e", -9), longs("a", 0), longs("s", -1)}, []float64{3, 2, 1}},
		{"OneHot counts from the end too", 21, op("OneHot", "x d v"),
			[]array{{"x", elemInt32, []int{4}, []float64{-1, 0, -3, 3}}, number("d", elemInt64, 3), vector("v", 2, 5)}, []float64{2, 2, 5, 5, 2, 2, 5, 2, 2, 2, 2, 2}},
		{"OneHot of masks", 21, op("OneHot", "x d v"),
			[]array{{"x", elemInt32, []int{1}, []float64{1}}, number("d", elemInt64, 2), vector("v", -inf, 0)}, []float64{-inf, 0}},
		{"ReduceL2 of a scalar", 21, op("ReduceL2", "x"), []array{single("x", -3)}, []float64{3}},
		{"ReduceLogSum of a scalar", 21, op("ReduceLogSum", "x"), []array{single("x", 1)}, []float64{0}},
		{"ReduceL2 of nothing", 21, op("ReduceL2", "x", integer("noop_with_empty_axes", 1)), []array{vector("x", -3, 4)}, []float64{3, 4}},
		{"ReduceSumSquare of a scalar", 21, op("ReduceSumSquare", "x"), []array{single("x", -3)}, []float64{9}},
		{"Mod of constants", 21, append(op("Mod", "a b", integer("fmod", 1)), &nodeProto{OpType: "Mul", Input: []string{"y", "x"}, Output: []string{"z"}}),
			[]array{number("a", elemFloat, -7), number("b", elemFloat, 3), vector("x", 1, 2)}, []float64{-1, -2}},
		{"Mod of large integers", 21, op("Mod", "x x2", integer("fmod", 1)),
			[]array{{"x", elemInt32, []int{2}, []float64{1<<30 + 1, -1<<30 - 1}}, {"x2", elemInt32, []int{2}, []float64{2, 2}}}, []float64{1, -1}},
		{"Cast of a constant wraps", 21, append(op("Cast", "a", integer("to", int(elemUint8))), &nodeProto{OpType: "Cast", Input: []string{"y"}, Output: []string{"f"}, Attribute: []*attrProto{integer("to", 1)}},
			&nodeProto{OpType: "Mul", Input: []string{"f", "x"}, Output: []string{"z"}}),
			[]array{number("a", elemInt64, 300), vector("x", 1)}, []float64{44}},
		{"Cast to 16 bits wraps", 21, op("Cast", "x", integer("to", int(elemInt16))), []array{{"x", elemInt32, []int{3}, []float64{70000, -70000, 40000}}}, []float64{4464, -4464, -25536}},
		{"Clip keeps NaN", 21, op("Clip", "x lo hi"), []array{vector("x", nan, 3, -3), single("lo", -1), single("hi", 1)}, []float64{nan, 1, -1}},
		{"Clip with limits the wrong way around", 21, op("Clip", "x lo hi"), []array{vector("x", 0, 3, -3), single("lo", 2), single("hi", 1)}, []float64{1, 1, 1}},
		{"Clip without limits", 21, op("Clip", "x"), []array{vector("x", -3, 3)}, []float64{-3, 3}},
		{"IsNaN", 21, append(op("IsNaN", "x"), &nodeProto{OpType: "Cast", Input: []string{"y"}, Output: []string{"z"}, Attribute: []*attrProto{integer("to", 1)}}),
			[]array{vector("x", nan, 1, inf)}, []float64{1, 0, 0}},
		{"Upsample with an attribute", 7, op("Upsample", "x", floats("scales", 1, 1, 1, 2)), []array{{"x", elemFloat, []int{1, 1, 1, 2}, []float64{1, 2}}}, []float64{1, 1, 2, 2}},
		{"Pow of integers", 21, append(op("Pow", "x x2"), &nodeProto{OpType: "Div", Input: []string{"y", "two"}, Output: []string{"z"}}),
			[]array{{"x", elemInt32, []int{2}, []float64{3, -3}}, {"x2", elemInt32, []int{2}, []float64{2, 3}}, number("two", elemInt32, 2)}, []float64{4, -13}},
		{"QuantizeLinear by type", 21, op("QuantizeLinear", "x s", integer("output_dtype", int(elemInt8))), []array{vector("x", -200, 5, 300), single("s", 1)}, []float64{-128, 5, 127}},
		{"Pad cuts off", 21, op("Pad", "x p"), []array{vector("x", 1, 2, 3), longs("p", -1, 2)}, []float64{2, 3, 0, 0}},
		{"Sum of one", 21, op("Sum", "x"), []array{vector("x", 1, 2)}, []float64{1, 2}},
		{"ArgMax of one", 21, op("ArgMax", "x", integer("keepdims", 0)), []array{vector("x", 5)}, []float64{0}},
		{"Gather from the end", 21, op("Gather", "x x2"), []array{vector("x", 1, 2, 3), {"x2", elemInt32, []int{2}, []float64{-1, -3}}}, []float64{3, 1}},
		{"GatherElements from the end", 21, op("GatherElements", "x x2"), []array{vector("x", 1, 2, 3), {"x2", elemInt32, []int{2}, []float64{-1, -3}}}, []float64{3, 1}},
		{"Softmax of opset 11", 11, op("Softmax", "x", integer("axis", 0)), []array{{"x", elemFloat, []int{1, 2, 2}, []float64{0, 0, 0, 0}}}, []float64{.25, .25, .25, .25}},
		{"AveragePool ceil with padding", 21, op("AveragePool", "x", ints("kernel_shape", 2), ints("strides", 2), ints("pads", 1, 0), integer("ceil_mode", 1), integer("count_include_pad", 1)),
			[]array{{"x", elemFloat, []int{1, 1, 4}, []float64{1, 2, 3, 4}}}, []float64{.5, 2.5, 4}},
		{"BatchNormalization of weights", 21, op("BatchNormalization", "x s b m v", float("epsilon", 0)),
			[]array{{"x", elemFloat, []int{1, 1}, []float64{3}}, vector("s", 2), vector("b", 1), vector("m", 1), vector("v", 4)}, []float64{3}},
		{"Expand of a constant", 21, append(op("Expand", "a s"), &nodeProto{OpType: "Mul", Input: []string{"y", "x"}, Output: []string{"z"}}),
			[]array{number("a", elemFloat, 3), longs("s", 2), vector("x", 1, 2)}, []float64{3, 6}},
		{"LpNormalization of zeros", 21, op("LpNormalization", "x"), []array{vector("x", 0, 0)}, []float64{0, 0}},
		{"ConvTranspose without padding", 21, op("ConvTranspose", "x w", textAttr("auto_pad", "VALID")),
			[]array{{"x", elemFloat, []int{1, 1, 2}, []float64{1, 2}}, {"w", elemFloat, []int{1, 1, 2}, []float64{3, 4}}}, []float64{3, 10, 8}},
		{"Split unevenly", 21, append([]*nodeProto{{OpType: "Split", Name: "s", Input: []string{"x"}, Output: []string{"a", "b"}, Attribute: []*attrProto{integer("num_outputs", 2)}}},
			op("Identity", "b")...), []array{vector("x", 1, 2, 3)}, []float64{3}},
		{"PRelu at 0", 21, op("PRelu", "x x2"), []array{vector("x", 0, -1), vector("x2", 2, 2)}, []float64{0, -2}},
		{"Trilu of integers", 21, op("Trilu", "x"), []array{{"x", elemInt32, []int{2, 2}, []float64{1, 2, 3, 4}}}, []float64{1, 2, 0, 4}},
		{"Shape, cut", 21, append(op("Shape", "x", integer("start", -1)), &nodeProto{OpType: "Cast", Input: []string{"y"}, Output: []string{"z"}, Attribute: []*attrProto{integer("to", 1)}}),
			[]array{noise("x", 2, 5)}, []float64{5}},
		{"Reshape with zeros that mean zero", 21, op("Reshape", "x s", integer("allowzero", 1)), []array{vector("x", 1, 2), longs("s", 2, 1)}, []float64{1, 2}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := sample{c.name, c.opset, c.inputs, c.nodes, c.nodes[len(c.nodes)-1].Output[0]}
			b, err := s.model().bytes()
			if err != nil {
				t.Fatal(err)
			}
			m, err := Parse(b)
			if err != nil {
				t.Fatal(err)
			}
			n, err := m.Network(ImportOptions{})
			if err != nil {
				t.Fatal(err)
			}
			var in []*tensor.Tensor
			for _, a := range c.inputs {
				switch data := a.data; {
				case !a.argument():
				case a.kind == elemFloat:
					in = append(in, tensor.New(converted[float32](data)).Reshape(a.shape...))
				default:
					in = append(in, tensor.FromInts(converted[int32](data)).Reshape(a.shape...))
				}
			}
			got := compute(t, func(_ *tensor.Trace, in []*tensor.Tensor) []*tensor.Tensor { return n.Run(in...) }, in...)[0].Floats()
			same := slices.EqualFunc(got, c.want, func(a float32, b float64) bool {
				return a == float32(b) || a != a && b != b || math.Abs(float64(a)-b) < 1e-5
			})
			if !same {
				t.Errorf("%v, want %v", got, c.want)
			}
		})
	}
}

func converted[T float32 | int32](v []float64) []T {
	out := make([]T, len(v))
	for i := range v {
		out[i] = T(v[i])
	}
	return out
}
