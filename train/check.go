// Options come from command lines, from files that anyone may have written, and
// from a page's fields. All of them are checked here and nowhere else, before a
// number is used: each alone and every product of them, so that nothing later
// has to think of overflow. The bounds are far beyond what has ever been
// sensible; what they keep out is mistyped or malicious.

package train

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/weft-ml/weft/data"
)

// Bounds of Options. Counts of updates and positions in a data set are 32-bit
// integers on the device.
const (
	maxEpochs     = 1_000_000
	maxBatch      = 1 << 20
	maxAccumulate = 1 << 20
	maxUpdate     = 1 << 30 // images of one update
	maxUpdates    = math.MaxInt32
	maxRate       = 1e6
	minRate       = 1e-30
)

// complaints are what is wrong, all of it.
type complaints []error

func (c *complaints) when(wrong bool, format string, args ...any) {
	if wrong {
		*c = append(*c, fmt.Errorf(format, args...))
	}
}

// Check reports options that make no sense, all at once. What depends on the
// data is in CheckData.
func (o *Options) Check() error {
	var bad complaints
	rate := func(v float64) bool { return v >= 0 && v <= maxRate }
	// Steps compute in float32, where 1 - 1e-9 is 1.
	share := func(v float64) bool { return v >= 0 && float32(v) < 1 }
	bad.when(o.Epochs < 1 || o.Epochs > maxEpochs, "epochs: %d, want 1 to %d", o.Epochs, maxEpochs)
	bad.when(o.Batch < 1 || o.Batch > maxBatch, "batch: %d, want 1 to %d", o.Batch, maxBatch)
	bad.when(o.Accumulate < 0 || o.Accumulate > maxAccumulate, "accumulate: %d, want 1 to %d", o.Accumulate, maxAccumulate)
	if len(bad) == 0 {
		bad.when(int64(o.Batch)*int64(o.micro()) > maxUpdate, "batch %d x accumulate %d: want at most %d images for one update", o.Batch, o.Accumulate, maxUpdate)
	}
	bad.when(!slices.Contains(Optimizers, o.Optimizer), "optimizer: %q is none of %s", o.Optimizer, strings.Join(Optimizers, ", "))
	bad.when(!slices.Contains(Schedules, o.Schedule), "schedule: %q is none of %s", o.Schedule, strings.Join(Schedules, ", "))
	bad.when(o.Precision != "" && !slices.Contains(Precisions, o.Precision), "precision: %q is none of %s", o.Precision, strings.Join(Precisions, ", "))
	bad.when(!rate(o.LR) || o.LR < minRate, "lr: %v, want %g to %g", o.LR, minRate, maxRate)
	bad.when(!rate(o.MinLR), "min-lr: %v, want 0 to %g", o.MinLR, maxRate)
	bad.when(!share(o.Warmup), "warmup: %v, want a share from 0 to 1", o.Warmup)
	bad.when(o.Optimizer == "nesterov" && o.Momentum == 0, "momentum: nesterov needs one, such as 0.9")
	bad.when(!share(o.Momentum), "momentum: %v, want 0 or more and less than 1", o.Momentum)
	bad.when(!rate(o.WeightDecay), "weight-decay: %v, want 0 to %g", o.WeightDecay, maxRate)
	bad.when(!(o.Clip >= 0 && o.Clip <= math.MaxFloat32), "clip: %v, want 0 or more", o.Clip)
	bad.when(!share(o.LabelSmoothing), "label-smoothing: %v, want 0 or more and less than 1", o.LabelSmoothing)
	bad.when(!share(o.Dropout), "dropout: %v, want 0 or more and less than 1", o.Dropout)
	bad.when(!share(o.EMA), "ema: %v, want 0 or more and less than 1", o.EMA)
	bad.when(!share(o.ValFraction), "val-fraction: %v, want 0 or more and less than 1", o.ValFraction)
	bad.when(o.Patience < 0, "patience: %d, want 0 or more", o.Patience)
	bad.when(o.ValLast < 0, "val-last: %d, want 0 or more", o.ValLast)
	bad.when(o.ValLast > 0 && o.ValFraction > 0, "val-last: %d and val-fraction %v, want one of them", o.ValLast, o.ValFraction)
	bad.when(o.Patience > 0 && o.ValFraction == 0 && o.ValLast == 0, "patience: %d needs a validation split; set val-fraction or val-last", o.Patience)
	bad = append(bad, o.Augment.check()...)
	return errors.Join(bad...)
}

func (a Augment) check() (bad complaints) {
	share := func(v float64) bool { return v >= 0 && float32(v) < 1 }
	bad.when(!share(a.Shift), "shift: %v, want a share of the side, 0 or more and less than 1", a.Shift)
	bad.when(!share(a.Scale), "scale: %v, want a share of the size, 0 or more and less than 1", a.Scale)
	bad.when(!(a.Rotate >= 0 && a.Rotate <= 180), "rotate: %v, want degrees from 0 to 180", a.Rotate)
	bad.when(a.Crop < 0 || a.Crop >= maxSide, "crop: %d, want a number of pixels smaller than the images' side", a.Crop)
	bad.when(a.Cutout < 0 || a.Cutout >= maxSide, "cutout: %d, want a number of pixels smaller than the images' side", a.Cutout)
	bad.when(!slices.Contains(flips, a.Flip), "flip: %q is none of random, alternate", a.Flip)
	bad.when(a.Reflect && a.moves(), "reflect does not go together with shift, rotate and scale")
	return bad
}

// checkSide reports what images of h x w cannot be changed by: a crop that can
// move all of one out of sight, a square that can hide all of it.
func (a Augment) checkSide(h, w int) (bad complaints) {
	side := min(h, w)
	bad.when(a.Crop > 0 && a.Crop >= side, "crop: %d pixels, but images are %dx%d; want at most %d", a.Crop, w, h, side-1)
	bad.when(a.Cutout > 0 && a.Cutout >= side, "cutout: %d pixels, but images are %dx%d; want at most %d", a.Cutout, w, h, side-1)
	return bad
}

// CheckData reports options that pass Check but make no sense for the training
// set d, before it is split.
func (o *Options) CheckData(d *data.Dataset) error {
	if err := o.Check(); err != nil {
		return err
	}
	bad := o.Augment.checkSide(d.H, d.W)
	bad.when(!o.Augment.none() && int64(d.N)*int64(d.ImageSize()) > math.MaxInt32, "%d images of %dx%dx%d bytes: want at most %d bytes in all for random changes", d.N, d.C, d.H, d.W, math.MaxInt32)
	bad.when(o.ValLast >= d.N && o.ValLast > 0, "val-last: the last %d images are all of the %d there are; set it lower", o.ValLast, d.N)
	if n := o.update(); n > d.N {
		bad.when(true, "%d training images are fewer than the %d of one update; lower --batch or --accumulate", d.N, n)
	} else {
		bad.when(int64(o.steps(d.N))*int64(o.Epochs) > maxUpdates, "epochs: %d of %d updates each, want at most %d updates in all", o.Epochs, o.steps(d.N), maxUpdates)
	}
	return errors.Join(bad...)
}
