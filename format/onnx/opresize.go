// Resize. Every mode that the standard has is, along each dimension, a weighted
// sum of a few elements whose positions and weights follow from the sizes alone;
// so they are computed here, and a device only looks up and adds.

package onnx

import (
	"math"

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
	switch {
	case given(sizesAt):
		sizes := c.ints(sizesAt)
		if len(sizes) != len(axes) {
			c.fail("%d sizes for %d dimensions", len(sizes), len(axes))
		}
		for i, d := range axes {
			size[i], scale[i] = sizes[i], float64(sizes[i])/float64(x.Dim(d))
		}
		if p := c.text("keep_aspect_ratio_policy", "stretch"); p != "stretch" {
			c.fail("keep_aspect_ratio_policy %s is not supported", quote(p))
		}
	case given(scalesAt):
		h := c.host(scalesAt)
		if len(h.v) != len(axes) {
			c.fail("%d scales for %d dimensions", len(h.v), len(axes))
		}
		for i, d := range axes {
			scale[i] = h.v[i]
			if size[i] = int(math.Floor(float64(x.Dim(d))*h.v[i] + 1e-6)); !(h.v[i] > 0) {
				c.fail("scales %v", h.v)
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
	if c.int("antialias", 0) != 0 {
		c.fail("antialias is not supported")
	}
	for i, d := range axes {
		if size[i] != x.Dim(d) || scale[i] != 1 {
			x = c.resizeAlong(x, d, size[i], scale[i])
		}
	}
	return one1(x)
}

// resizeAlong resizes one dimension.
func (c *call) resizeAlong(x tt, d, to int, scale float64) tt {
	n := x.Dim(d)
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
	c.tabulate(taps * to)
	at, by := make([][]int32, taps), make([][]float32, taps)
	for k := range taps {
		if at[k] = make([]int32, to); mode != "nearest" {
			by[k] = make([]float32, to)
		}
	}
	for i := range to {
		p := place(i)
		if mode == "nearest" {
			at[0][i] = int32(max(0, min(float64(n-1), c.nearest(p))))
			continue
		}
		first := math.Floor(p)
		f := p - first
		weights := []float64{1 - f, f}
		if mode == "cubic" {
			weights = cubic(f, c.float("cubic_coeff_a", -0.75))
			first--
		}
		sum := 0.0
		for k, w := range weights {
			j := first + float64(k)
			if c.int("exclude_outside", 0) != 0 && (j < 0 || j > float64(n-1)) {
				w = 0
			}
			at[k][i], by[k][i] = int32(max(0, min(float64(n-1), j))), float32(w)
			sum += w
		}
		for k := range weights {
			by[k][i] = float32(float64(by[k][i]) / sum)
		}
	}
	if mode == "nearest" {
		return x.IndexSelect(d, tensor.FromInts(at[0]))
	}
	shape := make([]int, x.Dims())
	for i := range shape {
		shape[i] = 1
	}
	shape[d] = to
	var y tt
	for k := range taps {
		part := x.IndexSelect(d, tensor.FromInts(at[k])).Mul(tensor.New(by[k], shape...))
		if y == nil {
			y = part
		} else {
			y = y.Add(part)
		}
	}
	return y
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

// cubic are the weights of four neighbours at distance f from the second
// (Keys, "Cubic Convolution Interpolation", 1981).
func cubic(f, a float64) []float64 {
	near := func(x float64) float64 { return ((a+2)*x-(a+3))*x*x + 1 }
	far := func(x float64) float64 { return ((a*x-5*a)*x+8*a)*x - 4*a }
	return []float64{far(1 + f), near(f), near(1 - f), far(2 - f)}
}
