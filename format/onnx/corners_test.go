package onnx

import (
	"math"
	"strings"
	"testing"

	"github.com/weft-ml/weft/tensor"
)

// Corners of operators, compared with what ONNX Runtime Web computed of the same
// models: testdata/corners.json, written by
//
//	go test ./format/onnx -run TestImportedCorners -update
func TestImportedCorners(t *testing.T) { compareOperators(t, "testdata/corners.json", corners()) }

func init() {
	// ONNX's own tests try these, or a test below.
	for _, op := range []string{"Unique", "BitCast", "CumProd", "Bernoulli", "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike"} {
		triedElsewhere[op] = true
	}
}

func corners() []sample {
	var list []sample
	add := func(opset int64, name string, nodes []*nodeProto, in ...array) {
		list = append(list, sample{name, opset, in, nodes, nodes[len(nodes)-1].Output[0]})
	}
	// second is a node whose result i is looked at.
	result := func(i int, kind, inputs string, attrs ...*attrProto) []*nodeProto {
		n := &nodeProto{OpType: kind, Input: strings.Split(inputs, " "), Attribute: attrs}
		for range i {
			n.Output = append(n.Output, "a"+string(rune('0'+len(n.Output))))
		}
		n.Output = append(n.Output, "r")
		return []*nodeProto{n, {OpType: "Identity", Input: []string{"r"}, Output: []string{"y"}}}
	}
	whole := func(name string, kind elem, shape []int, v ...float64) array { return array{name, kind, shape, v} }

	qkv := []array{noise("x", 2, 4, 3, 8), noise("x2", 2, 2, 5, 8), noise("x3", 2, 2, 5, 6)}
	mask := whole("m", elemFloat, []int{3, 5}, 0, 1, 2, -1, 0, math.Inf(-1), 0, 1, 1, 0, 0.5, 0, math.Inf(-1), 0, 1)
	add(23, "Attention softcap", op("Attention", "x x2 x3", float("softcap", 2)), qkv...)
	add(23, "Attention softcap and mask", op("Attention", "x x2 x3 m", float("softcap", 2)), append(qkv[:3:3], mask)...)
	for mode := range 4 {
		add(23, "Attention scores "+string(rune('0'+mode)), result(3, "Attention", "x x2 x3 m", integer("qk_matmul_output_mode", mode)), append(qkv[:3:3], mask)...)
	}
	past := []array{noise("x4", 2, 2, 4, 8), noise("x5", 2, 2, 4, 6)}
	add(23, "Attention causal with a past", []*nodeProto{{OpType: "Attention", Input: []string{"x", "x2", "x3", "", "x4", "x5"}, Output: []string{"y", "k", "v"}, Attribute: []*attrProto{integer("is_causal", 1)}}},
		append(qkv[:3:3], past...)...)
	add(23, "Attention, nobody seen", op("Attention", "x x2 x3 m"), append(qkv[:3:3], whole("m", elemBool, []int{3, 5}, 1, 0, 1, 1, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1))...)
	add(24, "Attention with lengths", []*nodeProto{{OpType: "Attention", Input: []string{"x", "x2", "x3", "", "", "", "n"}, Output: []string{"y"}}}, append(qkv[:3:3], longs("n", 3, 5))...)

	for _, mode := range []string{"linear", "cubic"} {
		add(18, "Resize antialias "+mode, op("Resize", "x   s", textAttr("mode", mode), integer("antialias", 1)), noise("x", 1, 2, 9, 11), longs("s", 1, 2, 4, 5))
	}
	for _, p := range []string{"not_larger", "not_smaller"} {
		add(18, "Resize "+p, op("Resize", "x   s", textAttr("mode", "linear"), ints("axes", 2, 3), textAttr("keep_aspect_ratio_policy", p)), noise("x", 1, 2, 4, 5), longs("s", 7, 8))
	}
	for _, mode := range []string{"nearest", "linear", "cubic"} {
		add(13, "Resize of a part "+mode, op("Resize", "x r  s", textAttr("mode", mode), textAttr("coordinate_transformation_mode", "tf_crop_and_resize"), float("extrapolation_value", 7)),
			noise("x", 1, 2, 5, 6), whole("r", elemFloat, []int{8}, 0, 0, 0.2, -0.1, 1, 1, 0.7, 1.2), longs("s", 1, 2, 4, 7))
	}
	add(19, "Resize half_pixel_symmetric", op("Resize", "x  f", textAttr("mode", "linear"), textAttr("coordinate_transformation_mode", "half_pixel_symmetric")), noise("x", 1, 1, 4, 5), whole("f", elemFloat, []int{4}, 1, 1, 0.6, 1.7))
	add(13, "Resize exclude_outside", op("Resize", "x   s", textAttr("mode", "cubic"), integer("exclude_outside", 1), float("cubic_coeff_a", -0.5)), noise("x", 1, 1, 4, 5), longs("s", 1, 1, 7, 3))

	for _, eq := range []string{"...ii->...i", "bii->b", "bii->bi", "...ij->...ji", "...ij"} {
		add(21, "Einsum "+eq, op("Einsum", "x", textAttr("equation", eq)), noise("x", 2, 3, 3))
	}
	add(21, "Einsum broadcast", op("Einsum", "x x2", textAttr("equation", "...ij,...jk->...ik")), noise("x", 2, 3, 4), noise("x2", 1, 4, 2))
	add(21, "GatherND batch_dims", op("GatherND", "x i", integer("batch_dims", 1)), noise("x", 2, 3, 4), whole("i", elemInt64, []int{2, 2, 1}, 0, -1, 2, 1))
	add(21, "GatherND batch_dims 2", op("GatherND", "x i", integer("batch_dims", 2)), noise("x", 2, 2, 3, 4), whole("i", elemInt64, []int{2, 2, 1}, 0, -1, 2, 1))
	for _, k := range []string{"ArgMax", "ArgMin"} {
		add(13, k+" last", op(k, "x", integer("axis", 1), integer("select_last_index", 1)), whole("x", elemFloat, []int{2, 4}, 1, 3, 3, 1, 2, 2, 2, 2))
	}
	add(17, "LayerNormalization Mean", result(1, "LayerNormalization", "x s b", integer("axis", 1)), noise("x", 2, 3, 4), noise("s", 3, 4), noise("b", 3, 4))
	add(17, "LayerNormalization InvStdDev", result(2, "LayerNormalization", "x s b"), noise("x", 2, 3, 4), noise("s", 4), noise("b", 4))
	for kind, name := range map[elem]string{elemInt8: "int8", elemUint8: "uint8", elemInt16: "int16", elemUint16: "uint16"} {
		add(21, "QuantizeLinear "+name, op("QuantizeLinear", "x s x3"), whole("x", elemFloat, []int{6}, -300, -1, 0.5, 1.5, 300, 1e6), single("s", 2), whole("x3", kind, []int{}, 1))
	}
	add(21, "DequantizeLinear blocks", op("DequantizeLinear", "q s z", integer("axis", 1), integer("block_size", 2)),
		whole("q", elemInt8, []int{2, 4}, 1, 2, 3, 4, -5, -6, 7, 8), noise("s", 2, 2), whole("z", elemInt8, []int{2, 2}, 1, 2, 3, -4))
	add(21, "DequantizeLinear axis", op("DequantizeLinear", "x s z", integer("axis", -2)), whole("x", elemUint8, []int{2, 3}, 1, 2, 3, 4, 5, 255), noise("s", 2), whole("z", elemUint8, []int{2}, 1, 2))

	bits := whole("x", elemUint8, []int{5}, 1, 2, 129, 255, 7)
	by := whole("x2", elemUint8, []int{5}, 1, 7, 3, 2, 8)
	add(18, "BitShift left", op("BitShift", "x x2", textAttr("direction", "LEFT")), bits, by)
	add(18, "BitShift right", op("BitShift", "x x2", textAttr("direction", "RIGHT")), bits, by)
	a := whole("x", elemInt32, []int{6}, 1, -1, math.MinInt32, math.MaxInt32, 1<<30+5, -77)
	b := whole("x2", elemInt32, []int{6}, 3, 1<<30, -1, -2, math.MinInt32+9, 12345)
	for _, k := range []string{"BitwiseAnd", "BitwiseOr", "BitwiseXor"} {
		add(18, k, op(k, "x x2"), a, b)
	}
	add(18, "BitwiseNot", op("BitwiseNot", "x"), a)
	add(18, "BitwiseNot uint8", op("BitwiseNot", "x"), bits)

	add(18, "Col2Im", op("Col2Im", "x i k", ints("strides", 2, 1), ints("pads", 1, 0, 1, 2), ints("dilations", 1, 2)), noise("x", 2, 12, 15), longs("i", 4, 5), longs("k", 2, 2))
	add(18, "CenterCropPad", op("CenterCropPad", "x s"), noise("x", 5, 4, 3), longs("s", 2, 7, 3))
	add(18, "CenterCropPad axes", op("CenterCropPad", "x s", ints("axes", -1, 0)), noise("x", 5, 4, 3), longs("s", 6, 2))
	add(10, "ReverseSequence", op("ReverseSequence", "x n", integer("batch_axis", 0), integer("time_axis", 1)), noise("x", 3, 4, 2), longs("n", 1, 3, 4))
	add(13, "Hardmax", op("Hardmax", "x", integer("axis", 1)), whole("x", elemFloat, []int{2, 3, 2}, 1, 2, 3, 2, 3, 0, -1, -2, -1, -1, -4, -1))
	add(11, "Hardmax 11", op("Hardmax", "x"), noise("x", 2, 3, 2))
	add(9, "Shrink", op("Shrink", "x", float("lambd", 1), float("bias", 0.3)), noise("x", 3, 5))
	add(9, "EyeLike", op("EyeLike", "x", integer("k", -1)), noise("x", 3, 5))
	add(11, "Compress", op("Compress", "x c", integer("axis", 1)), noise("x", 3, 4), whole("c", elemBool, []int{3}, 0, 1, 1))
	add(11, "Compress all", op("Compress", "x c"), noise("x", 3, 4), whole("c", elemBool, []int{5}, 0, 1, 1, 0, 1))
	add(13, "MeanVarianceNormalization", op("MeanVarianceNormalization", "x"), noise("x", 2, 3, 4, 5))
	add(11, "Det", op("Det", "x"), noise("x", 2, 4, 4))
	add(13, "NonZero", op("NonZero", "c"), whole("c", elemFloat, []int{2, 3}, 0, 1, 2, 3, 0, 0))
	for _, k := range []string{"HannWindow", "HammingWindow", "BlackmanWindow"} {
		add(17, k, op(k, "n"), whole("n", elemInt64, nil, 9))
		add(17, k+" symmetric", op(k, "n", integer("periodic", 0)), whole("n", elemInt64, nil, 9))
	}
	add(14, "CumSum exclusive", op("CumSum", "x a", integer("exclusive", 1), integer("reverse", 1)), noise("x", 3, 4), whole("a", elemInt64, nil, 1))
	add(15, "Clip of integers", []*nodeProto{{OpType: "Clip", Input: []string{"x"}, Output: []string{"c"}}, {OpType: "Cast", Input: []string{"c"}, Output: []string{"y"}, Attribute: []*attrProto{integer("to", 1)}}},
		whole("x", elemInt32, []int{3}, -5, 0, 9))
	return list
}

