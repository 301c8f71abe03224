package gemm

import (
	"fmt"
	"testing"

	"github.com/weft-ml/weft/internal/cpu/pool"
)

// convShape is a convolution of n images [c, h, w] (padded) to o channels.
type convShape struct{ n, c, h, w, o, k, stride int }

// convShapes are those of the digit network's and ResNet-18's convolutions.
var convShapes = []convShape{
	{64, 1, 28, 28, 32, 5, 1},
	{64, 32, 24, 24, 32, 5, 1},
	{64, 32, 10, 10, 64, 3, 1},
	{32, 64, 34, 34, 64, 3, 1},
	{32, 64, 34, 34, 128, 3, 2},
	{32, 512, 6, 6, 512, 3, 1},
	{1, 64, 34, 34, 64, 3, 1},
	{1, 512, 6, 6, 512, 3, 1},
}

// specs returns the forward product, weights [o, c*k*k] times windows, and that
// of the weight's gradient, [o, pixels] times transposed windows.
func (d convShape) specs() (forward, gradient Spec) {
	oh, ow := (d.h-d.k)/d.stride+1, (d.w-d.k)/d.stride+1
	var rows, cols, gcols []int32
	for c := range d.c {
		for y := range d.k {
			for x := range d.k {
				rows = append(rows, int32((c*d.h+y)*d.w+x))
			}
		}
	}
	for n := range d.n {
		for y := range oh {
			for x := range ow {
				cols = append(cols, int32((n*d.c*d.h+y*d.stride)*d.w+x*d.stride))
				gcols = append(gcols, int32((n*d.o*oh+y)*ow+x))
			}
		}
	}
	grow := make([]int32, d.o)
	for i := range grow {
		grow[i] = int32(i * oh * ow)
	}
	m, n, k := d.o, len(cols), len(rows)
	forward = Spec{M: m, N: n, K: k, ARow: k, ACol: 1, B: &Index{rows, cols}}
	gradient = Spec{M: m, N: k, K: n, A: &Index{grow, gcols}, B: &Index{cols, rows}}
	return forward, gradient
}

func BenchmarkConvolution(b *testing.B) {
	for _, workers := range []int{1, 2} {
		for _, d := range convShapes {
			f, g := d.specs()
			for name, s := range map[string]Spec{"forward": f, "gradient": g} {
				b.Run(fmt.Sprintf("%v/%s/workers=%d", d, name, workers), func(b *testing.B) {
					pl := pool.New(workers)
					defer pl.Close()
					p := New(s, workers)
					na := s.M * s.K
					x, y, c := make([]float32, na), make([]float32, d.n*d.c*d.h*d.w), make([]float32, s.M*s.N)
					for b.Loop() {
						p.Run(pl, x, y, c, s.N, nil)
					}
					b.ReportMetric(2*float64(s.M)*float64(s.N)*float64(s.K)*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
				})
			}
		}
	}
}
