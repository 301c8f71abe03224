package train

import (
	"context"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/weft-ml/weft/data"
	"github.com/weft-ml/weft/nn"
)

// blobs is a data set that a small network learns at once: 4 classes of 6x6
// images with one bright quarter each.
func blobs(n int, seed uint64) *data.Dataset {
	d := &data.Dataset{Name: "blobs", N: n, C: 1, H: 6, W: 6, Classes: []string{"nw", "ne", "sw", "se"}, Mean: []float32{0.3}, Std: []float32{0.25}}
	for i := range n {
		class := i % 4
		d.Labels = append(d.Labels, uint8(class))
		for p := range 36 {
			v := mix(seed+uint64(i*36+p)) % 90
			if p/18 == class/2 && p%6/3 == class%2 {
				v += 120
			}
			d.Images = append(d.Images, uint8(v))
		}
	}
	return d
}

func init() {
	Register(Recipe{
		Name:    "test-mlp",
		Options: testOptions(),
		Build: func(s Spec) (nn.Module, error) {
			rng := nn.NewRNG(s.Seed)
			return nn.Sequential{
				nn.Flatten{}, nn.NewLinear(rng, s.Channels*s.Height*s.Width, 8, nn.LinearOptions{Init: nn.HeUniform}), nn.ReLU{},
				nn.Dropout{P: s.Options.Dropout}, nn.NewLinear(rng, 8, s.Classes, nn.LinearOptions{}),
			}, nil
		},
	})
}

func testOptions() Options {
	return Options{
		Epochs: 3, Batch: 8, Optimizer: "sgd", LR: 0.1, Schedule: "cosine", Momentum: 0.9, Dropout: 0.2,
		Augment: Augment{Shift: 0.1, Rotate: 5}, EMA: 0.9, Clip: 5, Seed: 3, ValFraction: 0.2,
	}
}

func testConfig(dir string) Config {
	r, _ := Find("test-mlp")
	return Config{Recipe: r, Options: testOptions(), Train: blobs(125, 1), Test: blobs(30, 2), Dir: dir}
}

func run(t *testing.T, cfg Config) *Result {
	t.Helper()
	tr, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer tr.Close()
	res, err := tr.Run(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return res
}

func TestRun(t *testing.T) {
	dir := t.TempDir()
	res := run(t, testConfig(dir))
	if res.Test.Accuracy < 0.9 || res.Test.N != 30 {
		t.Errorf("test accuracy %v of %d images", res.Test.Accuracy, res.Test.N)
	}
	total := 0
	for _, row := range res.Test.Confusion {
		for _, n := range row {
			total += n
		}
	}
	if total != 30 {
		t.Errorf("the confusion matrix counts %d images of 30", total)
	}
	epochs, err := ReadEpochs(dir)
	if err != nil || len(epochs) != 3 || epochs[2].Step != 36 {
		t.Fatalf("metrics %v %+v", err, epochs)
	}
	if a, b := epochs[0].TrainLoss, epochs[2].TrainLoss; !(b < a) {
		t.Errorf("training loss went from %v to %v", a, b)
	}
	m, info, err := LoadModel(filepath.Join(dir, ModelFile))
	if err != nil {
		t.Fatal(err)
	}
	if info.Test == nil || info.Test.Accuracy != res.Test.Accuracy {
		t.Errorf("the saved model says %+v", info.Test)
	}
	s, err := Evaluate(context.Background(), nil, m, blobs(30, 2), info.Preprocessing)
	if err != nil {
		t.Fatal(err)
	}
	if s.Accuracy != res.Test.Accuracy || math.Abs(s.Loss-res.Test.Loss) > 1e-6 {
		t.Errorf("the saved model scores %v, the trained one %v", s, res.Test)
	}
	for _, name := range []string{LastFile, BestFile, EpochsCSVFile, StepsFile} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			t.Error(err)
		}
	}
}

func resume(t *testing.T, cfg Config) *Result {
	t.Helper()
	tr, err := Resume(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer tr.Close()
	res, err := tr.Run(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return res
}
