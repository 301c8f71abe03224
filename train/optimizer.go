// Names of options become optimizers and schedules here, and only here.

package train

import (
	"fmt"

	"github.com/weft-ml/weft/nn"
	"github.com/weft-ml/weft/optim"
)

// newOptimizer makes the optimizer that o names; live ones take momentum and
// decay from per-step scalars.
func newOptimizer(o *Options, params []nn.Param, live bool) (optim.Optimizer, error) {
	switch o.Optimizer {
	case "sgd":
		return optim.NewSGD(params, optim.SGDOptions{Momentum: o.Momentum, WeightDecay: o.WeightDecay, Live: live}), nil
	case "nesterov":
		return optim.NewSGD(params, optim.SGDOptions{Momentum: o.Momentum, WeightDecay: o.WeightDecay, Live: live, Nesterov: true}), nil
	case "adam":
		return optim.NewAdam(params, optim.AdamOptions{WeightDecay: o.WeightDecay, Live: live}), nil
	case "adamw":
		return optim.NewAdamW(params, optim.AdamOptions{WeightDecay: o.WeightDecay, Live: live}), nil
	case "muon", "muon-sphere":
		// Muon is for what lies between the ends: the last matrix, which makes
		// the logits, and everything that is no matrix take AdamW. Updates of
		// both are of one size, so that they share the rate. On the sphere, where
		// a matrix keeps its norm, the rate is the relative size of a step, and
		// AdamW has a tenth of it.
		sphere := o.Optimizer == "muon-sphere"
		share := 1.0
		if sphere {
			share = 0.1
		}
		last := ""
		for _, p := range params {
			if optim.IsMatrix(p) {
				last = p.Name
			}
		}
		inner, rest := optim.Split(params, func(p nn.Param) bool { return optim.IsMatrix(p) && p.Name != last })
		if len(inner) == 0 {
			return optim.NewAdamW(params, optim.AdamOptions{WeightDecay: o.WeightDecay, Live: live}), nil
		}
		return optim.Groups(
			optim.Group{Optimizer: optim.NewMuon(inner, optim.MuonOptions{Momentum: o.Momentum, WeightDecay: o.WeightDecay, Live: live, MatchRMS: !sphere, Sphere: sphere})},
			optim.Group{Optimizer: optim.NewAdamW(rest, optim.AdamOptions{WeightDecay: o.WeightDecay, Live: live}), Rate: share},
		), nil
	}
	return nil, fmt.Errorf("no optimizer %q", o.Optimizer)
}

// schedule is the learning rate of each of total updates.
func (o *Options) schedule(total int) optim.Schedule {
	warm := int(o.Warmup * float64(total))
	rest := max(1, total-warm-1)
	var s optim.Schedule
	switch o.Schedule {
	case "cosine":
		s = optim.Cosine(o.LR, o.MinLR, rest)
	case "linear":
		s = optim.Linear(o.LR, o.MinLR, rest)
	case "onecycle":
		return optim.OneCycle(optim.OneCycleOptions{Max: o.LR, Steps: total, Rise: o.Warmup})
	default:
		s = optim.Constant(o.LR)
	}
	if warm > 0 {
		s = optim.Warmup(warm, 1/float64(warm+1), s)
	}
	return s
}
