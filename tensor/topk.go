package tensor

import (
	"math"

	"github.com/weft-ml/weft/internal/ir"
)

// Order. There is no sort in the engine; two ways of finding the greatest elements
// need none. Few of many are picked one after the other, each the greatest of those
// behind the one before. Else each element counts those that come before it, and
// that number is its place: quadratic, but all at once.

const (
	fewPicked  = 128     // so many at most are picked one after the other
	maxCounted = 1 << 15 // elements that are compared with each other
)

// TopK returns the k greatest elements along dim, the greatest first, and their
// indices as Int32; with smallest the k least, the least first. Of equal elements the one
// of lower index comes first. A NaN counts as greater than all numbers, as in
// PyTorch. Beyond 32768 elements k is at most 128.
func (x *Tensor) TopK(k, dim int, smallest bool) (values, indices *Tensor) {
	d := x.axis("topk", dim)
	n := x.Dim(d)
	if k < 1 || k > n {
		panic(ir.NewError("topk", "%d of the %d elements of dimension %d", k, n, dim))
	}
	key := x.To(x.DType().Compute())
	if key.DType() == Bool {
		key = key.To(Int32)
	}
	key = key.Detach()
	switch {
	case k <= fewPicked && (16*k <= n || n > maxCounted):
		indices = key.picked(k, d, smallest)
	case n <= maxCounted:
		indices = key.counted(k, d, smallest)
	default:
		panic(ir.NewError("topk", "%d of %d elements: up to %d of any number, or all of up to %d, can be put in order", k, n, fewPicked, maxCounted))
	}
	return x.Gather(d, indices), indices
}

// Sort puts the elements along dim in ascending order, or in descending order, and
// returns also the indices that they had, as Int32. Equal elements keep their order;
// a NaN counts as greater than all numbers. A dimension has at most 32768 elements,
// and the time is quadratic in their number.
func (x *Tensor) Sort(dim int, descending bool) (values, indices *Tensor) {
	return x.TopK(x.Dim(dim), dim, !descending)
}

// before reports where a comes before b, both of them without looking at indices,
// and where they are equal.
func before(a, b *Tensor, smallest bool) (first, equal *Tensor) {
	if smallest {
		first = a.Lt(b)
	} else {
		first = a.Gt(b)
	}
	equal = a.Eq(b)
	if a.DType() != Float32 {
		return first, equal
	}
	nanA, nanB := a.Ne(a), b.Ne(b)
	if smallest {
		first = first.Or(nanB.And(nanA.Not()))
	} else {
		first = first.Or(nanA.And(nanB.Not()))
	}
	return first, equal.Or(nanA.And(nanB))
}

// counted finds the k first elements by counting.
func (x *Tensor) counted(k, d int, smallest bool) *Tensor {
	n := x.Dim(d)
	along := func(count, axis, rank int) *Tensor {
		shape := ones(rank)
		shape[axis] = count
		return Arange(count).Reshape(shape...)
	}
	r := x.Dims() + 1
	other, self := x.Unsqueeze(d), x.Unsqueeze(d+1) // [.., 1, n, ..] and [.., n, 1, ..]
	first, equal := before(other, self, smallest)
	ahead := first.Or(equal.And(along(n, d+1, r).Lt(along(n, d, r))))
	place := ahead.To(Int32).Sum(d + 1) // of each element
	hit := place.Unsqueeze(d).Eq(along(k, d, r))
	return Where(hit, along(n, d+1, r), (&Tensor{node: ir.Const(Int32, 0)})).Sum(d + 1)
}

// picked finds the k first elements one after the other.
func (x *Tensor) picked(k, d int, smallest bool) *Tensor {
	n := x.Dim(d)
	shape := ones(x.Dims())
	shape[d] = n
	index := Arange(n).Reshape(shape...)
	whole := func(v int) *Tensor { return &Tensor{node: ir.Const(Int32, float64(v))} }
	float := x.DType() == Float32
	worst := math.Inf(-1)
	if smallest {
		worst = math.Inf(1)
	}
	if !float {
		if worst = math.MinInt32; smallest {
			worst = math.MaxInt32
		}
	}
	least := &Tensor{node: ir.Const(x.DType(), worst)}
	number := x // NaN, which is no number, is looked for apart
	var nan *Tensor
	if float {
		nan = x.Ne(x)
		number = Where(nan, least, x)
	}
	var list []*Tensor
	var left *Tensor // those behind the last one; nil for all
	for range k {
		candidate := number
		if left != nil {
			candidate = Where(left, number, least)
		}
		var best *Tensor
		if smallest {
			best = candidate.Amin(d).Unsqueeze(d)
		} else {
			best = candidate.Amax(d).Unsqueeze(d)
		}
		hit := candidate.Eq(best)
		if left != nil {
			hit = hit.And(left)
		}
		// NaN before or behind all numbers: a second block of n keys.
		keys := Where(hit, index, whole(2*n))
		if float {
			loose := nan
			if left != nil {
				loose = nan.And(left)
			}
			hit = hit.And(nan.Not())
			if smallest {
				keys = Where(hit, index, Where(loose, index.Add(whole(n)), whole(2*n)))
			} else {
				keys = Where(loose, index, Where(hit, index.Add(whole(n)), whole(2*n)))
			}
		}
		at := keys.Amin(d).Unsqueeze(d).Mod(whole(n))
		list = append(list, at)
		value := x.Gather(d, at)
		ahead, equal := before(value, x, smallest)
		left = ahead.Or(equal.And(index.Gt(at)))
	}
	return Concat(d, list...)
}
