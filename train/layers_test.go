package train

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/weft-ml/weft/nn"
	"github.com/weft-ml/weft/tensor"
)

// layerSpec is for images like MNIST's.
func layerSpec(list ...Layer) Spec {
	return Spec{Channels: 1, Height: 28, Width: 28, Classes: 10, Seed: 1, Layers: list}
}

var (
	last = Layer{Type: "linear", Units: 10}
	flat = Layer{Type: "flatten"}
)

func TestLayersThatFit(t *testing.T) {
	for _, c := range []struct {
		list   []Layer
		params int
	}{
		{[]Layer{last}, 7850},
		{[]Layer{{Type: "linear", Units: 32}, {Type: "batchnorm"}, {Type: "gelu"}, {Type: "dropout", P: 0.5}, last}, 784*32 + 32 + 64 + 330},
		{[]Layer{{Type: "conv", Channels: 4, Kernel: 5}, {Type: "silu"}, {Type: "batchnorm"}, {Type: "maxpool", Kernel: 2}, flat, last}, 104 + 8 + 4*12*12*10 + 10},
		{[]Layer{{Type: "conv", Channels: 3, Kernel: 3, Stride: 2, Padding: 1}, {Type: "avgpool", Kernel: 3, Stride: 2, Padding: 1}, flat, {Type: "tanh"}, last}, 30 + 3*7*7*10 + 10},
		{[]Layer{{Type: "maxpool", Kernel: 28}, {Type: "sigmoid"}, {Type: "relu"}, flat, last}, 20},
		{[]Layer{flat, last}, 7850},
	} {
		net, err := BuildLayers(layerSpec(c.list...))
		if err != nil {
			t.Errorf("%v: %v", c.list, err)
			continue
		}
		if got := net.Forward(tensor.Zeros(2, 1, 28, 28)).Shape(); !slices.Equal(got, []int{2, 10}) {
			t.Errorf("%v: output %v", c.list, got)
		}
		if n := nn.Count(nn.Params(net)); n != c.params {
			t.Errorf("%v: %d parameters, want %d", c.list, n, c.params)
		}
		list, err := LayersOf(net)
		if err != nil {
			t.Fatal(err)
		}
		// The list of a network makes one of the same names.
		again, err := BuildLayers(layerSpec(list...))
		if err != nil {
			t.Fatal(err)
		}
		names := func(m nn.Module) (s []string) {
			for _, p := range nn.Params(m) {
				s = append(s, p.String())
			}
			return s
		}
		if !slices.Equal(names(net), names(again)) {
			t.Errorf("%v becomes %v", names(net), names(again))
		}
		if c.list[0] != flat && !slices.Equal(list, c.list) {
			t.Errorf("%v is described as %v", c.list, list)
		}
	}
}

func TestLayersThatDoNotFit(t *testing.T) {
	conv := func(channels, kernel int) Layer { return Layer{Type: "conv", Channels: channels, Kernel: kernel} }
	for want, list := range map[string][]Layer{
		"0 layers":   {},
		"last layer": {conv(3, 3), flat},
		"10 units":   {{Type: "linear", Units: 11}},
		"layer 1, conv: a kernel of 29x29 does not fit into an image of 28x28":               {conv(3, 29), flat, last},
		"layer 2, conv: a kernel of 4x4 does not fit into an image of 1x1, with padding 3x3": {{Type: "maxpool", Kernel: 28}, {Type: "conv", Channels: 1, Kernel: 4, Padding: 1}, flat, last},
		"put flatten before it": {conv(3, 3), last},
		"its input is flat":     {conv(3, 3), flat, conv(3, 3), last},
		"flat already":          {flat, flat, last},
		"0 channels":            {conv(0, 3), flat, last},
		"kernel 0":              {conv(3, 0), flat, last},
		"stride -1":             {{Type: "conv", Channels: 3, Kernel: 3, Stride: -1}, flat, last},
		"padding -1":            {{Type: "avgpool", Kernel: 3, Padding: -1}, flat, last},
		"more than half":        {{Type: "maxpool", Kernel: 2, Padding: 2}, flat, last},
		"values":                {{Type: "conv", Channels: 1024, Kernel: 1, Padding: 20}, flat, last},
		"parameters":            {conv(1024, 1), {Type: "conv", Channels: 1024, Kernel: 28}, flat, last},
		"unknown":               {{Type: "attention"}, last},
		"below 1":               {{Type: "dropout", P: 1}, last},
	} {
		if _, err := BuildLayers(layerSpec(list...)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v, want %q", list, err, want)
		}
	}
	rng := nn.NewRNG(1)
	for _, m := range []nn.Module{
		nn.Identity{},
		nn.Sequential{nn.NewConv2d(rng, 2, 2, 3, nn.ConvOptions{Groups: 2})},
		nn.Sequential{nn.NewConv2d(rng, 2, 2, 3, nn.ConvOptions{NoBias: true})},
		nn.Sequential{nn.NewConv2d(rng, 2, 2, 3, nn.ConvOptions{Dilation: 2})},
		nn.Sequential{nn.NewBatchNorm(2, nn.BatchNormOptions{Eps: 1e-3})},
		nn.Sequential{nn.AvgPool2d{Kernel: 2, ExcludePadding: true}},
		nn.Sequential{nn.GELU{Tanh: true}},
		nn.Sequential{nn.Flatten{}, nn.MaxPool2d{Kernel: 2}},
	} {
		if list, err := LayersOf(m); err == nil {
			t.Errorf("%#v is described as %v", m, list)
		}
	}
}

// FuzzLayers reads lists of layers that anyone may have written: what is built
// works and describes itself.
func FuzzLayers(f *testing.F) {
	for _, s := range []string{
		`[{"type":"conv","channels":3,"kernel":5,"stride":2,"padding":1},{"type":"batchnorm"},{"type":"maxpool","kernel":2},{"type":"flatten"},{"type":"linear","units":10}]`,
		`[{"type":"linear","units":8},{"type":"relu"},{"type":"dropout","p":0.5},{"type":"linear","units":10}]`,
		`[{"type":"avgpool","kernel":3,"stride":1,"padding":1},{"type":"flatten"},{"type":"linear","units":10}]`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		s := layerSpec()
		if json.Unmarshal(text, &s.Layers) != nil || len(s.Layers) > 8 {
			return
		}
		for _, l := range s.Layers {
			if l.Units > 64 || l.Channels > 16 || l.Padding > 16 {
				return // Sound, but slow to build.
			}
		}
		net, err := BuildLayers(s)
		if err != nil {
			return
		}
		if got := net.Forward(tensor.Zeros(1, 1, 28, 28)).Shape(); !slices.Equal(got, []int{1, 10}) {
			t.Fatalf("output %v", got)
		}
		if s.Layers, err = LayersOf(net); err != nil {
			t.Fatal(err)
		}
		again, err := BuildLayers(s)
		if err != nil {
			t.Fatal(err)
		}
		if list, err := LayersOf(again); err != nil || !reflect.DeepEqual(list, s.Layers) {
			t.Fatalf("%v becomes %v, %v", s.Layers, list, err)
		}
	})
}
