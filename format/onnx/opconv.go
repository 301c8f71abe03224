// Convolutions of sequences, images and volumes. What they share with pooling,
// windows that slide over one to three dimensions, is a frame.

package onnx

import (
	"math"
	"slices"

	"github.com/weft-ml/weft/tensor"
)

func init() {
	register(map[string]func(c *call) []val{"Conv": convolution, "ConvTranspose": transposed})
}

// frame are the numbers of a window operator over the dimensions behind samples
// and channels, one of each for each of those dimensions.
type frame struct {
	call                     *call
	x                        tt
	kernel, stride, dilation []int
	before, after            []int // padding
	extra                    []int // further padding at the end, for windows that begin inside (ceil_mode)
}

// spatial is how many dimensions x has behind samples and channels.
func (c *call) spatial(x tt) int {
	r := x.Dims() - 2
	if r < 1 || r > 3 {
		c.fail("input %v: sequences [N, C, L], images [N, C, H, W] and volumes [N, C, D, H, W] are supported", x.Shape())
	}
	return r
}

// sizes is an attribute with a number for each of r dimensions, def unless it is
// given; least is the smallest allowed.
func (c *call) sizes(name string, list []int, r, def, least int) []int {
	if list == nil {
		return slices.Repeat([]int{def}, r)
	}
	if len(list) != r {
		c.fail("%s %v: %d numbers are needed, one for each dimension behind the channels", name, list, r)
	}
	for _, v := range list {
		if v < least || v > math.MaxInt32 {
			c.fail("%s %v: numbers from %d on are allowed", name, list, least)
		}
	}
	return list
}

// frame reads the attributes that convolutions and pooling share.
func (c *call) frame(x tt, kernel []int) *frame {
	r := c.spatial(x)
	f := &frame{call: c, x: x, kernel: c.sizes("kernel_shape", kernel, r, 1, 1)}
	f.stride, f.dilation = c.sizes("strides", c.list("strides"), r, 1, 1), c.sizes("dilations", c.list("dilations"), r, 1, 1)
	f.before, f.after, f.extra = make([]int, r), make([]int, r), make([]int, r)
	auto := c.text("auto_pad", "NOTSET")
	if pads := c.list("pads"); pads != nil && (auto == "NOTSET" || auto == "") {
		pads = c.sizes("pads", pads, 2*r, 0, 0)
		f.before, f.after = slices.Clone(pads[:r]), slices.Clone(pads[r:])
	}
	for i := range r {
		n, reach := x.Dim(2+i), f.reach(i)
		switch auto {
		case "SAME_UPPER", "SAME_LOWER":
			all := max(0, ((n+f.stride[i]-1)/f.stride[i]-1)*f.stride[i]+reach-n)
			f.before[i], f.after[i] = all/2, all-all/2
			if auto == "SAME_LOWER" {
				f.before[i], f.after[i] = f.after[i], f.before[i]
			}
		case "VALID", "NOTSET", "":
		default:
			c.fail("auto_pad %s: NOTSET, VALID, SAME_UPPER and SAME_LOWER are known", quote(auto))
		}
		if c.int("ceil_mode", 0) != 0 {
			whole := n + f.before[i] + f.after[i] - reach
			if rest := whole % f.stride[i]; rest > 0 && (whole/f.stride[i]+1)*f.stride[i] < n+f.before[i] {
				f.extra[i] = f.stride[i] - rest
			}
		}
	}
	return f
}

// rank is the number of dimensions that windows slide over.
func (f *frame) rank() int { return len(f.kernel) }

// reach is how far a window reaches in dimension i, gaps included.
func (f *frame) reach(i int) int { return (f.kernel[i]-1)*f.dilation[i] + 1 }

// padded is x with its padding, filled with v.
func (f *frame) padded(x tt, v float64, extra bool) tt {
	pads := make([][2]int, x.Dims())
	shape := slices.Clone(x.Shape())
	for i := range f.rank() {
		p := [2]int{f.before[i], f.after[i]}
		if extra {
			p[1] += f.extra[i]
		}
		pads[2+i] = p
		shape[2+i] += p[0] + p[1]
	}
	f.call.elements(shape)
	return x.Pad(v, pads...)
}

// inside makes sure that there is a window.
func (f *frame) inside() {
	for i := range f.rank() {
		if n := f.x.Dim(2 + i); f.reach(i) > n+f.before[i]+f.after[i]+f.extra[i] {
			f.call.fail("windows of %v (dilations %v) are larger than %v with its padding, %v and %v", f.kernel, f.dilation, f.x.Shape()[2:], f.before, f.after)
		}
	}
}

// symmetric reports whether the padding is the same on both sides.
func (f *frame) symmetric() bool {
	return slices.Equal(f.before, f.after) && !slices.ContainsFunc(f.extra, func(e int) bool { return e != 0 })
}

// two are the last two of a list, with def before one alone: sequences are images
// of height 1.
func two(list []int, def int) [2]int {
	if len(list) == 1 {
		return [2]int{def, list[0]}
	}
	return [2]int(list)
}

// bias is input i, a number for each channel; nil for none.
func (c *call) bias(i int) tt {
	if !c.has(i) {
		return nil
	}
	return c.tensor(i)
}

// kernel is the shape of the weight's windows, with which kernel_shape must
// agree.
func (c *call) kernel(w tt) []int {
	k := w.Shape()[2:]
	if l := c.list("kernel_shape"); l != nil && !slices.Equal(l, k) {
		c.fail("kernel_shape %v, and the weight %v has %v", l, w.Shape(), k)
	}
	return k
}

