// The emitter walks the graph from its results down, so that a pattern is seen
// before its parts are: what only a recognised pattern reads is never written.
//
// Expand is not written either where ONNX broadcasts by itself: a value may be
// narrower in the file than in the graph, and is made full only for operators
// that do not broadcast.

package onnx

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"github.com/weft-ml/weft/internal/ir"
	"github.com/weft-ml/weft/tensor"
)

// value is a node's result in the file: its name, and its shape there, which
// broadcasts to the node's.
type value struct {
	name  string
	shape []dim
}

type emitter struct {
	t     *traced
	o     ExportOptions
	graph *graphProto

	done     map[*ir.Node]value
	uses     map[*ir.Node]int
	known    map[*ir.Node]bool // follows from constants alone, without variables
	names    map[string]int    // taken, with how often
	nodes    map[string]int    // names of nodes
	consts   map[string]string // initializers that are shared, by content
	leaves   map[*ir.Leaf]string
	initial  map[string]*ir.Leaf
	batch    string // name of the [1] tensor with the number of samples
	problems []string
	at       string // name for the next nodes, from their weights
}

func newEmitter(t *traced, o ExportOptions) *emitter {
	if o.Name == "" {
		o.Name = "weft"
	}
	e := &emitter{
		t: t, o: o, graph: &graphProto{Name: o.Name},
		done: map[*ir.Node]value{}, uses: map[*ir.Node]int{}, known: map[*ir.Node]bool{}, names: map[string]int{}, nodes: map[string]int{},
		consts: map[string]string{}, leaves: map[*ir.Leaf]string{}, initial: map[string]*ir.Leaf{},
	}
	for _, p := range o.Params {
		if l := p.Value.Leaf(); l != nil {
			e.leaves[l] = p.Name
		}
	}
	return e
}

// run writes the whole graph.
func (e *emitter) run() error {
	g := e.t.graph
	for _, n := range ir.Topo(g.Outputs...) {
		known := n.Op != ir.OpLeaf || n.Leaf.Kind == ir.Data
		if n.Op == ir.OpScalar || n.Op == ir.OpRand {
			known = false
		}
		for _, in := range n.In {
			e.uses[in]++
			known = known && e.known[in]
		}
		for _, d := range e.t.shape[n] {
			known = known && d.a == 0
		}
		if _, ok := e.t.value[n]; ok || e.t.vary[n] != nil || e.t.over[n] != 0 {
			known = false
		}
		e.known[n] = known
	}
	for _, n := range g.Outputs {
		e.uses[n]++
	}
	// Names of inputs and outputs are the user's; nothing else takes them.
	for i, in := range e.o.Inputs {
		name := in.Name
		if name == "" {
			name = numbered("input", i)
		}
		if e.names[name]++; e.names[name] > 1 {
			return fmt.Errorf("onnx: two inputs are called %s", quote(name))
		}
		shape := make([]dim, len(in.Shape))
		for d, n := range in.Shape {
			if shape[d] = (dim{0, n}); n == Batch {
				shape[d] = dim{1, 0}
			}
		}
		e.leaves[g.Inputs[i]] = name
		e.graph.Input = append(e.graph.Input, valueInfo(name, elemOf(in.DType), shape))
	}
	for _, l := range g.Scalars {
		name := e.fresh(l.Name)
		e.leaves[l] = name
		e.graph.Input = append(e.graph.Input, valueInfo(name, elemOf(l.DType), nil))
	}
	outs := make([]string, len(g.Outputs))
	for i := range outs {
		if outs[i] = numbered("output", i); i < len(e.o.Outputs) && e.o.Outputs[i] != "" {
			outs[i] = e.o.Outputs[i]
		}
		if e.names[outs[i]]++; e.names[outs[i]] > 1 {
			return fmt.Errorf("onnx: two inputs or outputs are called %s", quote(outs[i]))
		}
	}
	for _, leaf := range e.o.Params { // so that weights keep theirs
		if e.names[leaf.Name] == 0 {
			e.names[leaf.Name]++
			e.initial[leaf.Name] = leaf.Value.Leaf()
		}
	}
	for i, n := range g.Outputs {
		v := e.full(n)
		e.finish(v, outs[i])
		e.graph.Output = append(e.graph.Output, valueInfo(outs[i], elemOf(n.DType), e.t.shape[n]))
	}
	// Weights in the order of the model's parameters, whoever read them first.
	place := map[string]int{}
	for i, p := range e.o.Params {
		place[p.Name], place[p.Name+".half"] = i-len(e.o.Params), i-len(e.o.Params)
	}
	slices.SortStableFunc(e.graph.Initializer, func(a, b *tensorProto) int { return place[a.Name] - place[b.Name] })
	return reason(e.problems)
}

