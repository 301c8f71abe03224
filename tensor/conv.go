package tensor

import (
	"math"

	"github.com/weft-ml/weft/internal/ir"
)

// Convolution and pooling over images [N, C, H, W]. Both are views of windows:
// a convolution is a matrix product with them, pooling a reduction of them, and
// neither writes the windows to memory.

// ConvOptions are the numbers of a convolution; the zero value is stride 1, no
// padding, no dilation and one group.
type ConvOptions struct {
	Stride, Padding, Dilation [2]int // of height and width; 0 as stride or dilation means 1
	Groups                    int    // 0 means 1
}

// filled has the numbers that 0 stands for. Negative ones are a mistake that
// must not pass as the usual.
func (o ConvOptions) filled(op string) ConvOptions {
	if min(o.Stride[0], o.Stride[1], o.Dilation[0], o.Dilation[1], o.Groups) < 0 {
		panic(ir.NewError(op, "stride %v, dilation %v, %d groups: each is at least 1, or 0 for 1", o.Stride, o.Dilation, o.Groups))
	}
	if min(o.Padding[0], o.Padding[1]) < 0 {
		panic(ir.NewError(op, "padding %v: neither is negative", o.Padding))
	}
	for i := range 2 {
		o.Stride[i], o.Dilation[i] = max(o.Stride[i], 1), max(o.Dilation[i], 1)
	}
	o.Groups = max(o.Groups, 1)
	return o
}

// Conv2d is the two-dimensional cross-correlation of x [N, C, H, W] with w
// [O, C/groups, KH, KW], plus b [O] unless it is nil. The result is [N, O,
// OH, OW] with OH = (H + 2 padding - dilation (KH - 1) - 1) / stride + 1.
func (x *Tensor) Conv2d(w, b *Tensor, o ConvOptions) *Tensor {
	if x.Dims() != 4 || w.Dims() != 4 {
		panic(ir.NewError("conv2d", "input %v, weight %v: both have four dimensions", x.Shape(), w.Shape()))
	}
	o = o.filled("conv2d")
	in := ir.Cast(x.node, Float32)
	pads := []int{0, 0, o.Padding[0], o.Padding[1]}
	y := with("conv2d", ir.Conv(ir.Pad(in, pads, pads, 0), w.node, o.Stride[:], o.Dilation[:], o.Groups), x, w)
	return y.addChannels("conv2d", b)
}

// addChannels adds b [C] to each channel of x [N, C, ..].
func (x *Tensor) addChannels(op string, b *Tensor) *Tensor {
	if b == nil {
		return x
	}
	if b.Dims() != 1 || b.Dim(0) != x.Dim(1) {
		panic(ir.NewError(op, "bias %v for %d channels", b.Shape(), x.Dim(1)))
	}
	shape := ones(x.Dims())
	shape[1] = b.Dim(0)
	return x.Add(b.Reshape(shape...))
}

// Conv1d is Conv2d for x [N, C, L] and w [O, C/groups, K].
func (x *Tensor) Conv1d(w, b *Tensor, stride, padding, dilation, groups int) *Tensor {
	if x.Dims() != 3 || w.Dims() != 3 {
		panic(ir.NewError("conv1d", "input %v, weight %v: both have three dimensions", x.Shape(), w.Shape()))
	}
	o := ConvOptions{Stride: [2]int{1, stride}, Padding: [2]int{0, padding}, Dilation: [2]int{1, dilation}, Groups: groups}
	return x.Unsqueeze(2).Conv2d(w.Unsqueeze(2), b, o).Squeeze(2)
}

// ConvTranspose2d is the transposed convolution, the gradient of Conv2d with
// respect to its input, of x [N, C, H, W] with w [C, O/groups, KH, KW]. The
// result's height is (H-1) stride - 2 padding + dilation (KH-1) + outputPadding + 1.
func (x *Tensor) ConvTranspose2d(w, b *Tensor, o ConvOptions, outputPadding [2]int) *Tensor {
	o = o.filled("conv_transpose2d")
	if x.Dims() != 4 || w.Dims() != 4 || x.Dim(1) != w.Dim(0) || w.Dim(0)%o.Groups != 0 {
		panic(ir.NewError("conv_transpose2d", "input %v, weight %v, %d groups: weights are [in, out/groups, height, width]", x.Shape(), w.Shape(), o.Groups))
	}
	// It is linear in x and the transpose of Conv2d, so Conv2d's derivative
	// with seed x computes it: at any point, zeros for instance.
	shape := []int{x.Dim(0), w.Dim(1) * o.Groups, 0, 0}
	for i := range 2 {
		shape[2+i] = (x.Dim(2+i)-1)*o.Stride[i] - 2*o.Padding[i] + o.Dilation[i]*(w.Dim(2+i)-1) + outputPadding[i] + 1
		if outputPadding[i] >= max(o.Stride[i], o.Dilation[i]) {
			panic(ir.NewError("conv_transpose2d", "output padding %v must be smaller than stride or dilation", outputPadding))
		}
		if outputPadding[i] < 0 {
			panic(ir.NewError("conv_transpose2d", "output padding %v: neither is negative", outputPadding))
		}
	}
	checkShape("conv_transpose2d", shape)
	at := Zeros(shape...)
	y := GradWith(at.Conv2d(w, nil, o), x.To(Float32), at)[0]
	return y.addChannels("conv_transpose2d", b)
}

