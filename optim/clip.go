package optim

import (
	"github.com/weft-ml/weft/nn"
	"github.com/weft-ml/weft/tensor"
)

// ClipGradNorm scales all gradients by one factor such that their joint
// Euclidean norm is at most maxNorm, and returns the norm that they had. The
// factor is min(1, maxNorm/(norm + 1e-6)), as in torch.nn.utils (Pascanu et
// al., 2013).
func ClipGradNorm(grads []*tensor.Tensor, maxNorm float64) (clipped []*tensor.Tensor, norm *tensor.Tensor) {
	norm = GradNorm(grads)
	factor := tensor.Scalar(maxNorm).Div(norm.AddScalar(1e-6)).Minimum(tensor.Scalar(1))
	clipped = make([]*tensor.Tensor, len(grads))
	for i, g := range grads {
		clipped[i] = g.Mul(factor)
	}
	return clipped, norm
}

// GradNorm is the Euclidean norm of all gradients together.
func GradNorm(grads []*tensor.Tensor) *tensor.Tensor {
	sum := tensor.Scalar(0)
	for _, g := range grads {
		sum = sum.Add(g.Square().Sum())
	}
	return sum.Sqrt()
}

// ClipGradValue limits each element of the gradients to [-limit, limit].
func ClipGradValue(grads []*tensor.Tensor, limit float64) []*tensor.Tensor {
	clipped := make([]*tensor.Tensor, len(grads))
	for i, g := range grads {
		clipped[i] = g.Clamp(-limit, limit)
	}
	return clipped
}

// EMA keeps an exponential moving average of parameters, which often
// generalises better than the last ones (Polyak and Juditsky, 1992).
type EMA struct {
	params  []nn.Param
	average []nn.Param
	decay   float64
}

// NewEMA returns an average that begins at the parameters' present values and
// moves by 1-decay of the difference at each step. It returns an error if they
// cannot be read from their device.
func NewEMA(params []nn.Param, decay float64) (*EMA, error) {
	e := &EMA{params: params, decay: decay}
	for _, p := range params {
		data, err := p.Value.Read()
		if err != nil {
			return nil, err
		}
		n := p.Name + ".ema"
		e.average = append(e.average, nn.Param{Name: n, Value: tensor.NewVariable(n, data, p.Value.Shape()...), Buffer: true})
	}
	return e, nil
}

// Step moves the average towards values: the parameters' new values, as
// Optimizer.Step returns them.
func (e *EMA) Step(t *tensor.Trace, values []*tensor.Tensor) {
	for i, a := range e.average {
		t.Assign(a.Value, blend(a.Value, values[i], 1-e.decay))
	}
}

// State is the averages, for checkpoints.
func (e *EMA) State() []nn.Param { return e.average }

// Swap exchanges parameters and averages: once to evaluate with the averages,
// once more to train on. Programs must not be running.
func (e *EMA) Swap() error {
	for i, p := range e.params {
		a := e.average[i].Value
		now, err := p.Value.Read()
		if err != nil {
			return err
		}
		avg, err := a.Read()
		if err != nil {
			return err
		}
		if err := p.Value.Set(avg); err != nil {
			return err
		}
		if err := a.Set(now); err != nil {
			return err
		}
	}
	return nil
}