func numbered(name string, i int) string {
	if i == 0 {
		return name
	}
	return fmt.Sprintf("%s_%d", name, i)
}

// finish gives the value called name the name of a result: by renaming it at
// the node that makes it, or by another node where others call it so too.
func (e *emitter) finish(name, out string) {
	var maker *nodeProto
	for _, n := range e.graph.Node {
		if slices.Contains(n.Output, name) {
			maker = n
		}
	}
	if maker == nil || slices.ContainsFunc(e.graph.Output, func(v *valueProto) bool { return v.Name == name }) {
		e.graph.Node = append(e.graph.Node, &nodeProto{OpType: "Identity", Name: "Identity_" + out, Input: []string{name}, Output: []string{out}})
		return
	}
	for _, n := range e.graph.Node {
		for i := range n.Input {
			if n.Input[i] == name {
				n.Input[i] = out
			}
		}
		for i := range n.Output {
			if n.Output[i] == name {
				n.Output[i] = out
			}
		}
	}
	for n, v := range e.done {
		if v.name == name {
			e.done[n] = value{out, v.shape}
		}
	}
}

func valueInfo(name string, t elem, shape []dim) *valueProto {
	s := &shapeProto{}
	for _, d := range shape {
		p := &dimProto{Value: int64(d.c)}
		if d.a != 0 {
			p = &dimProto{Param: d.String()}
		}
		s.Dim = append(s.Dim, p)
	}
	return &valueProto{Name: name, Type: &typeProto{Tensor: &tensorType{Elem: int64(t), Shape: s}}}
}

// elemOf is the element type that a value of type dt has in the file.
func elemOf(dt ir.DType) elem {
	return map[ir.DType]elem{ir.F32: elemFloat, ir.I32: elemInt32, ir.Bool: elemBool, ir.U8: elemUint8, ir.F16: elemFloat16}[dt]
}

// fresh returns a name that nothing has.
func (e *emitter) fresh(name string) string {
	for {
		k := e.names[name]
		e.names[name]++
		if k == 0 {
			return name
		}
		if next := fmt.Sprintf("%s_%d", name, k); e.names[next] == 0 {
			e.names[next]++
			return next
		}
	}
}

// node appends a node and returns the name of its result.
func (e *emitter) node(op string, in []string, attrs ...*attrProto) string {
	base := op
	if e.at != "" {
		base = e.at + "/" + op
	}
	name := base
	if k := e.nodes[base]; k > 0 || e.at == "" {
		name = fmt.Sprintf("%s_%d", base, k)
	}
	e.nodes[base]++
	out := name
	if e.at == "" {
		out = strings.ToLower(op[:1]) + name[1:]
	}
	out = e.fresh(out)
	e.graph.Node = append(e.graph.Node, &nodeProto{OpType: op, Name: name, Input: in, Output: []string{out}, Attribute: attrs})
	return out
}

// naming names nodes after the layer whose weight is given, until the returned
// function is called.
func (e *emitter) naming(w *ir.Node) func() {
	old := e.at
	if w.Leaf != nil {
		if name := e.leaves[w.Leaf]; strings.Contains(name, ".") {
			e.at = name[:strings.LastIndexByte(name, '.')]
		}
	}
	return func() { e.at = old }
}

func ints(name string, v ...int) *attrProto {
	a := &attrProto{Name: name, Type: attrInts}
	for _, n := range v {
		a.Ints = append(a.Ints, int64(n))
	}
	return a
}

func integer(name string, v int) *attrProto {
	return &attrProto{Name: name, Type: attrInt, I: int64(v)}
}

