package ir

import (
	"slices"
)

// Op names an operation. Elementwise operations have a row in Table; the
// others are structural and each pass knows them by name.
type Op uint8

// Structural operations. The elementwise ones follow in table.go.
const (
	OpInvalid Op = iota

	// Leaves.
	OpConst  // Value everywhere in Shape
	OpLeaf   // a buffer: input, state or constant data (Leaf)
	OpScalar // a number that may change from step to step (Leaf), shape []
	OpIota   // the index along Axis, I32

	// Reductions over Axes; reduced dimensions stay with size 1.
	OpSum
	OpMax
	OpMin
	OpProd

	// Movement: views that fusion turns into index arithmetic.
	OpReshape // same elements in row-major order, new Shape
	OpPermute // Axes[i] is the input dimension that becomes dimension i
	OpExpand  // size-1 dimensions repeated to Shape
	OpSlice   // element i of a dimension is Start+i*Step of the input's
	OpPad     // Start elements of Value before, the rest after
	OpUnfold  // windows of dimension Axis: size, stride and dilation are in Step

	OpGather // out[..i..] = in[..index[..i..]..] along Axis
	OpMatMul // [batch.., M, K] x [batch.., K, N]
	OpConv   // [N, C, H, W] * [O, C/groups, KH, KW]: strides in Step, dilations in Start, groups in Axis
	OpDetach // its input, without a gradient; gone before fusion

	firstElementwise
)

// LeafKind says how a leaf's buffer comes by its contents.
type LeafKind uint8

const (
	Input LeafKind = iota // given anew at each call
	State                 // lives on the device; may be assigned
	Data                  // constant, uploaded once
	Step                  // per-step scalar
)

// Leaf identifies a buffer or a per-step scalar. Two nodes mean the same
// buffer exactly when they hold the same *Leaf.
type Leaf struct {
	Kind  LeafKind
	Name  string
	DType DType
	Shape []int
	Ref   any // the owner's storage; not interpreted here
}

// Node is one operation of the graph. Nodes are immutable once built, and a
// graph is the set of nodes reachable from its outputs.
type Node struct {
	Op    Op
	DType DType
	Shape []int
	In    []*Node

	Axis  int     // OpIota, OpGather, OpUnfold; groups of OpConv
	Axes  []int   // reductions (ascending), OpPermute
	Start []int   // OpSlice, OpPad; dilations of OpConv
	Step  []int   // OpSlice, OpUnfold; strides of OpConv
	Value float64 // OpConst, OpPad
	Leaf  *Leaf   // OpLeaf, OpScalar
}

// NumElems is the number of elements of a shape (1 for a scalar).
func NumElems(shape []int) int {
	n := 1
	for _, d := range shape {
		n *= d
	}
	return n
}

// Elems is the number of elements of the node's value.
func (n *Node) Elems() int { return NumElems(n.Shape) }

// Bytes is the size of the node's value in device memory.
func (n *Node) Bytes() int { return n.Elems() * n.DType.Size() }

// IsElementwise reports whether op has a row in Table.
func (op Op) IsElementwise() bool { return op > firstElementwise }

// IsReduce reports whether op is a reduction.
func (op Op) IsReduce() bool { return op >= OpSum && op <= OpProd }

// IsMovement reports whether op only rearranges its input.
func (op Op) IsMovement() bool { return op >= OpReshape && op <= OpUnfold }

// Const returns a tensor of shape filled with v.
func Const(dt DType, v float64, shape ...int) *Node {
	return &Node{Op: OpConst, DType: dt, Shape: slices.Clone(shape), Value: v}
}

// NewLeaf returns the node that reads leaf.
func NewLeaf(l *Leaf) *Node {
	op := OpLeaf
	if l.Kind == Step {
		op = OpScalar
	}
	return &Node{Op: op, DType: l.DType, Shape: l.Shape, Leaf: l}
}

// Iota returns the I32 tensor whose elements are their own index along axis.
func Iota(axis int, shape ...int) *Node {
	return &Node{Op: OpIota, DType: I32, Shape: slices.Clone(shape), Axis: axis}
}

