package conformance

import (
	"math"
	"testing"

	"github.com/weft-ml/weft/device"
	"github.com/weft-ml/weft/tensor"
)

// Inverse trigonometric and hyperbolic functions are exact to a few units in the last
// place on each device: near 0, where a careless formula cancels, at the ends
// of their domains and far out. What lies outside is not a number.
func TestInverseFunctions(t *testing.T) {
	inf, nan := math.Inf(1), math.NaN()
	anywhere := []float64{0, 1e-30, 1e-10, 1e-5, 1e-3, 0.01, 0.05, 0.1, 0.3, 0.41, 0.42, 0.5, 0.51, 0.7, 0.9, 0.99, 0.9999, 1, 1.1, 1.4, 1.42, 2, 2.41, 2.42, 3, 5, 8, 17.25, 40, 60, 80, 88, 89,
		1e3, 1e5, 0.9e9, 1.1e9, 1e12, 1e20, 1e37, 3e38, inf, nan}
	for _, x := range anywhere {
		anywhere = append(anywhere, -x)
	}
	x := make([]float32, len(anywhere))
	for i, v := range anywhere {
		x[i] = float32(v)
	}
	functions := []struct {
		name string
		f    unary
		ref  func(float64) float64
	}{
		{"asin", (*tensorT).Asin, math.Asin}, {"acos", (*tensorT).Acos, math.Acos}, {"atan", (*tensorT).Atan, math.Atan},
		{"sinh", (*tensorT).Sinh, math.Sinh}, {"cosh", (*tensorT).Cosh, math.Cosh},
		{"asinh", (*tensorT).Asinh, math.Asinh}, {"acosh", (*tensorT).Acosh, math.Acosh}, {"atanh", (*tensorT).Atanh, math.Atanh},
	}
	eachDevice(t, func(t *testing.T, dev *device.Device) {
		p := compileFor(t, dev, func(_ *tensor.Trace, in []*tensorT) []*tensorT {
			var out []*tensorT
			for _, f := range functions {
				out = append(out, f.f(in[0]))
			}
			return out
		}, tensor.New(x))
		out := call(t, p, tensor.New(x))
		for i, f := range functions {
			got := must(out[i].Read())(t)
			worst, where := 0.0, float32(0)
			for j, v := range x {
				want := float64(float32(f.ref(float64(v))))
				g := float64(got[j])
				if math.IsNaN(want) != math.IsNaN(g) || math.IsInf(want, 0) && g != want {
					t.Errorf("%s(%g) = %g, want %g", f.name, v, g, want)
					continue
				}
				if math.IsNaN(want) || math.IsInf(want, 0) {
					continue
				}
				unit := float64(math.Nextafter32(float32(math.Abs(want)), float32(inf))) - math.Abs(want)
				if math.IsInf(unit, 0) {
					unit = math.Abs(want) * 0x1p-24
				}
				if e := math.Abs(g-want) / unit; e > worst {
					worst, where = e, v
				}
			}
			t.Logf("%s: at most %.0f units in the last place, for %g", f.name, worst, where)
			if worst > 6 {
				t.Errorf("%s(%g) is wrong by %.0f units in the last place", f.name, where, worst)
			}
		}
	})
}
