package onnx

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/weft-ml/weft/nn"
	"github.com/weft-ml/weft/tensor"
)

// Imported operators are compared with what ONNX Runtime Web computed for the
// same models: testdata/operators.json, written by
//
//	go test ./format/onnx -run TestImportedOperators -update
var update = flag.Bool("update", false, "let ONNX Runtime compute testdata/operators.json again")

const operatorsFile = "testdata/operators.json"

// sample is a model of one operator, or a few. Inputs whose names begin with x
// are the network's arguments, the others are constants.
type sample struct {
	name   string
	opset  int64
	inputs []array
	nodes  []*nodeProto
	out    string
}

type array struct {
	name  string
	kind  elem
	shape []int
	data  []float64
}

// noise is an argument of normal numbers.
func noise(name string, shape ...int) array {
	n := 1
	for _, d := range shape {
		n *= d
	}
	a := array{name, elemFloat, shape, nil}
	for _, v := range nn.NewRNG(uint64(len(shape)*31+n)).Normal(n, 0, 1.5) {
		a.data = append(a.data, float64(v))
	}
	return a
}

// positive is noise without what logarithms do not take.
func positive(name string, shape ...int) array {
	a := noise(name, shape...)
	for i, v := range a.data {
		a.data[i] = math.Abs(v) + 0.1
	}
	return a
}

func longs(name string, v ...float64) array  { return array{name, elemInt64, []int{len(v)}, v} }
func shorts(name string, v ...float64) array { return array{name, elemInt32, []int{len(v)}, v} }
func single(name string, v float64) array    { return array{name, elemFloat, nil, []float64{v}} }
func typed(kind elem, a array) array         { a.kind = kind; return a }

func textAttr(name, v string) *attrProto {
	return &attrProto{Name: name, Type: attrString, S: []byte(v)}
}

func floats(name string, v ...float32) *attrProto {
	return &attrProto{Name: name, Type: attrFloats, Floats: v}
}

// op is one node that makes y of inputs.
func op(kind string, inputs string, attrs ...*attrProto) []*nodeProto {
	return []*nodeProto{{OpType: kind, Name: kind, Input: strings.Split(inputs, " "), Output: []string{"y"}, Attribute: attrs}}
}

