package onnx

import (
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/weft-ml/weft/tensor"
)

// Imported operators are exported again with the number of samples open, and the
// second model computes the same, in ONNX Runtime too with make onnx.
func TestVisionOperatorsExportAgain(t *testing.T) {
	j := &jobs{t: t, dir: t.TempDir()}
	for _, s := range visionSamples() {
		if slices.Contains(fixedSamples, s.name) {
			continue
		}
		t.Run(s.name, func(t *testing.T) {
			m := s.model()
			var in []*tensor.Tensor
			same := true
			for _, a := range s.inputs {
				if a.argument() {
					if a.kind == elemUint8 {
						in = append(in, tensor.FromBytes(a.bytes(), a.shape...))
					} else {
						in = append(in, (&host{a.kind, a.shape, a.data}).tensor())
					}
					same = same && len(a.shape) > 1 && a.shape[0] == s.inputs[0].shape[0] && s.inputs[0].argument()
				}
			}
			if !same {
				t.Skip("its inputs have no number of samples")
			}
			for _, v := range m.proto.Graph.Input {
				v.Type.Tensor.Shape.Dim[0] = &dimProto{Param: "batch"}
			}
			n, err := m.Network(ImportOptions{})
			if err != nil {
				t.Fatal(err)
			}
			f := func(_ *tensor.Trace, in []*tensor.Tensor) []*tensor.Tensor { return n.Run(in...) }
			again, err := Export(f, ExportOptions{Inputs: n.Inputs()})
			if err != nil {
				t.Fatal(err)
			}
			if os.Getenv("WEFT_ONNXRUNTIME") != "" {
				j.add(s.name, again, false, f, in...)
			}
			back := reimport(t, again)
			want := compute(t, f, in...)
			got := compute(t, func(_ *tensor.Trace, in []*tensor.Tensor) []*tensor.Tensor { return back.Run(in...) }, in...)
			for i := range want {
				if !slices.Equal(want[i].Shape(), got[i].Shape()) {
					t.Fatalf("result %d has shape %v, want %v", i, got[i].Shape(), want[i].Shape())
				}
				a, b := want[i].Floats(), got[i].Floats()
				for j := range a {
					if math.Abs(float64(a[j]-b[j])) > 1e-5*max(1, math.Abs(float64(a[j]))) {
						t.Fatalf("result %d, element %d is %g, want %g", i, j, b[j], a[j])
					}
				}
			}
		})
	}
	if len(j.list) > 0 {
		j.run()
	}
}

// fixedSamples are the samples whose first dimension is none of samples: places that
// are constants count in it, or it is put in order.
var fixedSamples = []string{
	"TopK of columns", "TopK's places of columns", "ScatterElements along the second",
	"ScatterND none", "ScatterND add", "ScatterND mul", "ScatterND max", "ScatterND min",
}

// The operators that take most of their own code, on a graphics adapter.
func TestVisionOperatorsOnWebGPU(t *testing.T) {
	names := []string{
		"Conv 3d uneven", "ConvTranspose 3d", "MaxPool's positions 3d", "AveragePool 3d with padding", "TopK's places of equals", "TopK's places, few of many",
		"ScatterElements by an input add", "ScatterND by an input none", "GridSample cubic, reflection", "RoiAlign avg half_pixel", "RoiAlign max output_half_pixel 2",
		"MatMulInteger of columns", "QLinearConv int8", "QLinearAdd uint8",
	}
	for _, s := range visionSamples() {
		if !slices.Contains(names, s.name) {
			continue
		}
		n, err := s.model().Network(ImportOptions{})
		if err != nil {
			t.Fatal(err)
		}
		var in []*tensor.Tensor
		for _, a := range s.inputs {
			if a.argument() {
				in = append(in, (&host{a.kind, a.shape, a.data}).tensor())
			}
		}
		var want []*tensor.Tensor
		onDevices(t, n, in, func(device string, out []*tensor.Tensor) {
			if device == "cpu" {
				want = out
			} else if d := apart(want[0], out[0]); d > 1e-5 {
				t.Errorf("%s: %g apart", s.name, d)
			}
		})
	}
}

