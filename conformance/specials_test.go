package conformance

import (
	"math"
	"testing"

	"github.com/weft-ml/weft/device"
	"github.com/weft-ml/weft/internal/ir"
	"github.com/weft-ml/weft/tensor"
)

// What is not a number, infinities, zeros and the ends of the range, through
// every row of the table and through what has rules of its own, on every device:
// PyTorch's rules (docs/numbers.md). They are arguments of the program and no
// constants, so that nothing is computed when it is compiled.

var (
	nan     = float32(math.NaN())
	minus   = math.Float32frombits(0xffc00000) // not a number with a sign, as x86 makes it
	inf     = float32(math.Inf(1))
	most    = float32(math.MaxFloat32)
	least   = float32(0x1p-126) // the least that is normal
	special = []float32{nan, minus, inf, -inf, 0, float32(math.Copysign(0, -1)), 1, -1, 0.5, -2, 3, most, -most, least, -least, 100, -100}
)

// same compares up to rounding; a zero's sign does not count, since maxima and
// sums may choose it.
func same(got, want float32, tol float64) bool {
	g, w := float64(got), float64(want)
	switch {
	case math.IsNaN(w) || math.IsNaN(g):
		return math.IsNaN(w) && math.IsNaN(g)
	case math.IsInf(w, 0) || math.IsInf(g, 0):
		return g == w
	}
	return math.Abs(g-w) <= tol*math.Abs(w)+1e-37
}

func TestTableOfSpecials(t *testing.T) {
	var a, b []float32
	for _, x := range special {
		for _, y := range special {
			a, b = append(a, x), append(b, y)
		}
	}
	eachDevice(t, func(t *testing.T, dev *device.Device) {
		rows(t, func(row *ir.Row, f binary) {
			if row.F32 == nil && row.Test == nil {
				return
			}
			p := compileFor(t, dev, func(_ *tensor.Trace, in []*tensorT) []*tensorT {
				return []*tensorT{f(in[0], in[1])}
			}, tensor.New(a), tensor.New(b))
			got := must(call(t, p, tensor.New(a), tensor.New(b))[0].Read())(t)
			wrong := 0
			for i := range a {
				var want float32
				if row.Test != nil {
					want = b2f(row.Test(a[i], b[i]))
				} else {
					want = row.F32(a[i], b[i], 0)
				}
				if loose[row.Name] != nil && loose[row.Name](a[i], b[i]) {
					continue
				}
				if !same(got[i], want, 4e-5) {
					if wrong++; wrong <= 3 {
						t.Errorf("%s(%g, %g) = %g, want %g", row.Name, a[i], b[i], got[i], want)
					}
				}
			}
		})
	})
}

// loose tells where a row's result is left open, with the reason.
var loose = map[string]func(a, b float32) bool{
	// The quotient overflows, underflows or is rounded up: a multiple of b less is as right.
	"mod": func(a, b float32) bool {
		q := math.Abs(float64(a) / float64(b))
		return !(q < 1e6) || q < 0x1p-126 && q > 0 || math.Abs(float64(b)) > 1e38 || math.IsInf(float64(a), 0)
	},
	// Shaders may give 0 for the reciprocal of what is so large that the reciprocal
	// is below the least normal number, and infinity for that of such a one.
	"div": func(a, b float32) bool {
		return math.Abs(float64(b)) > 0x1p125 || math.Abs(float64(b)) < 0x1p-125 && b != 0
	},
	"reciprocal": func(a, _ float32) bool {
		return math.Abs(float64(a)) > 0x1p125 && !math.IsInf(float64(a), 0)
	},
	// Not exact beyond 8000.
	"sin": func(a, _ float32) bool { return math.Abs(float64(a)) > 8000 && !math.IsInf(float64(a), 0) },
	"cos": func(a, _ float32) bool { return math.Abs(float64(a)) > 8000 && !math.IsInf(float64(a), 0) },
	// An exponent that is exact only in more digits than a float has.
	"pow": func(a, b float32) bool {
		r := math.Abs(math.Pow(math.Abs(float64(a)), float64(b)))
		return a != 1 && (r > 1e20 && r < 1e40 || r < 1e-20 && r > 1e-46)
	},
}

