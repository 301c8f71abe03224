package gemm

import (
	"fmt"
	"testing"

	"github.com/weft-ml/weft/internal/cpu/pool"
)

type benchShape struct {
	m, n, k        int
	transA, transB bool
}

func benchName(d benchShape, workers int) string {
	t := map[bool]string{false: "N", true: "T"}
	return fmt.Sprintf("%dx%dx%d%s%s/workers=%d", d.m, d.n, d.k, t[d.transA], t[d.transB], workers)
}

// benchShapes are those of a training step of a small MLP, and the square product that
// libraries are compared by.
var benchShapes = []benchShape{
	{1024, 1024, 1024, false, false},
	{512, 128, 784, false, true},
	{512, 128, 784, false, false},
	{128, 784, 512, true, false},
	{64, 128, 784, false, true},
	{128, 784, 64, true, false},
	{512, 10, 128, false, true},
	{10, 128, 512, true, false},
	{512, 128, 10, false, false},
	{1, 128, 784, false, true},
	{1, 128, 784, false, false},
	{1, 4096, 4096, false, false},
	{1, 4096, 4096, false, true},
}

func benchSpec(m, n, k int, transA, transB bool) Spec {
	s := Spec{M: m, N: n, K: k, ARow: k, ACol: 1, BRow: n, BCol: 1}
	if transA {
		s.ARow, s.ACol = 1, m
	}
	if transB {
		s.BRow, s.BCol = 1, k
	}
	return s
}

func BenchmarkRun(b *testing.B) {
	for _, workers := range []int{1, 2} {
		for _, d := range benchShapes {
			b.Run(benchName(d, workers), func(b *testing.B) {
				pl := pool.New(workers)
				defer pl.Close()
				p := New(benchSpec(d.m, d.n, d.k, d.transA, d.transB), workers)
				x, y, c := make([]float32, d.m*d.k), make([]float32, d.k*d.n), make([]float32, d.m*d.n)
				for i := range x {
					x[i] = float32(i%7) - 3
				}
				for i := range y {
					y[i] = float32(i%5) - 2
				}
				b.ReportAllocs()
				for b.Loop() {
					p.Run(pl, x, y, c, d.n, nil)
				}
				b.ReportMetric(2*float64(d.m)*float64(d.n)*float64(d.k)*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
			})
		}
	}
}