func float(name string, v float64) *attrProto {
	return &attrProto{Name: name, Type: attrFloat, F: float32(v)}
}

// constant is the initializer with the given content, shared by all that need it.
func (e *emitter) constant(t *tensorProto) string {
	key := fmt.Sprintf("%d %v %x", t.DataType, t.Dims, t.RawData)
	if name, ok := e.consts[key]; ok {
		return name
	}
	t.Name = e.fresh("const")
	e.graph.Initializer = append(e.graph.Initializer, t)
	e.consts[key] = t.Name
	return t.Name
}

// int64s is a list of numbers, as shapes and axes are given.
func (e *emitter) int64s(v ...int) string {
	t := &tensorProto{DataType: int64(elemInt64), Dims: []int64{int64(len(v))}, RawData: []byte{}}
	for _, n := range v {
		t.RawData = binary.LittleEndian.AppendUint64(t.RawData, uint64(n))
	}
	return e.constant(t)
}

// scalar is a number without dimensions.
func (e *emitter) scalar(dt ir.DType, v float64) string {
	t := &tensorProto{}
	switch dt {
	case ir.I32:
		t.DataType, t.RawData = int64(elemInt32), binary.LittleEndian.AppendUint32(nil, uint32(int32(v)))
	case ir.Bool:
		t.DataType, t.RawData = int64(elemBool), []byte{byte(truth(v != 0))}
	default:
		t.setFloats([]float32{float32(v)}, false)
	}
	return e.constant(t)
}

// sizes is a shape as a tensor; what depends on the number of samples is
// computed when the model runs.
func (e *emitter) sizes(shape []dim) string {
	if !slices.ContainsFunc(shape, func(d dim) bool { return d.a != 0 }) {
		fixed := make([]int, len(shape))
		for i, d := range shape {
			fixed[i] = d.c
		}
		return e.int64s(fixed...)
	}
	var parts []string
	var run []int
	flush := func() {
		if len(run) > 0 {
			parts = append(parts, e.int64s(run...))
		}
		run = nil
	}
	for _, d := range shape {
		if d.a == 0 {
			run = append(run, d.c)
			continue
		}
		flush()
		parts = append(parts, e.size(d))
	}
	flush()
	if len(parts) == 1 {
		return parts[0]
	}
	return e.node("Concat", parts, integer("axis", 0))
}

// size is one size as a tensor [1].
func (e *emitter) size(d dim) string {
	if d.a == 0 {
		return e.int64s(d.c)
	}
	if e.batch == "" {
		from := e.t.bind
		e.batch = e.node("Shape", []string{e.graph.Input[from[0]].Name}, integer("start", from[1]), integer("end", from[1]+1))
	}
	s := e.batch
	if d.a != 1 {
		s = e.node("Mul", []string{s, e.int64s(d.a)})
	}
	if d.c != 0 {
		s = e.node("Add", []string{s, e.int64s(d.c)})
	}
	return s
}

// full is n's value with all its elements there.
func (e *emitter) full(n *ir.Node) string {
	v, want := e.value(n), e.t.shape[n]
	if slices.Equal(v.shape, want) {
		return v.name
	}
	// Expand broadcasts in both directions: 1 keeps what is there.
	target := slices.Clone(want)
	for i := range target {
		if j := i - len(want) + len(v.shape); j >= 0 && v.shape[j] == want[i] && want[i].a != 0 {
			target[i] = one
		}
	}
	v = value{e.node("Expand", []string{v.name, e.sizes(target)}), want}
	e.done[n] = v
	return v.name
}

// broadcast is the shape of an elementwise result.
func broadcast(vs ...value) []dim {
	rank := 0
	for _, v := range vs {
		rank = max(rank, len(v.shape))
	}
	out := make([]dim, rank)
	for i := range out {
		out[i] = one
		for _, v := range vs {
			if j := i - rank + len(v.shape); j >= 0 && v.shape[j] != one {
				out[i] = v.shape[j]
			}
		}
	}
	return out
}

