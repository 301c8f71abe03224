package tensor_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/weft-ml/weft/device"
	"github.com/weft-ml/weft/internal/cpu"
	"github.com/weft-ml/weft/nn"
	"github.com/weft-ml/weft/optim"
	. "github.com/weft-ml/weft/tensor"
	"github.com/weft-ml/weft/zoo"
)

// cnnStep is a training step of the digit network: four convolutions, SiLU,
// batch norm on the batch's statistics, pooling, a linear layer, SGD.
func cnnStep(t testing.TB, dev *device.Device, batch int) *Program {
	r := rand.New(rand.NewPCG(5, 6))
	variable := func(name string, shape ...int) *Tensor {
		n, fan := 1, 1
		for i, d := range shape {
			n *= d
			if i > 0 {
				fan *= d
			}
		}
		v := make([]float32, n)
		for i := range v {
			v[i] = float32((r.Float64()*2 - 1) * math.Sqrt(3/float64(fan)))
		}
		return NewVariable(name, v, shape...)
	}
	norm := func(x, w, b *Tensor) *Tensor {
		mean := x.MeanKeep(0, 2, 3)
		d := x.Sub(mean)
		scale := d.Square().MeanKeep(0, 2, 3).AddScalar(1e-5).Rsqrt()
		return d.Mul(scale).Mul(w.Reshape(1, -1, 1, 1)).Add(b.Reshape(1, -1, 1, 1))
	}
	params := []*Tensor{
		variable("c1", 32, 1, 5, 5), variable("b1", 32), variable("c2", 32, 32, 5, 5), variable("b2", 32),
		variable("g1", 32), variable("h1", 32),
		variable("c3", 64, 32, 3, 3), variable("b3", 64), variable("c4", 64, 64, 3, 3), variable("b4", 64),
		variable("g2", 64), variable("h2", 64), variable("w", 10, 576), variable("b", 10),
	}
	pix := make([]byte, batch*784)
	lab := make([]byte, batch)
	for i := range pix {
		pix[i] = byte(r.IntN(256))
	}
	for i := range lab {
		lab[i] = byte(r.IntN(10))
	}
	images, labels := FromBytes(pix, batch, 1, 28, 28), FromBytes(lab, batch)
	pool := Pool2dOptions{Kernel: [2]int{2, 2}}
	p, err := Compile(dev, func(tr *Trace, _ []*Tensor) []*Tensor {
		w := params
		x := images.To(Float32).MulScalar(1.0 / 255)
		x = x.Conv2d(w[0], w[1], ConvOptions{}).Silu().Conv2d(w[2], w[3], ConvOptions{}).Silu()
		x = norm(x, w[4], w[5]).MaxPool2d(pool)
		x = x.Conv2d(w[6], w[7], ConvOptions{}).Silu().Conv2d(w[8], w[9], ConvOptions{}).Silu()
		x = norm(x, w[10], w[11]).MaxPool2d(pool)
		loss := x.Flatten(1).Linear(w[12], w[13]).LogSoftmax(-1).Gather(1, labels.Unsqueeze(1)).Mean().Neg()
		for i, g := range Grad(loss, params...) {
			tr.Assign(params[i], params[i].Sub(g.Mul(tr.Scalar("lr"))))
		}
		return []*Tensor{loss}
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestCNNStepFollowsReference(t *testing.T) {
	losses := func(dev *device.Device) (list []float32) {
		p := cnnStep(t, dev, 2)
		defer p.Close()
		p.SetScalar("lr", 0.01)
		for range 3 {
			out, err := p.Call()
			if err != nil {
				t.Fatal(err)
			}
			list = append(list, out[0].Item())
		}
		return list
	}
	want := losses(device.Reference())
	for _, dev := range devices(t) {
		for i, got := range losses(dev) {
			if d := math.Abs(float64(got - want[i])); !(d < 1e-3) {
				t.Errorf("%s, step %d: loss %v, reference %v", dev.Kind(), i, got, want[i])
			}
		}
	}
}

// The number of threads does not show in a single bit of a training step.
func TestCNNStepOnThreads(t *testing.T) {
	var want []float32
	for threads := 1; threads <= 3; threads++ {
		be := cpu.New(threads)
		defer be.Close()
		p := cnnStep(t, device.Wrap(be, "cpu"), 5)
		p.SetScalar("lr", 0.05)
		var losses []float32
		for range 3 {
			out, err := p.Call()
			if err != nil {
				t.Fatal(err)
			}
			losses = append(losses, out[0].Item())
		}
		p.Close()
		if want == nil {
			want = losses
		}
		if !slices.Equal(losses, want) {
			t.Errorf("%d threads: losses %v, one thread %v", threads, losses, want)
		}
	}
}

// BenchmarkCNNStep replays training steps of the digit CNN and of ResNet-18; with
// -v it prints what each kernel costs. On software adapters, which take seconds
// for a step, web/player/test/bench measures.
func BenchmarkCNNStep(b *testing.B) {
	for _, dev := range devices(b) {
		if software(dev) {
			continue
		}
		batch := map[string][2]int{"cpu": {64, 8}, "webgpu": {512, 512}}[dev.Kind()]
		b.Run(fmt.Sprintf("%s/batch=%d", dev.Kind(), batch[0]), func(b *testing.B) {
			benchmarkSteps(b, cnnStep(b, dev, batch[0]), 4)
		})
		b.Run(fmt.Sprintf("resnet18/%s/batch=%d", dev.Kind(), batch[1]), func(b *testing.B) {
			benchmarkSteps(b, resnetStep(b, dev, batch[1]), 1)
		})
	}
}

// resnetStep is a training step of ResNet-18 in its form for CIFAR-10: SGD with
// momentum on random images.
func resnetStep(t testing.TB, dev *device.Device, batch int) *Program {
	r := rand.New(rand.NewPCG(7, 8))
	x := randomTensor(r, batch, 3, 32, 32)
	labels := make([]byte, batch)
	for i := range labels {
		labels[i] = byte(r.IntN(10))
	}
	target := FromBytes(labels, batch)
	net := zoo.ResNet18CIFAR(nn.NewRNG(1), 10)
	params := nn.Trainable(net)
	opt := optim.NewSGD(params, optim.SGDOptions{Momentum: 0.9, WeightDecay: 5e-4})
	p, err := Compile(dev, func(tr *Trace, _ []*Tensor) []*Tensor {
		tr.SetTraining(true)
		loss := nn.CrossEntropy(net.Forward(tr.Bind(x)), target, nn.ClassOptions{})
		opt.Step(tr, tr.Scalar("lr"), Grad(loss, nn.Values(params)...))
		return []*Tensor{loss}
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// benchmarkSteps runs steps, some in a submit, and closes the program.
func benchmarkSteps(b *testing.B, p *Program, some int) {
	defer p.Close()
	for b.Loop() {
		if err := p.Submit(some, nil); err != nil {
			b.Fatal(err)
		}
		if _, err := p.Collect(nil); err != nil {
			b.Fatal(err)
		}
	}
	per := float64(some) * float64(b.N) / b.Elapsed().Seconds()
	b.ReportMetric(per, "steps/s")
	b.ReportMetric(per*float64(p.FLOPs())/1e9, "GFLOP/s")
	if !testing.Verbose() {
		return
	}
	times, err := p.Profile(9)
	if err != nil {
		b.Fatal(err)
	}
	total := 0.0
	for _, k := range times {
		total += k.Nanoseconds
		b.Logf("%9.1f us %8.1f GFLOP/s %8.1f GB/s %s", k.Nanoseconds/1e3, float64(k.FLOPs)/k.Nanoseconds, float64(k.Bytes)/k.Nanoseconds, k.Name)
	}
	b.Logf("%9.1f us in %d kernels", total/1e3, len(times))
}