// Windows of attention are of opset 25, which ONNX Runtime 1.30 has not; the values
// are softmax over those keys that the window leaves, here means.
func TestAttentionWindows(t *testing.T) {
	v := array{"x3", elemFloat, []int{1, 1, 5, 1}, []float64{1, 2, 3, 4, 5}}
	zero := func(name string) array { return array{name, elemFloat, []int{1, 1, 5, 1}, make([]float64, 5)} }
	for _, c := range []struct {
		attrs []*attrProto
		want  []float32
	}{
		{[]*attrProto{integer("left_window_size", 1), integer("right_window_size", 2)}, []float32{2, 2.5, 3.5, 4, 4.5}},
		{[]*attrProto{integer("left_window_size", 1), integer("is_causal", 1)}, []float32{1, 1.5, 2.5, 3.5, 4.5}},
		{[]*attrProto{integer("local_window_size", 3)}, []float32{1, 1.5, 2, 3, 4}},
		{[]*attrProto{integer("left_window_size", -1)}, []float32{3, 3, 3, 3, 3}},
		{[]*attrProto{integer("left_window_size", 0), integer("right_window_size", 0)}, []float32{1, 2, 3, 4, 5}},
	} {
		s := sample{"", 25, []array{zero("x"), zero("x2"), v}, op("Attention", "x x2 x3", c.attrs...), "y"}
		var in []*tensor.Tensor
		for _, a := range s.inputs {
			in = append(in, (&host{a.kind, a.shape, a.data}).tensor())
		}
		n := reimport(t, s.model())
		got := compute(t, func(_ *tensor.Trace, in []*tensor.Tensor) []*tensor.Tensor { return n.Run(in...) }, in...)[0].Floats()
		for i, w := range c.want {
			if d := math.Abs(float64(got[i] - w)); !(d < 1e-5) {
				t.Errorf("%v: %v, want %v", c.attrs, got, c.want)
				break
			}
		}
	}
}

