package tensor_test

import (
	"math"
	"slices"
	"testing"

	. "github.com/weft-ml/weft/tensor"
)

// waves are n numbers without pattern, of about -1 to 1.
func waves(n int, phase float64) []float32 {
	v := make([]float32, n)
	for i := range v {
		v[i] = float32(math.Sin(1.7*float64(i) + phase))
	}
	return v
}

// convolved is the definition of Conv3d, in float64.
func convolved(x, w []float32, xs, ws []int, o Conv3dOptions) (y []float64, shape []int) {
	for i := range 3 {
		shape = append(shape, (xs[2+i]+2*o.Padding[i]-o.Dilation[i]*(ws[2+i]-1)-1)/o.Stride[i]+1)
	}
	shape = append([]int{xs[0], ws[0]}, shape...)
	at := func(s []int, i ...int) int {
		n := 0
		for d := range s {
			n = n*s[d] + i[d]
		}
		return n
	}
	for n := range shape[0] {
		for oc := range shape[1] {
			for od := range shape[2] {
				for oh := range shape[3] {
					for ow := range shape[4] {
						sum := 0.0
						for c := range ws[1] {
							for kd := range ws[2] {
								for kh := range ws[3] {
									for kw := range ws[4] {
										p := []int{od*o.Stride[0] - o.Padding[0] + kd*o.Dilation[0], oh*o.Stride[1] - o.Padding[1] + kh*o.Dilation[1], ow*o.Stride[2] - o.Padding[2] + kw*o.Dilation[2]}
										if slices.Min(p) < 0 || p[0] >= xs[2] || p[1] >= xs[3] || p[2] >= xs[4] {
											continue
										}
										in := oc/(ws[0]/o.Groups)*ws[1] + c
										sum += float64(x[at(xs, n, in, p[0], p[1], p[2])]) * float64(w[at(ws, oc, c, kd, kh, kw)])
									}
								}
							}
						}
						y = append(y, sum)
					}
				}
			}
		}
	}
	return y, shape
}

func TestConv3d(t *testing.T) {
	xs, ws := []int{2, 4, 5, 6, 4}, []int{6, 2, 3, 2, 3}
	x, w := waves(960, 0), waves(216, 1)
	for _, o := range []Conv3dOptions{
		{Stride: [3]int{1, 1, 1}, Dilation: [3]int{1, 1, 1}, Groups: 2},
		{Stride: [3]int{2, 1, 3}, Padding: [3]int{1, 2, 1}, Dilation: [3]int{1, 3, 2}, Groups: 2},
		{Stride: [3]int{3, 2, 3}, Dilation: [3]int{1, 1, 1}, Groups: 2}, // windows side by side
		{Stride: [3]int{3, 2, 1}, Padding: [3]int{2, 0, 1}, Dilation: [3]int{2, 1, 1}, Groups: 2},
	} {
		want, shape := convolved(x, w, xs, ws, o)
		got := New(x, xs...).Conv3d(New(w, ws...), New([]float32{0, 0, 0, 0, 0, 5}), o)
		if !slices.Equal(got.Shape(), shape) {
			t.Fatalf("%v: shape %v, want %v", o, got.Shape(), shape)
		}
		for i, v := range got.Floats() {
			b := 0.0
			if i/(shape[2]*shape[3]*shape[4])%6 == 5 {
				b = 5
			}
			if math.Abs(float64(v)-want[i]-b) > 1e-5 {
				t.Fatalf("%v: element %d is %g, want %g", o, i, v, want[i]+b)
			}
		}
		// The transposed convolution is the transpose: <conv(x), y> = <x, convT(y)>.
		y := New(waves(len(want), 2), shape...)
		var more [3]int
		for i := range 3 {
			more[i] = (xs[2+i] + 2*o.Padding[i] - o.Dilation[i]*(ws[2+i]-1) - 1) % o.Stride[i]
		}
		back := y.ConvTranspose3d(New(w, ws...), nil, o, more)
		if !slices.Equal(back.Shape(), xs) {
			t.Fatalf("%v: transposed %v, want %v", o, back.Shape(), xs)
		}
		var left, right float64
		yv := y.Floats()
		for i, v := range want {
			left += v * float64(yv[i])
		}
		for i, v := range back.Floats() {
			right += float64(v) * float64(x[i])
		}
		if math.Abs(left-right) > 1e-3*max(1, math.Abs(left)) {
			t.Errorf("%v: transposed: %g and %g", o, left, right)
		}
	}
}

func TestUnfold(t *testing.T) {
	x := New([]float32{0, 1, 2, 3, 4, 5, 6})
	y := x.Unfold(0, 3, 2, 2)
	if !slices.Equal(y.Shape(), []int{2, 3}) {
		t.Fatal(y.Shape())
	}
	expectFloats(t, "windows", y, 0, 2, 4, 2, 4, 6)
}
