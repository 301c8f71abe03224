// Pooling of sequences, images and volumes. A pooling is a reduction of windows,
// which are a view; the two-dimensional ones with equal padding on both sides go
// through package tensor's own, in the form that exports look for.

package onnx

import (
	"math"
	"slices"

	"github.com/weft-ml/weft/tensor"
)

func init() {
	register(map[string]func(c *call) []val{
		"MaxPool": maxPool, "AveragePool": averagePool, "LpPool": lpPool, "MaxUnpool": maxUnpool,
		"GlobalAveragePool": global(tt.MeanKeep), "GlobalMaxPool": global(tt.AmaxKeep), "GlobalLpPool": globalLpPool,
	})
}

// pool is the frame of a pooling, whose kernel only its attribute tells.
func (c *call) pool() *frame {
	kernel := c.list("kernel_shape")
	if kernel == nil {
		c.fail("no kernel_shape")
	}
	f := c.frame(c.tensor(0), kernel)
	f.inside()
	for i := range f.rank() {
		if max(f.before[i], f.after[i]) >= f.reach(i) {
			c.fail("pads %v and %v: windows of %v (dilations %v) would hold nothing but padding", f.before, f.after, f.kernel, f.dilation)
		}
	}
	return f
}

// windows are those of x [N, C, ..], already padded, as [N, C, O, K, ..], and the
// dimensions K.
func (f *frame) windows(x tt) (y tt, inner []int) {
	for i := range f.rank() {
		x = x.Unfold(2+2*i, f.kernel[i], f.stride[i], f.dilation[i])
		inner = append(inner, 3+2*i)
	}
	return x, inner
}

// plane is f for package tensor's pooling of images, if that has the form: no gaps,
// equal padding of at most half a window.
func (f *frame) plane() (x tt, o tensor.Pool2dOptions, ok bool) {
	if f.rank() > 2 || !f.symmetric() {
		return nil, o, false
	}
	for i := range f.rank() {
		if f.dilation[i] != 1 && f.kernel[i] != 1 || 2*f.before[i] > f.kernel[i] {
			return nil, o, false
		}
	}
	x = f.x
	if f.rank() == 1 {
		x = x.Unsqueeze(2)
	}
	o.Kernel, o.Stride, o.Padding = two(f.kernel, 1), two(f.stride, 1), two(f.before, 0)
	return x, o, true
}

// flat is the result of plane's pooling in the form that the input had.
func (f *frame) flat(y tt) tt {
	if f.rank() == 1 {
		return y.Squeeze(2)
	}
	return y
}

func maxPool(c *call) []val {
	f := c.pool()
	if len(c.node.Output) > 1 && c.node.Output[1] != "" {
		return f.maxima()
	}
	dt := f.x.DType().Compute()
	if x, o, ok := f.plane(); ok {
		return one1(f.flat(x.MaxPool2d(o)).To(dt))
	}
	w, inner := f.windows(f.padded(f.x.To(tensor.Float32), math.Inf(-1), true))
	return one1(w.Amax(inner...).To(dt))
}

// maxima are the greatest element of each window and its position in the whole
// tensor, the first of several; a NaN is the greatest, as in PyTorch. With
// storage_order 1 positions count down columns first.
func (f *frame) maxima() []val {
	c, x := f.call, f.x
	planes, inside := x.Dim(0)*x.Dim(1), x.Shape()[2:]
	size := c.elements(inside)
	c.elements(x.Shape())
	w, inner := f.windows(f.padded(x.To(tensor.Float32), math.Inf(-1), true))
	most := w.AmaxKeep(inner...)
	places, _ := f.windows(f.padded(tensor.Arange(size).Reshape(append([]int{1, 1}, inside...)...), float64(size), true))
	hit := w.Eq(most).Or(w.Ne(w))
	at := tensor.Where(hit, places, integerOf(size)).Amin(inner...)
	if c.int("storage_order", 0) != 0 {
		rest, turned := at, integerOf(0)
		scale := size
		for d := len(inside) - 1; d >= 0; d-- { // the last dimension counts most
			n := inside[d]
			scale /= n
			turned = turned.Add(rest.Mod(integerOf(n)).MulScalar(float64(scale)))
			rest = rest.Div(integerOf(n))
		}
		at = turned
	}
	first := tensor.Arange(planes).MulScalar(float64(size)).Reshape(append([]int{-1, x.Dim(1)}, slices.Repeat([]int{1}, f.rank())...)...)
	value := most.Reshape(at.Shape()...).To(x.DType().Compute())
	return []val{{t: value}, {t: at.Add(first)}}
}

