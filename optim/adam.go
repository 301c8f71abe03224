package optim

import (
	"github.com/weft-ml/weft/nn"
	"github.com/weft-ml/weft/tensor"
)

// AdamOptions are the choices of NewAdam and NewAdamW. Zeros mean the values
// in brackets.
type AdamOptions struct {
	Beta1       float64 // [0.9]; NoMomentum for 0
	Beta2       float64 // [0.999]
	Eps         float64 // [1e-8]
	WeightDecay float64 // for parameters with Decay
	Live        bool    // take the decay from the per-step scalar LiveWeightDecay
	AMSGrad     bool    // divide by the greatest second moment so far (Reddi et al., 2018)
}

// NoMomentum as AdamOptions.Beta1 means 0, RMSprop with bias correction.
const NoMomentum = -1

type adam struct {
	base
	opt       AdamOptions
	decoupled bool
	m, v, top []*tensor.Tensor
}

// NewAdam returns Adam (Kingma and Ba, 2014): with the moments
// m <- b1 m + (1-b1) g and v <- b2 v + (1-b2) g^2, corrected for their start
// at zero, p <- p - lr m/(sqrt(v) + eps). Weight decay is an L2 penalty added
// to the gradient.
func NewAdam(params []nn.Param, opt AdamOptions) Optimizer { return newAdam(params, opt, false) }

// NewAdamW returns Adam whose weight decay multiplies the parameters by
// 1 - lr wd, apart from the gradient (Loshchilov and Hutter, "Decoupled Weight
// Decay Regularization", 2017). Unlike torch.optim.AdamW's, its zero value
// does not decay.
func NewAdamW(params []nn.Param, opt AdamOptions) Optimizer { return newAdam(params, opt, true) }

func newAdam(params []nn.Param, opt AdamOptions, decoupled bool) Optimizer {
	opt.Beta1 = max(orDefault(opt.Beta1, 0.9), 0)
	opt.Beta2 = orDefault(opt.Beta2, 0.999)
	opt.Eps = orDefault(opt.Eps, 1e-8)
	o := &adam{base: newBase(params), opt: opt, decoupled: decoupled}
	o.counter()
	if opt.Beta1 > 0 {
		o.m = o.slots("exp_avg", 0)
	}
	o.v = o.slots("exp_avg_sq", 0)
	if opt.AMSGrad {
		o.top = o.slots("max_exp_avg_sq", 0)
	}
	return o
}

func (o *adam) Step(t *tensor.Trace, lr *tensor.Tensor, grads []*tensor.Tensor) []*tensor.Tensor {
	lr = o.begin(lr, grads)
	n := o.tick(t)
	rate, deviation := lr, unbias(o.opt.Beta2, n).Rsqrt()
	if o.m != nil {
		rate = lr.Div(unbias(o.opt.Beta1, n))
	}
	decay := hyperOf(t, o.opt.Live, LiveWeightDecay, o.opt.WeightDecay)
	out := make([]*tensor.Tensor, len(grads))
	for i, p := range o.params {
		g, from := grads[i], p.Value
		if o.decoupled {
			from = shrunk(p, lr, decay)
		} else {
			g = decayed(p, g, decay)
		}
		m := g
		if o.m != nil {
			m = t.Assign(o.m[i], blend(o.m[i], g, 1-o.opt.Beta1))
		}
		v := t.Assign(o.v[i], blend(o.v[i], g.Square(), 1-o.opt.Beta2))
		if o.top != nil {
			v = t.Assign(o.top[i], o.top[i].Maximum(v))
		}
		update := m.Div(v.Sqrt().Mul(deviation).AddScalar(o.opt.Eps))
		out[i] = t.Assign(p.Value, from.Sub(update.Mul(rate)))
	}
	return out
}
