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
