package onnx

import (
	"math"
	"testing"
)

// microsoft is the domain of ONNX Runtime's own operators.
const microsoft = "com.microsoft"

// Operators on windows, places and positions, and those of integers, compared with
// ONNX Runtime Web as in TestImportedOperators:
//
//	go test ./format/onnx -run TestVisionOperators -update
func TestVisionOperators(t *testing.T) {
	compareOperators(t, "testdata/vision.json", visionSamples())
}

// visionResult is the type of the sample's result.
func (s *sample) visionResult() elem {
	last := s.nodes[len(s.nodes)-1]
	if i, ok := quantizedResults[last.kind()]; ok && last.OpType != "QGemm" || last.OpType == "QGemm" && len(last.Input) > 7 {
		for _, a := range s.inputs {
			if a.name == last.Input[i] {
				return a.kind
			}
		}
	}
	switch {
	case s.out == "i":
		return elemInt64
	case last.OpType == "MatMulInteger" || last.OpType == "ConvInteger":
		return elemInt32
	}
	return elemFloat
}

// second is a node whose second result, i, is asked for.
func second(kind, inputs string, attrs ...*attrProto) []*nodeProto {
	n := op(kind, inputs, attrs...)
	n[0].Output = []string{"y", "i"}
	return n
}

func visionSamples() []sample {
	var list []sample
	at := func(opset int64, name string, nodes []*nodeProto, in ...array) {
		list = append(list, sample{name, opset, in, nodes, nodes[len(nodes)-1].Output[len(nodes[len(nodes)-1].Output)-1]})
	}
	add := func(name string, nodes []*nodeProto, in ...array) { at(21, name, nodes, in...) }
	windowSamples(add)
	orderSamples(at)
	positionSamples(at)
	quantizedSamples(add)
	fusedSamples(add)
	return list
}

