// An export does not know layers. It traces a function for two numbers of samples
// and takes what differs between the two graphs for what depends on that number:
// no operation has to be told about open sizes, and what cannot have them is
// found out by looking.

package onnx

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/weft-ml/weft/internal/ir"
	"github.com/weft-ml/weft/nn"
	"github.com/weft-ml/weft/tensor"
)

// Batch as a size in Input.Shape leaves that size open: the model then takes
// any number of samples.
const Batch = -1

// Input describes one argument of an exported function.
type Input struct {
	Name  string
	DType tensor.DType // Float32, Int32, Uint8 or Bool
	Shape []int        // sizes, or Batch
}

// ExportOptions are the choices of Export.
type ExportOptions struct {
	Inputs  []Input
	Outputs []string   // names of the results; missing ones are called "output", "output_1"
	Params  []nn.Param // give the weights their names
	Name    string     // of the graph; "" is "weft"

	// FoldBatchNorm multiplies batch norms into the convolutions before them.
	FoldBatchNorm bool
	// Float16 stores matrices and kernels in half the bytes, as the other
	// exporters do; they widen before they are used, so that the arithmetic
	// stays that of Float32.
	Float16 bool
}

// Export traces f in evaluation mode, without any gradient, and writes its
// graph as an ONNX model. With Batch among the inputs' sizes it traces twice, for two numbers
// of samples, and what differs between the graphs is what depends on it.
func Export(f tensor.Function, o ExportOptions) (*Model, error) {
	if len(o.Inputs) == 0 {
		return nil, errors.New("onnx: export of a function without inputs")
	}
	p, err := traceBoth(f, o.Inputs)
	if err != nil {
		return nil, err
	}
	e := newEmitter(p, o)
	if err := e.run(); err != nil {
		return nil, err
	}
	return &Model{Metadata: map[string]string{}, opset: opsetVersion, proto: &modelProto{
		IRVersion: irVersion, ProducerName: "weft", OpsetImport: []*opsetProto{{Version: opsetVersion}}, Graph: e.graph,
	}}, nil
}

// SetJSON puts v into the model's metadata.
func (m *Model) SetJSON(key string, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("onnx: metadata %s: %w", key, err)
	}
	m.Metadata[key] = string(b)
	return nil
}

// dim is a size that may depend on the number of samples: a*batch + c.
type dim struct{ a, c int }

func (d dim) String() string {
	s := "batch"
	switch {
	case d.a == 0:
		return fmt.Sprint(d.c)
	case d.a != 1:
		s = fmt.Sprintf("%d*batch", d.a)
	}
	if d.c != 0 {
		s += fmt.Sprintf("%+d", d.c)
	}
	return s
}

var one = dim{0, 1}

// traced is a graph whose numbers may depend on the number of samples. nodes
// are those of the first trace.
type traced struct {
	graph   *ir.Graph
	dyn     bool
	shape   map[*ir.Node][]dim
	start   map[*ir.Node][]dim    // of slices and paddings
	value   map[*ir.Node]dim      // of integer constants that depend on the number
	over    map[*ir.Node]float64  // of floats that are so much divided by the number
	vary    map[*ir.Node]*varying // of tables that depend on the number
	samples int                   // of the first trace
	bind    [2]int                // index of an input and of its dimension that are the batch
}

// The numbers of samples that are traced: primes, so that they meet no size of
// the model itself. If one does after all, the graphs differ in structure, and
// the next ones are tried. Two of them say how a size depends on the number, if
// it is by a*batch + c; the third is there to find out if it is not.
var batches = [][3]int{{13, 17, 19}, {7, 11, 23}, {29, 31, 37}, {3, 5, 11}}

func traceBoth(f tensor.Function, inputs []Input) (*traced, error) {
	dyn := false
	for _, in := range inputs {
		dyn = dyn || slices.Contains(in.Shape, Batch)
	}
	if !dyn {
		g, err := traceAt(f, inputs, 1)
		if err != nil {
			return nil, err
		}
		return pair(g, g, [2]int{1, 2}, inputs)
	}
	var errs []error
	for _, b := range batches {
		t, err := traceThree(f, inputs, b)
		if err == nil {
			return t, nil
		}
		errs = append(errs, err)
	}
	return nil, fmt.Errorf("onnx: the number of samples cannot be left open: %w; export with a fixed one", errs[0])
}

