package tensor

import (
	"math"

	"github.com/weft-ml/weft/internal/ir"
)

// Resampling of images [N, C, H, W]. Everything is composed of gathers and
// arithmetic on positions, which are computed where they are used; a gather's
// gradient compares each target with each source along the gathered
// dimension, so that gradients of the image cost more than the image itself.

// InterpolateOptions are the choices of Interpolate; the zero value is bilinear
// with corners that are not aligned.
type InterpolateOptions struct {
	Nearest bool // the pixel on whose area the target begins, instead of bilinear
	// AlignCorners puts the outermost pixels' centres onto each other instead
	// of the images' edges. It has no meaning for Nearest.
	AlignCorners bool
}

// Interpolate resizes images x [N, C, H, W] to [N, C, height, width], as
// torch.nn.functional.interpolate does for a size (without antialiasing).
func (x *Tensor) Interpolate(height, width int, o InterpolateOptions) *Tensor {
	if x.Dims() != 4 || height < 1 || width < 1 {
		panic(ir.NewError("interpolate", "input %v to %dx%d: images have four dimensions, and sizes are at least 1", x.Shape(), height, width))
	}
	return x.To(Float32).resize(2, height, o).resize(3, width, o)
}

// resize interpolates along dimension d. Positions are fractions of integers,
// so that which pixels are read does not depend on rounding.
func (x *Tensor) resize(d, to int, o InterpolateOptions) *Tensor {
	n := x.Dim(d)
	i := Arange(to)
	if n == to {
		return x
	}
	if 2*n*to > math.MaxInt32 {
		return x.resizeWide(d, to, o)
	}
	if o.Nearest {
		return x.IndexSelect(d, i.MulScalar(float64(n)).Div(i.like(float64(to))))
	}
	// The position is place / unit: (i + 1/2) n/to - 1/2, not below 0, or
	// i (n-1)/(to-1) with aligned corners.
	unit := 2 * to
	place := i.MulScalar(float64(2 * n)).AddScalar(float64(n - to)).Maximum(i.like(0))
	if o.AlignCorners {
		unit = max(to-1, 1)
		place = i.MulScalar(float64(n - 1))
	}
	first := place.Div(i.like(float64(unit)))
	return x.between(d, first, place.Sub(first.MulScalar(float64(unit))).To(Float32).MulScalar(1/float64(unit)))
}

// between interpolates along dimension d: share of the way from element first
// to the next.
func (x *Tensor) between(d int, first, share *Tensor) *Tensor {
	shape := ones(x.Dims())
	shape[d] = share.Len()
	low := x.IndexSelect(d, first)
	high := x.IndexSelect(d, first.AddScalar(1).Minimum(first.like(float64(x.Dim(d)-1))))
	return low.Add(high.Sub(low).Mul(share.Reshape(shape...)))
}

// resizeWide is resize where the fractions do not fit 32 bits: for long sequences
// the positions are a table.
func (x *Tensor) resizeWide(d, to int, o InterpolateOptions) *Tensor {
	n := x.Dim(d)
	first, share := make([]int32, to), make([]float32, to)
	for i := range to {
		place, unit := i*n, to
		switch {
		case o.Nearest:
		case o.AlignCorners:
			place, unit = i*(n-1), max(to-1, 1)
		default:
			place, unit = max(2*i*n+n-to, 0), 2*to
		}
		first[i], share[i] = int32(place/unit), float32(float64(place%unit)/float64(unit))
	}
	if o.Nearest {
		return x.IndexSelect(d, FromInts(first))
	}
	return x.between(d, FromInts(first), New(share))
}

