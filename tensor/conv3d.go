package tensor

import (
	"github.com/weft-ml/weft/internal/ir"
)

// Convolution over volumes [N, C, D, H, W]. The engine convolves images, and a
// volume is a stack of them: the slices that one slice of the result is made of
// count as further channels, C*KD of them, and the slices of the result as
// further samples. That is one convolution of images and no sum over depth.

// Unfold replaces dimension dim by two: windows, which begin stride apart, and
// the size elements of each, which are dilation apart. It copies nothing; a
// reduction over the second of the two is a pooling.
func (x *Tensor) Unfold(dim, size, stride, dilation int) *Tensor {
	d := x.axis("unfold", dim)
	return with("unfold", ir.Unfold(x.node, d, size, stride, dilation), x)
}

// Conv3dOptions are the numbers of a convolution over depth, height and width;
// the zero value is stride 1, no padding, no dilation and one group.
type Conv3dOptions struct {
	Stride, Padding, Dilation [3]int // 0 as stride or dilation means 1
	Groups                    int    // 0 means 1
}

// filled has the defaults in place of zeros.
func (o Conv3dOptions) filled() Conv3dOptions {
	for i := range 3 {
		o.Stride[i], o.Dilation[i] = max(o.Stride[i], 1), max(o.Dilation[i], 1)
	}
	o.Groups = max(o.Groups, 1)
	return o
}

// flat are the numbers of the convolution of slices.
func (o Conv3dOptions) flat() ConvOptions {
	return ConvOptions{Stride: [2]int(o.Stride[1:]), Padding: [2]int(o.Padding[1:]), Dilation: [2]int(o.Dilation[1:]), Groups: o.Groups}
}

// Conv3d is the three-dimensional cross-correlation of x [N, C, D, H, W] with w
// [O, C/groups, KD, KH, KW], plus b [O] unless it is nil. The result is [N, O,
// OD, OH, OW], each size as in Conv2d.
func (x *Tensor) Conv3d(w, b *Tensor, o Conv3dOptions) *Tensor {
	o = o.filled()
	if x.Dims() != 5 || w.Dims() != 5 || x.Dim(1) != w.Dim(1)*o.Groups || w.Dim(0)%o.Groups != 0 {
		panic(ir.NewError("conv3d", "input %v, weight %v, %d groups: weights are [out, in/groups, depth, height, width]", x.Shape(), w.Shape(), o.Groups))
	}
	for i := range 3 {
		if o.Padding[i] < 0 || o.Dilation[i]*(w.Dim(2+i)-1)+1 > x.Dim(2+i)+2*o.Padding[i] {
			panic(ir.NewError("conv3d", "kernel %v (dilation %v) on a volume of %v with padding %v", w.Shape()[2:], o.Dilation, x.Shape()[2:], o.Padding))
		}
	}
	kd := w.Dim(2)
	deep := x.To(Float32).Pad(0, [2]int{}, [2]int{}, [2]int{o.Padding[0], o.Padding[0]}, [2]int{}, [2]int{})
	deep = deep.Unfold(2, kd, o.Stride[0], o.Dilation[0]) // [N, C, OD, KD, H, W]
	n, c, od, h, wd := deep.Dim(0), deep.Dim(1), deep.Dim(2), deep.Dim(4), deep.Dim(5)
	slices := deep.Permute(0, 2, 1, 3, 4, 5).Reshape(n*od, c*kd, h, wd)
	y := slices.Conv2d(w.Reshape(w.Dim(0), w.Dim(1)*kd, w.Dim(3), w.Dim(4)), nil, o.flat())
	y = y.Reshape(n, od, y.Dim(1), y.Dim(2), y.Dim(3)).Transpose(1, 2)
	return y.addChannels("conv3d", b)
}

// ConvTranspose3d is the transposed convolution, the gradient of Conv3d with
// respect to its input, of x [N, C, D, H, W] with w [C, O/groups, KD, KH, KW].
// Each size of the result is as in ConvTranspose2d.
func (x *Tensor) ConvTranspose3d(w, b *Tensor, o Conv3dOptions, outputPadding [3]int) *Tensor {
	o = o.filled()
	if x.Dims() != 5 || w.Dims() != 5 || x.Dim(1) != w.Dim(0) || w.Dim(0)%o.Groups != 0 {
		panic(ir.NewError("conv_transpose3d", "input %v, weight %v, %d groups: weights are [in, out/groups, depth, height, width]", x.Shape(), w.Shape(), o.Groups))
	}
	shape := []int{x.Dim(0), w.Dim(1) * o.Groups, 0, 0, 0}
	for i := range 3 {
		shape[2+i] = (x.Dim(2+i)-1)*o.Stride[i] - 2*o.Padding[i] + o.Dilation[i]*(w.Dim(2+i)-1) + outputPadding[i] + 1
		if outputPadding[i] < 0 || outputPadding[i] >= max(o.Stride[i], o.Dilation[i]) {
			panic(ir.NewError("conv_transpose3d", "output padding %v must be smaller than stride or dilation", outputPadding))
		}
	}
	checkShape("conv_transpose3d", shape)
	// As in ConvTranspose2d. Views of a constant are constants, which depend on
	// nothing, so this is none.
	at := New([]float32{0}, 1, 1, 1, 1, 1).Expand(shape...)
	y := GradWith(at.Conv3d(w, nil, o), x.To(Float32), at)[0]
	return y.addChannels("conv_transpose3d", b)
}
