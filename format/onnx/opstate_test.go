package onnx

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/weft-ml/weft/tensor"
)

func init() {
	for _, op := range []string{"LinearAttention", "CausalConvWithState", "com.microsoft.CausalConvWithState", "ai.onnx.preview.FlexAttention"} {
		triedElsewhere[op] = true
	}
}

// results are those of a model of one node, by name, for inputs that are all arguments.
func results(t *testing.T, opset int64, node *nodeProto, in ...array) []*tensor.Tensor {
	t.Helper()
	g := &graphProto{Name: "g", Node: []*nodeProto{node}}
	var args []*tensor.Tensor
	for _, a := range in {
		shape := make([]dim, len(a.shape))
		for i, n := range a.shape {
			shape[i] = dim{0, n}
		}
		g.Input = append(g.Input, valueInfo(a.name, a.kind, shape))
		args = append(args, (&host{a.kind, a.shape, a.data}).tensor())
	}
	for _, name := range node.Output {
		g.Output = append(g.Output, &valueProto{Name: name})
	}
	m := &Model{opset: opset, proto: &modelProto{IRVersion: irVersion, Graph: g}}
	n, err := m.Network(ImportOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return compute(t, func(_ *tensor.Trace, in []*tensor.Tensor) []*tensor.Tensor { return n.Run(in...) }, args...)
}

func wantNumbers(t *testing.T, what string, got *tensor.Tensor, want []float64) {
	t.Helper()
	g := got.Floats()
	if len(g) != len(want) {
		t.Fatalf("%s: %d elements, want %d", what, len(g), len(want))
	}
	for i, w := range want {
		if math.Abs(float64(g[i])-w) > 1e-5*max(1, math.Abs(w)) {
			t.Fatalf("%s: element %d is %g, want %g", what, i, g[i], w)
		}
	}
}

// Each rule of LinearAttention, one head of queries and two to a head of keys, against
// its recurrence in float64, written out number by number.
func TestLinearAttention(t *testing.T) {
	const n, steps, width, values = 2, 3, 4, 5
	for _, c := range []struct {
		rule           string
		heads, groups  int
		past           bool
		decays, writes int // numbers of each head's decay, and of beta in all
		scale          float64
	}{
		{"linear", 2, 2, false, 0, 0, 0}, {"linear", 4, 2, true, 0, 0, 0.3}, {"gated", 2, 2, true, width, 0, 0}, {"gated", 2, 2, false, 1, 0, 0},
		{"delta", 2, 2, false, 0, 2, 0}, {"delta", 4, 1, true, 0, 1, 0}, {"gated_delta", 4, 2, true, width, 2, 0}, {"gated_delta", 2, 2, true, 1, 1, 0},
	} {
		q, k, v := noise("q", n, steps, c.heads*width), noise("k", n, steps, c.groups*width), noise("v", n, steps, c.groups*values)
		s, g, b := noise("s", n, c.groups, width, values), scaled(-0.3, positive("g", n, steps, max(1, c.groups*c.decays))), scaled(0.3, positive("b", n, steps, max(1, c.writes)))
		names, in := []string{"q", "k", "v", "", "", ""}, []array{q, k, v}
		if c.past {
			names[3], in = "s", append(in, s)
		}
		if c.decays > 0 {
			names[4], in = "g", append(in, g)
		}
		if c.writes > 0 {
			names[5], in = "b", append(in, b)
		}
		node := &nodeProto{OpType: "LinearAttention", Name: "l", Input: names, Output: []string{"y", "z"},
			Attribute: []*attrProto{textAttr("update_rule", c.rule), integer("q_num_heads", c.heads), integer("kv_num_heads", c.groups)}}
		scale := c.scale
		if scale == 0 {
			scale = 0.5 // 1/sqrt(width)
		} else {
			node.Attribute = append(node.Attribute, float("scale", scale))
		}
		y, z := make([]float64, n*steps*c.heads*values), make([]float64, len(s.data))
		if c.past {
			copy(z, s.data)
		}
		for i := range n {
			for h := range c.groups {
				state := z[(i*c.groups+h)*width*values:][:width*values]
				for t := range steps {
					at := i*steps + t
					key, value := k.data[(at*c.groups+h)*width:][:width], v.data[(at*c.groups+h)*values:]
					for d := range width {
						for e := range values {
							if c.decays > 0 {
								state[d*values+e] *= math.Exp(g.data[(at*c.groups+h)*c.decays+d%c.decays])
							}
						}
					}
					for e := range values {
						write := value[e]
						if c.writes > 0 {
							for d := range width {
								write -= state[d*values+e] * key[d]
							}
							write *= b.data[at*c.writes+h%c.writes]
						}
						for d := range width {
							state[d*values+e] += key[d] * write
						}
					}
					each := c.heads / c.groups
					for r := range each {
						head := at*c.heads + h*each + r
						for e := range values {
							for d := range width {
								y[head*values+e] += scale * q.data[head*width+d] * state[d*values+e]
							}
						}
					}
				}
			}
		}
		out := results(t, 27, node, in...)
		what := fmt.Sprintf("%s, %d heads on %d", c.rule, c.heads, c.groups)
		wantNumbers(t, what, out[0], y)
		wantNumbers(t, what+": state", out[1], z)
	}
}

// A sequence in two parts, with the state of the first, is the sequence as a whole.
func TestCausalConvolution(t *testing.T) {
	const n, channels, length, kernel = 2, 3, 6, 4
	w, b := noise("w", channels, 1, kernel), noise("b", channels)
	node := func(domain, past, activation string, out ...string) *nodeProto {
		return &nodeProto{OpType: "CausalConvWithState", Name: "c", Domain: domain, Input: []string{"x", "w", "b", past}, Output: out, Attribute: []*attrProto{textAttr("activation", activation)}}
	}
	for _, activation := range []string{"none", "silu", "swish"} {
		for _, split := range []int{0, 1, 4} {
			x, past := noise("x", n, channels, length), array{"s", elemFloat, []int{n, channels, kernel - 1}, make([]float64, n*channels*(kernel-1))}
			want := make([]float64, len(x.data))
			for r := range n * channels {
				for i := range length {
					sum := b.data[r%channels]
					for j := range kernel {
						if at := i + j - kernel + 1; at >= 0 {
							sum += w.data[r%channels*kernel+j] * x.data[r*length+at]
						}
					}
					if activation != "none" {
						sum /= 1 + math.Exp(-sum)
					}
					want[r*length+i] = sum
				}
			}
			part := func(from, to int) array {
				p := array{"x", elemFloat, []int{n, channels, to - from}, nil}
				for r := range n * channels {
					p.data = append(p.data, x.data[r*length+from:r*length+to]...)
				}
				return p
			}
			var wantLast []float64
			for r := range n * channels {
				wantLast = append(wantLast, want[r*length+split:(r+1)*length]...)
			}
			if split > 0 {
				first := results(t, 27, node("", "", activation, "y", "z"), part(0, split), w, b)
				past.data = suiteNumbers(first[1])
			}
			second := results(t, 27, node("", "s", activation, "y", "z"), part(split, length), w, b, past)
			wantNumbers(t, activation, second[0], wantLast)
			wantNumbers(t, "ONNX Runtime's", results(t, 21, node(microsoft, "s", activation, "y"), part(split, length), w, b, past)[0], wantLast)
		}
	}
}

// Two queries of one number see two keys; scores and probabilities pass through
// graphs that add and halve.
func TestFlexAttention(t *testing.T) {
	q, k, v := array{"q", elemFloat, []int{1, 2, 1, 1}, []float64{1, 2}}, array{"k", elemFloat, []int{1, 1, 2, 1}, []float64{1, 3}}, array{"v", elemFloat, []int{1, 1, 2, 1}, []float64{10, 20}}
	node := &nodeProto{OpType: "FlexAttention", Domain: "ai.onnx.preview", Name: "f", Input: []string{"q", "k", "v"}, Output: []string{"y"}, Attribute: []*attrProto{
		float("scale", 0.5), graphAttr("score_mod", "s", "m", []*nodeProto{step("Mul", "s s", "m")}), graphAttr("prob_mod", "p", "h", []*nodeProto{step("Add", "p p", "h")})}}
	var want []float64
	for _, a := range q.data {
		e, f := math.Exp(math.Pow(a*1/2, 2)), math.Exp(math.Pow(a*3/2, 2))
		want = append(want, 2*(10*e+20*f)/(e+f))
	}
	wantNumbers(t, "FlexAttention", results(t, 26, node, q, k, v)[0], want)
}

// The inverse of half a spectrum is the real signal that it is of: the transform of
// {1, 2, 4, 3} is {10, -3+i, 0, -3-i}, and that of {1, 2, 6} {9, -3+√12 i, ..}.
func TestInverseOfHalfASpectrum(t *testing.T) {
	for _, c := range []struct {
		half []float64
		n    []float64 // the length, if it is not 2 (bins - 1)
		want []float64
	}{
		{[]float64{10, 0, -3, 1, 0, 0}, nil, []float64{1, 2, 4, 3}},
		{[]float64{9, 0, -3, math.Sqrt(12)}, []float64{3}, []float64{1, 2, 6}},
		{[]float64{10, 0, -3, 1, 0, 0, 5, 5}, []float64{4}, []float64{1, 2, 4, 3}},
	} {
		x := array{"x", elemFloat, []int{1, len(c.half) / 2, 2}, c.half}
		node := &nodeProto{OpType: "DFT", Name: "d", Input: []string{"x"}, Output: []string{"y"}, Attribute: []*attrProto{integer("inverse", 1), integer("onesided", 1), integer("axis", 1)}}
		s := sample{"", 19, []array{x}, []*nodeProto{node}, "y"}
		if c.n != nil {
			node.Input = append(node.Input, "n")
			s.inputs = append(s.inputs, array{"n", elemInt64, nil, c.n})
		}
		out := compute(t, forward(reimport(t, s.model())), (&host{elemFloat, x.shape, x.data}).tensor())[0]
		wantNumbers(t, fmt.Sprint(c.half), out, c.want)
		if out.Dim(-1) != 1 {
			t.Errorf("shape %v", out.Shape())
		}
	}
}

// A float beyond an integer's range becomes the nearest that there is, and NaN 0, on
// every device and in constants alike; integers wrap.
func TestCastsOfFloatsSaturate(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	x := array{"x", elemFloat, []int{8}, []float64{nan, inf, -inf, 3e38, -3e38, 70000, -70000, -2}}
	for kind, want := range map[elem][]float64{
		elemUint8: {0, 255, 0, 255, 0, 255, 0, 0}, elemInt8: {0, 127, -128, 127, -128, 127, -128, -2},
		elemUint16: {0, 65535, 0, 65535, 0, 65535, 0, 0}, elemInt16: {0, 32767, -32768, 32767, -32768, 32767, -32768, -2},
		elemUint32: {0, most, 0, most, 0, 70000, 0, 0}, elemInt32: {0, most, least, most, least, 70000, -70000, -2}, elemInt64: {0, most, least, most, least, 70000, -70000, -2},
	} {
		for _, op := range []string{"Cast", "QuantizeLinear"} {
			node := &nodeProto{OpType: op, Name: op, Input: []string{"x"}, Output: []string{"y"}, Attribute: []*attrProto{integer("to", int(kind))}}
			in := []array{x}
			if op == "QuantizeLinear" {
				if bits, _ := narrow(kind); bits == 0 {
					continue
				}
				node.Input, node.Attribute = []string{"x", "s", "z"}, nil
				in = append(in, single("s", 1), array{"z", kind, nil, []float64{0}})
			}
			s := sample{"", 21, in, []*nodeProto{node}, "y"}
			n := reimport(t, s.model())
			onDevices(t, n, []*tensor.Tensor{(&host{elemFloat, x.shape, x.data}).tensor()}, func(device string, out []*tensor.Tensor) {
				for i, v := range out[0].Ints() {
					if float64(v) != want[i] {
						t.Errorf("%s of %g to %s on %s: %d, want %g", op, x.data[i], elemNames[kind], device, v, want[i])
					}
				}
			})
		}
		c := &call{node: &nodeProto{OpType: "Cast", Attribute: []*attrProto{integer("to", int(kind))}}, in: []val{{h: &host{elemFloat, x.shape, x.data}}}}
		for i, v := range c.onHost().v {
			if float64(saturated(tensor.Int32, v)) != want[i] {
				t.Errorf("a constant %g to %s: %g, want %g", x.data[i], elemNames[kind], v, want[i])
			}
		}
	}
}

func TestStateErrors(t *testing.T) {
	q, k, v := noise("q", 1, 2, 8), noise("k", 1, 2, 8), noise("v", 1, 2, 8)
	heads := []*attrProto{integer("q_num_heads", 2), integer("kv_num_heads", 2)}
	for _, c := range []struct {
		node []*nodeProto
		in   []array
		want string
	}{
		{op("LinearAttention", "q k v", heads...), []array{q, k, v}, "update_rule gated_delta, and a decay is given: false"},
		{op("LinearAttention", "q k v", append(heads, textAttr("update_rule", "hebb"))...), []array{q, k, v}, `update_rule "hebb": linear, gated`},
		{op("LinearAttention", "q k v s", append(heads, textAttr("update_rule", "linear"))...), []array{q, k, v, noise("s", 1, 2, 4, 5)}, "past_state of shape [1 2 4 5], where [1 2 4 4] is needed"},
		{op("CausalConvWithState", "q w", textAttr("activation", "gelu")), []array{q, noise("w", 2, 1, 3)}, `activation "gelu": none, silu and swish are known`},
		{op("CausalConvWithState", "q w"), []array{q, noise("w", 3, 1, 3)}, "[channels, 1, kernel] are needed"},
	} {
		_, err := modelOf(t, sample{"", 27, c.in, c.node, "y"}).Network(ImportOptions{})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v; want %q", c.node[0].OpType, err, c.want)
		}
	}
}

