// An ONNX file holds the network as well as its weights, so the model file that
// is made of it carries the network's structure, and every command takes it.

package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
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

func (a *app) importONNXCommand() *cobra.Command {
	var shapes []string
	var normalize, classes, layout string
	var resize int
	var out *string
	c := &cobra.Command{
		Use:   "onnx FILE",
		Short: "Import an ONNX model",
		Long: `Import an ONNX model (opset 1 to 28), with weights inside or beside it. Operators
that are not known are all listed, and nothing is written then.

How pictures become the network's input, and the names of the classes, come from
the file if weft has written it, else from --normalize, --resize and --class-names:

  imagenet   (x/255 - mean) / deviation with ImageNet's numbers (RGB's default)
  unit       x/255, from 0 to 1 (the default for one channel)
  signed     x/127.5 - 1, from -1 to 1
  none       x as it is

Sizes that the file leaves open are given with --input, once for each input; the
number of samples stays open, where it is called batch or 1. Another first size
fixes it.`,
		Example: `  weft import onnx resnet18.onnx --class-names labels.txt
  weft import onnx gpt2.onnx --input input_ids=batch,64 --input attention_mask=batch,64
  weft predict photo.jpg --model resnet18.weft.safetensors
  weft export web resnet18.weft.safetensors -o page`,
		Args: exactly(1, "an ONNX file"),
		RunE: func(c *cobra.Command, args []string) error {
			if normalize != "" && !slices.Contains(imported.Normalizations, normalize) {
				return usage(fmt.Errorf("no normalisation %q", normalize), "--normalize takes %s", strings.Join(imported.Normalizations, ", "))
			}
			if layout != onnx.LayoutAuto && layout != onnx.LayoutNCHW && layout != onnx.LayoutNHWC {
				return usage(fmt.Errorf("no layout %q", layout), "--layout takes nchw or nhwc")
			}
			o, err := inputShapes(shapes)
			if err != nil {
				return err
			}
			m, err := onnx.Open(args[0])
			switch {
			case errors.Is(err, fs.ErrNotExist):
				return hint(err, "give the file of an ONNX model")
			case err != nil && strings.EqualFold(filepath.Ext(args[0]), ".safetensors"):
				return hint(err, "a state dict is imported with: weft import safetensors %s --model NETWORK -o MODEL", args[0])
			case err != nil:
				return err
			}
			a.printf("%s: opset %d, %s\n", args[0], m.Opset(), operatorsText(m))
			m, turned, err := m.WithLayout(layout, &o)
			if err != nil {
				return usage(err, "leave out --layout nhwc")
			}
			if turned != "" && layout == onnx.LayoutAuto {
				a.notef("its input is taken as pictures (%s) and becomes channels, height, width; --layout nchw leaves it as it is", turned)
			}
			n, err := m.Network(o)
			var open *onnx.OpenError
			switch {
			case errors.As(err, &open):
				return hint(err, "choose them, for example: %s", openFlags(open.Inputs))
			case errors.Is(err, onnx.ErrOperators):
				return hint(err, "docs/onnx.md lists the operators that are known")
			case errors.Is(err, onnx.ErrUnsupported):
				return hint(err, "docs/onnx.md says what of each operator is known; export the model again without what is not, or open an issue with these lines")
			case err != nil:
				return err
			}
			pre, said, err := imported.Preprocessing(m, n, normalize)
			if err != nil {
				return hint(err, "say what the network needs with --normalize %s", strings.Join(imported.Normalizations, ", "))
			}
			if c.Flags().Changed("resize") {
				pre.Resize = resize
				if err := pre.Check(); err != nil {
					return usage(err, "--resize takes 0, or what covers the input")
				}
			}
			if pre.Height > 1 && !said && normalize == "" {
				a.notef("the file does not say how pictures become its input: %s is assumed; --normalize and --resize say otherwise", fitText(&pre))
			}
			names, err := onnxClasses(m, n, classes)
			if err != nil {
				return err
			}
			info, err := imported.Info(n, filepath.Base(args[0]), pre, names)
			if err != nil {
				return err
			}
			path := *out
			if path == "" {
				path = strings.TrimSuffix(filepath.Base(args[0]), filepath.Ext(args[0])) + modelExt
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
			if s := n.Inputs()[0].Shape; len(s) == 4 && s[0] != onnx.Batch {
				a.notef("it takes exactly %d samples at a time: for predict and eval, export it again with an open number of samples", s[0])
			}
			params := nn.Params(n)
			a.printf("  inputs  %s\n  outputs %s\n", namesOf(n.Inputs()), strings.Join(n.Outputs(), ", "))
			a.printf("%s: %d parameters, %d classes\n", path, nn.Count(params), len(names))
			return a.result(map[string]any{"file": path, "parameters": nn.Count(params), "operators": m.Operators(), "opset": m.Opset(), "preprocessing": pre, "classes": len(names)})
		},
	}
	c.Flags().StringArrayVar(&shapes, "input", nil, "shape of an input, NAME=batch,3,224,224 (may be given several times)")
	c.Flags().StringVar(&normalize, "normalize", "", "imagenet, unit, signed or none (default: see above)")
	c.Flags().StringVar(&layout, "layout", "", "nhwc: the input is height, width, channels; nchw: it is taken as it is (default: [N,H,W,1], [N,H,W,3], [N,28,28] and [N,784] are taken for pictures)")
	c.Flags().StringVar(&classes, "class-names", "", "file with the name of a class in each line")
	c.Flags().IntVar(&resize, "resize", 0, "shorter side of a picture before its middle is cut out; 0 just covers the input (default: 256 for 3x224x224)")
	out = outFlag(c, "file to write (default: the ONNX file's name with .weft.safetensors)")
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
			part = strings.TrimSpace(part)
			n, err := strconv.Atoi(part)
			if strings.EqualFold(part, "batch") {
				n, err = onnx.Batch, nil
			}
			if err != nil || n < 1 && n != onnx.Batch {
				return o, usage(fmt.Errorf("--input %q: %q is no size", s, part), "give it as NAME=batch,3,224,224, where batch leaves the number of samples open")
			}
			shape = append(shape, n)
		}
		o.Inputs[s[:i]] = shape
	}
	return o, nil
}

