package images

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/weft-ml/weft/data/synthetic"
	"github.com/weft-ml/weft/nn"
	"github.com/weft-ml/weft/tensor"
	"github.com/weft-ml/weft/train"
	"github.com/weft-ml/weft/zoo"
)

// TestCIFARSmallLearnsAndResumes trains the whole recipe, but for few steps, and
// once more with an interruption, to the same bits.
func TestCIFARSmallLearnsAndResumes(t *testing.T) {
	set := synthetic.Shapes(116, 1)
	config := func(dir string) train.Config {
		cfg := train.Config{Recipe: &CIFARSmall, Options: CIFARSmall.Options, Train: set, Dir: dir}
		cfg.Options.Epochs, cfg.Options.Batch, cfg.Options.ValLast = 2, 16, 20
		return cfg
	}
	var losses []float64
	whole := config(t.TempDir())
	whole.Observer.Epoch = func(e train.Epoch) { losses = append(losses, e.TrainLoss) }
	tr, err := train.New(whole)
	if err != nil {
		t.Fatal(err)
	}
	defer tr.Close()
	res, err := tr.Run(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if len(losses) != 2 || !(losses[1] < losses[0]-0.1) {
		t.Errorf("losses of the epochs %v", losses)
	}
	dir := t.TempDir()
	cut := config(dir)
	stop, cancel := context.WithCancel(context.Background())
	cut.Observer.Progress = func(p train.Progress) {
		if p.Step >= 4 {
			cancel()
		}
	}
	first, err := train.New(cut)
	if err != nil {
		t.Fatal(err)
	}
	_, err = first.Run(stop)
	first.Close()
	if !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	second, err := train.Resume(train.Config{Train: set, Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	again, err := second.Run(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	want := nn.Params(res.Model)
	for i, p := range nn.Params(again.Model) {
		if p.Value.DType() != tensor.Float32 {
			continue
		}
		if !slices.Equal(p.Value.Floats(), want[i].Value.Floats()) {
			t.Errorf("%s differs after an interruption", p.Name)
		}
	}
	if again.Validation.Loss != res.Validation.Loss {
		t.Errorf("validation loss %v after an interruption, %v without", again.Validation.Loss, res.Validation.Loss)
	}
	fitted := zoo.NewWhitening(nn.NewRNG(1), 3, 2)
	kept := set.Range(0, 96)
	if err := fitted.Fit(kept.Images, 32, 32, kept.Mean, kept.Std); err != nil {
		t.Fatal(err)
	}
	got := res.Model.(*zoo.PatchNet).Whiten.Weight.Floats()
	for i, v := range fitted.Weight.Floats() {
		if got[i] != v {
			t.Fatalf("filter value %d is %v, want %v of the images trained on", i, got[i], v)
		}
	}
}

// TestCIFARSmallFits: it is part of a page's first load.
func TestCIFARSmallFits(t *testing.T) {
	n := 0
	for _, p := range nn.Params(zoo.CIFARSmall(nn.NewRNG(1), 10)) {
		n += p.Value.Len()
	}
	if n*2 > 3e6 {
		t.Errorf("%d bytes as float16", n*2)
	}
}
