// Augmentation runs inside of the compiled step: each image of the batch is
// read through its own affine map, so that augmented images cost one gather
// and no pass over the data, and are the same on every device for a seed.

package train

import (
	"fmt"
	"math"

	"github.com/weft-ml/weft/tensor"
)

// Augment says how far a training image may be moved at random. Every image of
// every batch draws its own numbers, uniform between the bounds.
type Augment struct {
	// Shift moves by up to this share of the side, in each direction.
	Shift float64 `json:"shift"`
	// Rotate turns about the centre by up to this many degrees.
	Rotate float64 `json:"rotate"`
	// Scale enlarges or shrinks about the centre by up to this share.
	Scale float64 `json:"scale"`
	// Nearest takes the nearest pixel instead of interpolating between four.
	Nearest bool `json:"nearest,omitempty"`
}

func (a Augment) check() error {
	if !(a.Shift >= 0 && a.Shift < 1) || !(a.Rotate >= 0 && a.Rotate <= 180) || !(a.Scale >= 0 && a.Scale < 1) {
		return fmt.Errorf("augment: shift %v and scale %v are shares of 1, rotate %v is degrees up to 180", a.Shift, a.Scale, a.Rotate)
	}
	return nil
}

// none reports whether images stay as they are.
func (a Augment) none() bool { return a.Shift == 0 && a.Rotate == 0 && a.Scale == 0 }

// gather reads images index [b] of flat, which holds n images of c planes of
// h x w bytes end to end, each through its random affine map with bilinear
// interpolation or from the nearest pixel; beyond the edge is 0. The result is
// Float32 [b, c, h, w] in 0..255.
//
// The map runs backwards, from the pixel to where its value comes from:
// source = centre + R (pixel - centre) / scale - shift. It is a product of
// each image's 2x3 matrix with the pixels' coordinates, so that random numbers
// and sines are computed once for an image and not once for a pixel.
func (a Augment) gather(t *tensor.Trace, flat, index *tensor.Tensor, c, h, w int) *tensor.Tensor {
	b := index.Dim(0)
	between := func(bound float64) *tensor.Tensor {
		return t.Uniform(b).MulScalar(2 * bound).AddScalar(-bound)
	}
	cy, cx := float64(h-1)/2, float64(w-1)/2
	pixel := tensor.Arange(h * w)
	row := pixel.Div(whole(w))
	grid := tensor.Stack(0,
		row.To(tensor.Float32).AddScalar(-cy),
		pixel.Sub(row.MulScalar(float64(w))).To(tensor.Float32).AddScalar(-cx),
		tensor.Full(1, h*w))
	// Draws happen in this order whatever is switched on, so that a bound of
	// one kind does not change the numbers of another.
	dy, dx := between(a.Shift*float64(h)), between(a.Shift*float64(w))
	angle := between(a.Rotate * math.Pi / 180)
	zoom := between(a.Scale).AddScalar(1).Reciprocal()
	sin, cos := angle.Sin().Mul(zoom), angle.Cos().Mul(zoom)
	rows := tensor.Stack(1,
		tensor.Stack(1, cos, sin, dy.Neg().AddScalar(cy)),
		tensor.Stack(1, sin.Neg(), cos, dx.Neg().AddScalar(cx)))
	source := rows.Reshape(2*b, 3).MatMul(grid).Reshape(b, 2, h, w)
	sy, sx := source.Slice(1, 0, 1).Squeeze(1), source.Slice(1, 1, 2).Squeeze(1)

	// Truncation of positive numbers is floor, and cheaper.
	far := float64(4 * max(h, w))
	base := index.Reshape(b, 1, 1, 1).MulScalar(float64(c)).Add(tensor.Arange(c).Reshape(1, c, 1, 1)).MulScalar(float64(h * w))
	if a.Nearest {
		round := func(s *tensor.Tensor) *tensor.Tensor { return s.AddScalar(far + 0.5).To(tensor.Int32).AddScalar(-far) }
		iy, ix := round(sy), round(sx)
		seen := within(iy, h).And(within(ix, w)).Reshape(b, 1, h, w)
		at := iy.MulScalar(float64(w)).Add(ix).Reshape(b, 1, h, w).Add(base)
		v := flat.IndexSelect(0, at.Reshape(-1)).To(tensor.Float32).Reshape(b, c, h, w)
		return tensor.Where(seen, v, tensor.Scalar(0))
	}
	split := func(s *tensor.Tensor, side int) (at *tensor.Tensor, weights [2]*tensor.Tensor) {
		at = s.AddScalar(far).To(tensor.Int32).AddScalar(-far)
		f := s.Sub(at.To(tensor.Float32))
		zero := tensor.Scalar(0)
		return at, [2]*tensor.Tensor{
			tensor.Where(within(at, side), f.Neg().AddScalar(1), zero),
			tensor.Where(within(at.AddScalar(1), side), f, zero),
		}
	}
	iy, wy := split(sy, h)
	ix, wx := split(sx, w)
	at := iy.MulScalar(float64(w)).Add(ix).Reshape(b, 1, h, w).Add(base)
	sum := tensor.Scalar(0)
	for corner := range 4 {
		y, x := corner/2, corner%2
		v := flat.IndexSelect(0, at.AddScalar(float64(y*w+x)).Reshape(-1)).To(tensor.Float32).Reshape(b, c, h, w)
		sum = sum.Add(v.Mul(wy[y].Mul(wx[x]).Reshape(b, 1, h, w)))
	}
	return sum
}

// within tells which coordinates lie in an image of that side.
func within(at *tensor.Tensor, side int) *tensor.Tensor {
	return at.Ge(whole(0)).And(at.Lt(whole(side)))
}

// whole is an Int32 constant, which occupies no memory.
func whole(v int) *tensor.Tensor { return tensor.Arange(1).AddScalar(float64(v)) }
