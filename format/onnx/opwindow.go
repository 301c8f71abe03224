// Operators on images: convolution, pooling, normalisation, resizing.

package onnx

import (
	"math"
	"slices"
	"strings"

	"github.com/weft-ml/weft/nn"
	"github.com/weft-ml/weft/tensor"
)

// frame are the numbers of a window operator over two dimensions. Sequences
// are images of height 1 while they are computed.
type frame struct {
	call                     *call
	x                        tt
	kernel, stride, dilation [2]int
	before, after            [2]int // padding
	extra                    [2]int // further padding at the end, for windows that begin inside (ceil_mode)
	flat                     bool   // x was a sequence
}

// frame reads the attributes that convolutions and pooling share.
func (c *call) frame(x tt, kernel []int) *frame {
	f := &frame{call: c, x: x, flat: x.Dims() == 3}
	r := x.Dims() - 2
	if r != 1 && r != 2 {
		c.fail("input %v: images and sequences are supported, three and four dimensions", x.Shape())
	}
	if f.flat {
		f.x = x.Unsqueeze(2)
	}
	pair := func(name string, list []int, def int) [2]int {
		if list == nil {
			list = slices.Repeat([]int{def}, r)
		}
		if len(list) != r {
			c.fail("%s %v for %d dimensions", name, list, r)
		}
		p := [2]int{def, def}
		copy(p[2-r:], list)
		for _, v := range p {
			if v < 0 || v > math.MaxInt32 || v == 0 && def == 1 {
				c.fail("%s %v", name, list)
			}
		}
		return p
	}
	f.kernel = pair("kernel_shape", kernel, 1)
	f.stride, f.dilation = pair("strides", c.list("strides"), 1), pair("dilations", c.list("dilations"), 1)
	var head, tail []int
	if pads := c.list("pads"); pads != nil {
		if len(pads) != 2*r {
			c.fail("pads %v for %d dimensions", pads, r)
		}
		head, tail = pads[:r], pads[r:]
	}
	f.before, f.after = pair("pads", head, 0), pair("pads", tail, 0)
	auto := c.text("auto_pad", "NOTSET")
	for i := range 2 {
		n, reach := f.x.Dim(2+i), (f.kernel[i]-1)*f.dilation[i]+1
		switch auto {
		case "SAME_UPPER", "SAME_LOWER":
			all := max(0, ((n+f.stride[i]-1)/f.stride[i]-1)*f.stride[i]+reach-n)
			f.before[i], f.after[i] = all/2, all-all/2
			if auto == "SAME_LOWER" {
				f.before[i], f.after[i] = f.after[i], f.before[i]
			}
		case "VALID":
			f.before[i], f.after[i] = 0, 0
		case "NOTSET", "":
		default:
			c.fail("auto_pad %s", quote(auto))
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

// done gives a result the form that the input had.
func (f *frame) done(y tt) []val {
	if f.flat {
		y = y.Squeeze(2)
	}
	return one1(y)
}

// padded is x with its padding, filled with v.
func (f *frame) padded(x tt, v float64, extra bool) tt {
	pads := [][2]int{{}, {}, {f.before[0], f.after[0]}, {f.before[1], f.after[1]}}
	if extra {
		pads[2][1] += f.extra[0]
		pads[3][1] += f.extra[1]
	}
	shape := slices.Clone(x.Shape())
	for d, p := range pads {
		shape[d] += p[0] + p[1]
	}
	f.call.elements(shape)
	return x.Pad(v, pads...)
}

// symmetric reports whether the padding is the same on both sides.
func (f *frame) symmetric() bool { return f.before == f.after && f.extra == [2]int{} }

// bias is input i, a number for each channel; nil for none.
func (c *call) bias(i int) tt {
	if !c.has(i) {
		return nil
	}
	return c.tensor(i)
}

func convolution(c *call) []val {
	x, w := c.tensor(0), c.tensor(1)
	if w.Dims() != x.Dims() || x.Dims() < 3 {
		c.fail("input %v, weight %v", x.Shape(), w.Shape())
	}
	f := c.frame(x, w.Shape()[2:])
	if f.flat {
		w = w.Unsqueeze(2)
	}
	o := tensor.ConvOptions{Stride: f.stride, Dilation: f.dilation, Groups: c.int("group", 1)}
	if f.symmetric() {
		o.Padding = f.before
		return f.done(f.x.Conv2d(w, c.bias(2), o))
	}
	return f.done(f.padded(f.x, 0, false).Conv2d(w, c.bias(2), o))
}

func transposed(c *call) []val {
	x, w := c.tensor(0), c.tensor(1)
	if w.Dims() != x.Dims() || x.Dims() < 3 {
		c.fail("input %v, weight %v", x.Shape(), w.Shape())
	}
	if c.list("output_shape") != nil || strings.HasPrefix(c.text("auto_pad", ""), "SAME") {
		c.fail("output_shape and auto_pad SAME are not supported")
	}
	f := c.frame(x, w.Shape()[2:])
	if f.flat {
		w = w.Unsqueeze(2)
	}
	more := [2]int{}
	if l := c.list("output_padding"); l != nil {
		copy(more[2-min(2, len(l)):], l)
	}
	// Padding is what is cut off the result.
	o := tensor.ConvOptions{Stride: f.stride, Dilation: f.dilation, Groups: c.int("group", 1)}
	if f.symmetric() {
		o.Padding = f.before
		return f.done(f.x.ConvTranspose2d(w, c.bias(2), o, more))
	}
	y := f.x.ConvTranspose2d(w, c.bias(2), o, more)
	for i := range 2 {
		if f.before[i]+f.after[i] >= y.Dim(2+i) {
			c.fail("pads leave nothing of %v", y.Shape())
		}
		y = y.Slice(2+i, f.before[i], y.Dim(2+i)-f.after[i])
	}
	return f.done(y)
}

// pool is the frame of a pooling, whose kernel only its attribute tells.
func (c *call) pool() *frame {
	kernel := c.list("kernel_shape")
	if kernel == nil {
		c.fail("no kernel_shape")
	}
	return c.frame(c.tensor(0), kernel)
}

func maxPool(c *call) []val {
	f := c.pool()
	if f.dilation == [2]int{1, 1} {
		o := tensor.Pool2dOptions{Kernel: f.kernel, Stride: f.stride}
		if f.symmetric() && 2*f.before[0] <= f.kernel[0] && 2*f.before[1] <= f.kernel[1] {
			o.Padding = f.before
			return f.done(f.x.MaxPool2d(o))
		}
		return f.done(f.padded(f.x, math.Inf(-1), true).MaxPool2d(o))
	}
	// With gaps, the windows' elements one after the other.
	x := f.padded(f.x, math.Inf(-1), true)
	if f.kernel[0]*f.kernel[1] > 1<<10 {
		c.fail("a dilated kernel of %v", f.kernel)
	}
	var y tt
	for i := range f.kernel[0] {
		for j := range f.kernel[1] {
			part := x
			for d, at := range [2]int{i * f.dilation[0], j * f.dilation[1]} {
				count := (x.Dim(2+d)-(f.kernel[d]-1)*f.dilation[d]-1)/f.stride[d] + 1
				part = part.SliceStep(2+d, at, at+(count-1)*f.stride[d]+1, f.stride[d])
			}
			if y == nil {
				y = part
			} else {
				y = y.Maximum(part)
			}
		}
	}
	return f.done(y)
}

func averagePool(c *call) []val {
	f := c.pool()
	if f.dilation != [2]int{1, 1} {
		c.fail("dilations %v", f.dilation)
	}
	include := c.int("count_include_pad", 0) != 0
	o := tensor.Pool2dOptions{Kernel: f.kernel, Stride: f.stride, ExcludePadding: !include}
	if f.symmetric() && 2*f.before[0] <= f.kernel[0] && 2*f.before[1] <= f.kernel[1] {
		o.Padding = f.before
		return f.done(f.x.AvgPool2d(o))
	}
	// The sum of each window over the number of its elements that count.
	ones := tensor.Full(1, 1, 1, f.x.Dim(2), f.x.Dim(3))
	fill := truth(include)
	ones = f.padded(ones, fill, false).Pad(0, [2]int{}, [2]int{}, [2]int{0, f.extra[0]}, [2]int{0, f.extra[1]})
	o.ExcludePadding = false
	return f.done(f.padded(f.x, 0, true).AvgPool2d(o).Div(ones.AvgPool2d(o)))
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

// from lists the dimensions a to b.
func from(a, b int) []int {
	var l []int
	for d := a; d < b; d++ {
		l = append(l, d)
	}
	return l
}

// perChannel shapes v [C] so that it broadcasts along dimension 1 of x.
func (c *call) perChannel(v, x tt) tt {
	if v.Dims() != 1 || v.Dim(0) != x.Dim(1) && v.Dim(0) != 1 {
		c.fail("%v for the channels of %v", v.Shape(), x.Shape())
	}
	shape := slices.Repeat([]int{1}, x.Dims())
	shape[1] = v.Dim(0)
	return v.Reshape(shape...)
}

func batchNormalization(c *call) []val {
	x := c.tensor(0)
	if x.Dims() < 2 {
		c.fail("input %v has no channels", x.Shape())
	}
	if c.int("spatial", 1) == 0 && c.tensor(1).Dims() != 1 {
		c.fail("statistics for each element (spatial 0) are not supported")
	}
	if c.int("training_mode", 0) != 0 { // as standardised weights are written: no statistics are kept
		dims := slices.Concat([]int{0}, from(2, x.Dims()))
		y := c.standardize(x, dims...)
		moved := func(i int, batch tt) val { // what the running statistics become
			old := c.float("momentum", 0.9)
			return val{t: c.tensor(i).MulScalar(old).Add(batch.MulScalar(1 - old))}
		}
		out := one1(y.Mul(c.perChannel(c.tensor(1), x)).Add(c.perChannel(c.tensor(2), x)))
		if len(c.node.Output) > 1 {
			out = append(out, moved(3, x.Mean(dims...)), moved(4, x.Var(0, dims...)))
		}
		return out
	}
	if l := c.net.norms[c.node]; l != nil {
		return one1(l.Forward(x))
	}
	scale := c.tensor(1).Mul(c.tensor(4).AddScalar(c.float("epsilon", 1e-5)).Rsqrt())
	y := x.Sub(c.perChannel(c.tensor(3), x)).Mul(c.perChannel(scale, x))
	return one1(y.Add(c.perChannel(c.tensor(2), x)))
}

// standardize is (x - mean) / sqrt(var + eps) over dims.
func (c *call) standardize(x tt, dims ...int) tt {
	d := x.Sub(x.MeanKeep(dims...))
	return d.Mul(d.Square().MeanKeep(dims...).AddScalar(c.float("epsilon", 1e-5)).Rsqrt())
}

func instanceNormalization(c *call) []val {
	x := c.tensor(0)
	if x.Dims() < 3 {
		c.fail("input %v", x.Shape())
	}
	y := c.standardize(x, from(2, x.Dims())...)
	return one1(y.Mul(c.perChannel(c.tensor(1), x)).Add(c.perChannel(c.tensor(2), x)))
}

func groupNormalization(c *call) []val {
	x, groups := c.tensor(0), c.int("num_groups", 0)
	if x.Dims() < 3 || groups < 1 || x.Dim(1)%groups != 0 {
		c.fail("input %v in %d groups", x.Shape(), groups)
	}
	y := c.standardize(x.Reshape(x.Dim(0), groups, -1), 2)
	scale, bias := c.tensor(1), c.tensor(2)
	if scale.Dims() == 1 && scale.Dim(0) == groups && groups != x.Dim(1) { // opset 18: one for each group
		y = y.Mul(scale.Reshape(1, groups, 1)).Add(bias.Reshape(1, groups, 1))
		return one1(y.Reshape(x.Shape()...))
	}
	y = y.Reshape(x.Shape()...)
	return one1(y.Mul(c.perChannel(scale, x)).Add(c.perChannel(bias, x)))
}

func layerNormalization(c *call) []val {
	x := c.tensor(0)
	d := c.axis(c.int("axis", -1), x.Dims())
	dims := from(d, x.Dims())
	y := c.standardize(x, dims...).Mul(c.tensor(1))
	if b := c.bias(2); b != nil {
		y = y.Add(b)
	}
	out := one1(y)
	if len(c.node.Output) > 1 { // Mean and InvStdDev
		mean := x.MeanKeep(dims...)
		spread := x.Sub(mean).Square().MeanKeep(dims...)
		out = append(out, val{t: mean}, val{t: spread.AddScalar(c.float("epsilon", 1e-5)).Rsqrt()})
	}
	return out
}

func rmsNormalization(c *call) []val {
	x := c.tensor(0)
	d := c.axis(c.int("axis", -1), x.Dims())
	mean := x.Square().MeanKeep(from(d, x.Dims())...)
	return one1(x.Mul(mean.AddScalar(c.float("epsilon", 1e-5)).Rsqrt()).Mul(c.tensor(1)))
}

// lrn divides by the squares of neighbouring channels (Krizhevsky et al., 2012).
func lrn(c *call) []val {
	x, size := c.tensor(0), c.int("size", 0)
	if x.Dims() < 3 || size < 1 || size > 2*x.Dim(1)+1 {
		c.fail("size %d for input %v", size, x.Shape())
	}
	pads := make([][2]int, x.Dims())
	pads[1] = [2]int{(size - 1) / 2, size - 1 - (size-1)/2}
	square := x.Square().Pad(0, pads...)
	sum := square.Slice(1, 0, x.Dim(1))
	for i := 1; i < size; i++ {
		sum = sum.Add(square.Slice(1, i, i+x.Dim(1)))
	}
	scale := sum.MulScalar(c.float("alpha", 1e-4) / float64(size)).AddScalar(c.float("bias", 1))
	return one1(x.Div(scale.PowScalar(c.float("beta", 0.75))))
}

func lpNormalization(c *call) []val {
	x := c.tensor(0)
	d := c.axis(c.int("axis", -1), x.Dims())
	norm := x.Square().SumKeep(d)
	if c.int("p", 2) == 1 {
		norm = x.Abs().SumKeep(d)
	}
	norm = tensor.Where(norm.Eq(tensor.Scalar(0)), tensor.Scalar(1), norm) // zeros stay zeros
	if c.int("p", 2) != 1 {
		norm = norm.Sqrt()
	}
	return one1(x.Div(norm))
}

var _ nn.Module = (*Network)(nil)
