package conformance

import (
	"encoding/json"
	"fmt"
	"hash/crc32"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/weft-ml/weft/device"
	"github.com/weft-ml/weft/nn"
	"github.com/weft-ml/weft/optim"
	"github.com/weft-ml/weft/tensor"
	"github.com/weft-ml/weft/zoo"
)

// What is not a case of one operator: optimizers over several steps,
// schedules, and whole models.

// Training is the trajectory of one optimizer in optim.json: it fits
// tanh(x w + b) to y by least squares, and notes the loss before each step.
type Training struct {
	Name  string    `json:"name"`
	Attrs Attrs     `json:"attrs"`
	Steps int       `json:"steps"`
	Loss  []float64 `json:"loss"`
	W     string    `json:"w"` // the final parameters
	B     string    `json:"b"` // "" where only w is trained, and there is no b
}

// Rates is the trajectory of one schedule: the rate used at each step.
type Rates struct {
	Name   string    `json:"name"`
	Attrs  Attrs     `json:"attrs"`
	LR     []float64 `json:"lr"`
	Metric []float64 `json:"metric"` // for plateau: what is reported after each step
}

// Optim is what optim.json holds.
type Optim struct {
	Optimizers []Training `json:"optimizers"`
	Schedules  []Rates    `json:"schedules"`
	Clip       *struct {
		MaxNorm   float64  `json:"max_norm"`
		TotalNorm float64  `json:"total_norm"`
		In        []string `json:"in"`
		Out       []string `json:"out"`
	} `json:"clip_grad_norm"`
}

// Optim parses the trajectories.
func (s *Set) Optim() (o Optim, err error) { return o, json.Unmarshal(s.Text, &o) }

// newOptimizer builds the optimizer that a name of optim.json begins with.
func newOptimizer(name string, a Attrs, params []nn.Param) (optim.Optimizer, error) {
	params = optim.DecayAll(params)
	betas := func() (b1, b2 float64) {
		b1, b2 = 0.9, 0.999
		if list, ok := a["betas"].([]any); ok && len(list) == 2 {
			b1, _ = list[0].(float64)
			b2, _ = list[1].(float64)
		}
		if b1 == 0 {
			b1 = optim.NoMomentum
		}
		return b1, b2
	}
	kind, _, _ := strings.Cut(name, "_")
	wd := a.Float("weight_decay", 0)
	switch kind {
	case "sgd":
		return optim.NewSGD(params, optim.SGDOptions{Momentum: a.Float("momentum", 0), Dampening: a.Float("dampening", 0),
			Nesterov: a.Bool("nesterov", false), WeightDecay: wd}), nil
	case "adam", "adamw":
		b1, b2 := betas()
		opt := optim.AdamOptions{Beta1: b1, Beta2: b2, Eps: a.Float("eps", 1e-8), WeightDecay: wd, AMSGrad: a.Bool("amsgrad", false)}
		if kind == "adam" {
			return optim.NewAdam(params, opt), nil
		}
		opt.WeightDecay = a.Float("weight_decay", 0.01)
		return optim.NewAdamW(params, opt), nil
	case "rmsprop":
		return optim.NewRMSprop(params, optim.RMSpropOptions{Alpha: a.Float("alpha", 0.99), Eps: a.Float("eps", 1e-8),
			Momentum: a.Float("momentum", 0), Centered: a.Bool("centered", false), WeightDecay: wd}), nil
	case "adagrad":
		return optim.NewAdagrad(params, optim.AdagradOptions{Eps: a.Float("eps", 1e-10), LRDecay: a.Float("lr_decay", 0),
			Initial: a.Float("initial_accumulator_value", 0), WeightDecay: wd}), nil
	case "muon":
		opt := optim.MuonOptions{Momentum: a.Float("momentum", 0.95), Plain: !a.Bool("nesterov", true), Steps: a.Int("ns_steps", 5),
			Eps: a.Float("eps", 1e-7), WeightDecay: a.Float("weight_decay", 0.1), MatchRMS: a.String("adjust_lr_fn", "") == "match_rms_adamw"}
		if c, ok := a["ns_coefficients"].([]any); ok && len(c) == 3 {
			for i := range c {
				opt.Coeffs[i], _ = c[i].(float64)
			}
		}
		return optim.NewMuon(params, opt), nil
	}
	return nil, fmt.Errorf("%w: optimizer %q", ErrUnknown, name)
}

