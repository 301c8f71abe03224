//go:build openblas && cgo

// The yardstick: OpenBLAS sgemm and this package in turn, in one process and
// one run, because on a shared machine only such pairs can be compared.
// Build with -tags openblas where libopenblas is installed.

package gemm

import (
	"sort"
	"testing"
	"time"

	"github.com/weft-ml/weft/internal/cpu/gemm/openblas"
	"github.com/weft-ml/weft/internal/cpu/pool"
)

func median(x []float64) float64 {
	sort.Float64s(x)
	return x[len(x)/2]
}

func BenchmarkAgainstOpenBLAS(b *testing.B) {
	for _, workers := range []int{1, 2} {
		for _, d := range benchShapes {
			b.Run(benchName(d, workers), func(b *testing.B) {
				openblas.SetThreads(workers)
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
				flops := 2 * float64(d.m) * float64(d.n) * float64(d.k)
				reps := max(1, int(3e10/flops))
				time1 := func(f func()) float64 {
					// The other library's threads spin for up to 100 ms after
					// their last product; they must not spin into our turn.
					time.Sleep(150 * time.Millisecond)
					f()
					t := time.Now()
					for range reps {
						f()
					}
					return time.Since(t).Seconds() / float64(reps)
				}
				var ours, theirs, ratio []float64
				for b.Loop() {
					t1 := time1(func() { p.Run(pl, x, y, c, d.n, nil) })
					t2 := time1(func() {
						openblas.Sgemm(d.transA, d.transB, d.m, d.n, d.k, x, y, c)
					})
					ours, theirs, ratio = append(ours, t1), append(theirs, t2), append(ratio, t2/t1)
				}
				b.ReportMetric(flops/median(ours)/1e9, "GFLOP/s")
				b.ReportMetric(flops/median(theirs)/1e9, "openblas-GFLOP/s")
				b.ReportMetric(median(ratio), "ratio")
				b.ReportMetric(0, "ns/op")
			})
		}
	}
}