// A video network in the form of r3d_18 and mc3_18, which PyTorch exports with the
// samples open: convolutions of volumes and of their slices, norms, and a mean over
// time, height and width.
func TestVideoNetwork(t *testing.T) {
	conv := func(in, w, out string, attrs ...*attrProto) *nodeProto {
		return &nodeProto{OpType: "Conv", Name: out, Input: []string{in, w}, Output: []string{out}, Attribute: attrs}
	}
	x := noise("x", 2, 3, 6, 8, 8)
	s := sample{"", 20, []array{x, noise("w1", 4, 3, 3, 7, 7), noise("w2", 4, 4, 1, 3, 3), noise("w3", 6, 4, 3, 3, 3), noise("g", 4), noise("b", 4), noise("m", 4), positive("v", 4), noise("fc", 5, 6), noise("fb", 5)}, []*nodeProto{
		conv("x", "w1", "c1", ints("strides", 1, 2, 2), ints("pads", 1, 3, 3, 1, 3, 3)),
		{OpType: "BatchNormalization", Input: []string{"c1", "g", "b", "m", "v"}, Output: []string{"n1"}}, {OpType: "Relu", Input: []string{"n1"}, Output: []string{"r1"}},
		conv("r1", "w2", "c2", ints("pads", 0, 1, 1, 0, 1, 1)), {OpType: "Add", Input: []string{"c2", "r1"}, Output: []string{"a"}},
		{OpType: "MaxPool", Input: []string{"a"}, Output: []string{"p"}, Attribute: []*attrProto{ints("kernel_shape", 1, 2, 2), ints("strides", 1, 2, 2)}},
		conv("p", "w3", "c3", ints("strides", 2, 1, 1), ints("pads", 1, 1, 1, 1, 1, 1)), {OpType: "GlobalAveragePool", Input: []string{"c3"}, Output: []string{"q"}},
		{OpType: "Flatten", Input: []string{"q"}, Output: []string{"f"}}, {OpType: "Gemm", Input: []string{"f", "fc", "fb"}, Output: []string{"y"}, Attribute: []*attrProto{integer("transB", 1)}},
	}, "y"}
	m := s.model()
	m.proto.Graph.Input[0].Type.Tensor.Shape.Dim[0] = &dimProto{Param: "batch"}
	n, err := m.Network(ImportOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if got := n.Inputs()[0].Shape; got[0] != Batch || n.Classes() != 5 {
		t.Errorf("input %v, %d classes", got, n.Classes())
	}
	again, err := Export(forward(n), ExportOptions{Inputs: n.Inputs()})
	if err != nil {
		t.Fatal(err)
	}
	for _, node := range again.proto.Graph.Node { // see emitter.pad
		if node.OpType == "Pad" && len(node.Input) > 3 {
			t.Errorf("%s is padded along some dimensions (axes)", node.Output[0])
		}
	}
	in := (&host{elemFloat, x.shape, x.data}).tensor()
	if d := apart(compute(t, forward(n), in)[0], compute(t, forward(reimport(t, again)), in)[0]); d > 1e-5 {
		t.Errorf("%g apart", d)
	}
	// It trains: gradients reach the first weights.
	var first *tensor.Tensor
	for _, p := range n.Params() {
		if p.Name == "w1" {
			first = p.Value
		}
	}
	g := compute(t, func(tr *tensor.Trace, in []*tensor.Tensor) []*tensor.Tensor {
		return tensor.Grad(n.Forward(in[0]).Square().Sum(), first)
	}, in)[0]
	if v := g.Abs().Sum().Item(); !(v > 0) {
		t.Errorf("a gradient of %g", v)
	}
}

// What cannot be is said of the node, with what is allowed.
func TestWindowErrors(t *testing.T) {
	x, w := noise("x", 1, 4, 5, 5), noise("w", 4, 4, 3, 3)
	for _, c := range []struct {
		op   []*nodeProto
		in   []array
		want string
	}{
		{op("Conv", "x w", integer("group", 0)), []array{x, w}, `node "Conv" (Conv): group 0: at least 1 is needed`},
		{op("Conv", "x w", integer("group", -1)), []array{x, w}, "group -1: at least 1 is needed"},
		{op("Conv", "x w", integer("group", 3)), []array{x, w}, "in and out are multiples of group"},
		{op("Conv", "x w", ints("kernel_shape", 2, 2)), []array{x, w}, "kernel_shape [2 2], and the weight [4 4 3 3] has [3 3]"},
		{op("Conv", "x w"), []array{x, noise("w", 4, 3, 3, 3)}, "weights are [out, in/group, ..]"},
		{op("Conv", "x w"), []array{noise("x", 1, 2, 3, 3, 3, 3), noise("w", 2, 2, 1, 1, 1, 1)}, "sequences [N, C, L], images [N, C, H, W] and volumes"},
		{op("Conv", "x w", ints("strides", 0, 1)), []array{x, w}, "strides [0 1]: numbers from 1 on are allowed"},
		{op("Conv", "x w", ints("dilations", 3, 1)), []array{x, w}, "larger than [5 5] with its padding"},
		{op("ConvTranspose", "x w", integer("group", 0)), []array{x, w}, "group 0"},
		{op("ConvTranspose", "x w", ints("output_padding", 1, 0)), []array{x, w}, "output_padding [1 0] must be smaller"},
		{op("MaxPool", "x", ints("kernel_shape", 2)), []array{x}, "kernel_shape [2]: 2 numbers are needed"},
		{op("AveragePool", "x", ints("kernel_shape", 2, 2, 2)), []array{x}, "kernel_shape [2 2 2]: 2 numbers are needed"},
		{op("MaxPool", "x", ints("kernel_shape", 0, 2)), []array{x}, "kernel_shape [0 2]: numbers from 1 on are allowed"},
		{op("MaxPool", "x", ints("kernel_shape", 2, 2), ints("pads", 2, 0, 0, 0)), []array{x}, "would hold nothing but padding"},
		{op("AveragePool", "x", ints("kernel_shape", 7, 2)), []array{x}, "larger than [5 5] with its padding"},
		{second("TopK", "x k"), []array{x, longs("k", 6)}, "the 6 first of 5 elements"},
		{op("ScatterElements", "x i x2", textAttr("reduction", "mean")), []array{x, {"i", elemInt64, []int{1, 1, 1, 1}, []float64{0}}, noise("x2", 1, 1, 1, 1)}, `reduction "mean": none, add, mul, max and min are known`},
		{op("ScatterElements", "x i x2"), []array{x, {"i", elemInt64, []int{1, 1, 1, 1}, []float64{-5}}, noise("x2", 1, 1, 1, 1)}, "index -5 of 1 elements"},
		{op("GridSample", "x x2", textAttr("mode", "area")), []array{x, noise("x2", 1, 2, 2, 2)}, `mode "area": linear, nearest and cubic are known`},
		{op("MatMulInteger", "x w"), []array{noise("x", 2, 3), noise("w", 3, 2)}, "integers of type float, where those of eight bits are needed"},
	} {
		_, err := modelOf(t, sample{"", 21, c.in, c.op, "y"}).Network(ImportOptions{})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v; want %q", c.op[0].OpType, err, c.want)
		}
	}
}

