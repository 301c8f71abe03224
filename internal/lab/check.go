//go:build !js || checker

// The conformance suite is a third of all that the lab's program would be, and
// few visitors ask for it. So in the browser it is a program of its own, the
// same one built with this tag, which the page loads for a check and ends after.

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
	"github.com/weft-ml/weft/device"
)

func init() { calls["check"] = handler((*Session).check) }

// Sets of reference values in the site's folder fixtures, which
// internal/lab/checkset chooses from the full ones.
var checkSets = []string{"ops", "layers", "losses", "optim", "models"}

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
	run func(*device.Device) (float64, error)
}

// check compares this device with the reference values, operator by operator,
// and the CPU of the same program beside it, which tells a device's error from
// one of ours.
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
				worst, err := c.run(s.dev)
				if s.isLost(err) {
					return err
				}
				row.note(&row.MaxError, "", worst, err)
				s.breathe()
				if s.dev.Kind() != "cpu" {
					worst, err := c.run(device.CPU())
					row.note(&row.CPUError, "on the CPU: ", worst, err)
					s.breathe()
				}
			}
			cases = cases[n:]
			r.Rows = append(r.Rows, row)
			s.opts.Emit("check", &CheckEvent{row})
		}
		return nil
	})
}

// note takes the outcome of a case into the row.
func (r *CheckRow) note(most *float64, where string, worst float64, err error) {
	if math.IsInf(worst, 0) || math.IsNaN(worst) {
		worst = math.MaxFloat32 // which every receiver can show
	}
	*most = max(*most, worst)
	if err != nil {
		r.Passed = false
		r.Message = strings.TrimPrefix(r.Message+"\n"+where+err.Error(), "\n")
	}
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
				list = append(list, checkCase{c.Op, func(d *device.Device) (float64, error) { return set.Run(d, c) }})
			}
		}
		slices.SortStableFunc(list[at:], func(a, b checkCase) int { return cmp.Compare(a.op, b.op) })
		switch name {
		case "optim":
			o, err := set.Optim()
			if err != nil {
				return nil, err
			}
			for _, c := range o.Optimizers {
				list = append(list, checkCase{"optimizer " + c.Name, func(d *device.Device) (float64, error) { return set.RunTraining(d, c) }})
			}
		case "models":
			models, err := set.Models()
			if err != nil {
				return nil, err
			}
			for _, m := range models {
				list = append(list, checkCase{"network " + m.Name, func(d *device.Device) (float64, error) { return set.RunModel(d, m) }})
			}
		}
	}
	return list, nil
}
