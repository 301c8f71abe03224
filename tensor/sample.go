package tensor

import (
	"github.com/weft-ml/weft/internal/ir"
)

// Sampling of images and volumes at computed positions. Each position lies between
// 2^n elements of n dimensions, or 4^n with the cubic curve; they are found along
// each dimension on its own, and combined from the last dimension outwards.

// AffineGrid returns the positions [N, height, width, 2] from which GridSample
// makes images that are moved by the maps theta [N, 2, 3]: theta times (x, y, 1)
// for each pixel's centre. Positions are (x, y) from -1 to 1: from edge to edge
// of the image or, with alignCorners, from the first to the last pixel's centre.
func AffineGrid(theta *Tensor, height, width int, alignCorners bool) *Tensor {
	if theta.Dims() != 3 || theta.Dim(1) != 2 || theta.Dim(2) != 3 {
		panic(ir.NewError("affine_grid", "maps of shape %v: [N, 2, 3] is needed", theta.Shape()))
	}
	return affineGrid(theta, alignCorners, height, width)
}

// AffineGrid3d is AffineGrid for volumes: positions [N, depth, height, width, 3],
// each an (x, y, z), for maps theta [N, 3, 4].
func AffineGrid3d(theta *Tensor, depth, height, width int, alignCorners bool) *Tensor {
	if theta.Dims() != 3 || theta.Dim(1) != 3 || theta.Dim(2) != 4 {
		panic(ir.NewError("affine_grid", "maps of shape %v: [N, 3, 4] is needed", theta.Shape()))
	}
	return affineGrid(theta, alignCorners, depth, height, width)
}

func affineGrid(theta *Tensor, alignCorners bool, size ...int) *Tensor {
	checkShape("affine_grid", size)
	r := len(size)
	column := func(j int) *Tensor {
		shape := ones(r + 2)
		shape[0], shape[r+1] = -1, r
		return theta.Slice(2, j, j+1).Reshape(shape...)
	}
	var sum *Tensor
	for k := range r { // x, y, z: the last dimension first
		n := size[r-1-k]
		i := Arange(n).To(Float32)
		switch {
		case !alignCorners:
			i = i.MulScalar(2 / float64(n)).AddScalar(1/float64(n) - 1)
		case n == 1:
			i = Zeros(1)
		default:
			i = i.MulScalar(2 / float64(n-1)).AddScalar(-1)
		}
		shape := ones(r + 2)
		shape[r-k] = n
		if part := i.Reshape(shape...).Mul(column(k)); sum == nil {
			sum = part
		} else {
			sum = sum.Add(part)
		}
	}
	return sum.Add(column(r))
}

// SampleOptions are the choices of GridSample; the zero value is bilinear, with
// zeros beyond the edges and corners that are not aligned, which is PyTorch's
// default.
type SampleOptions struct {
	Nearest      bool // the nearest pixel instead of bilinear
	Cubic        bool // the cubic curve through four pixels each way (Keys, 1981, with a = -0.75), instead of bilinear
	Border       bool // the nearest pixel of the image beyond its edges, instead of zeros
	Reflection   bool // the image mirrored at its edges, or at its outermost pixels if corners are aligned, instead of zeros
	AlignCorners bool // -1 and 1 are the outermost pixels' centres instead of the edges
}

