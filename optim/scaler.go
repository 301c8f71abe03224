package optim

import (
	"math"

	"github.com/weft-ml/weft/nn"
	"github.com/weft-ml/weft/tensor"
)

// LossScalerOptions are zero for the usual numbers.
type LossScalerOptions struct {
	Init     float64 // first scale; 0 is 65536. Powers of two scale without rounding
	Interval int     // steps without overflow after which the scale doubles; 0 is 2000
}

// LossScaler multiplies the loss of a step in mixed precision, so that gradients
// too small for float16 are not lost, and finds the factor by itself: it is halved
// when a gradient overflows, in which case the step changes nothing else, and
// doubled after Interval steps without that (Micikevicius et al., "Mixed Precision
// Training", 2018; numbers and rule are those of torch.amp.GradScaler). Scale and
// counter are variables, so that no step waits for the host.
//
//	grads := scaler.Grad(loss, params...)
//	grads, finite := scaler.Unscale(grads)
//	... clip, and let an optimizer assign what it will
//	scaler.Update(t, finite)
type LossScaler struct {
	scale *tensor.Tensor // [1]
	// good counts the steps since the scale changed; -1 after an overflow.
	good     *tensor.Tensor
	interval int
}

// The scale stays within these bounds, where its reciprocal and twice itself are
// ordinary numbers.
const leastScale, mostScale = 0x1p-64, 0x1p64

// NewLossScaler returns a scaler with variables of its own.
func NewLossScaler(o LossScalerOptions) *LossScaler {
	if o.Init == 0 {
		o.Init = 65536
	}
	if o.Interval == 0 {
		o.Interval = 2000
	}
	return &LossScaler{
		scale:    tensor.NewVariable("loss_scale", []float32{float32(o.Init)}, 1),
		good:     tensor.NewVariable("loss_scale.good", []float32{0}, 1),
		interval: o.Interval,
	}
}

// Scale is the variable that holds the present scale, of shape [1].
func (s *LossScaler) Scale() *tensor.Tensor { return s.scale }

// State is the scaler's variables, for checkpoints.
func (s *LossScaler) State() []nn.Param {
	return []nn.Param{{Name: "loss_scale", Value: s.scale, Buffer: true}, {Name: "loss_scale.good", Value: s.good, Buffer: true}}
}

// Grad is tensor.Grad of the scaled loss.
func (s *LossScaler) Grad(loss *tensor.Tensor, wrt ...*tensor.Tensor) []*tensor.Tensor {
	return tensor.GradWith(loss, s.scale.Reshape(loss.Shape()...), wrt...)
}

// Unscale divides gradients, or sums of them, by the scale, and returns whether
// all are finite, a Bool of one element. Their norm says that, and a norm that is
// beyond float32 counts as an overflow, too.
func (s *LossScaler) Unscale(grads []*tensor.Tensor) (unscaled []*tensor.Tensor, finite *tensor.Tensor) {
	factor := s.scale.Reciprocal()
	unscaled = make([]*tensor.Tensor, len(grads))
	for i, g := range grads {
		unscaled[i] = g.Mul(factor)
	}
	return unscaled, GradNorm(unscaled).Le(tensor.Scalar(math.MaxFloat32))
}

// Update makes all assignments of t so far, but for those of the variables in
// except, depend on finite, and adjusts the scale.
func (s *LossScaler) Update(t *tensor.Trace, finite *tensor.Tensor, except ...*tensor.Tensor) {
	number := func(v float64) *tensor.Tensor { return tensor.Full(v, 1) }
	n := s.good.Maximum(number(0)).AddScalar(1)
	n = tensor.Where(n.Ge(number(float64(s.interval))), number(0), n)
	// The rest asks the counter and not the gradients, so that every kernel of the
	// update reads one number.
	n = tensor.Where(finite.Reshape(1), n, number(-1))
	ok := n.Ge(number(0))
	t.Guard(ok, except...)
	t.Assign(s.good, n)
	grown := tensor.Where(n.Eq(number(0)), s.scale.MulScalar(2).Minimum(number(mostScale)), s.scale)
	t.Assign(s.scale, tensor.Where(ok, grown, s.scale.MulScalar(0.5).Maximum(number(leastScale))))
}
