package ir

import "slices"

// Convolution. OpConv stays one node while gradients are taken, because its
// derivatives are convolutions again and have no use for the derivative of a
// window; ExpandConv then makes a matrix product of it whose operand is a view
// of the image, so that the windows are never written to memory (an implicit
// GEMM, as in Chetlur et al., "cuDNN: Efficient Primitives for Deep Learning",
// 2014).

// Unfold replaces dimension axis by two: the windows, and the size elements
// of each, which are dilation apart; windows begin stride apart.
func Unfold(x *Node, axis, size, stride, dilation int) *Node {
	if axis < 0 || axis >= len(x.Shape) || size < 1 || stride < 1 || dilation < 1 || (size-1)*dilation+1 > x.Shape[axis] {
		fail("unfold", "windows of %d (stride %d, dilation %d) along dimension %d of %v", size, stride, dilation, axis, x.Shape)
	}
	shape := slices.Insert(slices.Clone(x.Shape), axis+1, size)
	shape[axis] = (x.Shape[axis]-(size-1)*dilation-1)/stride + 1
	if stride == size && (dilation == 1 || size == 1) {
		// Windows side by side only cut the dimension up.
		cut := slices.Clone(x.Shape)
		cut[axis] = shape[axis] * size
		step := make([]int, len(cut))
		for i := range step {
			step[i] = 1
		}
		return Reshape(Slice(x, make([]int, len(cut)), step, cut), shape...)
	}
	return &Node{Op: OpUnfold, DType: x.DType, Shape: shape, In: []*Node{x}, Axis: axis, Step: []int{size, stride, dilation}}
}

// Conv is the two-dimensional convolution (cross-correlation) of x [N, C, H, W],
// already padded, with w [O, C/groups, KH, KW].
func Conv(x, w *Node, stride, dilation []int, groups int) *Node {
	if len(x.Shape) != 4 || len(w.Shape) != 4 || groups < 1 || x.Shape[1] != w.Shape[1]*groups || w.Shape[0]%groups != 0 {
		fail("conv", "input %v, weight %v, %d groups: weights are [out, in/groups, height, width]", x.Shape, w.Shape, groups)
	}
	shape := []int{x.Shape[0], w.Shape[0], 0, 0}
	for i := range 2 {
		reach := (w.Shape[2+i]-1)*dilation[i] + 1
		if stride[i] < 1 || dilation[i] < 1 || reach > x.Shape[2+i] {
			fail("conv", "kernel %v (dilation %v) on an image of %v with its padding", w.Shape[2:], dilation, x.Shape[2:])
		}
		shape[2+i] = (x.Shape[2+i]-reach)/stride[i] + 1
	}
	return &Node{Op: OpConv, DType: F32, Shape: shape, In: []*Node{Cast(x, F32), Cast(w, F32)},
		Step: slices.Clone(stride), Start: slices.Clone(dilation), Axis: groups}
}

// SliceConv returns n, a part of a convolution's rows and columns, as the
// convolution of a part, or n itself where it is something else.
func SliceConv(n *Node) *Node {
	conv := n.In[0]
	x, w := conv.In[0], conv.In[1]
	start, size := make([]int, 4), slices.Clone(x.Shape)
	for d := range 4 {
		if n.Step[d] != 1 || d < 2 && n.Shape[d] != conv.Shape[d] {
			return n
		}
		if d >= 2 {
			stride, dilation := conv.Step[d-2], conv.Start[d-2]
			start[d] = n.Start[d] * stride
			size[d] = (n.Shape[d]-1)*stride + (w.Shape[d]-1)*dilation + 1
		}
	}
	return Conv(slicePad(x, start, size), w, conv.Step, conv.Start, conv.Axis)
}

// slicePad is Slice with step 1; of a padded tensor it takes less padding where
// that is all.
func slicePad(x *Node, start, size []int) *Node {
	step := make([]int, len(start))
	for d := range step {
		step[d] = 1
	}
	if x.Op != OpPad {
		return Slice(x, start, step, size)
	}
	// Of the inside, what lies in the part; the rest of the part is padding.
	in := x.In[0]
	from, inside := make([]int, len(start)), make([]int, len(start))
	lo, hi := make([]int, len(start)), make([]int, len(start))
	for d := range start {
		a, b := start[d]-x.Start[d], start[d]+size[d]-x.Start[d]
		from[d] = max(a, 0)
		to := min(b, in.Shape[d])
		if from[d] >= to {
			return Slice(x, start, step, size)
		}
		inside[d] = to - from[d]
		lo[d], hi[d] = from[d]-a, b-to
	}
	return Pad(slicePad(in, from, inside), lo, hi, x.Value)
}

// Columns views x [N, C, H, W] as the matrices that a convolution multiplies:
// [groups, C/groups*KH*KW, N*OH*OW], one column for each window.
func Columns(x *Node, kernel, stride, dilation []int, groups int) *Node {
	n, c := x.Shape[0], x.Shape[1]
	u := Unfold(x, 2, kernel[0], stride[0], dilation[0]) // N C OH KH W
	u = Unfold(u, 4, kernel[1], stride[1], dilation[1])  // N C OH KH OW KW
	oh, ow := u.Shape[2], u.Shape[4]
	u = Reshape(u, n, groups, c/groups, oh, kernel[0], ow, kernel[1])
	u = Permute(u, 1, 2, 4, 6, 0, 3, 5)
	return Reshape(u, groups, c/groups*kernel[0]*kernel[1], n*oh*ow)
}

// ExpandConv writes a convolution as a matrix product: weights [O, K] times
// columns [K, N*OH*OW], for each group.
func ExpandConv(n *Node) *Node {
	x, w := n.In[0], n.In[1]
	groups, o := n.Axis, w.Shape[0]
	cols := Columns(x, w.Shape[2:], n.Step, n.Start, groups)
	k, pixels := cols.Shape[1], cols.Shape[2]
	var y *Node
	if groups == 1 {
		y = MatMul(Reshape(w, o, k), Reshape(cols, k, pixels))
	} else {
		y = MatMul(Reshape(w, groups, o/groups, k), cols)
	}
	y = Reshape(y, o, n.Shape[0], n.Shape[2], n.Shape[3])
	return Permute(y, 1, 0, 2, 3)
}
