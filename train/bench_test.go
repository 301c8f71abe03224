package train_test

import (
	"context"
	"errors"
	"testing"

	"github.com/weft-ml/weft/data/synthetic"
	"github.com/weft-ml/weft/train"
	"github.com/weft-ml/weft/train/recipes"
)

// BenchmarkStep is the training step of the 784-128-10 perceptron as a run
// does it; allocs/op must be 0.
func BenchmarkStep(b *testing.B) {
	digits := synthetic.Digits(20000, 1)
	for name, o := range map[string]train.Options{
		"sgd-32":      {Batch: 32, Optimizer: "sgd", LR: 0.05, Schedule: "cosine"},
		"adamw-128":   {Batch: 128, Optimizer: "adamw", LR: 0.001, Schedule: "cosine", EMA: 0.999},
		"augment-128": {Batch: 128, Optimizer: "sgd", LR: 0.05, Schedule: "cosine", Augment: train.Augment{Shift: 0.05, Rotate: 8, Scale: 0.1}},
	} {
		b.Run(name, func(b *testing.B) {
			o.Epochs = 1 << 20
			done := errors.New("measured")
			ctx, cancel := context.WithCancelCause(context.Background())
			steps := 0
			watch := func(p train.Progress) {
				if steps = p.Step; steps >= b.N+64 {
					cancel(done)
				} else if steps < 64 {
					b.ResetTimer()
				}
			}
			r := recipes.MNISTMLP
			t, err := train.New(train.Config{Recipe: &r, Options: o, Train: digits, Observer: train.Observer{Progress: watch}})
			if err != nil {
				b.Fatal(err)
			}
			defer t.Close()
			b.ReportAllocs()
			if _, err := t.Run(ctx); !errors.Is(err, done) {
				b.Fatal(err)
			}
			b.ReportMetric(float64(steps)/b.Elapsed().Seconds(), "steps/s")
		})
	}
}
