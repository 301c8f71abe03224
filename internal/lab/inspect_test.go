package lab

import (
	"math"
	"slices"
	"testing"
)

func TestInspectWhileTraining(t *testing.T) {
	for _, dev := range devices(t) {
		t.Run(dev, func(t *testing.T) {
			b := newBench(t, Options{})
			b.ready(dev, 1000)
			ask[Empty](b, "inspect", &InspectRequest{On: true})
			e := of[InspectEvent](b, "inspect")
			if len(e) != 1 || e[0].Layers[0].Grad != nil || e[0].Layers[0].WeightHist == nil {
				t.Fatalf("before training: %+v", e)
			}
			r := ask[StartResult](b, "start", &StartRequest{Config: long()})
			ask[Empty](b, "inspect", &InspectRequest{On: true, Hz: 30, Weights: true, Pixels: make([]byte, pixels)})
			// A view has updates once a step lies between it and the one before.
			moved := func() int {
				return slices.IndexFunc(of[InspectEvent](b, "inspect"), func(e *InspectEvent) bool {
					return e.Step > 0 && e.Layers[0].Update != nil && e.Layers[0].Weights != nil
				})
			}
			b.until("views", func() bool { return moved() >= 0 })
			ask[TrainState](b, "pause", &Empty{})
			b.curve(r.Run) // without gaps, although looking takes steps of its own
			e = of[InspectEvent](b, "inspect")
			v := e[moved()]
			if len(v.Layers) != 3 || v.Step == 0 {
				t.Fatalf("%d layers at step %d", len(v.Layers), v.Step)
			}
			for i, l := range v.Layers {
				if l.Activations == nil || len(l.Activations.Values) != []int{32, 32, 10}[i] || total(l.ActivationHist) != len(l.Activations.Values) {
					t.Errorf("%s: activations %+v", l.Name, l.Activations)
				}
				if i == 1 {
					continue
				}
				if l.Grad == nil || !(l.Grad.Norm > 0) || l.Update == nil || !(l.Update.Ratio > 1e-9 && l.Update.Ratio < 1) {
					t.Errorf("%s: gradient %+v, update %+v", l.Name, l.Grad, l.Update)
				}
				if l.Weights == nil || total(l.WeightHist) != len(l.Weights.Values) || total(l.GradHist) != len(l.Weights.Values) {
					t.Errorf("%s: histograms do not count all weights", l.Name)
				}
			}
			// Paused, it shows what predict says of the same image.
			img := b.test.Image(7)
			ask[Empty](b, "inspect", &InspectRequest{On: true, Pixels: img})
			e = of[InspectEvent](b, "inspect")
			p := ask[PredictResult](b, "predict", &PredictRequest{Pixels: img})
			if !slices.Equal(e[len(e)-1].Layers[2].Activations.Values, p.Activations[2].Values) {
				t.Error("inspect and predict differ")
			}
			w := ask[WeightsResult](b, "weights", &WeightsRequest{Layer: "linear1"})
			if !slices.Equal(w.Shape, []int{32, 784}) || len(w.Values) != 32*784 || len(w.Bias) != 32 {
				t.Errorf("weights of shape %v", w.Shape)
			}
			// Gradients of whichever layer, with the norm that its view has.
			for _, name := range []string{"linear1", "linear2", "linear1"} {
				w := ask[WeightsResult](b, "weights", &WeightsRequest{Layer: name})
				if len(w.Grad) != len(w.Values) || len(w.BiasGrad) != len(w.Bias) {
					t.Fatalf("%s: %d gradients of %d weights, %d of %d biases", name, len(w.Grad), len(w.Values), len(w.BiasGrad), len(w.Bias))
				}
				ask[Empty](b, "inspect", &InspectRequest{On: true, Pixels: img})
				e := of[InspectEvent](b, "inspect")
				for _, l := range e[len(e)-1].Layers {
					if got := norm(slices.Concat(w.Grad, w.BiasGrad)); l.Name == name && !(math.Abs(got-l.Grad.Norm) <= 1e-6*got) {
						t.Errorf("%s: gradients of norm %v, the view says %v", name, got, l.Grad.Norm)
					}
				}
			}
			ask[Empty](b, "inspect", &InspectRequest{})
			if w := ask[WeightsResult](b, "weights", &WeightsRequest{Layer: "linear1"}); w.Grad != nil {
				t.Error("gradients that nobody looks at")
			}
		})
	}
}

func total(h *Hist) int {
	if h == nil || !(h.Lo < h.Hi) {
		return -1
	}
	n := 0
	for _, c := range h.Counts {
		n += int(c)
	}
	return n
}

func TestHistogramOfUnusualValues(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	for _, c := range []struct {
		x    []float32
		want int
	}{
		{nil, 0}, {[]float32{0, 0, 0}, 3}, {[]float32{7}, 1}, {[]float32{nan, inf, -inf}, 0}, {[]float32{nan, 1, 1}, 2},
		{[]float32{1e-40, 2e-40}, 2}, {[]float32{1e8, 1e8 + 8}, 2}, {[]float32{-3e38, 3e38}, 2}, {[]float32{-1, 0, 1, inf}, 3},
	} {
		if n := total(histogram(c.x)); n != c.want {
			t.Errorf("%v: %d counted of %d, %+v", c.x, n, c.want, histogram(c.x))
		}
	}
}