func windowSamples(add func(name string, nodes []*nodeProto, in ...array)) {
	add("Conv 3d", op("Conv", "x w b", ints("pads", 1, 0, 1, 1, 0, 1)), noise("x", 2, 3, 4, 5, 6), noise("w", 4, 3, 3, 2, 3), noise("b", 4))
	add("Conv 3d uneven", op("Conv", "x w", ints("pads", 1, 0, 2, 0, 1, 1), ints("strides", 2, 1, 3), ints("dilations", 1, 2, 1), integer("group", 2)), noise("x", 1, 4, 6, 5, 7), noise("w", 4, 2, 2, 2, 3))
	add("Conv 3d depthwise", op("Conv", "x w", integer("group", 3), ints("kernel_shape", 1, 2, 2)), noise("x", 1, 3, 3, 4, 5), noise("w", 6, 1, 1, 2, 2))
	for _, auto := range []string{"SAME_UPPER", "SAME_LOWER", "VALID"} {
		add("Conv 3d "+auto, op("Conv", "x w", textAttr("auto_pad", auto), ints("strides", 2, 1, 3)), noise("x", 1, 2, 5, 4, 7), noise("w", 3, 2, 3, 2, 4))
		add("ConvTranspose "+auto, op("ConvTranspose", "x w", textAttr("auto_pad", auto), ints("strides", 2, 3)), noise("x", 1, 2, 4, 5), noise("w", 2, 3, 3, 4))
	}
	add("ConvTranspose 1d groups", op("ConvTranspose", "x w b", integer("group", 2), ints("strides", 3), ints("pads", 2, 1), ints("output_padding", 2), ints("dilations", 2)), noise("x", 2, 4, 5), noise("w", 4, 3, 3), noise("b", 6))
	add("ConvTranspose 3d", op("ConvTranspose", "x w b", ints("strides", 2, 1, 3), ints("pads", 1, 0, 2, 0, 1, 1), ints("output_padding", 1, 0, 2), ints("dilations", 1, 2, 1)), noise("x", 1, 3, 3, 4, 2), noise("w", 3, 2, 2, 3, 3), noise("b", 2))
	add("ConvTranspose of a shape", op("ConvTranspose", "x w", ints("strides", 3, 2), ints("output_shape", 8, 6)), noise("x", 1, 2, 3, 3), noise("w", 2, 2, 3, 3))
	add("ConvTranspose of a shape, upper", op("ConvTranspose", "x w", ints("strides", 3, 2), ints("output_shape", 8, 6), textAttr("auto_pad", "SAME_UPPER")), noise("x", 1, 2, 3, 3), noise("w", 2, 2, 3, 3))
	add("ConvTranspose of a larger shape", op("ConvTranspose", "x w b", ints("strides", 3, 2), ints("output_shape", 10, 8)), noise("x", 1, 1, 3, 3), noise("w", 1, 2, 3, 3), noise("b", 2))

	add("MaxPool 3d", op("MaxPool", "x", ints("kernel_shape", 2, 3, 2), ints("strides", 2, 2, 1), ints("pads", 1, 1, 0, 0, 1, 1)), noise("x", 1, 2, 4, 5, 6))
	add("MaxPool 3d ceil", op("MaxPool", "x", ints("kernel_shape", 3, 2, 2), ints("strides", 2, 2, 3), ints("dilations", 1, 2, 1), integer("ceil_mode", 1)), noise("x", 1, 2, 6, 6, 6))
	add("MaxPool's positions", second("MaxPool", "x", ints("kernel_shape", 3, 2), ints("strides", 2, 1), ints("pads", 1, 0, 1, 1)), noise("x", 2, 3, 5, 6))
	add("MaxPool's positions 1d", second("MaxPool", "x", ints("kernel_shape", 3), ints("strides", 2), ints("dilations", 2)), noise("x", 2, 3, 9))
	add("MaxPool's positions 3d", second("MaxPool", "x", ints("kernel_shape", 2, 2, 3)), noise("x", 2, 2, 3, 4, 5))
	add("MaxPool's positions by columns", second("MaxPool", "x", ints("kernel_shape", 2, 3), integer("storage_order", 1)), noise("x", 2, 2, 4, 5))
	add("MaxPool's positions of equals", second("MaxPool", "x", ints("kernel_shape", 2, 2)), array{"x", elemFloat, []int{1, 1, 3, 3}, []float64{1, 1, 1, 1, 1, 2, 2, 1, 2}})
	add("AveragePool 3d", op("AveragePool", "x", ints("kernel_shape", 2, 3, 2), ints("strides", 2, 2, 1), ints("pads", 1, 1, 0, 0, 1, 1)), noise("x", 1, 2, 4, 5, 6))
	add("AveragePool 3d with padding", op("AveragePool", "x", ints("kernel_shape", 2, 3, 2), ints("strides", 2, 2, 2), ints("pads", 1, 1, 0, 0, 1, 1), integer("count_include_pad", 1), integer("ceil_mode", 1)), noise("x", 1, 2, 6, 6, 6))
	add("AveragePool dilated", op("AveragePool", "x", ints("kernel_shape", 2, 3), ints("dilations", 2, 2), ints("pads", 1, 1, 1, 1)), noise("x", 1, 2, 7, 8))
	add("AveragePool dilated with padding", op("AveragePool", "x", ints("kernel_shape", 3), ints("dilations", 2), ints("pads", 1, 2), integer("count_include_pad", 1)), noise("x", 1, 2, 9))
	add("AveragePool as neighbours", op("AveragePool", "x", ints("kernel_shape", 5, 1, 1), ints("strides", 1, 1, 1)), noise("x", 2, 1, 12, 3, 4))
	add("LpPool", op("LpPool", "x", ints("kernel_shape", 3, 2), ints("strides", 2, 1), ints("pads", 1, 0, 1, 1)), noise("x", 1, 2, 5, 6))
	add("LpPool 3d of order 3", op("LpPool", "x", ints("kernel_shape", 2, 2, 2), integer("p", 3)), noise("x", 1, 2, 3, 4, 5))
	add("LpPool of order 1", op("LpPool", "x", ints("kernel_shape", 2), integer("p", 1), integer("ceil_mode", 1), ints("strides", 2), ints("dilations", 2)), noise("x", 1, 2, 9))
	add("GlobalLpPool", op("GlobalLpPool", "x", integer("p", 3)), noise("x", 2, 3, 4, 5))
	add("GlobalAveragePool 3d", op("GlobalAveragePool", "x"), noise("x", 2, 3, 2, 4, 5))
	add("MaxUnpool", []*nodeProto{{OpType: "MaxPool", Input: []string{"x"}, Output: []string{"p", "q"}, Attribute: []*attrProto{ints("kernel_shape", 2, 2), ints("strides", 2, 2)}},
		{OpType: "MaxUnpool", Input: []string{"p", "q"}, Output: []string{"y"}, Attribute: []*attrProto{ints("kernel_shape", 2, 2), ints("strides", 2, 2)}}}, noise("x", 1, 1, 4, 6))
}

