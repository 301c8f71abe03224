// A summary answers what a network is made of and what it costs before anybody
// runs it: it is traced and compiled, not computed.

package main

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/weft-ml/weft/device"
	format "github.com/weft-ml/weft/format/web"
	"github.com/weft-ml/weft/internal/ir"
	"github.com/weft-ml/weft/nn"
	"github.com/weft-ml/weft/tensor"
	"github.com/weft-ml/weft/train"
	"github.com/weft-ml/weft/zoo"
)

func (a *app) summaryCommand() *cobra.Command {
	var input string
	var batch, classes int
	var names []string
	for _, m := range zoo.Models() {
		names = append(names, m.Name)
	}
	c := &cobra.Command{
		Use:   "summary NAME|RUN|MODEL",
		Short: "List a network's layers, their output shapes, and what it costs",
		Long: `List the layers of a network of the zoo, a recipe or a trained model that have
parameters, with their output shapes, parameters and multiplications, and sum up
arithmetic and memory of a prediction. Nothing is computed.

Networks of the zoo: ` + strings.Join(names, ", ") + `.`,
		Example: `  weft summary resnet18
  weft summary efficientnet_b0 --batch 8
  weft summary mobilenet_v2 --input 3x96x96 --classes 10
  weft summary runs/mnist-cnn-20261120-184500`,
		ValidArgs: names,
		Args:      exactly(1, "a network's name or a model's file"),
		RunE: func(c *cobra.Command, args []string) error {
			m, shape, title, err := a.summarized(args[0], classes)
			if err != nil {
				return err
			}
			if input != "" {
				if shape, err = parseShape(input); err != nil {
					return usage(err, "for example --input 3x224x224")
				}
			}
			if err := within("batch", batch, 1, mostBatch); err != nil {
				return err
			}
			if n := named(m); n != nil {
				if input != "" {
					return usage(errors.New("the network's inputs have their shapes"), "choose others when it is imported: weft import onnx FILE --input NAME=SHAPE")
				}
				return a.summarizeNamed(title, m, n, batch)
			}
			return a.summarize(title, m, append([]int{batch}, shape...))
		},
	}
	c.Flags().StringVar(&input, "input", "", "shape of one input, such as 3x224x224 (default: what the network is for)")
	c.Flags().IntVar(&batch, "batch", 1, "inputs of one prediction")
	c.Flags().IntVar(&classes, "classes", 0, "number of classes of a network of the zoo (default: its own)")
	return c
}

// summarized finds a file, a network of the zoo, or a recipe, in this order.
func (a *app) summarized(name string, classes int) (m nn.Module, shape []int, title string, err error) {
	if _, err := os.Stat(name); err == nil {
		m, info, file, err := a.openModel(name)
		if err != nil {
			return nil, nil, "", err
		}
		p := info.Preprocessing
		return m, []int{p.Channels, p.Height, p.Width}, file, nil
	}
	if z, err := zoo.Find(name); err == nil {
		if classes == 0 {
			classes = z.Classes
		}
		if classes < 1 || classes > 1<<16 {
			return nil, nil, "", usage(fmt.Errorf("--classes %d", classes), "1 to %d are possible", 1<<16)
		}
		return z.New(nn.NewRNG(0), classes), z.Input, z.Name + ": " + z.Doc, nil
	}
	r, err := train.Find(name)
	if err != nil {
		_, err = zoo.Find(name)
		return nil, nil, "", hint(errors.New(err.Error()+"; and there is no such file or recipe"), "see: weft summary --help")
	}
	ch, h, w := r.Input()
	m, err = r.Build(train.Spec{Channels: ch, Height: h, Width: w, Classes: 10, Options: r.Options})
	return m, []int{ch, h, w}, r.Name + ": " + r.Doc, err
}

// parseShape reads numbers with an x between them.
func parseShape(s string) ([]int, error) {
	var shape []int
	n := 1
	for _, f := range strings.Split(s, "x") {
		d, err := strconv.Atoi(f)
		if err != nil || d < 1 || d > 1<<14 {
			return nil, fmt.Errorf("--input %q is no shape", s)
		}
		shape = append(shape, d)
		if n *= d; n > 1<<28 {
			return nil, fmt.Errorf("--input %q is too large", s)
		}
	}
	return shape, nil
}

// layerRow is a layer of the table.
type layerRow struct {
	Name       string `json:"name"`
	Type       string `json:"type"`
	Output     []int  `json:"output"`
	Parameters int    `json:"parameters"`
	MACs       int    `json:"macs"`
}

