// Options are one flat struct of numbers and names, because they are written
// into every checkpoint and compared by people: what is not in here cannot
// change the weights that a run ends with.

package train

import (
	"fmt"

	"github.com/weft-ml/weft/data"
)

// Options are the numbers of a training run that decide its result: with the
// same options, data and device two runs end in the same weights. They are
// stored in every checkpoint. A recipe fills them in; flags replace single
// ones.
type Options struct {
	Epochs int `json:"epochs"`
	Batch  int `json:"batch"` // images of one forward pass
	// Accumulate is the number of batches whose gradients are averaged for one
	// update; 0 is 1.
	Accumulate int `json:"accumulate"`

	Optimizer string  `json:"optimizer"` // one of Optimizers
	LR        float64 `json:"lr"`
	// MinLR is where the schedule ends.
	MinLR    float64 `json:"min_lr"`
	Schedule string  `json:"schedule"` // one of Schedules
	// Warmup is the share of all updates during which the rate rises from 0; for
	// onecycle that until its peak, of which 0 means 0.3.
	Warmup      float64 `json:"warmup"`
	Momentum    float64 `json:"momentum"`
	WeightDecay float64 `json:"weight_decay"`
	// Clip bounds the norm of all gradients together; 0 is no bound.
	Clip float64 `json:"clip"`

	LabelSmoothing float64 `json:"label_smoothing"`
	Dropout        float64 `json:"dropout"`
	// EMA is the decay per update of the averaged weights that are evaluated
	// and saved instead of the trained ones; 0 is no averaging.
	EMA     float64 `json:"ema"`
	Augment Augment `json:"augment"`

	// Precision is one of Precisions; "" is float32. In mixed precision large
	// activations and their gradients are stored as float16, and the loss is scaled
	// (optim.LossScaler); it changes results a little.
	Precision string `json:"precision,omitempty"`

	Seed uint64 `json:"seed"`
	// ValFraction is the share of the training set held out for validation.
	ValFraction float64 `json:"val_fraction"`
	// ValLast holds out the last so many training images instead, where a set's
	// order has a customary place for that, such as CIFAR-10's batch 5.
	ValLast int `json:"val_last,omitempty"`
	// TestFlip averages the logits of each image and of its mirror image in
	// every evaluation.
	TestFlip bool `json:"test_flip,omitempty"`
	// Patience is how many epochs may pass without a better validation
	// accuracy before training stops; 0 trains all epochs.
	Patience int `json:"patience"`
	// KeepLast tests and saves the weights of the last epoch, not those of the
	// epoch with the best validation accuracy.
	KeepLast bool `json:"keep_last"`
}

// Optimizers, Schedules and Precisions are the names that Options accept.
var (
	Optimizers = []string{"sgd", "nesterov", "adam", "adamw", "muon", "muon-sphere"}
	Schedules  = []string{"constant", "cosine", "linear", "onecycle"}
	Precisions = []string{"float32", "mixed"}
)

// micro is the number of batches of one update.
func (o *Options) micro() int { return max(1, o.Accumulate) }

// mixed reports whether activations are stored as float16.
func (o *Options) mixed() bool { return o.Precision == "mixed" }

// update is the number of images of one update.
func (o *Options) update() int { return o.Batch * o.micro() }

// steps is the number of updates in an epoch over n images. What remains after
// whole updates is left out of this epoch; the next one's order differs, so
// that no image is left out for good.
func (o *Options) steps(n int) int { return n / o.update() }

// Split divides a training set as o says: what is trained on, and what is
// validated on, nil for none.
func (o *Options) Split(d *data.Dataset) (kept, held *data.Dataset, err error) {
	switch {
	case o.ValLast >= d.N && o.ValLast > 0:
		return nil, nil, fmt.Errorf("val-last: the last %d images are all of the %d there are; set it lower", o.ValLast, d.N)
	case o.ValLast > 0:
		cut := d.N - o.ValLast
		return d.Range(0, cut), d.Range(cut, d.N), nil
	case o.ValFraction > 0:
		a, b := o.draw(d)
		return d.Subset(a), d.Subset(b), nil
	}
	return d, nil, nil
}

// draw is which images ValFraction leaves, and which it takes.
func (o *Options) draw(d *data.Dataset) (kept, held []int) {
	return d.Split(o.ValFraction, derive(o.Seed, purposeSplit, 0))
}
