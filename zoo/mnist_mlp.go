// Package zoo holds ready-made models, a short file for each.
//
// They are meant to be read and copied as much as to be used: each is what a
// user would write, from nn's public layers alone.
package zoo

import "github.com/weft-ml/weft/nn"

// MNISTMLP returns the 784-128-ReLU-10 network for handwritten digits, of
// 101,770 parameters. Its input is [n, 784], its output the logits [n, 10].
func MNISTMLP(rng *nn.RNG) nn.Sequential { return MLP(rng, 28*28, 128, 10) }