func traceThree(f tensor.Function, inputs []Input, b [3]int) (*traced, error) {
	var g [3]*ir.Graph
	for i, n := range b {
		var err error
		if g[i], err = traceAt(f, inputs, n); err != nil {
			return nil, err
		}
	}
	t, err := pair(g[0], g[1], [2]int{b[0], b[1]}, inputs)
	if err != nil {
		return nil, err
	}
	return t, t.check(g[2], b[2])
}

func traceAt(f tensor.Function, inputs []Input, batch int) (*ir.Graph, error) {
	args := make([]*tensor.Tensor, len(inputs))
	for i, in := range inputs {
		shape := slices.Clone(in.Shape)
		for d, n := range shape {
			if n == Batch {
				shape[d] = batch
			} else if n < 1 {
				return nil, fmt.Errorf("onnx: input %s of shape %v: sizes are at least 1, or Batch", quote(in.Name), in.Shape)
			}
		}
		switch in.DType {
		case tensor.Float32, tensor.Int32, tensor.Uint8, tensor.Bool:
		default:
			return nil, fmt.Errorf("onnx: input %s of type %v", quote(in.Name), in.DType)
		}
		args[i] = tensor.FromNode(ir.Const(in.DType, 0, shape...))
	}
	g, err := tensor.TraceGraph(f, args...)
	if err != nil {
		return nil, err
	}
	if len(g.Targets) > 0 {
		return nil, fmt.Errorf("onnx: the function assigns the variable %s; only evaluation can be exported", quote(g.Targets[0].Name))
	}
	g.Finish()
	return g, nil
}

// pair compares two traces node by node.
func pair(g1, g2 *ir.Graph, batch [2]int, inputs []Input) (*traced, error) {
	t := &traced{graph: g1, samples: batch[0], shape: map[*ir.Node][]dim{}, start: map[*ir.Node][]dim{}, value: map[*ir.Node]dim{}, over: map[*ir.Node]float64{}, vary: map[*ir.Node]*varying{}, bind: [2]int{-1, -1}}
	for i, in := range inputs {
		if d := slices.Index(in.Shape, Batch); d >= 0 && !t.dyn {
			t.dyn, t.bind = true, [2]int{i, d}
		}
	}
	nodes, err := sideBySide(g1, g2)
	if err != nil {
		return nil, err
	}
	for _, n := range nodes {
		a, b := n[0], n[1]
		var err error
		if t.shape[a], err = dims(a.Shape, b.Shape, batch); err == nil {
			t.start[a], err = dims(a.Start, b.Start, batch)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", a.Op.Name(), err)
		}
		if err := t.number(a, b, batch); err != nil {
			return nil, err
		}
		if a.Leaf == b.Leaf {
			continue
		}
		if a.Leaf == nil || b.Leaf == nil || a.Leaf.Kind != b.Leaf.Kind || a.Leaf.Kind == ir.State {
			return nil, errors.New("a variable depends on the number of samples")
		}
		if a.Leaf.Kind != ir.Data {
			continue
		}
		v, err := fitLeaf(a.Leaf, b.Leaf, t.shape[a], batch)
		if err != nil {
			return nil, err
		}
		if v != nil {
			t.vary[a] = v
		}
	}
	return t, nil
}

// number compares what constants and paddings are filled with.
func (t *traced) number(a, b *ir.Node, batch [2]int) error {
	x, y := a.Value, b.Value
	switch {
	case x == y || x != x && y != y:
	case a.Op == ir.OpConst && a.DType == ir.I32:
		v, err := dims([]int{int(x)}, []int{int(y)}, batch)
		if err != nil {
			return fmt.Errorf("a constant is %g and %g for %d and %d samples", x, y, batch[0], batch[1])
		}
		t.value[a] = v[0]
	case a.Op == ir.OpConst && a.DType == ir.F32 && near(x*float64(batch[0]), y*float64(batch[1])):
		t.over[a] = x * float64(batch[0])
	case a.Op == ir.OpConst && a.DType == ir.F32:
		if t.vary[a] = fit(ir.F32, nil, []float64{x}, []float64{y}, batch); t.vary[a] == nil {
			return fmt.Errorf("a constant is %g and %g for %d and %d samples", x, y, batch[0], batch[1])
		}
	default:
		return fmt.Errorf("%s with %g becomes one with %g for another number of samples", a.Op.Name(), x, y)
	}
	return nil
}

