package main

import (
	"encoding/json"
	"io"
	"os"
	"path/filepath"

	"github.com/weft-ml/weft/device"
	format "github.com/weft-ml/weft/format/web"
	"github.com/weft-ml/weft/internal/atomicfile"
	"github.com/weft-ml/weft/nn"
	"github.com/weft-ml/weft/tensor"
	"github.com/weft-ml/weft/train"
	"github.com/weft-ml/weft/web/player"
)

// call is what a network of names is given and what it answers.
type call struct {
	Feeds   map[string][]float32 `json:"feeds"`
	Results map[string][]float32 `json:"results"`
}

// writeNamed writes a network of tokens, a mask for them and a number for all
// samples, with results of each type, and calls of it.
func writeNamed(dir string) error {
	const words, length, width = 7, 5, 4
	table := tensor.NewVariable("words", nn.NewRNG(3).Normal(words*width, 0, 1), words, width)
	n := &format.Named{
		Inputs:  []format.Argument{{Name: "ids", DType: tensor.Int32, Shape: []int{-1, length}}, {Name: "mask", DType: tensor.Int32, Shape: []int{-1, length}}, {Name: "scale", Shape: []int{1, width}}, {Name: "unused", Shape: []int{-1, 2}}},
		Outputs: []string{"mean", "best", "long"},
		Run: func(in []*tensor.Tensor) []*tensor.Tensor {
			mask := in[1].To(tensor.Float32)
			y := table.Embedding(in[0]).Mul(mask.Unsqueeze(2)).Sum(1).Mul(in[2])
			return []*tensor.Tensor{y, y.Argmax(1), mask.Sum(1).Gt(tensor.Scalar(2))}
		},
	}
	model := format.Model{Title: "named", Named: n, Net: nn.Func(func(x *tensor.Tensor) *tensor.Tensor { return x.MatMul(table) }),
		Preprocessing: train.Preprocessing{Channels: 1, Height: 1, Width: length, Scale: 1, Mean: []float32{0}, Std: []float32{1}}}
	files, err := format.Write(model, format.Options{})
	if err != nil {
		return err
	}
	var calls []call
	for _, samples := range []int{1, 16, 21} {
		c := call{Feeds: map[string][]float32{}, Results: map[string][]float32{}}
		var in []*tensor.Tensor
		for k, a := range n.Inputs {
			shape := append([]int{}, a.Shape...)
			if shape[0] < 0 {
				shape[0] = samples
			}
			x := make([]float32, shape[0]*shape[1])
			whole := make([]int32, len(x))
			for i := range x {
				x[i] = float32((i*(5+k)+samples)%words) - 0.25
				if a.DType == tensor.Int32 {
					if x[i] = float32((i*5 + samples) % words); a.Name == "mask" {
						x[i] = float32((i + i/3) % 2)
					}
					whole[i] = int32(x[i])
				}
			}
			c.Feeds[a.Name] = x
			t := tensor.New(x, shape...)
			if a.DType == tensor.Int32 {
				t = tensor.FromInts(whole, shape...)
			}
			in = append(in, t)
		}
		p, err := tensor.Compile(device.CPU(), func(_ *tensor.Trace, in []*tensor.Tensor) []*tensor.Tensor { return n.Run(in) }, in...)
		if err != nil {
			return err
		}
		out, err := p.Call(in...)
		p.Close()
		if err != nil {
			return err
		}
		for i, name := range n.Outputs {
			c.Results[name] = out[i].Floats()
		}
		calls = append(calls, c)
	}
	b, err := json.Marshal(calls)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, f := range append(append(files, format.Code(player.Export(true))...), format.File{Name: "calls.json", Data: b}) {
		err := atomicfile.Write(filepath.Join(dir, f.Name), 0o644, func(w io.Writer) error {
			_, err := w.Write(f.Data)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}