// openFlags are flags that choose open sizes: such as the network could be meant for.
func openFlags(inputs []onnx.Input) string {
	var flags []string
	for _, in := range inputs {
		shape := "batch,..."
		if in.Shape != nil {
			var sizes []string
			for d, n := range in.Shape {
				switch {
				case n == onnx.Batch:
					sizes = append(sizes, "batch")
				case n > 0:
					sizes = append(sizes, strconv.Itoa(n))
				case len(in.Shape) == 4 && d >= 1 && (in.Shape[1] == 3 || in.Shape[3] == 3 || in.Shape[1] == 1):
					sizes = append(sizes, "224")
				case in.DType == tensor.Float32 && len(in.Shape) <= 3 && d == len(in.Shape)-1:
					sizes = append(sizes, "16000")
				default:
					sizes = append(sizes, "128")
				}
			}
			shape = strings.Join(sizes, ",")
		}
		name := in.Name
		if strings.ContainsAny(name, " '\"$`\\;&|<>()*?[]#~!") {
			name = "'" + strings.ReplaceAll(name, "'", `'\''`) + "'"
		}
		flags = append(flags, "--input "+name+"="+shape)
	}
	return strings.Join(flags, " ")
}

// onnxClasses are the names of the network's classes, those of the text file
// first.
func onnxClasses(m *onnx.Model, n *onnx.Network, file string) ([]string, error) {
	if file == "" {
		return imported.Classes(m, n)
	}
	names, err := readNames(file)
	if err == nil && len(names) != n.Classes() {
		err = hint(fmt.Errorf("%s names %d classes, the network has %d", file, len(names), n.Classes()), "give the name of each class, one in a line; TensorFlow's models have the background first")
	}
	return names, err
}
