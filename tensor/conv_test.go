package tensor_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/weft-ml/weft/device"
	. "github.com/weft-ml/weft/tensor"
)

// Convolutions of all kinds, large enough for the ways that fast backends treat
// them, with norm, activation and pooling around them, and all gradients,
// against the reference. Images are small and odd: rows end inside of blocks.
func TestConvolutionsFollowReference(t *testing.T) {
	type conv struct {
		n, c, h, w, o, k int
		opt              ConvOptions
		pool             int
	}
	cases := []conv{
		{n: 3, c: 5, h: 13, w: 11, o: 40, k: 3, opt: ConvOptions{Padding: [2]int{1, 1}}, pool: 2},
		{n: 2, c: 33, h: 9, w: 10, o: 16, k: 5, pool: 3},
		{n: 2, c: 16, h: 12, w: 15, o: 24, k: 3, opt: ConvOptions{Stride: [2]int{2, 2}, Padding: [2]int{1, 1}}},
		{n: 4, c: 12, h: 8, w: 8, o: 33, k: 1, opt: ConvOptions{Stride: [2]int{2, 2}}},
		{n: 1, c: 9, h: 20, w: 17, o: 70, k: 3, opt: ConvOptions{Dilation: [2]int{2, 3}, Padding: [2]int{3, 2}}, pool: 2},
		{n: 2, c: 16, h: 10, w: 10, o: 32, k: 3, opt: ConvOptions{Groups: 2, Padding: [2]int{1, 0}}},
		{n: 2, c: 12, h: 9, w: 9, o: 12, k: 3, opt: ConvOptions{Groups: 12, Padding: [2]int{1, 1}}},
		{n: 3, c: 8, h: 4, w: 4, o: 64, k: 3, opt: ConvOptions{Padding: [2]int{1, 1}, Stride: [2]int{1, 2}}},
	}
	for i, c := range cases {
		r := rand.New(rand.NewPCG(uint64(c.o), uint64(c.k)))
		fill := func(shape ...int) *Tensor {
			n := 1
			for _, d := range shape {
				n *= d
			}
			v := make([]float32, n)
			for i := range v {
				v[i] = r.Float32() - 0.5
			}
			return New(v, shape...)
		}
		in := []*Tensor{
			fill(c.n, c.c, c.h, c.w), fill(c.o, c.c/max(c.opt.Groups, 1), c.k, c.k), fill(c.o), fill(c.o), fill(c.o),
		}
		step := func(_ *Trace, in []*Tensor) []*Tensor {
			channel := func(x *Tensor) *Tensor { return x.Reshape(1, -1, 1, 1) }
			y := in[0].Conv2d(in[1], in[2], c.opt).Silu()
			d := y.Sub(y.MeanKeep(0, 2, 3))
			y = d.Mul(d.Square().MeanKeep(0, 2, 3).AddScalar(1e-3).Rsqrt()).Mul(channel(in[3])).Add(channel(in[4]))
			if c.pool > 0 {
				y = y.MaxPool2d(Pool2dOptions{Kernel: [2]int{c.pool, c.pool}})
			}
			loss := y.Mul(y.Sin()).Mean()
			return append([]*Tensor{loss, y}, Grad(loss, in...)...)
		}
		run := func(dev *device.Device) [][]float32 {
			p, err := Compile(dev, step, in...)
			if err != nil {
				t.Fatal(err)
			}
			defer p.Close()
			out, err := p.Call(in...)
			if err != nil {
				t.Fatal(err)
			}
			var vs [][]float32
			for _, o := range out {
				v, err := o.Read()
				if err != nil {
					t.Fatal(err)
				}
				vs = append(vs, v)
			}
			return vs
		}
		want := run(device.Reference())
		for _, dev := range devices(t) {
			if software(dev) && i%4 != 0 { // compiles shaders for minutes
				continue
			}
			t.Run(fmt.Sprintf("%s/%+v", dev.Kind(), c), func(t *testing.T) {
				for i, got := range run(dev) {
					scale := 0.0
					for _, w := range want[i] {
						scale = max(scale, math.Abs(float64(w)))
					}
					for j, w := range want[i] {
						if d := math.Abs(float64(got[j] - w)); !(d <= 1e-4*scale+1e-6) {
							t.Fatalf("result %d, element %d is %v, want %v", i, j, got[j], w)
						}
					}
				}
			})
		}
	}
}