// Reduce reduces x over axes with op (OpSum, OpMax, OpMin or OpProd); the
// reduced dimensions stay with size 1.
func Reduce(op Op, x *Node, axes ...int) *Node {
	axes = slices.Clone(axes)
	slices.Sort(axes)
	shape := slices.Clone(x.Shape)
	keep := axes[:0]
	for i, a := range axes {
		if a < 0 || a >= len(shape) || (i > 0 && axes[i-1] == a) {
			fail("reduce", "axis %d of a tensor of shape %v", a, x.Shape)
		}
		if shape[a] != 1 {
			shape[a] = 1
			keep = append(keep, a)
		}
	}
	if x.DType == Bool || x.DType.Compute() != x.DType {
		x = Cast(x, x.DType.Compute())
		if x.DType == Bool {
			x = Cast(x, I32)
		}
	}
	if len(keep) == 0 {
		return x
	}
	if x.Op == OpConst {
		switch op {
		case OpMax, OpMin:
			return Const(x.DType, x.Value, shape...)
		case OpSum:
			n := x.Elems() / NumElems(shape)
			if x.DType == I32 { // which wraps
				return Const(I32, float64(int32(x.Value)*int32(n)), shape...)
			}
			return Const(x.DType, x.Value*float64(n), shape...)
		}
	}
	return &Node{Op: op, DType: x.DType, Shape: shape, In: []*Node{x}, Axes: keep}
}

// Reshape gives x a new shape with as many elements.
func Reshape(x *Node, shape ...int) *Node {
	if NumElems(shape) != x.Elems() {
		fail("reshape", "%v has %d elements, %v has %d", x.Shape, x.Elems(), shape, NumElems(shape))
	}
	if slices.Equal(shape, x.Shape) {
		return x
	}
	switch x.Op {
	case OpConst:
		return Const(x.DType, x.Value, shape...)
	case OpReshape:
		return Reshape(x.In[0], shape...)
	}
	return &Node{Op: OpReshape, DType: x.DType, Shape: slices.Clone(shape), In: []*Node{x}}
}

// Permute reorders dimensions: dimension i of the result is dimension axes[i] of x.
func Permute(x *Node, axes ...int) *Node {
	seen := make([]bool, len(x.Shape))
	shape := make([]int, len(axes))
	identity := true
	if len(axes) != len(x.Shape) {
		fail("permute", "%d dimensions named for a tensor of shape %v", len(axes), x.Shape)
	}
	for i, a := range axes {
		if a < 0 || a >= len(seen) || seen[a] {
			fail("permute", "%v is no permutation of the dimensions of %v", axes, x.Shape)
		}
		seen[a] = true
		shape[i] = x.Shape[a]
		identity = identity && a == i
	}
	if identity {
		return x
	}
	switch x.Op {
	case OpConst:
		return Const(x.DType, x.Value, shape...)
	case OpPermute:
		inner := make([]int, len(axes))
		for i, a := range axes {
			inner[i] = x.Axes[a]
		}
		return Permute(x.In[0], inner...)
	case OpMatMul:
		// (a b)^T = b^T a^T: the gradient of a transposed weight comes out in
		// the weight's own layout, so that its update fuses into the product.
		if r := len(axes); axes[r-1] == r-2 && axes[r-2] == r-1 && slices.IsSorted(axes[:r-2]) {
			return MatMul(Permute(x.In[1], axes...), Permute(x.In[0], axes...))
		}
	}
	return &Node{Op: OpPermute, DType: x.DType, Shape: shape, In: []*Node{x}, Axes: slices.Clone(axes)}
}

