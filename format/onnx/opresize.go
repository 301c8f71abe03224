// Resize. Every mode that the standard has is, along each dimension, a weighted
// sum of a few elements whose positions and weights follow from the sizes alone;
// so they are computed here, and a device only looks up and adds.

package onnx

import (
	"math"
	"slices"

	"github.com/weft-ml/weft/tensor"
)

func resize(c *call) []val {
	x := c.tensor(0)
	rank := x.Dims()
	scalesAt, sizesAt := 2, 3
	if c.node.OpType == "Upsample" || c.net.model.opset < 11 {
		scalesAt, sizesAt = 1, -1
	}
	axes := from(0, rank)
	if l := c.list("axes"); l != nil {
		axes = c.axes(l, rank)
	}
	scale, size := make([]float64, len(axes)), make([]int, len(axes))
	given := func(i int) bool { return i > 0 && c.has(i) && len(c.host(i).v) > 0 }
	if a := c.attr("scales"); a != nil && c.net.model.opset < 9 { // Upsample had them there first
		h := &host{elemFloat, []int{len(a.Floats)}, nil}
		for _, v := range a.Floats {
			h.v = append(h.v, float64(v))
		}
		c.in = []val{c.in[0], {h: h}}
	}
	// A part of the input, as fractions of its sides, may be what is resized.
	var crop []float64
	if c.text("coordinate_transformation_mode", "") == "tf_crop_and_resize" {
		if crop = c.host(1).v; len(crop) != 2*len(axes) {
			c.fail("%d limits (roi) for %d dimensions", len(crop), len(axes))
		}
	}
	part := func(i int) float64 {
		if crop == nil {
			return 1
		}
		return crop[len(axes)+i] - crop[i]
	}
	switch {
	case given(sizesAt):
		sizes := c.ints(sizesAt)
		if len(sizes) != len(axes) {
			c.fail("%d sizes for %d dimensions", len(sizes), len(axes))
		}
		for i, d := range axes {
			size[i], scale[i] = sizes[i], float64(sizes[i])/float64(x.Dim(d))
		}
		c.keepAspect(x, axes, scale, size)
	case given(scalesAt):
		h := c.host(scalesAt)
		if len(h.v) != len(axes) {
			c.fail("%d scales for %d dimensions", len(h.v), len(axes))
		}
		for i, d := range axes {
			scale[i] = h.v[i]
			if size[i] = int(math.Floor(float64(x.Dim(d))*part(i)*h.v[i] + 1e-6)); !(h.v[i] > 0) || size[i] < 1 {
				c.fail("scales %v of %v", h.v, x.Shape())
			}
		}
	default:
		c.fail("neither sizes nor scales")
	}
	shape := append([]int{}, x.Shape()...)
	const most = 1 << 20 // positions are listed
	for i, d := range axes {
		if shape[d] = size[i]; size[i] > most {
			c.fail("to a side of %d", size[i])
		}
	}
	if c.elements(shape) < 1 {
		c.fail("to %v", shape)
	}
	var outside tt // of the input, where it is cropped
	for i, d := range axes {
		r := resampling{from: x.Dim(d), to: size[i], scale: scale[i]}
		if crop != nil {
			r.crop = &[2]float64{crop[i], crop[len(axes)+i]}
		} else if r.to == r.from && r.scale == 1 {
			continue
		}
		var out []bool
		x, out = c.resizeAlong(x, d, r)
		if slices.Contains(out, true) {
			form := slices.Repeat([]int{1}, rank)
			form[d] = len(out)
			marks := make([]int32, len(out))
			for j, o := range out {
				marks[j] = int32(truth(o))
			}
			m := tensor.FromInts(marks, form...).To(tensor.Bool)
			if outside == nil {
				outside = m
			} else {
				outside = outside.Or(m)
			}
		}
	}
	if outside != nil {
		x = tensor.Where(outside, tensor.Scalar(c.float("extrapolation_value", 0)), x)
	}
	return one1(x)
}

// keepAspect makes one scale of those of several dimensions, and their sizes anew.
func (c *call) keepAspect(x tt, axes []int, scale []float64, size []int) {
	var one float64
	switch p := c.text("keep_aspect_ratio_policy", "stretch"); p {
	case "stretch":
		return
	case "not_larger":
		one = slices.Min(scale)
	case "not_smaller":
		one = slices.Max(scale)
	default:
		c.fail("keep_aspect_ratio_policy %s", quote(p))
	}
	for i, d := range axes {
		scale[i], size[i] = one, int(math.Floor(one*float64(x.Dim(d))+0.5))
	}
}

// resampling is how one dimension changes its size.
type resampling struct {
	from, to int
	scale    float64
	crop     *[2]float64 // the part of it that is taken; nil for all
}

