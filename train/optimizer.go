package train

import (
	"fmt"
	"math"

	"github.com/weft-ml/weft/nn"
	"github.com/weft-ml/weft/tensor"
)

// optimizer adapts an update rule to the step.
type optimizer struct {
	step  func(t *tensor.Trace, lr *tensor.Tensor, grads []*tensor.Tensor)
	state []nn.Param
}

func newOptimizer(o *Options, params []nn.Param) (*optimizer, error) {
	if o.Optimizer != "sgd" {
		return nil, fmt.Errorf("optimizer %q is not there yet", o.Optimizer)
	}
	op := &optimizer{}
	if o.Momentum > 0 {
		for _, p := range params {
			op.state = append(op.state, nn.Param{Name: p.Name + ".momentum", Value: tensor.NewVariable(p.Name+".momentum", make([]float32, p.Value.Len()), p.Value.Shape()...)})
		}
	}
	op.step = func(t *tensor.Trace, lr *tensor.Tensor, grads []*tensor.Tensor) {
		for i, p := range params {
			g := grads[i]
			if o.WeightDecay > 0 {
				g = g.Add(p.Value.MulScalar(o.WeightDecay))
			}
			if o.Momentum > 0 {
				m := op.state[i].Value
				g = t.Assign(m, m.MulScalar(o.Momentum).Add(g))
			}
			t.Assign(p.Value, p.Value.Sub(g.Mul(lr)))
		}
	}
	return op, nil
}

// rate is the learning rate of update step (from 0) of total.
func (o *Options) rate(step, total int) float64 {
	warm := int(o.Warmup * float64(total))
	if step < warm {
		return o.LR * float64(step+1) / float64(warm+1)
	}
	at := float64(step-warm) / float64(max(1, total-warm-1))
	switch o.Schedule {
	case "cosine":
		return o.MinLR + (o.LR-o.MinLR)*(1+math.Cos(math.Pi*min(at, 1)))/2
	case "linear":
		return o.LR + (o.MinLR-o.LR)*min(at, 1)
	}
	return o.LR
}
