package onnx

import (
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
