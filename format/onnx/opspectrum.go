// Spectra: discrete Fourier transforms as products with a table of cosines and
// sines, which is computed in float64; and the filters that go with them, which
// are constants (https://onnx.ai/onnx/operators/onnx__DFT.html). A table
// is as large as the square of the length: transforms of speech are some hundred
// points long, where a product is no slower than a fast algorithm's many passes.

package onnx

import (
	"math"
	"slices"

	"github.com/weft-ml/weft/tensor"
)

func init() {
	register(map[string]func(c *call) []val{
		"DFT": dft, "STFT": stft, "MelWeightMatrix": melWeightMatrix,
	})
	settings["STFT"] = []int{1, 2, 3}
}

// dft is the transform along one dimension; the last one has real and imaginary
// part, or the real part alone.
func dft(c *call) []val {
	x := c.tensor(0)
	rank := x.Dims()
	if rank < 2 || x.Dim(-1) != 1 && x.Dim(-1) != 2 {
		c.fail("a signal of shape %v: the last dimension is real and imaginary part, or the real part alone", x.Shape())
	}
	axis := c.int("axis", 1) // an attribute before opset 20
	if c.net.model.opset >= 20 {
		axis = -2
		if c.has(2) {
			axis = int(c.number(2))
		}
	}
	if axis = c.axis(axis, rank); axis == rank-1 {
		c.fail("dimension %d is that of real and imaginary part", axis)
	}
	inverse, onesided := c.int("inverse", 0) != 0, c.int("onesided", 0) != 0
	n := x.Dim(axis)
	if inverse && onesided { // half of a spectrum, and one point more
		n = 2 * (n - 1)
	}
	if c.has(1) {
		n = int(c.number(1))
	}
	if n < 1 || n > maxHost {
		c.fail("a length of %d", n)
	}
	if onesided && !inverse && x.Dim(-1) == 2 {
		c.fail("onesided is for real signals")
	}
	half := onesided && inverse
	most := n
	if half {
		most = n/2 + 1
	}
	// Longer than asked for is cut, and shorter counts as padded with zeros.
	if x.Dim(axis) > most {
		x = x.Slice(axis, 0, most)
	}
	order := make([]int, 0, rank)
	for d := range rank {
		if d != axis && d != rank-1 {
			order = append(order, d)
		}
	}
	x = x.Permute(append(order, axis, rank-1)...)
	if half {
		x = halfDoubled(x, n)
	}
	y := c.transform(x, n, inverse, onesided && !inverse, nil)
	if half {
		y = y.Slice(rank-1, 0, 1)
	}
	back := slices.Insert(slices.Clone(identityOrder(rank-2)), axis, rank-2)
	return one1(y.Permute(append(back, rank-1)...))
}

// halfDoubled is half of the spectrum x [.., bins, parts] of a real signal of n points,
// so that the real part of its inverse transform is that signal: the other half is its
// mirror image, conjugate, and adds as much as this one. Only what is its own image is
// there once: point 0, and the middle of an even n.
func halfDoubled(x tt, n int) tt {
	twice := make([]float32, x.Dim(-2))
	for i := range twice {
		if twice[i] = 2; i == 0 || 2*i == n {
			twice[i] = 1
		}
	}
	return x.Mul(tensor.New(twice, len(twice), 1))
}

func identityOrder(n int) []int {
	order := make([]int, n)
	for i := range order {
		order[i] = i
	}
	return order
}

// transform is the n-point transform of x [.., length, parts], [.., n, 2] or with
// onesided [.., n/2+1, 2]. Points of x are multiplied by window, if that is not nil.
func (c *call) transform(x tt, n int, inverse, onesided bool, window []float64) tt {
	length, parts := x.Dim(-2), x.Dim(-1)
	bins := n
	if onesided {
		bins = n/2 + 1
	}
	rows, cols := length*parts, bins*2
	if rows > maxHost/cols {
		c.fail("a transform of %d points: its table has %d x %d elements, and %d are the most", n, rows, cols, maxHost)
	}
	c.tabulate(rows * cols)
	sign, scale := -1.0, 1.0
	if inverse {
		sign, scale = 1, 1/float64(n)
	}
	table := make([]float32, rows*cols)
	for i := range length {
		w := scale
		if window != nil {
			w *= window[i]
		}
		for k := range bins {
			angle := 2 * math.Pi * float64(i*k%n) / float64(n)
			re, im := w*math.Cos(angle), w*sign*math.Sin(angle)
			at := i*parts*cols + 2*k
			table[at], table[at+1] = float32(re), float32(im)
			if parts == 2 {
				table[at+cols], table[at+cols+1] = float32(-im), float32(re)
			}
		}
	}
	shape := x.Shape()[:x.Dims()-2]
	flat := x.Reshape(append(slices.Clone(shape), rows)...)
	if len(shape) == 0 {
		flat = flat.Reshape(1, rows)
	}
	return flat.MatMul(tensor.New(table, rows, cols)).Reshape(append(slices.Clone(shape), bins, 2)...)
}

