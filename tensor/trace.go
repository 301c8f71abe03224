package tensor

import (
	"slices"

	"github.com/weft-ml/weft/internal/grad"
	"github.com/weft-ml/weft/internal/ir"
)

// Trace collects what one compiled function does besides computing its
// results: which variables it assigns and which numbers it wants to be told
// at each step.
//
// Variables read as they were when the step began, also after Assign; Assign
// returns the new value for code that needs it. So the order of statements
// never matters, as in a formula.
type Trace struct {
	training bool
	graph    ir.Graph
	scalars  map[string]*Tensor
	streams  int
	assigned map[*ir.Leaf]bool
}

// Training reports whether layers should behave as in training: dropout
// drops, batch norm uses the batch's statistics.
func (t *Trace) Training() bool { return t != nil && t.training }

// SetTraining chooses between training and evaluation for what is traced
// from here on. A trace begins in evaluation. Layers learn it from their
// input, which must therefore belong to the trace: arguments of the function do,
// constants by Bind.
func (t *Trace) SetTraining(on bool) { t.training = on }

// Bind returns x, a constant or a variable, as a value of this trace.
func (t *Trace) Bind(x *Tensor) *Tensor { return with("bind", x.node, x, &Tensor{trace: t}) }

// Evaluated returns x marked as the result of a layer that would have trained
// had its input belonged to a trace in training. Where such a value meets one,
// there is an error, instead of dropout that never drops and running statistics
// that never move.
func Evaluated(x *Tensor) *Tensor {
	if x.trace != nil {
		return x
	}
	return &Tensor{node: x.node, evaluated: true}
}

func evaluatedInTraining(op string) *Error {
	return ir.NewError(op, "a layer behaved as in evaluation within a trace in training, because its input is a constant that belongs to no trace; give it x = t.Bind(x), or make x an argument of the function")
}

// MixedElems is the usual argument of SetMixed: kernels that move fewer elements
// take no longer with Float32.
const MixedElems = 1 << 16

// SetMixed trains in mixed precision: of what the gradients of variables are
// computed from (activations, and the gradients on the way back), values of at
// least `least` elements are stored as Float16 between kernels. All arithmetic stays
// Float32, as do variables, their gradients, and whatever follows from those. A
// gradient that is too small for Float16 becomes 0 and one that is too large
// infinite, so the loss wants to be scaled. The device must have float16
// (device.Device.Float16). It counts for gradients taken from here on; 0 turns it
// off.
func (t *Trace) SetMixed(least int) { t.graph.Half = least }

// Guard makes the assignments made so far, but for those of the variables in
// except, depend on ok, a Bool of one element: where it is false, the variables
// keep their values.
func (t *Trace) Guard(ok *Tensor, except ...*Tensor) {
	if ok.DType() != Bool || ok.Len() != 1 {
		panic(ir.NewError("guard", "the condition is %v%v; it must be one Bool", ok.DType(), ok.Shape()))
	}
	for i, v := range t.graph.Values {
		leaf := t.graph.Targets[i]
		if slices.ContainsFunc(except, func(x *Tensor) bool { return x.node.Leaf == leaf }) {
			continue
		}
		ones := make([]int, len(v.Shape))
		for d := range ones {
			ones[d] = 1
		}
		t.graph.Values[i] = ir.Where(ir.Expand(ir.Reshape(ok.node, ones...), v.Shape...), v, ir.NewLeaf(leaf))
	}
}

// Scalar is a Float32 that is given anew for each step, such as the learning
// rate. The same name is the same scalar.
func (t *Trace) Scalar(name string) *Tensor { return t.scalar(name, Float32) }

// Int is a per-step scalar of type Int32, such as the step number or the
// position in the data set.
func (t *Trace) Int(name string) *Tensor { return t.scalar(name, Int32) }

func (t *Trace) scalar(name string, dt DType) *Tensor {
	if s, ok := t.scalars[name]; ok {
		if s.DType() != dt {
			panic(ir.NewError("scalar", "%q is both %v and %v", name, s.DType(), dt))
		}
		return s
	}
	l := &ir.Leaf{Kind: ir.Step, Name: name, DType: dt}
	t.graph.Scalars = append(t.graph.Scalars, l)
	s := &Tensor{node: ir.NewLeaf(l), trace: t}
	t.scalars[name] = s
	return s
}

// Assign makes value the contents of variable v when the step ends, and
// returns it. A variable can be assigned once in a trace.
func (t *Trace) Assign(v, value *Tensor) *Tensor {
	if !v.IsVariable() {
		panic(ir.NewError("assign", "only variables can be assigned; make one with NewVariable"))
	}
	if !slices.Equal(v.Shape(), value.Shape()) {
		panic(ir.NewError("assign", "value of shape %v for variable %q of shape %v", value.Shape(), v.Name(), v.Shape()))
	}
	if t.assigned[v.node.Leaf] {
		panic(ir.NewError("assign", "variable %q is assigned twice", v.Name()))
	}
	r := with("assign", ir.Cast(value.node, v.DType()), value, &Tensor{trace: t})
	t.assigned[v.node.Leaf] = true
	t.graph.Targets = append(t.graph.Targets, v.node.Leaf)
	t.graph.Values = append(t.graph.Values, r.node)
	return r
}

// Uniform draws Float32 numbers in [0, 1) of the given shape. They depend on
// the per-step scalars "seed" and "step", on the number of earlier draws in
// this trace and on the position, and on nothing else: every backend draws
// the same ones.
func (t *Trace) Uniform(shape ...int) *Tensor {
	checkShape("uniform", shape)
	t.streams++
	step := t.Int("step")
	key := t.Int("seed").Add(&Tensor{node: ir.Const(Int32, float64(int32(uint32(t.streams)*0x9E3779B9)))})
	n := ir.NumElems(shape)
	draw := ir.Uniform(ir.Iota(0, n), stretch(step.node, []int{n}), stretch(key.node, []int{n}))
	return &Tensor{node: ir.Reshape(draw, shape...), trace: t}
}

// Grad returns the gradients of the scalar loss with respect to wrt: traced
// values, arguments or variables. The results are ordinary tensors, so
// gradients of gradients are had the same way.
func Grad(loss *Tensor, wrt ...*Tensor) []*Tensor {
	if loss.Len() != 1 {
		panic(ir.NewError("grad", "the loss has shape %v; reduce it to one element first", loss.Shape()))
	}
	return GradWith(loss, Full(1, loss.Shape()...), wrt...)
}

// GradWith returns the gradients of sum(out * seed), the product of seed with
// the Jacobian.
func GradWith(out, seed *Tensor, wrt ...*Tensor) []*Tensor {
	if out.DType() != Float32 {
		panic(ir.NewError("grad", "a tensor of type %v has no gradient", out.DType()))
	}
	if !slices.Equal(out.Shape(), seed.Shape()) {
		panic(ir.NewError("grad", "seed of shape %v for an output of shape %v", seed.Shape(), out.Shape()))
	}
	nodes := make([]*ir.Node, len(wrt))
	for i, w := range wrt {
		nodes[i] = w.node
	}
	res := make([]*Tensor, len(wrt))
	for i, n := range grad.Of(out.node, nodes, seed.node) {
		res[i] = with("grad", n, out, seed, wrt[i])
		if t := res[i].trace; t != nil && t.graph.Half > 0 && wrt[i].IsVariable() {
			t.graph.Grads = append(t.graph.Grads, n)
		}
	}
	return res
}