func orderSamples(at func(opset int64, name string, nodes []*nodeProto, in ...array)) {
	three := longs("k", 3)
	for _, o := range []struct {
		name  string
		attrs []*attrProto
	}{{"", nil}, {" least", []*attrProto{integer("largest", 0)}}, {" of columns", []*attrProto{integer("axis", 0)}}} {
		at(21, "TopK"+o.name, []*nodeProto{{OpType: "TopK", Input: []string{"x", "k"}, Output: []string{"y", "i"}, Attribute: o.attrs}, {OpType: "Identity", Input: []string{"y"}, Output: []string{"z"}}}, noise("x", 4, 7), three)
		at(21, "TopK's places"+o.name, second("TopK", "x k", o.attrs...), noise("x", 4, 7), three)
	}
	at(21, "TopK's places of equals", second("TopK", "x k"), array{"x", elemFloat, []int{6}, []float64{1, 3, 3, 1, 3, 1}}, longs("k", 5))
	at(21, "TopK's places of integers", second("TopK", "x k", integer("largest", 0)), array{"x", elemInt64, []int{6}, []float64{5, -3, 3, 1, -3, 1}}, longs("k", 5))
	at(21, "TopK's places, few of many", second("TopK", "x k"), noise("x", 2, 300), longs("k", 4))
	at(9, "TopK 9", []*nodeProto{{OpType: "TopK", Input: []string{"x"}, Output: []string{"y", "i"}, Attribute: []*attrProto{integer("k", 2)}}}, noise("x", 4, 7))

	places := array{"i", elemInt64, []int{2, 4}, []float64{2, -1, 0, 1, 1, 0, -2, 2}}
	for _, how := range []string{"none", "add", "mul", "max", "min"} {
		index := places
		if how != "none" { // with places twice
			index.data = []float64{2, -1, 0, 1, -1, 0, 0, 1}
		}
		at(21, "ScatterElements "+how, op("ScatterElements", "x i x2", textAttr("reduction", how)), noise("x", 3, 5), index, noise("x2", 2, 4))
		by := typed(elemInt64, index)
		by.name = "x3"
		at(21, "ScatterElements by an input "+how, op("ScatterElements", "x x3 x2", textAttr("reduction", how)), noise("x", 3, 5), by, noise("x2", 2, 4))
		rows := array{"i", elemInt64, []int{3, 2}, []float64{2, 1, 0, -1, 1, 0}}
		if how != "none" {
			rows.data = []float64{2, 1, 0, -1, 2, 1}
		}
		at(21, "ScatterND "+how, op("ScatterND", "x i x2", textAttr("reduction", how)), noise("x", 3, 4, 2), rows, noise("x2", 3, 2))
		rows.name = "x3"
		at(21, "ScatterND by an input "+how, op("ScatterND", "x x3 x2", textAttr("reduction", how)), noise("x", 3, 4, 2), rows, noise("x2", 3, 2))
	}
	at(21, "ScatterElements along the second", op("ScatterElements", "x i x2", integer("axis", 1)), noise("x", 2, 5), array{"i", elemInt64, []int{2, 2}, []float64{4, 0, -2, 1}}, noise("x2", 2, 2))
	at(9, "Scatter", op("Scatter", "x i x2"), noise("x", 3, 4), places, noise("x2", 2, 4))
}

