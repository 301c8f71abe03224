// A network keeps the model's nodes and runs through them at each trace, instead
// of translating them once: shapes are then those of the tensors at hand, and
// arithmetic on shapes comes out as numbers.

package onnx

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/weft-ml/weft/internal/ir"
	"github.com/weft-ml/weft/nn"
	"github.com/weft-ml/weft/tensor"
)

// Network is an imported model: a module whose Forward traces the model's
// nodes one by one. Its float weights are variables under the names that the
// file gives them.
type Network struct {
	model    *Model
	order    []*nodeProto
	captured map[*nodeProto][]string      // what graphs within a node take from around it
	bodies   map[*graphProto][]*nodeProto // the nodes of each graph in order, those of branches and loops too
	params   []nn.Param
	values   map[string]val               // initializers: variables and constants
	norms    map[*nodeProto]*nn.BatchNorm // one for each node, since they remember
	inputs   []Input
	batches  []int // the size of each input's first dimension that the file was written for
	outputs  []string
	kinds    map[string]elem // types of the inputs
	used     map[string]bool // names that something reads
	classes  int
	rows     bool // the first result has a row for each sample
}

// Params are the network's variables: float weights in the order of the file.
func (n *Network) Params() []nn.Param { return n.params }

// Inputs are the network's arguments. Batch stands for the number of samples.
func (n *Network) Inputs() []Input { return n.inputs }

// Outputs are the names of the network's results.
func (n *Network) Outputs() []string { return n.outputs }

// Classes is the size of the first result's second dimension, if it has two:
// the number of classes of a classifier. Else it is 0.
func (n *Network) Classes() int { return n.classes }

// Rows reports whether the first result has a row, or a number, for each sample.
func (n *Network) Rows() bool { return n.rows }

// Last is the operator that makes the first result, "" if an input is returned
// as it is.
func (n *Network) Last() string {
	for _, node := range n.order {
		if slices.Contains(node.Output, n.outputs[0]) {
			return node.OpType
		}
	}
	return ""
}

// Model is what the network was made of.
func (n *Network) Model() *Model { return n.model }

// Forward is the first result for x, for networks of one input. The samples of x
// may have another shape of as many elements: what is no image is kept in model
// files as one of a single row.
func (n *Network) Forward(x *tensor.Tensor) *tensor.Tensor {
	if len(n.inputs) != 1 {
		panic(ir.NewError("onnx", "the network has %d inputs: call Run", len(n.inputs)))
	}
	if want := n.inputs[0].Shape; len(want) > 0 && want[0] == Batch && x.Dims() > 0 && !slices.Equal(x.Shape()[1:], want[1:]) && !slices.Contains(want[1:], Batch) && ir.NumElems(x.Shape()[1:]) == ir.NumElems(want[1:]) {
		x = x.Reshape(append([]int{x.Dim(0)}, want[1:]...)...)
	}
	return n.Run(x)[0]
}

// Run traces the network for the given inputs and returns its results. It
// panics with a *tensor.Error that names the node where something does not fit.
func (n *Network) Run(in ...*tensor.Tensor) []*tensor.Tensor {
	if len(in) != len(n.inputs) {
		panic(ir.NewError("onnx", "%d inputs for a network of %d", len(in), len(n.inputs)))
	}
	out, errs := n.run(in)
	if len(errs) > 0 {
		panic(ir.NewError("onnx", "%v", errors.Join(errs...)))
	}
	return out
}

// val is the value of a name: a tensor, a constant on the host, or a sequence of
// such. None of them is an input that was left out.
type val struct {
	t    *tensor.Tensor
	h    *host
	seq  *sequence
	kind elem // the type that integers have in the file; 0 where that is not known
}

func (v val) missing() bool { return v.t == nil && v.h == nil && v.seq == nil }

func (v val) shape() []int {
	if v.h != nil {
		return v.h.shape
	}
	if v.seq != nil {
		panic(nodeError{"a sequence where a tensor is expected"})
	}
	return v.t.Shape()
}

func (v val) tensor() *tensor.Tensor {
	if v.seq != nil {
		panic(nodeError{"a sequence where a tensor is expected"})
	}
	if v.t == nil {
		return v.h.tensor()
	}
	return v.t
}

