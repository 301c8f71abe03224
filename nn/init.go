package nn

import (
	"math"

	"github.com/weft-ml/weft/internal/ir"
	"github.com/weft-ml/weft/tensor"
)

// Init is a way to choose initial weights. The fan-in of a weight of shape
// [out, in, ..] is the number of elements of one output row, in * .. ; its
// fan-out is out times the dimensions after the second.
type Init uint8

const (
	// DefaultInit is PyTorch's: uniform within 1/sqrt(fan-in), biases too.
	DefaultInit Init = iota
	// HeUniform is uniform within sqrt(6/fan-in), which keeps the variance
	// through layers with ReLU (He et al., 2015); also called Kaiming.
	HeUniform
	// HeNormal is normal with deviation sqrt(2/fan-in).
	HeNormal
	// XavierUniform is uniform within sqrt(6/(fan-in + fan-out)) (Glorot and
	// Bengio, 2010).
	XavierUniform
	// XavierNormal is normal with deviation sqrt(2/(fan-in + fan-out)).
	XavierNormal
	// LeCunUniform is uniform within sqrt(3/fan-in) (LeCun et al., "Efficient
	// BackProp", 1998).
	LeCunUniform
	// LeCunNormal is normal with deviation sqrt(1/fan-in).
	LeCunNormal
	// ZeroInit is all zeros, for layers that shall begin as the identity's
	// residual.
	ZeroInit
)

var initNames = [...]string{"default", "he_uniform", "he_normal", "xavier_uniform", "xavier_normal", "lecun_uniform", "lecun_normal", "zeros"}

// String returns the kind's name, such as "he_uniform".
func (k Init) String() string {
	if int(k) < len(initNames) {
		return initNames[k]
	}
	return "unknown"
}

// Values draws the elements of a weight of the given shape, at least one
// dimension.
func (k Init) Values(rng *RNG, shape ...int) []float32 {
	in, out := fans(shape)
	return k.draw(rng, ir.NumElems(shape), in, out)
}

// draw is Values for n elements with the given fan-in and fan-out.
func (k Init) draw(rng *RNG, n int, in, out float64) []float32 {
	switch k {
	case DefaultInit:
		b := 1 / math.Sqrt(in)
		return rng.Uniform(n, -b, b)
	case HeUniform:
		b := math.Sqrt(6 / in)
		return rng.Uniform(n, -b, b)
	case HeNormal:
		return rng.Normal(n, 0, math.Sqrt(2/in))
	case XavierUniform:
		b := math.Sqrt(6 / (in + out))
		return rng.Uniform(n, -b, b)
	case XavierNormal:
		return rng.Normal(n, 0, math.Sqrt(2/(in+out)))
	case LeCunUniform:
		b := math.Sqrt(3 / in)
		return rng.Uniform(n, -b, b)
	case LeCunNormal:
		return rng.Normal(n, 0, math.Sqrt(1/in))
	case ZeroInit:
		return make([]float32, n)
	}
	panic(ir.NewError("init", "no initialisation of kind %d; use one of nn's constants", k))
}

func fans(shape []int) (in, out float64) {
	if len(shape) == 0 {
		panic(ir.NewError("init", "a weight without dimensions has no fan-in"))
	}
	if len(shape) == 1 {
		return float64(shape[0]), float64(shape[0])
	}
	field := ir.NumElems(shape[2:])
	return float64(shape[1] * field), float64(shape[0] * field)
}

// weight returns a variable drawn by k.
func (k Init) weight(rng *RNG, name string, shape ...int) *tensor.Tensor {
	return tensor.NewVariable(name, k.Values(rng, shape...), shape...)
}