// AffineGrid returns the positions [N, height, width, 2] from which GridSample
// makes images that are moved by the maps theta [N, 2, 3]: theta times (x, y, 1)
// for each pixel's centre. Positions are (x, y) from -1 to 1: from edge to edge
// of the image or, with alignCorners, from the first to the last pixel's centre.
func AffineGrid(theta *Tensor, height, width int, alignCorners bool) *Tensor {
	if theta.Dims() != 3 || theta.Dim(1) != 2 || theta.Dim(2) != 3 {
		panic(ir.NewError("affine_grid", "maps of shape %v: [N, 2, 3] is needed", theta.Shape()))
	}
	checkShape("affine_grid", []int{height, width})
	centres := func(n int, shape ...int) *Tensor {
		i := Arange(n).To(Float32)
		switch {
		case !alignCorners:
			i = i.MulScalar(2 / float64(n)).AddScalar(1/float64(n) - 1)
		case n == 1:
			i = Zeros(1)
		default:
			i = i.MulScalar(2 / float64(n-1)).AddScalar(-1)
		}
		return i.Reshape(shape...)
	}
	column := func(j int) *Tensor { return theta.Slice(2, j, j+1).Reshape(-1, 1, 1, 2) }
	return centres(width, 1, 1, width, 1).Mul(column(0)).Add(centres(height, 1, height, 1, 1).Mul(column(1))).Add(column(2))
}

// SampleOptions are the choices of GridSample; the zero value is bilinear, with
// zeros beyond the edges and corners that are not aligned, which is PyTorch's
// default.
type SampleOptions struct {
	Nearest      bool // the nearest pixel instead of bilinear
	Border       bool // the nearest pixel of the image beyond its edges, instead of zeros
	AlignCorners bool // -1 and 1 are the outermost pixels' centres instead of the edges
}

// GridSample reads images x [N, C, H, W] at positions grid [N, H', W', 2],
// each an (x, y) as AffineGrid makes them, into [N, C, H', W'] (Jaderberg et
// al., "Spatial Transformer Networks", 2015).
func (x *Tensor) GridSample(grid *Tensor, o SampleOptions) *Tensor {
	if x.Dims() != 4 || grid.Dims() != 4 || grid.Dim(3) != 2 || grid.Dim(0) != x.Dim(0) {
		panic(ir.NewError("grid_sample", "input %v and grid %v: [N, C, H, W] and [N, H', W', 2] are needed", x.Shape(), grid.Shape()))
	}
	n, c, h, w := x.Dim(0), x.Dim(1), x.Dim(2), x.Dim(3)
	oh, ow := grid.Dim(1), grid.Dim(2)
	flat := x.To(Float32).Reshape(n, c, h*w)
	// pixels turns a coordinate into a position in pixels. What lies outside
	// by more than a pixel is drawn near, so that it fits an integer; nothing
	// is read there, so this has no gradient to lose.
	pixels := func(k, side int) *Tensor {
		p := grid.To(Float32).Slice(3, k, k+1).Reshape(n, 1, oh*ow)
		if o.AlignCorners {
			p = p.AddScalar(1).MulScalar(float64(side-1) / 2)
		} else {
			p = p.MulScalar(float64(side) / 2).AddScalar(float64(side-1) / 2)
		}
		if o.Border {
			return p.Clamp(0, float64(side-1))
		}
		return p.Clamp(-2, float64(side)+1)
	}
	px, py := pixels(0, w), pixels(1, h)
	read := func(ix, iy *Tensor) *Tensor { // whole numbers, as Float32
		at := iy.To(Int32).MulScalar(float64(w)).Add(ix.To(Int32))
		v := flat.Gather(2, at.Clamp(0, float64(h*w-1)).Expand(n, c, oh*ow))
		zero := ix.like(0)
		inside := ix.Ge(zero).And(ix.Le(ix.like(float64(w - 1)))).And(iy.Ge(zero)).And(iy.Le(iy.like(float64(h - 1))))
		return Where(inside, v, zero)
	}
	if o.Nearest {
		return read(px.Round(), py.Round()).Reshape(n, c, oh, ow)
	}
	x0, y0 := px.Floor(), py.Floor()
	fx, fy := px.Sub(x0), py.Sub(y0)
	row := func(iy *Tensor) *Tensor {
		low := read(x0, iy)
		return low.Add(read(x0.AddScalar(1), iy).Sub(low).Mul(fx))
	}
	top := row(y0)
	return top.Add(row(y0.AddScalar(1)).Sub(top).Mul(fy)).Reshape(n, c, oh, ow)
}
