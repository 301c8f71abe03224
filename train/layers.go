// A network that a person puts together layer by layer, in the lab or on a
// command line, has no Go code of its own. It is described by a list that
// travels in the model's file, so that the file is enough to build it again.

package train

import (
	"fmt"
	"slices"
	"strings"

	"github.com/weft-ml/weft/nn"
)

// Layer describes one layer of a network that is a list of layers.
type Layer struct {
	// Type is "linear", "conv", "batchnorm", "maxpool", "avgpool", "flatten",
	// "dropout", or one of Activations.
	Type     string  `json:"type"`
	Units    int     `json:"units,omitempty"`    // of a linear layer
	P        float64 `json:"p,omitempty"`        // of dropout
	Channels int     `json:"channels,omitempty"` // that a convolution makes
	// Kernel, Stride and Padding are the same for height and width. Stride 0
	// means 1 in a convolution and Kernel in pooling.
	Kernel  int `json:"kernel,omitempty"`
	Stride  int `json:"stride,omitempty"`
	Padding int `json:"padding,omitempty"`
}

// Activations are the activation functions that Layer knows.
var Activations = []string{"relu", "tanh", "sigmoid", "gelu", "silu"}

// The limits keep a mistyped number from asking for gigabytes.
const (
	maxLayers   = 64
	maxUnits    = 16384
	maxChannels = 1024
	maxKernel   = 64 // also of stride and padding
	maxValues   = 1 << 20
	maxParams   = 1 << 28
)

// layerShape is what one layer hands to the next: an image, or, once it is
// flat, a vector of c values.
type layerShape struct {
	c, h, w int
	flat    bool
}

func (s layerShape) values() int {
	if s.flat {
		return s.c
	}
	return s.c * s.h * s.w
}

// window is the shape behind windows of l, each channel for itself. A stride
// that is not given is the usual one.
func (s layerShape) window(l Layer, usual int) (layerShape, error) {
	stride := l.Stride
	if stride == 0 {
		stride = usual
	}
	switch {
	case s.flat:
		return s, fmt.Errorf("it needs an image, but its input is flat; put it before flatten and the linear layers")
	case l.Kernel < 1 || l.Kernel > maxKernel || stride < 1 || stride > maxKernel || l.Padding < 0 || l.Padding > maxKernel:
		return s, fmt.Errorf("kernel %d, stride %d, padding %d; kernel and stride are 1 to %d, padding 0 to %d", l.Kernel, stride, l.Padding, maxKernel, maxKernel)
	case s.h+2*l.Padding < l.Kernel || s.w+2*l.Padding < l.Kernel:
		padded := ""
		if l.Padding > 0 {
			padded = fmt.Sprintf(", with padding %dx%d", s.h+2*l.Padding, s.w+2*l.Padding)
		}
		return s, fmt.Errorf("a kernel of %dx%d does not fit into an image of %dx%d%s; make it smaller, add padding, or leave out a layer that shrinks the image", l.Kernel, l.Kernel, s.h, s.w, padded)
	}
	s.h, s.w = (s.h+2*l.Padding-l.Kernel)/stride+1, (s.w+2*l.Padding-l.Kernel)/stride+1
	return s, nil
}

// spatial are the layers without which a network sees its input as a vector.
var spatial = []string{"conv", "maxpool", "avgpool", "flatten"}

// needsImage reports whether a list says itself where its images become
// vectors. Where it does not, they do so before the first layer.
func needsImage(list []Layer) bool {
	return slices.ContainsFunc(list, func(l Layer) bool { return slices.Contains(spatial, l.Type) })
}

// BuildLayers makes the network that s.Layers describe. Weights are He
// uniform, biases zero. A list without convolutions, pooling and flatten is a
// perceptron, whose input is flattened first.
func BuildLayers(s Spec) (nn.Sequential, error) {
	shape := layerShape{c: s.Channels, h: s.Height, w: s.Width}
	if shape.values() == 0 || s.Classes < 2 {
		return nil, fmt.Errorf("input of %d values and %d classes", shape.values(), s.Classes)
	}
	if len(s.Layers) == 0 || len(s.Layers) > maxLayers {
		return nil, fmt.Errorf("%d layers; 1 to %d are possible", len(s.Layers), maxLayers)
	}
	if last := s.Layers[len(s.Layers)-1]; last.Type != "linear" || last.Units != s.Classes {
		return nil, fmt.Errorf("the last layer must be linear with %d units, one for each class", s.Classes)
	}
	rng := nn.NewRNG(s.Seed)
	var net nn.Sequential
	if !needsImage(s.Layers) {
		shape = layerShape{c: shape.values(), flat: true}
		net = append(net, nn.Flatten{})
	}
	params := 0
	for i, l := range s.Layers {
		m, next, n, err := l.build(rng, shape, maxParams-params)
		if err != nil {
			return nil, fmt.Errorf("layer %d, %s: %w", i+1, l.Type, err)
		}
		if next.values() > maxValues {
			return nil, fmt.Errorf("layer %d, %s: its output of %d values is more than the %d that are possible", i+1, l.Type, next.values(), maxValues)
		}
		net, shape, params = append(net, m), next, params+n
	}
	return net, nil
}

