package onnx

import (
	"bytes"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/weft-ml/weft/device"
	"github.com/weft-ml/weft/nn"
	"github.com/weft-ml/weft/optim"
	"github.com/weft-ml/weft/tensor"
)

// compute runs f on the CPU.
func compute(t *testing.T, f tensor.Function, in ...*tensor.Tensor) []*tensor.Tensor {
	t.Helper()
	p, err := tensor.Compile(device.CPU(), f, in...)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	out, err := p.Call(in...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// apart is the greatest difference of two tensors relative to the greatest
// element.
func apart(a, b *tensor.Tensor) float64 {
	x, y := a.Floats(), b.Floats()
	if !slices.Equal(a.Shape(), b.Shape()) {
		return math.Inf(1)
	}
	var diff, most float64
	for i := range x {
		diff = max(diff, math.Abs(float64(x[i]-y[i])))
		most = max(most, math.Abs(float64(x[i])))
	}
	return diff / max(most, 1e-30)
}

func reimport(t *testing.T, m *Model) *Network {
	t.Helper()
	var b bytes.Buffer
	if err := m.Write(&b); err != nil {
		t.Fatal(err)
	}
	back, err := Parse(b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	n, err := back.Network(ImportOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestModelsComeBack(t *testing.T) {
	for _, s := range small(subjects()) {
		o := ExportOptions{Inputs: s.inputs(), Params: nn.Params(s.model)}
		m, err := Export(forward(s.model), o)
		if err != nil {
			t.Fatal(err)
		}
		n := reimport(t, m)
		var want, got []string
		for _, p := range nn.Params(s.model) {
			want = append(want, fmt.Sprintf("%s %v", p.Name, p.Value.Shape()))
		}
		for _, p := range nn.Params(n) {
			got = append(got, fmt.Sprintf("%s %v", p.Name, p.Value.Shape()))
		}
		// Norms that have no scale of their own get one, since ONNX's has.
		got = slices.DeleteFunc(got, func(p string) bool {
			return strings.Contains(p, ".norm") && strings.Contains(p, ".weight ") && !slices.Contains(want, p)
		})
		slices.Sort(want)
		slices.Sort(got)
		if !slices.Equal(want, got) {
			t.Errorf("%s: parameters\n%q, want\n%q", s.name, got, want)
		}
		x := s.argument(3, 3)
		if d := apart(compute(t, forward(s.model), x)[0], compute(t, forward(n), x)[0]); d > 1e-5 {
			t.Errorf("%s: %g apart", s.name, d)
		}
		// And once more, now that it is an imported network.
		o.Params = nn.Params(n)
		again, err := Export(forward(n), o)
		if err != nil {
			t.Fatal(err)
		}
		if a, b := m.Operators(), again.Operators(); len(a) != len(b) {
			t.Errorf("%s: operators %v, then %v", s.name, a, b)
		}
		if d := apart(compute(t, forward(s.model), x)[0], compute(t, forward(reimport(t, again)), x)[0]); d > 1e-5 {
			t.Errorf("%s: %g apart after a second export", s.name, d)
		}
		// A structure and the weights are the network.
		text, err := n.Structure()
		if err != nil {
			t.Fatal(err)
		}
		if len(text) > 100_000 {
			t.Errorf("%s: a structure of %d bytes", s.name, len(text))
		}
		restored, err := Restore(text)
		if err != nil {
			t.Fatal(err)
		}
		from, to := nn.Params(n), nn.Params(restored)
		if len(from) != len(to) {
			t.Fatalf("%s: %d parameters, %d restored", s.name, len(from), len(to))
		}
		for i, p := range to {
			if p.String() != from[i].String() {
				t.Errorf("%s: parameter %s, was %s", s.name, p, from[i])
			}
			if p.Value.DType() == tensor.Float32 {
				if err := p.Value.Set(from[i].Value.Floats()); err != nil {
					t.Fatal(err)
				}
			}
		}
		if d := apart(compute(t, forward(n), x)[0], compute(t, forward(restored), x)[0]); d > 0 {
			t.Errorf("%s: %g apart when restored", s.name, d)
		}
	}
}

// An imported network trains: its loss falls, and batch norm's statistics move.
func TestImportedNetworksTrain(t *testing.T) {
	rng := nn.NewRNG(7)
	small := nn.Sequential{
		nn.NewConv2d(rng, 1, 4, 3, nn.ConvOptions{Padding: 1}), nn.NewBatchNorm(4, nn.BatchNormOptions{}), nn.ReLU{},
		nn.MaxPool2d{Kernel: 2}, nn.Flatten{}, nn.NewLinear(rng, 64, 3, nn.LinearOptions{}),
	}
	m, err := Export(forward(small), ExportOptions{Inputs: []Input{{Name: "x", Shape: []int{Batch, 1, 8, 8}}}, Params: nn.Params(small)})
	if err != nil {
		t.Fatal(err)
	}
	net := reimport(t, m)
	var mean *tensor.Tensor
	for _, p := range nn.Params(net) {
		if p.Name == "1.running_mean" && p.Buffer {
			mean = p.Value
		}
	}
	if mean == nil {
		t.Fatal("no running mean")
	}
	before := slices.Clone(mean.Floats())
	params := nn.Trainable(net)
	opt := optim.NewSGD(params, optim.SGDOptions{Momentum: 0.9})
	x, y := random(8, 12, 1, 8, 8), tensor.FromInts([]int32{0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2})
	p, err := tensor.Compile(device.CPU(), func(tr *tensor.Trace, in []*tensor.Tensor) []*tensor.Tensor {
		tr.SetTraining(true)
		loss := nn.CrossEntropy(net.Forward(in[0]), in[1], nn.ClassOptions{})
		opt.Step(tr, tensor.Scalar(0.05), tensor.Grad(loss, nn.Values(params)...))
		return []*tensor.Tensor{loss}
	}, x, y)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	var first, last float32
	for i := range 30 {
		out, err := p.Call(x, y)
		if err != nil {
			t.Fatal(err)
		}
		if last = out[0].Item(); i == 0 {
			first = last
		}
	}
	if !(last < first/4) {
		t.Errorf("loss from %g to %g", first, last)
	}
	if slices.Equal(before, mean.Floats()) {
		t.Error("the running mean stayed where it was")
	}
}

func modelOf(t *testing.T, s sample) *Model {
	t.Helper()
	b, err := s.model().bytes()
	if err != nil {
		t.Fatal(err)
	}
	m, err := Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// Exporters write equal weights once, such as the statistics of norms that were
// never trained: the layers have their own all the same.
func TestNormsThatShareStatistics(t *testing.T) {
	m := modelOf(t, sample{"", 17, []array{noise("x", 4, 3, 2), noise("s", 3), noise("b", 3), noise("m", 3), positive("v", 3)}, []*nodeProto{
		{OpType: "BatchNormalization", Name: "one", Input: []string{"x", "s", "b", "m", "v"}, Output: []string{"h"}},
		{OpType: "BatchNormalization", Name: "two", Input: []string{"h", "s", "b", "m", "v"}, Output: []string{"y"}},
	}, "y"})
	n, err := m.Network(ImportOptions{})
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, p := range n.Params() {
		if names[p.Name] {
			t.Errorf("two parameters are called %s", p.Name)
		}
		names[p.Name] = true
	}
	p, err := tensor.Compile(device.CPU(), func(tr *tensor.Trace, in []*tensor.Tensor) []*tensor.Tensor {
		tr.SetTraining(true)
		return n.Run(in...)
	}, tensor.Zeros(4, 3, 2))
	if err != nil {
		t.Fatal(err)
	}
	p.Close()
}

// What decides about shapes is part of the structure, also where a file computes it.
func TestRestoreComputedSettings(t *testing.T) {
	m := modelOf(t, sample{"", 17, []array{noise("x", 1, 2, 4, 4), {"p", elemFloat, []int{2}, []float64{1, 1}}, {"q", elemFloat16, []int{2}, []float64{2, 3}}}, []*nodeProto{
		{OpType: "Cast", Name: "cast", Input: []string{"q"}, Output: []string{"r"}, Attribute: []*attrProto{integer("to", 1)}},
		{OpType: "Concat", Name: "cat", Input: []string{"p", "r"}, Output: []string{"f"}, Attribute: []*attrProto{integer("axis", 0)}},
		{OpType: "Resize", Name: "up", Input: []string{"x", "", "f"}, Output: []string{"y"}},
	}, "y"})
	n, err := m.Network(ImportOptions{})
	if err != nil {
		t.Fatal(err)
	}
	text, err := n.Structure()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Restore(text); err != nil {
		t.Error(err)
	}
	if len(n.Params()) != 0 {
		t.Errorf("%v are weights", n.Params())
	}
}
