package fuse_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weft-ml/weft/device"
	"github.com/weft-ml/weft/tensor"
)

// Snapshots of graphs and plans: how many kernels something becomes, and what
// each of them reads and writes, is a result like any other. Update the files
// with go test ./internal/fuse -update and read the difference.
var update = flag.Bool("update", false, "write testdata/*.txt")

type (
	tensors = []*tensor.Tensor
	trace   = tensor.Trace
)

func variable(name string, shape ...int) *tensor.Tensor {
	n := 1
	for _, d := range shape {
		n *= d
	}
	return tensor.NewVariable(name, make([]float32, n), shape...)
}

// program is a function to look at, with the number of kernels it becomes.
type program struct {
	kernels int
	f       tensor.Function
	in      tensors
}

func layerNorm(x, gain, bias *tensor.Tensor) *tensor.Tensor {
	d := x.Sub(x.MeanKeep(-1))
	return d.Mul(d.Square().MeanKeep(-1).AddScalar(1e-5).Rsqrt()).Mul(gain).Add(bias)
}

var programs = map[string]program{
	"softmax": {1, func(_ *trace, in tensors) tensors { return tensors{in[0].Softmax(-1)} }, tensors{tensor.Zeros(64, 100)}},

	"layernorm": {3, func() tensor.Function {
		gain, bias := variable("gain", 32), variable("bias", 32)
		return func(_ *trace, in tensors) tensors {
			y := layerNorm(in[0], gain, bias)
			return append(tensors{y}, tensor.GradWith(y, in[1], in[0], gain, bias)...)
		}
	}(), tensors{tensor.Zeros(64, 32), tensor.Zeros(64, 32)}},

	"mlp": {10, func() tensor.Function {
		w1, b1, w2, b2 := variable("w1", 128, 784), variable("b1", 128), variable("w2", 10, 128), variable("b2", 10)
		images, labels := tensor.FromBytes(make([]byte, 1000*784), 1000, 784), tensor.FromBytes(make([]byte, 1000))
		order := tensor.NewIntVariable("order", make([]int32, 1000), 1000)
		return func(tr *trace, _ tensors) tensors {
			idx := order.IndexSelect(0, tensor.Arange(64).Add(tr.Int("at")))
			x := images.IndexSelect(0, idx).To(tensor.Float32).MulScalar(1.0 / 255)
			y := labels.IndexSelect(0, idx)
			logits := x.Linear(w1, b1).Relu().Linear(w2, b2)
			loss := logits.LogSoftmax(-1).Gather(1, y.Unsqueeze(1)).Mean().Neg()
			params := tensors{w1, b1, w2, b2}
			for i, g := range tensor.Grad(loss, params...) {
				tr.Assign(params[i], params[i].Sub(g.Mul(tr.Scalar("lr"))))
			}
			return tensors{loss, logits.Argmax(-1).Eq(y).To(tensor.Float32).Mean()}
		}
	}(), nil},

	"adam": {1, func() tensor.Function {
		w, m, v := variable("w", 100, 20), variable("m", 100, 20), variable("v", 100, 20)
		return func(tr *trace, in tensors) tensors {
			g := in[0]
			m1 := tr.Assign(m, m.MulScalar(0.9).Add(g.MulScalar(0.1)))
			v1 := tr.Assign(v, v.MulScalar(0.999).Add(g.Square().MulScalar(0.001)))
			step := m1.Mul(tr.Scalar("lr")).Div(v1.Mul(tr.Scalar("correction")).Sqrt().AddScalar(1e-8))
			tr.Assign(w, w.Sub(step))
			return nil
		}
	}(), tensors{tensor.Zeros(100, 20)}},

	"swap": {3, func() tensor.Function {
		a, b := variable("a", 30), variable("b", 30)
		return func(tr *trace, _ tensors) tensors {
			tr.Assign(a, b)
			tr.Assign(b, a)
			return nil
		}
	}(), nil},

	"concat and pad": {1, func(_ *trace, in tensors) tensors {
		return tensors{tensor.Concat(1, in[0], in[1], in[0].Flip(1)).Pad(-1, [2]int{1, 0}, [2]int{0, 2})}
	}, tensors{tensor.Zeros(20, 3), tensor.Zeros(20, 5)}},

	"attention": {0, func(_ *trace, in tensors) tensors {
		q, k, v := in[0].Transpose(1, 2), in[1].Transpose(1, 2), in[2].Transpose(1, 2) // [batch, heads, length, width]
		p := q.MatMul(k.Transpose(-1, -2)).MulScalar(0.25).Tril(0).Softmax(-1)
		return tensors{p.MatMul(v).Transpose(1, 2).Reshape(2, 24, 64)}
	}, tensors{tensor.Zeros(2, 24, 4, 16), tensor.Zeros(2, 24, 4, 16), tensor.Zeros(2, 24, 4, 16)}},

	// A training step of a padded convolution with SiLU, batch norm and pooling:
	// of each map only one form is stored, and of the image's gradient only the
	// image's part is computed.
	"convolution": {0, func() tensor.Function {
		w, b, gain, bias := variable("w", 32, 16, 3, 3), variable("b", 32), variable("gain", 1, 32, 1, 1), variable("bias", 1, 32, 1, 1)
		return func(_ *trace, in tensors) tensors {
			y := in[0].Conv2d(w, b, tensor.ConvOptions{Padding: [2]int{1, 1}}).Silu()
			d := y.Sub(y.MeanKeep(0, 2, 3))
			y = d.Mul(d.Square().MeanKeep(0, 2, 3).AddScalar(1e-5).Rsqrt()).Mul(gain).Add(bias)
			y = y.MaxPool2d(tensor.Pool2dOptions{Kernel: [2]int{2, 2}})
			return tensor.GradWith(y, in[1], in[0], w, b, gain, bias)
		}
	}(), tensors{tensor.Zeros(8, 16, 12, 12), tensor.Zeros(8, 32, 6, 6)}},

	// The same in mixed precision: what is stored between kernels are halves, but for
	// statistics, the gradients, and what the maximum is taken of where it is rounded
	// after the maximum.
	"mixed": {0, func() tensor.Function {
		w, b, gain, bias := variable("w", 32, 16, 3, 3), variable("b", 32), variable("gain", 1, 32, 1, 1), variable("bias", 1, 32, 1, 1)
		w2, velocity := variable("w2", 32, 32, 3, 3), variable("velocity", 32, 32, 3, 3)
		return func(tr *trace, in tensors) tensors {
			tr.SetMixed(1024)
			y := in[0].Conv2d(w, b, tensor.ConvOptions{Padding: [2]int{1, 1}}).Silu()
			d := y.Sub(y.MeanKeep(0, 2, 3))
			y = d.Mul(d.Square().MeanKeep(0, 2, 3).AddScalar(1e-5).Rsqrt()).Mul(gain).Add(bias)
			y = y.MaxPool2d(tensor.Pool2dOptions{Kernel: [2]int{2, 2}}).Conv2d(w2, nil, tensor.ConvOptions{Padding: [2]int{1, 1}})
			g := tensor.GradWith(y, in[1], w, b, gain, bias, w2)
			v := tr.Assign(velocity, velocity.MulScalar(0.9).Add(g[4]))
			tr.Assign(w2, w2.Sub(v))
			return g[:4]
		}
	}(), tensors{tensor.Zeros(8, 16, 12, 12), tensor.Zeros(8, 32, 6, 6)}},

	"reuse": {0, func() tensor.Function {
		w := variable("w", 6, 6)
		return func(tr *trace, _ tensors) tensors { // the old value is read elsewhere, so not in place
			tr.Assign(w, w.Add(w.Transpose(0, 1)))
			return tensors{w.Sum()}
		}
	}(), nil},
}

