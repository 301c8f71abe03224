package nn_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/weft-ml/weft/device"
	"github.com/weft-ml/weft/nn"
	"github.com/weft-ml/weft/tensor"
)

// A layer learns from its input whether it trains. A constant could not tell it,
// so that it would evaluate in the middle of a training step.
func TestConstantInputInTraining(t *testing.T) {
	x := tensor.New([]float32{1, 2, 3, 4}, 2, 2)
	for name, layer := range map[string]nn.Module{
		"dropout": nn.Dropout{P: 0.5}, "depth": nn.StochasticDepth{P: 0.5}, "norm": nn.NewBatchNorm(2, nn.BatchNormOptions{}),
	} {
		compile := func(training bool, input func(*tensor.Trace) *tensor.Tensor) error {
			p, err := tensor.Compile(device.Reference(), func(tr *tensor.Trace, _ []*tensor.Tensor) []*tensor.Tensor {
				tr.SetTraining(training)
				return []*tensor.Tensor{layer.Forward(input(tr)).Mul(tr.Scalar("factor"))}
			})
			if err == nil {
				p.Close()
			}
			return err
		}
		constant := func(*tensor.Trace) *tensor.Tensor { return x }
		var e *tensor.Error
		if err := compile(true, constant); !errors.As(err, &e) || !strings.Contains(err.Error(), "t.Bind(x)") {
			t.Errorf("%s, a constant in training: error %v", name, err)
		}
		if err := compile(false, constant); err != nil {
			t.Errorf("%s, a constant in evaluation: %v", name, err)
		}
		if err := compile(true, func(tr *tensor.Trace) *tensor.Tensor { return tr.Bind(x) }); err != nil {
			t.Errorf("%s, a bound constant in training: %v", name, err)
		}
	}
	// The result alone, which meets nothing of the trace.
	_, err := tensor.Compile(device.Reference(), func(tr *tensor.Trace, _ []*tensor.Tensor) []*tensor.Tensor {
		tr.SetTraining(true)
		return []*tensor.Tensor{nn.Dropout{P: 0.5}.Forward(x)}
	})
	if err == nil {
		t.Error("a constant's dropout as the only result: no error")
	}
}
