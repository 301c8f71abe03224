// Schedules are pure functions of the step, in float64 on the host: resuming
// at any step needs no state, and a curve can be drawn without training.

package optim

import "math"

// Schedule gives the learning rate of a step, counted from 0.
type Schedule func(step int) float64

// Constant is the same rate always.
func Constant(lr float64) Schedule { return func(int) float64 { return lr } }

// Linear goes from one rate to another in the given number of steps and stays
// there: a warm-up if it rises.
func Linear(from, to float64, steps int) Schedule {
	return func(i int) float64 {
		if i >= steps {
			return to
		}
		return from + (to-from)*float64(i)/float64(steps)
	}
}

// Cosine is half a cosine from lr at step 0 to low at the given step
// (Loshchilov and Hutter, "SGDR", 2016). Beyond that it rises again, as
// torch's CosineAnnealingLR does.
func Cosine(lr, low float64, steps int) Schedule {
	return func(i int) float64 {
		return low + (lr-low)*(1+math.Cos(math.Pi*float64(i)/float64(steps)))/2
	}
}

// CosineRestarts is Cosine that starts again after first steps, and then after
// periods that grow by the factor grow (1 for equal ones).
func CosineRestarts(lr, low float64, first, grow int) Schedule {
	return func(i int) float64 {
		period := first
		for i >= period {
			i -= period
			period *= max(grow, 1)
		}
		return Cosine(lr, low, period)(i)
	}
}

// StepDecay multiplies the rate by gamma every so many steps.
func StepDecay(lr, gamma float64, every int) Schedule {
	return func(i int) float64 { return lr * math.Pow(gamma, float64(i/every)) }
}

// MultiStep multiplies the rate by gamma at each milestone.
func MultiStep(lr, gamma float64, milestones ...int) Schedule {
	return func(i int) float64 {
		n := 0
		for _, m := range milestones {
			if i >= m {
				n++
			}
		}
		return lr * math.Pow(gamma, float64(n))
	}
}

// Exponential multiplies the rate by gamma at each step.
func Exponential(lr, gamma float64) Schedule { return StepDecay(lr, gamma, 1) }

// Warmup goes linearly from share*first to first in the given number of steps,
// where first is the rate with which s begins, and then follows s.
func Warmup(steps int, share float64, s Schedule) Schedule {
	rise := Linear(share*s(0), s(0), steps)
	return func(i int) float64 {
		if i < steps {
			return rise(i)
		}
		return s(i - steps)
	}
}

// OneCycleOptions are the choices of OneCycle. Zeros mean the values in
// brackets.
type OneCycleOptions struct {
	Max    float64 // the peak, no default
	Steps  int     // of the whole cycle, no default
	Rise   float64 // share of the steps until the peak [0.3]
	Start  float64 // the cycle begins at Max/Start [25]
	Final  float64 // it ends at Max/(Start*Final) [1e4]
	Linear bool    // straight lines instead of half cosines
	Three  bool    // fall back to the beginning as slowly as it rose, and only then to the end
}

// OneCycle rises from a low rate to Max and falls to almost nothing (Smith and
// Topin, "Super-Convergence", 2018), as torch's OneCycleLR.
func OneCycle(opt OneCycleOptions) Schedule {
	start := opt.Max / orDefault(opt.Start, 25)
	end := start / orDefault(opt.Final, 1e4)
	rise := orDefault(opt.Rise, 0.3) * float64(opt.Steps)
	last := float64(opt.Steps - 1)
	at, rates := []float64{0, rise - 1, last}, []float64{start, opt.Max, end}
	if opt.Three {
		at, rates = []float64{0, rise - 1, 2*rise - 2, last}, []float64{start, opt.Max, start, end}
	}
	return func(i int) float64 {
		x := min(float64(i), last)
		k := 1
		for k < len(at)-1 && x > at[k] {
			k++
		}
		share := (x - at[k-1]) / (at[k] - at[k-1])
		if opt.Linear {
			return rates[k-1] + (rates[k]-rates[k-1])*share
		}
		return rates[k] + (rates[k-1]-rates[k])*(1+math.Cos(math.Pi*share))/2
	}
}

// Plateau lowers a rate when a metric stops improving: the one schedule that
// depends on how training goes, so it is not a function of the step. The zero
// value, with LR set, behaves as torch's ReduceLROnPlateau. Zeros mean the
// values in brackets.
type Plateau struct {
	LR        float64 // the present rate; set it before the first Next
	Factor    float64 // what the rate is multiplied by [0.1]
	Patience  int     // steps without improvement that are accepted [10]; negative for none
	Cooldown  int     // steps after a reduction during which none are counted
	Min       float64 // the rate does not fall below
	Threshold float64 // relative improvement that counts [1e-4]
	Absolute  bool    // Threshold is a difference instead
	Rising    bool    // greater is better: an accuracy, not a loss

	// Best, Bad and Cooling are its state, to be saved with a checkpoint.
	Best    float64
	Bad     int
	Cooling int
	Begun   bool
}

// Next takes the metric after an epoch and returns the rate of the next one.
func (p *Plateau) Next(metric float64) float64 {
	if !p.Begun || p.better(metric) {
		p.Best, p.Bad, p.Begun = metric, 0, true
	} else {
		p.Bad++
	}
	if p.Cooling > 0 {
		p.Cooling--
		p.Bad = 0
	}
	patience := p.Patience
	if patience == 0 {
		patience = 10
	}
	if p.Bad > max(patience, 0) {
		lr := max(p.LR*orDefault(p.Factor, 0.1), p.Min)
		if p.LR-lr > 1e-8 { // torch's eps: smaller changes are not made
			p.LR = lr
		}
		p.Cooling, p.Bad = p.Cooldown, 0
	}
	return p.LR
}

func (p *Plateau) better(metric float64) bool {
	t := orDefault(p.Threshold, 1e-4)
	switch {
	case p.Absolute && p.Rising:
		return metric > p.Best+t
	case p.Absolute:
		return metric < p.Best-t
	case p.Rising:
		return metric > p.Best*(1+t)
	}
	return metric < p.Best*(1-t)
}