// check makes sure that what two numbers of samples have shown holds for a third.
func (t *traced) check(g *ir.Graph, batch int) error {
	nodes, err := sideBySide(t.graph, g)
	if err != nil {
		return err
	}
	for _, n := range nodes {
		a, b := n[0], n[1]
		if !slices.Equal(sizesAt(t.shape[a], batch), b.Shape) || !slices.Equal(sizesAt(t.start[a], batch), b.Start) {
			return fmt.Errorf("%s: the size %v for %d samples is not in proportion to their number", a.Op.Name(), b.Shape, batch)
		}
		want := a.Value
		if v, ok := t.value[a]; ok {
			want = float64(v.at(batch))
		} else if p, ok := t.over[a]; ok {
			want = p / float64(batch)
		} else if v := t.vary[a]; v != nil && a.Op == ir.OpConst {
			want = v.base[0] + v.times[0]*float64(batch)
		}
		if !near(want, b.Value) {
			return fmt.Errorf("a constant is %g for %d samples, which is not in proportion to their number", b.Value, batch)
		}
		v := t.vary[a]
		if v == nil || b.Op != ir.OpLeaf {
			continue
		}
		x, err := leafNumbers(b.Leaf)
		if err != nil {
			return err
		}
		if !v.is(x, batch) {
			return fmt.Errorf("%s of shape %v does not depend on the number of samples in proportion", leafLabel(b.Leaf), dimsText(t.shape[a]))
		}
	}
	return nil
}

// sideBySide are the nodes of two traces, in the same order, if they are of the
// same structure.
func sideBySide(g1, g2 *ir.Graph) ([][2]*ir.Node, error) {
	n1, n2 := ir.Topo(g1.Outputs...), ir.Topo(g2.Outputs...)
	if len(n1) != len(n2) || len(g1.Outputs) != len(g2.Outputs) {
		return nil, errors.New("its graph has another structure for another number of samples")
	}
	id1, id2 := map[*ir.Node]int{}, map[*ir.Node]int{}
	nodes := make([][2]*ir.Node, len(n1))
	for i, a := range n1 {
		b := n2[i]
		id1[a], id2[b], nodes[i] = i, i, [2]*ir.Node{a, b}
		if a.Op != b.Op || a.DType != b.DType || a.Axis != b.Axis || !slices.Equal(a.Axes, b.Axes) || !slices.Equal(a.Step, b.Step) || len(a.In) != len(b.In) {
			return nil, fmt.Errorf("%s becomes %s for another number of samples", a.Op.Name(), b.Op.Name())
		}
		for j := range a.In {
			if id1[a.In[j]] != id2[b.In[j]] {
				return nil, fmt.Errorf("the arguments of %s depend on the number of samples", a.Op.Name())
			}
		}
	}
	return nodes, nil
}

func dims(a, b []int, batch [2]int) ([]dim, error) {
	if len(a) != len(b) {
		return nil, errors.New("the number of dimensions depends on the number of samples")
	}
	out := make([]dim, len(a))
	for i := range a {
		rise, run := b[i]-a[i], batch[1]-batch[0]
		if rise%run != 0 {
			return nil, fmt.Errorf("a size is %d and %d for %d and %d samples", a[i], b[i], batch[0], batch[1])
		}
		out[i].a = rise / run
		out[i].c = a[i] - out[i].a*batch[0]
	}
	return out, nil
}

// reason joins what cannot be exported into one error.
func reason(problems []string) error {
	if len(problems) == 0 {
		return nil
	}
	slices.Sort(problems)
	return fmt.Errorf("onnx: the graph cannot be exported: %s", strings.Join(slices.Compact(problems), "; "))
}