// maxUnpool puts elements back to the positions that MaxPool reported. Those count
// in the tensor that MaxPool had, whose shape follows from the attributes; a larger
// output_shape has zeros behind.
func maxUnpool(c *call) []val {
	x, index := c.tensor(0), c.tensor(1).To(tensor.Int32)
	kernel := c.list("kernel_shape")
	if kernel == nil {
		c.fail("no kernel_shape")
	}
	if !slices.Equal(x.Shape(), index.Shape()) {
		c.fail("input %v, indices %v: they have one shape", x.Shape(), index.Shape())
	}
	f := c.frame(x, kernel)
	shape := slices.Clone(x.Shape())
	for i := range f.rank() {
		shape[2+i] = (x.Dim(2+i)-1)*f.stride[i] + f.kernel[i] - f.before[i] - f.after[i]
		if shape[2+i] < 1 {
			c.fail("pads %v and %v leave nothing", f.before, f.after)
		}
	}
	c.elements(shape)
	size, few := c.elements(shape[2:]), c.elements(x.Shape()[2:])
	c.compared(size, few)
	at := index.Reshape(x.Dim(0), x.Dim(1), few).Mod(integerOf(size))
	y := tensor.Zeros(x.Dim(0), x.Dim(1), size).To(x.DType().Compute()).Scatter(2, at, x.Reshape(x.Dim(0), x.Dim(1), few), tensor.ScatterReplace).Reshape(shape...)
	if !c.has(2) {
		return one1(y)
	}
	want := c.ints(2)
	if len(want) != len(shape) {
		c.fail("output_shape %v for a result of shape %v", want, shape)
	}
	pads := make([][2]int, len(shape))
	for d := range shape {
		if d < 2 { // samples and channels are those of the input
			continue
		}
		if want[d] < shape[d] || want[d] > math.MaxInt32 {
			c.fail("output_shape %v is smaller than %v, which the windows give", want, shape)
		}
		pads[d] = [2]int{0, want[d] - shape[d]}
		shape[d] = want[d]
	}
	c.elements(shape)
	return one1(y.Pad(0, pads...))
}

func averagePool(c *call) []val {
	f := c.pool()
	include := c.int("count_include_pad", 0) != 0
	if x, o, ok := f.plane(); ok {
		o.ExcludePadding = !include
		return one1(f.flat(x.AvgPool2d(o)))
	}
	w, inner := f.windows(f.padded(f.x.To(tensor.Float32), 0, true))
	sum := w.Sum(inner...)
	all := func(l []int) bool { return !slices.ContainsFunc(l, func(n int) bool { return n != 0 }) }
	if all(f.extra) && (include || all(f.before) && all(f.after)) {
		return one1(sum.MulScalar(1 / float64(c.elements(f.kernel))))
	}
	// The sum of each window over the number of its elements that count: those of
	// the input and, if so chosen, of its padding, but never what ceil_mode adds.
	ones := tensor.Full(1, append([]int{1, 1}, f.x.Shape()[2:]...)...)
	ones = f.padded(ones, truth(include), false)
	pads := make([][2]int, ones.Dims())
	for i, e := range f.extra {
		pads[2+i] = [2]int{0, e}
	}
	count, _ := f.windows(ones.Pad(0, pads...))
	return one1(sum.Div(count.Sum(inner...)))
}

// lpPool is the p-norm of each window.
func lpPool(c *call) []val {
	f := c.pool()
	w, inner := f.windows(c.powered(f.padded(f.x.To(tensor.Float32), 0, true)))
	return one1(c.rooted(w.Sum(inner...)))
}

func globalLpPool(c *call) []val {
	x := c.tensor(0)
	if x.Dims() < 3 {
		c.fail("input %v", x.Shape())
	}
	return one1(c.rooted(c.powered(x).SumKeep(from(2, x.Dims())...)))
}

// norm is p, which the first opset gave as a float.
func (c *call) norm() float64 {
	p := 2.0
	if a := c.attr("p"); a != nil {
		if p = float64(a.I); a.Type == attrFloat {
			p = float64(a.F)
		}
	}
	if p < 1 {
		c.fail("p %g: norms are of at least 1", p)
	}
	return p
}

// powered is |x|^p, rooted the p-th root.
func (c *call) powered(x tt) tt {
	switch p := c.norm(); p {
	case 1:
		return x.Abs()
	case 2:
		return x.Square()
	default:
		return x.Abs().PowScalar(p)
	}
}

func (c *call) rooted(x tt) tt {
	switch p := c.norm(); p {
	case 1:
		return x
	case 2:
		return x.Sqrt()
	default:
		return x.PowScalar(1 / p)
	}
}

// global reduces all dimensions behind the channels.
func global(f func(x tt, dims ...int) tt) func(*call) []val {
	return func(c *call) []val {
		x := c.tensor(0)
		if x.Dims() < 3 {
			c.fail("input %v", x.Shape())
		}
		return one1(f(x, from(2, x.Dims())...))
	}
}
