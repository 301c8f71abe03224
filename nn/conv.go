package nn

import (
	"math"

	"github.com/weft-ml/weft/internal/ir"
	"github.com/weft-ml/weft/tensor"
)

// ConvOptions are the choices of the convolution layers. The zero value is
// stride 1, no padding, no dilation and one group, with a bias.
type ConvOptions struct {
	// Stride, Padding and Dilation are the same for height and width; 0 as
	// stride or dilation means 1. Set the layer's Options for others.
	Stride, Padding, Dilation int
	Groups                    int // 0 means 1
	OutputPadding             int // of ConvTranspose2d
	// Init chooses the weights. Biases begin at zero, except with
	// DefaultInit, which draws them within 1/sqrt(fan-in), as PyTorch does.
	Init Init
	// NoBias leaves the bias out, as before a BatchNorm, which has its own.
	NoBias bool
}

func (o ConvOptions) groups() int { return max(o.Groups, 1) }

func (o ConvOptions) tensor() tensor.ConvOptions {
	return tensor.ConvOptions{Stride: [2]int{o.Stride, o.Stride}, Padding: [2]int{o.Padding, o.Padding},
		Dilation: [2]int{o.Dilation, o.Dilation}, Groups: o.Groups}
}

// check panics where no layer of these numbers exists.
func (o ConvOptions) check(op string, in, out, kernel int) {
	if o.Groups < 0 {
		panic(ir.NewError(op, "%d groups: at least 1, or 0 for 1", o.Groups))
	}
	g := o.groups()
	if in < 1 || out < 1 || kernel < 1 || in%g != 0 || out%g != 0 {
		panic(ir.NewError(op, "%d channels to %d, kernel %d, %d groups: all are at least 1, and groups divide both channels", in, out, kernel, g))
	}
	if o.Stride < 0 || o.Padding < 0 || o.Dilation < 0 || o.OutputPadding < 0 {
		panic(ir.NewError(op, "stride %d, padding %d, dilation %d, output padding %d: none is negative", o.Stride, o.Padding, o.Dilation, o.OutputPadding))
	}
}

// variables draws weights of the given shape and fans, and the bias.
func (o ConvOptions) variables(rng *RNG, out int, fanIn, fanOut float64, shape ...int) (w, b *tensor.Tensor) {
	w = tensor.NewVariable("weight", o.Init.draw(rng, ir.NumElems(shape), fanIn, fanOut), shape...)
	if o.NoBias {
		return w, nil
	}
	bias := make([]float32, out)
	if o.Init == DefaultInit {
		bound := 1 / math.Sqrt(fanIn)
		bias = rng.Uniform(out, -bound, bound)
	}
	return w, tensor.NewVariable("bias", bias, out)
}

// Conv2d is the cross-correlation of images x [N, in, H, W] with Weight [out,
// in/groups, kh, kw], plus Bias [out]. Each side of the result is (side + 2
// padding - dilation (k - 1) - 1) / stride + 1.
type Conv2d struct {
	Weight  *tensor.Tensor
	Bias    *tensor.Tensor // nil for none
	Options tensor.ConvOptions
}

// NewConv2d returns a layer with a square kernel, whose weights are drawn from
// rng.
func NewConv2d(rng *RNG, in, out, kernel int, opt ConvOptions) *Conv2d {
	opt.check("conv2d", in, out, kernel)
	g, field := opt.groups(), float64(kernel*kernel)
	fanIn, fanOut := float64(in/g)*field, float64(out/g)*field
	c := &Conv2d{Options: opt.tensor()}
	c.Weight, c.Bias = opt.variables(rng, out, fanIn, fanOut, out, in/g, kernel, kernel)
	return c
}

// Forward maps [N, in, H, W] to [N, out, H', W'].
func (c *Conv2d) Forward(x *tensor.Tensor) *tensor.Tensor {
	return x.Conv2d(c.Weight, c.Bias, c.Options)
}

// Conv1d is Conv2d for sequences x [N, in, L] and Weight [out, in/groups, k].
type Conv1d struct {
	Weight                            *tensor.Tensor
	Bias                              *tensor.Tensor // nil for none
	Stride, Padding, Dilation, Groups int            // 0 as stride, dilation or groups means 1
}

// NewConv1d returns a layer whose weights are drawn from rng.
func NewConv1d(rng *RNG, in, out, kernel int, opt ConvOptions) *Conv1d {
	opt.check("conv1d", in, out, kernel)
	g := opt.groups()
	fanIn, fanOut := float64(in/g*kernel), float64(out/g*kernel)
	c := &Conv1d{Stride: opt.Stride, Padding: opt.Padding, Dilation: opt.Dilation, Groups: opt.Groups}
	c.Weight, c.Bias = opt.variables(rng, out, fanIn, fanOut, out, in/g, kernel)
	return c
}

// Forward maps [N, in, L] to [N, out, L'].
func (c *Conv1d) Forward(x *tensor.Tensor) *tensor.Tensor {
	return x.Conv1d(c.Weight, c.Bias, c.Stride, c.Padding, c.Dilation, c.Groups)
}

// ConvTranspose2d is the transposed convolution of x [N, in, H, W] with Weight
// [in, out/groups, kh, kw], plus Bias [out]. Each side of the result is (side -
// 1) stride - 2 padding + dilation (k - 1) + output padding + 1.
type ConvTranspose2d struct {
	Weight        *tensor.Tensor
	Bias          *tensor.Tensor // nil for none
	Options       tensor.ConvOptions
	OutputPadding [2]int
}

// NewConvTranspose2d returns a layer with a square kernel, whose weights are
// drawn from rng. DefaultInit is PyTorch's, which takes out/groups kh kw for
// the fan-in here. The other kinds count what enters one element of the
// result, in/groups kh kw / stride^2 products.
func NewConvTranspose2d(rng *RNG, in, out, kernel int, opt ConvOptions) *ConvTranspose2d {
	opt.check("conv_transpose2d", in, out, kernel)
	g, field, stride := opt.groups(), float64(kernel*kernel), float64(max(opt.Stride, 1))
	fanIn, fanOut := float64(in/g)*field/(stride*stride), float64(out/g)*field
	if opt.Init == DefaultInit {
		fanIn, fanOut = fanOut, fanIn
	}
	c := &ConvTranspose2d{Options: opt.tensor(), OutputPadding: [2]int{opt.OutputPadding, opt.OutputPadding}}
	c.Weight, c.Bias = opt.variables(rng, out, fanIn, fanOut, in, out/g, kernel, kernel)
	return c
}

// Forward maps [N, in, H, W] to [N, out, H', W'].
func (c *ConvTranspose2d) Forward(x *tensor.Tensor) *tensor.Tensor {
	return x.ConvTranspose2d(c.Weight, c.Bias, c.Options, c.OutputPadding)
}
