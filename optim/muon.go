package optim

import (
	"math"

	"github.com/weft-ml/weft/internal/ir"
	"github.com/weft-ml/weft/nn"
	"github.com/weft-ml/weft/tensor"
)

// MuonOptions are the choices of NewMuon. Zeros mean the values in brackets.
type MuonOptions struct {
	Momentum    float64    // [0.95]
	Plain       bool       // without Nesterov's look ahead
	Steps       int        // Newton-Schulz iterations [5]
	Coeffs      [3]float64 // of the iteration [3.4445, -4.7750, 2.0315]
	Eps         float64    // least norm [1e-7]
	WeightDecay float64    // apart from the gradient, as in AdamW, for parameters with Decay
	// MatchRMS scales updates to the size of AdamW's, 0.2 sqrt(max(rows,
	// cols)), so that its rates can be used (Liu et al., "Muon is Scalable for
	// LLM Training", 2025). Otherwise the scale is sqrt(max(1, rows/cols)).
	MatchRMS bool
	// Sphere scales each matrix to the norm of an orthogonal one before a step,
	// so that the rate is the step's relative size. It is for layers before a
	// batch norm, to which the size of weights means nothing.
	Sphere bool
	// Live takes the momentum and the decay from the per-step scalars
	// LiveMomentum and LiveWeightDecay, so that they may change.
	Live bool
}

type muon struct {
	base
	opt      MuonOptions
	momentum []*tensor.Tensor
}

// NewMuon returns Muon (Jordan et al., "Muon: An optimizer for hidden layers
// in neural networks", 2024) as torch.optim.Muon has it: the momentum's
// matrix is replaced by the orthogonal one next to it. Parameters have two
// dimensions or more; a convolution's kernel [out, in, h, w] counts as the
// matrix [out, in*h*w]. Biases, norms, embeddings and the last layer belong
// to another optimizer, with Groups.
func NewMuon(params []nn.Param, opt MuonOptions) Optimizer {
	opt.Momentum, opt.Eps = orDefault(opt.Momentum, 0.95), orDefault(opt.Eps, 1e-7)
	if opt.Steps == 0 {
		opt.Steps = 5
	}
	if opt.Coeffs == [3]float64{} {
		opt.Coeffs = [3]float64{3.4445, -4.7750, 2.0315}
	}
	o := &muon{base: newBase(params), opt: opt}
	for _, p := range params {
		if !IsMatrix(p) {
			panic(ir.NewError("muon", "%q of shape %v is no matrix; give it to another optimizer with optim.Groups", p.Name, p.Value.Shape()))
		}
	}
	o.momentum = o.slots("momentum", 0)
	return o
}

func (o *muon) Step(t *tensor.Trace, lr *tensor.Tensor, grads []*tensor.Tensor) []*tensor.Tensor {
	lr = o.begin(lr, grads)
	out := make([]*tensor.Tensor, len(grads))
	mu := hyperOf(t, o.opt.Live, LiveMomentum, o.opt.Momentum)
	decay := hyperOf(t, o.opt.Live, LiveWeightDecay, o.opt.WeightDecay)
	for i, p := range o.params {
		u := t.Assign(o.momentum[i], mu.mix(o.momentum[i], grads[i]))
		if !o.opt.Plain {
			u = mu.mix(u, grads[i])
		}
		shape := p.Value.Shape()
		rows, cols := shape[0], p.Value.Len()/shape[0]
		scale := math.Sqrt(max(1, float64(rows)/float64(cols)))
		if o.opt.MatchRMS {
			scale = 0.2 * math.Sqrt(float64(max(rows, cols)))
		}
		u = o.orthogonal(u.Reshape(rows, cols)).Reshape(shape...)
		from := shrunk(p, lr, decay)
		if o.opt.Sphere {
			norm := p.Value.Square().Sum().Sqrt().Maximum(tensor.Scalar(o.opt.Eps))
			from = p.Value.Mul(tensor.Scalar(math.Sqrt(float64(min(rows, cols)))).Div(norm))
		}
		out[i] = t.Assign(p.Value, from.Sub(u.Mul(lr.MulScalar(scale))))
	}
	return out
}

// orthogonal drives the singular values of x to about 1 by the iteration
// x <- a x + (b A + c A A) x with A = x x^T, on the shorter side.
func (o *muon) orthogonal(x *tensor.Tensor) *tensor.Tensor {
	tall := x.Dim(0) > x.Dim(1)
	if tall {
		x = x.Transpose(0, 1)
	}
	x = x.Div(x.Square().Sum().Sqrt().Maximum(tensor.Scalar(o.opt.Eps)))
	a, b, c := o.opt.Coeffs[0], o.opt.Coeffs[1], o.opt.Coeffs[2]
	for range o.opt.Steps {
		gram := x.MatMul(x.Transpose(0, 1))
		poly := gram.MatMul(gram).MulScalar(c).Add(gram.MulScalar(b))
		x = poly.MatMul(x).Add(x.MulScalar(a))
	}
	if tall {
		x = x.Transpose(0, 1)
	}
	return x
}