// layerRows groups a model's variables by the layer that holds them. The shape
// of a layer's output is the largest of those that its variables take part in:
// a norm's scale is first joined with its deviation.
func layerRows(m nn.Module, y *tensor.Tensor) []layerRow {
	params := nn.Params(m)
	uses := tensor.Uses(y, nn.Values(params))
	var rows []layerRow
	at := map[string]int{}
	for i, p := range params {
		layer := ""
		if dot := strings.LastIndexByte(p.Name, '.'); dot >= 0 {
			layer = p.Name[:dot]
		}
		k, ok := at[layer]
		if !ok {
			k = len(rows)
			at[layer] = k
			rows = append(rows, layerRow{Name: layer, Type: p.Layer})
		}
		r := &rows[k]
		if !p.Buffer {
			r.Parameters += p.Value.Len()
		}
		for _, u := range uses[i] {
			r.MACs += u.MACs
			if n := ir.NumElems(u.Shape) - ir.NumElems(r.Output); n > 0 || n == 0 && len(u.Shape) > len(r.Output) || r.Output == nil {
				r.Output = u.Shape
			}
		}
	}
	return rows
}

// summarizeNamed is summarize for a network of several inputs.
func (a *app) summarizeNamed(title string, m nn.Module, n *format.Named, batch int) error {
	var rows []layerRow
	var outputs []string
	in := zerosFor(n, batch)
	prog, err := tensor.Compile(device.CPU(), func(_ *tensor.Trace, in []*tensor.Tensor) []*tensor.Tensor {
		y := n.Run(in)
		rows = layerRows(m, y[0])
		for i, t := range y {
			outputs = append(outputs, fmt.Sprintf("%s %v%v", n.Outputs[i], t.DType(), t.Shape()))
		}
		return y
	}, in...)
	if err != nil {
		return hint(fmt.Errorf("the network does not take %d samples: %w", batch, err), "choose another --batch")
	}
	defer prog.Close()
	var inputs []string
	for i, arg := range n.Inputs {
		inputs = append(inputs, fmt.Sprintf("%s %v%v", arg.Name, in[i].DType(), in[i].Shape()))
	}
	a.printf("%s\ninputs %s; outputs %s\n\n", title, strings.Join(inputs, ", "), strings.Join(outputs, ", "))
	return a.costs(title, m, prog, rows, map[string]any{"inputs": inputs, "outputs": outputs})
}

// zerosFor are inputs of a network for a number of samples.
func zerosFor(n *format.Named, batch int) []*tensor.Tensor {
	var in []*tensor.Tensor
	for _, arg := range n.Inputs {
		shape := slices.Clone(arg.Shape)
		for d, size := range shape {
			if size < 0 {
				shape[d] = batch
			}
		}
		dt := tensor.Float32
		if arg.DType != tensor.Float32 {
			dt = tensor.Int32
		}
		in = append(in, tensor.FromNode(ir.Const(dt, 0, shape...)))
	}
	return in
}

// summarize prints the table and the costs of a prediction.
func (a *app) summarize(title string, m nn.Module, shape []int) (err error) {
	var rows []layerRow
	var output []int
	prog, err := tensor.Compile(device.CPU(), func(_ *tensor.Trace, in []*tensor.Tensor) []*tensor.Tensor {
		y := m.Forward(in[0])
		rows, output = layerRows(m, y), y.Shape()
		return []*tensor.Tensor{y}
	}, tensor.Zeros(shape...))
	if err != nil {
		return hint(fmt.Errorf("the network does not take inputs of %v: %w", shape[1:], err), "choose another --input")
	}
	defer prog.Close()
	a.printf("%s\ninput %v, output %v\n\n", title, shape, output)
	return a.costs(title, m, prog, rows, map[string]any{"input": shape, "output": output})
}

// costs prints the table of layers and what a prediction takes.
func (a *app) costs(title string, m nn.Module, prog *tensor.Program, rows []layerRow, result map[string]any) error {
	out := a.stdout
	if a.json {
		out = a.stderr
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "layer\ttype\toutput\tparameters\tMACs\n")
	macs, stored := 0, 0
	for _, r := range rows {
		fmt.Fprintf(w, "%s\t%s\t%v\t%s\t%s\n", r.Name, r.Type, r.Output, nn.Thousands(r.Parameters), nn.Thousands(r.MACs))
		macs += r.MACs
	}
	w.Flush()
	params := nn.Params(m)
	for _, p := range params {
		stored += p.Value.Len()
	}
	own, borrowed := prog.MemoryBytes()
	n := nn.Count(params)
	a.printf("\n%s parameters and %s elements of buffers: %s as float32, %s as float16\n", nn.Thousands(n), nn.Thousands(stored-n), memory(4*int64(stored)), memory(2*int64(stored)))
	a.printf("a prediction: %s MACs, %.3f GFLOP in %d kernels; memory %s, of which %s are activations\n",
		nn.Thousands(macs), float64(prog.FLOPs())/1e9, prog.KernelCount(), memory(int64(own+borrowed)), memory(int64(own)))
	maps.Copy(result, map[string]any{
		"name": title, "layers": rows, "parameters": n, "buffers": stored - n,
		"macs": macs, "flops": prog.FLOPs(), "kernels": prog.KernelCount(), "memory": own + borrowed, "memory_activations": own,
	})
	return a.result(result)
}
