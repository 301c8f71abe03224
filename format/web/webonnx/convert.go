package webonnx

import (
	"errors"

	"github.com/weft-ml/weft/format/onnx"
	"github.com/weft-ml/weft/format/web"
	"github.com/weft-ml/weft/tensor"
	"github.com/weft-ml/weft/train/recipes/imported"
)

// ConvertOptions are what an ONNX file may not say itself.
type ConvertOptions struct {
	Title string
	// ClassNames has a name in each line; "" leaves them to the file, or numbers.
	ClassNames string
	// Normalize is one of imported.Normalizations, for files without Weft's
	// metadata; "" means "imagenet" for three channels and "unit" for one.
	Normalize string
}

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
	if _, ok := m.Metadata[onnx.MetaPreprocessing]; ok || in[0].Shape[1] == 1 && o.Normalize == "imagenet" {
		o.Normalize = ""
	}
	pre, _, err := imported.Preprocessing(m, n, o.Normalize)
	if err != nil {
		return nil, err
	}
	classes := imported.Names(o.ClassNames)
	if len(classes) != n.Classes() {
		if classes, err = imported.Classes(m, n); err != nil {
			return nil, err
		}
	}
	model := web.Model{Title: o.Title, Net: n, Preprocessing: pre, Classes: classes}
	files, err := web.Write(model, web.Options{Batch: 1, Explain: true})
	if err != nil {
		return nil, err
	}
	return Add(files, model, false)
}
