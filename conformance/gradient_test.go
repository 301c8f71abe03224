package conformance

import (
	"math"
	"testing"

	"github.com/weft-ml/weft/device"
	"github.com/weft-ml/weft/internal/ir"
	"github.com/weft-ml/weft/nn"
	"github.com/weft-ml/weft/tensor"
)

type tensorT = tensor.Tensor

// The gradients of composed operations, on every device, against finite
// differences of what the reference computes.

// sample returns n numbers in [-1.5, 1.5], away from each other and from 0,
// so that no difference steps over a kink.
func sample(n, seed int) []float32 {
	v := make([]float32, n)
	for i := range v {
		k := (i*7+seed*3)%n + 1
		v[i] = float32(3*float64(k)/float64(n+1)-1.5) + 0.1 + 0.013*float32(seed)
	}
	return v
}

// weighted makes a scalar of y in which each element counts differently.
func weighted(y *tensorT) *tensorT {
	n := y.Len()
	w := make([]float32, n)
	for i := range w {
		w[i] = float32(math.Sin(float64(3*i+1))) + 0.3
	}
	return y.Mul(tensor.New(w).Reshape(y.Shape()...)).Sum()
}

func must[T any](v T, err error) func(t *testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func checkGradients(t *testing.T, name string, f func(in []*tensorT) *tensorT, shapes ...[]int) {
	t.Helper()
	data := make([][]float32, len(shapes))
	at := func(change, i int, by float64) []*tensorT {
		in := make([]*tensorT, len(shapes))
		for k, s := range shapes {
			v := append([]float32(nil), data[k]...)
			if k == change {
				v[i] = float32(float64(v[i]) + by)
			}
			in[k] = tensor.New(v).Reshape(s...)
		}
		return in
	}
	for k, s := range shapes {
		data[k] = sample(ir.NumElems(s), k)
	}
	fn := func(tr *tensor.Trace, in []*tensorT) []*tensorT { return []*tensorT{weighted(f(in))} }
	ref := must(tensor.Compile(device.Reference(), fn, at(-1, 0, 0)...))(t)
	defer ref.Close()
	value := func(in []*tensorT) float64 { return float64(must(ref.Call(in...))(t)[0].Item()) }
	want := make([][]float32, len(shapes))
	for k := range shapes {
		want[k] = make([]float32, len(data[k]))
		for i := range want[k] {
			// Fourth order: the step may be large enough for float32.
			const h = 0.02
			d := 8*(value(at(k, i, h))-value(at(k, i, -h))) - (value(at(k, i, 2*h)) - value(at(k, i, -2*h)))
			want[k][i] = float32(d / (12 * h))
		}
	}
	eachDevice(t, func(t *testing.T, dev *device.Device) {
		p := must(tensor.Compile(dev, func(tr *tensor.Trace, in []*tensorT) []*tensorT {
			return tensor.Grad(weighted(f(in)), in...)
		}, at(-1, 0, 0)...))(t)
		defer p.Close()
		for k, g := range must(p.Call(at(-1, 0, 0)...))(t) {
			got := must(g.Read())(t)
			if e := (Tolerance{Each: 1e-3}).Excess(got, want[k]); e > 1 {
				t.Errorf("%s: gradient of argument %d is %v, want %v", name, k, got, want[k])
			}
		}
	})
}

func TestGradients(t *testing.T) {
	index := tensor.FromInts([]int32{2, 0, 2, 1}, 2, 2)
	rows := tensor.FromInts([]int32{2, 0, 2, 2, 1})
	type in = []*tensorT
	for _, c := range []struct {
		name   string
		f      func(in in) *tensorT
		shapes [][]int
	}{
		{"softmax", func(x in) *tensorT { return x[0].Softmax(1) }, [][]int{{2, 3, 2}}},
		{"log_softmax", func(x in) *tensorT { return x[0].LogSoftmax(-1) }, [][]int{{3, 4}}},
		{"layer_norm", func(x in) *tensorT {
			d := x[0].Sub(x[0].MeanKeep(-1))
			return d.Mul(d.Square().MeanKeep(-1).AddScalar(1e-5).Rsqrt()).Mul(x[1]).Add(x[2])
		}, [][]int{{3, 4}, {4}, {4}}},
		{"logsumexp", func(x in) *tensorT { return x[0].LogSumExp(0, 2) }, [][]int{{2, 3, 2}}},
		{"var", func(x in) *tensorT { return x[0].Var(1, 1) }, [][]int{{2, 5}}},
		{"gather", func(x in) *tensorT { return x[0].Gather(1, index) }, [][]int{{2, 3}}},
		{"gather of part", func(x in) *tensorT { return x[0].Gather(-1, index) }, [][]int{{3, 4}}},
		{"index_select", func(x in) *tensorT { return x[0].IndexSelect(0, rows) }, [][]int{{4, 3}}},
		{"embedding", func(x in) *tensorT { return x[0].Embedding(index).Tanh() }, [][]int{{3, 4}}},
		{"slice with step", func(x in) *tensorT { return x[0].SliceStep(1, 1, 8, 3) }, [][]int{{2, 9}}},
		{"slice of slice", func(x in) *tensorT { return x[0].SliceStep(0, 0, 7, 2).Flip(0).Slice(0, 1, 3) }, [][]int{{7, 2}}},
		{"flip", func(x in) *tensorT { return x[0].Flip(0, 1).Mul(x[0]) }, [][]int{{3, 4}}},
		{"concat", func(x in) *tensorT { return tensor.Concat(1, x[0], x[1], x[0]).Exp() }, [][]int{{2, 3}, {2, 1}}},
		{"stack", func(x in) *tensorT { return tensor.Stack(1, x[0], x[1], x[0]) }, [][]int{{2, 3}, {2, 3}}},
		{"split", func(x in) *tensorT {
			p := x[0].Split(1, 2, 3)
			return p[0].Sum(1).Mul(p[1].Prod(1))
		}, [][]int{{2, 5}}},
		{"pad", func(x in) *tensorT { return x[0].Pad(0.5, [2]int{1, 0}, [2]int{0, 2}).Square() }, [][]int{{2, 3}}},
		{"cumsum", func(x in) *tensorT { return x[0].CumSum(0) }, [][]int{{5, 2}}},
		{"prod", func(x in) *tensorT { return x[0].Prod(1) }, [][]int{{3, 4}}},
		{"prod with one zero", func(x in) *tensorT { return zeroAt(x[0], 1).Prod(1) }, [][]int{{3, 4}}},
		{"prod with two zeros", func(x in) *tensorT { return zeroAt(x[0], 1, 3).Prod() }, [][]int{{2, 3}}},
		{"matmul", func(x in) *tensorT { return x[0].MatMul(x[1]) }, [][]int{{3, 4}, {4, 2}}},
		{"matmul broadcast", func(x in) *tensorT { return x[0].MatMul(x[1]) }, [][]int{{2, 1, 2, 3}, {2, 3, 2}}},
		{"matmul one for all", func(x in) *tensorT { return x[0].MatMul(x[1]) }, [][]int{{2, 2, 3}, {3, 2}}},
		{"matmul of vectors", func(x in) *tensorT { return x[0].MatMul(x[1]).MatMul(x[0]) }, [][]int{{3}, {3, 3}}},
		{"matmul with itself", func(x in) *tensorT { return x[0].MatMul(x[0].Transpose(0, 1)).MatMul(x[0]) }, [][]int{{2, 3}}},
		{"linear", func(x in) *tensorT { return x[0].Linear(x[1], x[2]).Tanh() }, [][]int{{2, 3}, {4, 3}, {4}}},
		{"broadcast both", func(x in) *tensorT { return x[0].Mul(x[1]).Add(x[1]) }, [][]int{{2, 1, 3}, {4, 1}}},
		{"broadcast scalar", func(x in) *tensorT { return x[0].Div(x[1].Exp()) }, [][]int{{2, 3}, {}}},
		{"expand", func(x in) *tensorT { return x[0].Expand(4, 2, 3).Sin() }, [][]int{{2, 1}}[:1]},
		{"reshape and permute", func(x in) *tensorT { return x[0].Permute(2, 0, 1).Reshape(4, 3).Mul(x[1]) }, [][]int{{3, 2, 2}, {4, 3}}},
		{"tril", func(x in) *tensorT { return x[0].Tril(-1).Add(x[0].Triu(1).Square()) }, [][]int{{3, 4}}},
		{"where", func(x in) *tensorT { return tensor.Where(x[0].Gt(x[1]), x[0].Square(), x[1]) }, [][]int{{3, 2}, {2}}},
		{"amax", func(x in) *tensorT { return x[0].Amax(1).Mul(x[0].Amin(1)) }, [][]int{{3, 4}}},
		{"maximum", func(x in) *tensorT { return x[0].Maximum(x[1]).Mul(x[0].Minimum(x[1])) }, [][]int{{5}, {5}}},
		{"clamp", func(x in) *tensorT { return x[0].Clamp(-0.9, 0.9).Square() }, [][]int{{9}}},
		{"square by itself", func(x in) *tensorT { return x[0].Mul(x[0]) }, [][]int{{4}}},
		{"cube by itself", func(x in) *tensorT { return x[0].Mul(x[0]).Mul(x[0]) }, [][]int{{4}}},
		{"difference with itself", func(x in) *tensorT { return x[0].Sub(x[0]).Add(x[0].Add(x[0])) }, [][]int{{4}}},
		{"quotient by itself", func(x in) *tensorT { return x[0].Div(x[0]).Add(x[0].Exp().Div(x[0].Exp())) }, [][]int{{4}}},
		{"power of itself", func(x in) *tensorT { return x[0].Exp().Pow(x[0]) }, [][]int{{4}}},
		{"gelu", func(x in) *tensorT { return x[0].Gelu().Add(x[0].GeluTanh()) }, [][]int{{5}}},
		{"silu and mish", func(x in) *tensorT { return x[0].Silu().Mul(x[0].Mish()) }, [][]int{{5}}},
		{"elu and softplus", func(x in) *tensorT { return x[0].Elu(0.5).Add(x[0].Softplus()) }, [][]int{{5}}},
		{"hardswish", func(x in) *tensorT { return x[0].Hardswish().Add(x[0].LeakyRelu(0.1)) }, [][]int{{5}}},
		{"attention", func(x in) *tensorT {
			scores := x[0].MatMul(x[1].Transpose(-1, -2)).MulScalar(0.7)
			return scores.Softmax(-1).MatMul(x[2])
		}, [][]int{{2, 3, 2}, {2, 3, 2}, {2, 3, 2}}},
		{"two layers", func(x in) *tensorT { return x[0].Linear(x[1], x[2]).Tanh().Linear(x[3], nil).LogSoftmax(-1) },
			[][]int{{2, 3}, {4, 3}, {4}, {3, 4}}},
		{"cross entropy", func(x in) *tensorT {
			return nn.CrossEntropy(x[0], tensor.FromInts([]int32{1, 0, 3}), nn.ClassOptions{Smoothing: 0.1})
		}, [][]int{{3, 4}}},
		{"layer and group norm", func(x in) *tensorT {
			g := nn.GroupNorm{Weight: x[1], Groups: 2, Eps: 1e-3}
			return g.Forward(x[0]).Add((&nn.LayerNorm{Weight: x[2], Eps: 1e-3}).Forward(x[0]))
		}, [][]int{{2, 4, 3}, {4}, {3}}},
		{"squeeze excite", func(x in) *tensorT {
			return (&nn.SqueezeExcite{FC1: &nn.Conv2d{Weight: x[1]}, FC2: &nn.Conv2d{Weight: x[2]}, Activation: nn.SiLU{}}).Forward(x[0])
		}, [][]int{{2, 3, 2, 2}, {2, 3, 1, 1}, {3, 2, 1, 1}}},
		{"adaptive max pool", func(x in) *tensorT { return x[0].AdaptiveMaxPool2d(2, 3) }, [][]int{{1, 2, 5, 4}}},
		{"interpolate", func(x in) *tensorT {
			return x[0].Interpolate(5, 2, tensor.InterpolateOptions{}).Mul(x[0].Interpolate(5, 2, tensor.InterpolateOptions{Nearest: true}))
		}, [][]int{{1, 2, 3, 4}}},
		{"interpolate, aligned", func(x in) *tensorT {
			return x[0].Interpolate(2, 7, tensor.InterpolateOptions{AlignCorners: true})
		}, [][]int{{1, 2, 3, 4}}},
		// A map for each of two images, which turn by a quarter and stay inside.
		{"grid sample", func(x in) *tensorT {
			theta := x[1].MulScalar(0.02).Add(tensor.New([]float32{0.5, 0.2, 0.1, -0.2, 0.45, 0.03}, 1, 2, 3))
			return x[0].GridSample(tensor.AffineGrid(theta, 2, 3, false), tensor.SampleOptions{})
		}, [][]int{{2, 2, 5, 6}, {2, 2, 3}}},
		{"grid sample at the border", func(x in) *tensorT {
			theta := x[1].MulScalar(0.02).Add(tensor.New([]float32{1.3, 0.2, 0.1, -0.2, 1.21, 0.03}, 1, 2, 3))
			return x[0].GridSample(tensor.AffineGrid(theta, 2, 3, true), tensor.SampleOptions{Border: true, AlignCorners: true})
		}, [][]int{{1, 2, 5, 6}, {1, 2, 3}}},
		{"grid sample, cubic and mirrored", func(x in) *tensorT {
			theta := x[1].MulScalar(0.02).Add(tensor.New([]float32{1.3, 0.2, 0.1, -0.2, 1.21, 0.03}, 1, 2, 3))
			return x[0].GridSample(tensor.AffineGrid(theta, 2, 3, true), tensor.SampleOptions{Cubic: true, Reflection: true})
		}, [][]int{{1, 1, 4, 3}, {1, 2, 3}}},
		{"grid sample of volumes", func(x in) *tensorT {
			theta := x[1].MulScalar(0.02).Add(tensor.New([]float32{0.5, 0.2, 0.1, 0.1, -0.2, 0.45, 0.1, 0.03, 0.1, 0.2, 0.4, 0.05}, 1, 3, 4))
			return x[0].GridSample(tensor.AffineGrid3d(theta, 2, 1, 2, false), tensor.SampleOptions{})
		}, [][]int{{1, 1, 3, 3, 4}, {1, 3, 4}}},
		{"volumes", func(x in) *tensorT {
			o := tensor.Conv3dOptions{Stride: [3]int{2, 1, 2}, Padding: [3]int{1, 0, 1}, Groups: 2}
			return x[0].Conv3d(x[1], x[2], o).Tanh().ConvTranspose3d(x[3], nil, o, [3]int{1, 0, 1})
		}, [][]int{{1, 2, 4, 3, 4}, {4, 1, 3, 2, 3}, {4}, {4, 1, 2, 2, 2}}},
		{"scatter", func(x in) *tensorT {
			index := tensor.FromInts([]int32{2, 0, 2, 1, 3, 1, 0, 2}, 2, 4)
			y := x[0].Scatter(1, index, x[1], tensor.ScatterAdd).Scatter(1, index, x[2], tensor.ScatterMul)
			return y.Mul(x[0].Scatter(1, index, x[1], tensor.ScatterReplace)).Add(x[0].Scatter(0, index, x[2].MulScalar(1.7), tensor.ScatterMax))
		}, [][]int{{4, 4}, {2, 4}, {2, 4}}},
		{"the first in order", func(x in) *tensorT {
			some, _ := x[0].TopK(3, 1, true)
			all, _ := x[0].Sort(0, true)
			return some.Mul(all.Slice(1, 0, 3))
		}, [][]int{{3, 5}}},
		{"residual", func(x in) *tensorT {
			return nn.Residual{Body: nn.Func(func(y *tensorT) *tensorT { return y.MatMul(x[1]).Silu() })}.Forward(x[0])
		}, [][]int{{2, 3}, {3, 3}}},
	} {
		t.Run(c.name, func(t *testing.T) { checkGradients(t, c.name, c.f, c.shapes...) })
	}
}

// zeroAt is x with its columns at the given places made zero, by subtracting
// what sample put there.
func zeroAt(x *tensorT, places ...int) *tensorT {
	there := tensor.New(sample(x.Len(), 0)).Reshape(x.Shape()...)
	for _, p := range places {
		one := tensor.FromInts([]int32{int32(p % x.Dim(1))}).OneHot(x.Dim(1))
		x = x.Sub(there.Mul(one))
	}
	return x
}

// TestSecondOrder takes gradients of gradients, whose values are known.
func TestSecondOrder(t *testing.T) {
	x := []float32{-1.2, -0.4, 0.3, 0.9, 1.7, 0.05}
	v := []float32{0.5, -1, 2, 0.25, -0.75, 1.5}
	pointwise := func(second func(x float64) float64) func() []float64 {
		return func() []float64 {
			w := make([]float64, len(x))
			for i := range w {
				w[i] = second(float64(x[i])) * float64(v[i])
			}
			return w
		}
	}
	sigmoid := func(x float64) float64 { return 1 / (1 + math.Exp(-x)) }
	for _, c := range []struct {
		name string
		f    func(x *tensorT) *tensorT // to a scalar
		want func() []float64          // the Hessian times v
	}{
		{"cube", func(x *tensorT) *tensorT { return x.Mul(x).Mul(x).Sum() }, pointwise(func(x float64) float64 { return 6 * x })},
		{"power", func(x *tensorT) *tensorT { return x.PowScalar(4).Sum() }, pointwise(func(x float64) float64 { return 12 * x * x })},
		{"sin", func(x *tensorT) *tensorT { return x.Sin().Sum() }, pointwise(func(x float64) float64 { return -math.Sin(x) })},
		{"exp", func(x *tensorT) *tensorT { return x.Exp().Sum() }, pointwise(math.Exp)},
		{"tanh", func(x *tensorT) *tensorT { return x.Tanh().Sum() }, pointwise(func(x float64) float64 {
			h := math.Tanh(x)
			return -2 * h * (1 - h*h)
		})},
		{"sigmoid", func(x *tensorT) *tensorT { return x.Sigmoid().Sum() }, pointwise(func(x float64) float64 {
			s := sigmoid(x)
			return s * (1 - s) * (1 - 2*s)
		})},
		{"softplus", func(x *tensorT) *tensorT { return x.Softplus().Sum() }, pointwise(func(x float64) float64 {
			return sigmoid(x) * (1 - sigmoid(x))
		})},
		{"log of square", func(x *tensorT) *tensorT { return x.Square().AddScalar(1).Log().Sum() }, pointwise(func(x float64) float64 {
			return 2 * (1 - x*x) / ((1 + x*x) * (1 + x*x))
		})},
		{"rsqrt", func(x *tensorT) *tensorT { return x.AddScalar(3).Rsqrt().Sum() }, pointwise(func(x float64) float64 {
			return 0.75 * math.Pow(x+3, -2.5)
		})},
		{"linear", func(x *tensorT) *tensorT { return x.MulScalar(3).Sum() }, pointwise(func(float64) float64 { return 0 })},
		{"square of sum", func(x *tensorT) *tensorT { return x.Sum().Square() }, func() []float64 {
			s := 0.0
			for _, b := range v {
				s += 2 * float64(b)
			}
			return []float64{s, s, s, s, s, s}
		}},
		{"logsumexp", func(x *tensorT) *tensorT { return x.LogSumExp() }, func() []float64 {
			sum, dot := 0.0, 0.0
			p, w := make([]float64, len(x)), make([]float64, len(x))
			for i := range x {
				p[i] = math.Exp(float64(x[i]))
				sum += p[i]
			}
			for i := range x {
				p[i] /= sum
				dot += p[i] * float64(v[i])
			}
			for i := range x {
				w[i] = p[i] * (float64(v[i]) - dot)
			}
			return w
		}},
		{"quadratic form", func(x *tensorT) *tensorT {
			a := tensor.New([]float32{1, 2, -1, 0, 3, 1, 0.5, 0, -2}, 3, 3)
			m := x.Reshape(2, 3)
			return m.MatMul(a).Mul(m).Sum()
		}, func() []float64 {
			a := [3][3]float64{{1, 2, -1}, {0, 3, 1}, {0.5, 0, -2}}
			w := make([]float64, 6)
			for r := range 2 {
				for i := range 3 {
					for j := range 3 {
						w[3*r+i] += (a[i][j] + a[j][i]) * float64(v[3*r+j])
					}
				}
			}
			return w
		}},
	} {
		want := make([]float32, len(x))
		for i, w := range c.want() {
			want[i] = float32(w)
		}
		eachDevice(t, func(t *testing.T, dev *device.Device) {
			p := must(tensor.Compile(dev, func(tr *tensor.Trace, in []*tensorT) []*tensorT {
				g := tensor.Grad(c.f(in[0]), in[0])[0]
				return tensor.Grad(g.Mul(in[1]).Sum(), in[0])
			}, tensor.New(x), tensor.New(v)))(t)
			defer p.Close()
			got := must(p.Call(tensor.New(x), tensor.New(v)))(t)[0].Floats()
			if e := (Tolerance{Each: 1e-5}).Excess(got, want); e > 1 {
				t.Errorf("%s: %v, want %v", c.name, got, want)
			}
		})
	}
}