// variable makes a variable of the tensor called name.
func (s *Set) variable(label, name string) (nn.Param, error) {
	a, err := s.Array(name)
	if err != nil {
		return nn.Param{}, err
	}
	return nn.Param{Name: label, Value: tensor.NewVariable(label, a.F, a.Shape...)}, nil
}

// RunTraining follows an optimizer's trajectory on a device.
func (s *Set) RunTraining(dev *device.Device, c Training) (worst float64, err error) {
	tol := layered
	if strings.HasPrefix(c.Name, "muon") {
		tol = Tolerance{Norm: 2e-2} // the reference computes in bfloat16
	}
	w, err := s.variable("w", "w0")
	if err != nil {
		return 0, err
	}
	params := []nn.Param{w}
	if c.B != "" {
		b, err := s.variable("b", "b0")
		if err != nil {
			return 0, err
		}
		params = append(params, b)
	}
	opt, err := newOptimizer(c.Name, c.Attrs, params)
	if err != nil {
		return 0, err
	}
	x, err := s.Array("x")
	if err != nil {
		return 0, err
	}
	y, err := s.Array("y")
	if err != nil {
		return 0, err
	}
	prog, err := tensor.Compile(dev, func(t *tensor.Trace, in []*tensor.Tensor) []*tensor.Tensor {
		z := in[0].MatMul(w.Value)
		if len(params) > 1 {
			z = z.Add(params[1].Value)
		}
		loss := nn.MSE(z.Tanh(), in[1], nn.Mean)
		opt.Step(t, t.Scalar("lr"), tensor.Grad(loss, nn.Values(params)...))
		return []*tensor.Tensor{loss}
	}, x.Tensor(), y.Tensor())
	if err != nil {
		return 0, err
	}
	defer prog.Close()
	if err := prog.SetScalar("lr", c.Attrs.Float("lr", 0)); err != nil {
		return 0, err
	}
	for i := range c.Steps {
		out, err := prog.Call(x.Tensor(), y.Tensor())
		if err != nil {
			return 0, err
		}
		if i < len(c.Loss) {
			e := tol.Excess(out[0].Floats(), []float32{float32(c.Loss[i])})
			if worst = max(worst, e); e > 1 {
				return worst, fmt.Errorf("loss %d is %g, want %g", i, out[0].Item(), c.Loss[i])
			}
		}
	}
	for i, name := range []string{c.W, c.B}[:len(params)] {
		e, err := s.compare(tol, name, params[i].Value)
		if worst = max(worst, e); err != nil {
			return worst, fmt.Errorf("final %s: %w", params[i].Name, err)
		}
	}
	return worst, nil
}

