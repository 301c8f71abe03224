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
}

func (a Augment) check() error {
	if !(a.Shift >= 0 && a.Shift < 1) || !(a.Rotate >= 0 && a.Rotate <= 180) || !(a.Scale >= 0 && a.Scale < 1) {
		return fmt.Errorf("augment: shift %v and scale %v are shares of 1, rotate %v is degrees up to 180", a.Shift, a.Scale, a.Rotate)
	}
	return nil
}

// none reports whether images stay as they are.
func (a Augment) none() bool { return a == Augment{} }

// gather reads images index [b] of flat, which holds n images of c planes of
// h x w bytes end to end, each through its random affine map with bilinear
// interpolation; beyond the edge is 0. The result is Float32 [b, c, h, w] in
// 0..255.
//
// The map runs backwards, from the pixel to where its value comes from:
// source = centre + R (pixel - centre) / scale - shift.
func (a Augment) gather(t *tensor.Trace, flat, index *tensor.Tensor, c, h, w int) *tensor.Tensor {
	b := index.Dim(0)
	between := func(bound float64) *tensor.Tensor {
		return t.Uniform(b, 1, 1).MulScalar(2 * bound).AddScalar(-bound)
	}
	cy, cx := float64(h-1)/2, float64(w-1)/2
	y := tensor.Arange(h).To(tensor.Float32).AddScalar(-cy).Reshape(1, h, 1)
	x := tensor.Arange(w).To(tensor.Float32).AddScalar(-cx).Reshape(1, 1, w)
	// Draws happen in this order whatever is switched on, so that a bound of
	// one kind does not change the numbers of another.
	dy, dx := between(a.Shift*float64(h)), between(a.Shift*float64(w))
	angle := between(a.Rotate * math.Pi / 180)
	zoom := between(a.Scale).AddScalar(1).Reciprocal()
	sin, cos := angle.Sin().Mul(zoom), angle.Cos().Mul(zoom)
	sy := x.Mul(sin).Add(y.Mul(cos)).Sub(dy).AddScalar(cy)
	sx := x.Mul(cos).Sub(y.Mul(sin)).Sub(dx).AddScalar(cx)

	y0, x0 := sy.Floor(), sx.Floor()
	fy, fx := sy.Sub(y0), sx.Sub(x0)
	iy, ix := y0.To(tensor.Int32), x0.To(tensor.Int32)
	base := index.Reshape(b, 1, 1, 1).MulScalar(float64(c)).Add(tensor.Arange(c).Reshape(1, c, 1, 1)).MulScalar(float64(h * w))
	var sum *tensor.Tensor
	for corner := range 4 {
		qy, wy := iy, fy.Neg().AddScalar(1)
		if corner >= 2 {
			qy, wy = iy.AddScalar(1), fy
		}
		qx, wx := ix, fx.Neg().AddScalar(1)
		if corner%2 == 1 {
			qx, wx = ix.AddScalar(1), fx
		}
		inside := qy.Ge(tensor.FromInts([]int32{0})).And(qy.Lt(tensor.FromInts([]int32{int32(h)}))).
			And(qx.Ge(tensor.FromInts([]int32{0}))).And(qx.Lt(tensor.FromInts([]int32{int32(w)})))
		weight := tensor.Where(inside, wy.Mul(wx), tensor.Scalar(0)).Reshape(b, 1, h, w)
		at := qy.MulScalar(float64(w)).Add(qx).Reshape(b, 1, h, w).Add(base)
		v := flat.IndexSelect(0, at.Reshape(-1)).To(tensor.Float32).Reshape(b, c, h, w).Mul(weight)
		if sum == nil {
			sum = v
		} else {
			sum = sum.Add(v)
		}
	}
	return sum
}
