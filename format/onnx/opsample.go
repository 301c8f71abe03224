// Operators that read images and volumes at computed positions.

package onnx

import (
	"math"

	"github.com/weft-ml/weft/tensor"
)

func init() {
	register(map[string]func(c *call) []val{"GridSample": gridSample, "AffineGrid": affineGrid, "RoiAlign": roiAlign})
}

// gridSample: the modes have other names from opset 20 on.
func gridSample(c *call) []val {
	x, grid := c.tensor(0), c.tensor(1)
	o := tensor.SampleOptions{AlignCorners: c.int("align_corners", 0) != 0}
	switch mode := c.text("mode", "linear"); mode {
	case "linear", "bilinear":
	case "nearest":
		o.Nearest = true
	case "cubic", "bicubic":
		o.Cubic = true
	default:
		c.fail("mode %s: linear, nearest and cubic are known", quote(mode))
	}
	switch mode := c.text("padding_mode", "zeros"); mode {
	case "zeros":
	case "border":
		o.Border = true
	case "reflection":
		o.Reflection = true
	default:
		c.fail("padding_mode %s: zeros, border and reflection are known", quote(mode))
	}
	return one1(x.GridSample(grid, o).To(x.DType().Compute()))
}

// affineGrid has as many positions as size says behind samples and channels; the
// samples are those of the maps.
func affineGrid(c *call) []val {
	theta, size := c.tensor(0), c.ints(1)
	aligned := c.int("align_corners", 0) != 0
	if len(size) != 4 && len(size) != 5 {
		c.fail("size %v: [N, C, H, W] or [N, C, D, H, W] is needed", size)
	}
	c.elements(append([]int{theta.Dim(0)}, size[2:]...))
	if len(size) == 5 {
		return one1(tensor.AffineGrid3d(theta, size[2], size[3], size[4], aligned))
	}
	return one1(tensor.AffineGrid(theta, size[2], size[3], aligned))
}

// roi are the numbers of RoiAlign (He et al., "Mask R-CNN", 2017) along one
// dimension of the image.
type roi struct {
	size, out   int // of the image, of the result
	samples     int // of each cell at most
	start, step tt  // [R] where the region begins, and the height or width of a cell
	count       tt  // [R] samples of each cell, as Float32
}

// roiAlign cuts regions out of images and resamples each to one size: cells, each
// the mean or the greatest of some samples.
func roiAlign(c *call) []val {
	x, rois := c.tensor(0), c.tensor(1)
	if x.Dims() != 4 || rois.Dims() != 2 || rois.Dim(1) != 4 {
		c.fail("input %v, regions %v: [N, C, H, W] and [R, 4] are needed", x.Shape(), rois.Shape())
	}
	batch, shape := c.index(2, x.Dim(0))
	if len(shape) != 1 || shape[0] != rois.Dim(0) {
		c.fail("batch_indices %v for %d regions", shape, rois.Dim(0))
	}
	def := "half_pixel"
	if c.net.model.opset < 16 {
		def = "output_half_pixel"
	}
	half := false
	switch mode := c.text("coordinate_transformation_mode", def); mode {
	case "half_pixel":
		half = true
	case "output_half_pixel":
	default:
		c.fail("coordinate_transformation_mode %s: half_pixel and output_half_pixel are known", quote(mode))
	}
	greatest := false
	switch mode := c.text("mode", "avg"); mode {
	case "avg":
	case "max":
		greatest = true
	default:
		c.fail("mode %s: avg and max are known", quote(mode))
	}
	ratio := c.int("sampling_ratio", 0)
	h, w := c.int("output_height", 1), c.int("output_width", 1)
	if ratio < 0 || ratio > 1<<10 || h < 1 || w < 1 {
		c.fail("sampling_ratio %d, output_height %d, output_width %d", ratio, h, w)
	}
	c.elements([]int{rois.Dim(0), x.Dim(1), h, w})
	side := func(k, size, out int) roi {
		edge := func(i int) tt {
			e := rois.Slice(1, i, i+1).Reshape(-1).MulScalar(c.float("spatial_scale", 1))
			if half {
				e = e.AddScalar(-0.5)
			}
			return e
		}
		r := roi{size: size, out: out, samples: ratio, start: edge(k)}
		length := edge(k + 2).Sub(r.start)
		if !half {
			length = length.Maximum(tensor.Scalar(1))
		}
		r.step = length.MulScalar(1 / float64(out))
		r.count = tensor.Full(float64(ratio), rois.Dim(0))
		if ratio == 0 { // as many as the cell has pixels: more than twice the image is not expected
			r.count = r.step.Ceil()
			r.samples = (2*size+out-1)/out + 1
			most := tensor.Scalar(float64(r.samples))
			r.start = tensor.Where(r.count.Gt(most), tensor.Scalar(math.NaN()), r.start)
		}
		return r
	}
	rows, cols := side(1, x.Dim(2), h), side(0, x.Dim(3), w)
	if greatest || ratio > 0 {
		return one1(sampledRegions(c, x, batch, rows, cols, greatest))
	}
	return one1(weighedRegions(x, batch, rows, cols))
}

