// Package optim provides optimizers, learning-rate schedules, gradient
// clipping and parameter averages.
//
// An optimizer adds its update to the traced step: it is graph, not code that
// runs. Its state (momenta, moments, counters) is variables like the
// parameters, so that it is fused, lives on the device, and is saved with
// them. Whatever changes from step to step is a per-step scalar or a variable,
// so that a step is compiled once and the rate may change at any time.
//
// Numerical behaviour follows torch.optim, option by option.
package optim

import (
	"math"

	"github.com/weft-ml/weft/internal/ir"
	"github.com/weft-ml/weft/nn"
	"github.com/weft-ml/weft/tensor"
)

// Optimizer updates a fixed list of parameters.
type Optimizer interface {
	// Params are the parameters that are updated, in the order in which Step
	// expects gradients.
	Params() []nn.Param
	// Step assigns updated values to the parameters and the state in trace t,
	// and returns the parameters' new values. lr has one element: usually
	// t.Scalar("lr"). It may be traced several times, into several programs.
	Step(t *tensor.Trace, lr *tensor.Tensor, grads []*tensor.Tensor) []*tensor.Tensor
	// State is the optimizer's variables, named after their parameters
	// ("0.weight.momentum"), for checkpoints.
	State() []nn.Param
}

// base holds what all optimizers have in common.
type base struct {
	params []nn.Param
	state  []nn.Param
	step   *tensor.Tensor // number of steps done; nil where nothing needs it
}

// newBase checks params.
func newBase(params []nn.Param) base {
	for _, p := range params {
		if p.Value == nil || !p.Value.IsVariable() || p.Buffer {
			panic(ir.NewError("optim", "%q is no trainable variable; use nn.Trainable(model)", p.Name))
		}
	}
	return base{params: params}
}

// Params returns the parameters that are updated.
func (b *base) Params() []nn.Param { return b.params }

// State returns the optimizer's variables.
func (b *base) State() []nn.Param { return b.state }

// slots adds a state variable of v for each parameter.
func (b *base) slots(name string, v float32) []*tensor.Tensor {
	ts := make([]*tensor.Tensor, len(b.params))
	for i, p := range b.params {
		data := make([]float32, p.Value.Len())
		for j := range data {
			data[j] = v
		}
		n := p.Name + "." + name
		ts[i] = tensor.NewVariable(n, data, p.Value.Shape()...)
		b.state = append(b.state, nn.Param{Name: n, Value: ts[i], Buffer: true})
	}
	return ts
}

// counter adds the step counter. It is state and not the training loop's
// scalar, because bias corrections must count this optimizer's own steps.
func (b *base) counter() {
	b.step = tensor.NewIntVariable("step", []int32{0})
	b.state = append(b.state, nn.Param{Name: "step", Value: b.step, Buffer: true})
}

// tick advances the counter and returns the number of this step, from 1.
func (b *base) tick(t *tensor.Trace) *tensor.Tensor {
	return t.Assign(b.step, b.step.AddScalar(1)).To(tensor.Float32)
}

// begin checks Step's arguments and returns lr without dimensions, so that it
// broadcasts to parameters of any shape.
func (b *base) begin(lr *tensor.Tensor, grads []*tensor.Tensor) *tensor.Tensor {
	if len(grads) != len(b.params) {
		panic(ir.NewError("optim", "%d gradients for %d parameters", len(grads), len(b.params)))
	}
	if lr.Len() != 1 {
		panic(ir.NewError("optim", "a rate of shape %v; it has one element", lr.Shape()))
	}
	if lr.Dims() > 0 {
		return lr.Reshape()
	}
	return lr
}

// Per-step scalars that stand for options of the same meaning where Live is
// set.
const (
	LiveMomentum    = "momentum"
	LiveWeightDecay = "weight_decay"
)

// hyper is a hyper-parameter as the step sees it: a constant or, where live, a
// per-step scalar. Constants stay apart because a decay of 0 then costs
// nothing.
type hyper struct {
	fixed float64
	live  *tensor.Tensor
}

func hyperOf(t *tensor.Trace, live bool, name string, v float64) hyper {
	if live {
		return hyper{live: t.Scalar(name)}
	}
	return hyper{fixed: v}
}

func (h hyper) none() bool { return h.live == nil && h.fixed == 0 }

// times is x h.
func (h hyper) times(x *tensor.Tensor) *tensor.Tensor {
	if h.live != nil {
		return x.Mul(h.live)
	}
	return x.MulScalar(h.fixed)
}

// mix is h a + (1-h) b.
func (h hyper) mix(a, b *tensor.Tensor) *tensor.Tensor {
	if h.live != nil {
		return a.Mul(h.live).Add(b.Mul(tensor.Scalar(1).Sub(h.live)))
	}
	return blend(a, b, 1-h.fixed)
}

// decayed is g + wd p, the gradient with an L2 penalty, where it applies.
func decayed(p nn.Param, g *tensor.Tensor, wd hyper) *tensor.Tensor {
	if wd.none() || !p.Decay {
		return g
	}
	return g.Add(wd.times(p.Value))
}

// shrunk is p (1 - lr wd), decay apart from the gradient, where it applies.
func shrunk(p nn.Param, lr *tensor.Tensor, wd hyper) *tensor.Tensor {
	if wd.none() || !p.Decay {
		return p.Value
	}
	return p.Value.Mul(tensor.Scalar(1).Sub(wd.times(lr)))
}

// blend is a + (b - a) w, a moving average.
func blend(a, b *tensor.Tensor, w float64) *tensor.Tensor {
	return a.MulScalar(1 - w).Add(b.MulScalar(w))
}

// unbias is 1 - beta^step. As -expm1(step log beta) it is exact also for the
// first steps, where the power is near 1.
func unbias(beta float64, step *tensor.Tensor) *tensor.Tensor {
	return step.MulScalar(math.Log(beta)).Expm1().Neg()
}

func orDefault(v, def float64) float64 {
	if v == 0 {
		return def
	}
	return v
}
