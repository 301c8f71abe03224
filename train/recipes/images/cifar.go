// Package images holds the recipes for colour pictures: those for CIFAR-10, and the
// zoo's networks under their own names. Importing it registers them. It is a
// package of its own for the lab's worker, which a browser downloads and which
// has no use for them.
package images

import (
	"fmt"

	"github.com/weft-ml/weft/data"
	"github.com/weft-ml/weft/nn"
	"github.com/weft-ml/weft/train"
	"github.com/weft-ml/weft/zoo"
)

// The recipes for CIFAR-10 train on the first four batches and validate on the
// fifth. Which weights are kept does not depend on the validation: they are the
// last ones, so that the accuracy on batch 5 says how good a run of these
// numbers is, and not how lucky its best epoch was.

// CIFARResNet18 is ResNet-18 in its form for small images.
var CIFARResNet18 = train.Recipe{
	Name: "cifar-resnet18",
	Doc:  "ResNet-18 with a 3x3 stem for CIFAR-10",
	Data: train.CIFAR10,
	// Smith and Topin's cycle with Nesterov's momentum trains in 45 epochs what
	// a slowly falling rate does in 200, cutout keeps it from learning by heart,
	// and averaged weights make the epochs on the way as good as the end of a
	// shorter run. Batches of 256 instead of 512 are better in the first epochs and
	// no worse at the end; the average reaches over as many images with either.
	Options: train.Options{
		Epochs: 45, Batch: 256,
		Optimizer: "nesterov", LR: 0.25, Schedule: "onecycle", Warmup: 0.125, Momentum: 0.9, WeightDecay: 5e-4,
		LabelSmoothing: 0.1, EMA: 0.9985, Augment: train.Augment{Crop: 4, Flip: "random", Cutout: 10},
		Seed: 1, ValLast: 10000, KeepLast: true,
	},
	Presets: map[string]train.Options{
		// As the program that Weft grew from trained it.
		"seed": {
			Epochs: 200, Batch: 128,
			Optimizer: "sgd", LR: 0.1, Schedule: "cosine", Momentum: 0.9, WeightDecay: 5e-4,
			Augment: train.Augment{Crop: 4, Flip: "random"},
			Seed:    1, ValLast: 10000, KeepLast: true,
		},
	},
	Build: func(s train.Spec) (nn.Module, error) {
		if err := photographs(s, 8); err != nil {
			return nil, err
		}
		return zoo.ResNet18CIFAR(nn.NewRNG(s.Seed), s.Classes), nil
	},
}

// CIFARFast trains a small network of whitened patches in few epochs.
var CIFARFast = train.Recipe{
	Name: "cifar-fast",
	Doc:  "whitened patches and six convolutions by Muon, CIFAR-10 in the least time",
	Data: train.CIFAR10,
	Options: train.Options{
		Epochs: 20, Batch: 1000,
		Optimizer: "muon-sphere", LR: 0.24, Schedule: "linear", Warmup: 0.05, Momentum: 0.6,
		LabelSmoothing: 0.2, EMA: 0.95, Augment: train.Augment{Crop: 2, Reflect: true, Flip: "alternate"},
		Seed: 1, ValLast: 10000, KeepLast: true, TestFlip: true,
	},
	Build: patchNet(zoo.CIFARFast), Fit: whiten,
}

// CIFARSmall trains the network that is part of the page.
var CIFARSmall = train.Recipe{
	Name: "cifar-small",
	Doc:  "the network of cifar-fast with fewer channels, 2.3 MB as float16",
	Data: train.CIFAR10,
	Options: train.Options{
		Epochs: 60, Batch: 500,
		Optimizer: "muon-sphere", LR: 0.15, Schedule: "linear", Warmup: 0.03, Momentum: 0.8,
		LabelSmoothing: 0.1, EMA: 0.98, Augment: train.Augment{Crop: 3, Reflect: true, Flip: "alternate", Cutout: 8},
		Seed: 1, ValLast: 10000, KeepLast: true,
	},
	Build: patchNet(zoo.CIFARSmall), Fit: whiten,
}

// photographs checks that images are colour and not too small.
func photographs(s train.Spec, least int) error {
	if s.Channels != 3 || s.Height < least || s.Width < least || s.Classes < 2 {
		return fmt.Errorf("input of %dx%dx%d and %d classes; images are colour and at least %dx%d", s.Channels, s.Height, s.Width, s.Classes, least, least)
	}
	return nil
}

func patchNet(f func(*nn.RNG, int) *zoo.PatchNet) func(train.Spec) (nn.Module, error) {
	return func(s train.Spec) (nn.Module, error) {
		if err := photographs(s, 17); err != nil {
			return nil, err
		}
		return f(nn.NewRNG(s.Seed), s.Classes), nil
	}
}

// whitenBy is how many images the first layer is computed from: two million
// patches determine 78 covariances well.
const whitenBy = 2000

func whiten(m nn.Module, d *data.Dataset) error {
	some := d.Range(0, min(d.N, whitenBy))
	return m.(*zoo.PatchNet).Whiten.Fit(some.Images, d.H, d.W, d.Mean, d.Std)
}

func init() {
	train.Register(CIFARResNet18)
	train.Register(CIFARFast)
	train.Register(CIFARSmall)
}
