// Every figure is compared with something measured in the same run, because
// seconds say more about the machine than about the program: the matrix
// product with the same product written as three Go loops, a training step
// with the rate of the matrix product on the same device. The two are measured in
// turn, and the median of their ratios is shown, since a machine that is shared is
// not the same from one second to the next.

package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/weft-ml/weft/device"
	"github.com/weft-ml/weft/tensor"
	"github.com/weft-ml/weft/train"
)

// benchRow is one line of the table.
type benchRow struct {
	Name     string  `json:"name"`
	Device   string  `json:"device"`
	PerSec   float64 `json:"steps_per_s"`
	GFLOPS   float64 `json:"gflop_per_s"`
	Relative float64 `json:"relative"`
	Compared string  `json:"compared_to"`
	Memory   int     `json:"peak_bytes"`
	Kernels  int     `json:"kernels"`
}

func (a *app) benchCommand() *cobra.Command {
	var seconds float64
	var dev string
	c := &cobra.Command{
		Use:   "bench",
		Short: "Measure the matrix product and training steps on every device",
		Long: `Measure matrix products of 1024x1024 (on a graphics card of 4096x4096 too),
training steps of the 784-128-10 perceptron at batch 64 and 512 and of the digit
CNN (recipe mnist-cnn) at batch 64, and ResNet-18 for CIFAR-10, inference at batch
1 and training at batch 32; graphics cards run the last three at batch 512 too. All
that on the CPU and on WebGPU where there is any; software adapters are left out
of the convolutional networks. The column "relative" says what part (or multiple)
a figure is of what it is compared to, the median of five rounds in which the two
were measured in turn. The arithmetic of
convolutional networks is that of their convolutions and matrix products alone, as
formulas count it: 2 M N K forward, twice that again backward, nothing for the
gradient of the images, and nothing for zeros of padding.`,
		Example: "  weft bench\n  weft bench --device cpu --json",
		Args:    exactly(0, ""),
		RunE: func(c *cobra.Command, _ []string) error {
			devs, err := a.benchDevices(dev)
			if err != nil {
				return err
			}
			if !(seconds > 0 && seconds <= 3600) {
				return usage(fmt.Errorf("--seconds %v", seconds), "more than 0, at most 3600")
			}
			span := time.Duration(seconds * float64(time.Second))
			plain := plainMatmul(span)
			a.printf("%-24s %12s %12s %10s  %-34s %12s\n", "", "steps/s", "GFLOP/s", "relative", "to", "peak memory")
			var rows []benchRow
			for _, d := range devs {
				a.printf("%s\n", d.Name())
				more, err := a.benchDevice(c.Context(), d, span, plain)
				if err != nil {
					return fmt.Errorf("%s: %w", d.Name(), err)
				}
				rows = append(rows, more...)
			}
			return a.result(map[string]any{"bench": rows})
		},
	}
	c.Flags().StringVar(&dev, "device", "all", "device to measure, or all")
	c.Flags().Float64Var(&seconds, "seconds", 1, "time for each figure")
	return c
}

func (a *app) benchDevices(name string) ([]*device.Device, error) {
	if name != "all" {
		d, err := device.Open(name)
		return []*device.Device{d}, hint(err, "weft devices lists what there is")
	}
	devs := []*device.Device{device.CPU()}
	if d, err := device.Open("webgpu"); err == nil {
		devs = append(devs, d)
	} else {
		a.notef("no webgpu: %v", err)
	}
	return devs, nil
}

func (a *app) benchDevice(ctx context.Context, d *device.Device, span time.Duration, plain float64) ([]benchRow, error) {
	var rows []benchRow
	add := func(r benchRow) {
		r.Device = d.Name()
		rows = append(rows, r)
		a.printf("  %-22s %12.1f %12.2f %10.2f  %-34s %12s\n", r.Name, r.PerSec, r.GFLOPS, r.Relative, r.Compared, memory(int64(r.Memory)))
	}
	mm, err := benchMatmul(ctx, d, 1024, span)
	if err != nil {
		return nil, err
	}
	mm.Relative, mm.Compared = mm.GFLOPS/plain, fmt.Sprintf("plain Go loops, %.2f GFLOP/s", plain)
	add(mm)
	if mm.GFLOPS > 2000 { // only a graphics card gets through this in the time
		big, err := benchMatmul(ctx, d, 4096, span)
		if err != nil {
			return nil, err
		}
		big.Relative, big.Compared = big.GFLOPS/mm.GFLOPS, "this device's matmul 1024"
		add(big)
	}
	inTurn := func(figure func(span time.Duration) (benchRow, error)) error {
		r, err := inTurn(func() (benchRow, error) { return benchMatmul(ctx, d, 1024, span/rounds) },
			func() (benchRow, error) { return figure(span / rounds) })
		if err == nil {
			r.Compared = "this device's matmul 1024"
			add(r)
		}
		return err
	}
	for _, batch := range []int{64, 512} {
		if err := inTurn(func(span time.Duration) (benchRow, error) { return benchStep(ctx, d, batch, span) }); err != nil {
			return nil, err
		}
	}
	if d.Kind() != "cpu" && mm.GFLOPS < 100 {
		return rows, nil // a software adapter would take minutes
	}
	nets := convolutional[:3]
	if mm.GFLOPS > 2000 {
		nets = convolutional
	}
	for _, n := range nets {
		if err := inTurn(func(span time.Duration) (benchRow, error) { return n.bench(ctx, d, span) }); err != nil {
			return nil, err
		}
	}
	return rows, nil
}

