package optim_test

import (
	"math"
	"strings"
	"testing"

	"github.com/weft-ml/weft/device"
	"github.com/weft-ml/weft/nn"
	. "github.com/weft-ml/weft/optim"
	"github.com/weft-ml/weft/tensor"
)

// The trajectories of the common configurations are compared with PyTorch's
// by the conformance suite. Here are the others, against the formulas written
// out in float64, and how optimizers combine.

var start = []float32{0.5, -1, 2, 0.25, -0.75, 1.5}

func param(name string, shape ...int) nn.Param {
	n := 1
	for _, d := range shape {
		n *= d
	}
	v := make([]float32, n)
	for i := range v {
		v[i] = start[i%len(start)]
	}
	return nn.Param{Name: name, Value: tensor.NewVariable(name, v, shape...), Decay: len(shape) > 1}
}

// train takes steps on the loss sum(sin(p) + p^2/2), whose gradient is
// cos(p) + p, at the rate lr.
func train(t *testing.T, opt Optimizer, steps int, lr float64) *tensor.Program {
	t.Helper()
	p, err := tensor.Compile(device.CPU(), func(tr *tensor.Trace, _ []*tensor.Tensor) []*tensor.Tensor {
		loss := tensor.Scalar(0)
		for _, p := range opt.Params() {
			loss = loss.Add(p.Value.Sin().Add(p.Value.Square().MulScalar(0.5)).Sum())
		}
		opt.Step(tr, tr.Scalar("lr"), tensor.Grad(loss, nn.Values(opt.Params())...))
		return []*tensor.Tensor{loss}
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	if err := p.SetScalar("lr", lr); err != nil {
		t.Fatal(err)
	}
	for range steps {
		if _, err := p.Call(); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

// follow runs an update for one element in float64.
func follow(steps int, step func(n int, p, g float64) float64) []float64 {
	out := make([]float64, len(start))
	for i, s := range start {
		p := float64(s)
		for n := 1; n <= steps; n++ {
			p = step(n, p, math.Cos(p)+p)
		}
		out[i] = p
	}
	return out
}

func expect(t *testing.T, what string, got *tensor.Tensor, want []float64) {
	t.Helper()
	for i, g := range got.Floats() {
		if math.Abs(float64(g)-want[i]) > 2e-5*(1+math.Abs(want[i])) {
			t.Errorf("%s: element %d is %g, want %g", what, i, g, want[i])
			return
		}
	}
}

func TestSGDDampening(t *testing.T) {
	p := param("p", 6)
	train(t, NewSGD([]nn.Param{p}, SGDOptions{Momentum: 0.9, Dampening: 0.3}), 6, 0.1)
	var b float64
	expect(t, "dampening", p.Value, follow(6, func(n int, p, g float64) float64 {
		if n == 1 {
			b = g
		} else {
			b = 0.9*b + 0.7*g
		}
		return p - 0.1*b
	}))
}

func TestAdamVariants(t *testing.T) {
	p := param("p", 6)
	train(t, NewAdam([]nn.Param{p}, AdamOptions{AMSGrad: true, Beta2: 0.5}), 8, 0.3)
	var m, v, top float64
	expect(t, "amsgrad", p.Value, follow(8, func(n int, p, g float64) float64 {
		if n == 1 {
			m, v, top = 0, 0, 0
		}
		m, v = 0.9*m+0.1*g, 0.5*v+0.5*g*g
		top = max(top, v)
		k := float64(n)
		return p - 0.3/(1-math.Pow(0.9, k))*m/(math.Sqrt(top)/math.Sqrt(1-math.Pow(0.5, k))+1e-8)
	}))
	q := param("q", 6)
	train(t, NewAdam([]nn.Param{q}, AdamOptions{Beta1: NoMomentum}), 4, 0.1)
	expect(t, "without momentum", q.Value, follow(4, func(n int, p, g float64) float64 {
		if n == 1 {
			v = 0
		}
		v = 0.999*v + 0.001*g*g
		return p - 0.1*g/(math.Sqrt(v/(1-math.Pow(0.999, float64(n))))+1e-8)
	}))
}

func TestAdagradDecay(t *testing.T) {
	p := param("p", 6)
	train(t, NewAdagrad([]nn.Param{p}, AdagradOptions{LRDecay: 0.5, Initial: 0.25}), 5, 0.2)
	var s float64
	expect(t, "adagrad", p.Value, follow(5, func(n int, p, g float64) float64 {
		if n == 1 {
			s = 0.25
		}
		s += g * g
		return p - 0.2/(1+0.5*float64(n-1))*g/(math.Sqrt(s)+1e-10)
	}))
}

func TestWeightDecaySparesBiases(t *testing.T) {
	for name, make := range map[string]func(ps []nn.Param, wd float64) Optimizer{
		"sgd":     func(ps []nn.Param, wd float64) Optimizer { return NewSGD(ps, SGDOptions{WeightDecay: wd}) },
		"adam":    func(ps []nn.Param, wd float64) Optimizer { return NewAdam(ps, AdamOptions{WeightDecay: wd}) },
		"adamw":   func(ps []nn.Param, wd float64) Optimizer { return NewAdamW(ps, AdamOptions{WeightDecay: wd}) },
		"rmsprop": func(ps []nn.Param, wd float64) Optimizer { return NewRMSprop(ps, RMSpropOptions{WeightDecay: wd}) },
		"adagrad": func(ps []nn.Param, wd float64) Optimizer { return NewAdagrad(ps, AdagradOptions{WeightDecay: wd}) },
	} {
		run := func(wd float64, all bool) (w, b []float32) {
			ps := []nn.Param{param("w", 2, 3), param("b", 6)}
			if all {
				ps = DecayAll(ps)
			}
			train(t, make(ps, wd), 3, 0.1)
			return ps[0].Value.Floats(), ps[1].Value.Floats()
		}
		w0, b0 := run(0, false)
		w1, b1 := run(0.5, false)
		_, b2 := run(0.5, true)
		if w0[2] == w1[2] || b0[2] != b1[2] || b1[2] == b2[2] {
			t.Errorf("%s: weight %g without decay, %g with; bias %g, %g, and %g when it decays too", name, w0[2], w1[2], b0[2], b1[2], b2[2])
		}
	}
}

// Plain SGD must leave nothing of its own behind: its update belongs into the
// kernel that computes the gradient.
func TestSGDFuses(t *testing.T) {
	x := tensor.Zeros(8, 6)
	kernels := func(update bool) int {
		w := param("w", 6, 6)
		opt := NewSGD([]nn.Param{w}, SGDOptions{})
		p, err := tensor.Compile(device.CPU(), func(tr *tensor.Trace, in []*tensor.Tensor) []*tensor.Tensor {
			g := tensor.Grad(in[0].MatMul(w.Value).Tanh().Sum(), w.Value)
			if update {
				opt.Step(tr, tr.Scalar("lr"), g)
				return nil
			}
			return g
		}, x)
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		return p.KernelCount()
	}
	if with, without := kernels(true), kernels(false); with > without {
		t.Errorf("%d kernels with the update, %d without", with, without)
	}
}

func TestMuonOrthogonalises(t *testing.T) {
	for _, shape := range [][]int{{4, 6}, {6, 4}, {3, 2, 2, 2}} {
		n := 1
		for _, d := range shape {
			n *= d
		}
		g := make([]float32, n)
		for i := range g {
			g[i] = float32(math.Sin(float64(i*i + 1)))
		}
		p := nn.Param{Name: "w", Value: tensor.NewVariable("w", make([]float32, n), shape...)}
		opt := NewMuon([]nn.Param{p}, MuonOptions{})
		prog, err := tensor.Compile(device.CPU(), func(tr *tensor.Trace, in []*tensor.Tensor) []*tensor.Tensor {
			return opt.Step(tr, tensor.Scalar(-1), in)
		}, tensor.New(g, shape...))
		if err != nil {
			t.Fatal(err)
		}
		out, err := prog.Call(tensor.New(g, shape...))
		if err != nil {
			t.Fatal(err)
		}
		rows, cols := shape[0], n/shape[0]
		u := out[0].Reshape(rows, cols).DivScalar(math.Sqrt(max(1, float64(rows)/float64(cols))))
		if rows > cols {
			u = u.Transpose(0, 1)
		}
		// Five iterations leave the singular values between 0.7 and 1.2.
		gram, k := u.MatMul(u.Transpose(0, 1)).Floats(), min(rows, cols)
		for i := range k {
			for j := range k {
				v := float64(gram[i*k+j])
				if i == j && (v < 0.45 || v > 1.5) || i != j && math.Abs(v) > 0.4 {
					t.Errorf("%v: element %d, %d of the Gram matrix is %g", shape, i, j, v)
				}
			}
		}
		prog.Close()
	}
}

func TestGroups(t *testing.T) {
	w, b := param("0.weight", 2, 3), param("0.bias", 6)
	matrices, rest := Split([]nn.Param{w, b}, IsMatrix)
	opt := Groups(Group{Optimizer: NewSGD(matrices, SGDOptions{Momentum: 0.9})},
		Group{Optimizer: NewAdamW(rest, AdamOptions{}), Rate: 0.5})
	var names []string
	for _, s := range opt.State() {
		names = append(names, s.Name)
	}
	want := "group0.0.weight.momentum group1.step group1.0.bias.exp_avg group1.0.bias.exp_avg_sq"
	if got := strings.Join(names, " "); got != want {
		t.Errorf("state %s, want %s", got, want)
	}
	train(t, opt, 3, 0.1)
	w1, b1 := param("0.weight", 2, 3), param("0.bias", 6)
	train(t, NewSGD([]nn.Param{w1}, SGDOptions{Momentum: 0.9}), 3, 0.1)
	train(t, NewAdamW([]nn.Param{b1}, AdamOptions{}), 3, 0.05)
	expect(t, "first group", w.Value, wide(w1.Value))
	expect(t, "second group", b.Value, wide(b1.Value))
	if s := opt.State()[1].Value.Ints()[0]; s != 3 {
		t.Errorf("%d steps counted", s)
	}
}

func wide(x *tensor.Tensor) []float64 {
	var w []float64
	for _, v := range x.Floats() {
		w = append(w, float64(v))
	}
	return w
}

func TestClip(t *testing.T) {
	g := []*tensor.Tensor{tensor.New([]float32{3, 0}), tensor.New([]float32{-4})}
	clipped, norm := ClipGradNorm(g, 1)
	expect(t, "norm", norm, []float64{5})
	expect(t, "first", clipped[0], []float64{0.6, 0})
	expect(t, "second", clipped[1], []float64{-0.8})
	clipped, _ = ClipGradNorm(g, 10)
	expect(t, "small enough", clipped[1], []float64{-4})
	expect(t, "by value", ClipGradValue(g, 2)[0], []float64{2, 0})
	clipped, _ = ClipGradNorm([]*tensor.Tensor{tensor.Zeros(2)}, 1)
	expect(t, "zero gradients", clipped[0], []float64{0, 0})
}

func TestEMA(t *testing.T) {
	p := param("p", 6)
	opt := NewSGD([]nn.Param{p}, SGDOptions{})
	ema, err := NewEMA(opt.Params(), 0.75)
	if err != nil {
		t.Fatal(err)
	}
	prog, err := tensor.Compile(device.CPU(), func(tr *tensor.Trace, _ []*tensor.Tensor) []*tensor.Tensor {
		ema.Step(tr, opt.Step(tr, tensor.Scalar(1), []*tensor.Tensor{tensor.Full(-1, 6)}))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	defer prog.Close()
	for range 2 {
		if _, err := prog.Call(); err != nil {
			t.Fatal(err)
		}
	}
	now, avg := make([]float64, 6), make([]float64, 6)
	for i, s := range start {
		now[i] = float64(s) + 2
		avg[i] = float64(s) + 0.75*0.25 + 0.25*2
	}
	expect(t, "parameter", p.Value, now)
	expect(t, "average", ema.State()[0].Value, avg)
	if ema.State()[0].Name != "p.ema" {
		t.Error(ema.State()[0].Name)
	}
	for range 2 {
		if err := ema.Swap(); err != nil {
			t.Fatal(err)
		}
		now, avg = avg, now
		expect(t, "parameter after a swap", p.Value, now)
		expect(t, "average after a swap", ema.State()[0].Value, avg)
	}
}

func TestMistakesAreErrors(t *testing.T) {
	p := param("p", 6)
	for want, f := range map[string]func(){
		"no trainable variable": func() { NewSGD([]nn.Param{{Name: "x", Value: tensor.Zeros(2)}}, SGDOptions{}) },
		"1 gradients for 0":     func() { NewSGD(nil, SGDOptions{}).Step(nil, tensor.Scalar(1), []*tensor.Tensor{tensor.Zeros(1)}) },
		"is no matrix":          func() { NewMuon([]nn.Param{p}, MuonOptions{}) },
		"belongs to two groups": func() { o := NewSGD([]nn.Param{p}, SGDOptions{}); Groups(Group{Optimizer: o}, Group{Optimizer: o}) },
		"it has one element":    func() { NewSGD(nil, SGDOptions{}).Step(nil, tensor.Zeros(2), nil) },
		"2 gradients for 1 parame": func() {
			Groups(Group{Optimizer: NewSGD([]nn.Param{p}, SGDOptions{})}).Step(nil, nil, make([]*tensor.Tensor, 2))
		},
	} {
		func() {
			defer func() {
				e, ok := recover().(*tensor.Error)
				if !ok || !strings.Contains(e.Error(), want) {
					t.Errorf("%v, want %q", e, want)
				}
			}()
			f()
		}()
	}
}

// TestMuonOnTheSphere: a matrix has the norm of an orthogonal one before each
// step, whatever it had, and a step moves it by about the rate.
func TestMuonOnTheSphere(t *testing.T) {
	rng := nn.NewRNG(1)
	w := tensor.NewVariable("w", rng.Normal(6*20, 0, 3), 6, 20)
	o := NewMuon([]nn.Param{{Name: "w", Value: w}}, MuonOptions{Momentum: 0.6, Sphere: true})
	grad := tensor.New(rng.Normal(6*20, 0, 0.01), 6, 20)
	before := w.Floats()
	p, err := tensor.Compile(device.CPU(), func(tr *tensor.Trace, _ []*tensor.Tensor) []*tensor.Tensor {
		o.Step(tr, tr.Scalar("lr"), []*tensor.Tensor{grad})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	norm := func(v []float32) float64 {
		s := 0.0
		for _, x := range v {
			s += float64(x) * float64(x)
		}
		return math.Sqrt(s)
	}
	first := norm(before)
	for _, lr := range []float64{0, 0.1} {
		p.SetScalar("lr", lr)
		if _, err := p.Call(); err != nil {
			t.Fatal(err)
		}
		after := w.Floats()
		moved := make([]float32, len(after))
		for i := range after {
			moved[i] = after[i] - before[i]*float32(math.Sqrt(6)/first)
		}
		// Singular values of the step are within 0.7 and 1.2 of the rate.
		if d := norm(moved) / math.Sqrt(6); d < 0.65*lr-1e-6 || d > 1.25*lr+1e-6 {
			t.Errorf("rate %v: moved by %v", lr, d)
		}
	}
}
