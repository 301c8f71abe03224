package nn

import (
	"github.com/weft-ml/weft/internal/ir"
	"github.com/weft-ml/weft/tensor"
)

// Sequential applies modules one after the other. They are named by their
// position: "0.weight", "2.weight".
type Sequential []Module

// Forward applies all modules in turn.
func (s Sequential) Forward(x *tensor.Tensor) *tensor.Tensor {
	for _, m := range s {
		x = m.Forward(x)
	}
	return x
}

// Residual is Body(x) + Shortcut(x), or Body(x) + x without a shortcut (He et
// al., "Deep Residual Learning", 2015).
type Residual struct {
	Body     Module
	Shortcut Module // nil for the identity
}

// Forward adds the two branches; their shapes broadcast.
func (r Residual) Forward(x *tensor.Tensor) *tensor.Tensor {
	if r.Shortcut == nil {
		return r.Body.Forward(x).Add(x)
	}
	return r.Body.Forward(x).Add(r.Shortcut.Forward(x))
}

// Identity returns its input.
type Identity struct{}

// Forward returns x.
func (Identity) Forward(x *tensor.Tensor) *tensor.Tensor { return x }

// Func makes a module of a function without variables.
type Func func(x *tensor.Tensor) *tensor.Tensor

// Forward calls f.
func (f Func) Forward(x *tensor.Tensor) *tensor.Tensor { return f(x) }

// Flatten merges all dimensions from From on into one. Zero means 1, which
// keeps the batch: [n, 28, 28] becomes [n, 784].
type Flatten struct{ From int }

// Forward reshapes x; one that has no dimension From stays as it is.
func (f Flatten) Forward(x *tensor.Tensor) *tensor.Tensor {
	from := f.From
	if from == 0 {
		from = 1
	}
	if from >= x.Dims() {
		return x
	}
	return x.Flatten(from)
}

// Dropout zeroes elements with probability P and scales the others by
// 1/(1-P), while the trace is in training; elsewhere it is the identity
// (Srivastava et al., 2014). Which elements, follows from the per-step
// scalars "seed" and "step" alone, so that every device drops the same ones.
type Dropout struct{ P float64 }

// Forward drops elements of x.
func (d Dropout) Forward(x *tensor.Tensor) *tensor.Tensor {
	checkProbability("dropout", d.P)
	t := x.Trace()
	if d.P == 0 {
		return x
	}
	if !t.Training() {
		return tensor.Evaluated(x)
	}
	if d.P >= 1 {
		return tensor.Zeros(x.Shape()...)
	}
	keep := t.Uniform(x.Shape()...).Ge(tensor.Scalar(d.P))
	return tensor.Where(keep, x.MulScalar(1/(1-d.P)), tensor.Scalar(0))
}

// checkProbability panics where p is none: a negative one or NaN would pass as 0.
func checkProbability(op string, p float64) {
	if !(p >= 0 && p <= 1) {
		panic(ir.NewError(op, "probability %v: want 0 to 1", p))
	}
}

// StochasticDepth zeroes whole examples with probability P and scales the
// others by 1/(1-P), while the trace is in training; elsewhere it is the
// identity (Huang et al., "Deep Networks with Stochastic Depth", 2016). It goes
// before the sum of a residual branch with its shortcut.
type StochasticDepth struct{ P float64 }

// Forward drops examples, which are elements of x's first dimension.
func (s StochasticDepth) Forward(x *tensor.Tensor) *tensor.Tensor {
	checkProbability("stochastic_depth", s.P)
	t := x.Trace()
	if s.P == 0 {
		return x
	}
	if !t.Training() {
		return tensor.Evaluated(x)
	}
	shape := make([]int, x.Dims())
	for d := range shape {
		shape[d] = 1
	}
	shape[0] = x.Dim(0)
	if s.P >= 1 {
		return tensor.Zeros(x.Shape()...)
	}
	keep := t.Uniform(shape...).Ge(tensor.Scalar(s.P))
	return tensor.Where(keep, x.MulScalar(1/(1-s.P)), tensor.Scalar(0))
}
