package conformance

import (
	"math"
	"slices"
	"testing"

	"github.com/weft-ml/weft/device"
	"github.com/weft-ml/weft/tensor"
)

// Constants are printed into shaders, and compilers differ in what they refuse:
// each must compile and arrive exactly. Devices may take what is below the least
// normal number for 0 (docs/numbers.md); no compiler may refuse it.
func TestTableOfConstants(t *testing.T) {
	floats := []float32{most, -most, math.Nextafter32(most, 0), least, -least, 1, -1, 0.1, 1.0 / 3, 1 << 24, 16777215, 1e-30, 1e30, inf, -inf,
		math.SmallestNonzeroFloat32, -math.SmallestNonzeroFloat32, 1e-40, math.Nextafter32(least, 0)}
	ints := []int32{math.MaxInt32, math.MaxInt32 - 1, math.MinInt32, math.MinInt32 + 1, 1<<24 + 1, -(1<<24 + 1)}
	eachDevice(t, func(t *testing.T, dev *device.Device) {
		in := []*tensorT{tensor.New([]float32{1, 0}), tensor.FromInts([]int32{0, 0})}
		p := compileFor(t, dev, func(_ *tensor.Trace, in []*tensorT) []*tensorT {
			var out []*tensorT
			for _, c := range floats {
				out = append(out, tensor.Where(in[0].Gt(tensor.Scalar(0)), tensor.Scalar(float64(c)), in[0]))
			}
			for _, c := range ints {
				out = append(out, in[1].AddScalar(float64(c)))
			}
			return out
		}, in...)
		out := call(t, p, in...)
		for i, c := range floats {
			got := must(out[i].Read())(t)[0]
			if flushed := got == 0 && math.Abs(float64(c)) < float64(least); got != c && !flushed {
				t.Errorf("constant %g is %g", c, got)
			}
		}
		for i, c := range ints {
			if got := must(out[len(floats)+i].ReadInts())(t)[0]; got != c {
				t.Errorf("constant %d is %d", c, got)
			}
		}
	})
}

// To the last integer: as floats, 2147483520 and 2147483647 are nearly the same.
func TestTableOfSaturation(t *testing.T) {
	x := []float32{nan, minus, inf, -inf, most, -most, 3e9, -3e9, 0x1p31, -0x1p31, 2147483520, -2147483520, 1.99, -1.99}
	want := []int32{0, 0, math.MaxInt32, math.MinInt32, math.MaxInt32, math.MinInt32, math.MaxInt32, math.MinInt32,
		math.MaxInt32, math.MinInt32, 2147483520, -2147483520, 1, -1}
	eachDevice(t, func(t *testing.T, dev *device.Device) {
		in := tensor.New(x)
		p := compileFor(t, dev, func(_ *tensor.Trace, in []*tensorT) []*tensorT { return []*tensorT{in[0].To(tensor.Int32)} }, in)
		if got := must(call(t, p, in)[0].ReadInts())(t); !slices.Equal(got, want) {
			t.Errorf("%v to integers: %v, want %v", x, got, want)
		}
	})
}
