package recipes

import (
	"fmt"

	"github.com/weft-ml/weft/nn"
	"github.com/weft-ml/weft/train"
	"github.com/weft-ml/weft/zoo"
)

// MNISTCNN is the network of four convolutions for images of 28x28.
var MNISTCNN = train.Recipe{
	Name: "mnist-cnn",
	Doc:  "four convolutions with SiLU, batch norm and pooling for MNIST, Fashion-MNIST or synthetic digits",
	Options: train.Options{
		Epochs: 7, Batch: 64, Patience: 3,
		Optimizer: "muon", LR: 0.003, MinLR: 0, Schedule: "cosine", Warmup: 0.02, Momentum: 0.95, WeightDecay: 0.02,
		EMA: 0.998, Augment: train.Augment{Shift: 0.1, Rotate: 15, Scale: 0.1},
		Seed: 1, ValFraction: 0.1,
	},
	Presets: map[string]train.Options{
		// Longer, on gentler augmentation: the weights that the lab comes with.
		"best": {
			Epochs: 30, Batch: 64,
			Optimizer: "muon", LR: 0.003, MinLR: 0, Schedule: "cosine", Warmup: 0.02, Momentum: 0.95, WeightDecay: 0.02,
			EMA: 0.999, Augment: train.Augment{Shift: 0.07, Rotate: 12, Scale: 0.12},
			Seed: 1, ValFraction: 0.1,
		},
	},
	Build: func(s train.Spec) (nn.Module, error) {
		if s.Height < 20 || s.Width < 20 || s.Channels < 1 || s.Classes < 2 {
			return nil, fmt.Errorf("input of %dx%dx%d and %d classes; images are at least 20x20", s.Channels, s.Height, s.Width, s.Classes)
		}
		net := zoo.DigitCNN(nn.NewRNG(s.Seed), s.Channels, s.Height, s.Width, s.Classes)
		if p := s.Options.Dropout; p > 0 {
			last := len(net) - 1
			net = append(net[:last:last], nn.Dropout{P: p}, net[last])
		}
		return net, nil
	},
}

func init() { train.Register(MNISTCNN) }