// value writes n, and what it needs, unless that is done.
func (e *emitter) value(n *ir.Node) value {
	if v, ok := e.done[n]; ok {
		return v
	}
	v, ok := e.pattern(n)
	if !ok {
		v = e.plain(n)
	}
	e.done[n] = v
	return v
}

// maxFolded is how many elements a constant may have that is computed now and
// stored, instead of by the reader of the file.
const maxFolded = 1 << 16

// widens reports whether n, a large constant, takes more than it is computed from:
// weights that are stored in bytes stay so.
func widens(n *ir.Node) bool {
	if n.Elems() < minBytes {
		return false
	}
	stored := 0
	for _, m := range ir.Topo(n) {
		if m.Op == ir.OpLeaf {
			stored += m.Bytes()
		}
	}
	return stored > 0 && stored >= n.Elems() && n.Bytes() > 2*stored
}

// folded computes n if it follows from constants alone.
func (e *emitter) folded(n *ir.Node) (value, bool) {
	if !e.known[n] || n.Elems() > maxFolded || len(n.In) == 0 || widens(n) {
		return value{}, false
	}
	t := &tensorProto{}
	for _, d := range n.Shape {
		t.Dims = append(t.Dims, int64(d))
	}
	x := tensor.FromNode(n)
	if n.DType == ir.F32 || n.DType == ir.F16 {
		data, err := x.Read()
		if err != nil {
			return value{}, false
		}
		t.setFloats(data, false)
	} else {
		data, err := x.ReadInts()
		if err != nil {
			return value{}, false
		}
		t.DataType = int64(elemOf(n.DType))
		for _, v := range data {
			if n.DType == ir.I32 {
				t.RawData = binary.LittleEndian.AppendUint32(t.RawData, uint32(v))
			} else {
				t.RawData = append(t.RawData, byte(v))
			}
		}
	}
	return value{e.constant(t), e.t.shape[n]}, true
}

// leaf is a variable, a constant, or an argument.
func (e *emitter) leaf(n *ir.Node) value {
	l := n.Leaf
	if l.Kind == ir.Input || l.Kind == ir.Step {
		return value{e.leaves[l], e.t.shape[n]}
	}
	name := e.leaves[l]
	if e.initial[name] != l || name == "" {
		if name == "" {
			if name = l.Name; name == "" {
				name = "const"
			}
		}
		name = e.fresh(name)
		e.leaves[l], e.initial[name] = name, l
	}
	if l.DType == ir.F32 {
		data, err := tensor.FromNode(n).Read()
		if err != nil {
			e.problem("%v", err)
		} else {
			e.leafData(name, data, l.Shape)
		}
		return value{name, e.t.shape[n]}
	}
	b, err := tensor.LeafBytes(l)
	if err != nil {
		e.problem("%v", err)
	}
	t := &tensorProto{Name: name, DataType: int64(elemOf(l.DType)), Dims: wide(l.Shape), RawData: b}
	if l.DType == ir.Bool { // four bytes in memory
		t.RawData = nil
		for i := 0; i < len(b); i += 4 {
			t.RawData = append(t.RawData, byte(truth(b[i]|b[i+1]|b[i+2]|b[i+3] != 0)))
		}
	}
	e.graph.Initializer = append(e.graph.Initializer, t)
	return value{name, e.t.shape[n]}
}

// leafData writes weights under the given name, in the chosen precision.
func (e *emitter) leafData(name string, data []float32, shape []int) {
	t := &tensorProto{Name: name, Dims: wide(shape)}
	half := e.o.Float16 && len(shape) > 1
	t.setFloats(data, half)
	e.graph.Initializer = append(e.graph.Initializer, t)
	if half {
		t.Name = e.fresh(name + ".half")
		e.graph.Node = append(e.graph.Node, &nodeProto{OpType: "Cast", Name: name + "/Cast", Input: []string{t.Name}, Output: []string{name}, Attribute: []*attrProto{integer("to", int(elemFloat))}})
	}
}

// wide is a shape as the file holds it.
func wide(shape []int) []int64 {
	var d []int64
	for _, n := range shape {
		d = append(d, int64(n))
	}
	return d
}

func (e *emitter) problem(format string, args ...any) {
	e.problems = append(e.problems, fmt.Sprintf(format, args...))
}
