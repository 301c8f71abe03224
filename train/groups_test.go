package train

import (
	"context"
	"math"
	"path/filepath"
	"testing"

	"github.com/weft-ml/weft/data"
	"github.com/weft-ml/weft/nn"
	"github.com/weft-ml/weft/tensor"
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

// fitted is a layer that divides by the mean of the images it is fitted to,
// before the network of test-cnn.
type fitted struct {
	Scale *tensor.Tensor `nn:"scale,buffer"`
	Net   nn.Module
}

func (f *fitted) Forward(x *tensor.Tensor) *tensor.Tensor { return f.Net.Forward(x.Mul(f.Scale)) }

func init() {
	Register(Recipe{
		Name: "test-fitted", Options: testOptions(),
		Build: func(s Spec) (nn.Module, error) {
			r, _ := Find("test-cnn")
			net, err := r.Build(s)
			return &fitted{tensor.NewVariable("scale", []float32{0}, 1), net}, err
		},
		Fit: func(m nn.Module, d *data.Dataset) error {
			sum := 0
			for _, v := range d.Images {
				sum += int(v)
			}
			return m.(*fitted).Scale.Set([]float32{100 * float32(len(d.Images)) / float32(sum)})
		},
	})
}

// TestFittedLayers: what was computed from the images is neither trained nor
// decayed nor changed by averaging, and is in the model's file.
func TestFittedLayers(t *testing.T) {
	cfg := testConfig(t.TempDir())
	cfg.Recipe, _ = Find("test-fitted")
	o := &cfg.Options
	o.Optimizer, o.LR, o.Momentum, o.EMA, o.Epochs, o.TestFlip = "muon-sphere", 0.1, 0.6, 0.9, 2, true
	o.WeightDecay = 0.1
	want := &fitted{Scale: tensor.NewVariable("scale", []float32{0}, 1)}
	kept, _, err := o.Split(cfg.Train)
	if err != nil {
		t.Fatal(err)
	}
	if err := cfg.Recipe.Fit(want, kept); err != nil {
		t.Fatal(err)
	}
	res := run(t, cfg)
	m, info, err := LoadModel(filepath.Join(cfg.Dir, ModelFile))
	if err != nil {
		t.Fatal(err)
	}
	if got := m.(*fitted).Scale.Floats()[0]; got != want.Scale.Floats()[0] || got == 0 {
		t.Errorf("scale %v, want %v", got, want.Scale.Floats())
	}
	// The result is that of images together with their mirror images.
	s, err := Evaluate(context.Background(), nil, info.Options.Evaluated(m), blobs(30, 2), info.Preprocessing)
	if err != nil || math.Abs(s.Loss-res.Test.Loss) > 1e-6 {
		t.Errorf("%v: loss %v, want %v", err, s.Loss, res.Test.Loss)
	}
	if alone, err := Evaluate(context.Background(), nil, m, blobs(30, 2), info.Preprocessing); err != nil || alone.Loss == s.Loss {
		t.Errorf("%v: the mirror images changed nothing", err)
	}
}

// TestAveragedStatistics compares the averages of running statistics with those
// of a plain program.
func TestAveragedStatistics(t *testing.T) {
	cfg := testConfig(t.TempDir())
	cfg.Recipe, _ = Find("test-cnn")
	o := &cfg.Options
	o.EMA, o.Epochs, o.ValFraction, o.Batch = 0.5, 1, 0, 25
	tr, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer tr.Close()
	find := func(m nn.Module) *tensor.Tensor {
		for _, p := range nn.Params(m) {
			if p.Name == "2.running_mean" {
				return p.Value
			}
		}
		t.Fatal("no running mean")
		return nil
	}
	before := find(tr.step.model).Floats()
	average := find(tr.step.average).Floats()
	for step := range 5 {
		if err := tr.step.update.Submit(1, func(_ int, s tensor.Scalars) {
			tr.step.slots[1].fill(s, o, 1, 0, step, step, 0.1)
		}); err != nil {
			t.Fatal(err)
		}
		if _, err := tr.step.update.Collect(nil); err != nil {
			t.Fatal(err)
		}
		decay := min(0.5, float32(1+step)/float32(10+step))
		for i := range average {
			average[i] = before[i] + decay*(average[i]-before[i])
		}
		got := find(tr.step.average).Floats()
		for i, want := range average {
			if d := got[i] - want; d > 1e-5 || d < -1e-5 {
				t.Fatalf("step %d: averaged mean %d is %v, want %v", step, i, got[i], want)
			}
		}
		before = find(tr.step.model).Floats()
	}
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
			// Counters are copied as they were when the step began.
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
