// An ONNX file holds the network as well as its weights, so the model file that
// is made of it carries the network's structure, and every command takes it.

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/weft-ml/weft/format/onnx"
	"github.com/weft-ml/weft/internal/atomicfile"
	"github.com/weft-ml/weft/nn"
	"github.com/weft-ml/weft/tensor"
	"github.com/weft-ml/weft/train"
	"github.com/weft-ml/weft/train/recipes/imported"
)

// normalizations are the usual ways to bring bytes into a network.
var normalizations = map[string]struct {
	scale     float64
	mean, std []float32
}{
	"imagenet": {1.0 / 255, []float32{0.485, 0.456, 0.406}, []float32{0.229, 0.224, 0.225}},
	"unit":     {1.0 / 255, []float32{0}, []float32{1}},
	"signed":   {1.0 / 255, []float32{0.5}, []float32{0.5}},
	"none":     {1, []float32{0}, []float32{1}},
}

func (a *app) importONNXCommand() *cobra.Command {
	var shapes []string
	var normalize, classes string
	var out *string
	c := &cobra.Command{
		Use:   "onnx FILE",
		Short: "Import an ONNX model",
		Long: `Import an ONNX model (opset 7 to 24), with weights inside or beside it. Operators
that are not known are all listed, and nothing is written then.

How bytes become the network's input, and the names of the classes, come from the
file if weft has written it, else from --normalize and --class-names:

  imagenet   (x/255 - mean) / deviation with ImageNet's numbers (RGB's default)
  unit       x/255, from 0 to 1 (the default for one channel)
  signed     x/127.5 - 1, from -1 to 1
  none       x as it is

Sizes that the file leaves open are given with --input; the number of samples
stays open.`,
		Example: `  weft import onnx resnet18.onnx --class-names labels.txt
  weft import onnx gpt2.onnx --input input_ids=1,64 -o gpt2.safetensors
  weft inspect resnet18.safetensors; weft export onnx resnet18.safetensors --fold-bn`,
		Args: exactly(1, "an ONNX file"),
		RunE: func(c *cobra.Command, args []string) error {
			o, err := inputShapes(shapes)
			if err != nil {
				return err
			}
			m, err := onnx.Open(args[0])
			if err != nil {
				return err
			}
			a.printf("%s: opset %d, %s\n", args[0], m.Opset(), operatorsText(m))
			n, err := m.Network(o)
			switch {
			case errors.Is(err, onnx.ErrOpen):
				return hint(err, "choose them with --input NAME=1,3,224,224, once for each input")
			case errors.Is(err, onnx.ErrUnsupported):
				return hint(err, "docs/onnx.md lists the operators that are known")
			case err != nil:
				return err
			}
			pre, err := a.preprocessing(m, n, normalize)
			if err != nil {
				return err
			}
			names, err := a.classNames(m, n, classes)
			if err != nil {
				return err
			}
			info, err := imported.Info(n, filepath.Base(args[0]), pre, names)
			if err != nil {
				return err
			}
			path := *out
			if path == "" {
				path = strings.TrimSuffix(filepath.Base(args[0]), filepath.Ext(args[0])) + ".safetensors"
			}
			// Read back before anything is replaced: what a file says about its
			// images may be nonsense.
			var model bytes.Buffer
			if err := train.WriteModel(&model, n, info); err != nil {
				return err
			}
			if _, _, err := train.ReadModel(args[0], bytes.NewReader(model.Bytes()), int64(model.Len())); err != nil {
				return hint(err, "say what the network needs with --normalize and --class-names")
			}
			err = atomicfile.Write(path, 0o644, func(w io.Writer) error {
				_, err := w.Write(model.Bytes())
				return err
			})
			if err != nil {
				return hint(err, "choose another file with -o")
			}
			params := nn.Params(n)
			a.printf("  inputs  %s\n  outputs %s\n", namesOf(n.Inputs()), strings.Join(n.Outputs(), ", "))
			a.printf("%s: %d parameters, %d classes\n", path, nn.Count(params), len(names))
			return a.result(map[string]any{"file": path, "parameters": nn.Count(params), "operators": m.Operators(), "opset": m.Opset(), "preprocessing": pre, "classes": len(names)})
		},
	}
	c.Flags().StringArrayVar(&shapes, "input", nil, "shape of an input, NAME=1,3,224,224 (may be given several times)")
	c.Flags().StringVar(&normalize, "normalize", "", "imagenet, unit, signed or none (default: see above)")
	c.Flags().StringVar(&classes, "class-names", "", "file with the name of a class in each line")
	out = outFlag(c, "file to write (default: the ONNX file's name with .safetensors)")
	return c
}

