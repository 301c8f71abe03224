package conformance

import (
	"math"
	"testing"

	"github.com/weft-ml/weft/device"
	"github.com/weft-ml/weft/tensor"
)

// What is composed of rows of the table: activations far out and with what is not
// a number, their gradients, those of maxima, and casts of constants, which the
// compiler computes. The wanted values are PyTorch's formulas in float64.

func TestTableOfActivationsFarOut(t *testing.T) {
	x := []float32{nan, inf, -inf, most, -most, 1e20, -1e20, 1000, -1000, 100, -100, 20, -20, 5, -5, 0}
	sigmoid := func(x float64) float64 { return 1 / (1 + math.Exp(-x)) }
	softplus := func(x float64) float64 { return max(x, 0) + math.Log1p(math.Exp(-math.Abs(x))) }
	step := func(x float64) float64 { return float64(b2f(x > 0)) }
	cases := []struct {
		name string
		f    func(x *tensorT) *tensorT
		y, g func(x float64) float64 // value and gradient; no gradient asked where g is nil
	}{
		{"softplus", (*tensorT).Softplus, softplus, sigmoid},
		{"sigmoid", (*tensorT).Sigmoid, sigmoid, func(x float64) float64 { return sigmoid(x) * sigmoid(-x) }},
		{"silu", (*tensorT).Silu, func(x float64) float64 { return x * sigmoid(x) }, func(x float64) float64 { return sigmoid(x) + x*sigmoid(x)*sigmoid(-x) }},
		{"mish", (*tensorT).Mish, func(x float64) float64 { return x * math.Tanh(softplus(x)) }, nil},
		{"gelu", (*tensorT).Gelu, func(x float64) float64 { return x * 0.5 * math.Erfc(-x/math.Sqrt2) }, func(x float64) float64 {
			return 0.5*math.Erfc(-x/math.Sqrt2) + x*math.Exp(-x*x/2)/math.Sqrt(2*math.Pi)
		}},
		{"elu", func(x *tensorT) *tensorT { return x.Elu(1) }, func(x float64) float64 {
			if x > 0 {
				return x
			}
			return math.Expm1(x)
		}, func(x float64) float64 {
			if x > 0 {
				return 1
			}
			return math.Exp(x)
		}},
		{"leaky_relu", func(x *tensorT) *tensorT { return x.LeakyRelu(0.01) }, func(x float64) float64 {
			if x > 0 {
				return x
			}
			return 0.01 * x
		}, func(x float64) float64 { return 0.01 + 0.99*step(x) }},
		{"tanh", (*tensorT).Tanh, math.Tanh, func(x float64) float64 { return 1 - math.Tanh(x)*math.Tanh(x) }},
	}
	eachDevice(t, func(t *testing.T, dev *device.Device) {
		for _, c := range cases {
			in := tensor.New(x)
			p := compileFor(t, dev, func(_ *tensor.Trace, in []*tensorT) []*tensorT {
				y := c.f(in[0])
				return append([]*tensorT{y}, tensor.Grad(y.Sum(), in[0])...)
			}, in)
			out := call(t, p, in)
			for k, f := range []func(float64) float64{c.y, c.g} {
				if f == nil {
					continue
				}
				got := must(out[k].Read())(t)
				for i, v := range x {
					if k == 1 && math.IsNaN(float64(v)) && c.name == "leaky_relu" {
						continue // PyTorch's is the slope, as of what is not above 0
					}
					// The tail of 1+erf and 1-tanh^2 has no more digits than a float near 1.
					want := f(float64(v))
					if w := float32(want); !same(got[i], w, 4e-5) && !(math.Abs(float64(got[i])-want) < 1e-6) {
						t.Errorf("%s %s(%g) = %g, want %g", []string{"value of", "gradient of"}[k], c.name, v, got[i], w)
					}
				}
			}
		}
	})
}