// RunSchedule compares a schedule, to 1e-6 of each rate.
func RunSchedule(c Rates) (worst float64, err error) {
	if len(c.LR) == 0 {
		return 0, fmt.Errorf("conformance: schedule %s has no rates", c.Name)
	}
	a := c.Attrs
	// The rate that the schedule works on is the first one, unless the
	// schedule begins elsewhere.
	lr := a.Float("lr", a.Float("base_lr", c.LR[0]))
	var rate optim.Schedule
	switch c.Name {
	case "constant":
		rate = optim.Constant(lr)
	case "cosine":
		rate = optim.Cosine(lr, a.Float("eta_min", 0), a.Int("t_max", len(c.LR)))
	case "cosine_restarts":
		rate = optim.CosineRestarts(lr, a.Float("eta_min", 0), a.Int("t0", len(c.LR)), a.Int("t_mult", 1))
	case "step":
		rate = optim.StepDecay(lr, a.Float("gamma", 0.1), a.Int("step_size", 1))
	case "multistep":
		rate = optim.MultiStep(lr, a.Float("gamma", 0.1), a.Ints("milestones")...)
	case "exponential":
		rate = optim.Exponential(lr, a.Float("gamma", 1))
	case "linear_warmup":
		start := a.Float("start_factor", 1.0/3)
		lr = a.Float("lr", a.Float("base_lr", c.LR[0]/start))
		rate = optim.Linear(lr*start, lr*a.Float("end_factor", 1), a.Int("total_iters", 5))
	case "onecycle":
		rate = optim.OneCycle(optim.OneCycleOptions{Max: a.Float("max_lr", 0), Steps: a.Int("total_steps", len(c.LR)),
			Rise: a.Float("pct_start", 0.3), Start: a.Float("div_factor", 25), Final: a.Float("final_div_factor", 1e4),
			Linear: a.String("anneal", "cos") == "linear", Three: a.Bool("three_phase", false)})
	case "plateau":
		p := &optim.Plateau{LR: lr, Factor: a.Float("factor", 0.1), Patience: a.Int("patience", 10), Cooldown: a.Int("cooldown", 0),
			Min: a.Float("min_lr", 0), Threshold: a.Float("threshold", 1e-4), Absolute: a.String("threshold_mode", "rel") == "abs",
			Rising: a.String("mode", "min") == "max"}
		if p.Patience == 0 {
			p.Patience = -1
		}
		rate = func(i int) float64 { // called for 0, 1, ... in turn
			if i > 0 {
				p.Next(c.Metric[i-1])
			}
			return p.LR
		}
	default:
		return 0, fmt.Errorf("%w: schedule %q", ErrUnknown, c.Name)
	}
	for i, want := range c.LR {
		got := rate(i)
		e := math.Abs(got-want) / (1e-6 * math.Abs(want))
		if got == want {
			e = 0
		}
		if worst = max(worst, e); !(e <= 1) {
			return worst, fmt.Errorf("rate %d is %.9g, want %.9g", i, got, want)
		}
	}
	return worst, nil
}

// RunClip compares optim.ClipGradNorm.
func (s *Set) RunClip(dev *device.Device) (worst float64, err error) {
	o, err := s.Optim()
	if err != nil || o.Clip == nil {
		return 0, err
	}
	var grads []*tensor.Tensor
	for _, name := range o.Clip.In {
		a, err := s.Array(name)
		if err != nil {
			return 0, err
		}
		grads = append(grads, a.Tensor())
	}
	prog, err := tensor.Compile(dev, func(t *tensor.Trace, in []*tensor.Tensor) []*tensor.Tensor {
		clipped, norm := optim.ClipGradNorm(in, o.Clip.MaxNorm)
		return append(clipped, norm)
	}, grads...)
	if err != nil {
		return 0, err
	}
	defer prog.Close()
	out, err := prog.Call(grads...)
	if err != nil {
		return 0, err
	}
	for i, name := range o.Clip.Out {
		e, err := s.compare(summed, name, out[i])
		if worst = max(worst, e); err != nil {
			return worst, fmt.Errorf("gradient %d: %w", i, err)
		}
	}
	if e := summed.Excess(out[len(out)-1].Floats(), []float32{float32(o.Clip.TotalNorm)}); e > 1 {
		return e, fmt.Errorf("norm %g, want %g", out[len(out)-1].Item(), o.Clip.TotalNorm)
	}
	return worst, nil
}

// Model is one whole network of models.json. Its weights, input and labels
// come from a hash of their names, so that none need to be stored.
type Model struct {
	Name      string             `json:"name"`
	Input     []int              `json:"input"`
	Classes   int                `json:"classes"`
	Salt      string             `json:"salt"`
	Params    map[string][]int   `json:"params"`
	SGD       Attrs              `json:"sgd"`
	Logits    string             `json:"train_logits"`
	Loss      float64            `json:"train_loss"`
	GradNorms map[string]float64 `json:"grad_norms"`
	Losses    []float64          `json:"loss_trajectory"`
	Eval      string             `json:"eval_logits"` // "" leaves them out
}

