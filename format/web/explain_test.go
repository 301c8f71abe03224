package web

import (
	"slices"
	"testing"

	"github.com/weft-ml/weft/nn"
	"github.com/weft-ml/weft/tensor"
	"github.com/weft-ml/weft/train"
)

// block is a residual block whose activation uses its input twice, as zoo's
// networks have them.
type block struct {
	Conv *nn.Conv2d
	Norm *nn.BatchNorm
}

func (b *block) Forward(x *tensor.Tensor) *tensor.Tensor {
	y := b.Norm.Forward(b.Conv.Forward(x)).Add(x)
	return y.Mul(y.Sigmoid())
}

func explainedModel(blocks int) Model {
	rng := nn.NewRNG(5)
	net := nn.Sequential{nn.NewConv2d(rng, 3, 4, 3, nn.ConvOptions{Padding: 1})}
	for range blocks {
		net = append(net, &block{nn.NewConv2d(rng, 4, 4, 3, nn.ConvOptions{Padding: 1, NoBias: true}), nn.NewBatchNorm(4, nn.BatchNormOptions{})})
	}
	net = append(net, nn.Func(func(x *tensor.Tensor) *tensor.Tensor { return x.Mean(2, 3) }), nn.NewLinear(rng, 4, 3, nn.LinearOptions{}))
	return Model{Title: "explained", Net: net, Classes: []string{"a", "b", "c"},
		Preprocessing: train.Preprocessing{Channels: 3, Height: 8, Width: 8, Scale: 1.0 / 255, Mean: []float32{0, 0, 0}, Std: []float32{1, 1, 1}}}
}

func planOf(t *testing.T, m Model, o Options) *Plan {
	t.Helper()
	files, err := Write(m, o)
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(files, func(f File) bool { return f.Name == PlanFile })
	p, err := ReadPlan(files[i].Data)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func named(p *Plan, name string) *Program {
	for i := range p.Kernels.WebGPU.Programs {
		if q := &p.Kernels.WebGPU.Programs[i]; q.Name == name && q.Adapter != "software" {
			return q
		}
	}
	return nil
}

func TestExplainedLayers(t *testing.T) {
	p := planOf(t, explainedModel(2), Options{Batch: 1, Explain: true})
	f, s := named(p, Features), named(p, Saliency)
	if f == nil || s == nil {
		t.Fatal("no programs")
	}
	var names []string
	for _, r := range f.Results {
		names = append(names, r.Name)
		if !slices.Equal(r.Shape, []int{4, 8, 8}) {
			t.Errorf("%s is %v", r.Name, r.Shape)
		}
	}
	if want := []string{"0", "1.conv", "2.conv"}; !slices.Equal(names, want) {
		t.Errorf("layers %q, want %q", names, want)
	}
	if s.Class == nil || len(s.Results) != 1 || !slices.Equal(s.Results[0].Shape, []int{3, 8, 8}) {
		t.Errorf("%+v", s)
	}
	// Nothing of it is in the way of who only predicts: the arenas are apart.
	plain := planOf(t, explainedModel(2), Options{Batch: 1})
	if named(plain, Features) != nil || named(plain, Saliency) != nil {
		t.Error("explained without being asked")
	}
	arena := func(p *Plan) int {
		i := slices.IndexFunc(p.Kernels.WebGPU.Buffers, func(b Buffer) bool { return b.Label == "temporaries" })
		return p.Kernels.WebGPU.Buffers[i].Size
	}
	if arena(p) != arena(plain) {
		t.Errorf("predicting takes %d bytes with explanations and %d without", arena(p), arena(plain))
	}
}

// TestExplainedLayersAreBounded: of many layers the first and the last are there.
func TestExplainedLayersAreBounded(t *testing.T) {
	f := named(planOf(t, explainedModel(24), Options{Batch: 1, Explain: true}), Features)
	if n := len(f.Results); n != mostFeatures || f.Results[0].Name != "0" || f.Results[n-1].Name != "24.conv" {
		t.Errorf("%d layers: %+v", n, f.Results)
	}
}

// TestExplainWithoutConvolutions: a perceptron has a gradient and no maps.
func TestExplainWithoutConvolutions(t *testing.T) {
	m := explainedModel(0)
	m.Net = nn.Sequential{nn.Func(func(x *tensor.Tensor) *tensor.Tensor { return x.Reshape(x.Dim(0), -1) }), nn.NewLinear(nn.NewRNG(1), 192, 3, nn.LinearOptions{})}
	p := planOf(t, m, Options{Batch: 1, Explain: true})
	if named(p, Saliency) == nil || named(p, Features) != nil {
		t.Error("want saliency alone")
	}
}