// rounds is how often a figure and what it is compared to are measured.
const rounds = 5

// inTurn measures two rates in turn. The row it returns is the figure of the round
// whose ratio is the median.
func inTurn(base, figure func() (benchRow, error)) (benchRow, error) {
	var list []benchRow
	for range rounds {
		b, err := base()
		if err != nil {
			return b, err
		}
		r, err := figure()
		if err != nil {
			return r, err
		}
		r.Relative = r.GFLOPS / b.GFLOPS
		list = append(list, r)
	}
	slices.SortFunc(list, func(a, b benchRow) int { return cmp.Compare(a.Relative, b.Relative) })
	return list[rounds/2], nil
}

// plainMatmul is the GFLOP/s of a matrix product as one would write it.
func plainMatmul(span time.Duration) float64 {
	const n = 256
	a, b, c := make([]float32, n*n), make([]float32, n*n), make([]float32, n*n)
	for i := range a {
		a[i], b[i] = float32(i%7), float32(i%5)
	}
	begin, runs := time.Now(), 0
	for ; runs == 0 || time.Since(begin) < span/4; runs++ {
		for i := range n {
			row := c[i*n : (i+1)*n]
			for k := range n {
				f, from := a[i*n+k], b[k*n:(k+1)*n]
				for j := range row {
					row[j] += f * from[j]
				}
			}
		}
	}
	return 2 * n * n * n * float64(runs) / time.Since(begin).Seconds() / 1e9
}

func benchMatmul(ctx context.Context, d *device.Device, n int, span time.Duration) (benchRow, error) {
	x, y := make([]float32, n*n), make([]float32, n*n)
	for i := range x {
		x[i], y[i] = float32(i%7)-3, float32(i%5)-2
	}
	vx, vy := tensor.NewVariable("x", x, n, n), tensor.NewVariable("y", y, n, n)
	defer vx.Free()
	defer vy.Free()
	p, err := tensor.Compile(d, func(*tensor.Trace, []*tensor.Tensor) []*tensor.Tensor {
		return []*tensor.Tensor{vx.MatMul(vy)}
	})
	if err != nil {
		return benchRow{}, err
	}
	defer p.Close()
	steps := 1
	for {
		if ctx.Err() != nil {
			return benchRow{}, context.Cause(ctx)
		}
		begin := time.Now()
		for left := steps; left > 0; left -= tensor.MaxSteps {
			if err := p.Submit(min(left, tensor.MaxSteps), nil); err != nil {
				return benchRow{}, err
			}
		}
		if _, err := p.Result(0); err != nil { // Waits for all of them.
			return benchRow{}, err
		}
		took := time.Since(begin)
		if took < span && steps < 1<<20 {
			grow := 2.0
			if took > 0 {
				grow = min(max(1.2*float64(span)/float64(took), 1.5), 16)
			}
			steps = int(float64(steps)*grow) + 1
			continue
		}
		own, borrowed := p.MemoryBytes()
		rate := float64(steps) / took.Seconds()
		return benchRow{
			Name: fmt.Sprintf("matmul %d", n), PerSec: rate, GFLOPS: rate * 2 * float64(n) * float64(n) * float64(n) / 1e9,
			Memory: own + borrowed, Kernels: p.KernelCount(),
		}, nil
	}
}

// benchStep trains the perceptron for a while and counts.
func benchStep(ctx context.Context, d *device.Device, batch int, span time.Duration) (benchRow, error) {
	r, err := train.Find("mnist-mlp")
	if err != nil {
		return benchRow{}, err
	}
	o, err := r.Preset("seed")
	if err != nil {
		return benchRow{}, err
	}
	o.Batch = batch
	row, flops, err := benchRecipe(ctx, d, r, o, span)
	if err != nil {
		return benchRow{}, err
	}
	row.Name, row.GFLOPS = fmt.Sprintf("mlp batch %d", batch), row.PerSec*float64(flops)/1e9
	return row, nil
}

// benchRecipe trains a recipe for a while and counts the steps; flops is the
// arithmetic of one, everything included.
func benchRecipe(ctx context.Context, d *device.Device, r *train.Recipe, o train.Options, span time.Duration) (row benchRow, flops int, err error) {
	o.Epochs = 1_000_000
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var first, last time.Time
	var from, to int
	begin := time.Now()
	watch := func(p train.Progress) {
		now := time.Now()
		switch {
		case now.Sub(begin) < span/4:
			// Warming up, and the size of submits settles.
		case first.IsZero():
			first, from = now, p.Step
		default:
			last, to = now, p.Step
			if now.Sub(first) >= span && to > from {
				cancel()
			}
		}
	}
	ch, h, w := r.Input()
	t, err := train.New(train.Config{Recipe: r, Options: o, Device: d, Train: blank(ch, h, w, 16384), Observer: train.Observer{Progress: watch}})
	if err != nil {
		return benchRow{}, 0, err
	}
	defer t.Close()
	begin = time.Now()
	if _, err := t.Run(ctx); ctx.Err() == nil {
		return benchRow{}, 0, err
	}
	if to <= from {
		return benchRow{}, 0, context.Cause(ctx)
	}
	own, borrowed := t.Program().MemoryBytes()
	return benchRow{
		PerSec: float64(to-from) / last.Sub(first).Seconds(), Memory: own + borrowed, Kernels: t.Program().KernelCount(),
	}, t.Program().FLOPs(), nil
}