func positionSamples(at func(opset int64, name string, nodes []*nodeProto, in ...array)) {
	// Positions inside, beyond the edges and far outside.
	grid := func(shape ...int) array { return noise("x2", shape...) }
	for _, mode := range []string{"linear", "nearest", "cubic"} {
		for _, pad := range []string{"zeros", "border", "reflection"} {
			for _, aligned := range []int{0, 1} {
				name := mode + ", " + pad + map[int]string{1: ", aligned"}[aligned]
				attrs := []*attrProto{textAttr("mode", mode), textAttr("padding_mode", pad), integer("align_corners", aligned)}
				at(20, "GridSample "+name, op("GridSample", "x x2", attrs...), noise("x", 2, 3, 4, 5), grid(2, 3, 6, 2))
				if mode != "cubic" { // which ONNX Runtime has for images alone
					at(20, "GridSample 3d "+name, op("GridSample", "x x2", attrs...), noise("x", 2, 2, 3, 4, 5), grid(2, 2, 3, 4, 3))
				}
			}
		}
	}
	at(16, "GridSample 16", op("GridSample", "x x2", textAttr("mode", "bicubic")), noise("x", 1, 2, 4, 5), grid(1, 3, 3, 2))
	at(20, "GridSample of one pixel", op("GridSample", "x x2", textAttr("padding_mode", "reflection"), integer("align_corners", 1)), noise("x", 1, 2, 1, 1), grid(1, 3, 3, 2))
	for _, aligned := range []int{0, 1} {
		name := "AffineGrid" + map[int]string{1: " aligned"}[aligned]
		at(20, name, op("AffineGrid", "x s", integer("align_corners", aligned)), noise("x", 2, 2, 3), longs("s", 2, 1, 3, 4))
		at(20, name+" 3d", op("AffineGrid", "x s", integer("align_corners", aligned)), noise("x", 2, 3, 4), longs("s", 2, 1, 2, 3, 4))
	}
	// One inside, one across an edge, one small, one of no size, one outside.
	regions := array{"x2", elemFloat, []int{5, 4}, []float64{1, 2, 15, 11, -4, 3, 9, 21, 5, 5, 6.5, 5.5, 3, 3, 3, 3, 40, 40, 50, 60}}
	images := longs("i", 0, 1, 1, 0, 1)
	for _, mode := range []string{"avg", "max"} {
		for _, ratio := range []int{0, 2} {
			for _, half := range []string{"half_pixel", "output_half_pixel"} {
				at(16, "RoiAlign "+mode+" "+half+map[int]string{0: "", 2: " 2"}[ratio], op("RoiAlign", "x x2 i", textAttr("mode", mode), integer("sampling_ratio", ratio),
					textAttr("coordinate_transformation_mode", half), float("spatial_scale", 0.5), integer("output_height", 3), integer("output_width", 2)), noise("x", 2, 3, 9, 10), regions, images)
			}
		}
	}
	at(10, "RoiAlign 10", op("RoiAlign", "x x2 x3", integer("output_height", 2), integer("output_width", 2)), noise("x", 2, 3, 9, 10), regions, array{"x3", elemInt64, []int{5}, images.data})
}

