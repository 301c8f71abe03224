// The lab decides between any two submits whether to go on, and with which
// learning rate; a Trainer decides that itself. Both replay the same compiled
// step with the same scalars, so that the numbers of a seed are the same.

package train

import (
	"context"
	"fmt"

	"github.com/weft-ml/weft/data"
	"github.com/weft-ml/weft/device"
	"github.com/weft-ml/weft/nn"
	"github.com/weft-ml/weft/optim"
	"github.com/weft-ml/weft/tensor"
)

// StepsConfig says what NewSteps compiles.
type StepsConfig struct {
	Device *device.Device
	Model  nn.Module // keeps its present weights
	// Average takes the averaged weights where Options ask for them; it is
	// built like Model and begins with the weights that it has.
	Average nn.Module
	// Options as for a Trainer, but without accumulation.
	Options       Options
	Train         *data.Dataset // split as Options say
	Preprocessing Preprocessing
	// EvalBatch is the number of images that Validate gives the network at
	// once; 0 is a usual one. Between is called while it works.
	EvalBatch int
	Between   func()
}

// Steps is the training step of a run without a loop around it. It is not safe
// for concurrent use.
type Steps struct {
	// Rate is the learning rate of an update, counted from 0. It, Momentum and
	// WeightDecay may be changed at any time and count from the next Submit.
	Rate                  optim.Schedule
	Momentum, WeightDecay float64

	step           *stepper
	opts           Options
	prep           Preprocessing
	evalBatch      int
	between        func()
	trainN         int
	valSet         *data.Dataset
	val            *evaluator
	order          []int32 // of the images of this epoch, in all of Train
	kept           []int32 // the images to train on; nil is all
	perEpoch       int
	epoch, batch   int
	seed           int32
	momentum, wd   int // slots
	fill           func(step int, s tensor.Scalars)
	collected      func(loss, accuracy float64)
	collectResults func(_ int, r []float32)
}

// InitModel makes the network that r builds for data of the given kind with
// the initial weights of o.Seed, as a Trainer would.
func InitModel(r *Recipe, p Preprocessing, classes int, o Options, layers []Layer) (nn.Module, error) {
	spec := specOf(p, classes, o)
	spec.Layers = layers
	return r.Build(spec)
}

// NewSteps compiles the step and stands before the first batch of epoch 0.
func NewSteps(cfg StepsConfig) (_ *Steps, err error) {
	s := &Steps{opts: cfg.Options, prep: cfg.Preprocessing, evalBatch: cfg.EvalBatch, between: cfg.Between}
	o := &s.opts
	if o.micro() > 1 {
		return nil, fmt.Errorf("accumulation needs a Trainer")
	}
	if o.EMA > 0 && cfg.Average == nil {
		return nil, fmt.Errorf("averaged weights need a second network")
	}
	if err := cfg.Train.Check(); err != nil {
		return nil, err
	}
	if err := o.CheckData(cfg.Train); err != nil {
		return nil, err
	}
	set := cfg.Train
	if o.ValLast == 0 && o.ValFraction > 0 {
		// The order passes over what is held out: a copy without it would be
		// nearly all of the set again, in a tab that has little memory.
		kept, held := o.draw(set)
		s.valSet, s.kept = set.Subset(held), make([]int32, len(kept))
		for i, k := range kept {
			s.kept[i] = int32(k)
		}
		s.trainN = len(kept)
	} else {
		if set, s.valSet, err = o.Split(set); err != nil {
			return nil, err
		}
		s.trainN = set.N
	}
	s.perEpoch = o.steps(s.trainN)
	if s.perEpoch == 0 {
		return nil, fmt.Errorf("%d training images are fewer than a batch of %d; choose a smaller batch", s.trainN, o.Batch)
	}
	s.Rate, s.Momentum, s.WeightDecay = o.schedule(s.Total()), o.Momentum, o.WeightDecay
	s.step = &stepper{dev: cfg.Device, opts: o, model: cfg.Model, data: newResident(set, cfg.Preprocessing)}
	if o.EMA > 0 {
		s.step.average = cfg.Average
	}
	s.order = make([]int32, s.trainN)
	s.step.order = tensor.NewIntVariable("order", s.order, s.trainN)
	if s.step.optim, err = newOptimizer(o, nn.Trainable(cfg.Model), true); err != nil {
		return nil, err
	}
	if err := s.step.compile(); err != nil {
		s.Close()
		return nil, err
	}
	p := s.step.update
	s.momentum, s.wd = p.Slot(optim.LiveMomentum), p.Slot(optim.LiveWeightDecay)
	s.seed = int32(derive(o.Seed, purposeDevice, 0))
	s.fill = func(step int, row tensor.Scalars) {
		update := s.epoch*s.perEpoch + s.batch + step
		s.step.slots[1].fill(row, &s.opts, s.seed, s.epoch, s.batch+step, update, s.Rate(update))
		row.Set(s.momentum, float32(s.Momentum))
		row.Set(s.wd, float32(s.WeightDecay))
	}
	s.collectResults = func(_ int, r []float32) { s.collected(float64(r[0]), float64(r[1])) }
	return s, s.Seek(0, 0)
}

