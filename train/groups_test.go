package train

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/weft-ml/weft/nn"
)

func init() {
	Register(Recipe{
		Name:    "test-cnn",
		Options: testOptions(),
		Build: func(s Spec) (nn.Module, error) {
			rng := nn.NewRNG(s.Seed)
			return nn.Sequential{
				nn.NewConv2d(rng, s.Channels, 4, 3, nn.ConvOptions{}), nn.SiLU{}, nn.NewBatchNorm(4, nn.BatchNormOptions{}),
				nn.NewConv2d(rng, 4, 4, 3, nn.ConvOptions{}), nn.SiLU{}, nn.NewBatchNorm(4, nn.BatchNormOptions{}),
				nn.Flatten{}, nn.NewLinear(rng, 16, s.Classes, nn.LinearOptions{}),
			}, nil
		},
	})
}

// TestTwoOptimizersAndAverages: Muon takes the kernels and AdamW the rest, so
// that the optimizer's order of parameters is not the model's, and the averages
// and the running statistics have to find theirs.
func TestTwoOptimizersAndAverages(t *testing.T) {
	cfg := testConfig(t.TempDir())
	cfg.Recipe, _ = Find("test-cnn")
	o := &cfg.Options
	o.Optimizer, o.LR, o.Momentum, o.EMA, o.Epochs, o.KeepLast = "muon", 0.02, 0.9, 0.9, 12, true
	res := run(t, cfg)
	if res.Test.Accuracy < 0.9 {
		t.Errorf("test accuracy %v", res.Test.Accuracy)
	}
	m, info, err := LoadModel(filepath.Join(cfg.Dir, ModelFile))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range nn.Params(m) {
		if p.Name == "2.num_batches_tracked" {
			// Averages copy what buffers were when the step began.
			if got, want := int(p.Value.Ints()[0]), res.State.Step-1; got != want {
				t.Errorf("%d batches tracked, want %d", got, want)
			}
		}
	}
	s, err := Evaluate(context.Background(), nil, m, blobs(30, 2), info.Preprocessing)
	if err != nil || s.Accuracy != res.Test.Accuracy {
		t.Errorf("the saved model scores %v (%v), the trained one %v", s, err, res.Test)
	}
}

func TestAccumulationAndBatchNorm(t *testing.T) {
	cfg := testConfig("")
	cfg.Recipe, _ = Find("test-cnn")
	o := &cfg.Options
	o.Optimizer, o.LR, o.Accumulate, o.Epochs, o.KeepLast = "muon", 0.02, 2, 8, true
	if res := run(t, cfg); res.Test.Accuracy < 0.8 {
		t.Errorf("test accuracy %v", res.Test.Accuracy)
	}
}
