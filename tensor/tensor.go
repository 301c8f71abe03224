// Package tensor provides n-dimensional arrays whose operations are traced
// into a graph, differentiated, compiled once and replayed.
//
// A Tensor is a description of a value, not the value: operations extend a
// graph and cost nothing. Two things turn descriptions into numbers. Compile
// takes a function, traces it for the shapes of its arguments, and returns a
// Program that replays it as often as needed; that is what training uses.
// And asking a tensor for its elements (Floats, Ints, String) computes it at
// once by the same path, which suits tests and experiments.
//
// Shapes that do not fit panic with an *Error that names the user's file and
// line; Compile recovers it and returns it as an error.
package tensor

import (
	"fmt"
	"math"
	"slices"
	"unsafe"

	"github.com/weft-ml/weft/internal/ir"
)

// DType is the type of a tensor's elements.
type DType = ir.DType

// Element types. Arithmetic happens in Float32 and Int32; Uint8 and Float16
// are for storage and widen when they are read.
const (
	Float32 = ir.F32
	Int32   = ir.I32
	Bool    = ir.Bool
	Uint8   = ir.U8
	Float16 = ir.F16
)

// Error is what operations panic with, and Compile returns, when shapes or
// types do not fit.
type Error = ir.Error

// Tensor is an immutable description of an n-dimensional array.
type Tensor struct {
	node  *ir.Node
	trace *Trace // the trace that it belongs to, nil outside of Compile

	// evaluated says that a layer which trains differently evaluated instead,
	// since its input belonged to no trace that could have told it.
	evaluated bool
}

// Shape returns the sizes of the dimensions; the caller may keep it but not
// change it.
func (t *Tensor) Shape() []int { return t.node.Shape }

// DType returns the element type.
func (t *Tensor) DType() DType { return t.node.DType }

// Dims is the number of dimensions.
func (t *Tensor) Dims() int { return len(t.node.Shape) }

// Dim is the size of dimension d; negative d count from the end.
func (t *Tensor) Dim(d int) int { return t.node.Shape[t.axis("dim", d)] }

// Len is the number of elements.
func (t *Tensor) Len() int { return t.node.Elems() }

// Trace returns the trace that t belongs to, or nil: layers use it to find
// out whether they train, and to draw random numbers.
func (t *Tensor) Trace() *Trace { return t.trace }

// New returns a tensor of shape that holds a copy of data, in row-major order.
// Without a shape the result has one dimension.
func New(data []float32, shape ...int) *Tensor {
	return fromBytes("new", Float32, slices.Clone(bytesOf(data)), len(data), shape)
}

// FromInts is New for Int32.
func FromInts(data []int32, shape ...int) *Tensor {
	return fromBytes("new", Int32, slices.Clone(bytesOf(data)), len(data), shape)
}

// FromBytes is New for Uint8: images and labels as their files hold them.
func FromBytes(data []byte, shape ...int) *Tensor {
	return fromBytes("new", Uint8, slices.Clone(data), len(data), shape)
}

// Shared is FromBytes without the copy, for data sets that should not stand in
// memory twice: data must not be changed for as long as the tensor is used.
func Shared(data []byte, shape ...int) *Tensor {
	return fromBytes("shared", Uint8, data, len(data), shape)
}

// FromHalf is New for Float16, given as bit patterns.
func FromHalf(data []uint16, shape ...int) *Tensor {
	return fromBytes("new", Float16, slices.Clone(bytesOf(data)), len(data), shape)
}

func fromBytes(op string, dt DType, data []byte, n int, shape []int) *Tensor {
	if len(shape) == 0 {
		shape = []int{n}
	}
	checkShape(op, shape)
	if ir.NumElems(shape) != n {
		panic(ir.NewError(op, "%d elements for shape %v, which has %d", n, shape, ir.NumElems(shape)))
	}
	return leafTensor(&ir.Leaf{Kind: ir.Data, DType: dt, Shape: slices.Clone(shape)}, data)
}

func leafTensor(l *ir.Leaf, host []byte) *Tensor {
	l.Ref = &storage{name: l.Name, size: len(host), host: host, hostValid: true, constant: l.Kind == ir.Data}
	return &Tensor{node: ir.NewLeaf(l)}
}

// Scalar returns a Float32 constant without dimensions.
func Scalar(v float64) *Tensor { return &Tensor{node: ir.Const(Float32, v)} }

// Full returns a tensor of shape filled with v. It occupies no memory.
func Full(v float64, shape ...int) *Tensor {
	checkShape("full", shape)
	return &Tensor{node: ir.Const(Float32, v, shape...)}
}

// Zeros is Full(0, shape...).
func Zeros(shape ...int) *Tensor { return Full(0, shape...) }

// Arange returns the Int32 tensor 0, 1, .., n-1.
func Arange(n int) *Tensor {
	checkShape("arange", []int{n})
	return &Tensor{node: ir.Iota(0, n)}
}

// NewVariable returns a tensor of shape whose contents a compiled function
// may replace with Trace.Assign: a parameter, running statistics, or an
// optimizer's state. It holds a copy of data; name is for printed plans.
func NewVariable(name string, data []float32, shape ...int) *Tensor {
	checkShape("variable", shape)
	if ir.NumElems(shape) != len(data) {
		panic(ir.NewError("variable", "%q: %d elements for shape %v", name, len(data), shape))
	}
	l := &ir.Leaf{Kind: ir.State, Name: name, DType: Float32, Shape: slices.Clone(shape)}
	return leafTensor(l, slices.Clone(bytesOf(data)))
}

