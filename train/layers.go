// A network that a person puts together layer by layer, in the lab or on a
// command line, has no Go code of its own. It is described by a list that
// travels in the model's file, so that the file is enough to build it again.

package train

import (
	"fmt"
	"strings"

	"github.com/weft-ml/weft/nn"
)

// Layer describes one layer of a perceptron.
type Layer struct {
	// Type is "linear", "dropout", or one of Activations.
	Type  string  `json:"type"`
	Units int     `json:"units,omitempty"` // of a linear layer
	P     float64 `json:"p,omitempty"`     // of dropout
}

// Activations are the activation functions that Layer knows.
var Activations = []string{"relu", "tanh", "sigmoid", "gelu", "silu"}

// The limits keep a mistyped number from asking for gigabytes.
const (
	maxLayers = 64
	maxUnits  = 16384
)

// BuildLayers makes the network that s.Layers describe. Weights are He
// uniform, biases zero.
func BuildLayers(s Spec) (nn.Sequential, error) {
	in := s.Channels * s.Height * s.Width
	if in == 0 || s.Classes < 2 {
		return nil, fmt.Errorf("input of %d values and %d classes", in, s.Classes)
	}
	if len(s.Layers) == 0 || len(s.Layers) > maxLayers {
		return nil, fmt.Errorf("%d layers; 1 to %d are possible", len(s.Layers), maxLayers)
	}
	if last := s.Layers[len(s.Layers)-1]; last.Type != "linear" || last.Units != s.Classes {
		return nil, fmt.Errorf("the last layer must be linear with %d units, one for each class", s.Classes)
	}
	rng := nn.NewRNG(s.Seed)
	net := nn.Sequential{nn.Flatten{}}
	for i, l := range s.Layers {
		switch l.Type {
		case "linear":
			if l.Units < 1 || l.Units > maxUnits {
				return nil, fmt.Errorf("layer %d: %d units; 1 to %d are possible", i+1, l.Units, maxUnits)
			}
			net = append(net, nn.NewLinear(rng, in, l.Units, nn.LinearOptions{Init: nn.HeUniform}))
			in = l.Units
		case "relu":
			net = append(net, nn.ReLU{})
		case "tanh":
			net = append(net, nn.Tanh{})
		case "sigmoid":
			net = append(net, nn.Sigmoid{})
		case "gelu":
			net = append(net, nn.GELU{})
		case "silu":
			net = append(net, nn.SiLU{})
		case "dropout":
			if !(l.P >= 0 && l.P < 1) {
				return nil, fmt.Errorf("layer %d: dropout of %v; it is a share from 0 to below 1", i+1, l.P)
			}
			net = append(net, nn.Dropout{P: l.P})
		default:
			return nil, fmt.Errorf("layer %d: type %q is none of linear, dropout, %s", i+1, l.Type, strings.Join(Activations, ", "))
		}
	}
	return net, nil
}

// LayersOf describes a network that BuildLayers could have made.
func LayersOf(m nn.Module) ([]Layer, error) {
	net, ok := m.(nn.Sequential)
	if !ok {
		return nil, fmt.Errorf("a network of type %T is not a list of layers", m)
	}
	var list []Layer
	for i, l := range net {
		switch l := l.(type) {
		case nn.Flatten:
			if i > 0 {
				return nil, fmt.Errorf("layer %d is of type %T, which is expected at the beginning only", i, l)
			}
		case *nn.Linear:
			list = append(list, Layer{Type: "linear", Units: l.Weight.Dim(0)})
		case nn.ReLU:
			list = append(list, Layer{Type: "relu"})
		case nn.Tanh:
			list = append(list, Layer{Type: "tanh"})
		case nn.Sigmoid:
			list = append(list, Layer{Type: "sigmoid"})
		case nn.GELU:
			list = append(list, Layer{Type: "gelu"})
		case nn.SiLU:
			list = append(list, Layer{Type: "silu"})
		case nn.Dropout:
			list = append(list, Layer{Type: "dropout", P: l.P})
		default:
			return nil, fmt.Errorf("layer %d is of type %T, which the list of layers does not describe", i, l)
		}
	}
	return list, nil
}