// Random numbers have the distribution that is asked for, and a seed repeats them.
func TestRandomOperators(t *testing.T) {
	shape := ints("shape", 40, 50)
	draw := func(kind string, attrs ...*attrProto) []float32 {
		nodes := []*nodeProto{{OpType: kind, Output: []string{"r"}, Attribute: append(attrs, shape)}, {OpType: "Add", Input: []string{"x", "r"}, Output: []string{"y"}}}
		s := sample{"", 22, []array{{"x", elemFloat, []int{40, 50}, make([]float64, 2000)}}, nodes, "y"}
		return compute(t, forward(reimport(t, s.model())), tensor.Zeros(40, 50))[0].Floats()
	}
	for kind, want := range map[string][2]float64{"RandomUniform": {5, 4. / 12}, "RandomNormal": {5, 4}} {
		attrs := []*attrProto{float("low", 4), float("high", 6)}
		if kind == "RandomNormal" {
			attrs = []*attrProto{float("mean", 5), float("scale", 2)}
		}
		a := draw(kind, append(attrs, float("seed", 1))...)
		b := draw(kind, append(attrs, float("seed", 1))...)
		other := draw(kind, append(attrs, float("seed", 2))...)
		var mean, square float64
		same := 0
		for i, v := range a {
			mean += float64(v) / 2000
			square += float64(v) * float64(v) / 2000
			if a[i] != b[i] {
				t.Fatalf("%s: a seed does not repeat", kind)
			}
			if a[i] == other[i] {
				same++
			}
		}
		if d := square - mean*mean; math.Abs(mean-want[0]) > 0.2 || math.Abs(d/want[1]-1) > 0.15 || same > 20 {
			t.Errorf("%s: mean %g, variance %g, %d as with another seed", kind, mean, d, same)
		}
	}
}

