package onnx

import (
	"fmt"
	"slices"
	"strings"
)

// sequencesFile is what ONNX Runtime computed of recurrent layers and of what
// controls the flow.
const sequencesFile = "testdata/sequences.json"

func texts(name string, v ...string) *attrProto {
	a := &attrProto{Name: name, Type: attrStrings}
	for _, s := range v {
		a.Strings = append(a.Strings, []byte(s))
	}
	return a
}

// small noise is what weights of recurrent layers are, so that gates stay open.
func scaled(f float64, a array) array {
	for i := range a.data {
		a.data[i] *= f
	}
	return a
}

// all makes one result y of several, flat and joined.
func all(node *nodeProto, results string) []*nodeProto {
	node.Output = strings.Split(results, " ")
	nodes := []*nodeProto{node}
	last := &nodeProto{OpType: "Concat", Output: []string{"y"}, Attribute: []*attrProto{integer("axis", 0)}}
	for _, r := range node.Output {
		if r != "" {
			nodes = append(nodes, &nodeProto{OpType: "Reshape", Input: []string{r, "flat"}, Output: []string{r + "f"}})
			last.Input = append(last.Input, r+"f")
		}
	}
	return append(nodes, last)
}

// sequenceSamples are combinations that ONNX's own tests lack.
func sequenceSamples() []sample {
	var list []sample
	const steps, samples, in, size = 5, 3, 4, 6
	layer := func(name, kind string, gates, directions int, inputs string, attrs ...*attrProto) {
		a := []array{
			noise("x", steps, samples, in), scaled(0.4, noise("w", directions, gates*size, in)), scaled(0.4, noise("r", directions, gates*size, size)),
			scaled(0.4, noise("b", directions, 2*gates*size)), shorts("l", 5, 2, 4), noise("h", directions, samples, size), noise("c", directions, samples, size), noise("p", directions, 3*size), longs("flat", -1),
		}
		var used []array
		for _, x := range a {
			if strings.Contains(" "+inputs+" flat ", " "+x.name+" ") {
				used = append(used, x)
			}
		}
		if strings.Contains(inputs, "xl") {
			l := a[4]
			l.name = "xl"
			used = append(used, l)
		}
		names := strings.Split(inputs, " ")
		for i, n := range names {
			if n == "-" {
				names[i] = ""
			}
		}
		results := "a ah ac"
		if kind != "LSTM" {
			results = "a ah"
		}
		nodes := all(&nodeProto{OpType: kind, Name: kind, Input: names, Attribute: append(attrs, integer("hidden_size", size))}, results)
		list = append(list, sample{kind + " " + name, 21, used, nodes, "y"})
	}
	for _, d := range []string{"forward", "reverse", "bidirectional"} {
		n := 1
		if d == "bidirectional" {
			n = 2
		}
		direction := textAttr("direction", d)
		for _, l := range []string{"-", "l", "xl"} {
			name := fmt.Sprintf("%s, lengths %s", d, l)
			layer(name, "LSTM", 4, n, "x w r b "+l+" h c p", direction)
			layer(name, "GRU", 3, n, "x w r b "+l+" h", direction)
			layer(name+", linear before reset", "GRU", 3, n, "x w r b "+l+" h", direction, integer("linear_before_reset", 1))
			layer(name, "RNN", 1, n, "x w r b "+l+" h", direction)
		}
		layer(d+", nothing at first", "LSTM", 4, n, "x w r b", direction)
		layer(d+", nothing at first, peepholes", "LSTM", 4, n, "x w r b l - - p", direction)
		layer(d+", nothing at first", "GRU", 3, n, "x w r b l", direction)
		layer(d+", nothing at first, linear before reset", "GRU", 3, n, "x w r b l", direction, integer("linear_before_reset", 1))
		layer(d+", no bias, linear before reset", "GRU", 3, n, "x w r", direction, integer("linear_before_reset", 1))
		layer(d+", nothing at first", "RNN", 1, n, "x w r", direction)
		layer(d+", clip", "LSTM", 4, n, "x w r b l h c p", direction, float("clip", 0.5))
		layer(d+", clip", "GRU", 3, n, "x w r b l h", direction, float("clip", 0.5))
		layer(d+", clip", "RNN", 1, n, "x w r b l h", direction, float("clip", 0.5))
		layer(d+", coupled", "LSTM", 4, n, "x w r b l h c p", direction, integer("input_forget", 1))
	}
	two := textAttr("direction", "bidirectional")
	layer("functions", "LSTM", 4, 2, "x w r b l h c p", two, texts("activations", "HardSigmoid", "ScaledTanh", "Softsign", "Sigmoid", "Affine", "LeakyRelu"),
		floats("activation_alpha", 0.3, 0.9, 0.8, 0.05), floats("activation_beta", 0.4, 1.1, 0.1))
	layer("functions", "GRU", 3, 2, "x w r b l h", two, texts("activations", "HardSigmoid", "Elu", "Sigmoid", "Softplus"), floats("activation_alpha", 0.25, 0.7), floats("activation_beta", 0.45))
	layer("functions", "RNN", 1, 2, "x w r b l h", two, texts("activations", "ThresholdedRelu", "Relu"), floats("activation_alpha", 0.3))
	layer("functions by default", "LSTM", 4, 1, "x w r b l h c", texts("activations", "HardSigmoid", "Elu", "LeakyRelu"))
	bytes := func(name string, kind elem, from float64, shape ...int) array {
		a := noise(name, shape...)
		for i, v := range a.data {
			a.data[i] = float64(int(max(-127, min(127, 40*v)) + from))
		}
		a.kind = kind
		return a
	}
	for _, kind := range []elem{elemInt8, elemUint8} {
		from := map[elem]float64{elemUint8: 128}[kind]
		zero := func(name string) array { return array{name, kind, []int{2}, []float64{from, from + 3}} }
		nodes := all(&nodeProto{OpType: dynamicLSTM, Domain: microsoft, Input: []string{"x", "w", "r", "b", "", "", "", "", "ws", "wz", "rs", "rz"}, Attribute: []*attrProto{integer("hidden_size", size), textAttr("direction", "bidirectional")}}, "a ah ac")
		list = append(list, sample{fmt.Sprintf("%s %s", dynamicLSTM, elemNames[kind]), 17, []array{noise("x", steps, 1, in), bytes("w", kind, from, 2, in, 4*size), bytes("r", kind, from, 2, size, 4*size),
			scaled(0.4, noise("b", 2, 8*size)), {"ws", elemFloat, []int{2}, []float64{0.01, 0.02}}, zero("wz"), {"rs", elemFloat, []int{2}, []float64{0.012, 0.008}}, zero("rz"), longs("flat", -1)}, nodes, "y"})
	}
	return slices.Concat(list, controlSamples(), signalSamples())
}
