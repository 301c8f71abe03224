package onnx

import (
	"fmt"
	"math"
	"slices"
	"strings"
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

// subjects are all of the zoo, and what it does not have.
func subjects() []subject {
	list := []subject{
		{"mlp2", zoo.MLP(nn.NewRNG(2), 784, 128, 64, 10), []int{784}},
		{"transformer", newTransformer(nn.NewRNG(5), 11, 16, 8, 2, 2), []int{8}},
	}
	for i, z := range zoo.Models() {
		list = append(list, subject{z.Name, lively(z.New(nn.NewRNG(uint64(i)), z.Classes)), z.Input})
	}
	return list
}

// small leaves out networks that take seconds.
func small(list []subject) []subject {
	return slices.DeleteFunc(list, func(s subject) bool { return len(s.input) == 3 && s.input[2] > 32 })
}

func (s *subject) inputs() []Input {
	in := Input{Name: "input", Shape: append([]int{Batch}, s.input...)}
	if _, ok := s.model.(*transformer); ok {
		in.DType = tensor.Int32
	}
	return []Input{in}
}

// argument is a random input of n samples.
func (s *subject) argument(seed uint64, n int) *tensor.Tensor {
	x := random(seed, append([]int{n}, s.input...)...)
	if s.inputs()[0].DType == tensor.Float32 {
		return x
	}
	x = x.Abs().MulScalar(4).Clamp(0, 10).To(tensor.Int32)
	x.Ints()
	return x
}

// transformer is a decoder in the manner of GPT-2: it maps tokens [n, t] to
// logits of the next one [n, tokens].
type transformer struct {
	Tokens, Positions *tensor.Tensor
	Blocks            []*block
	Norm              *nn.LayerNorm
	Head              *nn.Linear
}

type block struct {
	Norm1, Norm2        *nn.LayerNorm
	QKV, Proj, Up, Down *nn.Linear
	heads               int
}

func newTransformer(rng *nn.RNG, tokens, width, length, heads, blocks int) *transformer {
	lin := func(in, out int) *nn.Linear { return nn.NewLinear(rng, in, out, nn.LinearOptions{}) }
	m := &transformer{
		Tokens:    tensor.NewVariable("tokens", rng.Normal(tokens*width, 0, 1), tokens, width),
		Positions: tensor.NewVariable("positions", rng.Normal(length*width, 0, 1), length, width),
		Norm:      nn.NewLayerNorm(width), Head: lin(width, tokens),
	}
	for range blocks {
		m.Blocks = append(m.Blocks, &block{nn.NewLayerNorm(width), nn.NewLayerNorm(width), lin(width, 3*width), lin(width, width), lin(width, 4*width), lin(4*width, width), heads})
	}
	return m
}

func (m *transformer) Forward(x *tensor.Tensor) *tensor.Tensor {
	y := m.Tokens.Embedding(x).Add(m.Positions)
	for _, b := range m.Blocks {
		y = b.Forward(y)
	}
	last := m.Norm.Forward(y)
	return m.Head.Forward(tensor.Concat(1, last.Mean(1), last.Slice(1, -1, last.Dim(1)).Squeeze(1)).Slice(1, 0, y.Dim(2)))
}

func (b *block) Forward(x *tensor.Tensor) *tensor.Tensor {
	n, t, w := x.Dim(0), x.Dim(1), x.Dim(2)
	parts := b.QKV.Forward(b.Norm1.Forward(x)).Split(2, w, w, w)
	for i, p := range parts {
		parts[i] = p.Reshape(n, t, b.heads, w/b.heads).Transpose(1, 2)
	}
	scores := parts[0].MatMul(parts[1].Transpose(2, 3)).DivScalar(math.Sqrt(float64(w / b.heads)))
	mask := tensor.Full(1, t, t).Tril(0).EqScalar(1)
	scores = tensor.Where(mask, scores, tensor.Scalar(math.Inf(-1)))
	a := scores.Softmax(-1).MatMul(parts[2]).Transpose(1, 2).Reshape(n, t, w)
	x = x.Add(b.Proj.Forward(a))
	return x.Add(b.Down.Forward(b.Up.Forward(b.Norm2.Forward(x)).Gelu()))
}

func TestRuntimeAgreesAboutModels(t *testing.T) {
	script(t)
	j := &jobs{t: t, dir: t.TempDir()}
	for _, s := range subjects() {
		for v, o := range []ExportOptions{{}, {FoldBatchNorm: true}, {Float16: true}} {
			if v > 0 && len(small([]subject{s})) == 0 {
				continue // the same operators as the small ones
			}
			o.Inputs = s.inputs()
			o.Params = nn.Params(s.model)
			o.Outputs = []string{"logits"}
			m, err := Export(forward(s.model), o)
			if err != nil {
				t.Fatalf("%s: %v", s.name, err)
			}
			t.Log(s.name, m.Operators())
			for _, batch := range []int{1, 7} {
				b := j.add(fmt.Sprintf("%s, options %d, batch %d", s.name, v, batch), m, v == 1, forward(s.model), s.argument(5, batch))
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
	want := map[string]string{
		"mnist_mlp":       "Gemm 2, Relu 1",
		"mlp2":            "Gemm 3, Relu 2",
		"mnist_cnn":       "BatchNormalization 2, Conv 4, Flatten 1, Gemm 1, MaxPool 2, Mul 4, Sigmoid 4",
		"resnet18_cifar":  "Add 8, BatchNormalization 20, Conv 20, Gemm 1, ReduceMean 1, Relu 17",
		"resnet20":        "Add 9, BatchNormalization 21, Conv 21, Gemm 1, ReduceMean 1, Relu 19",
		"cifar_fast":      "BatchNormalization 6, Conv 7, Gelu 7, Gemm 1, MaxPool 3, Mul 1, ReduceMax 1",
		"cifar_small":     "BatchNormalization 6, Conv 7, Gelu 7, Gemm 1, MaxPool 3, Mul 1, ReduceMax 1",
		"resnet18":        "Add 8, BatchNormalization 20, Conv 20, Gemm 1, MaxPool 1, ReduceMean 1, Relu 17",
		"mobilenet_v2":    "Add 10, BatchNormalization 52, Clip 35, Conv 52, Gemm 1, ReduceMean 1",
		"squeezenet1_1":   "Concat 8, Conv 26, MaxPool 3, ReduceMean 1, Relu 26",
		"efficientnet_b0": "Add 9, BatchNormalization 49, Conv 81, Gemm 1, Mul 65, ReduceMean 17, Sigmoid 65",
		"transformer":     "Add 13, Clip 1, Concat 1, Flatten 1, Gather 1, Gelu 2, Gemm 9, LayerNormalization 5, MatMul 4, Mul 2, ReduceMean 1, Reshape 34, Slice 8, Softmax 2, Transpose 8, Where 2",
	}
	for _, s := range subjects() {
		m, err := Export(forward(s.model), ExportOptions{Inputs: s.inputs(), Params: nn.Params(s.model)})
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for op, n := range m.Operators() {
			names = append(names, fmt.Sprintf("%s %d", op, n))
		}
		slices.Sort(names)
		if got := strings.Join(names, ", "); got != want[s.name] {
			t.Errorf("%s: %s\nwant %s", s.name, got, want[s.name])
		}
		folded, err := Export(forward(s.model), ExportOptions{Inputs: s.inputs(), FoldBatchNorm: true})
		if err != nil {
			t.Fatal(err)
		}
		// A norm behind an activation or a pooling has no convolution to go into.
		left := map[string]int{"mnist_cnn": 2, "cifar_fast": 3, "cifar_small": 3}[s.name]
		if n := folded.Operators()["BatchNormalization"]; n != left {
			t.Errorf("%s: %d batch norms are left after folding, want %d", s.name, n, left)
		}
	}
}

// Functions that use the number of samples in ways that layers do not.
func TestRuntimeAgreesAboutOpenBatches(t *testing.T) {
	script(t)
	j := &jobs{t: t, dir: t.TempDir()}
	for name, f := range map[string]func(x *tensor.Tensor) *tensor.Tensor{
		"samples into channels":  func(x *tensor.Tensor) *tensor.Tensor { return x.Permute(1, 0, 2).Reshape(4, -1) },
		"samples times channels": func(x *tensor.Tensor) *tensor.Tensor { return x.Reshape(-1, 6).Exp() },
		"their index": func(x *tensor.Tensor) *tensor.Tensor {
			return x.Add(tensor.Arange(x.Dim(0)).To(tensor.Float32).Reshape(-1, 1, 1))
		},
		"expanded": func(x *tensor.Tensor) *tensor.Tensor {
			return tensor.Concat(1, x.Mean(1), tensor.Arange(6).To(tensor.Float32).Reshape(1, 6).Expand(x.Dim(0), 6))
		},
		"two of each": func(x *tensor.Tensor) *tensor.Tensor {
			return x.Unsqueeze(1).Expand(x.Dim(0), 2, 4, 6).Reshape(-1, 4, 6)
		},
		"concatenated":       func(x *tensor.Tensor) *tensor.Tensor { return tensor.Concat(0, x, x.Neg()) },
		"reversed":           func(x *tensor.Tensor) *tensor.Tensor { return x.Flip(0, 2) },
		"all but the last":   func(x *tensor.Tensor) *tensor.Tensor { return tensor.Concat(0, x, x).Slice(0, 0, 2*x.Dim(0)-1) },
		"padded":             func(x *tensor.Tensor) *tensor.Tensor { return x.Pad(2, [2]int{1, 2}, [2]int{0, 1}, [2]int{}) },
		"compared with each": func(x *tensor.Tensor) *tensor.Tensor { return x.Mean(2).MatMul(x.Mean(2).Transpose(0, 1)) },
		"their mean":         func(x *tensor.Tensor) *tensor.Tensor { return x.Mean(0) },
		"over their number and twice it": func(x *tensor.Tensor) *tensor.Tensor {
			return x.DivScalar(float64(x.Dim(0))).AddScalar(2 * float64(x.Dim(0)))
		},
		"their sum":    func(x *tensor.Tensor) *tensor.Tensor { return x.Sum(0) },
		"one for all":  func(x *tensor.Tensor) *tensor.Tensor { return x.Sub(x.AmaxKeep(0)) },
		"the greatest": func(x *tensor.Tensor) *tensor.Tensor { return x.Argmax(1) },
		"running sums": func(x *tensor.Tensor) *tensor.Tensor { return x.CumSum(2) },
		"resized": func(x *tensor.Tensor) *tensor.Tensor {
			return x.Unsqueeze(1).Interpolate(7, 9, tensor.InterpolateOptions{})
		},
		"windows": func(x *tensor.Tensor) *tensor.Tensor {
			return x.Unsqueeze(1).AvgPool2d(tensor.Pool2dOptions{Kernel: [2]int{3, 2}, Stride: [2]int{1, 2}, Padding: [2]int{1, 1}, ExcludePadding: true})
		},
		"a constant": func(x *tensor.Tensor) *tensor.Tensor { return tensor.Full(3, x.Dim(0), 2) },
		"no change":  func(x *tensor.Tensor) *tensor.Tensor { return x },
	} {
		fn := func(_ *tensor.Trace, in []*tensor.Tensor) []*tensor.Tensor {
			return []*tensor.Tensor{f(in[0]), in[0].Relu()}
		}
		m, err := Export(fn, ExportOptions{Inputs: []Input{{Name: "x", Shape: []int{Batch, 4, 6}}}})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for _, n := range []int{1, 2, 7} {
			j.add(fmt.Sprintf("%s, batch %d", name, n), m, false, fn, random(uint64(n), n, 4, 6))
		}
	}
	// Bytes in either order, normalised in the model.
	net := lively(zoo.ResNet18CIFAR(nn.NewRNG(4), 10))
	scale := tensor.New([]float32{0.01, 0.02, 0.03}, 3, 1, 1)
	for _, in := range []Input{{"image", tensor.Uint8, []int{Batch, 3, 16, 16}}, {"image", tensor.Uint8, []int{Batch, 16, 16, 3}}} {
		fn := func(_ *tensor.Trace, a []*tensor.Tensor) []*tensor.Tensor {
			x := a[0].To(tensor.Float32)
			if in.Shape[3] == 3 {
				x = x.Permute(0, 3, 1, 2)
			}
			return []*tensor.Tensor{net.Forward(x.Mul(scale).AddScalar(-1))}
		}
		m, err := Export(fn, ExportOptions{Inputs: []Input{in}, Params: nn.Params(net)})
		if err != nil {
			t.Fatal(err)
		}
		pixels := make([]byte, 2*3*16*16)
		for i := range pixels {
			pixels[i] = byte(i * 37)
		}
		j.add(fmt.Sprintf("bytes %v", in.Shape), m, false, fn, tensor.FromBytes(pixels, append([]int{2}, in.Shape[1:]...)...))
	}
	j.run()
}

func TestExportErrors(t *testing.T) {
	v := tensor.NewVariable("v", make([]float32, 2), 2)
	in := []Input{{Name: "x", Shape: []int{Batch, 3}}}
	one := func(f func(t *tensor.Trace, x *tensor.Tensor) *tensor.Tensor) tensor.Function {
		return func(t *tensor.Trace, in []*tensor.Tensor) []*tensor.Tensor { return []*tensor.Tensor{f(t, in[0])} }
	}
	for says, c := range map[string]struct {
		f  tensor.Function
		in []Input
	}{
		"without inputs": {one(func(_ *tensor.Trace, x *tensor.Tensor) *tensor.Tensor { return x }), nil},
		"random numbers": {one(func(t *tensor.Trace, x *tensor.Tensor) *tensor.Tensor { return x.Add(t.Uniform(3)) }), in},
		"assigns":        {one(func(t *tensor.Trace, x *tensor.Tensor) *tensor.Tensor { return t.Assign(v, v.AddScalar(1)) }), in},
		"not in proportion": {one(func(_ *tensor.Trace, x *tensor.Tensor) *tensor.Tensor {
			return x.MulScalar(float64(x.Dim(0) * x.Dim(0)))
		}), in},
		"do not broadcast":     {one(func(_ *tensor.Trace, x *tensor.Tensor) *tensor.Tensor { return x.Add(v) }), in},
		"sizes are at least 1": {one(func(_ *tensor.Trace, x *tensor.Tensor) *tensor.Tensor { return x }), []Input{{Name: "x", Shape: []int{0}}}},
		"another structure": {one(func(_ *tensor.Trace, x *tensor.Tensor) *tensor.Tensor {
			for range x.Dim(0) {
				x = x.Exp()
			}
			return x
		}), in},
	} {
		if _, err := Export(c.f, ExportOptions{Inputs: c.in}); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", says, err)
		}
	}
}
