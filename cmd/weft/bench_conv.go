// The convolutional networks of weft bench. Their arithmetic is counted as
// formulas count it, from the products of the forward pass: a plan may multiply
// zeros too (of padding, or between the elements of a strided convolution's
// gradient), and a rate should not rise with waste.

package main

import (
	"context"
	"fmt"
	"time"

	"github.com/weft-ml/weft/device"
	"github.com/weft-ml/weft/nn"
	"github.com/weft-ml/weft/optim"
	"github.com/weft-ml/weft/tensor"
	"github.com/weft-ml/weft/train"
	"github.com/weft-ml/weft/zoo"
)

// convNet is one line: a network, a batch, and whether it is trained.
type convNet struct {
	name  string
	train bool
	batch int
	image [3]int // channels, height, width
	build func() nn.Module
	// first is the arithmetic of the first convolution for one image, whose
	// input needs no gradient.
	first  int
	recipe string // trains by this recipe, if any
}

// The first three are for every device, the others for graphics cards.
var convolutional = []convNet{
	digitCNN(64), resNet18(1, false), resNet18(32, true),
	digitCNN(512), resNet18(512, false), resNet18(512, true),
}

func digitCNN(batch int) convNet {
	return convNet{
		name: "cnn", train: true, batch: batch, image: [3]int{1, 28, 28}, first: 2 * 25 * 32 * 24 * 24, recipe: "mnist-cnn",
		build: func() nn.Module { return zoo.MNISTCNN(nn.NewRNG(1)) },
	}
}

func resNet18(batch int, train bool) convNet {
	return convNet{
		name: "resnet18", train: train, batch: batch, image: [3]int{3, 32, 32}, first: 2 * 27 * 64 * 32 * 32,
		build: func() nn.Module { return zoo.ResNet18CIFAR(nn.NewRNG(1), 10) },
	}
}

func (n *convNet) bench(ctx context.Context, d *device.Device, span time.Duration) (benchRow, error) {
	net := n.build()
	defer func() {
		for _, p := range nn.Params(net) {
			p.Value.Free()
		}
	}()
	images := tensor.Zeros(n.batch, n.image[0], n.image[1], n.image[2])
	forward, err := tensor.Compile(d, func(_ *tensor.Trace, in []*tensor.Tensor) []*tensor.Tensor {
		return []*tensor.Tensor{net.Forward(in[0])}
	}, images)
	if err != nil {
		return benchRow{}, err
	}
	defer forward.Close()
	flops := forward.ProductFLOPs()
	if n.train {
		flops = 3*flops - n.batch*n.first
	}
	var row benchRow
	switch {
	case n.recipe != "":
		r, err := train.Find(n.recipe)
		if err != nil {
			return benchRow{}, err
		}
		o := r.Options
		o.Batch = n.batch
		if row, _, err = benchRecipe(ctx, d, r, o, span); err != nil {
			return benchRow{}, err
		}
	case n.train:
		step, err := n.step(d, net, images)
		if err != nil {
			return benchRow{}, err
		}
		defer step.Close()
		if row, err = benchProgram(ctx, step, span); err != nil {
			return benchRow{}, err
		}
	default:
		if row, err = benchProgram(ctx, forward, span); err != nil {
			return benchRow{}, err
		}
	}
	row.Name = fmt.Sprintf("%s batch %d", n.name, n.batch)
	if !n.train {
		row.Name += " infer"
	}
	row.GFLOPS = row.PerSec * float64(flops) / 1e9
	return row, nil
}

// step is a training step with momentum and weight decay.
func (n *convNet) step(d *device.Device, net nn.Module, images *tensor.Tensor) (*tensor.Program, error) {
	labels := tensor.FromBytes(make([]byte, n.batch), n.batch)
	opt := optim.NewSGD(nn.Trainable(net), optim.SGDOptions{Momentum: 0.9, WeightDecay: 5e-4})
	return tensor.Compile(d, func(tr *tensor.Trace, in []*tensor.Tensor) []*tensor.Tensor {
		tr.SetTraining(true)
		loss := nn.CrossEntropy(net.Forward(in[0]), labels, nn.ClassOptions{})
		opt.Step(tr, tensor.Scalar(0.1), tensor.Grad(loss, nn.Values(opt.Params())...))
		return []*tensor.Tensor{loss}
	}, images)
}

// benchProgram counts the steps of a program. Two submits are under way at a
// time, so that a device need not wait for the host.
func benchProgram(ctx context.Context, p *tensor.Program, span time.Duration) (benchRow, error) {
	run := func(steps, each int) error {
		under := 0
		for steps > 0 || under > 0 {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			if steps > 0 {
				if err := p.Submit(min(each, steps), nil); err != nil {
					return err
				}
				steps -= min(each, steps)
				under++
			}
			if under == 2 || steps == 0 {
				if _, err := p.Collect(nil); err != nil {
					return err
				}
				under--
			}
		}
		return nil
	}
	if err := run(1, 1); err != nil { // warm
		return benchRow{}, err
	}
	begin := time.Now()
	if err := run(1, 1); err != nil {
		return benchRow{}, err
	}
	one := max(time.Since(begin), time.Microsecond)
	each := int(min(max(80*time.Millisecond/one, 1), tensor.MaxSteps))
	var rate float64
	for steps := max(2, int(span/one)); ; steps *= 2 {
		begin = time.Now()
		if err := run(steps, each); err != nil {
			return benchRow{}, err
		}
		took := time.Since(begin)
		if rate = float64(steps) / took.Seconds(); took >= span {
			break
		}
	}
	own, borrowed := p.MemoryBytes()
	return benchRow{PerSec: rate, Memory: own + borrowed, Kernels: p.KernelCount()}, nil
}