func samples() []sample {
	var list []sample
	add := func(name string, nodes []*nodeProto, in ...array) {
		list = append(list, sample{name, 21, in, nodes, "y"})
	}
	old := func(opset int64, name string, nodes []*nodeProto, in ...array) {
		list = append(list, sample{name, opset, in, nodes, "y"})
	}
	for _, u := range []string{"Abs", "Neg", "Exp", "Reciprocal", "Sin", "Cos", "Tan", "Tanh", "Sigmoid", "Erf", "Relu", "Floor", "Ceil", "Round", "Sign",
		"Softplus", "Softsign", "HardSwish", "HardSigmoid", "Elu", "Selu", "Celu", "LeakyRelu", "ThresholdedRelu", "Gelu", "Mish", "Identity", "Asinh", "Atan", "Cosh", "Sinh", "Softmax", "LogSoftmax"} {
		add(u, op(u, "x"), noise("x", 3, 5))
	}
	for _, u := range []string{"Log", "Sqrt"} {
		add(u, op(u, "x"), positive("x", 3, 5))
	}
	inside := func() array { return scaled(0.2, noise("x", 3, 5)) }
	for _, u := range []string{"Asin", "Acos", "Atanh"} {
		add(u, op(u, "x"), inside())
	}
	add("Acosh", []*nodeProto{{OpType: "Exp", Input: []string{"x"}, Output: []string{"e"}}, {OpType: "Add", Input: []string{"e", "one"}, Output: []string{"s"}}, {OpType: "Acosh", Input: []string{"s"}, Output: []string{"y"}}}, noise("x", 3, 5), single("one", 1))
	add("Gelu tanh", op("Gelu", "x", textAttr("approximate", "tanh")), noise("x", 3, 5))
	add("HardSigmoid numbers", op("HardSigmoid", "x", float("alpha", 0.3), float("beta", 0.4)), noise("x", 3, 5))
	add("Elu alpha", op("Elu", "x", float("alpha", 0.7)), noise("x", 3, 5))
	add("Celu alpha", op("Celu", "x", float("alpha", 2)), noise("x", 3, 5))
	for _, b := range []string{"Add", "Sub", "Mul", "Div", "Max", "Min", "Mean", "Sum", "PRelu"} {
		add(b, op(b, "x x2"), noise("x", 3, 4, 5), noise("x2", 4, 1))
	}
	for _, b := range []string{"Equal", "Less", "LessOrEqual", "Greater", "GreaterOrEqual"} {
		add(b, op(b, "x x2"), array{"x", elemFloat, []int{4}, []float64{1, 2, 3, -1}}, array{"x2", elemFloat, []int{4}, []float64{1, 3, 2, -1}})
	}
	add("Pow", op("Pow", "x x2"), positive("x", 3, 4), noise("x2", 4))
	add("Pow of negatives", op("Pow", "x two"), noise("x", 3, 4), single("two", 3))
	add("Pow root", op("Pow", "x h"), positive("x", 3, 4), single("h", 0.5))
	add("integer Div", op("Div", "x x2"), array{"x", elemInt32, []int{4}, []float64{7, -7, 7, -7}}, array{"x2", elemInt32, []int{4}, []float64{2, 2, -2, -2}})
	add("integer Mod", op("Mod", "x x2"), array{"x", elemInt32, []int{4}, []float64{7, -7, 7, -7}}, array{"x2", elemInt32, []int{4}, []float64{3, 3, -3, -3}})
	add("fmod", op("Mod", "x x2", integer("fmod", 1)), array{"x", elemFloat, []int{4}, []float64{7.5, -7.5, 7.5, -7.5}}, array{"x2", elemFloat, []int{4}, []float64{2, 2, -2, -2}})
	add("Where and Not", []*nodeProto{
		{OpType: "Less", Input: []string{"x", "x2"}, Output: []string{"c"}}, {OpType: "Not", Input: []string{"c"}, Output: []string{"n"}},
		{OpType: "Where", Input: []string{"n", "x", "zero"}, Output: []string{"y"}},
	}, noise("x", 3, 4), noise("x2", 4), single("zero", 0))
	add("Xor", []*nodeProto{
		{OpType: "Less", Input: []string{"x", "x2"}, Output: []string{"a"}}, {OpType: "Greater", Input: []string{"x", "zero"}, Output: []string{"b"}},
		{OpType: "Xor", Input: []string{"a", "b"}, Output: []string{"y"}},
	}, noise("x", 3, 4), noise("x2", 4), single("zero", 0))
	add("Clip", op("Clip", "x lo hi"), noise("x", 3, 4), single("lo", -0.5), single("hi", 1))
	add("Clip below", op("Clip", "x lo"), noise("x", 3, 4), single("lo", -0.5))
	add("Clip above", []*nodeProto{{OpType: "Clip", Input: []string{"x", "", "hi"}, Output: []string{"y"}}}, noise("x", 3, 4), single("hi", 0.5))
	old(10, "Clip 10", op("Clip", "x", float("min", 0), float("max", 6)), noise("x", 3, 4))
	add("Cast", op("Cast", "x", integer("to", int(elemInt32))), noise("x", 3, 4))
	add("Cast to bool", op("Cast", "x", integer("to", int(elemBool))), array{"x", elemFloat, []int{3}, []float64{0, 0.5, -1}})

	for _, r := range []string{"ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceL2", "ReduceSumSquare", "ReduceLogSumExp"} {
		add(r, op(r, "x axes"), noise("x", 3, 4, 5), longs("axes", 0, -1))
		add(r+" flat", op(r, "x axes", integer("keepdims", 0)), noise("x", 3, 4, 5), longs("axes", 1))
		add(r+" all", op(r, "x"), noise("x", 3, 4))
	}
	old(11, "ReduceMean 11", op("ReduceMean", "x", ints("axes", -1), integer("keepdims", 0)), noise("x", 3, 4, 5))
	add("ReduceSum noop", op("ReduceSum", "x", integer("noop_with_empty_axes", 1)), noise("x", 3, 4))
	add("ArgMax", op("ArgMax", "x", integer("axis", 1), integer("keepdims", 0)), noise("x", 3, 4, 5))
	add("ArgMin", op("ArgMin", "x", integer("axis", -1)), noise("x", 3, 4, 5))
	add("CumSum", op("CumSum", "x axis"), noise("x", 3, 4), array{"axis", elemInt64, nil, []float64{1}})
	add("Softmax axis", op("Softmax", "x", integer("axis", 1)), noise("x", 3, 4, 5))
	old(11, "Softmax 11", op("Softmax", "x", integer("axis", 1)), noise("x", 3, 4, 5))
	add("LogSoftmax axis", op("LogSoftmax", "x", integer("axis", 0)), noise("x", 3, 4, 5))

	add("Reshape", op("Reshape", "x s"), noise("x", 3, 4, 5), longs("s", 0, -1, 2))
	add("Flatten", op("Flatten", "x", integer("axis", 2)), noise("x", 3, 4, 5))
	add("Flatten 0", op("Flatten", "x", integer("axis", 0)), noise("x", 3, 4, 5))
	add("Squeeze", op("Squeeze", "x"), noise("x", 3, 1, 5, 1))
	add("Squeeze axes", op("Squeeze", "x a"), noise("x", 3, 1, 5, 1), longs("a", -1))
	old(11, "Unsqueeze 11", op("Unsqueeze", "x", ints("axes", 0, 3)), noise("x", 3, 4))
	add("Unsqueeze", op("Unsqueeze", "x a"), noise("x", 3, 4), longs("a", 1, -1))
	add("Transpose", op("Transpose", "x"), noise("x", 3, 4, 5))
	add("Transpose perm", op("Transpose", "x", ints("perm", 1, 0, 2)), noise("x", 3, 4, 5))
	add("Concat", op("Concat", "x x2 c", integer("axis", -1)), noise("x", 3, 4), noise("x2", 3, 2), noise("c", 3, 1))
	add("Split", []*nodeProto{{OpType: "Split", Input: []string{"x", "s"}, Output: []string{"a", "y"}, Attribute: []*attrProto{integer("axis", 1)}}}, noise("x", 3, 5), longs("s", 2, 3))
	add("Split evenly", []*nodeProto{{OpType: "Split", Input: []string{"x"}, Output: []string{"a", "b", "y"}, Attribute: []*attrProto{integer("axis", 1), integer("num_outputs", 3)}}}, noise("x", 3, 5))
	add("Slice", op("Slice", "x s e a t"), noise("x", 6, 7), longs("s", 1, -1), longs("e", math.MaxInt64, -8), longs("a", 0, 1), longs("t", 2, -2))
	add("Slice from the end", op("Slice", "x s e"), noise("x", 6, 7), longs("s", -4, 2), longs("e", -1, 100))
	old(9, "Slice 9", op("Slice", "x", ints("starts", 1, 2), ints("ends", 5, 9999), ints("axes", 0, 1)), noise("x", 6, 7))
	add("Gather", op("Gather", "x i", integer("axis", 1)), noise("x", 3, 4, 5), array{"i", elemInt64, []int{2, 2}, []float64{3, -1, 0, 1}})
	add("Gather scalar", op("Gather", "x i", integer("axis", 0)), noise("x", 3, 4), array{"i", elemInt64, nil, []float64{1}})
	add("Gather by an argument", op("Gather", "x x2"), noise("x", 6, 2), array{"x2", elemInt32, []int{4}, []float64{5, 0, -1, 2}})
	add("GatherElements", op("GatherElements", "x i", integer("axis", 1)), noise("x", 3, 4), array{"i", elemInt64, []int{3, 2}, []float64{3, -1, 0, 1, 2, 2}})
	add("Expand", op("Expand", "x s"), noise("x", 3, 1), longs("s", 2, 1, 4))
	add("Tile", op("Tile", "x r"), noise("x", 3, 2), longs("r", 2, 3))
	add("Pad", op("Pad", "x p v"), noise("x", 3, 4), longs("p", 1, 0, 0, 2), single("v", 1.5))
	add("Pad axes", []*nodeProto{{OpType: "Pad", Input: []string{"x", "p", "", "a"}, Output: []string{"y"}}}, noise("x", 3, 4), longs("p", 1, 2), longs("a", -1))
	add("Pad negative", op("Pad", "x p"), noise("x", 4, 5), longs("p", -1, 1, 0, -2))
	for _, mode := range []string{"reflect", "edge", "wrap"} {
		add("Pad "+mode, op("Pad", "x p", textAttr("mode", mode)), noise("x", 4, 5), longs("p", 1, 2, 2, 3))
	}
	old(9, "Pad 9", op("Pad", "x", ints("pads", 0, 1, 2, 0), float("value", 3)), noise("x", 3, 4))
	add("Trilu", op("Trilu", "x"), noise("x", 4, 5))
	add("Trilu lower", op("Trilu", "x k", integer("upper", 0)), noise("x", 2, 4, 5), array{"k", elemInt64, nil, []float64{1}})
	add("OneHot", []*nodeProto{
		{OpType: "Cast", Input: []string{"x"}, Output: []string{"l"}, Attribute: []*attrProto{integer("to", int(elemInt64))}},
		{OpType: "OneHot", Input: []string{"l", "d", "v"}, Output: []string{"y"}, Attribute: []*attrProto{integer("axis", 0)}},
	}, array{"x", elemInt32, []int{4}, []float64{2, 0, 1, 2}}, array{"d", elemInt64, nil, []float64{3}}, array{"v", elemFloat, []int{2}, []float64{-1, 2}})
	add("DepthToSpace", op("DepthToSpace", "x", integer("blocksize", 2)), noise("x", 1, 8, 2, 3))
	add("DepthToSpace CRD", op("DepthToSpace", "x", integer("blocksize", 2), textAttr("mode", "CRD")), noise("x", 1, 8, 2, 3))
	add("SpaceToDepth", op("SpaceToDepth", "x", integer("blocksize", 2)), noise("x", 1, 2, 4, 6))
	add("shape arithmetic", []*nodeProto{
		{OpType: "Shape", Input: []string{"x"}, Output: []string{"s"}}, {OpType: "Gather", Input: []string{"s", "zero"}, Output: []string{"n"}, Attribute: []*attrProto{integer("axis", 0)}},
		{OpType: "Unsqueeze", Input: []string{"n", "ax"}, Output: []string{"u"}}, {OpType: "Mul", Input: []string{"u", "two"}, Output: []string{"m"}},
		{OpType: "Concat", Input: []string{"m", "minus"}, Output: []string{"to"}, Attribute: []*attrProto{integer("axis", 0)}}, {OpType: "Reshape", Input: []string{"x", "to"}, Output: []string{"y"}},
	}, noise("x", 3, 4), array{"zero", elemInt64, nil, []float64{0}}, longs("ax", 0), longs("two", 2), longs("minus", -1))
	add("a causal mask", []*nodeProto{
		{OpType: "Shape", Input: []string{"x"}, Output: []string{"s"}}, {OpType: "ConstantOfShape", Input: []string{"s"}, Output: []string{"o"}, Attribute: []*attrProto{{Name: "value", Type: attrTensor, T: &tensorProto{DataType: 1, Dims: []int64{1}, FloatData: []float32{1}}}}},
		{OpType: "Trilu", Input: []string{"o"}, Output: []string{"t"}, Attribute: []*attrProto{integer("upper", 0)}}, {OpType: "Cast", Input: []string{"t"}, Output: []string{"c"}, Attribute: []*attrProto{integer("to", int(elemBool))}},
		{OpType: "Where", Input: []string{"c", "x", "far"}, Output: []string{"w"}}, {OpType: "Softmax", Input: []string{"w"}, Output: []string{"y"}},
	}, noise("x", 4, 4), single("far", -1e9))
	add("positions", []*nodeProto{
		{OpType: "Range", Input: []string{"a", "b", "c"}, Output: []string{"r"}}, {OpType: "Gather", Input: []string{"table", "r"}, Output: []string{"g"}}, {OpType: "Add", Input: []string{"x", "g"}, Output: []string{"y"}},
	}, noise("x", 2, 3, 4), noise("table", 8, 4), array{"a", elemInt64, nil, []float64{1}}, array{"b", elemInt64, nil, []float64{6}}, array{"c", elemInt64, nil, []float64{2}})

	add("Conv", op("Conv", "x w b", ints("pads", 1, 1, 1, 1)), noise("x", 2, 3, 6, 7), noise("w", 4, 3, 3, 3), noise("b", 4))
	add("Conv uneven", op("Conv", "x w", ints("pads", 0, 1, 2, 0), ints("strides", 2, 1), ints("dilations", 1, 2)), noise("x", 2, 3, 8, 9), noise("w", 4, 3, 3, 2))
	add("Conv groups", op("Conv", "x w b", integer("group", 2)), noise("x", 2, 4, 6, 7), noise("w", 6, 2, 3, 3), noise("b", 6))
	add("Conv depthwise", op("Conv", "x w", integer("group", 4), ints("pads", 1, 1, 1, 1), ints("strides", 2, 2)), noise("x", 2, 4, 7, 7), noise("w", 4, 1, 3, 3))
	for _, auto := range []string{"SAME_UPPER", "SAME_LOWER", "VALID"} {
		add("Conv "+auto, op("Conv", "x w", textAttr("auto_pad", auto), ints("strides", 2, 2)), noise("x", 1, 2, 8, 7), noise("w", 3, 2, 3, 3))
	}
	add("Conv 1d", op("Conv", "x w b", ints("pads", 1, 2), ints("strides", 2)), noise("x", 2, 3, 9), noise("w", 4, 3, 3), noise("b", 4))
	add("ConvTranspose", op("ConvTranspose", "x w b", ints("strides", 2, 2), ints("pads", 1, 1, 1, 1), ints("output_padding", 1, 1)), noise("x", 2, 3, 4, 5), noise("w", 3, 2, 3, 3), noise("b", 2))
	add("ConvTranspose uneven", op("ConvTranspose", "x w", ints("strides", 2, 1), ints("pads", 0, 1, 1, 0)), noise("x", 1, 3, 4, 5), noise("w", 3, 2, 3, 3))
	add("MaxPool", op("MaxPool", "x", ints("kernel_shape", 3, 2), ints("strides", 2, 2), ints("pads", 1, 0, 1, 1)), noise("x", 1, 2, 7, 8))
	add("MaxPool ceil", op("MaxPool", "x", ints("kernel_shape", 3, 3), ints("strides", 2, 2), integer("ceil_mode", 1)), noise("x", 1, 2, 8, 7))
	add("MaxPool dilated", op("MaxPool", "x", ints("kernel_shape", 2, 3), ints("dilations", 2, 2)), noise("x", 1, 2, 8, 7))
	add("MaxPool 1d", op("MaxPool", "x", ints("kernel_shape", 3), ints("strides", 2)), noise("x", 2, 2, 9))
	add("AveragePool", op("AveragePool", "x", ints("kernel_shape", 3, 3), ints("strides", 2, 2), ints("pads", 1, 1, 1, 1)), noise("x", 1, 2, 7, 8))
	add("AveragePool with padding", op("AveragePool", "x", ints("kernel_shape", 3, 3), ints("strides", 2, 2), ints("pads", 1, 1, 1, 1), integer("count_include_pad", 1)), noise("x", 1, 2, 7, 8))
	add("AveragePool uneven", op("AveragePool", "x", ints("kernel_shape", 3, 2), ints("pads", 1, 0, 0, 1)), noise("x", 1, 2, 5, 6))
	add("AveragePool ceil", op("AveragePool", "x", ints("kernel_shape", 3, 3), ints("strides", 2, 2), integer("ceil_mode", 1)), noise("x", 1, 2, 8, 8))
	add("GlobalAveragePool", op("GlobalAveragePool", "x"), noise("x", 2, 3, 4, 5))
	add("GlobalMaxPool", op("GlobalMaxPool", "x"), noise("x", 2, 3, 4, 5))
	add("BatchNormalization", op("BatchNormalization", "x s b m v", float("epsilon", 1e-3)), noise("x", 2, 3, 4, 5), noise("s", 3), noise("b", 3), noise("m", 3), positive("v", 3))
	add("InstanceNormalization", op("InstanceNormalization", "x s b"), noise("x", 2, 3, 4, 5), noise("s", 3), noise("b", 3))
	add("LayerNormalization", op("LayerNormalization", "x s b", integer("axis", -2)), noise("x", 2, 3, 4), noise("s", 3, 4), noise("b", 3, 4))
	add("GroupNormalization", op("GroupNormalization", "x s b", integer("num_groups", 2)), noise("x", 2, 4, 3, 3), noise("s", 4), noise("b", 4))
	add("LpNormalization", op("LpNormalization", "x", integer("axis", 1)), noise("x", 3, 4))
	for _, mode := range []string{"nearest", "linear", "cubic"} {
		for _, place := range []string{"half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric"} {
			add("Resize "+mode+" "+place, op("Resize", "x   s", textAttr("mode", mode), textAttr("coordinate_transformation_mode", place)), noise("x", 1, 2, 4, 5), longs("s", 1, 2, 7, 3))
		}
	}
	for _, near := range []string{"floor", "ceil", "round_prefer_ceil"} {
		add("Resize "+near, op("Resize", "x  f", textAttr("nearest_mode", near)), noise("x", 1, 2, 4, 5), array{"f", elemFloat, []int{4}, []float64{1, 1, 2, 1.5}})
	}
	add("Resize axes", op("Resize", "x   s", textAttr("mode", "linear"), ints("axes", 2, 3)), noise("x", 1, 2, 4, 5), longs("s", 8, 10))
	old(9, "Upsample", op("Upsample", "x f"), noise("x", 1, 2, 3, 3), array{"f", elemFloat, []int{4}, []float64{1, 1, 2, 2}})

	add("MatMul", op("MatMul", "x w"), noise("x", 2, 3, 4), noise("w", 4, 5))
	add("MatMul batched", op("MatMul", "x x2"), noise("x", 2, 1, 3, 4), noise("x2", 5, 4, 2))
	add("MatMul vector", op("MatMul", "x w"), noise("x", 4), noise("w", 4, 5))
	add("Gemm", op("Gemm", "x w c", integer("transA", 1), integer("transB", 1), float("alpha", 0.5), float("beta", 2)), noise("x", 4, 3), noise("w", 5, 4), noise("c", 5))
	add("Gemm plain", op("Gemm", "x w"), noise("x", 3, 4), noise("w", 4, 5))
	for _, eq := range []string{"bhid,bhjd->bhij", "bij,bjk->bik", "ij,jk", "bij->bji"} {
		in := []array{noise("x", 2, 3, 4), noise("x2", 2, 4, 5)}
		names := "x x2"
		switch eq {
		case "bhid,bhjd->bhij":
			in = []array{noise("x", 2, 3, 4, 5), noise("x2", 2, 3, 6, 5)}
		case "ij,jk":
			in = []array{noise("x", 3, 4), noise("x2", 4, 5)}
		case "bij->bji":
			in, names = in[:1], "x"
		}
		add("Einsum "+eq, op("Einsum", names, textAttr("equation", eq)), in...)
	}
	add("CumSum backwards", op("CumSum", "x d", integer("reverse", 1)), noise("x", 3, 4), array{"d", elemInt64, nil, []float64{1}})
	add("CumSum of what was before", op("CumSum", "x d", integer("exclusive", 1)), noise("x", 3, 4), array{"d", elemInt64, nil, []float64{0}})
	add("CumSum of what comes", op("CumSum", "x d", integer("exclusive", 1), integer("reverse", 1)), noise("x", 3, 4), array{"d", elemInt64, nil, []float64{1}})
	add("LRN", op("LRN", "x", integer("size", 3), float("alpha", 0.3), float("beta", 0.6), float("bias", 1.5)), noise("x", 2, 5, 3, 4))
	add("GatherND", op("GatherND", "x i"), noise("x", 3, 4, 5), array{"i", elemInt64, []int{2, 2, 2}, []float64{0, 1, 2, 3, 1, -1, -2, 0}})
	add("GatherND of elements", op("GatherND", "x i"), noise("x", 3, 4), array{"i", elemInt64, []int{3, 2}, []float64{0, 1, 2, 3, 1, -1}})
	add("GatherND by an input", op("GatherND", "x x2i"), noise("x", 3, 4), array{"x2i", elemInt64, []int{2, 1}, []float64{2, 0}})
	add("ScatterND", op("ScatterND", "x i x2"), noise("x", 4, 3), array{"i", elemInt64, []int{2, 1}, []float64{2, -4}}, noise("x2", 2, 3))
	add("ScatterND of elements", op("ScatterND", "x i x2"), noise("x", 4, 3), array{"i", elemInt64, []int{2, 2}, []float64{2, 1, 0, -1}}, noise("x2", 2))
	add("IsInf", []*nodeProto{
		{OpType: "Div", Input: []string{"x", "x2"}, Output: []string{"d"}}, {OpType: "IsInf", Input: []string{"d"}, Output: []string{"i"}, Attribute: []*attrProto{integer("detect_negative", 0)}},
		{OpType: "Where", Input: []string{"i", "far", "x"}, Output: []string{"y"}},
	}, array{"x", elemFloat, []int{4}, []float64{1, -1, 2, 3}}, array{"x2", elemFloat, []int{4}, []float64{0, 0, 1, 2}}, single("far", 7))
	latest := func(name string, nodes []*nodeProto, in ...array) {
		list = append(list, sample{name, 23, in, nodes, "y"})
	}
	latest("Attention", op("Attention", "x x2 x3"), noise("x", 2, 3, 4, 8), noise("x2", 2, 3, 5, 8), noise("x3", 2, 3, 5, 6))
	latest("Attention, heads side by side", op("Attention", "x x2 x3", integer("q_num_heads", 3), integer("kv_num_heads", 3), float("scale", 0.2)), noise("x", 2, 4, 24), noise("x2", 2, 5, 24), noise("x3", 2, 5, 18))
	latest("Attention, shared keys", op("Attention", "x x2 x3"), noise("x", 2, 6, 4, 8), noise("x2", 2, 2, 5, 8), noise("x3", 2, 2, 5, 8))
	latest("Attention, causal", op("Attention", "x x2 x3", integer("is_causal", 1)), noise("x", 1, 2, 4, 8), noise("x2", 1, 2, 4, 8), noise("x3", 1, 2, 4, 8))
	latest("Attention with a mask", op("Attention", "x x2 x3 m"), noise("x", 1, 2, 3, 8), noise("x2", 1, 2, 3, 8), noise("x3", 1, 2, 3, 8), array{"m", elemBool, []int{3, 3}, []float64{1, 0, 1, 1, 1, 0, 0, 0, 1}})
	latest("Attention with a bias", op("Attention", "x x2 x3 x4"), noise("x", 1, 2, 3, 8), noise("x2", 1, 2, 3, 8), noise("x3", 1, 2, 3, 8), noise("x4", 1, 2, 3, 3))
	latest("Attention with a past", []*nodeProto{{OpType: "Attention", Input: []string{"x", "x2", "x3", "", "x4", "x5"}, Output: []string{"y", "k", "v"}}},
		noise("x", 1, 2, 3, 8), noise("x2", 1, 2, 3, 8), noise("x3", 1, 2, 3, 8), noise("x4", 1, 2, 4, 8), noise("x5", 1, 2, 4, 8))
	table := func(name string) array { return noise(name, 6, 4) }
	places := array{"p", elemInt64, []int{2, 3}, []float64{0, 1, 2, 3, 5, 4}}
	latest("RotaryEmbedding", op("RotaryEmbedding", "x c s p"), noise("x", 2, 4, 3, 8), table("c"), table("s"), places)
	latest("RotaryEmbedding of pairs", op("RotaryEmbedding", "x c s p", integer("interleaved", 1)), noise("x", 2, 4, 3, 8), table("c"), table("s"), places)
	latest("RotaryEmbedding, heads side by side", op("RotaryEmbedding", "x c s p", integer("num_heads", 4)), noise("x", 2, 3, 32), table("c"), table("s"), places)
	latest("RotaryEmbedding of a part", op("RotaryEmbedding", "x c s", integer("rotary_embedding_dim", 8)), noise("x", 2, 4, 3, 10), noise("c", 2, 3, 4), noise("s", 2, 3, 4))
	add("quantized and back", []*nodeProto{
		{OpType: "QuantizeLinear", Input: []string{"x", "s", "z"}, Output: []string{"q"}}, {OpType: "DequantizeLinear", Input: []string{"q", "s", "z"}, Output: []string{"y"}},
	}, noise("x", 3, 4), single("s", 0.1), array{"z", elemUint8, nil, []float64{100}})
	add("weights of eight bits", []*nodeProto{
		{OpType: "DequantizeLinear", Input: []string{"w", "s", "z"}, Output: []string{"f"}, Attribute: []*attrProto{integer("axis", 1)}}, {OpType: "MatMul", Input: []string{"x", "f"}, Output: []string{"y"}},
	}, noise("x", 2, 3), array{"w", elemInt8, []int{3, 2}, []float64{-128, 127, 5, -6, 0, 9}}, array{"s", elemFloat, []int{2}, []float64{0.5, 0.25}}, array{"z", elemInt8, []int{2}, []float64{1, -2}})
	add("weights of half precision", []*nodeProto{
		{OpType: "Cast", Input: []string{"w"}, Output: []string{"f"}, Attribute: []*attrProto{integer("to", 1)}}, {OpType: "MatMul", Input: []string{"x", "f"}, Output: []string{"y"}},
	}, noise("x", 2, 3), typed(elemFloat16, array{"w", elemFloat16, []int{3, 2}, []float64{0.5, -1.25, 3, 1000, -0.125, 2}}))
	add("a constant list", []*nodeProto{
		{OpType: "Constant", Output: []string{"c"}, Attribute: []*attrProto{floats("value_floats", 1, 2, 3)}}, {OpType: "Mul", Input: []string{"x", "c"}, Output: []string{"y"}},
	}, noise("x", 2, 3))
	return list
}

