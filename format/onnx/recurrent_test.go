package onnx

import (
	"fmt"
	"maps"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/weft-ml/weft/conformance"
	"github.com/weft-ml/weft/device"
	"github.com/weft-ml/weft/nn"
	"github.com/weft-ml/weft/tensor"
)

// recurrentModel is a PyTorch layer of the fixtures as PyTorch's exporter writes
// it: [samples, steps, width] turned around, states of zeros expanded to the number of
// samples, gates in ONNX's order. Gradients of its weights go back to PyTorch's by permuted.
func recurrentModel(t *testing.T, s *conformance.Set, c conformance.Case) *Model {
	read := func(name string) array {
		a, err := s.Array(c.Inputs[name])
		if err != nil {
			t.Fatal(err)
		}
		out := array{name, elemFloat, a.Shape, nil}
		for _, v := range a.F {
			out.data = append(out.data, float64(v))
		}
		return out
	}
	x := read("x")
	hidden, layers := int(c.Attrs["hidden"].(float64)), int(c.Attrs["layers"].(float64))
	g := &graphProto{Name: c.Name, Input: []*valueProto{valueInfo("x", elemFloat, []dim{{1, 0}, {0, x.shape[1]}, {0, x.shape[2]}})}}
	add := func(kind, in, out string, attrs ...*attrProto) {
		inputs := strings.Split(in, " ")
		for i, n := range inputs {
			if n == "-" {
				inputs[i] = ""
			}
		}
		g.Node = append(g.Node, &nodeProto{OpType: kind, Name: kind + out, Input: inputs, Output: strings.Fields(out), Attribute: attrs})
	}
	initial := func(a array) {
		g.Initializer = append(g.Initializer, &tensorProto{Name: a.name, DataType: int64(a.kind), Dims: wide(a.shape), RawData: a.bytes()})
	}
	initial(array{"zero", elemFloat, nil, []float64{0}})
	initial(longs("one", 1))
	initial(longs("size", float64(hidden)))
	initial(longs("axis", 1))
	add("Shape", "x", "n", integer("end", 1))
	add("Concat", "one n size", "state", integer("axis", 0))
	add("Expand", "zero state", "h0")
	add("Transpose", "x", "t0", ints("perm", 1, 0, 2))
	var hs, cs []string
	for l := range layers {
		name := func(kind string) string { return fmt.Sprintf("%s_l%d", kind, l) }
		for _, kind := range []string{"weight_ih", "weight_hh"} {
			w := permuted(c.Op, hidden, read(name(kind)))
			w.shape = append([]int{1}, w.shape...)
			initial(w)
		}
		b, b2 := permuted(c.Op, hidden, read(name("bias_ih"))), permuted(c.Op, hidden, read(name("bias_hh")))
		initial(array{name("bias"), elemFloat, []int{1, 2 * len(b.data)}, append(b.data, b2.data...)})
		attrs := []*attrProto{integer("hidden_size", hidden)}
		if c.Op == "gru" {
			attrs = append(attrs, integer("linear_before_reset", 1))
		}
		in := fmt.Sprintf("t%d %s %s %s - h0", l, name("weight_ih"), name("weight_hh"), name("bias"))
		out := fmt.Sprintf("y%d h%d", l, l+1)
		if c.Op == "lstm" {
			in, out = in+" h0", out+fmt.Sprintf(" c%d", l+1)
			cs = append(cs, fmt.Sprintf("c%d", l+1))
		}
		hs = append(hs, fmt.Sprintf("h%d", l+1))
		add(strings.ToUpper(c.Op), in, out, attrs...)
		add("Squeeze", fmt.Sprintf("y%d axis", l), fmt.Sprintf("t%d", l+1))
	}
	add("Transpose", fmt.Sprintf("t%d", layers), "out", ints("perm", 1, 0, 2))
	add("Concat", strings.Join(hs, " "), "h", integer("axis", 0))
	g.Output = []*valueProto{{Name: "out"}, {Name: "h"}}
	if cs != nil {
		add("Concat", strings.Join(cs, " "), "c", integer("axis", 0))
		g.Output = append(g.Output, &valueProto{Name: "c"})
	}
	return &Model{opset: 20, proto: &modelProto{IRVersion: 8, OpsetImport: []*opsetProto{{Version: 20}}, Graph: g}}
}

// permuted puts PyTorch's gates (LSTM: i, f, g, o; GRU: r, z, n) into ONNX's order
// (i, o, f, g; z, r, n).
func permuted(op string, hidden int, a array) array {
	order := map[string][]int{"lstm": {0, 3, 1, 2}, "gru": {1, 0, 2}, "rnn": {0}}[op]
	block := hidden * len(a.data) / a.shape[0]
	var data []float64
	for _, k := range order {
		data = append(data, a.data[k*block:(k+1)*block]...)
	}
	a.data = data
	return a
}

