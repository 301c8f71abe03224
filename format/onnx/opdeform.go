// Convolution whose windows are read at positions that the network computes (Dai et
// al., "Deformable Convolutional Networks", 2017; Zhu et al., 2019, with masks).
// Every element of a window is a sample between pixels; what is left is a product.

package onnx

import (
	"slices"

	"github.com/weft-ml/weft/tensor"
)

func init() { register(map[string]func(c *call) []val{"DeformConv": deformConvolution}) }

func deformConvolution(c *call) []val {
	x, w, offset := c.tensor(0), c.tensor(1), c.tensor(2)
	if x.Dims() != 4 || w.Dims() != 4 || offset.Dims() != 4 {
		c.fail("input %v, weight %v, offsets %v: images are supported", x.Shape(), w.Shape(), offset.Shape())
	}
	kernel := w.Shape()[2:]
	if l := c.list("kernel_shape"); l != nil && !slices.Equal(l, kernel) {
		c.fail("kernel_shape %v for a weight %v", l, w.Shape())
	}
	stride, dilation := c.sizes("strides", c.list("strides"), 2, 1, 1), c.sizes("dilations", c.list("dilations"), 2, 1, 1)
	pads := c.sizes("pads", c.list("pads"), 4, 0, 0)
	groups, parts := c.int("group", 1), c.int("offset_group", 1)
	n, channels, taps := x.Dim(0), x.Dim(1), kernel[0]*kernel[1]
	if groups < 1 || parts < 1 || channels%groups != 0 || channels%parts != 0 || w.Dim(0)%groups != 0 || w.Dim(1) != channels/groups {
		c.fail("%d groups and %d groups of offsets for input %v and weight %v", groups, parts, x.Shape(), w.Shape())
	}
	var out [2]int
	for d := range out {
		whole := x.Dim(2+d) + pads[d] + pads[2+d] - (kernel[d]-1)*dilation[d] - 1
		if out[d] = whole/stride[d] + 1; whole < 0 {
			c.fail("a window of %v is larger than the input %v", kernel, x.Shape())
		}
	}
	if want := []int{n, parts * taps * 2, out[0], out[1]}; !slices.Equal(offset.Shape(), want) {
		c.fail("offsets %v, want %v", offset.Shape(), want)
	}
	c.elements([]int{n, channels, taps, out[0], out[1]})
	offset = offset.Reshape(n, parts, taps, 2, out[0], out[1])
	var mask tt
	if c.has(4) {
		mask = c.tensor(4)
		if want := []int{n, parts * taps, out[0], out[1]}; !slices.Equal(mask.Shape(), want) {
			c.fail("mask %v, want %v", mask.Shape(), want)
		}
		mask = mask.Reshape(n, parts, taps, out[0], out[1])
	}
	// place is where each element of each window lies without offsets, [taps, 1, ..].
	place := func(d int) tt {
		tap := make([]int32, taps)
		for t := range tap {
			at := t / kernel[1]
			if d == 1 {
				at = t % kernel[1]
			}
			tap[t] = int32(at*dilation[d] - pads[d])
		}
		shape := []int{1, 1, 1}
		shape[1+d] = out[d]
		return tensor.FromInts(tap, taps, 1, 1).Add(tensor.Arange(out[d]).MulScalar(float64(stride[d])).Reshape(shape...)).To(tensor.Float32)
	}
	rows, cols := place(0), place(1)
	var sampled []tt
	for g := range parts {
		part := x.Slice(1, g*channels/parts, (g+1)*channels/parts)
		coordinate := func(i int, at tt) tt { // -1 and 1 are the edges of the image
			o := offset.Slice(1, g, g+1).Slice(3, i, i+1).Reshape(n, taps, out[0], out[1])
			return o.Add(at).MulScalar(2).AddScalar(1).MulScalar(1 / float64(x.Dim(2+i))).AddScalar(-1)
		}
		grid := tensor.Stack(4, coordinate(1, cols), coordinate(0, rows)).Reshape(n, taps*out[0], out[1], 2)
		y := part.GridSample(grid, tensor.SampleOptions{}).Reshape(n, channels/parts, taps, out[0], out[1])
		if mask != nil {
			y = y.Mul(mask.Slice(1, g, g+1))
		}
		sampled = append(sampled, y)
	}
	columns := tensor.Concat(1, sampled...).Reshape(n, groups, channels/groups*taps, out[0]*out[1])
	y := w.Reshape(1, groups, w.Dim(0)/groups, -1).MatMul(columns).Reshape(n, w.Dim(0), out[0], out[1])
	if b := c.bias(3); b != nil {
		y = y.Add(c.perChannel(b, y))
	}
	return one1(y)
}