// Models parses the models.
func (s *Set) Models() ([]Model, error) {
	var m struct {
		Models []Model `json:"models"`
	}
	return m.Models, json.Unmarshal(s.Text, &m)
}

// hashed is u(name, i) in [0, 1) for n elements: MurmurHash3's finalizer of
// the position and the name's checksum.
func hashed(name string, n int) []float64 {
	crc := crc32.ChecksumIEEE([]byte(name))
	u := make([]float64, n)
	for i := range u {
		h := uint32(i)*0x9E3779B1 + crc
		h = (h ^ h>>16) * 0x85EBCA6B
		h = (h ^ h>>13) * 0xC2B2AE35
		h ^= h >> 16
		u[i] = float64(h) / (1 << 32)
	}
	return u
}

// weights are the hash-made values of a parameter.
func (m Model) weights(name string, shape []int) []float32 {
	n := 1
	for _, d := range shape {
		n *= d
	}
	v := make([]float32, n)
	for i, u := range hashed(m.Salt+name, n) {
		switch {
		case len(shape) >= 2:
			v[i] = float32((2*u - 1) * math.Sqrt(3/float64(n/shape[0])))
		case strings.HasSuffix(name, ".weight"):
			v[i] = 1
		default:
			v[i] = float32((u - 0.5) * 0.02)
		}
	}
	return v
}

// build returns the network of a model's name.
func (m Model) build() (nn.Module, error) {
	rng := nn.NewRNG(0)
	switch {
	case m.Name == "cnn_mnist":
		return zoo.DigitCNN(rng, m.Input[1], m.Input[2], m.Input[3], m.Classes), nil
	case m.Name == "resnet18_cifar":
		return zoo.ResNet18CIFAR(rng, m.Classes), nil
	case m.Name == "efficientnet_b0":
		return zoo.NewEfficientNetB0(rng, m.Classes, zoo.EfficientNetOptions{}), nil
	case !strings.HasPrefix(m.Name, "mlp"):
		return nil, fmt.Errorf("%w: model %q", ErrUnknown, m.Name)
	}
	type layer struct{ at, in, out int }
	var layers []layer
	for name, shape := range m.Params {
		if at, err := strconv.Atoi(strings.TrimSuffix(name, ".weight")); err == nil && len(shape) == 2 {
			layers = append(layers, layer{at, shape[1], shape[0]})
		}
	}
	slices.SortFunc(layers, func(a, b layer) int { return a.at - b.at })
	var sizes []int
	for _, l := range layers {
		if sizes == nil {
			sizes = append(sizes, l.in)
		}
		sizes = append(sizes, l.out)
	}
	return flattened{zoo.MLP(rng, sizes...)}, nil
}

// flattened makes rows of images for a network that takes rows.
type flattened struct{ nn.Sequential }

func (r flattened) Forward(x *tensor.Tensor) *tensor.Tensor {
	return r.Sequential.Forward(nn.Flatten{}.Forward(x))
}

