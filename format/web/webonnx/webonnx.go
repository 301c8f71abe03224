// Package webonnx adds the ONNX form of a model to its export for the web, for
// browsers without WebGPU. It is a package of its own so that format/web, which
// is part of the lab's worker, stays without ONNX.
//
// The ONNX file holds the graph; weights are places in the safetensors file that
// is there already, which ONNX's external data allows. So it weighs kilobytes,
// and a browser that has the model has its weights for both.
package webonnx

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/weft-ml/weft/format/onnx"
	"github.com/weft-ml/weft/format/web"
	"github.com/weft-ml/weft/nn"
	"github.com/weft-ml/weft/tensor"
)

// File is the name of the file that Add adds.
const File = "model.onnx"

// Add returns the files of an export with the ONNX model, and the plan that
// names it. f16 says that the export stores halves.
func Add(files []web.File, m web.Model, f16 bool) ([]web.File, error) {
	find := func(name string) (int, error) {
		i := slices.IndexFunc(files, func(f web.File) bool { return f.Name == name })
		if i < 0 {
			return 0, fmt.Errorf("webonnx: the export has no %s", name)
		}
		return i, nil
	}
	planAt, err := find(web.PlanFile)
	if err != nil {
		return nil, err
	}
	weightsAt, err := find(web.WeightsFile)
	if err != nil {
		return nil, err
	}
	plan, err := web.ReadPlan(files[planAt].Data)
	if err != nil {
		return nil, err
	}
	model, err := Export(m, f16)
	if err != nil {
		return nil, err
	}
	places, err := placesOf(files[weightsAt].Data)
	if err != nil {
		return nil, err
	}
	b, err := model.WriteShared(web.WeightsFile, func(raw []byte) (int, bool) {
		at, ok := places[sha256.Sum256(raw)]
		return at, ok
	})
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(b)
	plan.Kernels.ONNX = &web.ONNX{File: File, Bytes: len(b), SHA256: hex.EncodeToString(sum[:]), Input: "input", Output: "logits"}
	text, err := plan.Encode()
	if err != nil {
		return nil, err
	}
	out := slices.Clone(files)
	out[planAt].Data = text
	out = append(out, web.File{Name: File, Data: b})
	slices.SortFunc(out, func(a, b web.File) int { return bytes.Compare([]byte(a.Name), []byte(b.Name)) })
	return out, nil
}

// Export is the ONNX model alone, with what it needs to know of pictures.
func Export(m web.Model, f16 bool) (*onnx.Model, error) {
	p := &m.Preprocessing
	model, err := onnx.Export(func(_ *tensor.Trace, in []*tensor.Tensor) []*tensor.Tensor {
		return []*tensor.Tensor{m.Net.Forward(in[0])}
	}, onnx.ExportOptions{
		Inputs: []onnx.Input{{Name: "input", Shape: []int{onnx.Batch, p.Channels, p.Height, p.Width}}}, Outputs: []string{"logits"},
		Params: nn.Params(m.Net), Name: m.Title, Float16: f16,
	})
	if err != nil {
		return nil, err
	}
	if err := model.SetJSON(onnx.MetaPreprocessing, m.Preprocessing); err != nil {
		return nil, err
	}
	return model, model.SetJSON(onnx.MetaClasses, m.Classes)
}

// placesOf finds the tensors of a safetensors file by the sums of their bytes.
func placesOf(b []byte) (map[[32]byte]int, error) {
	if len(b) < 8 || binary.LittleEndian.Uint64(b) > uint64(len(b)-8) {
		return nil, fmt.Errorf("webonnx: %s is damaged", web.WeightsFile)
	}
	start := 8 + int(binary.LittleEndian.Uint64(b))
	var header map[string]struct {
		Offsets []int `json:"data_offsets"`
	}
	if err := json.Unmarshal(b[8:start], &header); err != nil {
		return nil, fmt.Errorf("webonnx: %s: %w", web.WeightsFile, err)
	}
	places := map[[32]byte]int{}
	for _, t := range header {
		if len(t.Offsets) != 2 || t.Offsets[0] < 0 || t.Offsets[1] < t.Offsets[0] || t.Offsets[1] > len(b)-start {
			continue // the metadata
		}
		places[sha256.Sum256(b[start+t.Offsets[0]:start+t.Offsets[1]])] = start + t.Offsets[0]
	}
	return places, nil
}
