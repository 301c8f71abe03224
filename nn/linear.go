package nn

import (
	"math"

	"github.com/weft-ml/weft/internal/ir"
	"github.com/weft-ml/weft/tensor"
)

// Linear is y = x W^T + b for x [.., in], W [out, in] and b [out].
type Linear struct {
	Weight *tensor.Tensor
	Bias   *tensor.Tensor // nil for none
}

// LinearOptions are the choices of NewLinear.
type LinearOptions struct {
	// Init chooses the weights. Biases begin at zero, except with
	// DefaultInit, which draws them like the weights, as PyTorch does.
	Init Init
	// NoBias leaves the bias out.
	NoBias bool
}

// NewLinear returns a layer whose weights are drawn from rng.
func NewLinear(rng *RNG, in, out int, opt LinearOptions) *Linear {
	if in < 1 || out < 1 {
		panic(ir.NewError("linear", "%d inputs and %d outputs: at least one of each is needed", in, out))
	}
	l := &Linear{Weight: opt.Init.weight(rng, "weight", out, in)}
	if opt.NoBias {
		return l
	}
	bias := make([]float32, out)
	if opt.Init == DefaultInit {
		b := 1 / math.Sqrt(float64(in))
		bias = rng.Uniform(out, -b, b)
	}
	l.Bias = tensor.NewVariable("bias", bias, out)
	return l
}

// Forward maps [.., in] to [.., out].
func (l *Linear) Forward(x *tensor.Tensor) *tensor.Tensor { return x.Linear(l.Weight, l.Bias) }