// A maximum that is not a number has no place that it came from; each device must
// say the same of it (docs/numbers.md).
func TestTableOfGradientsOfMaxima(t *testing.T) {
	x := []float32{1, nan, 2, 3, 3, -inf, inf, 0, inf, -inf, -inf, -inf}
	half := float32(0.5)
	third := float32(1.0 / 3)
	y := []float32{1, 1, nan, 2, 4, -inf, inf, nan, 1, 0, inf, -inf}
	eachDevice(t, func(t *testing.T, dev *device.Device) {
		for _, c := range []struct {
			name string
			f    func(x, y *tensorT) *tensorT
			want []float32
		}{
			{"amax", func(x, _ *tensorT) *tensorT { return x.Reshape(4, 3).Amax(1) }, []float32{nan, nan, nan, half, half, 0, half, 0, half, third, third, third}},
			{"max_pool2d", func(x, _ *tensorT) *tensorT {
				return x.Reshape(4, 1, 1, 3).MaxPool2d(tensor.Pool2dOptions{Kernel: [2]int{1, 3}})
			}, []float32{nan, nan, nan, half, half, 0, half, 0, half, third, third, third}},
			{"maximum", (*tensorT).Maximum, []float32{half, 1, 1, 1, 0, half, half, 1, 1, 0, 0, half}},
			{"minimum", (*tensorT).Minimum, []float32{half, 1, 1, 0, 1, half, half, 1, 0, 1, 1, half}},
		} {
			in := []*tensorT{tensor.New(x), tensor.New(y)}
			p := compileFor(t, dev, func(_ *tensor.Trace, in []*tensorT) []*tensorT {
				return tensor.Grad(c.f(in[0], in[1]).Sum(), in[0])
			}, in...)
			got := must(call(t, p, in...)[0].Read())(t)
			for i, w := range c.want {
				if !same(got[i], w, 1e-6) {
					t.Errorf("%s: %v, want %v", c.name, got, c.want)
					break
				}
			}
		}
	})
}

// The compiler's own arithmetic with constants is that of the kernels.
func TestTableOfFoldedConstants(t *testing.T) {
	values := []float64{math.NaN(), math.Inf(1), math.Inf(-1), 3e9, -3e9, 1e60, -1e60, 0x1p31, -0x1p31, 2147483583, 1.99, -1.99, math.Copysign(0, -1), 0, 1e-60}
	type form struct {
		name string
		f    func(c *tensorT) *tensorT
		want func(x float32) float32
	}
	forms := []form{
		{"to int", func(c *tensorT) *tensorT { return c.To(tensor.Int32).To(tensor.Float32) }, func(x float32) float32 {
			if x != x {
				return 0
			}
			return float32(max(math.MinInt32, min(math.MaxInt32, math.Trunc(float64(x)))))
		}},
		{"to bool", func(c *tensorT) *tensorT { return c.To(tensor.Bool).To(tensor.Float32) }, func(x float32) float32 { return b2f(x != 0) }},
		{"relu", (*tensorT).Relu, func(x float32) float32 {
			if x != x {
				return x
			}
			return max(x, 0)
		}},
		{"minus itself", func(c *tensorT) *tensorT { return c.Sub(c) }, func(x float32) float32 { return x - x }},
		{"differs from itself", func(c *tensorT) *tensorT { return c.Ne(c).To(tensor.Float32) }, func(x float32) float32 { return b2f(x != x) }},
		{"clamp", func(c *tensorT) *tensorT { return c.Clamp(-1, 1) }, func(x float32) float32 {
			if x != x {
				return x
			}
			return max(-1, min(1, x))
		}},
	}
	eachDevice(t, func(t *testing.T, dev *device.Device) {
		in := tensor.New([]float32{1, 1})
		for _, f := range forms {
			for _, v := range values {
				p := compileFor(t, dev, func(_ *tensor.Trace, in []*tensorT) []*tensorT {
					c := tensor.Scalar(v)
					return []*tensorT{tensor.Where(in[0].Gt(tensor.Scalar(0)), f.f(c), in[0]), in[0].Add(f.f(c))}
				}, in)
				out := call(t, p, in)
				w := f.want(float32(v))
				if got := must(out[0].Read())(t)[0]; !same(got, w, 0) {
					t.Errorf("%s of the constant %g is %g, want %g", f.name, v, got, w)
				}
				if got := must(out[1].Read())(t)[0]; !same(got, 1+w, 1e-7) {
					t.Errorf("1 and %s of the constant %g is %g, want %g", f.name, v, got, 1+w)
				}
			}
		}
		// A constant -0 keeps its sign where that decides.
		p := compileFor(t, dev, func(_ *tensor.Trace, in []*tensorT) []*tensorT {
			return []*tensorT{tensor.Where(in[0].Gt(tensor.Scalar(0)), tensor.Scalar(math.Copysign(0, -1)), in[0])}
		}, in)
		if got := must(call(t, p, in)[0].Read())(t)[0]; got != 0 || !math.Signbit(float64(got)) {
			t.Errorf("the constant -0 is %g", got)
		}
	})
}