// bytes is the data in the file's order and type.
func (a array) bytes() []byte {
	var b []byte
	le := binary.LittleEndian
	for _, v := range a.data {
		switch a.kind {
		case elemFloat:
			b = le.AppendUint32(b, math.Float32bits(float32(v)))
		case elemFloat16:
			t := &tensorProto{}
			t.setFloats([]float32{float32(v)}, true)
			b = append(b, t.RawData...)
		case elemInt32, elemUint32:
			b = le.AppendUint32(b, uint32(int32(v)))
		case elemInt16, elemUint16:
			b = le.AppendUint16(b, uint16(int16(v)))
		case elemInt64:
			n := int64(math.MaxInt64)
			if v < 1<<62 {
				n = int64(v)
			}
			b = le.AppendUint64(b, uint64(n))
		default:
			b = append(b, byte(int(v)))
		}
	}
	return b
}

func (a array) argument() bool { return strings.HasPrefix(a.name, "x") }

// model is the sample as a file.
func (s *sample) model() *Model {
	g := &graphProto{Name: "sample", Node: s.nodes, Output: []*valueProto{{Name: s.out, Type: &typeProto{Tensor: &tensorType{Elem: int64(s.result())}}}}}
	for _, a := range s.inputs {
		if a.argument() {
			shape := make([]dim, len(a.shape))
			for i, n := range a.shape {
				shape[i] = dim{0, n}
			}
			g.Input = append(g.Input, valueInfo(a.name, a.kind, shape))
			continue
		}
		g.Initializer = append(g.Initializer, &tensorProto{Name: a.name, DataType: int64(a.kind), Dims: wide(a.shape), RawData: a.bytes()})
	}
	ir := int64(8)
	if s.opset > 20 {
		ir = 10
	}
	opsets := []*opsetProto{{Version: s.opset}}
	if slices.ContainsFunc(s.nodes, func(n *nodeProto) bool { return n.Domain == microsoft }) {
		opsets = append(opsets, &opsetProto{Domain: microsoft, Version: 1})
	}
	return &Model{opset: s.opset, proto: &modelProto{IRVersion: ir, OpsetImport: opsets, Graph: g}}
}