// run evaluates the nodes in order. A node that fails is noted, and those that
// depend on it are passed over, so that one run finds everything that is wrong.
func (n *Network) run(in []*tensor.Tensor) ([]*tensor.Tensor, []error) {
	f := &scope{vals: make(map[string]val, len(n.values)+len(n.order)), bad: map[string]bool{}}
	maps.Copy(f.vals, n.values)
	tr := &tracing{net: n}
	for i, x := range in {
		want := n.inputs[i]
		if x.Dims() != len(want.Shape) || !fits(x.Shape(), want.Shape) {
			return nil, []error{fmt.Errorf("input %s has shape %v, the network takes %s", quote(want.Name), x.Shape(), shapeText(want.Shape))}
		}
		if d := slices.Index(want.Shape, Batch); d >= 0 {
			switch {
			case tr.samples == 0:
				tr.samples = x.Dim(d)
			case tr.samples != x.Dim(d) && tr.samples != 1 && x.Dim(d) != 1:
				return nil, []error{fmt.Errorf("input %s has %d samples, others have %d", quote(want.Name), x.Dim(d), tr.samples)}
			}
		}
		f.vals[want.Name] = val{t: x.To(want.DType.Compute()), kind: n.kinds[want.Name]}
	}
	if errs := tr.eval(n.order, f); len(errs) > 0 {
		return nil, errs
	}
	if tr.skipped {
		return nil, []error{errSkipped}
	}
	res := make([]*tensor.Tensor, len(n.outputs))
	for i, name := range n.outputs {
		switch v := f.vals[name]; {
		case v.seq != nil:
			return nil, []error{fmt.Errorf("the output %s is a sequence, which no result can be; take its tensors apart in the model", quote(name))}
		case v.missing() || f.bad[name]:
			return nil, []error{fmt.Errorf("nothing computes the output %s", quote(name))}
		case ir.NumElems(v.shape()) == 0:
			return nil, []error{fmt.Errorf("node %s: its result %s of shape %v has no elements; a result has at least one", n.maker(name), quote(name), v.shape())}
		default:
			res[i] = v.tensor()
		}
	}
	return res, nil
}

// tracing is one run through the network: what all its graphs share.
type tracing struct {
	net      *Network
	samples  int
	held     int  // elements of constants on the host
	listed   int  // positions that tables of the network hold
	unrolled int  // operators in the bodies of loops, and in the steps of recurrent layers
	skipped  bool // nodes of unknown operators, which the import has said
}

// scope holds the values of a graph. One within another also sees those around it.
type scope struct {
	vals   map[string]val
	bad    map[string]bool // names whose computation failed
	parent *scope
}

func (f *scope) get(name string) val {
	for ; f != nil; f = f.parent {
		if v, ok := f.vals[name]; ok {
			return v
		}
	}
	return val{}
}

func (f *scope) failed(name string) bool {
	for ; f != nil; f = f.parent {
		if f.bad[name] {
			return true
		}
	}
	return false
}

// eval evaluates the nodes of a graph in order.
func (tr *tracing) eval(order []*nodeProto, f *scope) (errs []error) {
	for _, node := range order {
		unknown := f.parent == nil && operators[node.kind()] == nil
		tr.skipped = tr.skipped || unknown
		if unknown || slices.ContainsFunc(node.Input, f.failed) || slices.ContainsFunc(tr.net.captured[node], f.failed) {
			for _, o := range node.Output {
				f.bad[o] = o != ""
			}
			continue
		}
		c := &call{net: tr.net, node: node, trace: tr, scope: f, samples: tr.samples}
		for _, name := range node.Input {
			c.in = append(c.in, f.get(name))
		}
		out, err := c.run()
		if err != nil {
			errs = append(errs, err)
		}
		for i, name := range node.Output {
			if i < len(out) && !out[i].missing() {
				if f.vals[name] = out[i]; out[i].h != nil {
					tr.held += len(out[i].h.v)
				}
				continue
			}
			f.bad[name] = name != ""
			if err == nil && tr.net.used[name] {
				errs = append(errs, fmt.Errorf("node %s: its result %d (%s) is not supported", node.label(), i, quote(name)))
			}
		}
		if tr.held > maxHostTotal {
			return append(errs, fmt.Errorf("node %s: constants of more than %d elements", node.label(), maxHostTotal))
		}
	}
	return errs
}

// maker names the node that makes a value.
func (n *Network) maker(name string) string {
	for _, node := range n.order {
		if slices.Contains(node.Output, name) {
			return node.label()
		}
	}
	return quote(name)
}

// errSkipped: nothing is wrong but that nodes of unknown operators were passed over.
var errSkipped = errors.New("operators are not known")

func fits(shape, want []int) bool {
	for i, n := range want {
		if n != Batch && n != shape[i] {
			return false
		}
	}
	return true
}

func shapeText(shape []int) string {
	return strings.ReplaceAll(fmt.Sprint(shape), "-1", "batch")
}

// call is one node with its inputs.
type call struct {
	net     *Network
	node    *nodeProto
	in      []val
	samples int
	trace   *tracing
	scope   *scope // the values around the node, for graphs within it
}

// maxListed is how many positions the tables of a network have together: of each
// row and column that is resized or padded, not more.
const maxListed = 1 << 24

// tabulate makes sure that a network's tables may have n more positions.
func (c *call) tabulate(n int) {
	if c.trace.listed += n; c.trace.listed > maxListed {
		c.fail("tables of more than %d positions", maxListed)
	}
}

// nodeError is what a call panics with.
type nodeError struct{ msg string }

func (c *call) fail(format string, args ...any) { panic(nodeError{fmt.Sprintf(format, args...)}) }

// label names a node for people.
func (n *nodeProto) label() string {
	name := n.Name
	if name == "" && len(n.Output) > 0 {
		name = n.Output[0]
	}
	return fmt.Sprintf("%s (%s)", quote(name), n.kind())
}

