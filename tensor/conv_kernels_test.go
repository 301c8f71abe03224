package tensor_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/weft-ml/weft/device"
	"github.com/weft-ml/weft/internal/webgpu"
	. "github.com/weft-ml/weft/tensor"
)

// Convolutions whose kernels take the ways that small ones do not: sums over
// workgroups, windows read four at a time and one at a time, edges of tiles,
// depthwise kernels. On software adapters both with their own kernels and with
// those for hardware.
func TestConvKernels(t *testing.T) {
	list := devices(t)
	if len(list) < 2 {
		t.Skip("no WebGPU")
	}
	cases := []struct {
		x, w []int
		o    ConvOptions
	}{
		{[]int{16, 4, 20, 20}, []int{8, 4, 3, 3}, ConvOptions{}},                                                         // rows of 18: no fours; a sum of 5,184
		{[]int{8, 3, 16, 16}, []int{36, 3, 3, 3}, ConvOptions{Padding: [2]int{1, 1}}},                                    // rows of 16, k = 27
		{[]int{5, 8, 9, 11}, []int{12, 8, 3, 2}, ConvOptions{Stride: [2]int{2, 1}, Dilation: [2]int{1, 2}}},              // nothing even
		{[]int{4, 24, 8, 8}, []int{20, 24, 1, 1}, ConvOptions{}},                                                         // 1x1: a plain matrix
		{[]int{6, 32, 12, 12}, []int{32, 1, 3, 3}, ConvOptions{Groups: 32, Padding: [2]int{1, 1}}},                       // depthwise
		{[]int{3, 20, 14, 14}, []int{20, 1, 5, 5}, ConvOptions{Groups: 20, Stride: [2]int{2, 2}, Padding: [2]int{2, 2}}}, // depthwise, strided
		{[]int{4, 12, 10, 10}, []int{8, 6, 3, 3}, ConvOptions{Groups: 2}},
		{[]int{16, 8, 16, 16}, []int{8, 4, 3, 3}, ConvOptions{Groups: 2}}, // groups, with a sum of 3,136
		{[]int{56, 3, 24, 24}, []int{40, 3, 5, 5}, ConvOptions{}},         // many tiles; k = 75 is no multiple of a block
	}
	r := rand.New(rand.NewPCG(11, 12))
	for _, c := range cases {
		x, w := randomTensor(r, c.x...), randomTensor(r, c.w...)
		run := func(dev *device.Device) (list [][]float32) {
			p, err := Compile(dev, func(_ *Trace, in []*Tensor) []*Tensor {
				y := in[0].Conv2d(in[1], nil, c.o).Silu()
				g := Grad(y.Square().Mean(), in...)
				return []*Tensor{y, g[0], g[1]}
			}, x, w)
			if err != nil {
				t.Fatal(err)
			}
			defer p.Close()
			out, err := p.Call(x, w)
			if err != nil {
				t.Fatal(err)
			}
			for _, o := range out {
				list = append(list, o.Floats())
			}
			return list
		}
		want := run(list[0])
		for _, hardware := range []bool{false, true} {
			list[1].Backend().(*webgpu.Backend).Hardware = hardware
			for i, got := range run(list[1]) {
				if d := relative(got, want[i]); !(d < 1e-5) {
					t.Errorf("x %v, w %v, %+v, hardware %v: %s differs by %.2g", c.x, c.w, c.o, hardware, []string{"result", "input's gradient", "weight's gradient"}[i], d)
				}
			}
		}
	}
}

func randomTensor(r *rand.Rand, shape ...int) *Tensor {
	n := 1
	for _, d := range shape {
		n *= d
	}
	v := make([]float32, n)
	for i := range v {
		v[i] = float32(r.NormFloat64())
	}
	return New(v, shape...)
}

// relative is the Euclidean distance over the length of want.
func relative(got, want []float32) float64 {
	if len(got) != len(want) {
		return math.Inf(1)
	}
	var diff, norm float64
	for i := range want {
		d := float64(got[i]) - float64(want[i])
		diff, norm = diff+d*d, norm+float64(want[i])*float64(want[i])
	}
	return math.Sqrt(diff / norm)
}

// WebGPU dispatches at most 65,535 workgroups in each direction.
func TestManyMatrices(t *testing.T) {
	const n = 70_000
	a, b := make([]float32, n*4), make([]float32, n*4)
	for i := range a {
		a[i], b[i] = float32(i%7), float32(i%5)
	}
	for _, dev := range devices(t) {
		p, err := Compile(dev, func(_ *Trace, in []*Tensor) []*Tensor {
			return []*Tensor{in[0].MatMul(in[1])}
		}, New(a, n, 2, 2), New(b, n, 2, 2))
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		out, err := p.Call(New(a, n, 2, 2), New(b, n, 2, 2))
		if err != nil {
			t.Fatal(err)
		}
		got := out[0].Floats()
		for i := range n {
			for r := range 2 {
				for c := range 2 {
					want := a[i*4+r*2]*b[i*4+c] + a[i*4+r*2+1]*b[i*4+2+c]
					if got[i*4+r*2+c] != want {
						t.Fatalf("%s: matrix %d, element %d, %d is %v, want %v", dev.Kind(), i, r, c, got[i*4+r*2+c], want)
					}
				}
			}
		}
	}
}