// inputShapes reads the values of --input.
func inputShapes(list []string) (onnx.ImportOptions, error) {
	o := onnx.ImportOptions{Inputs: map[string][]int{}}
	for _, s := range list {
		i := strings.LastIndexByte(s, '=')
		if i < 1 {
			return o, usage(fmt.Errorf("--input %q has no name", s), "give it as NAME=1,3,224,224")
		}
		var shape []int
		for part := range strings.SplitSeq(s[i+1:], ",") {
			n, err := strconv.Atoi(strings.TrimSpace(part))
			if err != nil || n < 1 {
				return o, usage(fmt.Errorf("--input %q: %q is no size", s, part), "give it as NAME=1,3,224,224")
			}
			shape = append(shape, n)
		}
		o.Inputs[s[:i]] = shape
	}
	return o, nil
}

// preprocessing is what images of the network need.
func (a *app) preprocessing(m *onnx.Model, n *onnx.Network, normalize string) (train.Preprocessing, error) {
	var p train.Preprocessing
	if text, ok := m.Metadata[onnx.MetaPreprocessing]; ok && normalize == "" {
		if err := json.Unmarshal([]byte(text), &p); err != nil {
			return p, hint(fmt.Errorf("metadata %s: %w", onnx.MetaPreprocessing, err), "say what the network needs with --normalize")
		}
		return p, nil
	}
	if len(n.Inputs()) == 0 {
		return p, errors.New("the network has no input")
	}
	in := n.Inputs()[0]
	s := in.Shape
	image := len(s) == 4 && in.DType == tensor.Float32
	p.Channels, p.Height, p.Width = 1, 1, 1
	if image {
		p.Channels, p.Height, p.Width = s[1], s[2], s[3]
	} else {
		for _, size := range s[min(1, len(s)):] {
			p.Width *= size
		}
	}
	if normalize == "" {
		switch {
		case !image:
			normalize = "none"
		case p.Channels == 3:
			normalize = "imagenet"
		default:
			normalize = "unit"
		}
		if image {
			a.notef("the file does not say how its images are normalised; %s is assumed, --normalize says otherwise", normalize)
		}
	}
	k, ok := normalizations[normalize]
	if !ok {
		return p, usage(fmt.Errorf("no normalisation %q", normalize), "--normalize takes imagenet, unit, signed or none")
	}
	if len(k.mean) > 1 && len(k.mean) != p.Channels {
		return p, usage(fmt.Errorf("%s is for three channels, the network takes %d", normalize, p.Channels), "--normalize takes imagenet, unit, signed or none")
	}
	p.Scale = k.scale
	for c := range p.Channels {
		p.Mean, p.Std = append(p.Mean, k.mean[c%len(k.mean)]), append(p.Std, k.std[c%len(k.std)])
	}
	return p, nil
}

// maxClasses is how many classes a model file may name.
const maxClasses = 4096

// classNames are the names of the network's classes: numbers if nothing is
// known.
func (a *app) classNames(m *onnx.Model, n *onnx.Network, file string) ([]string, error) {
	count := n.Classes()
	var names []string
	if file != "" {
		b, err := os.ReadFile(file)
		if err != nil {
			return nil, hint(err, "give a text file with the name of a class in each line")
		}
		for line := range strings.Lines(string(b)) {
			if line = strings.TrimSpace(line); line != "" {
				names = append(names, line)
			}
		}
		if len(names) != count {
			return nil, hint(fmt.Errorf("%s names %d classes, the network has %d", file, len(names), count), "give the name of each class, one in a line")
		}
	} else if text, ok := m.Metadata[onnx.MetaClasses]; ok {
		if err := json.Unmarshal([]byte(text), &names); err != nil {
			return nil, fmt.Errorf("metadata %s: %w", onnx.MetaClasses, err)
		}
	}
	if len(names) == 0 {
		if count < 1 || count > maxClasses {
			return []string{n.Outputs()[0]}, nil
		}
		for i := range count {
			names = append(names, fmt.Sprint(i))
		}
	}
	if len(names) > maxClasses {
		return nil, fmt.Errorf("%d classes; a model file names at most %d", len(names), maxClasses)
	}
	return names, nil
}
