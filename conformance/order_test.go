package conformance

import (
	"math"
	"slices"
	"testing"

	"github.com/weft-ml/weft/device"
	"github.com/weft-ml/weft/tensor"
)

// Order and scattering on every device, with equal elements, infinities and what is
// not a number: that counts as the greatest, as in PyTorch.
func TestOrder(t *testing.T) {
	row := []float32{3, -inf, 7, 3, inf, nan, 3, -1, nan, inf}
	long := slices.Repeat([]float32{-inf}, 200) // of which few are picked in another way
	copy(long, row)
	eachDevice(t, func(t *testing.T, dev *device.Device) {
		for _, data := range [][]float32{row, long} {
			for _, smallest := range []bool{false, true} {
				want := []int32{5, 8, 4, 9, 2, 0, 3, 6, 7, 1}
				switch {
				case smallest && len(data) > 10:
					want = []int32{1, 10, 11, 12, 13, 14, 15, 16, 17, 18}
				case smallest:
					want = []int32{1, 7, 0, 3, 6, 2, 4, 9, 5, 8}
				}
				x := tensor.New(data)
				p := compileFor(t, dev, func(_ *tensor.Trace, in []*tensorT) []*tensorT {
					_, index := in[0].TopK(10, 0, smallest)
					return []*tensorT{index}
				}, x)
				if got := call(t, p, x)[0].Ints(); !slices.Equal(got, want) {
					t.Errorf("%d elements, smallest %v: %v, want %v", len(data), smallest, got, want)
				}
			}
		}
		x, index, src := tensor.New([]float32{1, 2, 3, 4}), tensor.FromInts([]int32{2, 0, 2, 9}), tensor.New([]float32{10, nan, -inf, 5})
		for how, want := range map[tensor.ScatterReduction][]float32{
			tensor.ScatterReplace: {nan, 2, -inf, 4}, tensor.ScatterAdd: {nan, 2, -inf, 4}, tensor.ScatterMul: {nan, 2, -inf, 4},
			tensor.ScatterMax: {nan, 2, 10, 4}, tensor.ScatterMin: {nan, 2, -inf, 4},
		} {
			p := compileFor(t, dev, func(_ *tensor.Trace, in []*tensorT) []*tensorT {
				return []*tensorT{in[0].Scatter(0, in[1], in[2], how)}
			}, x, index, src)
			for i, v := range call(t, p, x, index, src)[0].Floats() {
				if !same(v, want[i], 0) {
					t.Errorf("reduction %d, element %d is %g, want %g", how, i, v, want[i])
				}
			}
		}
		// Integers up to the ends of their range.
		ints := tensor.FromInts([]int32{5, math.MinInt32, math.MaxInt32, 5})
		p := compileFor(t, dev, func(_ *tensor.Trace, in []*tensorT) []*tensorT {
			up, from := in[0].Sort(0, false)
			return []*tensorT{up, from, in[0].Scatter(0, tensor.FromInts([]int32{1, 2}), tensor.FromInts([]int32{-7, 7}), tensor.ScatterMax)}
		}, ints)
		out := call(t, p, ints)
		for i, want := range [][]int32{{math.MinInt32, 5, 5, math.MaxInt32}, {1, 0, 3, 2}, {5, -7, math.MaxInt32, 5}} {
			if got := out[i].Ints(); !slices.Equal(got, want) {
				t.Errorf("result %d of integers is %v, want %v", i, got, want)
			}
		}
	})
}
