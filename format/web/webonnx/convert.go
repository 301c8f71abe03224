package webonnx

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/weft-ml/weft/format/onnx"
	"github.com/weft-ml/weft/format/web"
	"github.com/weft-ml/weft/tensor"
	"github.com/weft-ml/weft/train"
)

// ConvertOptions are what an ONNX file may not say itself.
type ConvertOptions struct {
	Title string
	// ClassNames has a name in each line; "" leaves them to the file, or numbers.
	ClassNames string
	// Normalize is "imagenet", "signed" or "unit", for files without Weft's
	// metadata; "" means "imagenet" for three channels and "unit" for one.
	Normalize string
}

// defaultSide is that of pictures whose size a file leaves open, and resize what
// their shorter side becomes first, as ImageNet's classifiers are tested.
const (
	defaultSide = 224
	resize      = 256
)

// Convert makes an export of an ONNX file of an image classifier, with programs
// that explain and the ONNX form.
func Convert(file []byte, o ConvertOptions) ([]web.File, error) {
	m, err := onnx.Parse(file)
	if err != nil {
		return nil, err
	}
	n, err := m.Network(onnx.ImportOptions{})
	if err != nil {
		return nil, err
	}
	in := n.Inputs()
	if len(in) != 1 || len(in[0].Shape) != 4 || in[0].DType != tensor.Float32 || (in[0].Shape[1] != 1 && in[0].Shape[1] != 3) {
		return nil, errors.New("the network does not take pictures: it wants one input of float32 [batch, 1 or 3, height, width]")
	}
	pre, err := preprocessing(m, in[0].Shape, o.Normalize)
	if err != nil {
		return nil, err
	}
	model := web.Model{Title: o.Title, Net: n, Preprocessing: pre, Classes: classNames(m, n.Classes(), o.ClassNames)}
	opt := web.Options{Batch: 1, Explain: true}
	if pre.Height == defaultSide && pre.Width == defaultSide {
		opt.Resize = resize
	}
	files, err := web.Write(model, opt)
	if err != nil {
		return nil, err
	}
	return Add(files, model, false)
}

func preprocessing(m *onnx.Model, shape []int, normalize string) (train.Preprocessing, error) {
	var p train.Preprocessing
	if text, ok := m.Metadata[onnx.MetaPreprocessing]; ok {
		if err := json.Unmarshal([]byte(text), &p); err != nil {
			return p, fmt.Errorf("the file's metadata %s: %w", onnx.MetaPreprocessing, err)
		}
		if p.Channels != shape[1] || p.Height != shape[2] || p.Width != shape[3] || len(p.Mean) != p.Channels || len(p.Std) != p.Channels {
			return p, fmt.Errorf("the file's metadata %s does not fit its input %v", onnx.MetaPreprocessing, shape)
		}
		return p, nil
	}
	p = train.Preprocessing{Channels: shape[1], Height: shape[2], Width: shape[3], Scale: 1.0 / 255, Mean: make([]float32, shape[1]), Std: make([]float32, shape[1])}
	for c := range p.Channels {
		switch {
		case normalize == "signed":
			p.Mean[c], p.Std[c] = 0.5, 0.5
		case normalize == "unit" || p.Channels == 1:
			p.Mean[c], p.Std[c] = 0, 1
		default: // ImageNet's, as PyTorch's classifiers want it
			p.Mean[c], p.Std[c] = []float32{0.485, 0.456, 0.406}[c], []float32{0.229, 0.224, 0.225}[c]
		}
	}
	return p, nil
}

// classNames are n names: those given, else the file's, else numbers.
func classNames(m *onnx.Model, n int, given string) []string {
	var names []string
	for line := range strings.Lines(given) {
		if line = strings.TrimSpace(line); line != "" {
			names = append(names, line)
		}
	}
	if len(names) != n {
		names = nil
		if text, ok := m.Metadata[onnx.MetaClasses]; ok {
			_ = json.Unmarshal([]byte(text), &names) // Numbers do as well.
		}
	}
	if len(names) != n {
		names = names[:0]
		for i := range n {
			names = append(names, strconv.Itoa(i))
		}
	}
	return names
}
