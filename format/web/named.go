package web

// Networks of several inputs, or whose inputs and results are no rows of float32.
// Their plan names all of them, and a call gives and gets them by name. What has
// a row for each sample is found out by looking at two numbers of samples; a
// network whose results are no such rows is written for one.

import (
	"errors"
	"fmt"
	"slices"

	"github.com/weft-ml/weft/internal/fuse"
	"github.com/weft-ml/weft/internal/ir"
	"github.com/weft-ml/weft/internal/plan"
	"github.com/weft-ml/weft/internal/wgsl"
	"github.com/weft-ml/weft/tensor"
)

// Named is a network whose inputs and results have names.
type Named struct {
	Inputs  []Argument
	Outputs []string
	Run     func(in []*tensor.Tensor) []*tensor.Tensor
}

// Argument is an input. A size of -1, the first of Shape, is the number of samples.
type Argument struct {
	Name  string
	DType tensor.DType // Float32; all others are given as whole numbers of 32 bits
	Shape []int
}

// Port is an input or a result in a plan.
type Port struct {
	Name    string `json:"name"`
	DType   string `json:"dtype"`   // "float32", "int32" or "bool"
	Shape   []int  `json:"shape"`   // without the samples
	Samples bool   `json:"samples"` // there are as many of these as samples
}

func dtypeName(dt ir.DType) string {
	switch dt {
	case ir.F32:
		return "float32"
	case ir.Bool:
		return "bool"
	}
	return "int32"
}

// namedGraph traces the network for a number of samples.
func (w *writer) namedGraph(batch int) (*ir.Graph, error) {
	n := w.model.Named
	in := make([]*tensor.Tensor, len(n.Inputs))
	for i, a := range n.Inputs {
		shape := slices.Clone(a.Shape)
		for d, size := range shape {
			if size < 0 {
				shape[d] = batch
			}
		}
		dt := tensor.Float32
		if a.DType != tensor.Float32 {
			dt = tensor.Int32
		}
		in[i] = tensor.FromNode(ir.Const(dt, 0, shape...))
	}
	g, err := tensor.TraceGraph(func(_ *tensor.Trace, in []*tensor.Tensor) []*tensor.Tensor { return n.Run(in) }, in...)
	if err != nil {
		return nil, err
	}
	if len(g.Targets) > 0 {
		return nil, fmt.Errorf("web: the network changes its variable %q as it runs, which an exported model cannot", g.Targets[0].Name)
	}
	for i, out := range g.Outputs {
		if out.DType != ir.F32 && out.DType != ir.I32 && out.DType != ir.Bool {
			return nil, fmt.Errorf("web: the result %q is of type %v; float32, int32 and bool can be exported", n.Outputs[i], out.DType)
		}
	}
	return g, nil
}

// ports describes the network, and says for how many samples programs can be.
func (w *writer) ports() (largest int, err error) {
	n := w.model.Named
	if len(n.Inputs) == 0 || len(n.Outputs) == 0 || n.Run == nil {
		return 0, errors.New("web: a network of names without inputs, results or function")
	}
	one, err := w.namedGraph(1)
	if err != nil {
		return 0, err
	}
	many := one
	largest = 1
	if slices.ContainsFunc(n.Inputs, func(a Argument) bool { return len(a.Shape) > 0 && a.Shape[0] < 0 }) {
		largest = w.opt.Batch
		many, err = w.namedGraph(largest)
	}
	rows := func(a, b []int) bool {
		return len(a) > 0 && len(a) == len(b) && a[0] == 1 && b[0] == largest && slices.Equal(a[1:], b[1:])
	}
	for i := range one.Outputs {
		if err != nil || !rows(one.Outputs[i].Shape, many.Outputs[i].Shape) {
			largest = 1
		}
	}
	if slices.ContainsFunc(n.Inputs, func(a Argument) bool { return len(a.Shape) > 0 && slices.Contains(a.Shape[1:], -1) }) {
		largest = 1 // samples in another dimension than the first are no rows
	}
	port := func(name string, dt ir.DType, shape []int) Port {
		p := Port{Name: name, DType: dtypeName(dt), Shape: shape}
		if p.Samples = largest > 1 && len(shape) > 0 && shape[0] < 0; p.Samples {
			p.Shape = shape[1:]
		}
		p.Shape = slices.Clone(p.Shape)
		for d, size := range p.Shape {
			p.Shape[d] = max(size, 1)
		}
		if p.Shape == nil {
			p.Shape = []int{}
		}
		return p
	}
	for _, a := range n.Inputs {
		dt := ir.I32
		if a.DType == tensor.Float32 {
			dt = ir.F32
		}
		w.plan.Inputs = append(w.plan.Inputs, port(a.Name, dt, a.Shape))
	}
	for i, out := range one.Outputs {
		shape := slices.Clone(out.Shape)
		if largest > 1 {
			shape[0] = -1
		}
		w.plan.Outputs = append(w.plan.Outputs, port(n.Outputs[i], out.DType, shape))
	}
	w.plan.Input.Shape, w.plan.Output.Shape = w.plan.Inputs[0].Shape, w.plan.Outputs[0].Shape
	return largest, nil
}

// namedPrograms are those for one sample and for many.
func (w *writer) namedPrograms() error {
	largest, err := w.ports()
	if err != nil {
		return err
	}
	if err := w.namedBatch(1); err != nil {
		return err
	}
	for batch := largest; batch > 1; batch /= 2 {
		if err := w.namedBatch(batch); !errors.Is(err, errTooLarge) {
			return err
		}
	}
	return nil
}

func (w *writer) namedBatch(batch int) error {
	return w.both(func(software bool) (Program, error) {
		g, err := w.namedGraph(batch)
		if err != nil {
			return Program{}, err
		}
		inputs := slices.Clone(g.Inputs)
		if err := tensor.FoldConstants(g); err != nil {
			return Program{}, err
		}
		p, err := fuse.Build(g, fuse.Options{MaxBuffers: maxBuffers, NoRing: true})
		if err != nil {
			return Program{}, err
		}
		wgsl.SplitLongSums(p, limits(software))
		if err := fitsDefaults(p); err != nil {
			return Program{}, fmt.Errorf("web: a batch of %d %w", batch, err)
		}
		buffers, err := w.allocate(p, fmt.Sprintf("%d samples", batch), batch)
		if err != nil {
			return Program{}, err
		}
		out := Program{Batch: batch}
		for _, leaf := range inputs {
			i := slices.IndexFunc(p.Buffers, func(b plan.Buffer) bool { return b.Kind == plan.Input && b.Leaf == leaf })
			if i < 0 { // nothing reads it
				out.Inputs = append(out.Inputs, -1)
				continue
			}
			out.Inputs = append(out.Inputs, buffers[i])
			out.Input = buffers[i]
		}
		for _, r := range p.Results {
			if r.Ring || r.Offset != 0 {
				return Program{}, errors.New("web: a result that is part of a buffer")
			}
			out.Outputs = append(out.Outputs, buffers[r.Buf])
		}
		out.Output = out.Outputs[0]
		err = w.kernels(&out, p, buffers, limits(software))
		return out, err
	})
}