// bytesOf are numbers without pattern of the whole range of kind, which is int8 or uint8.
func bytesOf(name string, kind elem, shape ...int) array {
	a := noise(name, shape...)
	a.kind = kind
	for i, v := range a.data {
		v = math.Mod(math.Abs(v)*1000, 256)
		if kind == elemInt8 {
			v -= 128
		}
		a.data[i] = math.Trunc(v)
	}
	return a
}

func one8(name string, kind elem, v float64) array { return array{name, kind, nil, []float64{v}} }

func quantizedSamples(add func(name string, nodes []*nodeProto, in ...array)) {
	own := func(kind, inputs string, attrs ...*attrProto) []*nodeProto {
		n := op(kind, inputs, attrs...)
		n[0].Domain = microsoft
		return n
	}
	u, s := elemUint8, elemInt8
	add("MatMulInteger", op("MatMulInteger", "x w z v"), bytesOf("x", u, 2, 3, 40), bytesOf("w", s, 40, 5), one8("z", u, 131), one8("v", s, 3))
	add("MatMulInteger of columns", op("MatMulInteger", "x w z v"), bytesOf("x", u, 3, 40), bytesOf("w", u, 40, 4), one8("z", u, 131), array{"v", u, []int{4}, []float64{1, 120, 255, 0}})
	add("MatMulInteger without zero points", op("MatMulInteger", "x w"), bytesOf("x", u, 3, 900), bytesOf("w", s, 900, 5))
	add("ConvInteger", op("ConvInteger", "x w z", ints("pads", 1, 0, 1, 2), ints("strides", 2, 1)), bytesOf("x", u, 1, 3, 6, 7), bytesOf("w", u, 4, 3, 3, 3), one8("z", u, 120))
	for _, what := range []string{"", " of positive numbers", " of zeros"} {
		x := noise("x", 3, 7)
		for i, v := range x.data {
			switch what {
			case " of positive numbers":
				x.data[i] = math.Abs(v) + 1
			case " of zeros":
				x.data[i] = 0
			}
		}
		for i, r := range []string{"q", "s", "z"} {
			nodes := []*nodeProto{{OpType: "DynamicQuantizeLinear", Input: []string{"x"}, Output: []string{"q", "s", "z"}}, {OpType: "Cast", Input: []string{r}, Output: []string{"y"}, Attribute: []*attrProto{integer("to", 1)}}}
			add([]string{"DynamicQuantizeLinear", "DynamicQuantizeLinear's scale", "DynamicQuantizeLinear's zero point"}[i]+what, nodes, x)
		}
	}
	for _, k := range []elem{u, s} {
		name := " " + elemNames[k]
		add("QLinearMatMul"+name, op("QLinearMatMul", "x a z w b v c t"), bytesOf("x", k, 3, 30), single("a", 0.02), one8("z", k, 11), bytesOf("w", s, 30, 5), single("b", 0.013), one8("v", s, 0), single("c", 0.3), one8("t", k, 60))
		add("QLinearConv"+name, op("QLinearConv", "x a z w b v c t i", ints("pads", 1, 1, 1, 1), integer("group", 2)), bytesOf("x", k, 1, 4, 5, 6), single("a", 0.02), one8("z", k, 11), bytesOf("w", s, 4, 2, 3, 3), array{"b", elemFloat, []int{4}, []float64{0.01, 0.02, 0.005, 0.011}},
			array{"v", s, []int{4}, []float64{0, 0, 0, 0}}, single("c", 0.3), one8("t", k, 60), array{"i", elemInt32, []int{4}, []float64{1000, -3000, 20, 500}})
		for _, b := range []string{"QLinearAdd", "QLinearMul"} {
			add(b+name, own(b, "x a z x2 b v c t"), bytesOf("x", k, 3, 8), single("a", 0.02), one8("z", k, 11), bytesOf("x2", k, 1, 8), single("b", 0.03), one8("v", k, 7), single("c", 0.05), one8("t", k, 60))
		}
		few := []array{bytesOf("x", k, 2, 3, 4, 6), single("a", 0.02), one8("z", k, 11), single("c", 0.0123), one8("t", k, 20)}
		add("QLinearSigmoid"+name, own("QLinearSigmoid", "x a z c t"), few...)
		add("QLinearLeakyRelu"+name, own("QLinearLeakyRelu", "x a z c t", float("alpha", 0.2)), few...)
		add("QLinearAveragePool"+name, own("QLinearAveragePool", "x a z c t", ints("kernel_shape", 3, 2), ints("pads", 1, 0, 1, 1), ints("strides", 2, 1)), few...)
		add("QLinearGlobalAveragePool"+name, own("QLinearGlobalAveragePool", "x a z c t"), few...)
		add("QLinearConcat"+name, own("QLinearConcat", "c t x a z x2 b v", integer("axis", 1)), bytesOf("x", k, 2, 3), single("a", 0.02), one8("z", k, 11), bytesOf("x2", k, 2, 5), single("b", 0.03), one8("v", k, 7), single("c", 0.025), one8("t", k, 60))
		add("QGemm"+name, own("QGemm", "x a z w b v i c t", integer("transB", 1), float("alpha", 0.7)), bytesOf("x", k, 3, 30), single("a", 0.02), one8("z", k, 11), bytesOf("w", s, 5, 30), single("b", 0.013), one8("v", s, 2), array{"i", elemInt32, []int{5}, []float64{1000, -3000, 20, 500, 0}}, single("c", 0.3), one8("t", k, 60))
	}
	add("QLinearSoftmax", own("QLinearSoftmax", "x a z c t", integer("opset", 13), integer("axis", -1)), bytesOf("x", u, 3, 9), single("a", 0.02), one8("z", u, 11), single("c", 1.0/256), one8("t", u, 0))
	add("QLinearWhere", own("QLinearWhere", "f x a z x2 b v c t"), array{"f", elemBool, []int{6}, []float64{1, 0, 1, 1, 0, 0}}, bytesOf("x", u, 2, 6), single("a", 0.02), one8("z", u, 11), bytesOf("x2", u, 1, 6), single("b", 0.03), one8("v", u, 7), single("c", 0.025), one8("t", u, 60))
	add("QGemm to floats", own("QGemm", "x a z w b v"), bytesOf("x", u, 3, 30), single("a", 0.02), one8("z", u, 11), bytesOf("w", s, 30, 5), array{"b", elemFloat, []int{5}, []float64{0.01, 0.02, 0.005, 0.011, 0.03}}, array{"v", s, []int{5}, []float64{0, 0, 0, 0, 0}})
	add("DynamicQuantizeMatMul", own("DynamicQuantizeMatMul", "x w b v c"), noise("x", 3, 30), bytesOf("w", s, 30, 5), single("b", 0.013), one8("v", s, 0), noise("c", 5))
	add("MatMulIntegerToFloat", own("MatMulIntegerToFloat", "x w a b z v c"), bytesOf("x", u, 3, 30), bytesOf("w", s, 30, 5), single("a", 0.02), array{"b", elemFloat, []int{5}, []float64{0.01, 0.02, 0.005, 0.011, 0.03}}, one8("z", u, 11), array{"v", s, []int{5}, []float64{0, 0, 0, 0, 0}}, noise("c", 5))
	add("com.microsoft's QuantizeLinear", []*nodeProto{
		{OpType: "QuantizeLinear", Domain: microsoft, Input: []string{"x", "s", "z"}, Output: []string{"q"}}, {OpType: "DequantizeLinear", Domain: microsoft, Input: []string{"q", "s", "z"}, Output: []string{"y"}},
	}, noise("x", 3, 4), single("s", 0.1), one8("z", s, -20))
}

