package conformance

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/weft-ml/weft/device"
	"github.com/weft-ml/weft/tensor"
)

// Tolerance is how far a result may be from its reference.
type Tolerance struct {
	Each float64 // |out - ref| <= Each (1 + |ref|), element by element
	Norm float64 // or ||out - ref|| <= Norm ||ref||, where Each is 0
}

var (
	pointwise = Tolerance{Each: 1e-4} // elementwise operators and movement
	summed    = Tolerance{Norm: 1e-5} // reductions and matrix products
	layered   = Tolerance{Norm: 1e-4} // convolutions, norms, recurrence, attention
)

// Excess is the error of out as a multiple of what is tolerated: up to 1 is
// within. A NaN or an infinity where the reference has none is infinite.
func (t Tolerance) Excess(out, ref []float32) float64 {
	if len(out) != len(ref) {
		return math.Inf(1)
	}
	worst, diff, norm := 0.0, 0.0, 0.0
	for i, r := range ref {
		o, r := float64(out[i]), float64(r)
		if o == r || (math.IsNaN(o) && math.IsNaN(r)) {
			norm += r * r
			continue
		}
		d := math.Abs(o - r)
		if math.IsNaN(d) || math.IsInf(d, 0) {
			return math.Inf(1)
		}
		worst = max(worst, d/(1+math.Abs(r)))
		diff += d * d
		norm += r * r
	}
	if t.Each > 0 {
		return worst / t.Each
	}
	// A reference that is zero up to rounding has no relative error.
	return math.Sqrt(diff) / (t.Norm * max(math.Sqrt(norm), 1e-2*math.Sqrt(float64(len(ref)))))
}

// ErrUnknown is what Run returns for an operator that has no adapter.
var ErrUnknown = errors.New("conformance: unknown operator")

// args is what an adapter sees.
type args struct {
	Attrs
	in   map[string]*tensor.Tensor
	host map[string]Array
	outs []string // sorted, shorter names first
	// state holds outputs that are variables, which the operator assigns: they
	// are read after the program has run.
	state map[string]*tensor.Tensor
}

func (a *args) x() *tensor.Tensor { return a.in["x"] }

// operator adapts one of PyTorch's operators.
type operator struct {
	tol Tolerance
	run func(a *args) map[string]*tensor.Tensor
}

// one is an operator with a single result.
func one(tol Tolerance, f func(a *args) *tensor.Tensor) operator {
	return operator{tol, func(a *args) map[string]*tensor.Tensor {
		return map[string]*tensor.Tensor{a.outs[0]: f(a)}
	}}
}

// Operators lists the operators that have adapters.
func Operators() []string { return slices.Sorted(maps.Keys(operators)) }

var operators = map[string]operator{}

func register(tables ...map[string]operator) {
	for _, t := range tables {
		maps.Copy(operators, t)
	}
}

func sortedNames(m map[string]string) []string {
	return slices.SortedFunc(maps.Keys(m), func(a, b string) int {
		if len(a) != len(b) {
			return len(a) - len(b)
		}
		if a < b {
			return -1
		}
		return 1
	})
}

// Function is a case as a function of outputs and gradients, and its arguments.
// It is what Run compiles.
func (s *Set) Function(c Case) (tensor.Function, []*tensor.Tensor, error) {
	f, _, params, err := s.function(c)
	return f, params, err
}

func (s *Set) function(c Case) (tensor.Function, *args, []*tensor.Tensor, error) {
	op, ok := operators[c.Op]
	if !ok {
		return nil, nil, nil, fmt.Errorf("%w %q", ErrUnknown, c.Op)
	}
	a := &args{Attrs: c.Attrs, host: map[string]Array{}, outs: sortedNames(c.Outputs)}
	if len(a.outs) == 0 {
		return nil, nil, nil, fmt.Errorf("conformance: case %s has no outputs", c.Name)
	}
	inputs, seeds, grads := sortedNames(c.Inputs), sortedNames(c.GradOut), sortedNames(c.Grads)
	var params []*tensor.Tensor
	for _, n := range inputs {
		v, err := s.Array(c.Inputs[n])
		if err != nil {
			return nil, nil, nil, err
		}
		a.host[n] = v
		params = append(params, v.Tensor())
	}
	for _, n := range seeds {
		v, err := s.Array(c.GradOut[n])
		if err != nil {
			return nil, nil, nil, err
		}
		params = append(params, v.Tensor())
	}
	return func(t *tensor.Trace, in []*tensor.Tensor) []*tensor.Tensor {
		t.SetTraining(c.Attrs.Bool("training", false))
		a.in = map[string]*tensor.Tensor{}
		for i, n := range inputs {
			a.in[n] = in[i]
		}
		outs := op.run(a)
		var results []*tensor.Tensor
		for _, n := range a.outs {
			if a.state[n] == nil {
				results = append(results, outs[n])
			}
		}
		if len(grads) == 0 {
			return results
		}
		total := tensor.Scalar(0)
		for i, n := range seeds {
			total = total.Add(outs[n].Mul(in[len(inputs)+i]).Sum())
		}
		var wrt []*tensor.Tensor
		for _, n := range grads {
			wrt = append(wrt, a.in[n])
		}
		return append(results, tensor.Grad(total, wrt...)...)
	}, a, params, nil
}

// Run computes a case on a device, as one compiled program of outputs and
// gradients, and compares every tensor. It returns the greatest error as a
// multiple of the tolerance, and an error that names each tensor that fails.
func (s *Set) Run(dev *device.Device, c Case) (worst float64, err error) {
	f, a, params, err := s.function(c)
	if err != nil {
		return 0, err
	}
	prog, err := tensor.Compile(dev, f, params...)
	if err != nil {
		return 0, err
	}
	defer prog.Close()
	got, err := prog.Call(params...)
	if err != nil {
		return 0, err
	}
	var failures []error
	compare := func(kind, arg, name string, t *tensor.Tensor) {
		excess, err := s.compare(operators[c.Op].tol, name, t)
		worst = max(worst, excess)
		if err != nil {
			failures = append(failures, fmt.Errorf("%s %s: %w", kind, arg, err))
		}
	}
	for _, n := range a.outs {
		out := a.state[n]
		if out == nil {
			out, got = got[0], got[1:]
		}
		compare("output", n, c.Outputs[n], out)
	}
	for i, n := range sortedNames(c.Grads) {
		compare("gradient of", n, c.Grads[n], got[i])
	}
	return worst, errors.Join(failures...)
}

// compare checks a result against the tensor called name.
func (s *Set) compare(tol Tolerance, name string, t *tensor.Tensor) (float64, error) {
	want, err := s.Array(name)
	if err != nil {
		return 0, err
	}
	if !slices.Equal(t.Shape(), want.Shape) {
		return math.Inf(1), fmt.Errorf("shape %v, want %v", t.Shape(), want.Shape)
	}
	got, err := t.Read()
	if err != nil {
		return 0, err
	}
	ref := want.Floats()
	excess := tol.Excess(got, ref)
	if excess <= 1 {
		return excess, nil
	}
	at, far := 0, -1.0
	for i := range ref {
		if d := math.Abs(float64(got[i]) - float64(ref[i])); d > far || d != d {
			at, far = i, d
		}
	}
	return excess, fmt.Errorf("%.3g times the tolerance, most at element %d: %g, want %g", excess, at, got[at], ref[at])
}
