package grad

import (
	"slices"

	"github.com/weft-ml/weft/internal/ir"
)

// conv returns the gradients of a convolution's input and weight, both as
// convolutions: of the gradient with the mirrored weight, and of the windows
// with the gradient.
func conv(n, g *ir.Node) []*ir.Node {
	x, w := n.In[0], n.In[1]
	groups := n.Axis
	o, c, kh, kw := w.Shape[0], w.Shape[1], w.Shape[2], w.Shape[3]

	// Input: spread the gradient over the strides, pad it so that each window
	// reaches, and mirror the weight with its channels exchanged.
	spread := dilate(dilate(g, 2, n.Step[0]), 3, n.Step[1])
	lo, hi := make([]int, 4), make([]int, 4)
	for i, k := range []int{kh, kw} {
		lo[2+i], hi[2+i] = (k-1)*n.Start[i], x.Shape[2+i]-spread.Shape[2+i]
	}
	spread = ir.Pad(spread, lo, hi, 0)
	mirrored := flip(flip(w, 2), 3)
	mirrored = ir.Permute(ir.Reshape(mirrored, groups, o/groups, c, kh, kw), 0, 2, 1, 3, 4)
	mirrored = ir.Reshape(mirrored, groups*c, o/groups, kh, kw)
	dx := ir.Conv(spread, mirrored, []int{1, 1}, n.Start, groups)

	// Weight: [O, N*OH*OW] times the transposed columns.
	cols := ir.Columns(x, w.Shape[2:], n.Step, n.Start, groups)
	rows := ir.Reshape(ir.Permute(ir.Reshape(g, g.Shape[0], groups, o/groups, g.Shape[2]*g.Shape[3]), 1, 2, 0, 3), groups, o/groups, cols.Shape[2])
	var dw *ir.Node
	if groups == 1 {
		dw = ir.MatMul(ir.Reshape(rows, o, cols.Shape[2]), transpose(ir.Reshape(cols, cols.Shape[1:]...)))
	} else {
		dw = ir.MatMul(rows, transpose(cols))
	}
	return []*ir.Node{dx, ir.Reshape(dw, w.Shape...)}
}

// dilate puts step-1 zeros between the elements of dimension d.
func dilate(g *ir.Node, d, step int) *ir.Node {
	size := g.Shape[d]
	if step == 1 || size == 1 {
		return g
	}
	s := slices.Insert(slices.Clone(g.Shape), d+1, 1)
	hi := make([]int, len(s))
	hi[d+1] = step - 1
	g = ir.Pad(ir.Reshape(g, s...), make([]int, len(s)), hi, 0)
	flat := slices.Delete(slices.Clone(g.Shape), d+1, d+2)
	flat[d] = size * step
	g = ir.Reshape(g, flat...)
	cut := slices.Clone(flat)
	cut[d] -= step - 1
	return ir.Slice(g, make([]int, len(cut)), ones(len(cut)), cut)
}

// refold adds the elements of windows up where they came from: input element i
// is element j of the window that begins at i - j*dilation. Reading windows of
// the spread gradient backwards makes that one sum over j.
func refold(n, g *ir.Node) *ir.Node {
	x := n.In[0]
	d, size, stride, dilation := n.Axis, n.Step[0], n.Step[1], n.Step[2]
	g = dilate(g, d, stride)
	before := (size - 1) * dilation
	lo, hi := make([]int, len(g.Shape)), make([]int, len(g.Shape))
	lo[d], hi[d] = before, x.Shape[d]-g.Shape[d]
	g = ir.Pad(g, lo, hi, 0)                  // [.., before + n, size, ..]
	win := ir.Unfold(g, d, size, 1, dilation) // [.., n, window, size, ..]
	// Of window element e and gradient column j, the pairs e = size-1-j.
	shape := slices.Clone(win.Shape)
	shape[d+1] = 1
	pick := flip(ir.Iota(d+2, shape...), d+2)
	sum := ir.Reduce(ir.OpSum, ir.Gather(win, pick, d+1), d+2)
	return ir.Reshape(sum, x.Shape...)
}