// places are the positions of samples, [R, out, samples], and whether they count:
// within a pixel of the image, and not beyond the region's number of samples.
func (r roi) places() (p, counts tt) {
	cell := tensor.Arange(r.out).To(tensor.Float32).Reshape(1, r.out, 1)
	i := tensor.Arange(r.samples).To(tensor.Float32).Reshape(1, 1, r.samples)
	of := func(t tt) tt { return t.Reshape(-1, 1, 1) }
	p = of(r.start).Add(of(r.step).Mul(cell.Add(i.AddScalar(0.5).Div(of(r.count).Maximum(tensor.Scalar(1))))))
	far := p.Lt(tensor.Scalar(-1)).Or(p.Gt(tensor.Scalar(float64(r.size)))) // so that a NaN counts
	counts = far.Not().And(i.Lt(of(r.count)))
	return p.Maximum(tensor.Scalar(0)).Minimum(tensor.Scalar(float64(r.size - 1))), counts
}

// weighedRegions are means, of regions whose numbers of samples are their own. The
// samples of a cell are a grid, so that the mean is one of rows and one of columns:
// two products with matrices of weights.
func weighedRegions(x, batch tt, rows, cols roi) tt {
	weights := func(r roi) tt { // [R, out, size]
		p, counts := r.places()
		at := tensor.Arange(r.size).To(tensor.Float32).Reshape(1, 1, 1, r.size)
		near := p.Unsqueeze(-1).Sub(at).Abs().MulScalar(-1).AddScalar(1).Maximum(tensor.Scalar(0))
		return tensor.Where(counts.Unsqueeze(-1), near, tensor.Scalar(0)).Sum(2).Div(r.count.Maximum(tensor.Scalar(1)).Reshape(-1, 1, 1))
	}
	n, c, h, w := batch.Len(), x.Dim(1), x.Dim(2), x.Dim(3)
	y := x.IndexSelect(0, batch).Reshape(n, c*h, w).MatMul(weights(cols).Transpose(1, 2)) // [R, C*H, out]
	y = y.Reshape(n, c, h, cols.out).Permute(0, 2, 1, 3).Reshape(n, h, c*cols.out)
	return weights(rows).MatMul(y).Reshape(n, rows.out, c, cols.out).Permute(0, 2, 1, 3)
}

// sampledRegions reads the four pixels around each sample. The greatest is that of
// the pixels times their shares, as ONNX Runtime has it, not of interpolated samples.
func sampledRegions(c *call, x, batch tt, rows, cols roi, greatest bool) tt {
	n, ch, h, w := batch.Len(), x.Dim(1), x.Dim(2), x.Dim(3)
	full := []int{n, rows.out, rows.samples, cols.out, cols.samples}
	total := c.elements(full)
	c.elements([]int{ch, total})
	c.elements([]int{x.Dim(0), h, w})
	lift := func(t tt, r roi, d int) tt {
		if d == 0 {
			return t.Reshape(n, r.out, r.samples, 1, 1)
		}
		return t.Reshape(n, 1, 1, r.out, r.samples)
	}
	type end struct{ at, share tt }
	ends := func(r roi, d int) ([]end, tt) {
		p, counts := r.places()
		low := p.Floor()
		share := p.Sub(low)
		first := low.To(tensor.Int32)
		second := first.AddScalar(1).Minimum(integerOf(r.size - 1))
		return []end{{lift(first, r, d), lift(share.MulScalar(-1).AddScalar(1), r, d)}, {lift(second, r, d), lift(share, r, d)}}, lift(counts, r, d)
	}
	ys, inY := ends(rows, 0)
	xs, inX := ends(cols, 1)
	table := x.Permute(1, 0, 2, 3).Reshape(ch, -1)
	image := batch.MulScalar(float64(h)).Reshape(n, 1, 1, 1, 1)
	var acc tt
	for _, a := range ys {
		for _, b := range xs {
			at := image.Add(a.at).MulScalar(float64(w)).Add(b.at).Reshape(1, total)
			v := table.Gather(1, at.Expand(ch, total)).Mul(a.share.Mul(b.share).Expand(full...).Reshape(1, total))
			switch {
			case acc == nil:
				acc = v
			case greatest:
				acc = acc.Maximum(v)
			default:
				acc = acc.Add(v)
			}
		}
	}
	shape := append([]int{ch}, full...)
	acc, counts := acc.Reshape(shape...), inY.And(inX)
	if !greatest {
		sum := tensor.Where(counts, acc, tensor.Scalar(0)).Sum(3, 5)
		return sum.MulScalar(1/float64(rows.samples*cols.samples)).Transpose(0, 1)
	}
	// Samples far outside are 0; those beyond a region's number are none.
	of := func(r roi, d int) tt {
		i := tensor.Arange(r.samples).To(tensor.Float32).Reshape(1, 1, r.samples)
		return lift(i.Lt(r.count.Reshape(-1, 1, 1)).Expand(n, r.out, r.samples), r, d)
	}
	exists := of(rows, 0).And(of(cols, 1))
	most := tensor.Where(exists, tensor.Where(counts, acc, tensor.Scalar(0)), tensor.Scalar(math.Inf(-1))).Amax(3, 5)
	none := rows.count.Lt(tensor.Scalar(1)).Or(cols.count.Lt(tensor.Scalar(1))).Reshape(1, n, 1, 1)
	return tensor.Where(none, tensor.Scalar(0), most).Transpose(0, 1)
}
