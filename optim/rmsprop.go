package optim

import (
	"github.com/weft-ml/weft/nn"
	"github.com/weft-ml/weft/tensor"
)

// RMSpropOptions are the choices of NewRMSprop. Zeros mean the values in
// brackets.
type RMSpropOptions struct {
	Alpha       float64 // [0.99]
	Eps         float64 // [1e-8]
	Momentum    float64
	Centered    bool    // divide by the deviation instead of the root mean square
	WeightDecay float64 // L2 penalty added to the gradient of parameters with Decay
}

type rmsprop struct {
	base
	opt           RMSpropOptions
	v, avg, moved []*tensor.Tensor
}

// NewRMSprop returns RMSprop (Tieleman and Hinton, Coursera lecture 6.5, 2012;
// centered: Graves, 2013): v <- a v + (1-a) g^2; p <- p - lr g/(sqrt(v) + eps).
func NewRMSprop(params []nn.Param, opt RMSpropOptions) Optimizer {
	opt.Alpha, opt.Eps = orDefault(opt.Alpha, 0.99), orDefault(opt.Eps, 1e-8)
	o := &rmsprop{base: newBase(params), opt: opt}
	o.v = o.slots("square_avg", 0)
	if opt.Centered {
		o.avg = o.slots("grad_avg", 0)
	}
	if opt.Momentum != 0 {
		o.moved = o.slots("momentum", 0)
	}
	return o
}

func (o *rmsprop) Step(t *tensor.Trace, lr *tensor.Tensor, grads []*tensor.Tensor) []*tensor.Tensor {
	lr = o.begin(lr, grads)
	out := make([]*tensor.Tensor, len(grads))
	for i, p := range o.params {
		g := decayed(p, grads[i], hyper{fixed: o.opt.WeightDecay})
		v := t.Assign(o.v[i], blend(o.v[i], g.Square(), 1-o.opt.Alpha))
		if o.avg != nil {
			a := t.Assign(o.avg[i], blend(o.avg[i], g, 1-o.opt.Alpha))
			v = v.Sub(a.Square()).Relu() // rounding may leave it below zero
		}
		g = g.Div(v.Sqrt().AddScalar(o.opt.Eps))
		if o.moved != nil {
			g = t.Assign(o.moved[i], o.moved[i].MulScalar(o.opt.Momentum).Add(g))
		}
		out[i] = t.Assign(p.Value, p.Value.Sub(g.Mul(lr)))
	}
	return out
}

// AdagradOptions are the choices of NewAdagrad. Zeros mean the values in
// brackets.
type AdagradOptions struct {
	Eps         float64 // [1e-10]
	Initial     float64 // where the sums of squares begin
	LRDecay     float64 // the rate is divided by 1 + LRDecay * steps done
	WeightDecay float64 // L2 penalty added to the gradient of parameters with Decay
}

type adagrad struct {
	base
	opt AdagradOptions
	sum []*tensor.Tensor
}

// NewAdagrad returns Adagrad (Duchi et al., 2011): s <- s + g^2;
// p <- p - lr g/(sqrt(s) + eps).
func NewAdagrad(params []nn.Param, opt AdagradOptions) Optimizer {
	opt.Eps = orDefault(opt.Eps, 1e-10)
	o := &adagrad{base: newBase(params), opt: opt}
	o.sum = o.slots("sum", float32(opt.Initial))
	if opt.LRDecay != 0 {
		o.counter()
	}
	return o
}

func (o *adagrad) Step(t *tensor.Trace, lr *tensor.Tensor, grads []*tensor.Tensor) []*tensor.Tensor {
	lr = o.begin(lr, grads)
	if o.step != nil {
		lr = lr.Div(o.tick(t).AddScalar(-1).MulScalar(o.opt.LRDecay).AddScalar(1))
	}
	out := make([]*tensor.Tensor, len(grads))
	for i, p := range o.params {
		g := decayed(p, grads[i], hyper{fixed: o.opt.WeightDecay})
		s := t.Assign(o.sum[i], o.sum[i].Add(g.Square()))
		out[i] = t.Assign(p.Value, p.Value.Sub(g.Div(s.Sqrt().AddScalar(o.opt.Eps)).Mul(lr)))
	}
	return out
}