// run computes the node's results.
func (c *call) run() (out []val, err error) {
	defer func() {
		switch r := recover().(type) {
		case nil:
		case nodeError:
			err = fmt.Errorf("node %s: %s", c.node.label(), r.msg)
		case *tensor.Error:
			err = fmt.Errorf("node %s: %s", c.node.label(), r.Msg)
		default:
			panic(r)
		}
	}()
	if h := c.onHost(); h != nil {
		return []val{{h: h}}, nil
	}
	f := operators[c.node.kind()]
	if f == nil {
		c.fail("the operator is not known")
	}
	if c.scope.parent != nil { // the others were checked before anything was computed
		if err := c.node.check(c.net.model.opset); err != nil {
			return nil, err
		}
	}
	out = f(c)
	for _, v := range out {
		if v.seq == nil && !v.missing() {
			c.elements(v.shape())
		}
	}
	return c.typed(out), nil
}

// has reports whether input i is given.
func (c *call) has(i int) bool { return i < len(c.in) && !c.in[i].missing() }

// tensor is input i, which must be given.
func (c *call) tensor(i int) *tensor.Tensor {
	if !c.has(i) {
		c.fail("input %d is missing", i)
	}
	return c.in[i].tensor()
}

// host is input i as numbers, which must not depend on the network's inputs.
func (c *call) host(i int) *host {
	if !c.has(i) {
		c.fail("input %d is missing", i)
	}
	v := c.in[i]
	if v.h != nil {
		return v.h
	}
	if v.seq != nil {
		c.fail("input %d (%s) is a sequence", i, quote(c.node.Input[i]))
	}
	if v.t.Trace() != nil {
		c.fail("input %d (%s) depends on the network's input; only what its shape says may decide about shapes", i, quote(c.node.Input[i]))
	}
	work := 0
	for _, n := range ir.Topo(v.t.Node()) {
		if work += n.Elems(); work > maxHost {
			c.fail("input %d (%s) takes too long to compute for a constant", i, quote(c.node.Input[i]))
		}
	}
	h := &host{kind: map[tensor.DType]elem{tensor.Float32: elemFloat, tensor.Int32: elemInt64, tensor.Bool: elemBool}[v.t.DType().Compute()], shape: v.t.Shape()}
	var err error
	if h.kind == elemFloat {
		var data []float32
		data, err = v.t.Read()
		for _, x := range data {
			h.v = append(h.v, float64(x))
		}
	} else {
		var data []int32
		data, err = v.t.ReadInts()
		for _, x := range data {
			h.v = append(h.v, float64(x))
		}
	}
	if err != nil {
		c.fail("%v", err)
	}
	if v.kind != 0 {
		h.kind = v.kind
	}
	c.in[i] = val{h: h}
	return h
}

// ints is input i as whole numbers.
func (c *call) ints(i int) []int {
	h := c.host(i)
	out := make([]int, len(h.v))
	for j, v := range h.v {
		if v != v {
			c.fail("input %d (%s) is not a number", i, quote(c.node.Input[i]))
		}
		const far = 1 << 40 // beyond any size; keeps sums from overflowing
		out[j] = int(max(-far, min(far, v)))
	}
	return out
}

// number is input i as one number.
func (c *call) number(i int) float64 {
	h := c.host(i)
	if len(h.v) != 1 {
		c.fail("input %d has shape %v, where a number is expected", i, h.shape)
	}
	return h.v[0]
}

func (c *call) attr(name string) *attrProto {
	for _, a := range c.node.Attribute {
		if a.Name == name {
			return a
		}
	}
	return nil
}

func (c *call) int(name string, def int) int {
	if a := c.attr(name); a != nil {
		return int(a.I)
	}
	return def
}

func (c *call) float(name string, def float64) float64 {
	if a := c.attr(name); a != nil {
		return float64(a.F)
	}
	return def
}

func (c *call) text(name, def string) string {
	if a := c.attr(name); a != nil {
		return string(a.S)
	}
	return def
}

// list is an attribute of whole numbers; nil if it is not given.
func (c *call) list(name string) []int {
	a := c.attr(name)
	if a == nil {
		return nil
	}
	out := make([]int, len(a.Ints))
	for i, v := range a.Ints {
		const far = 1 << 40
		out[i] = int(max(-far, min(far, v)))
	}
	return out
}

// axis makes a dimension non-negative and checks it.
func (c *call) axis(d, rank int) int {
	if d < -rank || d >= rank {
		c.fail("dimension %d of a tensor of %d dimensions", d, rank)
	}
	if d < 0 {
		d += rank
	}
	return d
}

// axes checks a list of dimensions.
func (c *call) axes(list []int, rank int) []int {
	out := make([]int, len(list))
	for i, d := range list {
		out[i] = c.axis(d, rank)
	}
	if s := slices.Sorted(slices.Values(out)); len(slices.Compact(s)) != len(out) {
		c.fail("dimensions %v name one twice", list)
	}
	return out
}

// listOr is a list that newer opsets give as input i and older ones as an
// attribute.
func (c *call) listOr(name string, i int) ([]int, bool) {
	if c.has(i) {
		return c.ints(i), true
	}
	l := c.list(name)
	return l, l != nil
}
