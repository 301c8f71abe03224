package tensor_test

import (
	"math"
	"testing"

	"github.com/weft-ml/weft/device"
	. "github.com/weft-ml/weft/tensor"
)

// TestCorners is about infinities, numbers that are none, overflow, reductions
// of one element, and sizes at the ends of what 32 bits hold. A GPU may give
// something else for some of these; the reference and the processor do not.
func TestCorners(t *testing.T) {
	inf := float32(math.Inf(1))
	nan := float32(math.NaN())
	run := func(dev *device.Device, f func(x *Tensor) *Tensor, x *Tensor) []float32 {
		p, err := Compile(dev, func(_ *Trace, in []*Tensor) []*Tensor { return []*Tensor{f(in[0])} }, x)
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		out, err := p.Call(x)
		if err != nil {
			t.Fatal(err)
		}
		return out[0].Floats()
	}
	for _, c := range []struct {
		name string
		f    func(x *Tensor) *Tensor
		in   *Tensor
		want []float32
	}{
		{"large factors", func(x *Tensor) *Tensor { return x.MulScalar(1e30).MulScalar(1e30) }, New([]float32{1e-35}), []float32{1e25}},
		{"large factors from the left", func(x *Tensor) *Tensor { return Scalar(1e30).Mul(x.MulScalar(1e30)) }, New([]float32{1e-35}), []float32{1e25}},
		{"small factors", func(x *Tensor) *Tensor { return x.MulScalar(1e-30).MulScalar(1e-30) }, New([]float32{1e35}), []float32{1e-25}},
		{"small divisors", func(x *Tensor) *Tensor { return x.DivScalar(1e-29).DivScalar(1e-29) }, New([]float32{1e-35}), []float32{1e23}},
		{"LogSumExp of -Inf", func(x *Tensor) *Tensor { return x.LogSumExp(0) }, New([]float32{-inf, -inf}), []float32{-inf}},
		{"LogSumExp of Inf", func(x *Tensor) *Tensor { return x.LogSumExp(0) }, New([]float32{1, inf}), []float32{inf}},
		{"argmax nan", func(x *Tensor) *Tensor { return x.Argmax(0) }, New([]float32{1, nan, 3}), []float32{1}},
		{"argmin nan", func(x *Tensor) *Tensor { return x.Argmin(0) }, New([]float32{1, nan, 3}), []float32{1}},
		{"argmax -inf", func(x *Tensor) *Tensor { return x.Argmax(0) }, New([]float32{-inf, -inf}), []float32{0}},
		{"argmax one", func(x *Tensor) *Tensor { return x.Argmax(0) }, New([]float32{nan}), []float32{0}},
		{"amax nan", func(x *Tensor) *Tensor { return x.Amax(0) }, New([]float32{1, nan, 3}), []float32{nan}},
		{"amax one", func(x *Tensor) *Tensor { return x.Amax(0) }, New([]float32{7}), []float32{7}},
		{"amax bool", func(x *Tensor) *Tensor { return x.Gt(Scalar(0)).Amax(0) }, New([]float32{7, -1}), []float32{1}},
		{"sum bool one", func(x *Tensor) *Tensor { return x.Gt(Scalar(0)).Sum(0) }, New([]float32{7}), []float32{1}},
		{"mean int", func(x *Tensor) *Tensor { return x.To(Int32).Mean(0) }, New([]float32{1, 2}), []float32{1.5}},
		{"prod ints", func(x *Tensor) *Tensor { return x.To(Int32).Prod(0) }, New([]float32{3, 2}), []float32{6}},
		{"clamp inf", func(x *Tensor) *Tensor { return x.Clamp(-1, math.Inf(1)) }, New([]float32{-3, inf, nan}), []float32{-1, inf, nan}},
		{"clamp nan", func(x *Tensor) *Tensor { return x.Clamp(-1, 1) }, New([]float32{nan}), []float32{nan}},
		{"max nan", func(x *Tensor) *Tensor { return x.Maximum(Scalar(0)) }, New([]float32{nan}), []float32{nan}},
		{"min nan", func(x *Tensor) *Tensor { return x.Minimum(Scalar(0)) }, New([]float32{nan}), []float32{nan}},
		{"relu nan", func(x *Tensor) *Tensor { return x.Relu() }, New([]float32{nan}), []float32{nan}},
		{"sign nan", func(x *Tensor) *Tensor { return x.Sign() }, New([]float32{nan}), []float32{nan}},
		{"mod neg", func(x *Tensor) *Tensor { return x.To(Int32).Mod(FromInts([]int32{-3})) }, New([]float32{7, -7}), []float32{-2, -1}},
		{"div min", func(x *Tensor) *Tensor { return x.To(Int32).Div(FromInts([]int32{-1})) }, New([]float32{-2147483648}), []float32{-2147483648}},
		{"nan to int", func(x *Tensor) *Tensor { return x.To(Int32) }, New([]float32{nan, inf, -inf}), []float32{0, 2147483647, -2147483648}},
		{"cumsum one", func(x *Tensor) *Tensor { return x.CumSum(0) }, New([]float32{4}), []float32{4}},
		{"softmax one", func(x *Tensor) *Tensor { return x.Softmax(0) }, New([]float32{inf}), []float32{nan}},
		{"interp wide nearest", func(x *Tensor) *Tensor {
			return x.Interpolate(1, 60000, InterpolateOptions{Nearest: true}).Slice(3, 59998, 60000)
		}, Arange(70000).To(Float32).Reshape(1, 1, 1, 70000), []float32{69997, 69998}},
		{"interp wide", func(x *Tensor) *Tensor { return x.Interpolate(1, 60000, InterpolateOptions{}).Slice(3, 59998, 60000) }, Arange(70000).To(Float32).Reshape(1, 1, 1, 70000), []float32{69997.25, 69998.42}},
		{"var one", func(x *Tensor) *Tensor { return x.Var(0, 0) }, New([]float32{3}), []float32{0}},
		{"pow 0", func(x *Tensor) *Tensor { return x.PowScalar(0) }, New([]float32{nan, 0}), []float32{1, 1}},
		{"pow -1", func(x *Tensor) *Tensor { return x.PowScalar(-1) }, New([]float32{2, -4}), []float32{.5, -.25}},
		{"int pow", func(x *Tensor) *Tensor { return x.To(Int32).PowScalar(3) }, New([]float32{2, -4}), []float32{8, -64}},
		{"not", func(x *Tensor) *Tensor { return x.Not() }, New([]float32{2, 0}), []float32{0, 1}},
		{"abs min", func(x *Tensor) *Tensor { return x.To(Int32).Abs() }, New([]float32{-2147483648}), []float32{-2147483648}},
		{"onehot out", func(x *Tensor) *Tensor { return x.To(Int32).OneHot(2) }, New([]float32{-1, 2}), []float32{0, 0, 0, 0}},
		{"gather out", func(x *Tensor) *Tensor { return x.IndexSelect(0, FromInts([]int32{-5, 9})) }, New([]float32{1, 2}), []float32{1, 2}},
		{"tril huge", func(x *Tensor) *Tensor { return x.Tril(math.MaxInt32) }, New([]float32{1, 2, 3, 4}, 2, 2), []float32{1, 2, 3, 4}},
		{"triu least", func(x *Tensor) *Tensor { return x.Triu(math.MinInt32) }, New([]float32{1, 2, 3, 4}, 2, 2), []float32{1, 2, 3, 4}},
		{"triu huge", func(x *Tensor) *Tensor { return x.Triu(math.MaxInt32) }, New([]float32{1, 2, 3, 4}, 2, 2), []float32{0, 0, 0, 0}},
		{"matmul inf", func(x *Tensor) *Tensor { return x.MatMul(x) }, New([]float32{inf}, 1, 1), []float32{inf}},
		{"matmul vec", func(x *Tensor) *Tensor { return x.MatMul(x) }, New([]float32{2, 3}), []float32{13}},
		{"add int huge", func(x *Tensor) *Tensor { return x.To(Int32).AddScalar(3e9) }, New([]float32{1}), []float32{3e9}},
		{"expm1", func(x *Tensor) *Tensor { return x.Expm1() }, New([]float32{-inf, inf}), []float32{-1, inf}},
		{"sigmoid", func(x *Tensor) *Tensor { return x.Sigmoid() }, New([]float32{-inf, inf, -200, 200}), []float32{0, 1, 0, 1}},
		{"tanh", func(x *Tensor) *Tensor { return x.Tanh() }, New([]float32{-inf, inf, nan}), []float32{-1, 1, nan}},
		{"log", func(x *Tensor) *Tensor { return x.Log() }, New([]float32{0, -1, inf}), []float32{-inf, nan, inf}},
		{"exp", func(x *Tensor) *Tensor { return x.Exp() }, New([]float32{-inf, 100, nan, inf}), []float32{0, inf, nan, inf}},
		{"erf", func(x *Tensor) *Tensor { return x.Erf() }, New([]float32{-inf, inf, nan}), []float32{-1, 1, nan}},
		{"rsqrt", func(x *Tensor) *Tensor { return x.Rsqrt() }, New([]float32{0, inf, -1}), []float32{inf, 0, nan}},
		{"softplus", func(x *Tensor) *Tensor { return x.Softplus() }, New([]float32{-inf, inf, 0}), []float32{0, inf, 0.6931472}},
		{"gelu", func(x *Tensor) *Tensor { return x.Gelu() }, New([]float32{50, -50}), []float32{50, 0}},
		{"round", func(x *Tensor) *Tensor { return x.Round() }, New([]float32{2.5, -2.5, 3.5, 1e30}), []float32{2, -2, 4, 1e30}},
		{"huge const", func(x *Tensor) *Tensor { return x.MulScalar(1e300) }, New([]float32{1, -1}), []float32{inf, -inf}},
		{"pad int", func(x *Tensor) *Tensor { return x.To(Int32).Pad(7, [2]int{1, 0}) }, New([]float32{1}), []float32{7, 1}},
		{"pad bool", func(x *Tensor) *Tensor { return x.Gt(Scalar(0)).Pad(1, [2]int{1, 0}) }, New([]float32{-1}), []float32{1, 0}},
		{"concat bool int", func(x *Tensor) *Tensor { return Concat(0, x.Gt(Scalar(0)), x.To(Int32)) }, New([]float32{5}), []float32{1, 5}},
		{"slice neg", func(x *Tensor) *Tensor { return x.SliceStep(0, -3, 3, 2).Flip(0) }, New([]float32{1, 2, 3, 4}), []float32{2}},
		{"bool sub", func(x *Tensor) *Tensor { return x.Gt(Scalar(0)).Sub(x.Lt(Scalar(0))) }, New([]float32{-5, 5}), []float32{-1, 1}},
		{"bool max", func(x *Tensor) *Tensor { return x.Gt(Scalar(0)).Maximum(x.Lt(Scalar(0))) }, New([]float32{-5, 0}), []float32{1, 0}},
		{"not not", func(x *Tensor) *Tensor { return x.Gt(Scalar(0)).Not().Not() }, New([]float32{-5, 1}), []float32{0, 1}},
	} {
		for _, dev := range []*device.Device{device.CPU(), device.Reference()} {
			got := run(dev, c.f, c.in)
			ok := len(got) == len(c.want)
			for i := range min(len(got), len(c.want)) {
				g, w := got[i], c.want[i]
				ok = ok && (g == w || g != g && w != w || math.Abs(float64(g-w)) <= 1e-5*math.Abs(float64(w)))
			}
			if !ok {
				t.Errorf("%s: %s: %v, want %v", dev.Kind(), c.name, got, c.want)
			}
		}
	}
}

// The greater of two zeros of different signs has the same sign whether it is
// computed once for a block or for each element.
func TestZerosOfBlocks(t *testing.T) {
	p, err := Compile(device.CPU(), func(tr *Trace, in []*Tensor) []*Tensor {
		a, b := tr.Scalar("a"), tr.Scalar("b")
		return []*Tensor{a.Maximum(b).Reciprocal().Add(in[0]), in[0].Add(a).Maximum(in[1].Mul(b)).Reciprocal()}
	}, New([]float32{0, 0}), New([]float32{1, 1}))
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if err := p.SetScalar("b", math.Copysign(0, -1)); err != nil {
		t.Fatal(err)
	}
	out, err := p.Call(New([]float32{0, 0}), New([]float32{1, 1}))
	if err != nil {
		t.Fatal(err)
	}
	if a, b := out[0].Floats(), out[1].Floats(); a[0] != b[0] || a[0] == 0 {
		t.Errorf("%v and %v", a, b)
	}
}
