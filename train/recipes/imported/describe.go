// A file of another program holds a network, and seldom how pictures become its
// input or what its classes are called. What can be said about that is the same
// for the command and for the importer of a page.

package imported

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/weft-ml/weft/format/onnx"
	"github.com/weft-ml/weft/tensor"
	"github.com/weft-ml/weft/train"
)

// Normalizations are the usual ways to bring bytes into a network, by name:
// ImageNet's mean and deviation, 0..1, -1..1, and bytes as they are.
var Normalizations = []string{"imagenet", "unit", "signed", "none"}

// normalizations are their numbers, one for all channels or one for each.
var normalizations = map[string]struct {
	scale     float64
	mean, std []float32
}{
	"imagenet": {1.0 / 255, []float32{0.485, 0.456, 0.406}, []float32{0.229, 0.224, 0.225}},
	"unit":     {1.0 / 255, []float32{0}, []float32{1}},
	"signed":   {1.0 / 255, []float32{0.5}, []float32{0.5}},
	"none":     {1, []float32{0}, []float32{1}},
}

// ImageNet's classifiers are tested on the middle 224x224 of pictures whose
// shorter side is 256.
const imageNetSide, imageNetResize = 224, 256

// Preprocessing is what images of n need. With normalize "" it is what the file
// says, if Weft has written it; said reports that. Otherwise it is assumed:
// ImageNet's for colour, 0..1 for one channel, and nothing for what is no image or
// takes bytes.
func Preprocessing(m *onnx.Model, n *onnx.Network, normalize string) (p train.Preprocessing, said bool, err error) {
	if len(n.Inputs()) == 0 {
		return p, false, errors.New("the network has no input")
	}
	in := n.Inputs()[0]
	s := in.Shape
	bytes := in.DType == tensor.Uint8 // which the network normalises itself
	image := len(s) == 4 && (in.DType == tensor.Float32 || bytes)
	c, h, w := 1, 1, 1
	if image {
		c, h, w = s[1], s[2], s[3]
	} else {
		for _, size := range s[min(1, len(s)):] {
			w *= size
		}
	}
	if text, ok := m.Metadata[onnx.MetaPreprocessing]; ok && normalize == "" {
		const advice = "say what the network needs by choosing a normalisation"
		if err := json.Unmarshal([]byte(text), &p); err != nil {
			return p, true, fmt.Errorf("the file's metadata %s: %w; %s", onnx.MetaPreprocessing, err, advice)
		}
		if image && (p.Channels != c || p.Height != h || p.Width != w) {
			return p, true, fmt.Errorf("the file's metadata %s is for images of %dx%dx%d, which does not fit its input %v; %s", onnx.MetaPreprocessing, p.Channels, p.Height, p.Width, s, advice)
		}
		if err := p.Check(); err != nil {
			return p, true, fmt.Errorf("the file's metadata %s: %w; %s", onnx.MetaPreprocessing, err, advice)
		}
		return p, true, nil
	}
	if normalize == "" {
		switch {
		case !image || bytes:
			normalize = "none"
		case c == 3:
			normalize = "imagenet"
		default:
			normalize = "unit"
		}
	}
	k, ok := normalizations[normalize]
	if !ok {
		return p, false, fmt.Errorf("no normalisation %q; there are: %s", normalize, strings.Join(Normalizations, ", "))
	}
	if len(k.mean) > 1 && len(k.mean) != c {
		return p, false, fmt.Errorf("the normalisation %s is for %d channels, the network takes %d; unit, signed and none are for any number", normalize, len(k.mean), c)
	}
	p = train.Preprocessing{Channels: c, Height: h, Width: w, Scale: k.scale}
	for i := range c {
		p.Mean, p.Std = append(p.Mean, k.mean[i%len(k.mean)]), append(p.Std, k.std[i%len(k.std)])
	}
	if image && c == 3 && h == imageNetSide && w == imageNetSide {
		p.Resize = imageNetResize
	}
	return p, false, nil
}

// Classes are the names of n's classes: those that the file gives, else numbers,
// and the name of the output for a network that is no classifier.
func Classes(m *onnx.Model, n *onnx.Network) ([]string, error) {
	var names []string
	if text, ok := m.Metadata[onnx.MetaClasses]; ok {
		if err := json.Unmarshal([]byte(text), &names); err != nil {
			return nil, fmt.Errorf("the file's metadata %s: %w; give the names of the classes", onnx.MetaClasses, err)
		}
	}
	count := n.Classes()
	switch {
	case len(names) > 0 && (count == 0 || len(names) == count):
	case count < 1 || count > train.MaxClasses:
		names = []string{n.Outputs()[0]}
	default:
		names = nil
		for i := range count {
			names = append(names, strconv.Itoa(i))
		}
	}
	return names, nil
}

// Names are the lines of text that are not empty: how files list classes.
func Names(text string) []string {
	var names []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" {
			names = append(names, line)
		}
	}
	return names
}
