// Windows of signal processing, matrices that are not images, and other functions
// that take more than a line.

package onnx

import (
	"math"
	"math/bits"
	"slices"

	"github.com/weft-ml/weft/tensor"
)

func init() {
	register(map[string]func(c *call) []val{
		"HannWindow":     window3(0.5, 0.5, 0),
		"HammingWindow":  window3(25.0/46, 21.0/46, 0),
		"BlackmanWindow": window3(0.42, 0.5, 0.08),
		"Shrink":         floaty(shrink), "MeanVarianceNormalization": floaty(meanVariance),
		"CumProd": cumulative(cumProd, 1), "Det": determinant, "Col2Im": columnsToImage,
	})
}

// window3 is a - b cos(2πi/n) + c cos(4πi/n).
func window3(a, b, d float64) func(*call) []val {
	return func(c *call) []val {
		size := c.number(0)
		if !(size >= 0 && size <= maxHost) {
			c.fail("a window of %g", size)
		}
		kind := elem(c.int("output_datatype", int(elemFloat)))
		if elemSize[kind] == 0 {
			c.fail("element type %d", kind)
		}
		h := &host{kind, []int{int(size)}, make([]float64, int(size))}
		n := size
		if c.int("periodic", 1) == 0 {
			n--
		}
		for i := range h.v {
			t := 2 * math.Pi * float64(i) / max(n, 1)
			h.v[i] = narrowed(kind, a-b*math.Cos(t)+d*math.Cos(2*t))
		}
		return []val{{h: h}}
	}
}

// cumProd multiplies the elements up to each.
func cumProd(x tt, d int) tt {
	n := x.Dim(d)
	shape := slices.Repeat([]int{1}, x.Dims()+1)
	shape[d], shape[d+1] = n, n
	upTo := tensor.Full(1, n, n).Tril(0).EqScalar(1).Reshape(shape...)
	return tensor.Where(upTo, x.Unsqueeze(d), tensor.Scalar(1).To(x.DType().Compute())).Prod(d + 1)
}

// shrink moves elements towards 0, those that are near to 0 itself.
func shrink(c *call, x tt) tt {
	far, by := c.float("lambd", 0.5), c.float("bias", 0)
	return tensor.Where(x.Lt(tensor.Scalar(-far)), x.AddScalar(by), tensor.Where(x.Gt(tensor.Scalar(far)), x.AddScalar(-by), tensor.Scalar(0)))
}

func meanVariance(c *call, x tt) tt {
	axes := []int{0, 2, 3}
	if l := c.list("axes"); l != nil {
		axes = l
	}
	axes = c.axes(axes, x.Dims())
	d := x.Sub(x.MeanKeep(axes...))
	return d.Div(d.Square().MeanKeep(axes...).Sqrt().AddScalar(1e-9))
}

// determinant expands along the rows; minors of the first rows are shared.
func determinant(c *call) []val {
	x := c.tensor(0)
	r := x.Dims()
	const most = 8
	if r < 2 || x.Dim(r-1) != x.Dim(r-2) || x.Dim(r-1) > most {
		c.fail("of %v; square matrices of up to %d rows are supported", x.Shape(), most)
	}
	n := x.Dim(r - 1)
	minors := make([]tt, 1<<n)
	for set := 1; set < 1<<n; set++ {
		row := bits.OnesCount(uint(set)) - 1
		sign := 1.0
		if row%2 == 1 {
			sign = -1
		}
		for j := range n {
			if set>>j&1 == 0 {
				continue
			}
			term := x.Slice(r-2, row, row+1).Slice(r-1, j, j+1).Reshape(x.Shape()[:r-2]...).MulScalar(sign)
			if m := minors[set&^(1<<j)]; m != nil {
				term = term.Mul(m)
			}
			if sign = -sign; minors[set] == nil {
				minors[set] = term
			} else {
				minors[set] = minors[set].Add(term)
			}
		}
	}
	return one1(minors[1<<n-1])
}

// columnsToImage adds up blocks where they lie in an image of any number of dimensions.
func columnsToImage(c *call) []val {
	x, image, block := c.tensor(0), c.ints(1), c.ints(2)
	r := len(image)
	either := func(name string, def, n int) []int {
		l := c.list(name)
		if l == nil {
			l = slices.Repeat([]int{def}, n)
		}
		if len(l) != n || slices.Min(l) < def || slices.Max(l) > math.MaxInt32 {
			c.fail("%s %v for %d dimensions", name, l, r)
		}
		return l
	}
	if r == 0 || len(block) != r || x.Dims() != 3 || slices.Min(image) < 1 || slices.Min(block) < 1 {
		c.fail("input %v, image %v, block %v", x.Shape(), image, block)
	}
	stride, dilation, pads := either("strides", 1, r), either("dilations", 1, r), either("pads", 0, 2*r)
	taps, places := c.elements(block), 1
	var across, padded []int // blocks along each dimension
	for d := range r {
		padded = append(padded, image[d]+pads[d]+pads[r+d])
		across = append(across, (padded[d]-dilation[d]*(block[d]-1)-1)/stride[d]+1)
		places *= across[d]
	}
	c.elements(slices.Concat(x.Shape()[:1], padded))
	if slices.Min(across) < 1 || taps > 1<<10 || x.Dim(1)%taps != 0 || x.Dim(2) != places {
		c.fail("input %v, image %v, block %v", x.Shape(), image, block)
	}
	n, channels := x.Dim(0), x.Dim(1)/taps
	x = x.Reshape(slices.Concat([]int{n, channels, taps}, across)...)
	step := strides(block)
	var y tt
	for t := range taps {
		part := x.Slice(2, t, t+1).Reshape(slices.Concat([]int{n, channels}, across)...)
		for d := range r { // apart by the stride, and moved to its place
			at := t / step[d] % block[d] * dilation[d]
			s := part.Shape()
			spread := make([][2]int, len(s)+1)
			spread[d+3] = [2]int{0, stride[d] - 1}
			wide := slices.Clone(s)
			wide[d+2] *= stride[d]
			part = part.Unsqueeze(d+3).Pad(0, spread...).Reshape(wide...)
			part = part.Slice(d+2, 0, (across[d]-1)*stride[d]+1)
			around := make([][2]int, len(s))
			around[d+2] = [2]int{at, padded[d] - at - part.Dim(d+2)}
			part = part.Pad(0, around...)
		}
		if y == nil {
			y = part
		} else {
			y = y.Add(part)
		}
	}
	for d := range r {
		y = y.Slice(d+2, pads[d], pads[d]+image[d])
	}
	return one1(y)
}