// GridSample reads images x [N, C, H, W] at positions grid [N, H', W', 2],
// each an (x, y) as AffineGrid makes them, into [N, C, H', W'] (Jaderberg et
// al., "Spatial Transformer Networks", 2015); or volumes [N, C, D, H, W] at
// positions [N, D', H', W', 3].
func (x *Tensor) GridSample(grid *Tensor, o SampleOptions) *Tensor {
	r := x.Dims() - 2
	if r < 2 || r > 3 || grid.Dims() != r+2 || grid.Dim(-1) != r || grid.Dim(0) != x.Dim(0) {
		panic(ir.NewError("grid_sample", "input %v and grid %v: [N, C, H, W] and [N, H', W', 2], or [N, C, D, H, W] and [N, D', H', W', 3], are needed", x.Shape(), grid.Shape()))
	}
	if o.Nearest && o.Cubic || o.Border && o.Reflection {
		panic(ir.NewError("grid_sample", "nearest and cubic, or border and reflection, exclude each other"))
	}
	n, c := x.Dim(0), x.Dim(1)
	shape := append([]int{n, c}, grid.Shape()[1:r+1]...)
	count := ir.NumElems(shape[2:])
	size := ir.NumElems(x.Shape()[2:])
	flat := x.To(Float32).Reshape(n, c, size)
	all := make([][]tap, r)
	for d := range r {
		p := grid.To(Float32).Slice(-1, r-1-d, r-d).Reshape(n, 1, count)
		all[d] = taps(p, x.Dim(2+d), o)
	}
	// read combines what is read along dimensions d and behind, for the choices
	// along those before it.
	var read func(d int, at, inside *Tensor) *Tensor
	read = func(d int, at, inside *Tensor) *Tensor {
		if d == r {
			v := flat.Gather(2, at.Expand(n, c, count))
			if inside != nil {
				v = Where(inside, v, v.like(0))
			}
			return v
		}
		part := func(t tap) *Tensor {
			here, in := t.at, inside
			if at != nil {
				here = at.MulScalar(float64(x.Dim(2 + d))).Add(here)
			}
			if in == nil {
				in = t.inside
			} else if t.inside != nil {
				in = in.And(t.inside)
			}
			return read(d+1, here, in)
		}
		list := all[d]
		first := part(list[0])
		switch len(list) {
		case 1:
			return first
		case 2:
			return first.Add(part(list[1]).Sub(first).Mul(list[1].weight))
		}
		sum := first.Mul(list[0].weight)
		for _, t := range list[1:] {
			sum = sum.Add(part(t).Mul(t.weight))
		}
		return sum
	}
	return read(0, nil, nil).Reshape(shape...)
}

// tap is an element along one dimension: its index, whether that is inside (nil
// where it always is), and its share.
type tap struct{ at, inside, weight *Tensor }

// taps are the elements of a dimension of the given size that positions p, from -1
// to 1, lie between.
func taps(p *Tensor, size int, o SampleOptions) []tap {
	if o.AlignCorners {
		p = p.AddScalar(1).MulScalar(float64(size-1) / 2)
	} else {
		p = p.MulScalar(float64(size) / 2).AddScalar(float64(size-1) / 2)
	}
	// What lies outside by more than the curve reaches is drawn near, so that it fits
	// an integer; nothing else is read there, so this has no gradient to lose.
	switch {
	case o.Reflection:
		const far = 1 << 29
		p = p.Clamp(-far, far)
	case o.Border && !o.Cubic:
		p = p.Clamp(0, float64(size-1))
	default:
		p = p.Clamp(-3, float64(size)+2)
	}
	at := func(i *Tensor) tap {
		switch {
		case o.Reflection && o.AlignCorners && size == 1:
			return tap{at: i.MulScalar(0)}
		case o.Reflection:
			// Mirrored once, the image repeats.
			period, last := 2*size, float64(2*size-1)
			if o.AlignCorners {
				period, last = 2*size-2, float64(2*size-2)
			}
			i = i.Mod(i.like(float64(period)))
			return tap{at: i.Minimum(i.MulScalar(-1).AddScalar(last))}
		case o.Border:
			return tap{at: i.Clamp(0, float64(size-1))}
		}
		inside := i.Ge(i.like(0)).And(i.Le(i.like(float64(size - 1))))
		return tap{at: i.Clamp(0, float64(size-1)), inside: inside}
	}
	if o.Nearest {
		return []tap{at(p.Round().To(Int32))}
	}
	low := p.Floor()
	share := p.Sub(low)
	first := low.To(Int32)
	if !o.Cubic {
		a, b := at(first), at(first.AddScalar(1))
		b.weight = share
		return []tap{a, b}
	}
	// The curve at distance t from an element: 1 inside, or 2 outside of one step.
	const a = -0.75
	near := func(t *Tensor) *Tensor { // (a+2) t^3 - (a+3) t^2 + 1
		return t.MulScalar(a + 2).AddScalar(-a - 3).Mul(t).Mul(t).AddScalar(1)
	}
	further := func(t *Tensor) *Tensor { // a t^3 - 5a t^2 + 8a t - 4a
		return t.MulScalar(a).AddScalar(-5 * a).Mul(t).AddScalar(8 * a).Mul(t).AddScalar(-4 * a)
	}
	rest := share.MulScalar(-1).AddScalar(1)
	weights := []*Tensor{further(share.AddScalar(1)), near(share), near(rest), further(rest.AddScalar(1))}
	list := make([]tap, 4)
	for i := range list {
		list[i] = at(first.AddScalar(float64(i - 1)))
		list[i].weight = weights[i]
	}
	return list
}
