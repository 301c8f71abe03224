package tensor

import (
	"math"
	"slices"

	"github.com/weft-ml/weft/internal/ir"
)

// Scattering is written as a search: each element of the result compares its
// position with all indices that might name it. That takes time proportional to
// both, but has a fixed order, needs no atomics, is differentiated like all else,
// and never writes the comparisons to memory.

// ScatterReduction says what Scatter does with elements that go to one place.
type ScatterReduction int

// Replace is what the zero value does; the others combine with what is there.
const (
	ScatterReplace ScatterReduction = iota // the last of several stays
	ScatterAdd
	ScatterMul
	ScatterMax
	ScatterMin
)

// Scatter puts elements of src into x along dim: x[.., index[.., j, ..], ..] =
// src[.., j, ..], or combines them as how says. index has the shape of src, and
// in dimensions other than dim at most the sizes of x. What an index outside of x
// names is passed over. The gradient of elements that were replaced by later
// ones is zero.
func (x *Tensor) Scatter(dim int, index, src *Tensor, how ScatterReduction) *Tensor {
	d := x.axis("scatter", dim)
	if index.Dims() != x.Dims() || !slices.Equal(index.Shape(), src.Shape()) || index.DType().Compute() != Int32 {
		panic(ir.NewError("scatter", "index %v of %v and source %v for a tensor of shape %v", index.DType(), index.Shape(), src.Shape(), x.Shape()))
	}
	shape := x.Shape()
	pads := make([][2]int, x.Dims()) // so that index has the sizes of x but for dim
	for i, n := range shape {
		if i == d {
			continue
		}
		if index.Dim(i) > n {
			panic(ir.NewError("scatter", "index %v for a tensor of shape %v along dimension %d", index.Shape(), shape, dim))
		}
		pads[i] = [2]int{0, n - index.Dim(i)}
	}
	if x.DType() == Bool {
		return x.To(Int32).Scatter(dim, index, src.To(Int32), how).To(Bool)
	}
	dt := x.DType().Compute()
	if src.DType().Compute() == Float32 {
		dt = Float32
	}
	x, src = x.To(dt), src.To(dt).Pad(0, pads...)
	index = index.To(Int32).Pad(-1, pads...)
	full := slices.Insert(slices.Clone(index.Shape()), d, shape[d]) // [.., target, source, ..]
	hit := (&Tensor{node: ir.Iota(d, full...)}).Eq(index.Unsqueeze(d))
	fill := func(v float64) *Tensor { return &Tensor{node: ir.Const(dt, v)} }
	low, high := math.Inf(-1), math.Inf(1)
	if dt != Float32 {
		low, high = math.MinInt32, math.MaxInt32
	}
	from := src.Unsqueeze(d)
	switch how {
	case ScatterAdd:
		return x.Add(Where(hit, from, fill(0)).Sum(d + 1))
	case ScatterMul:
		return x.Mul(Where(hit, from, fill(1)).Prod(d + 1))
	case ScatterMax:
		return x.Maximum(Where(hit, from, fill(low)).Amax(d + 1))
	case ScatterMin:
		return x.Minimum(Where(hit, from, fill(high)).Amin(d + 1))
	case ScatterReplace:
		none := &Tensor{node: ir.Const(Int32, -1)}
		last := Where(hit, &Tensor{node: ir.Iota(d+1, full...)}, none).Amax(d + 1)
		zero := &Tensor{node: ir.Const(Int32, 0)}
		return Where(last.Ge(zero), src.Gather(d, last.Maximum(zero)), x)
	}
	panic(ir.NewError("scatter", "reduction %d", int(how)))
}
