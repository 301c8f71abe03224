package onnx

import (
	"fmt"
	"slices"
	"testing"

	"github.com/weft-ml/weft/nn"
	"github.com/weft-ml/weft/tensor"
	"github.com/weft-ml/weft/zoo"
)

// forward is a module as a function.
func forward(m nn.Module) tensor.Function {
	return func(_ *tensor.Trace, in []*tensor.Tensor) []*tensor.Tensor { return []*tensor.Tensor{m.Forward(in[0])} }
}

// random is a tensor of standard normal numbers.
func random(seed uint64, shape ...int) *tensor.Tensor {
	n := 1
	for _, d := range shape {
		n *= d
	}
	return tensor.New(nn.NewRNG(seed).Normal(n, 0, 1), shape...)
}

// lively gives batch norms statistics that matter.
func lively(m nn.Module) nn.Module {
	rng := nn.NewRNG(99)
	for _, p := range nn.Params(m) {
		if p.Value.Dims() != 1 || p.Value.DType() != tensor.Float32 {
			continue
		}
		lo, hi := -0.5, 0.5
		if p.Buffer {
			lo, hi = 0.5, 2
		}
		if err := p.Value.Set(rng.Uniform(p.Value.Len(), lo, hi)); err != nil {
			panic(err)
		}
	}
	return m
}

type subject struct {
	name  string
	model nn.Module
	input []int // without the samples
}

func subjects() []subject {
	return []subject{
		{"mlp", zoo.MNISTMLP(nn.NewRNG(1)), []int{784}},
		{"mlp2", zoo.MLP(nn.NewRNG(2), 784, 128, 64, 10), []int{784}},
		{"cnn", lively(zoo.MNISTCNN(nn.NewRNG(3))), []int{1, 28, 28}},
		{"resnet18", lively(zoo.ResNet18CIFAR(nn.NewRNG(4), 10)), []int{3, 32, 32}},
	}
}

func TestRuntimeAgreesAboutModels(t *testing.T) {
	script(t)
	j := &jobs{t: t, dir: t.TempDir()}
	for _, s := range subjects() {
		for v, o := range []ExportOptions{{}, {FoldBatchNorm: true}, {Float16: true}} {
			o.Inputs = []Input{{Name: "input", Shape: append([]int{Batch}, s.input...)}}
			o.Params = nn.Params(s.model)
			o.Outputs = []string{"logits"}
			m, err := Export(forward(s.model), o)
			if err != nil {
				t.Fatalf("%s: %v", s.name, err)
			}
			t.Log(s.name, m.Operators())
			for _, batch := range []int{1, 7} {
				b := j.add(fmt.Sprintf("%s, options %d, batch %d", s.name, v, batch), m, v == 1, forward(s.model), random(5, append([]int{batch}, s.input...)...))
				if o.Float16 {
					b.most = 1e-2
				}
			}
		}
	}
	j.run()
}

// What each model becomes, so that a pattern that is no longer recognised shows.
func TestOperatorsOfModels(t *testing.T) {
	want := map[string]string{}
	for _, s := range subjects() {
		o := ExportOptions{Inputs: []Input{{Name: "input", Shape: append([]int{Batch}, s.input...)}}, Params: nn.Params(s.model)}
		m, err := Export(forward(s.model), o)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for op, n := range m.Operators() {
			names = append(names, fmt.Sprintf("%s %d", op, n))
		}
		slices.Sort(names)
		t.Log(s.name, names)
		_ = want
	}
}
