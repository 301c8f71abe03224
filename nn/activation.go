package nn

import "github.com/weft-ml/weft/tensor"

// Activations as modules, for Sequential. Their formulas stand at the tensor
// methods that they call.

// ReLU is max(x, 0).
type ReLU struct{}

// Forward applies the function to each element, as it does in the other activations.
func (ReLU) Forward(x *tensor.Tensor) *tensor.Tensor { return x.Relu() }

// ReLU6 is min(max(x, 0), 6) (Howard et al., "MobileNets", 2017).
type ReLU6 struct{}

// Forward applies the function to each element.
func (ReLU6) Forward(x *tensor.Tensor) *tensor.Tensor { return x.Clamp(0, 6) }

// LeakyReLU is x where x > 0 and Slope x elsewhere; Slope 0 means 0.01.
type LeakyReLU struct{ Slope float64 }

// Forward applies the function to each element.
func (a LeakyReLU) Forward(x *tensor.Tensor) *tensor.Tensor {
	return x.LeakyRelu(orDefault(a.Slope, 0.01))
}

// ELU is x where x > 0 and Alpha (e^x - 1) elsewhere; Alpha 0 means 1.
type ELU struct{ Alpha float64 }

// Forward applies the function to each element.
func (a ELU) Forward(x *tensor.Tensor) *tensor.Tensor { return x.Elu(orDefault(a.Alpha, 1)) }

// GELU is x Phi(x), or with Tanh its approximation as GPT-2 uses it.
type GELU struct{ Tanh bool }

// Forward applies the function to each element.
func (a GELU) Forward(x *tensor.Tensor) *tensor.Tensor {
	if a.Tanh {
		return x.GeluTanh()
	}
	return x.Gelu()
}

// SiLU is x sigmoid(x), also called Swish.
type SiLU struct{}

// Forward applies the function to each element.
func (SiLU) Forward(x *tensor.Tensor) *tensor.Tensor { return x.Silu() }

// Mish is x tanh(softplus(x)).
type Mish struct{}

// Forward applies the function to each element.
func (Mish) Forward(x *tensor.Tensor) *tensor.Tensor { return x.Mish() }

// Tanh is the hyperbolic tangent.
type Tanh struct{}

// Forward applies the function to each element.
func (Tanh) Forward(x *tensor.Tensor) *tensor.Tensor { return x.Tanh() }

// Sigmoid is 1 / (1 + e^-x).
type Sigmoid struct{}

// Forward applies the function to each element.
func (Sigmoid) Forward(x *tensor.Tensor) *tensor.Tensor { return x.Sigmoid() }

// Softplus is log(1 + e^x).
type Softplus struct{}

// Forward applies the function to each element.
func (Softplus) Forward(x *tensor.Tensor) *tensor.Tensor { return x.Softplus() }

// Hardswish is x clamp(x/6 + 1/2, 0, 1).
type Hardswish struct{}

// Forward applies the function to each element.
func (Hardswish) Forward(x *tensor.Tensor) *tensor.Tensor { return x.Hardswish() }

// Hardsigmoid is clamp(x/6 + 1/2, 0, 1).
type Hardsigmoid struct{}

// Forward applies the function to each element.
func (Hardsigmoid) Forward(x *tensor.Tensor) *tensor.Tensor { return x.Hardsigmoid() }

// Softmax normalises the last dimension to probabilities.
type Softmax struct{}

// Forward normalises each row.
func (Softmax) Forward(x *tensor.Tensor) *tensor.Tensor { return x.Softmax(-1) }

// LogSoftmax is the logarithm of Softmax.
type LogSoftmax struct{}

// Forward normalises each row.
func (LogSoftmax) Forward(x *tensor.Tensor) *tensor.Tensor { return x.LogSoftmax(-1) }

func orDefault(v, def float64) float64 {
	if v == 0 {
		return def
	}
	return v
}