// groups is the number of groups of a convolution with weights w of x; of the
// weight's first two dimensions, in is the one with all input channels or those of
// a group.
func (c *call) groups(x, w tt, transposed bool) int {
	c.spatial(x)
	g := c.int("group", 1)
	if w.Dims() != x.Dims() {
		c.fail("input %v, weight %v: they have as many dimensions", x.Shape(), w.Shape())
	}
	if g < 1 {
		c.fail("group %d: at least 1 is needed", g)
	}
	if transposed {
		if x.Dim(1) != w.Dim(0) || w.Dim(0)%g != 0 {
			c.fail("input %v, weight %v, group %d: weights are [in, out/group, ..], and in is a multiple of group", x.Shape(), w.Shape(), g)
		}
	} else if x.Dim(1)%g != 0 || x.Dim(1)/g != w.Dim(1) || w.Dim(0)%g != 0 {
		c.fail("input %v, weight %v, group %d: weights are [out, in/group, ..], and in and out are multiples of group", x.Shape(), w.Shape(), g)
	}
	return g
}

func convolution(c *call) []val { return one1(c.convolve(c.tensor(0), c.tensor(1), c.bias(2))) }

// convolve is the convolution of x with w, plus b unless it is nil, by the node's
// attributes.
func (c *call) convolve(x, w, b tt) tt {
	groups := c.groups(x, w, false)
	f := c.frame(x, c.kernel(w))
	f.inside()
	pad := f.before
	padded := f.padded(x, 0, false)
	if f.symmetric() {
		padded = x
	} else {
		pad = make([]int, f.rank())
	}
	switch f.rank() {
	case 3:
		return padded.Conv3d(w, b, tensor.Conv3dOptions{Stride: [3]int(f.stride), Dilation: [3]int(f.dilation), Padding: [3]int(pad), Groups: groups})
	case 2:
		return padded.Conv2d(w, b, tensor.ConvOptions{Stride: [2]int(f.stride), Dilation: [2]int(f.dilation), Padding: [2]int(pad), Groups: groups})
	}
	return padded.Conv1d(w, b, f.stride[0], pad[0], f.dilation[0], groups)
}

// transposed is a transposed convolution. Padding is what is cut off its result;
// a wanted shape says how much that is.
func transposed(c *call) []val {
	x, w := c.tensor(0), c.tensor(1)
	groups := c.groups(x, w, true)
	f := c.frame(x, c.kernel(w))
	r := f.rank()
	more := c.sizes("output_padding", c.list("output_padding"), r, 0, 0)
	shape := c.list("output_shape")
	auto := c.text("auto_pad", "NOTSET")
	if len(shape) == r+2 { // as some exporters write it: with samples and channels
		shape = shape[2:]
	}
	shape = c.sizes("output_shape", shape, r, 0, 1)
	if auto == "SAME_UPPER" || auto == "SAME_LOWER" {
		for i := range r {
			if shape[i] == 0 {
				shape[i] = x.Dim(2+i) * f.stride[i]
			}
		}
	}
	tail := make([]int, r) // zeros behind the result, where a larger one is wanted
	for i := range r {
		if more[i] >= max(f.stride[i], f.dilation[i]) {
			c.fail("output_padding %v must be smaller than strides %v or dilations %v", more, f.stride, f.dilation)
		}
		whole := (x.Dim(2+i)-1)*f.stride[i] + f.reach(i) + more[i]
		if shape[i] > 0 {
			cut := whole - shape[i]
			if cut < 0 {
				tail[i], cut = -cut, 0
			}
			f.before[i], f.after[i] = cut-cut/2, cut/2
			if auto == "SAME_UPPER" {
				f.before[i], f.after[i] = f.after[i], f.before[i]
			}
		}
		if f.before[i]+f.after[i] >= whole {
			c.fail("pads leave nothing of a result of size %d", whole)
		}
	}
	pad := f.before
	if !f.symmetric() {
		pad = make([]int, r)
	}
	var y tt
	switch r {
	case 3:
		o := tensor.Conv3dOptions{Stride: [3]int(f.stride), Dilation: [3]int(f.dilation), Padding: [3]int(pad), Groups: groups}
		y = x.ConvTranspose3d(w, nil, o, [3]int(more))
	case 2:
		o := tensor.ConvOptions{Stride: [2]int(f.stride), Dilation: [2]int(f.dilation), Padding: [2]int(pad), Groups: groups}
		y = x.ConvTranspose2d(w, nil, o, [2]int(more))
	default:
		o := tensor.ConvOptions{Stride: two(f.stride, 1), Dilation: two(f.dilation, 1), Padding: two(pad, 0), Groups: groups}
		y = x.Unsqueeze(2).ConvTranspose2d(w.Unsqueeze(2), nil, o, two(more, 0)).Squeeze(2)
	}
	pads := make([][2]int, y.Dims())
	for i := range r {
		if !f.symmetric() {
			y = y.Slice(2+i, f.before[i], y.Dim(2+i)-f.after[i])
		}
		pads[2+i] = [2]int{0, tail[i]}
	}
	y = y.Pad(0, pads...)
	if b := c.bias(2); b != nil {
		y = y.Add(c.perChannel(b, y))
	}
	return one1(y)
}
