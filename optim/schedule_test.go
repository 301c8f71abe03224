package optim_test

import (
	"math"
	"testing"

	. "github.com/weft-ml/weft/optim"
)

func TestSchedules(t *testing.T) {
	for name, c := range map[string]struct {
		s    Schedule
		want map[int]float64
	}{
		"constant":       {Constant(0.3), map[int]float64{0: 0.3, 1000: 0.3}},
		"linear":         {Linear(1, 2, 4), map[int]float64{0: 1, 1: 1.25, 4: 2, 9: 2}},
		"cosine":         {Cosine(1, 0.2, 10), map[int]float64{0: 1, 5: 0.6, 10: 0.2, 20: 1}},
		"equal restarts": {CosineRestarts(1, 0, 4, 1), map[int]float64{0: 1, 2: 0.5, 4: 1, 6: 0.5, 8: 1}},
		"longer ones":    {CosineRestarts(1, 0, 4, 3), map[int]float64{4: 1, 10: 0.5, 16: 1, 34: 0.5}},
		"steps":          {StepDecay(1, 0.5, 3), map[int]float64{2: 1, 3: 0.5, 6: 0.25}},
		"milestones":     {MultiStep(1, 0.1, 2, 5), map[int]float64{1: 1, 2: 0.1, 5: 0.01, 50: 0.01}},
		"exponential":    {Exponential(1, 0.5), map[int]float64{0: 1, 3: 0.125}},
		"warm-up":        {Warmup(4, 0.5, Cosine(1, 0, 10)), map[int]float64{0: 0.5, 2: 0.75, 4: 1, 9: 0.5, 14: 0}},
		"one cycle":      {OneCycle(OneCycleOptions{Max: 1, Steps: 11, Rise: 0.5, Start: 10, Final: 100, Linear: true}), map[int]float64{0: 0.1, 10: 0.001, 1: 0.3}},
		"three phases": {OneCycle(OneCycleOptions{Max: 1, Steps: 20, Rise: 0.25, Start: 10, Final: 100, Linear: true, Three: true}),
			map[int]float64{0: 0.1, 2: 0.55, 4: 1, 6: 0.55, 8: 0.1, 19: 0.001, 40: 0.001}},
	} {
		for i, want := range c.want {
			if got := c.s(i); math.Abs(got-want) > 1e-12 {
				t.Errorf("%s: %g at step %d, want %g", name, got, i, want)
			}
		}
	}
}

func TestPlateau(t *testing.T) {
	p := Plateau{LR: 1, Factor: 0.5, Patience: 1, Cooldown: 1, Min: 0.2, Rising: true}
	want := []float64{1, 1, 1, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25, 0.2}
	for i, metric := range []float64{0.5, 0.6, 0.6, 0.6, 0.6, 0.6, 0.6, 0.6, 0.6, 0.6} {
		if got := p.Next(metric); got != want[i] {
			t.Errorf("rate %g after epoch %d, want %g", got, i, want[i])
		}
	}
	q := Plateau{LR: 1, Patience: -1, Absolute: true, Threshold: 0.1}
	if q.Next(1); q.Next(0.95) != 0.1 {
		t.Errorf("rate %g: an improvement below the threshold counted", q.LR)
	}
}
