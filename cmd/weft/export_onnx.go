// The ONNX file is written from the traced graph, so every network can be
// exported. --verify reads it back with weft's own importer, which shares the
// operators' definitions with the export and nothing else; that ONNX Runtime
// computes the same is a test of package format/onnx.

package main

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/weft-ml/weft/device"
	"github.com/weft-ml/weft/format/onnx"
	"github.com/weft-ml/weft/format/safetensors"
	"github.com/weft-ml/weft/nn"
	"github.com/weft-ml/weft/tensor"
	"github.com/weft-ml/weft/train"
)

// onnxFlags are the choices of export onnx.
type onnxFlags struct {
	batch                 int
	fold, f16, external   bool
	preprocess, softmax   bool
	layout, input, output string
}

func (e *exporting) onnxCommand() *cobra.Command {
	var f onnxFlags
	var out *string
	c := &cobra.Command{
		Use:   "onnx MODEL",
		Short: "Write an ONNX model, for ONNX Runtime and whatever else reads it",
		Long: `Write a network as an ONNX model (opset 21): any network that can be traced, not a
list of known layers. The number of samples stays open. Preprocessing and class
names are in the model's metadata (weft.preprocessing, weft.classes); with
--preprocess the model itself takes bytes, so that no program can get it wrong.

--verify reads the file back and compares its results with the network's.`,
		Example: `  weft export onnx mnist-mlp -o digits.onnx
  weft export onnx runs/mnist-cnn-20261120-184500 --preprocess --softmax --verify
  weft export onnx MODEL --fold-bn --f16 --external     small, weights in model.onnx.data`,
		Args: exactly(1, "a model"),
		RunE: func(c *cobra.Command, args []string) error {
			if f.layout != "nchw" && f.layout != "nhwc" {
				return usage(fmt.Errorf("no layout %q", f.layout), "--layout takes nchw or nhwc")
			}
			if f.layout == "nhwc" && !f.preprocess {
				return usage(errors.New("--layout is the order of the bytes of an image"), "give --preprocess as well")
			}
			if f.batch < 0 {
				return usage(fmt.Errorf("a batch of %d", f.batch), "--batch takes 1 or more, or 0 to leave it open")
			}
			if err := within("batch", f.batch, 0, mostBatch); err != nil {
				return err
			}
			m, info, name, err := e.model(args[0])
			if err != nil {
				return err
			}
			path := *out
			if path == "" {
				path = name + ".onnx"
			}
			if err := spared(modelFile(args[0]), path); err != nil {
				return err
			}
			return e.writeONNX(path, m, info, &f)
		},
	}
	s := c.Flags()
	s.IntVar(&f.batch, "batch", 0, "fix the number of samples; 0 leaves it open")
	s.BoolVar(&f.fold, "fold-bn", false, "multiply batch norms into the convolutions before them")
	s.BoolVar(&f.f16, "f16", false, "store weights as float16, half the size; arithmetic stays float32")
	s.BoolVar(&f.external, "external", false, "put the weights into a file beside the model, FILE.data")
	s.BoolVar(&f.preprocess, "preprocess", false, "take images as bytes (uint8) and normalise them in the model")
	s.StringVar(&f.layout, "layout", "nchw", "order of the bytes with --preprocess: nchw, or nhwc as pictures have them")
	s.BoolVar(&f.softmax, "softmax", false, "return probabilities instead of logits")
	s.StringVar(&f.input, "input-name", "", `name of the input (default "input", or "image" with --preprocess)`)
	s.StringVar(&f.output, "output-name", "", `name of the output (default "logits", or "probabilities" with --softmax)`)
	out = outFlag(c, "file to write (default: the model's name)")
	return c
}

