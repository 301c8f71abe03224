package train

import (
	"errors"
	"path/filepath"
	"slices"
	"testing"

	"github.com/weft-ml/weft/data"
	"github.com/weft-ml/weft/nn"
	"github.com/weft-ml/weft/tensor"
)

// still are options that leave weights nearly as they are.
func still() Options {
	o := testOptions()
	o.Epochs, o.LR, o.MinLR, o.Dropout, o.EMA, o.Augment = 1, 1e-9, 0, 0, 0, Augment{}
	return o
}

func floatsOf(t *testing.T, m nn.Module, name string) []float32 {
	t.Helper()
	for _, p := range nn.Params(m) {
		if p.Name == name && p.Value.DType() == tensor.Float32 {
			return slices.Clone(p.Value.Floats())
		}
	}
	t.Fatalf("no %s", name)
	return nil
}

func near(a, b []float32) bool {
	return slices.EqualFunc(a, b, func(x, y float32) bool { return x-y < 1e-5 && y-x < 1e-5 })
}

// TestFrom begins with the weights and the preprocessing of a model that was
// trained with averages, which are what counts of it.
func TestFrom(t *testing.T) {
	dir := t.TempDir()
	first := run(t, testConfig(dir))
	d := blobs(125, 7)
	d.Mean, d.Std = []float32{0.9}, []float32{2}
	for _, file := range []string{ModelFile, LastFile} {
		want, info, err := LoadModel(filepath.Join(dir, file))
		if err != nil {
			t.Fatal(err)
		}
		for _, ema := range []float64{0, 0.9} {
			o := still()
			o.EMA = ema
			tr, err := New(Config{Options: o, Train: d, Test: blobs(30, 2), From: filepath.Join(dir, file)})
			if err != nil {
				t.Fatal(err)
			}
			defer tr.Close()
			res, err := tr.Run(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if len(tr.Fresh()) > 0 || !slices.Equal(tr.Info().Preprocessing.Mean, info.Preprocessing.Mean) {
				t.Errorf("%s: fresh %v, mean %v", file, tr.Fresh(), tr.Info().Preprocessing.Mean)
			}
			if file == ModelFile && res.Test.Accuracy != first.Test.Accuracy {
				t.Errorf("accuracy %v, was %v", res.Test.Accuracy, first.Test.Accuracy)
			}
			if !near(floatsOf(t, res.Model, "1.weight"), floatsOf(t, want, "1.weight")) {
				t.Errorf("%s: other weights", file)
			}
		}
	}
}

// TestFromOtherClasses gives the network a new last layer, and nothing else.
func TestFromOtherClasses(t *testing.T) {
	dir := t.TempDir()
	run(t, testConfig(dir))
	d := blobs(124, 1)
	d.Classes = []string{"north", "south"}
	for i := range d.Labels {
		d.Labels[i] /= 2
	}
	from := filepath.Join(dir, ModelFile)
	tr, err := New(Config{Options: still(), Train: d, From: from})
	if err != nil {
		t.Fatal(err)
	}
	defer tr.Close()
	if got := tr.Fresh(); !slices.Equal(got, []string{"4.weight", "4.bias"}) {
		t.Errorf("fresh: %v", got)
	}
	old, _, err := LoadModel(from)
	if err != nil {
		t.Fatal(err)
	}
	if !near(floatsOf(t, tr.Model(), "1.weight"), floatsOf(t, old, "1.weight")) || len(floatsOf(t, tr.Model(), "4.weight")) != 16 {
		t.Error("other weights")
	}
	// It learns the new classes from there.
	o := still()
	o.Epochs, o.LR = 3, 0.1
	if res := run(t, Config{Options: o, Train: d, Test: d, From: from}); res.Test.Accuracy < 0.9 {
		t.Errorf("test accuracy %v", res.Test.Accuracy)
	}
}

func TestFromMisfits(t *testing.T) {
	dir := t.TempDir()
	run(t, testConfig(dir))
	from := filepath.Join(dir, ModelFile)
	coloured := blobs(36, 1)
	coloured.N, coloured.C, coloured.Labels = 12, 3, coloured.Labels[:12]
	coloured.Mean, coloured.Std = []float32{0, 0, 0}, []float32{1, 1, 1}
	small := blobs(36, 1)
	small.N, small.H, small.W, small.Labels = 144, 3, 3, slices.Repeat(small.Labels, 4)
	for name, d := range map[string]*data.Dataset{"colour": coloured, "size": small} {
		if tr, err := New(Config{Options: still(), Train: d, From: from}); !errors.Is(err, ErrCheckpoint) {
			t.Errorf("%s: %v", name, err)
			if err == nil {
				tr.Close()
			}
		}
	}
	if _, err := New(Config{Options: still(), Train: blobs(40, 1), From: filepath.Join(dir, "none")}); err == nil {
		t.Error("began with nothing")
	}
}