// build makes the layer for an input of the given shape; params is how many
// parameters it has, which must not be more than room.
func (l Layer) build(rng *nn.RNG, in layerShape, room int) (m nn.Module, out layerShape, params int, err error) {
	out = in
	switch l.Type {
	case "linear":
		if l.Units < 1 || l.Units > maxUnits {
			return nil, out, 0, fmt.Errorf("%d units; 1 to %d are possible", l.Units, maxUnits)
		}
		if !in.flat {
			return nil, out, 0, fmt.Errorf("its input is an image of %dx%dx%d; put flatten before it", in.c, in.h, in.w)
		}
		if params = (in.c + 1) * l.Units; params > room {
			return nil, out, 0, errTooLarge
		}
		out.c = l.Units
		return nn.NewLinear(rng, in.c, l.Units, nn.LinearOptions{Init: nn.HeUniform}), out, params, nil
	case "conv":
		if l.Channels < 1 || l.Channels > maxChannels {
			return nil, out, 0, fmt.Errorf("%d channels; 1 to %d are possible", l.Channels, maxChannels)
		}
		if out, err = in.window(l, 1); err != nil {
			return nil, out, 0, err
		}
		if params = (in.c*l.Kernel*l.Kernel + 1) * l.Channels; params > room {
			return nil, out, 0, errTooLarge
		}
		out.c = l.Channels
		return nn.NewConv2d(rng, in.c, l.Channels, l.Kernel, nn.ConvOptions{Stride: l.Stride, Padding: l.Padding, Init: nn.HeUniform}), out, params, nil
	case "batchnorm":
		return nn.NewBatchNorm(in.c, nn.BatchNormOptions{}), out, 2 * in.c, nil
	case "maxpool", "avgpool":
		if 2*l.Padding > l.Kernel {
			return nil, out, 0, fmt.Errorf("padding %d is more than half of the kernel %d", l.Padding, l.Kernel)
		}
		out, err = in.window(l, l.Kernel)
		if l.Type == "maxpool" {
			return nn.MaxPool2d{Kernel: l.Kernel, Stride: l.Stride, Padding: l.Padding}, out, 0, err
		}
		return nn.AvgPool2d{Kernel: l.Kernel, Stride: l.Stride, Padding: l.Padding}, out, 0, err
	case "flatten":
		if in.flat {
			return nil, out, 0, fmt.Errorf("its input is flat already; leave it out")
		}
		return nn.Flatten{}, layerShape{c: in.values(), flat: true}, 0, nil
	case "relu":
		return nn.ReLU{}, out, 0, nil
	case "tanh":
		return nn.Tanh{}, out, 0, nil
	case "sigmoid":
		return nn.Sigmoid{}, out, 0, nil
	case "gelu":
		return nn.GELU{}, out, 0, nil
	case "silu":
		return nn.SiLU{}, out, 0, nil
	case "dropout":
		if !(l.P >= 0 && l.P < 1) {
			return nil, out, 0, fmt.Errorf("a share of %v; it is from 0 to below 1", l.P)
		}
		return nn.Dropout{P: l.P}, out, 0, nil
	}
	return nil, out, 0, fmt.Errorf("unknown; there are linear, conv, batchnorm, maxpool, avgpool, flatten, dropout, %s", strings.Join(Activations, ", "))
}

var errTooLarge = fmt.Errorf("the network has more than %d parameters", maxParams)

// LayersOf describes a network that BuildLayers could have made.
func LayersOf(m nn.Module) ([]Layer, error) {
	net, ok := m.(nn.Sequential)
	if !ok {
		return nil, fmt.Errorf("a network of type %T is not a list of layers", m)
	}
	var list []Layer
	for i, l := range net {
		d, ok := describe(l)
		if !ok {
			return nil, fmt.Errorf("layer %d is of type %T, or has options, that the list of layers does not describe", i, l)
		}
		list = append(list, d)
	}
	// A perceptron's flatten goes without saying.
	if len(list) > 0 && list[0].Type == "flatten" {
		if needsImage(list[1:]) {
			return nil, fmt.Errorf("layer 0 makes a vector of the image that later layers need")
		}
		list = list[1:]
	}
	return list, nil
}

// describe is the reverse of build.
func describe(m nn.Module) (Layer, bool) {
	switch m := m.(type) {
	case nn.Flatten:
		return Layer{Type: "flatten"}, m.From <= 1
	case *nn.Linear:
		return Layer{Type: "linear", Units: m.Weight.Dim(0)}, m.Bias != nil
	case *nn.Conv2d:
		w, o := m.Weight, m.Options
		l := Layer{Type: "conv", Channels: w.Dim(0), Kernel: w.Dim(2), Stride: o.Stride[0], Padding: o.Padding[0]}
		square := w.Dim(2) == w.Dim(3) && o.Stride[0] == o.Stride[1] && o.Padding[0] == o.Padding[1]
		return l, square && max(o.Dilation[0], o.Dilation[1], o.Groups) <= 1 && m.Bias != nil
	case *nn.BatchNorm:
		// The defaults, which a fresh one has.
		usual := nn.NewBatchNorm(1, nn.BatchNormOptions{})
		return Layer{Type: "batchnorm"}, m.Weight != nil && m.Bias != nil && !m.Cumulative && m.Eps == usual.Eps && m.Momentum == usual.Momentum
	case nn.MaxPool2d:
		return Layer{Type: "maxpool", Kernel: m.Kernel, Stride: m.Stride, Padding: m.Padding}, true
	case nn.AvgPool2d:
		return Layer{Type: "avgpool", Kernel: m.Kernel, Stride: m.Stride, Padding: m.Padding}, !m.ExcludePadding
	case nn.ReLU:
		return Layer{Type: "relu"}, true
	case nn.Tanh:
		return Layer{Type: "tanh"}, true
	case nn.Sigmoid:
		return Layer{Type: "sigmoid"}, true
	case nn.GELU:
		return Layer{Type: "gelu"}, !m.Tanh
	case nn.SiLU:
		return Layer{Type: "silu"}, true
	case nn.Dropout:
		return Layer{Type: "dropout", P: m.P}, true
	}
	return Layer{}, false
}