// PyTorch's recurrent layers give its results and gradients when they come by an
// ONNX file, on each device, and still do when they are exported again with an open
// number of samples.
func TestPyTorchsRecurrentLayers(t *testing.T) {
	s, err := conformance.Load(os.DirFS("../../testdata/fixtures"), "layers")
	if err != nil {
		t.Fatal(err)
	}
	devices := []*device.Device{device.CPU()}
	if d, err := device.Open("webgpu"); err == nil {
		defer d.Close()
		devices = append(devices, d)
	}
	tried := 0
	for _, c := range s.Cases {
		if c.Op != "lstm" && c.Op != "gru" && c.Op != "rnn" {
			continue
		}
		tried++
		n := reimport(t, recurrentModel(t, s, c))
		array := func(name string) *tensor.Tensor {
			a, err := s.Array(name)
			if err != nil {
				t.Fatal(err)
			}
			return tensor.New(a.F, a.Shape...)
		}
		params := nn.Params(n)
		vars := []*tensor.Tensor{}
		for _, p := range params {
			vars = append(vars, p.Value)
		}
		if want := 3 * int(c.Attrs["layers"].(float64)); len(params) != want {
			t.Fatalf("%s: %d parameters, want %d: %v", c.Name, len(params), want, params)
		}
		in := []*tensor.Tensor{array(c.Inputs["x"])}
		for _, name := range n.Outputs() {
			in = append(in, array(c.GradOut[name]))
		}
		for _, dev := range devices {
			if dev != devices[0] && c.Attrs["layers"].(float64) > 1 {
				continue // no other kernels, and software adapters take long to compile them
			}
			f := func(_ *tensor.Trace, in []*tensor.Tensor) []*tensor.Tensor {
				out := n.Run(in[0])
				loss := tensor.Scalar(0)
				for i, y := range out {
					loss = loss.Add(y.Mul(in[1+i]).Sum())
				}
				return append(out, tensor.Grad(loss, append(vars, in[0])...)...)
			}
			p, err := tensor.Compile(dev, f, in...)
			if err != nil {
				t.Fatalf("%s on %s: %v", c.Name, dev.Name(), err)
			}
			got, err := p.Call(in...)
			if err != nil {
				t.Fatal(err)
			}
			near := func(what string, got, want []float32) {
				for i, v := range want {
					if len(got) != len(want) || !(math.Abs(float64(got[i]-v)) <= 1e-5+1e-4*math.Abs(float64(v))) {
						t.Errorf("%s on %s: %s[%d] is %g, want %g", c.Name, dev.Name(), what, i, got[i], v)
						return
					}
				}
			}
			for i, name := range n.Outputs() {
				near(name, got[i].Floats(), array(c.Outputs[name]).Floats())
			}
			for i, p := range params {
				grad := got[len(n.Outputs())+i].Floats()
				wanted := func(name string) (out []float32) {
					w := array(c.Grads[name])
					for _, v := range permuted(c.Op, int(c.Attrs["hidden"].(float64)), arrayOf(w)).data {
						out = append(out, float32(v))
					}
					return out
				}
				if l, ok := strings.CutPrefix(p.Name, "bias_"); ok {
					near(p.Name, grad, append(wanted("bias_ih_"+l), wanted("bias_hh_"+l)...))
					continue
				}
				near(p.Name, grad, wanted(p.Name))
			}
			near("x", got[len(got)-1].Floats(), array(c.Grads["x"]).Floats())
			p.Close()
		}
		m, err := Export(func(_ *tensor.Trace, in []*tensor.Tensor) []*tensor.Tensor { return n.Run(in...) }, ExportOptions{Inputs: n.Inputs(), Outputs: n.Outputs(), Params: params})
		if err != nil {
			t.Fatalf("%s: %v", c.Name, err)
		}
		back := reimport(t, m)
		if b := back.Inputs()[0].Shape[0]; b != Batch {
			t.Errorf("%s: the number of samples became %d", c.Name, b)
		}
		names := func(n *Network) []string {
			list := map[string]bool{}
			for _, p := range nn.Params(n) {
				list[p.Name] = true
			}
			return slices.Sorted(maps.Keys(list))
		}
		if !slices.Equal(names(back), names(n)) {
			t.Errorf("%s: parameters %v became %v", c.Name, names(n), names(back))
		}
		x := in[0]
		for _, many := range []*tensor.Tensor{x, tensor.Concat(0, x, x.MulScalar(0.5), x.Flip(1))} {
			if _, err := many.Read(); err != nil {
				t.Fatal(err)
			}
			run := func(n *Network) []*tensor.Tensor {
				return compute(t, func(_ *tensor.Trace, in []*tensor.Tensor) []*tensor.Tensor { return n.Run(in...) }, many)
			}
			a, b := run(n), run(back)
			for i := range a {
				if d := apart(a[i], b[i]); !(d < 1e-5) {
					t.Errorf("%s with %d samples: %s is %g apart", c.Name, many.Dim(0), n.Outputs()[i], d)
				}
			}
		}
	}
	if tried != 5 {
		t.Errorf("%d cases", tried)
	}
}

func arrayOf(x *tensor.Tensor) array {
	a := array{"", elemFloat, x.Shape(), nil}
	for _, v := range x.Floats() {
		a.data = append(a.data, float64(v))
	}
	return a
}
