package main

import (
	"encoding/json"

	"github.com/weft-ml/weft/data"
	"github.com/weft-ml/weft/device"
	"github.com/weft-ml/weft/nn"
	"github.com/weft-ml/weft/tensor"
	"github.com/weft-ml/weft/train"
)

// explainedClass is the class whose saliency is written.
const explainedClass = 3

// explained is what the programs of an export with Explain must give for the
// first picture, by the CPU: the layers of photoNet are cut where a convolution's
// activation ends, which the exporter has to find in the graph.
func explained(m nn.Sequential, pre train.Preprocessing, d *data.Dataset) ([]byte, error) {
	x := tensor.FromBytes(d.Images[:d.ImageSize()], 1, d.C, d.H, d.W)
	p, err := tensor.Compile(device.CPU(), func(_ *tensor.Trace, in []*tensor.Tensor) []*tensor.Tensor {
		x := pre.Normalize(in[0].To(tensor.Float32))
		score := m.Forward(x).Slice(1, explainedClass, explainedClass+1).Sum()
		return []*tensor.Tensor{tensor.Grad(score, x)[0], m[:3].Forward(x), m[:6].Forward(x), m[:7].Forward(x)}
	}, x)
	if err != nil {
		return nil, err
	}
	defer p.Close()
	out, err := p.Call(x)
	if err != nil {
		return nil, err
	}
	values := make([][]float32, len(out))
	for i, t := range out {
		if values[i], err = t.Read(); err != nil {
			return nil, err
		}
	}
	return json.Marshal(map[string]any{"class": explainedClass, "saliency": values[0],
		"features": map[string][]float32{"0": values[1], "3": values[2], "6": values[3]}})
}