// What an operator's version does not have is an error that names it.
func TestUnknownAttributes(t *testing.T) {
	for _, c := range []struct {
		opset int64
		node  *nodeProto
		want  string
	}{
		{21, &nodeProto{OpType: "SpaceToDepth", Input: []string{"x"}, Output: []string{"y"}, Attribute: []*attrProto{integer("blocksize", 2), textAttr("mode", "CRD")}}, "no attribute \"mode\""},
		{24, &nodeProto{OpType: "Attention", Input: []string{"x", "x", "x"}, Output: []string{"y"}, Attribute: []*attrProto{integer("left_window_size", 2)}}, "no attribute \"left_window_size\""},
		{18, &nodeProto{OpType: "ReduceMean", Input: []string{"x"}, Output: []string{"y"}, Attribute: []*attrProto{ints("axes", 1)}}, "no attribute \"axes\""},
		{21, &nodeProto{OpType: "Relu", Input: []string{"x", "x"}, Output: []string{"y"}}, "2 inputs"},
		{21, &nodeProto{OpType: "Relu", Input: []string{"x"}, Output: []string{"y", "z"}}, "2 results"},
		{21, &nodeProto{OpType: "Add", Input: []string{"x"}, Output: []string{"y"}}, "missing"},
	} {
		s := sample{"", c.opset, []array{noise("x", 2, 2, 4, 4)}, []*nodeProto{c.node}, "y"}
		_, err := s.model().Network(ImportOptions{})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v does not say %s", c.node.OpType, err, c.want)
		}
	}
	s := sample{"", 21, []array{noise("x", 2, 2)}, op("Relu", "x"), "y"}
	m := s.model()
	m.proto.IRVersion = maxIR + 1
	b, err := m.bytes()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Parse(b); err == nil || !strings.Contains(err.Error(), "version_converter") {
		t.Errorf("a later format: %v", err)
	}
}

// Before opset 7 an attribute said where the second operand lies.
func TestOldBroadcast(t *testing.T) {
	for _, c := range []struct {
		axis *attrProto
		b    array
		want float32 // of element [1, 2, 3] of 100i + 10j + k, plus what b adds
	}{
		{integer("axis", 1), array{"b", elemFloat, []int{3}, []float64{1000, 2000, 3000}}, 123 + 3000},
		{integer("axis", 0), array{"b", elemFloat, []int{2, 3}, []float64{1000, 2000, 3000, 4000, 5000, 6000}}, 123 + 6000},
		{nil, array{"b", elemFloat, []int{4}, []float64{1000, 2000, 3000, 4000}}, 123 + 4000},
	} {
		x := array{"x", elemFloat, []int{2, 3, 4}, nil}
		for i := range 24 {
			x.data = append(x.data, float64(i/12*100+i/4%3*10+i%4))
		}
		attrs := []*attrProto{integer("broadcast", 1)}
		if c.axis != nil {
			attrs = append(attrs, c.axis)
		}
		s := sample{"", 6, []array{x, c.b}, op("Add", "x b", attrs...), "y"}
		got := compute(t, forward(reimport(t, s.model())), (&host{x.kind, x.shape, x.data}).tensor())[0].Floats()
		if got[23] != c.want {
			t.Errorf("%v: %g, want %g", c.axis, got[23], c.want)
		}
	}
}