// resizeAlong resizes one dimension. Where a part of it is taken, outside says what
// lies beyond the input.
func (c *call) resizeAlong(x tt, d int, r resampling) (y tt, outside []bool) {
	n, to, scale := r.from, r.to, r.scale
	mode := c.text("mode", "nearest")
	def := "half_pixel"
	if c.node.OpType == "Upsample" || c.net.model.opset < 11 {
		def = "asymmetric"
	}
	place := func(i int) float64 {
		o := float64(i)
		switch m := c.text("coordinate_transformation_mode", def); m {
		case "half_pixel":
			return (o+0.5)/scale - 0.5
		case "half_pixel_symmetric":
			adjust := float64(to) / (scale * float64(n))
			centre := float64(n) / 2
			return centre*(1-adjust) + (o+0.5)/scale - 0.5
		case "pytorch_half_pixel":
			if to == 1 {
				return 0
			}
			return (o+0.5)/scale - 0.5
		case "align_corners":
			if to == 1 {
				return 0
			}
			return o * float64(n-1) / float64(to-1)
		case "asymmetric":
			return o / scale
		case "tf_half_pixel_for_nn":
			return (o + 0.5) / scale
		case "tf_crop_and_resize":
			first, last := r.crop[0]*float64(n-1), r.crop[1]*float64(n-1)
			if to == 1 {
				return (first + last) / 2
			}
			return first + o*(last-first)/float64(to-1)
		default:
			c.fail("coordinate_transformation_mode %s is not supported", quote(m))
			return 0
		}
	}
	// tap k of target i reads element at[k][i] with weight by[k][i].
	taps := map[string]int{"nearest": 1, "linear": 2, "cubic": 4}[mode]
	if taps == 0 {
		c.fail("mode %s is not supported", quote(mode))
	}
	wide := 1.0 // how far the taps are apart, in target elements, where a smaller result averages
	if c.int("antialias", 0) != 0 && mode != "nearest" {
		if wide = min(1, scale); wide < 1 {
			taps += 2 * int(math.Ceil(float64(taps/2)/wide-float64(taps/2)))
		}
	}
	c.tabulate(taps * to)
	at, by := make([][]int32, taps), make([][]float32, taps)
	for k := range taps {
		if at[k] = make([]int32, to); mode != "nearest" {
			by[k] = make([]float32, to)
		}
	}
	weight := func(x float64) float64 { return max(0, 1-math.Abs(x)) }
	if a := c.float("cubic_coeff_a", -0.75); mode == "cubic" {
		weight = func(x float64) float64 { return cubic(math.Abs(x), a) }
	}
	if r.crop != nil {
		outside = make([]bool, to)
	}
	for i := range to {
		p := place(i)
		if outside != nil {
			outside[i] = p < 0 || p > float64(n-1)
		}
		if mode == "nearest" {
			at[0][i] = int32(max(0, min(float64(n-1), c.nearest(p))))
			continue
		}
		first := math.Floor(p) - float64(taps/2-1)
		weights := make([]float64, taps)
		sum := 0.0
		for k := range weights {
			j := first + float64(k)
			if weights[k] = weight((j - p) * wide); c.int("exclude_outside", 0) != 0 && (j < 0 || j > float64(n-1)) {
				weights[k] = 0
			}
			at[k][i] = int32(max(0, min(float64(n-1), j)))
			sum += weights[k]
		}
		for k := range weights {
			by[k][i] = float32(weights[k] / sum)
		}
	}
	if mode == "nearest" {
		return x.IndexSelect(d, tensor.FromInts(at[0])), outside
	}
	if taps > 4 { // a product with all weights
		c.tabulate(n * to)
		all := make([]float32, n*to)
		for k := range taps {
			for i := range to {
				all[int(at[k][i])*to+i] += by[k][i]
			}
		}
		last := x.Dims() - 1
		return x.Transpose(d, last).MatMul(tensor.New(all, n, to)).Transpose(d, last), outside
	}
	shape := slices.Repeat([]int{1}, x.Dims())
	shape[d] = to
	for k := range taps {
		part := x.IndexSelect(d, tensor.FromInts(at[k])).Mul(tensor.New(by[k], shape...))
		if y == nil {
			y = part
		} else {
			y = y.Add(part)
		}
	}
	return y, outside
}

// nearest rounds a position to an element.
func (c *call) nearest(p float64) float64 {
	def := "round_prefer_floor"
	if c.node.OpType == "Upsample" || c.net.model.opset < 11 {
		def = "floor"
	}
	p = math.Round(p*1e6) / 1e6 // what division leaves must not decide
	switch m := c.text("nearest_mode", def); m {
	case "round_prefer_floor":
		return math.Ceil(p - 0.5)
	case "round_prefer_ceil":
		return math.Floor(p + 0.5)
	case "floor":
		return math.Floor(p)
	case "ceil":
		return math.Ceil(p)
	default:
		c.fail("nearest_mode %s is not supported", quote(m))
		return 0
	}
}

// cubic is the weight of an element at the distance x (Keys, "Cubic Convolution
// Interpolation", 1981).
func cubic(x, a float64) float64 {
	switch {
	case x < 1:
		return ((a+2)*x-(a+3))*x*x + 1
	case x < 2:
		return ((a*x-5*a)*x+8*a)*x - 4*a
	}
	return 0
}
