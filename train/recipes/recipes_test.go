package recipes

import (
	"slices"
	"strings"
	"testing"

	"github.com/weft-ml/weft/nn"
	"github.com/weft-ml/weft/tensor"
	"github.com/weft-ml/weft/train"
	"github.com/weft-ml/weft/train/recipes/images"
)

func TestRecipesBuild(t *testing.T) {
	for _, r := range train.Recipes() {
		if r.Name == Layers.Name || r.Data == train.ImageNet {
			continue // the network is in the model's file, or package zoo tests it
		}
		if err := r.Options.Check(); err != nil {
			t.Errorf("%s: %v", r.Name, err)
		}
		for name, o := range r.Presets {
			if err := o.Check(); err != nil {
				t.Errorf("%s %s: %v", r.Name, name, err)
			}
		}
		for _, dropout := range []float64{0, 0.5} {
			if dropout > 0 && r.Data != train.MNIST {
				continue // these have none
			}
			c, h, w := r.Input()
			s := train.Spec{Channels: c, Height: h, Width: w, Classes: 10, Seed: 5}
			s.Options.Dropout = dropout
			m, err := r.Build(s)
			if err != nil {
				t.Errorf("%s: %v", r.Name, err)
				continue
			}
			if got := m.Forward(tensor.Zeros(2, c, h, w)).Shape(); !slices.Equal(got, []int{2, 10}) {
				t.Errorf("%s: output %v", r.Name, got)
			}
			again, _ := r.Build(s)
			for i, p := range nn.Params(m) {
				if q := nn.Params(again)[i]; !slices.Equal(p.Value.Floats(), q.Value.Floats()) {
					t.Errorf("%s: %s differs for the same seed", r.Name, p.Name)
				}
			}
		}
	}
}

func TestParameterCounts(t *testing.T) {
	for r, want := range map[*train.Recipe]int{&MNISTMLP: 101770, &MNISTMLP2: 109386, &MNISTCNN: 87850} {
		m, err := r.Build(train.Spec{Channels: 1, Height: 28, Width: 28, Classes: 10})
		if err != nil {
			t.Fatal(err)
		}
		if got := nn.Count(nn.Params(m)); got != want {
			t.Errorf("%s has %d parameters, want %d", r.Name, got, want)
		}
	}
}

func TestWrongInputsAreRefused(t *testing.T) {
	for r, s := range map[*train.Recipe]train.Spec{
		&MNISTMLP:             {Channels: 1, Height: 28, Width: 28, Classes: 1},
		&MNISTCNN:             {Channels: 1, Height: 12, Width: 28, Classes: 10},
		&images.CIFARFast:     {Channels: 3, Height: 12, Width: 28, Classes: 10},
		&images.CIFARResNet18: {Channels: 1, Height: 32, Width: 32, Classes: 10},
	} {
		if _, err := r.Build(s); err == nil || !strings.Contains(err.Error(), "classes") {
			t.Errorf("%s built for %+v: %v", r.Name, s, err)
		}
	}
}
