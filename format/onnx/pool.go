// Pooling is a reduction over windows, and windows are made by Unfold, or by
// cutting dimensions up where they do not overlap. All forms that this takes
// are matched back to the image they come from.

package onnx

import (
	"math"
	"slices"

	"github.com/weft-ml/weft/internal/ir"
)

// window is a pooling of images x.
type window struct {
	x                      *ir.Node
	kernel, stride, dilate [2]int
	pads                   []int // top, left, bottom, right
	value                  float64
	out                    []dim
}

// windows matches the reduction r over windows [N, C, OH, KH, OW, KW].
func (e *emitter) windows(r *ir.Node) (w window, ok bool) {
	n := r.In[0]
	s := n.Shape
	if len(s) != 6 {
		return w, false
	}
	d := e.t.shape[n]
	w.out = []dim{d[0], d[1], d[2], d[4]}
	for _, a := range r.Axes {
		if a != 3 && a != 5 {
			return w, false
		}
	}
	if s[3] > 1 && !slices.Contains(r.Axes, 3) || s[5] > 1 && !slices.Contains(r.Axes, 5) {
		return w, false
	}
	w.kernel = [2]int{s[3], s[5]}
	// cut matches windows made of dimension d of a tensor of rank 4 + i, and
	// returns that tensor. Both dimensions may have been cut by one reshape.
	cut := func(n *ir.Node, d, i int) *ir.Node {
		if n.Op == ir.OpUnfold && n.Axis == d {
			w.stride[i], w.dilate[i] = n.Step[1], n.Step[2]
			return n.In[0]
		}
		if n.Op != ir.OpReshape {
			return nil
		}
		in := n.In[0]
		before := slices.Delete(slices.Clone(n.Shape), d, d+2)
		before = slices.Insert(before, d, n.Shape[d]*n.Shape[d+1])
		if !slices.Equal(in.Shape, before) {
			return nil
		}
		w.stride[i], w.dilate[i] = n.Shape[d+1], 1
		return whole(in, d)
	}
	if n.Op == ir.OpReshape && slices.Equal(n.In[0].Shape, []int{s[0], s[1], s[2] * s[3], s[4] * s[5]}) {
		w.stride, w.dilate = w.kernel, [2]int{1, 1}
		n = whole(whole(n.In[0], 2), 3)
	} else {
		if n = cut(n, 4, 1); n == nil {
			return w, false
		}
		if n = cut(n, 2, 0); n == nil {
			return w, false
		}
	}
	w.pads = []int{0, 0, 0, 0}
	if n.Op == ir.OpPad {
		if p, ok := e.spatial(n); ok {
			w.pads, w.value, n = p, n.Value, n.In[0]
		}
	}
	w.x = n
	// The standard makes as many windows as fit; so must these be.
	for i := range 2 {
		size := n.Shape[2+i] + w.pads[i] + w.pads[2+i]
		if (size-w.dilate[i]*(w.kernel[i]-1)-1)/w.stride[i]+1 != s[2+2*i] {
			return w, false
		}
	}
	return w, true
}

// whole undoes a slice that only drops what no window needs at the end of
// dimension d.
func whole(n *ir.Node, d int) *ir.Node {
	if n.Op != ir.OpSlice {
		return n
	}
	for i, size := range n.Shape {
		if n.Start[i] != 0 || n.Step[i] != 1 || i != d && size != n.In[0].Shape[i] {
			return n
		}
	}
	return n.In[0]
}

// pool is the maximum or the sum of each window.
func (e *emitter) pool(n *ir.Node) (value, bool) {
	r := n.In[0]
	if r.Op != ir.OpMax && r.Op != ir.OpSum {
		return value{}, false
	}
	w, ok := e.windows(r)
	if !ok {
		return value{}, false
	}
	padded := !slices.Equal(w.pads, []int{0, 0, 0, 0})
	if r.Op == ir.OpMax {
		if padded && !math.IsInf(w.value, -1) {
			return value{}, false
		}
		name := e.node("MaxPool", []string{e.full(w.x)}, ints("kernel_shape", w.kernel[:]...), ints("strides", w.stride[:]...), ints("dilations", w.dilate[:]...), ints("pads", w.pads...))
		return value{e.reshape(name, w.out, e.t.shape[n]), e.t.shape[n]}, true
	}
	if padded && w.value != 0 || e.known[n] {
		return value{}, false
	}
	k := e.scalar(ir.F32, float64(w.kernel[0]*w.kernel[1]))
	return value{e.reshape(e.node("Mul", []string{e.averagePool(w), k}), w.out, e.t.shape[n]), e.t.shape[n]}, true
}

// averagePool is the mean of windows that count their padding.
func (e *emitter) averagePool(w window) string {
	x := e.full(w.x)
	if w.kernel == [2]int(w.x.Shape[2:]) && slices.Equal(w.pads, []int{0, 0, 0, 0}) {
		return e.node("GlobalAveragePool", []string{x})
	}
	return e.node("AveragePool", []string{x}, ints("kernel_shape", w.kernel[:]...), ints("strides", w.stride[:]...),
		ints("dilations", w.dilate[:]...), ints("pads", w.pads...), integer("count_include_pad", 1))
}
