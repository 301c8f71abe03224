package onnx

import (
	"slices"
	"strings"
	"testing"

	"github.com/weft-ml/weft/nn"
	"github.com/weft-ml/weft/tensor"
)

// signalSamples are spectra, losses and suppressed boxes.
func signalSamples() []sample {
	var list []sample
	add := func(opset int64, name string, nodes []*nodeProto, in ...array) {
		list = append(list, sample{name, opset, in, nodes, "y"})
	}
	scalar := func(name string, kind elem, v float64) array { return array{name, kind, nil, []float64{v}} }
	for _, length := range []float64{8, 13} { // cut and padded
		n := scalar("n", elemInt64, length)
		add(17, "DFT 17 to "+map[float64]string{8: "8", 13: "13"}[length], []*nodeProto{step("DFT", "x n", "y", integer("axis", 1))}, noise("x", 2, 11, 1), n)
		add(20, "DFT to "+map[float64]string{8: "8", 13: "13"}[length], []*nodeProto{step("DFT", "x n a", "y")}, noise("x", 2, 3, 11, 2), n, scalar("a", elemInt64, 2))
	}
	add(17, "DFT onesided", []*nodeProto{step("DFT", "x", "y", integer("onesided", 1))}, noise("x", 2, 12, 3, 1))
	add(20, "DFT inverse", []*nodeProto{step("DFT", "x", "y", integer("inverse", 1))}, noise("x", 2, 10, 2))
	hann := []*nodeProto{step("HannWindow", "n", "w"), step("STFT", "x s w", "y")}
	add(17, "STFT", hann, noise("x", 2, 50, 1), scalar("n", elemInt64, 16), scalar("s", elemInt64, 5))
	add(17, "STFT of both sides", []*nodeProto{step("STFT", "x s w n", "y", integer("onesided", 0))}, noise("x", 2, 50, 1), scalar("n", elemInt64, 10), scalar("s", elemInt64, 10), noise("w", 10))
	add(17, "STFT without a window", []*nodeProto{step("STFT", "x s - n", "y")}, noise("x", 1, 40, 1), scalar("n", elemInt64, 9), scalar("s", elemInt64, 3))
	for _, w := range []string{"HannWindow", "HammingWindow", "BlackmanWindow"} {
		add(17, w, []*nodeProto{step(w, "n", "w"), step("Mul", "x w", "y")}, noise("x", 12), scalar("n", elemInt64, 12))
		add(17, w+" symmetric", []*nodeProto{step(w, "n", "w", integer("periodic", 0)), step("Mul", "x w", "y")}, noise("x", 12), scalar("n", elemInt64, 12))
	}
	add(17, "MelWeightMatrix", []*nodeProto{step("MelWeightMatrix", "b n r l h", "w"), step("MatMul", "x w", "y")}, noise("x", 2, 33),
		scalar("b", elemInt64, 6), scalar("n", elemInt64, 64), scalar("r", elemInt64, 8000), scalar("l", elemFloat, 100), scalar("h", elemFloat, 4000))

	classes := array{"l", elemInt64, []int{2, 3}, []float64{0, 3, -1, 2, 1, 3}}
	for _, reduction := range []string{"mean", "sum", "none"} {
		r, ignore := textAttr("reduction", reduction), integer("ignore_index", -1)
		add(13, "NegativeLogLikelihoodLoss "+reduction, []*nodeProto{step("LogSoftmax", "x", "p", integer("axis", 1)), step("NegativeLogLikelihoodLoss", "p l w", "y", r, ignore)}, noise("x", 2, 4, 3), classes, positive("w", 4))
		add(13, "SoftmaxCrossEntropyLoss "+reduction, []*nodeProto{step("SoftmaxCrossEntropyLoss", "x l w", "y", r, ignore)}, noise("x", 2, 4, 3), classes, positive("w", 4))
	}
	add(13, "SoftmaxCrossEntropyLoss with logarithms", all(step("SoftmaxCrossEntropyLoss", "x l", "", textAttr("reduction", "none"), integer("ignore_index", -1)), "a b"), noise("x", 2, 4, 3), classes, longs("flat", -1))

	boxes := array{"boxes", elemFloat, []int{1, 6, 4}, []float64{0, 0, 1, 1, 0, 0.1, 1, 1.1, 1, 0.9, 0, -0.1, 0, 10, 1, 11, 0, 10.1, 1, 11.1, 0, 100, 1, 101}}
	scores := array{"scores", elemFloat, []int{1, 2, 6}, []float64{0.9, 0.75, 0.6, 0.95, 0.5, 0.3, 0.3, 0.3, 0.6, 0.1, 0.95, 0.9}}
	for name, attrs := range map[string][]*attrProto{"": nil, " of centers": {integer("center_point_box", 1)}} {
		add(17, "NonMaxSuppression"+name, []*nodeProto{step("NonMaxSuppression", "boxes scores most overlap least", "k", attrs...), step("Cast", "k", "f", integer("to", 1)), step("Mul", "f x", "y")},
			noise("x", 1), boxes, scores, scalar("most", elemInt64, 4), scalar("overlap", elemFloat, 0.5), scalar("least", elemFloat, 0.25))
	}
	slices.SortStableFunc(list, func(a, b sample) int { return strings.Compare(a.name, b.name) })
	return list
}