// The greatest of the channels that a factor of each has scaled, exported again and
// run for one sample: rows of which elements are repeated, and one row only.
func TestGreatestOfScaledChannels(t *testing.T) {
	x := noise("x", 1, 4, 6, 6)
	w := array{"w", elemFloat, []int{4, 4, 1, 1}, make([]float64, 16)} // the channels as they are
	for c := range 4 {
		w.data[5*c] = 1
	}
	m := sample{"", 14, []array{x, w, longs("k", 3)}, []*nodeProto{
		{OpType: "GlobalAveragePool", Input: []string{"x"}, Output: []string{"a"}}, {OpType: "Conv", Input: []string{"a", "w"}, Output: []string{"c"}}, {OpType: "HardSigmoid", Input: []string{"c"}, Output: []string{"s"}},
		{OpType: "Mul", Input: []string{"x", "s"}, Output: []string{"m"}}, {OpType: "Flatten", Input: []string{"m"}, Output: []string{"f"}},
		{OpType: "TopK", Input: []string{"f", "k"}, Output: []string{"y", "i"}}}, "y"}
	model := m.model()
	model.proto.Graph.Input[0].Type.Tensor.Shape.Dim[0] = &dimProto{Param: "batch"}
	n, err := model.Network(ImportOptions{})
	if err != nil {
		t.Fatal(err)
	}
	again, err := Export(forward(n), ExportOptions{Inputs: n.Inputs()})
	if err != nil {
		t.Fatal(err)
	}
	var scaled []float64
	for c := range 4 {
		sum, channel := 0.0, x.data[c*36:][:36]
		for _, v := range channel {
			sum += v
		}
		for _, v := range channel {
			scaled = append(scaled, v*min(max(0.2*sum/36+0.5, 0), 1))
		}
	}
	slices.Sort(scaled)
	slices.Reverse(scaled)
	wantNumbers(t, "TopK", compute(t, forward(reimport(t, again)), (&host{elemFloat, x.shape, x.data}).tensor())[0], scaled[:3])
}