// RunModel compares a network's logits, gradient norms, losses while it
// trains, and logits afterwards.
func (s *Set) RunModel(dev *device.Device, m Model) (worst float64, err error) {
	net, err := m.build()
	if err != nil {
		return 0, err
	}
	params := nn.Trainable(net)
	names := map[string]bool{}
	for _, p := range params {
		shape, ok := m.Params[p.Name]
		if !ok || !slices.Equal(shape, p.Value.Shape()) {
			return 0, fmt.Errorf("parameter %s has shape %v here, %v in the reference", p.Name, p.Value.Shape(), shape)
		}
		names[p.Name] = true
		if err := p.Value.Set(m.weights(p.Name, shape)); err != nil {
			return 0, err
		}
	}
	for name := range maps.Keys(m.Params) {
		if !names[name] {
			return 0, fmt.Errorf("no parameter %s", name)
		}
	}
	n := 1
	for _, d := range m.Input {
		n *= d
	}
	pixels, labels := make([]float32, n), make([]int32, m.Input[0])
	for i, u := range hashed(m.Salt+"input", n) {
		pixels[i] = float32(2*u - 1)
	}
	for i, u := range hashed(m.Salt+"labels", len(labels)) {
		labels[i] = int32(u * float64(m.Classes))
	}
	x, y := tensor.New(pixels, m.Input...), tensor.FromInts(labels)

	opt := optim.NewSGD(optim.DecayAll(params), optim.SGDOptions{Momentum: m.SGD.Float("momentum", 0),
		Nesterov: m.SGD.Bool("nesterov", false), WeightDecay: m.SGD.Float("weight_decay", 0)})
	train, err := tensor.Compile(dev, func(t *tensor.Trace, in []*tensor.Tensor) []*tensor.Tensor {
		t.SetTraining(true)
		logits := net.Forward(in[0])
		loss := nn.CrossEntropy(logits, in[1], nn.ClassOptions{})
		grads := tensor.Grad(loss, nn.Values(params)...)
		opt.Step(t, t.Scalar("lr"), grads)
		out := []*tensor.Tensor{logits, loss}
		for _, g := range grads {
			out = append(out, optim.GradNorm([]*tensor.Tensor{g}))
		}
		return out
	}, x, y)
	if err != nil {
		return 0, err
	}
	defer train.Close()
	eval, err := tensor.Compile(dev, func(t *tensor.Trace, in []*tensor.Tensor) []*tensor.Tensor {
		return []*tensor.Tensor{net.Forward(in[0])}
	}, x)
	if err != nil {
		return 0, err
	}
	defer eval.Close()
	if err := train.SetScalar("lr", m.SGD.Float("lr", 0)); err != nil {
		return 0, err
	}
	number := func(what string, tol Tolerance, got float32, want float64) error {
		e := tol.Excess([]float32{got}, []float32{float32(want)})
		if worst = max(worst, e); e > 1 {
			return fmt.Errorf("%s is %g, want %g", what, got, want)
		}
		return nil
	}
	for i, want := range m.Losses {
		out, err := train.Call(x, y)
		if err != nil {
			return worst, err
		}
		// Rounding is amplified as training goes on, and a loss that has almost
		// vanished shows it most: its error counts on the scale of the first.
		tol := 1e-3
		if i >= 3 {
			tol = 1e-2
		}
		got := float64(out[1].Item())
		e := math.Abs(got-want) / (tol * max(want, m.Losses[0]/10))
		if worst = max(worst, e); !(e <= 1) {
			return worst, fmt.Errorf("loss %d is %g, want %g", i, got, want)
		}
		if i > 0 {
			continue
		}
		e, err = s.compare(layered, m.Logits, out[0])
		if worst = max(worst, e); err != nil {
			return worst, fmt.Errorf("logits: %w", err)
		}
		if err := number("training loss", layered, out[1].Item(), m.Loss); err != nil {
			return worst, err
		}
		// A ReLU passes the gradient or not by the sign of a value that may be
		// next to zero, so that rounding shows more than in the values.
		for j, p := range params {
			if err := number("gradient norm of "+p.Name, Tolerance{Norm: 1e-3}, out[2+j].Item(), m.GradNorms[p.Name]); err != nil {
				return worst, err
			}
		}
	}
	if m.Eval == "" {
		return worst, nil
	}
	out, err := eval.Call(x)
	if err != nil {
		return worst, err
	}
	e, err := s.compare(Tolerance{Norm: 1e-2}, m.Eval, out[0])
	if worst = max(worst, e); err != nil {
		return worst, fmt.Errorf("logits after training: %w", err)
	}
	return worst, nil
}