// The cache of the standard's examples: two samples, of which the second is written
// to from its own place on, around its end where the mode is circular.
func TestTensorScatter(t *testing.T) {
	for mode, want := range map[string][]float32{"linear": {1, 10, 20, 4, 30, 40, 7, 8}, "circular": {1, 10, 20, 4, 40, 6, 7, 30}} {
		at := map[string]float64{"linear": 0, "circular": 3}[mode]
		s := sample{"", 24, []array{{"x", elemFloat, []int{2, 4, 1}, []float64{1, 2, 3, 4, 5, 6, 7, 8}}, {"u", elemFloat, []int{2, 2, 1}, []float64{10, 20, 30, 40}}, longs("w", 1, at)},
			[]*nodeProto{step("TensorScatter", "x u w", "y", textAttr("mode", mode))}, "y"}
		n := reimport(t, s.model())
		x := (&host{elemFloat, []int{2, 4, 1}, s.inputs[0].data}).tensor()
		if got := compute(t, forward(n), x)[0].Floats(); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", mode, got, want)
		}
	}
}

// A loss in a file has gradients, and its class weights are no parameters.
func TestLossesTrain(t *testing.T) {
	s := sample{"", 13, []array{noise("x", 3, 4), noise("w", 4, 5), positive("c", 5), {"l", elemInt64, []int{3}, []float64{1, 4, 0}}},
		[]*nodeProto{step("MatMul", "x w", "z"), step("SoftmaxCrossEntropyLoss", "z l c", "y")}, "y"}
	n := reimport(t, s.model())
	params := nn.Params(n)
	if len(params) != 1 || params[0].Name != "w" {
		t.Fatalf("parameters %v", params)
	}
	x := (&host{elemFloat, []int{3, 4}, s.inputs[0].data}).tensor()
	_, _ = x.Read()
	g := compute(t, func(_ *tensor.Trace, in []*tensor.Tensor) []*tensor.Tensor {
		return tensor.Grad(n.Forward(in[0]), params[0].Value)
	}, x)[0]
	sum := 0.0
	for _, v := range g.Floats() {
		sum += float64(v * v)
	}
	if !(sum > 1e-4) {
		t.Errorf("the gradient is %v", g.Floats())
	}
}

func TestSuppressionOfComputedBoxes(t *testing.T) {
	nodes := []*nodeProto{step("Reshape", "x s", "b"), step("NonMaxSuppression", "b k", "y")}
	err := importBytes(written(t, nodes, &tensorProto{Name: "s", DataType: int64(elemInt64), Dims: []int64{3}, Int64Data: []int64{1, 6, 1}}, &tensorProto{Name: "k", DataType: 1, Dims: []int64{1, 1, 6}, FloatData: make([]float32, 6)}))
	if err == nil || !strings.Contains(err.Error(), "cut the model before this node") {
		t.Error(err)
	}
}
