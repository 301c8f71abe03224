package main

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"runtime"
	"slices"
	"time"

	"github.com/weft-ml/weft/device"
	"github.com/weft-ml/weft/internal/backend"
	"github.com/weft-ml/weft/nn"
	"github.com/weft-ml/weft/optim"
	"github.com/weft-ml/weft/tensor"
	"github.com/weft-ml/weft/zoo"
)

// network is one that can be measured: how it is made, and what it takes.
type network struct {
	build   func(rng *nn.RNG) nn.Module
	input   []int // without the batch
	classes int
}

var networks = map[string]network{
	"cnn":      {func(rng *nn.RNG) nn.Module { return zoo.MNISTCNN(rng) }, []int{1, 28, 28}, 10},
	"fast":     {func(rng *nn.RNG) nn.Module { return zoo.CIFARFast(rng, 10) }, []int{3, 32, 32}, 10},
	"resnet18": {func(rng *nn.RNG) nn.Module { return zoo.ResNet18CIFAR(rng, 10) }, []int{3, 32, 32}, 10},
}

func modelNames() []string { return slices.Sorted(maps.Keys(networks)) }

// measureModel times training steps (cross-entropy, SGD with momentum) on a
// batch that stays on the device, or predictions.
func measureModel(dev *device.Device, model, mode string, batch, per int, length time.Duration) (*result, error) {
	net, ok := networks[model]
	if !ok || mode != "train" && mode != "predict" {
		return nil, fmt.Errorf("model %q in mode %q: models are mlp and %v, modes train and predict", model, mode, modelNames())
	}
	r := &result{Device: dev.Name(), Model: model, Mode: mode, Batch: batch, PerSubmit: per}
	if mixed && mode == "train" {
		r.Precision = "mixed"
	}
	start, cpu := time.Now(), cpuMs()
	p, x, err := net.program(dev, mode, batch)
	if err != nil {
		return nil, err
	}
	defer p.Close()
	if plan {
		fmt.Print(p.Plan())
		return nil, nil
	}
	r.CompileMs, r.Kernels = ms(start), p.KernelCount()
	own, borrowed := p.MemoryBytes()
	r.MemoryMiB = float64(own+borrowed) / (1 << 20)
	if mode == "train" {
		if err := p.SetScalar("lr", 0.001); err != nil {
			return nil, err
		}
	}
	run := func(length time.Duration, n int) (done int, err error) {
		flying := 0
		collect := func() error {
			n, err := p.Collect(func(_ int, results []float32) {
				if mode == "train" {
					r.Loss = float64(results[0])
				}
			})
			done, flying = done+n, flying-1
			return err
		}
		for start := time.Now(); done == 0 || time.Since(start) < length; {
			if err := p.Submit(n, nil); err != nil {
				return done, err
			}
			if flying++; flying == backend.Depth || length == 0 {
				if err := collect(); err != nil {
					return done, err
				}
			}
		}
		for flying > 0 {
			if err := collect(); err != nil {
				return done, err
			}
		}
		p.Result(0) // waits for large results; small ones Collect has waited for
		return done, nil
	}
	if _, err := run(0, 1); err != nil {
		return nil, err
	}
	r.FirstMs, r.FirstCPU = ms(start), cpuMs()-cpu
	// A submit holds some tens of milliseconds of steps.
	begin := time.Now()
	n, err := run(length/8, 1)
	if err != nil {
		return nil, err
	}
	one := time.Since(begin) / time.Duration(n)
	r.PerSubmit = max(1, min(per, int(60*time.Millisecond/max(one, 1))))
	if _, err := run(length/8, r.PerSubmit); err != nil {
		return nil, err
	}
	begin, cpu = time.Now(), cpuMs()
	if n, err = run(length, r.PerSubmit); err != nil {
		return nil, err
	}
	r.rate(n, time.Since(begin), p)
	r.StepCPU = (cpuMs() - cpu) / float64(n)
	if mode == "predict" {
		var times []float64
		for begin := time.Now(); time.Since(begin) < length/2; {
			start := time.Now()
			if _, err := p.Call(x); err != nil {
				return nil, err
			}
			times = append(times, float64(time.Since(start).Nanoseconds())/1e6)
		}
		slices.Sort(times)
		r.AloneMs = times[len(times)/2]
	}
	if profile {
		if err := printProfile(p); err != nil {
			return nil, err
		}
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	r.HeapMiB = float64(m.Sys) / (1 << 20)
	return r, nil
}

func (n network) program(dev *device.Device, mode string, batch int) (*tensor.Program, *tensor.Tensor, error) {
	m := n.build(nn.NewRNG(1))
	rng := rand.New(rand.NewPCG(1, 2))
	shape := append([]int{batch}, n.input...)
	size := 1
	for _, d := range shape {
		size *= d
	}
	v := make([]float32, size)
	for i := range v {
		v[i] = float32(rng.NormFloat64())
	}
	x := tensor.New(v, shape...)
	if mode == "predict" {
		p, err := tensor.Compile(dev, func(_ *tensor.Trace, in []*tensor.Tensor) []*tensor.Tensor {
			return []*tensor.Tensor{m.Forward(in[0]).Softmax(-1)}
		}, x)
		if err == nil {
			err = p.Write(0, x)
		}
		return p, x, err
	}
	labels := make([]byte, batch)
	for i := range labels {
		labels[i] = byte(rng.IntN(n.classes))
	}
	target := tensor.FromBytes(labels, batch)
	params := nn.Trainable(m)
	opt := optim.NewSGD(params, optim.SGDOptions{Momentum: 0.9, WeightDecay: 5e-4})
	scaler := optim.NewLossScaler(optim.LossScalerOptions{})
	p, err := tensor.Compile(dev, func(t *tensor.Trace, in []*tensor.Tensor) []*tensor.Tensor {
		t.SetTraining(true)
		if mixed {
			t.SetMixed(tensor.MixedElems)
		}
		loss := nn.CrossEntropy(m.Forward(t.Bind(x)), target, nn.ClassOptions{})
		if !mixed {
			opt.Step(t, t.Scalar("lr"), tensor.Grad(loss, nn.Values(params)...))
			return []*tensor.Tensor{loss}
		}
		grads, finite := scaler.Unscale(scaler.Grad(loss, nn.Values(params)...))
		opt.Step(t, t.Scalar("lr"), grads)
		scaler.Update(t, finite)
		return []*tensor.Tensor{loss}
	})
	return p, x, err
}

// rate notes how fast steps ran.
func (r *result) rate(steps int, took time.Duration, p *tensor.Program) {
	r.StepsPerS = float64(steps) / took.Seconds()
	r.StepMs = 1000 / r.StepsPerS
	r.GFLOPs = r.StepsPerS * float64(p.FLOPs()) / 1e9
}

// printProfile prints what each kernel of a step costs, in the order of the
// step.
func printProfile(p *tensor.Program) error {
	times, err := p.Profile(9)
	if err != nil {
		return err
	}
	total := 0.0
	for _, k := range times {
		total += k.Nanoseconds
		fmt.Printf("%10.1f us %9.1f GFLOP/s %8.1f GB/s  %s\n", k.Nanoseconds/1e3, float64(k.FLOPs)/k.Nanoseconds, float64(k.Bytes)/k.Nanoseconds, k.Name)
	}
	fmt.Printf("%10.1f us in %d kernels\n", total/1e3, len(times))
	return nil
}