func fusedSamples(add func(name string, nodes []*nodeProto, in ...array)) {
	own := func(kind, inputs string, attrs ...*attrProto) []*nodeProto {
		n := op(kind, inputs, attrs...)
		n[0].Domain = microsoft
		return n
	}
	add("com.microsoft's Gelu", own("Gelu", "x"), noise("x", 3, 5))
	add("BiasGelu", own("BiasGelu", "x b"), noise("x", 3, 5), noise("b", 5))
	add("FastGelu", own("FastGelu", "x b"), noise("x", 3, 5), noise("b", 5))
	add("FastGelu alone", own("FastGelu", "x"), noise("x", 3, 5))
	add("QuickGelu", own("QuickGelu", "x", float("alpha", 1.5)), noise("x", 3, 5))
	add("FusedMatMul", own("FusedMatMul", "x x2", integer("transA", 1), integer("transB", 1), float("alpha", 0.5)), noise("x", 2, 4, 3), noise("x2", 2, 5, 4))
	add("FusedMatMul of batches behind", own("FusedMatMul", "x x2", integer("transBatchA", 1), integer("transA", 1), integer("transBatchB", 1)), noise("x", 4, 2, 3), noise("x2", 4, 2, 5))
	for _, a := range []string{"Relu", "Tanh", "Sigmoid", "LeakyRelu"} {
		var numbers []*attrProto
		var list []*attrProto
		if a == "LeakyRelu" {
			numbers, list = []*attrProto{float("activation_alpha", 0.2)}, []*attrProto{floats("activation_params", 0.2)}
		}
		add("FusedGemm "+a, own("FusedGemm", "x w b", append(numbers, textAttr("activation", a), integer("transB", 1))...), noise("x", 3, 4), noise("w", 5, 4), noise("b", 5))
		add("FusedConv "+a, own("FusedConv", "x w b", append(list, textAttr("activation", a), ints("pads", 1, 1, 1, 1))...), noise("x", 1, 2, 4, 5), noise("w", 3, 2, 3, 3), noise("b", 3))
	}
	add("FusedConv of a sum", own("FusedConv", "x w b x2", textAttr("activation", "Relu")), noise("x", 1, 2, 4, 5), noise("w", 3, 2, 3, 3), noise("b", 3), noise("x2", 1, 3, 2, 3))
	add("SkipLayerNormalization", own("SkipLayerNormalization", "x x2 g b c", float("epsilon", 1e-3)), noise("x", 2, 3, 8), noise("x2", 2, 3, 8), noise("g", 8), noise("b", 8), noise("c", 8))
	add("SkipSimplifiedLayerNormalization", own("SkipSimplifiedLayerNormalization", "x x2 g", float("epsilon", 1e-3)), noise("x", 2, 3, 8), noise("x2", 2, 3, 8), noise("g", 8))
	sum := own("SkipLayerNormalization", "x x2 g b c")
	sum[0].Output = []string{"n", "", "", "y"}
	add("SkipLayerNormalization's sum", sum, noise("x", 2, 3, 8), noise("x2", 2, 3, 8), noise("g", 8), noise("b", 8), noise("c", 8))
	add("SimplifiedLayerNormalization", op("SimplifiedLayerNormalization", "x g", float("epsilon", 1e-3)), noise("x", 2, 3, 8), noise("g", 8))
	ids := array{"x", elemInt32, []int{2, 3}, []float64{4, 0, 9, 1, 1, 3}}
	types := array{"x2", elemInt32, []int{2, 3}, []float64{0, 0, 1, 1, 0, 1}}
	embed := own("EmbedLayerNormalization", "x x2 w p s g b", float("epsilon", 1e-3))
	embed[0].Output = []string{"e", "m"}
	add("EmbedLayerNormalization", append(embed, &nodeProto{OpType: "Identity", Input: []string{"e"}, Output: []string{"y"}}), ids, types, noise("w", 10, 8), noise("p", 5, 8), noise("s", 2, 8), noise("g", 8), noise("b", 8))
}