// The state of a recurrent layer, [layers, batch, size], has its samples in the second
// dimension, also where there is one layer.
func TestStateOfOneLayer(t *testing.T) {
	x, h := noise("x", 6, 2, 4), noise("x2", 1, 2, 5)
	s := sample{"", 14, []array{x, h, noise("w", 1, 5, 4), noise("r", 1, 5, 5), noise("b", 1, 10)},
		[]*nodeProto{{OpType: "RNN", Name: "rnn", Input: []string{"x", "w", "r", "b", "", "x2"}, Output: []string{"y"}, Attribute: []*attrProto{integer("hidden_size", 5)}}}, "y"}
	m := s.model()
	for _, v := range m.proto.Graph.Input {
		v.Type.Tensor.Shape.Dim[1] = &dimProto{Param: "batch"}
	}
	n, err := m.Network(ImportOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if a, b := n.Inputs()[0].Shape, n.Inputs()[1].Shape; !slices.Equal(a, []int{6, Batch, 4}) || !slices.Equal(b, []int{1, Batch, 5}) {
		t.Errorf("inputs %v and %v", a, b)
	}
	f := func(_ *tensor.Trace, in []*tensor.Tensor) []*tensor.Tensor { return n.Run(in...) }
	if _, err := Export(f, ExportOptions{Inputs: n.Inputs()}); err != nil {
		t.Error(err)
	}
}
