// The kernels of a training step, as the Check view lists them: what was
// generated, and what it costs on this device.

package lab

import (
	"context"
	"fmt"

	"github.com/weft-ml/weft/data/synthetic"
	"github.com/weft-ml/weft/nn"
	"github.com/weft-ml/weft/train"
	"github.com/weft-ml/weft/train/recipes"
)

// timings is how many times a kernel is timed.
const timings = 5

func (s *Session) kernels(ctx context.Context, _ *Empty) (*KernelsResult, error) {
	r := &KernelsResult{}
	return r, s.do(ctx, s.slow, func() (err error) {
		if err := s.ready(); err != nil {
			return err
		}
		if err := s.drain(); err != nil {
			return err
		}
		r.Kernels, err = s.stepKernels()
		return err
	})
}

// stepKernels compiles the training step of the present network, or of a usual
// one, on digits of its own, so that timing it changes no weights that matter.
func (s *Session) stepKernels() (list []KernelInfo, err error) {
	spec := []LayerSpec{{Type: "linear", Units: 128}, {Type: "relu"}, {Type: "linear", Units: len(digitNames)}}
	o := recipes.MNISTMLP.Options
	o.EMA, o.Augment, o.ValFraction, o.Batch = 0, train.Augment{}, 0, 64
	if t := s.run; t != nil {
		o = t.opts
		o.ValFraction, o.EMA = 0, 0
	}
	set := synthetic.Digits(max(o.Batch, 64), 3)
	if m := s.model; m != nil && len(m.classes) == len(digitNames) {
		spec = m.spec
	}
	net, err := train.InitModel(&recipes.Layers, mnistInput, len(digitNames), o, spec)
	if err != nil {
		return nil, err
	}
	steps, err := train.NewSteps(train.StepsConfig{Device: s.dev, Model: net, Options: o, Train: set, Preprocessing: mnistInput})
	if err != nil {
		return nil, err
	}
	defer func() {
		steps.Close()
		for _, p := range nn.Params(net) {
			p.Value.Free()
		}
	}()
	if err := steps.Submit(1); err != nil {
		return nil, err
	}
	if _, err := steps.Collect(func(_, _ float64) {}); err != nil {
		return nil, err
	}
	p := steps.Program()
	// Devices that cannot measure still show their kernels.
	times, err := p.Profile(timings)
	if s.isLost(err) {
		return nil, err
	}
	for i, source := range p.Source() {
		k := KernelInfo{Name: fmt.Sprintf("kernel %d", i+1), WGSL: source}
		if i < len(times) {
			k.Name = times[i].Name
		}
		if i < len(times) && times[i].Nanoseconds > 0 {
			k.Us = times[i].Nanoseconds / 1000
			k.GFLOPS = float64(times[i].FLOPs) / times[i].Nanoseconds
		}
		list = append(list, k)
	}
	return list, nil
}
