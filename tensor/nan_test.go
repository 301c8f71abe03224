package tensor_test

import (
	"slices"
	"testing"
	"time"

	"github.com/weft-ml/weft/device"
	"github.com/weft-ml/weft/internal/webgpu"
	"github.com/weft-ml/weft/internal/wgsl"
	. "github.com/weft-ml/weft/tensor"
)

// BenchmarkNaN is what it costs that NaN stays NaN in maxima, ReLU and the rest
// on graphics cards: training steps of the digit CNN with shaders that keep it
// and with WGSL's own functions, in turn; the median of the ratios is reported.
func BenchmarkNaN(b *testing.B) {
	batch, open := 512, func() *device.Device {
		dev, err := device.Open("webgpu")
		if err != nil {
			b.Skip(err)
		}
		b.Cleanup(func() { dev.Close() })
		return dev
	}
	var steps [2]*Program
	for i := range steps {
		dev := open()
		if i == 1 {
			dev.Backend().(*webgpu.Backend).Tuning = &wgsl.Tuning{DropNaN: true}
		}
		if software(dev) {
			batch = 2
		}
		steps[i] = cnnStep(b, dev, batch)
		defer steps[i].Close()
	}
	run := func(p *Program) time.Duration {
		begin := time.Now()
		if err := p.Submit(4, nil); err != nil {
			b.Fatal(err)
		}
		if _, err := p.Collect(nil); err != nil {
			b.Fatal(err)
		}
		return time.Since(begin)
	}
	for range 2 {
		run(steps[0])
		run(steps[1])
	}
	var ratios []float64
	for i := 0; b.Loop(); i++ {
		first, second := run(steps[i%2]), run(steps[1-i%2])
		if i%2 == 1 {
			first, second = second, first
		}
		ratios = append(ratios, float64(first)/float64(second))
	}
	slices.Sort(ratios)
	b.ReportMetric(ratios[len(ratios)/2], "keeping/dropping")
}