func TestSnapshots(t *testing.T) {
	for name, c := range programs {
		t.Run(name, func(t *testing.T) {
			p, err := tensor.Compile(device.Reference(), c.f, c.in...)
			if err != nil {
				t.Fatal(err)
			}
			defer p.Close()
			if n := p.KernelCount(); c.kernels > 0 && n > c.kernels {
				t.Errorf("%d kernels, want at most %d", n, c.kernels)
			}
			got := p.Graph() + "\n" + p.Plan()
			file := filepath.Join("testdata", strings.ReplaceAll(name, " ", "_")+".txt")
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatalf("%v; make it with -update", err)
			}
			if w := string(want); got != w {
				g, w := strings.Split(got, "\n"), strings.Split(w, "\n")
				for i := range max(len(g), len(w)) {
					if i >= len(g) || i >= len(w) || g[i] != w[i] {
						t.Fatalf("%s, line %d differs; if that is meant, write it with -update\n%s", file, i+1, got)
					}
				}
			}
		})
	}
}

// Compiling twice gives the same plan, to the last character.
func TestPlansAreReproducible(t *testing.T) {
	for name, c := range programs {
		var texts []string
		for range 3 {
			p, err := tensor.Compile(device.Reference(), c.f, c.in...)
			if err != nil {
				t.Fatal(err)
			}
			texts = append(texts, p.Graph()+p.Plan())
			p.Close()
		}
		if texts[0] != texts[1] || texts[1] != texts[2] {
			t.Errorf("%s: compiling again gives another plan", name)
		}
	}
}