// stft transforms overlapping pieces of a signal [samples, length, parts].
func stft(c *call) []val {
	x := c.tensor(0)
	if x.Dims() == 2 {
		x = x.Unsqueeze(2)
	}
	if x.Dims() != 3 || x.Dim(2) != 1 && x.Dim(2) != 2 {
		c.fail("a signal of shape %v", x.Shape())
	}
	step, size := int(c.number(1)), 0
	switch {
	case c.has(3):
		size = int(c.number(3))
	case c.has(2) && len(c.in[2].shape()) == 1:
		size = c.in[2].shape()[0]
	default:
		c.fail("neither a window nor its length is given")
	}
	length, parts := x.Dim(1), x.Dim(2)
	if step < 1 || size < 1 || size > length {
		c.fail("frames of %d points every %d of %d", size, step, length)
	}
	onesided := c.int("onesided", 1) != 0
	if onesided && parts == 2 {
		c.fail("onesided is for real signals")
	}
	var window []float64
	var computed tt
	if c.has(2) {
		if !slices.Equal(c.in[2].shape(), []int{size}) {
			c.fail("a window of shape %v for frames of %d points", c.in[2].shape(), size)
		}
		if c.in[2].h != nil {
			window = c.in[2].h.v
		} else {
			computed = c.tensor(2).Unsqueeze(1)
		}
	}
	frames := (length-size)/step + 1
	c.tabulate(frames * size)
	at := make([]int32, 0, frames*size)
	for f := range frames {
		for i := range size {
			at = append(at, int32(f*step+i))
		}
	}
	pieces := x.IndexSelect(1, tensor.FromInts(at)).Reshape(x.Dim(0), frames, size, parts)
	if computed != nil {
		pieces = pieces.Mul(computed)
	}
	return one1(c.transform(pieces, size, false, onesided, window))
}

// melWeightMatrix is a matrix [bins, filters] of triangles that are as wide as the
// ear tells frequencies apart: 2595 log10(1 + f/700).
func melWeightMatrix(c *call) []val {
	filters, length, rate, low, high := int(c.number(0)), int(c.number(1)), c.number(2), c.number(3), c.number(4)
	bins := length/2 + 1
	if filters < 1 || length < 1 || length > maxHost || !(rate > 0) || !(low >= 0) || !(high >= low) || filters > maxHost/bins {
		c.fail("%d filters from %g to %g Hz of %d points at %g Hz", filters, low, high, length, rate)
	}
	kind := elem(c.int("output_datatype", int(elemFloat)))
	if elemSize[kind] == 0 {
		c.fail("the element type %d", kind)
	}
	mel := func(f float64) float64 { return 2595 * math.Log10(1+f/700) }
	edges := make([]int, filters+2)
	for i := range edges {
		m := mel(low) + float64(i)*(mel(high)-mel(low))/float64(len(edges))
		edges[i] = int(min(maxHost, math.Floor(float64(length+1)*700*(math.Pow(10, m/2595)-1)/rate)))
	}
	h := &host{kind, []int{bins, filters}, make([]float64, bins*filters)}
	for i := range filters {
		lower, center, higher := edges[i], edges[i+1], edges[i+2]
		for j := lower; j <= min(max(center, higher-1), bins-1); j++ {
			v := 1.0 // in the center
			switch {
			case j < center:
				v = float64(j-lower) / float64(center-lower)
			case j > center:
				v = float64(higher-j) / float64(higher-center)
			}
			h.v[j*filters+i] = narrowed(kind, v)
		}
	}
	return []val{{h: h}}
}
