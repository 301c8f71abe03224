package optim

import (
	"math"
	"testing"

	"github.com/weft-ml/weft/device"
	"github.com/weft-ml/weft/nn"
	"github.com/weft-ml/weft/tensor"
)

// A run with live hyper-parameters is the run with the constants as long as
// the scalars have their values, and follows them when they change.
func TestLive(t *testing.T) {
	makers := map[string]func(p []nn.Param, mu, wd float64, live bool) Optimizer{
		"sgd": func(p []nn.Param, mu, wd float64, live bool) Optimizer {
			return NewSGD(p, SGDOptions{Momentum: mu, WeightDecay: wd, Live: live})
		},
		"nesterov": func(p []nn.Param, mu, wd float64, live bool) Optimizer {
			return NewSGD(p, SGDOptions{Momentum: mu, WeightDecay: wd, Nesterov: true, Live: live})
		},
		"adam": func(p []nn.Param, _, wd float64, live bool) Optimizer {
			return NewAdam(p, AdamOptions{WeightDecay: wd, Live: live})
		},
		"adamw": func(p []nn.Param, _, wd float64, live bool) Optimizer {
			return NewAdamW(p, AdamOptions{WeightDecay: wd, Live: live})
		},
		"muon": func(p []nn.Param, mu, wd float64, live bool) Optimizer {
			return NewMuon(p, MuonOptions{Momentum: mu, WeightDecay: wd, Live: live})
		},
	}
	const steps = 6
	for name, make := range makers {
		run := func(mu, wd float64, live bool, scalars func(step int) (mu, wd float64)) []float32 {
			w := tensor.NewVariable("w", []float32{1, -2, 3, 0.5, 1.5, -1}, 2, 3)
			params := []nn.Param{{Name: "w", Value: w, Decay: true}}
			o := make(params, mu, wd, live)
			p, err := tensor.Compile(device.CPU(), func(tr *tensor.Trace, _ []*tensor.Tensor) []*tensor.Tensor {
				loss := w.Square().Mul(tensor.New([]float32{1, 2, 3, 4, 5, 6}, 2, 3)).Sum()
				o.Step(tr, tr.Scalar("lr"), tensor.Grad(loss, w))
				return []*tensor.Tensor{loss}
			})
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			defer p.Close()
			lr, m, d := p.Slot("lr"), p.Slot(LiveMomentum), p.Slot(LiveWeightDecay)
			err = p.Submit(steps, func(step int, s tensor.Scalars) {
				mu, wd := scalars(step)
				s.Set(lr, 0.02)
				s.Set(m, float32(mu))
				s.Set(d, float32(wd))
			})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := p.Collect(nil); err != nil {
				t.Fatal(err)
			}
			return w.Floats()
		}
		distance := func(a, b []float32) (d float64) {
			for i := range a {
				d = max(d, math.Abs(float64(a[i]-b[i])))
			}
			return d
		}
		constant := func(mu, wd float64) func(int) (float64, float64) {
			return func(int) (float64, float64) { return mu, wd }
		}
		fixed := run(0.8, 0.3, false, constant(0, 0))
		if d := distance(fixed, run(0.8, 0.3, true, constant(0.8, 0.3))); d > 1e-5 {
			t.Errorf("%s: live with the constants' values is %g away", name, d)
		}
		if d := distance(fixed, run(0.5, 0, true, constant(0.8, 0.3))); d > 1e-5 {
			t.Errorf("%s: live scalars do not replace the options: %g away", name, d)
		}
		changed := run(0.8, 0.3, true, func(step int) (float64, float64) {
			if step > 2 {
				return 0.8, 5
			}
			return 0.8, 0.3
		})
		if d := distance(fixed, changed); d < 1e-3 {
			t.Errorf("%s: a changed decay changes nothing (%g)", name, d)
		}
	}
}