// result is the type of the sample's result.
func (s *sample) result() elem {
	last := s.nodes[len(s.nodes)-1]
	switch last.OpType {
	case "Equal", "Less", "LessOrEqual", "Greater", "GreaterOrEqual", "Xor":
		return elemBool
	case "ArgMax", "ArgMin":
		return elemInt64
	case "Cast":
		return elem(last.Attribute[0].I)
	case "Div", "Mod", "BitShift", "BitwiseAnd", "BitwiseOr", "BitwiseXor", "BitwiseNot":
		return s.inputs[0].kind
	case "NonZero":
		return elemInt64
	case "QuantizeLinear":
		if len(s.inputs) > 2 {
			return s.inputs[2].kind
		}
	}
	return s.visionResult()
}

// numbers decodes what ONNX Runtime wrote.
func numbers(kind elem, b []byte) []float64 {
	var out []float64
	for len(b) > 0 {
		n := elemSize[kind]
		t := &tensorProto{DataType: int64(kind), Dims: []int64{1}, RawData: b[:n]}
		_ = t.each(func(_ int, v float64) { out = append(out, v) })
		b = b[n:]
	}
	return out
}

func TestImportedOperators(t *testing.T) {
	compareOperators(t, operatorsFile, samples())
	compareOperators(t, sequencesFile, sequenceSamples())
	tried := map[string]bool{}
	for _, s := range slices.Concat(samples(), sequenceSamples(), visionSamples(), corners()) {
		for _, n := range s.nodes {
			tried[n.kind()] = true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(operators)) {
		// Those of later opsets than ONNX Runtime Web has, those whose
		// result is a constant, and those that other tests try.
		if !tried[name] && !slices.Contains([]string{"Swish", "RMSNormalization", "TensorScatter", "CastLike", "IsNaN", "Size", "And", "Or", "Dropout", "ReduceLogSum"}, name) && !triedElsewhere[name] {
			t.Errorf("%s is tried by no sample", name)
		}
	}
}

// triedElsewhere are operators that tests of their own try; those add them.
var triedElsewhere = map[string]bool{}

// compareOperators compares the samples with the results in file.
func compareOperators(t *testing.T, file string, list []sample) {
	if *update {
		writeOperators(t, file, list)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var want map[string]string
	if err := json.Unmarshal(text, &want); err != nil {
		t.Fatal(err)
	}
	for _, s := range list {
		t.Run(s.name, func(t *testing.T) {
			raw, err := base64.StdEncoding.DecodeString(want[s.name])
			if err != nil || len(raw) == 0 {
				t.Fatalf("no reference; run this test with -update")
			}
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
			for _, a := range s.inputs {
				if a.argument() {
					h := &host{a.kind, a.shape, a.data}
					in = append(in, h.tensor())
				}
			}
			for _, x := range in {
				_, _ = x.Read()
			}
			got := compute(t, func(_ *tensor.Trace, in []*tensor.Tensor) []*tensor.Tensor { return n.Run(in...) }, in...)[0].Floats()
			ref := numbers(s.result(), raw)
			if len(got) != len(ref) {
				t.Fatalf("%d elements, want %d", len(got), len(ref))
			}
			most := 1e-6
			for _, v := range ref {
				if !math.IsInf(v, 0) {
					most = max(most, math.Abs(v))
				}
			}
			for i, v := range ref {
				if float64(got[i]) == v { // infinities too
					continue
				}
				if d := math.Abs(float64(got[i]) - v); !(d <= 1e-5*most) {
					t.Fatalf("element %d is %g, want %g\ngot  %v\nwant %v", i, got[i], v, got[:min(len(got), 24)], ref[:min(len(ref), 24)])
				}
			}
		})
	}
}

// Standardised weights are written as a batch norm in training. ONNX Runtime's own
// inference build differs from the definition there, so that is what is compared.
func TestBatchNormalizationOfTheBatch(t *testing.T) {
	s := sample{"", 21, []array{noise("x", 2, 3, 4, 5), noise("s", 3), noise("b", 3), noise("m", 3), positive("v", 3)},
		[]*nodeProto{{OpType: "BatchNormalization", Input: []string{"x", "s", "b", "m", "v"}, Output: []string{"y", "m2", "v2"}, Attribute: []*attrProto{integer("training_mode", 1)}}}, "y"}
	x := s.inputs[0].data
	got := compute(t, forward(reimport(t, s.model())), (&host{elemFloat, s.inputs[0].shape, x}).tensor())[0].Floats()
	of := func(c int, f func(v float64)) {
		for n := range 2 {
			for i := range 20 {
				f(x[(n*3+c)*20+i])
			}
		}
	}
	for c := range 3 {
		mean, variance := 0.0, 0.0
		of(c, func(v float64) { mean += v / 40 })
		of(c, func(v float64) { variance += (v - mean) * (v - mean) / 40 })
		for n := range 2 {
			for i := range 20 {
				at := (n*3+c)*20 + i
				want := (x[at]-mean)/math.Sqrt(variance+1e-5)*s.inputs[1].data[c] + s.inputs[2].data[c]
				if d := math.Abs(float64(got[at]) - want); !(d < 1e-5) {
					t.Fatalf("element %d is %g, want %g", at, got[at], want)
				}
			}
		}
	}
}

// Masks that are added to scores are no weights, and training leaves them alone;
// what only looks a little like one is.
func TestMasksAreNoWeights(t *testing.T) {
	low := float64(-math.MaxFloat32)
	for name, c := range map[string]struct {
		data []float64
		mask bool
	}{
		"causal":   {[]float64{0, low, low, 0, 0, low, 0, 0, 0}, true},
		"infinite": {[]float64{0, math.Inf(-1), 0, 0, 0, 0, 0, 0, 0}, true},
		"swin":     {[]float64{0, -100, -100, 0, 0, -100, 0, 0, 0}, true},
		"zeros":    {make([]float64, 9), false},
		"biases":   {[]float64{0, -101, 0.5, 0, 0, 0, 0, 0, 0}, false},
		"unknown":  {[]float64{0, math.NaN(), -1e9, 0, 0, 0, 0, 0, 0}, false},
	} {
		s := sample{"", 21, []array{noise("x", 2, 3, 3), {"m", elemFloat, []int{3, 3}, c.data}},
			[]*nodeProto{{OpType: "Add", Input: []string{"x", "m"}, Output: []string{"s"}}, {OpType: "Softmax", Input: []string{"s"}, Output: []string{"y"}}}, "y"}
		n := reimport(t, s.model())
		if got := len(nn.Params(n)) == 0; got != c.mask {
			t.Errorf("%s: a mask: %v", name, got)
		}
	}
}

// docs/onnx.md lists exactly the operators that there are; -update writes the
// list.
func TestDocumentedOperators(t *testing.T) {
	const path = "../../docs/onnx.md"
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var want strings.Builder
	column := 1000
	for i, name := range slices.Sorted(maps.Keys(operators)) {
		if i > 0 {
			want.WriteByte(',')
		}
		if column+len(name) > 150 {
			if i > 0 {
				want.WriteByte('\n')
			}
			want.WriteByte('>')
			column = 1
		}
		want.WriteString(" " + name)
		column += len(name) + 2
	}
	begin := strings.Index(string(text), "\n> ") + 1
	length := strings.Index(string(text[begin:]), "\n\n")
	if begin == 0 || length < 0 {
		t.Fatal("there is no list")
	}
	if string(text[begin:begin+length]) == want.String() {
		return
	}
	if !*update {
		t.Fatalf("the list is not that of the operators that there are: go test ./format/onnx -run DocumentedOperators -update. They are\n%s", want.String())
	}
	all := slices.Concat(text[:begin], []byte(want.String()), text[begin+length:])
	if err := os.WriteFile(path, all, 0o644); err != nil {
		t.Fatal(err)
	}
}

func writeOperators(t *testing.T, path string, list []sample) {
	dir := t.TempDir()
	var work []job
	for i, s := range list {
		b := job{Model: filepath.Join(dir, fmt.Sprintf("%d.onnx", i)), Inputs: []file{}}
		if err := s.model().WriteFile(b.Model, false); err != nil {
			t.Fatal(err)
		}
		for _, a := range s.inputs {
			if a.argument() {
				path := filepath.Join(dir, fmt.Sprintf("%d.%s", i, a.name))
				if err := os.WriteFile(path, a.bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
				b.Inputs = append(b.Inputs, file{a.name, map[elem]string{elemFloat: "float32", elemInt32: "int32", elemInt64: "int64", elemUint8: "uint8", elemInt8: "int8", elemInt16: "int16", elemUint16: "uint16", elemBool: "bool"}[a.kind], a.shape, path})
			}
		}
		b.Outputs = []file{{Name: s.out, File: filepath.Join(dir, fmt.Sprintf("%d.out", i))}}
		work = append(work, b)
	}
	text, err := json.Marshal(work)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "jobs.json"), text, 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("node", script(t), filepath.Join(dir, "jobs.json")).CombinedOutput()
	if err != nil {
		for i, s := range list {
			if strings.Contains(string(out), fmt.Sprintf("/%d.onnx", i)) {
				t.Logf("%d is %s", i, s.name)
			}
		}
		t.Errorf("%v\n%s", err, out)
	}
	results := map[string]string{}
	for i, s := range list {
		b, err := os.ReadFile(work[i].Outputs[0].File)
		if err != nil {
			continue
		}
		results[s.name] = base64.StdEncoding.EncodeToString(b)
	}
	text, err = json.MarshalIndent(results, "", "\t")
	if err == nil {
		err = os.WriteFile(path, append(text, '\n'), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}