// NewIntVariable is NewVariable for Int32.
func NewIntVariable(name string, data []int32, shape ...int) *Tensor {
	checkShape("variable", shape)
	if ir.NumElems(shape) != len(data) {
		panic(ir.NewError("variable", "%q: %d elements for shape %v", name, len(data), shape))
	}
	l := &ir.Leaf{Kind: ir.State, Name: name, DType: Int32, Shape: slices.Clone(shape)}
	return leafTensor(l, slices.Clone(bytesOf(data)))
}

// Name is the name that a variable was made with, "" for other tensors.
func (t *Tensor) Name() string {
	if t.node.Leaf != nil {
		return t.node.Leaf.Name
	}
	return ""
}

// IsVariable reports whether t was made by NewVariable or NewIntVariable.
func (t *Tensor) IsVariable() bool { return t.node.Op == ir.OpLeaf && t.node.Leaf.Kind == ir.State }

// maxDims is how many dimensions a tensor may have: kernels keep sets of them in
// the bits of a word, with room for those that views add.
const maxDims = 32

func checkDims(op string, shape []int) {
	if len(shape) > maxDims {
		panic(ir.NewError(op, "%d dimensions; at most %d are possible", len(shape), maxDims))
	}
}

func checkShape(op string, shape []int) {
	checkDims(op, shape)
	n := 1
	for _, d := range shape {
		if d < 1 {
			panic(ir.NewError(op, "shape %v: every dimension must be at least 1", shape))
		}
		if d > math.MaxInt32/n {
			panic(ir.NewError(op, "shape %v has more than 2^31-1 elements", shape))
		}
		n *= d
	}
}

// bytesOf views a slice of numbers as bytes, in the machine's byte order,
// which on every platform that Go's GPU drivers and WebAssembly run on is
// little-endian.
func bytesOf[T float32 | int32 | uint16](s []T) []byte {
	if len(s) == 0 {
		return nil
	}
	return unsafe.Slice((*byte)(unsafe.Pointer(&s[0])), len(s)*int(unsafe.Sizeof(s[0])))
}

func sliceOf[T float32 | int32 | uint16](b []byte) []T {
	if len(b) == 0 {
		return nil
	}
	var t T
	return unsafe.Slice((*T)(unsafe.Pointer(&b[0])), len(b)/int(unsafe.Sizeof(t)))
}

// with wraps a node computed from ts, which must not mix traces.
func with(op string, n *ir.Node, ts ...*Tensor) *Tensor {
	checkDims(op, n.Shape)
	r := &Tensor{node: n}
	size := 1
	for _, d := range n.Shape {
		// Far beyond what a kernel walks through, but its product still fits.
		if d < 1 || d > 1<<53/size {
			panic(ir.NewError(op, "the result has shape %v, which is too large", n.Shape))
		}
		size *= d
	}
	for _, t := range ts {
		if t.trace == nil {
			continue
		}
		if r.trace != nil && r.trace != t.trace {
			panic(ir.NewError(op, "tensors of two different traces meet; a compiled function may use its own arguments, variables and constants only"))
		}
		r.trace = t.trace
	}
	for _, t := range ts {
		r.evaluated = r.evaluated || t.evaluated
	}
	if r.evaluated && r.trace.Training() {
		panic(evaluatedInTraining(op))
	}
	return r
}

// axis makes a dimension number non-negative and checks it.
func (t *Tensor) axis(op string, d int) int {
	r := len(t.node.Shape)
	if d < -r || d >= r {
		panic(ir.NewError(op, "dimension %d of a tensor of shape %v", d, t.node.Shape))
	}
	return (d + r) % r
}

func (t *Tensor) axes(op string, dims []int) []int {
	if len(dims) == 0 {
		dims = make([]int, t.Dims())
		for i := range dims {
			dims[i] = i
		}
		return dims
	}
	res := make([]int, len(dims))
	for i, d := range dims {
		res[i] = t.axis(op, d)
	}
	slices.Sort(res)
	if len(slices.Compact(slices.Clone(res))) != len(res) {
		panic(ir.NewError(op, "dimensions %v name one twice", dims))
	}
	return res
}

// String computes t and prints its type, its shape and its first elements.
func (t *Tensor) String() string {
	head := fmt.Sprintf("%v%v", t.DType(), t.Shape())
	if t.trace != nil {
		return head + " (traced)"
	}
	const most = 32
	switch t.DType() {
	case Int32, Bool, Uint8:
		v := t.Ints()
		if len(v) > most {
			return fmt.Sprintf("%s %v...", head, v[:most])
		}
		return fmt.Sprintf("%s %v", head, v)
	}
	v := t.Floats()
	if len(v) > most {
		return fmt.Sprintf("%s %v...", head, v[:most])
	}
	return fmt.Sprintf("%s %v", head, v)
}

func floatsOfWords(w []uint32) []float32 {
	if len(w) == 0 {
		return nil
	}
	return unsafe.Slice((*float32)(unsafe.Pointer(&w[0])), len(w))
}