// Pool2dOptions are the numbers of a pooling; a stride of 0 is the kernel's
// size.
type Pool2dOptions struct {
	Kernel, Stride, Padding [2]int
	// ExcludePadding divides averages by the number of elements inside of the
	// image (count_include_pad=False).
	ExcludePadding bool
}

// windows views x [N, C, H, W], padded with v, as [N, C, OH, KH, OW, KW].
func (x *Tensor) windows(op string, o Pool2dOptions, v float64) *ir.Node {
	if x.Dims() != 4 {
		panic(ir.NewError(op, "input %v: four dimensions are needed", x.Shape()))
	}
	if min(o.Kernel[0], o.Kernel[1]) < 1 || min(o.Stride[0], o.Stride[1], o.Padding[0], o.Padding[1]) < 0 {
		panic(ir.NewError(op, "kernel %v, stride %v, padding %v: the kernel is at least 1, and none is negative", o.Kernel, o.Stride, o.Padding))
	}
	pads := []int{0, 0, o.Padding[0], o.Padding[1]}
	n := ir.Pad(ir.Cast(x.node, Float32), pads, pads, v)
	for i := range 2 {
		stride := o.Stride[i]
		if stride == 0 {
			stride = o.Kernel[i]
		}
		if 2*o.Padding[i] > o.Kernel[i] {
			panic(ir.NewError(op, "padding %v is more than half of the kernel %v", o.Padding, o.Kernel))
		}
		n = ir.Unfold(n, 2+2*i, o.Kernel[i], stride, 1)
	}
	return n
}

func pooled(n *ir.Node) *ir.Node {
	return ir.Reshape(n, n.Shape[0], n.Shape[1], n.Shape[2], n.Shape[4])
}

// MaxPool2d is the greatest element of each window. Equal maxima share the
// gradient.
func (x *Tensor) MaxPool2d(o Pool2dOptions) *Tensor {
	n := ir.Reduce(ir.OpMax, x.windows("max_pool2d", o, math.Inf(-1)), 3, 5)
	return with("max_pool2d", pooled(n), x)
}

// AvgPool2d is the mean of each window.
func (x *Tensor) AvgPool2d(o Pool2dOptions) *Tensor {
	sum := with("avg_pool2d", pooled(ir.Reduce(ir.OpSum, x.windows("avg_pool2d", o, 0), 3, 5)), x)
	if !o.ExcludePadding || o.Padding == [2]int{} {
		return sum.DivScalar(float64(o.Kernel[0] * o.Kernel[1]))
	}
	count := Full(1, 1, 1, x.Dim(2), x.Dim(3))
	return sum.Div(with("avg_pool2d", pooled(ir.Reduce(ir.OpSum, count.windows("avg_pool2d", o, 0), 3, 5))))
}

// AdaptiveMaxPool2d is the greatest element of each of height x width windows,
// which are those of AdaptiveAvgPool2d. Equal maxima share the gradient.
func (x *Tensor) AdaptiveMaxPool2d(height, width int) *Tensor {
	if x.Dims() != 4 || height < 1 || width < 1 || height > x.Dim(2) || width > x.Dim(3) {
		panic(ir.NewError("adaptive_max_pool2d", "input %v to %dx%d", x.Shape(), height, width))
	}
	if x.Dim(2)%height == 0 && x.Dim(3)%width == 0 {
		return x.MaxPool2d(Pool2dOptions{Kernel: [2]int{x.Dim(2) / height, x.Dim(3) / width}})
	}
	// Uneven windows become even ones when the last element of a short one is
	// there twice.
	y := x
	for i, out := range []int{height, width} {
		d := 2 + i
		n := x.Dim(d)
		side := 0
		for i := range out {
			side = max(side, ((i+1)*n+out-1)/out-i*n/out)
		}
		var at []int32
		for i := range out {
			from, to := i*n/out, ((i+1)*n+out-1)/out
			for j := range side {
				at = append(at, int32(min(from+j, to-1)))
			}
		}
		shape := y.Shape()
		even := append(append(append([]int{}, shape[:d]...), out, side), shape[d+1:]...)
		y = y.IndexSelect(d, FromInts(at)).Reshape(even...).Amax(d + 1)
	}
	return y
}

// AdaptiveAvgPool2d averages so that the result is [N, C, height, width]:
// window i reaches from floor(i H / height) to ceil((i+1) H / height).
func (x *Tensor) AdaptiveAvgPool2d(height, width int) *Tensor {
	if x.Dims() != 4 || height < 1 || width < 1 || height > x.Dim(2) || width > x.Dim(3) {
		panic(ir.NewError("adaptive_avg_pool2d", "input %v to %dx%d", x.Shape(), height, width))
	}
	if x.Dim(2)%height == 0 && x.Dim(3)%width == 0 {
		return x.AvgPool2d(Pool2dOptions{Kernel: [2]int{x.Dim(2) / height, x.Dim(3) / width}})
	}
	// Uneven windows are a product with a matrix of weights on each side.
	weights := func(n, out int) *Tensor {
		w := make([]float32, n*out)
		for i := range out {
			from, to := i*n/out, ((i+1)*n+out-1)/out
			for j := from; j < to; j++ {
				w[j*out+i] = 1 / float32(to-from)
			}
		}
		return New(w, n, out)
	}
	y := x.MatMul(weights(x.Dim(3), width)) // [N, C, H, width]
	return y.Transpose(2, 3).MatMul(weights(x.Dim(2), height)).Transpose(2, 3)
}
