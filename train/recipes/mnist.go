// Package recipes holds the networks for digits that weft train knows, each with
// the numbers that train it well; those for colour pictures are in its package
// images. Importing a package registers its recipes.
//
// What each reaches, and what was tried on the way, is in docs/recipes.md.
package recipes

import (
	"fmt"

	"github.com/weft-ml/weft/nn"
	"github.com/weft-ml/weft/train"
)

// MNISTMLP is the 784-128-ReLU-10 network for images of 28x28.
var MNISTMLP = train.Recipe{
	Name: "mnist-mlp",
	Doc:  "784-128-ReLU-10 perceptron for MNIST, Fashion-MNIST or synthetic digits",
	Options: train.Options{
		Epochs: 40, Batch: 128,
		Optimizer: "sgd", LR: 0.1, MinLR: 0.0005, Schedule: "cosine", Momentum: 0.9, WeightDecay: 1e-4,
		EMA: 0.999, Augment: train.Augment{Shift: 0.04, Rotate: 7, Scale: 0.07},
		Seed: 1, ValFraction: 0.1,
	},
	Presets: map[string]train.Options{
		// Plain gradient descent without validation, as the networks that Weft
		// grew from were trained.
		"seed": {
			Epochs: 15, Batch: 32,
			Optimizer: "sgd", LR: 0.05, MinLR: 0.001, Schedule: "cosine",
			Seed: 2,
		},
	},
	Build: mlp(128),
}

// MNISTMLP2 is the 784-128-64-10 network for images of 28x28.
var MNISTMLP2 = train.Recipe{
	Name:    "mnist-mlp2",
	Doc:     "784-128-64-10 perceptron with ReLU for MNIST, Fashion-MNIST or synthetic digits",
	Options: MNISTMLP.Options,
	Presets: MNISTMLP.Presets,
	Build:   mlp(128, 64),
}

func init() {
	train.Register(MNISTMLP)
	train.Register(MNISTMLP2)
}

// mlp builds a perceptron with hidden layers of the given sizes, ReLU and, in
// training, dropout behind each.
func mlp(hidden ...int) func(train.Spec) (nn.Module, error) {
	return func(s train.Spec) (nn.Module, error) {
		in := s.Channels * s.Height * s.Width
		if in == 0 || s.Classes < 2 {
			return nil, fmt.Errorf("input of %d values and %d classes", in, s.Classes)
		}
		rng := nn.NewRNG(s.Seed)
		opt := nn.LinearOptions{Init: nn.HeUniform}
		net := nn.Sequential{nn.Flatten{}}
		for _, n := range hidden {
			net = append(net, nn.NewLinear(rng, in, n, opt), nn.ReLU{})
			if s.Options.Dropout > 0 {
				net = append(net, nn.Dropout{P: s.Options.Dropout})
			}
			in = n
		}
		return append(net, nn.NewLinear(rng, in, s.Classes, opt)), nil
	}
}
