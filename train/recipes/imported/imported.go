// Package imported is the recipe of networks that came out of ONNX files: what
// their model files need to be loaded like any other. Importing it registers
// the recipe. It is apart from the other recipes so that programs that import
// nothing, such as the lab's worker, stay small.
package imported

import (
	"errors"
	"fmt"

	"github.com/weft-ml/weft/data"
	"github.com/weft-ml/weft/format/onnx"
	"github.com/weft-ml/weft/nn"
	"github.com/weft-ml/weft/train"
)

// ONNX builds the network whose structure is in the model's file.
var ONNX = train.Recipe{
	Name:      "onnx",
	Doc:       "a network imported from an ONNX file by weft import",
	Options:   train.Options{Epochs: 1, Batch: 32, Optimizer: "sgd", LR: 0.1, Schedule: "cosine", Momentum: 0.9},
	Described: true,
	Build: func(s train.Spec) (nn.Module, error) {
		if len(s.Graph) == 0 {
			return nil, errors.New("an imported network is built from its model's file; make one with: weft import onnx")
		}
		n, err := onnx.Restore(s.Graph)
		if err != nil {
			return nil, fmt.Errorf("structure of the imported network: %w", err)
		}
		return n, nil
	},
	Fit: trainable,
}

// trainable is an error for a network that cannot learn to tell d's classes
// apart as it is.
func trainable(m nn.Module, d *data.Dataset) error {
	n, ok := m.(*onnx.Network)
	if !ok {
		return nil
	}
	if n.Classes() != len(d.Classes) {
		return fmt.Errorf("the imported network tells %d classes apart, %s has %d: a graph keeps its last layer; a network of the zoo gets a new one (weft import safetensors)", n.Classes(), d.Name, len(d.Classes))
	}
	if op := n.Last(); op == "Softmax" || op == "LogSoftmax" {
		return fmt.Errorf("the imported network ends with %s, and the loss begins with it: export it again without, so that it returns logits", op)
	}
	return nil
}

func init() { train.Register(ONNX) }

// Info is what the model file of an imported network says: the network's
// structure, beside what its images need and how its classes are called.
func Info(n *onnx.Network, source string, p train.Preprocessing, classes []string) (train.Info, error) {
	graph, err := n.Structure()
	if err != nil {
		return train.Info{}, err
	}
	return train.Info{
		Kind: "model", Recipe: ONNX.Name, Options: ONNX.Options, Preprocessing: p, Classes: classes, Graph: graph,
		Data: train.DataInfo{Name: "unknown", Source: source},
	}, nil
}
