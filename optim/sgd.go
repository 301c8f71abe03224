package optim

import (
	"github.com/weft-ml/weft/nn"
	"github.com/weft-ml/weft/tensor"
)

// SGDOptions are the choices of NewSGD. The zero value is plain gradient
// descent, p - lr g, which fuses into the kernels that compute the gradients.
type SGDOptions struct {
	Momentum    float64
	Dampening   float64 // share of the gradient that does not enter the momentum, after the first step
	Nesterov    bool
	WeightDecay float64 // L2 penalty added to the gradient of parameters with Decay
	// Live takes the momentum, if it is not 0, and the decay from the per-step
	// scalars LiveMomentum and LiveWeightDecay, so that they may change.
	Live bool
}

type sgd struct {
	base
	opt      SGDOptions
	momentum []*tensor.Tensor
}

// NewSGD returns stochastic gradient descent with momentum as torch.optim.SGD
// has it (Sutskever et al., "On the importance of initialization and momentum
// in deep learning", 2013): b <- mu b + g; p <- p - lr b, or with Nesterov
// p - lr (g + mu b).
func NewSGD(params []nn.Param, opt SGDOptions) Optimizer {
	o := &sgd{base: newBase(params), opt: opt}
	if opt.Momentum != 0 {
		o.momentum = o.slots("momentum", 0)
		if opt.Dampening != 0 {
			o.counter()
		}
	}
	return o
}

func (o *sgd) Step(t *tensor.Trace, lr *tensor.Tensor, grads []*tensor.Tensor) []*tensor.Tensor {
	lr = o.begin(lr, grads)
	fresh := tensor.Scalar(1)
	if o.step != nil { // the first gradient enters undamped
		fresh = tensor.Where(o.tick(t).EqScalar(1), fresh, tensor.Scalar(1-o.opt.Dampening))
	}
	decay := hyperOf(t, o.opt.Live, LiveWeightDecay, o.opt.WeightDecay)
	out := make([]*tensor.Tensor, len(grads))
	for i, p := range o.params {
		g := decayed(p, grads[i], decay)
		if o.opt.Momentum != 0 {
			mu := hyperOf(t, o.opt.Live, LiveMomentum, o.opt.Momentum)
			in := g
			if o.step != nil {
				in = g.Mul(fresh)
			}
			b := t.Assign(o.momentum[i], mu.times(o.momentum[i]).Add(in))
			if o.opt.Nesterov {
				b = g.Add(mu.times(b))
			}
			g = b
		}
		out[i] = t.Assign(p.Value, p.Value.Sub(g.Mul(lr)))
	}
	return out
}