// onnxFunction is what is exported of a model, and its inputs and outputs.
func onnxFunction(m nn.Module, info *train.Info, f *onnxFlags) (tensor.Function, []onnx.Input, []string) {
	pre := &info.Preprocessing
	run := func(in []*tensor.Tensor) []*tensor.Tensor { return []*tensor.Tensor{m.Forward(in[0])} }
	inputs := []onnx.Input{{Name: "input", Shape: []int{onnx.Batch, pre.Channels, pre.Height, pre.Width}}}
	outputs := []string{"logits"}
	if n, ok := m.(*onnx.Network); ok {
		run = func(in []*tensor.Tensor) []*tensor.Tensor { return n.Run(in...) }
		inputs, outputs = slices.Clone(n.Inputs()), slices.Clone(n.Outputs())
	}
	if f.softmax {
		outputs[0] = "probabilities"
	}
	if f.preprocess {
		s := inputs[0].Shape
		inputs[0].Name, inputs[0].DType = "image", tensor.Uint8
		if f.layout == "nhwc" {
			inputs[0].Shape = []int{s[0], s[2], s[3], s[1]}
		}
	}
	if f.input != "" {
		inputs[0].Name = f.input
	}
	if f.output != "" {
		outputs[0] = f.output
	}
	for i := range inputs {
		inputs[i].Shape = slices.Clone(inputs[i].Shape)
		for d, n := range inputs[i].Shape {
			if n == onnx.Batch && f.batch > 0 {
				inputs[i].Shape[d] = f.batch
			}
		}
	}
	return func(_ *tensor.Trace, in []*tensor.Tensor) []*tensor.Tensor {
		if f.preprocess {
			in = slices.Clone(in)
			x := in[0].To(tensor.Float32)
			if f.layout == "nhwc" {
				x = x.Permute(0, 3, 1, 2)
			}
			in[0] = pre.Normalize(x)
		}
		y := run(in)
		if f.softmax {
			y[0] = y[0].Softmax(-1)
		}
		return y
	}, inputs, outputs
}

func (e *exporting) writeONNX(path string, m nn.Module, info *train.Info, f *onnxFlags) error {
	fn, inputs, outputs := onnxFunction(m, info, f)
	if f.preprocess && len(inputs[0].Shape) != 4 {
		return usage(fmt.Errorf("the model's input %s is no image", inputs[0].Name), "leave out --preprocess")
	}
	options := onnx.ExportOptions{
		Inputs: inputs, Outputs: outputs, Params: nn.Params(m), Name: info.Recipe, FoldBatchNorm: f.fold, Float16: f.f16,
	}
	model, err := onnx.Export(fn, options)
	if err != nil && f.batch == 0 {
		return hint(err, "fix the number of samples with --batch 1, if it is only that")
	}
	if err != nil {
		return err
	}
	if !f.preprocess {
		if err := model.SetJSON(onnx.MetaPreprocessing, info.Preprocessing); err != nil {
			return err
		}
	}
	if err := model.SetJSON(onnx.MetaClasses, info.Classes); err != nil {
		return err
	}
	if err := model.WriteFile(path, f.external); err != nil {
		return hint(err, "choose another file with -o")
	}
	files := []string{path}
	if f.external {
		files = append(files, onnx.ExternalFile(path))
	}
	total := int64(0)
	for _, name := range files {
		st, err := os.Stat(name)
		if err != nil {
			return err
		}
		total += st.Size()
		e.printf("%s: %s\n", name, memory(st.Size()))
	}
	e.printf("  inputs  %s\n  outputs %s\n  %s\n", namesOf(inputs), strings.Join(outputs, ", "), operatorsText(model))
	result := map[string]any{"file": path, "bytes": total, "opset": model.Opset(), "operators": model.Operators(), "parameters": nn.Count(nn.Params(m))}
	if e.verify {
		worst, rounding, err := verifyONNX(path, fn, options)
		if err != nil {
			return err
		}
		if !(worst <= 1e-4) {
			return hint(fmt.Errorf("%s: verification failed: results differ by %.2g of the largest", path, worst), "this is a defect of weft; please report it with the model")
		}
		e.printf("verified: read back, for 1 and 7 samples the largest difference is %.2g of the largest result\n", worst)
		result["difference"] = worst
		if f.f16 {
			e.printf("storing float16 changed results by at most %.2g of the largest\n", rounding)
			result["f16_difference"] = rounding
		}
	}
	return e.result(result)
}

func namesOf(inputs []onnx.Input) string {
	var s []string
	for _, in := range inputs {
		s = append(s, fmt.Sprintf("%s %v%s", in.Name, in.DType, strings.ReplaceAll(fmt.Sprint(in.Shape), "-1", "batch")))
	}
	return strings.Join(s, ", ")
}

