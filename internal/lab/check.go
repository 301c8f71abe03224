package lab

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"slices"
	"strings"

	"github.com/weft-ml/weft/conformance"
	"github.com/weft-ml/weft/data/synthetic"
	"github.com/weft-ml/weft/nn"
	"github.com/weft-ml/weft/train"
	"github.com/weft-ml/weft/train/recipes"
)

// Sets of reference values in the site's folder fixtures, which
// internal/lab/checkset chooses from the full ones.
var checkSets = []string{"ops", "losses", "optim"}

// checkProfile is how many times a kernel is timed.
const checkProfile = 5

// files are a folder in memory.
type files map[string][]byte

func (f files) ReadFile(name string) ([]byte, error) {
	b, ok := f[name]
	if !ok {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return b, nil
}

func (f files) Open(name string) (fs.File, error) {
	return nil, &fs.PathError{Op: "open", Path: name, Err: errors.ErrUnsupported}
}

// checkCase is one comparison.
type checkCase struct {
	op  string
	run func() (float64, error)
}

// check compares this device with the reference values, operator by operator,
// and shows the kernels of a training step.
func (s *Session) check(ctx context.Context, _ *Empty) (*CheckResult, error) {
	folder := files{}
	for _, set := range checkSets {
		for _, ext := range []string{".json", ".safetensors"} {
			b, err := s.fetch(ctx, "fixtures/"+set+ext, nil)
			if err != nil {
				return nil, hinted("Everything else works without them.", fmt.Errorf("the reference values cannot be loaded: %w", err))
			}
			folder[set+ext] = b
		}
	}
	r := &CheckResult{}
	return r, s.do(ctx, s.slow, func() error {
		if err := s.ready(); err != nil {
			return err
		}
		if err := s.drain(); err != nil {
			return err
		}
		var d InitResult
		s.describe(&d)
		*r = CheckResult{Adapter: d.Adapter, Limits: d.Limits, Features: d.Features}
		cases, err := s.cases(folder)
		if err != nil {
			return err
		}
		for len(cases) > 0 {
			n := 1
			for n < len(cases) && cases[n].op == cases[0].op {
				n++
			}
			row := CheckRow{Op: cases[0].op, Cases: n, Passed: true}
			for _, c := range cases[:n] {
				if err := ctx.Err(); err != nil {
					return err
				}
				worst, err := c.run()
				if s.isLost(err) {
					return err
				}
				if math.IsInf(worst, 0) || math.IsNaN(worst) {
					worst = math.MaxFloat32 // which every receiver can show
				}
				row.MaxError = max(row.MaxError, worst)
				if err != nil {
					row.Passed = false
					row.Message = strings.TrimPrefix(row.Message+"\n"+err.Error(), "\n")
				}
				s.breathe()
			}
			cases = cases[n:]
			r.Rows = append(r.Rows, row)
			s.opts.Emit("check", &CheckEvent{row})
		}
		r.Kernels, err = s.kernels()
		return err
	})
}

// cases lists what this program can compute, in groups of equal operators.
func (s *Session) cases(folder files) (list []checkCase, err error) {
	known := conformance.Operators()
	for _, name := range checkSets {
		set, err := conformance.Load(folder, name)
		if err != nil {
			return nil, err
		}
		at := len(list)
		for _, c := range set.Cases {
			if slices.Contains(known, c.Op) {
				list = append(list, checkCase{c.Op, func() (float64, error) { return set.Run(s.dev, c) }})
			}
		}
		slices.SortStableFunc(list[at:], func(a, b checkCase) int { return cmp.Compare(a.op, b.op) })
		if name != "optim" {
			continue
		}
		o, err := set.Optim()
		if err != nil {
			return nil, err
		}
		for _, c := range o.Optimizers {
			list = append(list, checkCase{"optimizer " + c.Name, func() (float64, error) { return set.RunTraining(s.dev, c) }})
		}
	}
	return list, nil
}

// kernels compiles the training step of the present network, or of a usual
// one, on digits of its own, so that timing it changes no weights that matter.
func (s *Session) kernels() (list []KernelInfo, err error) {
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
	times, err := p.Profile(checkProfile)
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