// Expand repeats size-1 dimensions of x to shape, which has x's rank.
func Expand(x *Node, shape ...int) *Node {
	if len(shape) != len(x.Shape) {
		fail("expand", "%v to %v: ranks differ", x.Shape, shape)
	}
	for i, d := range shape {
		if x.Shape[i] != d && x.Shape[i] != 1 {
			fail("expand", "%v to %v: dimension %d is neither 1 nor %d", x.Shape, shape, i, d)
		}
	}
	if slices.Equal(shape, x.Shape) {
		return x
	}
	switch x.Op {
	case OpConst:
		return Const(x.DType, x.Value, shape...)
	case OpExpand:
		return Expand(x.In[0], shape...)
	}
	return &Node{Op: OpExpand, DType: x.DType, Shape: slices.Clone(shape), In: []*Node{x}}
}

// Slice takes size[d] elements of each dimension, beginning at start[d] and
// going on by step[d], which may be negative.
func Slice(x *Node, start, step, size []int) *Node {
	whole := true
	for d, n := range x.Shape {
		last := start[d] + (size[d]-1)*step[d]
		if size[d] < 1 || step[d] == 0 || start[d] < 0 || start[d] >= n || last < 0 || last >= n {
			fail("slice", "elements %d..%d step %d of dimension %d, which has %d", start[d], last, step[d], d, n)
		}
		whole = whole && start[d] == 0 && size[d] == n && (step[d] == 1 || n == 1)
	}
	if whole {
		return x
	}
	if x.Op == OpConst {
		return Const(x.DType, x.Value, size...)
	}
	return &Node{Op: OpSlice, DType: x.DType, Shape: slices.Clone(size), In: []*Node{x},
		Start: slices.Clone(start), Step: slices.Clone(step)}
}

// Pad surrounds x with elements of value v: lo[d] before and hi[d] after
// dimension d.
func Pad(x *Node, lo, hi []int, v float64) *Node {
	shape := make([]int, len(x.Shape))
	none := true
	for d, n := range x.Shape {
		if lo[d] < 0 || hi[d] < 0 {
			fail("pad", "padding %d, %d of dimension %d is negative", lo[d], hi[d], d)
		}
		shape[d] = lo[d] + n + hi[d]
		none = none && shape[d] == n
	}
	if none {
		return x
	}
	x = Cast(x, x.DType.Compute())
	return &Node{Op: OpPad, DType: x.DType, Shape: shape, In: []*Node{x}, Start: slices.Clone(lo), Value: v}
}

// Gather looks elements of x up along axis: with index i of the result,
// out[i] = x[i with i[axis] replaced by index[i]]. index has the result's
// shape; in the other dimensions x has it too. Indices outside of x are
// clamped, because a kernel has no way to raise an error.
func Gather(x, index *Node, axis int) *Node {
	if len(x.Shape) != len(index.Shape) || axis < 0 || axis >= len(x.Shape) {
		fail("gather", "index of shape %v along dimension %d of %v", index.Shape, axis, x.Shape)
	}
	for d := range x.Shape {
		if d != axis && x.Shape[d] != index.Shape[d] {
			fail("gather", "index of shape %v along dimension %d of %v: dimension %d differs", index.Shape, axis, x.Shape, d)
		}
	}
	if index.DType != I32 && index.DType != U8 {
		fail("gather", "index of type %v: an integer type is needed", index.DType)
	}
	return &Node{Op: OpGather, DType: x.DType, Shape: index.Shape, In: []*Node{x, Cast(index, I32)}, Axis: axis}
}

// MatMul is the batched matrix product of a [batch.., M, K] and b [batch.., K, N].
func MatMul(a, b *Node) *Node {
	r := len(a.Shape)
	if r < 2 || len(b.Shape) != r || !slices.Equal(a.Shape[:r-2], b.Shape[:r-2]) || a.Shape[r-1] != b.Shape[r-2] {
		fail("matmul", "%v x %v", a.Shape, b.Shape)
	}
	shape := slices.Clone(a.Shape)
	shape[r-1] = b.Shape[r-1]
	return &Node{Op: OpMatMul, DType: F32, Shape: shape, In: []*Node{Cast(a, F32), Cast(b, F32)}}
}

// Detach is x as a constant to differentiation.
func Detach(x *Node) *Node {
	return &Node{Op: OpDetach, DType: x.DType, Shape: x.Shape, In: []*Node{x}}
}
