package web

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/weft-ml/weft/format/safetensors"
	"github.com/weft-ml/weft/internal/ir"
	"github.com/weft-ml/weft/tensor"
)

// tensor is the name under which the weights' file has a leaf. Variables have
// the model's names. Constants have none, and each trace makes them anew, so
// they are known by what they hold.
func (w *writer) tensor(l *ir.Leaf) (string, error) {
	if l.DType != ir.F32 && l.DType != ir.I32 && l.DType != ir.Bool {
		return "", fmt.Errorf("web: a variable or constant %q of type %v; float32, int32 and bool can be exported", l.Name, l.DType)
	}
	name, ok := w.names[l]
	if !ok {
		b, err := tensor.LeafBytes(l)
		if err != nil {
			return "", err
		}
		key := fmt.Sprint(l.DType, l.Shape, sum256(b))
		if name, ok = w.folded[key]; !ok {
			name = fmt.Sprintf("constant.%d", len(w.folded))
			w.folded[key] = name
		}
	}
	w.leaves[name] = l
	return name, nil
}

// weights is the file of all tensors that the programs use.
func (w *writer) weights() ([]byte, error) {
	var list []safetensors.Tensor
	for _, name := range slices.Sorted(maps.Keys(w.leaves)) {
		l := w.leaves[name]
		b, err := tensor.LeafBytes(l)
		if err != nil {
			return nil, err
		}
		t := safetensors.Tensor{Name: name, DType: safetensors.F32, Shape: l.Shape, Data: b}
		switch {
		case l.DType == ir.I32 || l.DType == ir.Bool: // whose device memory is the same
			t.DType = safetensors.I32
		case w.opt.F16 && len(l.Shape) > 1:
			x := make([]float32, len(b)/4)
			for i := range x {
				x[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
			}
			if fits(x) {
				t = safetensors.Float16(name, l.Shape, x)
			}
		}
		list = append(list, t)
	}
	var b bytes.Buffer
	if err := safetensors.Write(&b, list, map[string]string{"format": "pt"}); err != nil {
		return nil, err
	}
	w.plan.Weights = Weights{File: WeightsFile, Bytes: b.Len(), SHA256: fmt.Sprintf("%x", sum256(b.Bytes()))}
	return b.Bytes(), nil
}

// fits reports whether halves can hold all of x; vectors and what does not fit
// stay float32.
func fits(x []float32) bool {
	for _, v := range x {
		if !(math.Abs(float64(v)) <= 65504) {
			return false
		}
	}
	return true
}