// What the table has no rows for.
func TestTableOfSpecialReductions(t *testing.T) {
	type test struct {
		name string
		run  func(x, zero *tensorT) *tensorT // zero is an argument, because compilers take a product with a constant 0 for 0
		want []float32
	}
	x := []float32{1, nan, 2, nan, 3, 4, -inf, -inf, -inf, inf, 1, 2, nan, nan, nan, minus, 7, 8} // rows of three
	one := func(f func(x *tensorT) *tensorT) func(x, zero *tensorT) *tensorT {
		return func(x, _ *tensorT) *tensorT { return f(x) }
	}
	tests := []test{
		{"amax", one(func(x *tensorT) *tensorT { return x.Amax(1) }), []float32{nan, nan, -inf, inf, nan, nan}},
		{"amin", one(func(x *tensorT) *tensorT { return x.Amin(1) }), []float32{nan, nan, -inf, 1, nan, nan}},
		{"argmax", one(func(x *tensorT) *tensorT { return x.Argmax(1).To(tensor.Float32) }), []float32{1, 0, 0, 0, 0, 0}},
		{"argmin", one(func(x *tensorT) *tensorT { return x.Argmin(1).To(tensor.Float32) }), []float32{1, 0, 0, 1, 0, 0}},
		{"sum", one(func(x *tensorT) *tensorT { return x.Sum(1) }), []float32{nan, nan, -inf, inf, nan, nan}},
		{"logsumexp", one(func(x *tensorT) *tensorT { return x.LogSumExp(1) }), []float32{nan, nan, -inf, inf, nan, nan}},
		{"max_pool2d", one(func(x *tensorT) *tensorT {
			return x.Reshape(6, 1, 1, 3).MaxPool2d(tensor.Pool2dOptions{Kernel: [2]int{1, 3}}).Reshape(6)
		}), []float32{nan, nan, -inf, inf, nan, nan}},
		{"clamp", one(func(x *tensorT) *tensorT { return x.Clamp(0, 1) }), []float32{1, nan, 1, nan, 1, 1, 0, 0, 0, 1, 1, 1, nan, nan, nan, nan, 1, 1}},
		{"is not a number", one(func(x *tensorT) *tensorT { return x.Ne(x).To(tensor.Float32) }), []float32{0, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 0, 0}},
		{"is a number", one(func(x *tensorT) *tensorT { return x.Eq(x).To(tensor.Float32) }), []float32{1, 0, 1, 0, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 1, 1}},
		{"to bool", func(x, zero *tensorT) *tensorT { return x.Mul(zero).To(tensor.Bool).To(tensor.Float32) }, []float32{0, 1, 0, 1, 0, 0, 1, 1, 1, 1, 0, 0, 1, 1, 1, 1, 0, 0}},
		{"to int", one(func(x *tensorT) *tensorT { return x.To(tensor.Int32).To(tensor.Float32) }), []float32{1, 0, 2, 0, 3, 4, -0x1p31, -0x1p31, -0x1p31, 0x1p31, 1, 2, 0, 0, 0, 0, 7, 8}},
		{"softmax", one(func(x *tensorT) *tensorT { return x.Softmax(1).Amax(1) }), []float32{nan, nan, nan, nan, nan, nan}},
		{"where", one(func(x *tensorT) *tensorT { return tensor.Where(x.Gt(tensor.Scalar(2)), x, tensor.Scalar(0)) }), []float32{0, 0, 0, 0, 3, 4, 0, 0, 0, inf, 0, 0, 0, 0, 0, 0, 7, 8}},
		{"a finite mask", one(func(x *tensorT) *tensorT { return x.Abs().Le(tensor.Scalar(math.MaxFloat32)).To(tensor.Float32) }), []float32{1, 0, 1, 0, 1, 1, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 1, 1}},
		{"lowest masks", one(func(x *tensorT) *tensorT {
			return tensor.Where(x.Gt(tensor.Scalar(2)), x, tensor.Scalar(-math.MaxFloat32)).Amax(1)
		}), []float32{-most, 4, -most, inf, -most, 8}},
		{"least numbers", func(x, zero *tensorT) *tensorT { return x.Mul(zero).AddScalar(0x1p-126) }, []float32{least, nan, least, nan, least, least, nan, nan, nan, nan, least, least, nan, nan, nan, nan, least, least}},
	}
	eachDevice(t, func(t *testing.T, dev *device.Device) {
		for _, c := range tests {
			in := []*tensorT{tensor.New(x, 6, 3), tensor.New([]float32{0}, 1)}
			p := compileFor(t, dev, func(_ *tensor.Trace, in []*tensorT) []*tensorT { return []*tensorT{c.run(in[0], in[1])} }, in...)
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

// Gradients of what chooses: PyTorch's where it says one.
func TestTableOfSpecialGradients(t *testing.T) {
	x := []float32{1, nan, -2, inf, -inf, 0}
	eachDevice(t, func(t *testing.T, dev *device.Device) {
		for _, c := range []struct {
			name string
			f    func(x *tensorT) *tensorT
			want []float32
		}{
			{"relu", (*tensorT).Relu, []float32{1, 0, 0, 1, 0, 0}},
			{"clamp", func(x *tensorT) *tensorT { return x.Clamp(-1, 1) }, []float32{1, 1, 0, 0, 0, 1}},
		} {
			in := tensor.New(x)
			p := compileFor(t, dev, func(_ *tensor.Trace, in []*tensorT) []*tensorT { return tensor.Grad(c.f(in[0]).Sum(), in[0]) }, in)
			got := must(call(t, p, in)[0].Read())(t)
			for i, w := range c.want {
				if !same(got[i], w, 0) {
					t.Errorf("%s: %v, want %v", c.name, got, c.want)
					break
				}
			}
		}
	})
}

// Accuracy near zero and far out, against float64.
func TestTableOfFarArguments(t *testing.T) {
	var x []float32
	for _, v := range []float64{1e-30, 1e-8, 1e-5, 1e-4, 1e-3, 0.01, 0.0999, 0.1, 0.3, 0.62, 0.63, 0.9, 1, 1.5707964, 3.1415927, 5, 9, 20, 88, 1000, 7999, 8001, 12345.678, 3e5, 1e6, 1e8, 16777216, 1e10, 1e20, 3.3e38} {
		x = append(x, float32(v), float32(-v))
	}
	eachDevice(t, func(t *testing.T, dev *device.Device) {
		for _, c := range []struct {
			name  string
			f     func(x *tensorT) *tensorT
			g     func(x float64) float64
			close func(x, want float64) float64
		}{
			{"tanh", (*tensorT).Tanh, math.Tanh, func(_, w float64) float64 { return 1e-6 * math.Abs(w) }},
			{"sin", (*tensorT).Sin, math.Sin, func(x, w float64) float64 { return min(4e-7, 1e-6*math.Abs(x)) }},
			{"cos", (*tensorT).Cos, math.Cos, func(_, _ float64) float64 { return 4e-7 }},
			{"erf", (*tensorT).Erf, math.Erf, func(_, w float64) float64 { return 3e-6 * math.Abs(w) }},
			{"expm1", (*tensorT).Expm1, math.Expm1, func(_, w float64) float64 { return 3e-5 * math.Abs(w) }},
			{"log1p", func(x *tensorT) *tensorT { return x.Abs().Log1p() }, func(x float64) float64 { return math.Log1p(math.Abs(x)) }, func(_, w float64) float64 { return 3e-5 * w }},
			{"rsqrt", func(x *tensorT) *tensorT { return x.Abs().Rsqrt() }, func(x float64) float64 { return 1 / math.Sqrt(math.Abs(x)) }, func(_, w float64) float64 { return 1e-6 * w }},
		} {
			in := tensor.New(x)
			p := compileFor(t, dev, func(_ *tensor.Trace, in []*tensorT) []*tensorT { return []*tensorT{c.f(in[0])} }, in)
			got := must(call(t, p, in)[0].Read())(t)
			for i, v := range x {
				if dev.Kind() == "webgpu" && math.Abs(float64(v)) > 8000 && (c.name == "sin" || c.name == "cos") {
					if !(math.Abs(float64(got[i])) <= 1) {
						t.Errorf("%s(%g) = %g, which is no %s at all", c.name, v, got[i], c.name)
					}
					continue // docs/numbers.md: not exact there
				}
				want := c.g(float64(v))
				if float64(float32(want)) != want && math.Abs(want) > math.MaxFloat32 {
					want = math.Inf(int(math.Copysign(1, want)))
				}
				if d := math.Abs(float64(got[i]) - want); !(d <= c.close(float64(v), want)+1e-37) && float64(got[i]) != want {
					t.Errorf("%s(%g) = %g, want %g", c.name, v, got[i], want)
				}
			}
		}
	})
}
