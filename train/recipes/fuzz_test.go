package recipes

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/weft-ml/weft/device"
	"github.com/weft-ml/weft/format/safetensors"
	"github.com/weft-ml/weft/nn"
	"github.com/weft-ml/weft/tensor"
	"github.com/weft-ml/weft/train"
)

// FuzzReadModel builds and loads models that anybody may have written: the network
// is described in the file, its weights come from there, and what is accepted can
// be run.
func FuzzReadModel(f *testing.F) {
	text := func(v any) string {
		b, err := json.Marshal(v)
		if err != nil {
			f.Fatal(err)
		}
		return string(b)
	}
	layers := []train.Layer{{Type: "conv", Channels: 2, Kernel: 3}, {Type: "batchnorm"}, {Type: "relu"}, {Type: "maxpool", Kernel: 2}, {Type: "flatten"}, {Type: "linear", Units: 2}}
	pre := train.Preprocessing{Channels: 1, Height: 8, Width: 8, Scale: 1, Mean: []float32{0}, Std: []float32{1}}
	options := train.Options{Epochs: 1, Batch: 1, Optimizer: "sgd", LR: 0.1, Schedule: "constant"}
	f.Add(text(options), text(pre), text([]string{"a", "b"}), text(layers), "0.weight", 2, 1, 3, []byte{1, 2, 3, 4}, false)
	f.Add(text(options), text(pre), text([]string{"a", "b"}), text([]train.Layer{{Type: "linear", Units: 2}}), "1.weight", 2, 64, 0, []byte{}, false)
	f.Fuzz(func(t *testing.T, options, pre, classes, layers, name string, d0, d1, d2 int, data []byte, average bool) {
		meta := map[string]string{
			"weft.version": "2", "weft.kind": "model", "weft.recipe": Layers.Name, "weft.options": options, "weft.preprocessing": pre,
			"weft.classes": classes, "weft.layers": layers, "weft.state": "{}", "weft.data": "{}", "weft.test": "null",
		}
		var p train.Preprocessing
		var list []train.Layer
		var names []string
		if json.Unmarshal([]byte(pre), &p) != nil || json.Unmarshal([]byte(layers), &list) != nil || json.Unmarshal([]byte(classes), &names) != nil {
			return
		}
		if p.Channels > 1<<12 || p.Height > 64 || p.Width > 64 || p.Channels*p.Height*p.Width > 1<<12 || len(list) > 12 {
			return // Sound perhaps, but slow.
		}
		for _, l := range list {
			if l.Units > 512 || l.Channels > 64 {
				return
			}
		}
		// The weights that such a network has, with one tensor of the search's.
		var ts []safetensors.Tensor
		if m, err := Layers.Build(train.Spec{Channels: p.Channels, Height: p.Height, Width: p.Width, Classes: len(names), Layers: list}); err == nil {
			for _, v := range nn.Params(m) {
				if v.Name == name {
					continue
				}
				if x, err := v.Value.Read(); err == nil {
					ts = append(ts, safetensors.Float32(v.Name, v.Value.Shape(), x))
				} else if x, err := v.Value.ReadInts(); err == nil {
					ts = append(ts, safetensors.Int32(v.Name, v.Value.Shape(), x))
				}
			}
		}
		if average {
			for i := range ts {
				ts[i].Name = "ema." + ts[i].Name
			}
		}
		var shape []int
		n := 4
		for _, d := range []int{d0, d1, d2} {
			if d > 0 && d < 1<<10 && n < 1<<16 {
				shape, n = append(shape, d), n*d
			}
		}
		ts = append(ts, safetensors.Tensor{Name: name, DType: safetensors.F32, Shape: shape, Data: append(data, make([]byte, n)...)[:n]})
		var file bytes.Buffer
		if safetensors.WriteSummed(&file, ts, meta) != nil {
			return
		}
		m, info, err := train.ReadModel("x", bytes.NewReader(file.Bytes()), int64(file.Len()))
		if err != nil {
			return
		}
		prog, err := tensor.Compile(device.CPU(), func(_ *tensor.Trace, in []*tensor.Tensor) []*tensor.Tensor {
			return []*tensor.Tensor{m.Forward(in[0])}
		}, tensor.Zeros(1, info.Preprocessing.Channels, info.Preprocessing.Height, info.Preprocessing.Width))
		if err != nil {
			t.Fatalf("a model that was accepted cannot be run: %v\n%s", err, layers)
		}
		prog.Close()
	})
}