// operatorsText is "23 nodes: Conv 4, Relu 4, ..".
func operatorsText(m *onnx.Model) string {
	ops := m.Operators()
	total := 0
	var s []string
	for _, name := range slices.Sorted(maps.Keys(ops)) {
		total += ops[name]
		s = append(s, fmt.Sprintf("%s %d", name, ops[name]))
	}
	return fmt.Sprintf("%d nodes: %s", total, strings.Join(s, ", "))
}

// verifyONNX compares the file's network with fn on random inputs, and returns
// the largest difference relative to the largest result. Where weights were
// rounded to float16 the comparison is in two steps, since rounding is no
// defect: the network before rounding with fn, and the file's with that one's
// after its weights were rounded. What rounding did to the results is told apart.
func verifyONNX(path string, fn tensor.Function, o onnx.ExportOptions) (worst, rounding float64, err error) {
	network := func(m *onnx.Model, err error) (*onnx.Network, tensor.Function, error) {
		if err != nil {
			return nil, nil, err
		}
		n, err := m.Network(onnx.ImportOptions{})
		return n, func(_ *tensor.Trace, in []*tensor.Tensor) []*tensor.Tensor { return n.Run(in...) }, err
	}
	_, back, err := network(onnx.Open(path))
	if err != nil {
		return 0, 0, err
	}
	worst, err = apart(back, fn, o.Inputs)
	if err != nil || !o.Float16 {
		return worst, 0, err
	}
	rounding, o.Float16 = worst, false
	exact, exactly, err := network(onnx.Export(fn, o))
	if err != nil {
		return 0, 0, err
	}
	if worst, err = apart(exactly, fn, o.Inputs); err != nil {
		return 0, 0, err
	}
	for _, p := range nn.Params(exact) {
		if p.Value.DType() != tensor.Float32 || p.Value.Dims() < 2 { // vectors stay as they are
			continue
		}
		x, err := p.Value.Read()
		if err != nil {
			return 0, 0, err
		}
		for i, v := range x {
			x[i] = safetensors.F16Value(safetensors.F16Bits(v))
		}
		if err := p.Value.Set(x); err != nil {
			return 0, 0, err
		}
	}
	after, err := apart(back, exactly, o.Inputs)
	return max(worst, after), rounding, err
}

// apart is the largest difference of two functions' results on random inputs,
// relative to the largest result, for one and seven samples.
func apart(f, g tensor.Function, inputs []onnx.Input) (worst float64, err error) {
	rng := nn.NewRNG(1)
	for _, batch := range []int{1, 7} {
		args := make([]*tensor.Tensor, len(inputs))
		fixed := true
		for i, in := range inputs {
			shape, n := slices.Clone(in.Shape), 1
			for d := range shape {
				if shape[d] == onnx.Batch {
					shape[d], fixed = batch, false
				}
				n *= shape[d]
			}
			values := rng.Uniform(n, 0, 1)
			switch in.DType {
			case tensor.Float32:
				args[i] = tensor.New(values, shape...)
			case tensor.Uint8:
				b := make([]byte, n)
				for j, v := range values {
					b[j] = byte(v * 256)
				}
				args[i] = tensor.FromBytes(b, shape...)
			default: // small numbers are indices of anything
				b := make([]int32, n)
				for j, v := range values {
					b[j] = int32(v * 2)
				}
				args[i] = tensor.FromInts(b, shape...)
			}
		}
		want, err := runOnce(g, args)
		if err != nil {
			return 0, err
		}
		got, err := runOnce(f, args)
		if err != nil {
			return 0, err
		}
		for i := range want {
			difference, scale := distance(got[i].Floats(), want[i].Floats())
			worst = max(worst, difference/max(scale, 1e-30))
		}
		if fixed {
			break
		}
	}
	return worst, nil
}

// runOnce computes fn on the CPU.
func runOnce(fn tensor.Function, args []*tensor.Tensor) ([]*tensor.Tensor, error) {
	p, err := tensor.Compile(device.CPU(), fn, args...)
	if err != nil {
		return nil, err
	}
	defer p.Close()
	return p.Call(args...)
}