// Schedule is the learning rate of each update that o describes for this run's
// length: a value for Rate when o's rates have changed.
func (s *Steps) Schedule(o Options) optim.Schedule { return o.schedule(s.Total()) }

// PerEpoch is the number of updates in an epoch, Total that of all epochs.
func (s *Steps) PerEpoch() int { return s.perEpoch }

// Total is the number of updates of all epochs.
func (s *Steps) Total() int { return s.perEpoch * s.opts.Epochs }

// Left is how many updates of this epoch have not been submitted.
func (s *Steps) Left() int { return s.perEpoch - s.batch }

// Program is the compiled step.
func (s *Steps) Program() *tensor.Program { return s.step.update }

// Seek goes to a batch of an epoch and shuffles that epoch's order.
func (s *Steps) Seek(epoch, batch int) error {
	if epoch < 0 || batch < 0 || batch > s.perEpoch {
		return fmt.Errorf("no batch %d in epoch %d: there are %d", batch, epoch, s.perEpoch)
	}
	permute(s.order, s.opts.Seed, uint64(epoch))
	if s.kept != nil {
		for i, at := range s.order {
			s.order[i] = s.kept[at]
		}
	}
	s.epoch, s.batch = epoch, batch
	return s.step.order.SetInts(s.order)
}

// Submit queues n updates of this epoch. At most three submits may be
// outstanding.
func (s *Steps) Submit(n int) error {
	if n > s.Left() {
		return fmt.Errorf("%d updates of the %d that are left in this epoch", n, s.Left())
	}
	if err := s.step.update.Submit(n, s.fill); err != nil {
		return err
	}
	s.batch += n
	return nil
}

// Collect waits for the oldest outstanding submit, calls f for each of its
// updates, and returns their number; 0 is none.
func (s *Steps) Collect(f func(loss, accuracy float64)) (int, error) {
	s.collected = f
	return s.step.update.Collect(s.collectResults)
}

// Validate evaluates the held-out images, in evaluation mode and with averaged
// weights where there are such; nil without images. It compiles its program the first time.
func (s *Steps) Validate(ctx context.Context) (*Score, error) {
	if s.valSet == nil {
		return nil, nil
	}
	if s.val == nil {
		var err error
		if s.val, err = newEvaluator(s.step.dev, s.opts.Evaluated(s.step.evaluated()), s.valSet, s.prep, s.evalBatch); err != nil {
			return nil, err
		}
		s.val.between = s.between
	}
	return s.val.run(ctx)
}

// NextBatch is the network's input and the labels of the next batch without
// augmentation, for programs that look at training from aside. at is its
// position in the epoch's order, which Position gives.
func (s *Steps) NextBatch(t *tensor.Trace, at *tensor.Tensor) (x, labels *tensor.Tensor) {
	index := s.step.order.IndexSelect(0, tensor.Arange(s.opts.Batch).Add(at))
	return s.step.data.batch(t, index, Augment{})
}

// Position is where the next batch begins in the epoch's order; at an epoch's
// end it is that of the last one.
func (s *Steps) Position() int { return min(s.batch, s.perEpoch-1) * s.opts.Batch }

// Variables are the parameters, the optimizer's state and averaged weights.
func (s *Steps) Variables() []nn.Param { return s.step.variables() }

// Close returns the run's device memory. The networks keep their weights.
func (s *Steps) Close() {
	s.val.close()
	s.step.close()
}
