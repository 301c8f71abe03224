// Everything that happens in a step is one program, since small networks are
// bound by the number of kernels and not by arithmetic; the host only says
// where in the data the step is and what the learning rate is.

package train

import (
	"fmt"
	"math"

	"github.com/weft-ml/weft/device"
	"github.com/weft-ml/weft/nn"
	"github.com/weft-ml/weft/optim"
	"github.com/weft-ml/weft/tensor"
)

// stepper is the compiled training step: gather, augmentation, forward, loss,
// gradient, clipping, update and metrics in one program. With accumulation
// there is a second one for the batches that only add to the gradient sums.
type stepper struct {
	dev   *device.Device
	opts  *Options
	model nn.Module
	// average holds the averaged weights, built like model; nil without EMA.
	average nn.Module
	optim   optim.Optimizer
	data    *resident
	order   *tensor.Tensor // Int32 [n], the epoch's order
	sums    []*tensor.Tensor
	scaler  *optim.LossScaler // nil in float32

	update, add *tensor.Program // add is nil without accumulation
	slots       [2]slots
}

// slots are the numbers of a program's per-step scalars.
type slots struct{ at, seed, step, epoch, lr int }

func slotsOf(p *tensor.Program) slots {
	return slots{p.Slot("at"), p.Slot("seed"), p.Slot("step"), p.Slot("epoch"), p.Slot("lr")}
}

// fill gives a step its scalars: batch is its number in the epoch, update the
// number of updates before it.
func (k *slots) fill(s tensor.Scalars, o *Options, seed int32, epoch, batch, update int, lr float64) {
	s.SetInt(k.at, int32(batch*o.Batch))
	// Batches of one update differ in what they draw; the optimizer's own
	// count of updates is in its state or follows from "step".
	s.SetInt(k.seed, seed+int32(batch%o.micro())*0x3C6EF372)
	s.SetInt(k.step, int32(update))
	s.SetInt(k.epoch, int32(epoch))
	s.Set(k.lr, float32(lr))
}

// mixedElems is from how many elements on mixed precision stores activations as
// float16. A variable, for tests with small networks.
var mixedElems = tensor.MixedElems

// compile traces and compiles the programs.
func (s *stepper) compile() error {
	if s.opts.mixed() {
		s.scaler = optim.NewLossScaler(optim.LossScalerOptions{})
	}
	// The optimizer's order: several optimizers in one list them by optimizer.
	params := nn.Values(s.optim.Params())
	if s.opts.micro() > 1 {
		for _, p := range s.optim.Params() {
			s.sums = append(s.sums, tensor.NewVariable("sum."+p.Name, make([]float32, p.Value.Len()), p.Value.Shape()...))
		}
	}
	build := func(last bool) (*tensor.Program, error) {
		return tensor.Compile(s.dev, func(t *tensor.Trace, _ []*tensor.Tensor) []*tensor.Tensor {
			t.SetTraining(true)
			gradient := tensor.Grad
			if s.scaler != nil {
				t.SetMixed(mixedElems)
				gradient = s.scaler.Grad
			}
			index := s.order.IndexSelect(0, tensor.Arange(s.opts.Batch).Add(t.Int("at")))
			x, labels := s.data.batch(t, index, s.opts.Augment)
			logits := s.model.Forward(x)
			loss := nn.CrossEntropy(logits, labels, nn.ClassOptions{Smoothing: s.opts.LabelSmoothing})
			accuracy := nn.Accuracy(logits, labels)
			grads := gradient(loss, params...)
			if s.scaler != nil && !last {
				// Running statistics; the gradients are looked at when they are summed.
				t.Guard(loss.Abs().Le(tensor.Scalar(math.MaxFloat32)))
			}
			for i, sum := range s.sums {
				total := sum.Add(grads[i])
				if !last {
					t.Assign(sum, total)
					continue
				}
				grads[i] = total.DivScalar(float64(s.opts.micro()))
				t.Assign(sum, tensor.Zeros(sum.Shape()...))
			}
			if last {
				var finite *tensor.Tensor
				if s.scaler != nil {
					grads, finite = s.scaler.Unscale(grads)
				}
				if s.opts.Clip > 0 {
					grads, _ = optim.ClipGradNorm(grads, s.opts.Clip)
				}
				s.averageInto(t, s.optim.Step(t, t.Scalar("lr"), grads))
				if s.scaler != nil {
					s.scaler.Update(t, finite, s.sums...)
				}
			}
			return []*tensor.Tensor{loss, accuracy}
		})
	}
	var err error
	if s.update, err = build(true); err != nil {
		return fmt.Errorf("compiling the training step: %w", err)
	}
	s.slots[1] = slotsOf(s.update)
	if len(s.sums) > 0 {
		if s.add, err = build(false); err != nil {
			return fmt.Errorf("compiling the training step: %w", err)
		}
		s.slots[0] = slotsOf(s.add)
	}
	return nil
}

// averageInto moves the averaged weights towards the parameters' new values,
// given in the optimizer's order.
// The decay grows from 1/10 to its bound, so that the random
// initial weights are soon forgotten:
// min(decay, (1 + step) / (10 + step)).
func (s *stepper) averageInto(t *tensor.Trace, values []*tensor.Tensor) {
	if s.average == nil {
		return
	}
	step := t.Int("step").To(tensor.Float32)
	decay := step.AddScalar(1).Div(step.AddScalar(10)).Minimum(tensor.Scalar(s.opts.EMA))
	next := map[*tensor.Tensor]*tensor.Tensor{}
	for i, p := range s.optim.Params() {
		next[p.Value] = values[i]
	}
	from := nn.Params(s.model)
	for i, v := range nn.Params(s.average) {
		x, trained := next[from[i].Value]
		if !trained {
			x = from[i].Value
		}
		if v.Value.DType() != tensor.Float32 {
			t.Assign(v.Value, x) // counters
			continue
		}
		// Running statistics are averaged alike: those of the last weights
		// are not those of weights that lag behind them.
		t.Assign(v.Value, x.Add(decay.Mul(v.Value.Sub(x))))
	}
}

// evaluated is the model whose weights count: the averaged one if there is
// one.
func (s *stepper) evaluated() nn.Module {
	if s.average != nil {
		return s.average
	}
	return s.model
}

// variables are everything that a checkpoint holds.
func (s *stepper) variables() []nn.Param {
	vars := append(nn.Params(s.model), prefixed(optimizerPrefix, s.optim.State())...)
	if s.scaler != nil {
		vars = append(vars, prefixed(optimizerPrefix, s.scaler.State())...)
	}
	if s.average != nil {
		vars = append(vars, prefixed(averagePrefix, nn.Params(s.average))...)
	}
	return vars
}

func (s *stepper) close() {
	for _, p := range []*tensor.Program{s.update, s.add} {
		if p != nil {
			p.Close()
		}
	}
	for _, v := range s.variables() {
		v.Value.Free()
	}
	for _, v := range s.sums {
		v.Free()
	}
	s.order.Free()
	s.data.free()
}
