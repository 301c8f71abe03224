package tensor

import (
	"slices"

	"github.com/weft-ml/weft/internal/ir"
)

// Movement: views. None of them copies; fusion turns them into index
// arithmetic of whatever reads them.

// Reshape gives x a new shape with as many elements; one size may be -1 and
// follows from the others.
func (x *Tensor) Reshape(shape ...int) *Tensor {
	shape = slices.Clone(shape)
	if i := slices.Index(shape, -1); i >= 0 {
		shape[i] = 1
		rest := ir.NumElems(shape)
		if rest < 1 || x.Len()%rest != 0 {
			shape[i] = -1
			panic(ir.NewError("reshape", "%v to %v: %d elements are no multiple of %d", x.Shape(), shape, x.Len(), rest))
		}
		shape[i] = x.Len() / rest
	}
	checkShape("reshape", shape)
	return with("reshape", ir.Reshape(x.node, shape...), x)
}

// Flatten merges dimension from and all that follow into one.
func (x *Tensor) Flatten(from int) *Tensor {
	d := x.axis("flatten", from)
	return x.Reshape(append(slices.Clone(x.Shape()[:d]), -1)...)
}

// Unsqueeze inserts a dimension of size 1 before dimension dim.
func (x *Tensor) Unsqueeze(dim int) *Tensor {
	r := x.Dims() + 1
	if dim < -r || dim >= r {
		panic(ir.NewError("unsqueeze", "dimension %d of a tensor of shape %v", dim, x.Shape()))
	}
	return x.Reshape(slices.Insert(slices.Clone(x.Shape()), (dim+r)%r, 1)...)
}

// Squeeze removes dimension dim, which has size 1.
func (x *Tensor) Squeeze(dim int) *Tensor {
	d := x.axis("squeeze", dim)
	if x.Dim(d) != 1 {
		panic(ir.NewError("squeeze", "dimension %d of %v has size %d", dim, x.Shape(), x.Dim(d)))
	}
	return x.Reshape(without(x.Shape(), []int{d})...)
}

// Permute reorders dimensions: dimension i of the result is dims[i] of x.
func (x *Tensor) Permute(dims ...int) *Tensor {
	axes := make([]int, len(dims))
	for i, d := range dims {
		axes[i] = x.axis("permute", d)
	}
	return with("permute", ir.Permute(x.node, axes...), x)
}

// Transpose exchanges dimensions a and b.
func (x *Tensor) Transpose(a, b int) *Tensor {
	axes := x.axes("transpose", nil)
	a, b = x.axis("transpose", a), x.axis("transpose", b)
	axes[a], axes[b] = axes[b], axes[a]
	return with("transpose", ir.Permute(x.node, axes...), x)
}

// Expand broadcasts x to shape; -1 keeps a size.
func (x *Tensor) Expand(shape ...int) *Tensor {
	shape = slices.Clone(shape)
	extra := len(shape) - x.Dims()
	for i := range shape {
		if shape[i] == -1 && i >= extra {
			shape[i] = x.Shape()[i-extra]
		}
	}
	checkShape("expand", shape)
	if extra < 0 || !slices.Equal(broadcastShape("expand", x.Shape(), shape), shape) {
		panic(ir.NewError("expand", "%v does not broadcast to %v", x.Shape(), shape))
	}
	return with("expand", stretch(x.node, shape), x)
}

// Slice takes elements from to to (exclusive) of dimension dim; negative
// numbers count from the end.
func (x *Tensor) Slice(dim, from, to int) *Tensor { return x.SliceStep(dim, from, to, 1) }

// SliceStep is Slice taking every step-th element.
func (x *Tensor) SliceStep(dim, from, to, step int) *Tensor {
	d := x.axis("slice", dim)
	n := x.Dim(d)
	lo, hi := from, to
	if lo < 0 {
		lo += n
	}
	if hi < 0 {
		hi += n
	}
	if step < 1 || lo < 0 || hi > n || lo >= hi {
		panic(ir.NewError("slice", "%d:%d:%d of dimension %d of %v", from, to, step, dim, x.Shape()))
	}
	start, steps := make([]int, x.Dims()), ones(x.Dims())
	size := slices.Clone(x.Shape())
	start[d], steps[d], size[d] = lo, step, (hi-lo+step-1)/step
	return with("slice", ir.Slice(x.node, start, steps, size), x)
}

// Flip reverses the order of elements along dims.
func (x *Tensor) Flip(dims ...int) *Tensor {
	start, step := make([]int, x.Dims()), ones(x.Dims())
	for _, d := range dims {
		d = x.axis("flip", d)
		start[d], step[d] = x.Dim(d)-1, -1
	}
	return with("flip", ir.Slice(x.node, start, step, x.Shape()), x)
}

// Pad surrounds x with elements of value v: pads[d] are the numbers before
// and after dimension d.
func (x *Tensor) Pad(v float64, pads ...[2]int) *Tensor {
	if len(pads) != x.Dims() {
		panic(ir.NewError("pad", "%d pairs for a tensor of shape %v", len(pads), x.Shape()))
	}
	lo, hi := make([]int, len(pads)), make([]int, len(pads))
	for d, p := range pads {
		lo[d], hi[d] = p[0], p[1]
	}
	return with("pad", ir.Pad(x.node, lo, hi, v), x)
}

// Concat joins tensors along dim; the other dimensions agree.
func Concat(dim int, ts ...*Tensor) *Tensor {
	if len(ts) == 0 {
		panic(ir.NewError("concat", "no tensors"))
	}
	d := ts[0].axis("concat", dim)
	total := 0
	dt := DType(Bool)
	for _, t := range ts {
		a, b := slices.Clone(ts[0].Shape()), slices.Clone(t.Shape())
		if len(a) == len(b) {
			a[d], b[d] = 0, 0
		}
		if !slices.Equal(a, b) {
			panic(ir.NewError("concat", "%v and %v along dimension %d", ts[0].Shape(), t.Shape(), dim))
		}
		total += t.Dim(d)
		switch c := t.DType().Compute(); {
		case c == Float32:
			dt = Float32
		case c == Int32 && dt == Bool:
			dt = Int32
		}
	}
	// Each element is chosen by its index among the padded parts.
	shape := slices.Clone(ts[0].Shape())
	shape[d] = total
	var out *ir.Node
	at := 0
	for _, t := range ts {
		lo, hi := make([]int, len(shape)), make([]int, len(shape))
		lo[d], hi[d] = at, total-at-t.Dim(d)
		part := ir.Pad(ir.Cast(t.node, dt), lo, hi, 0)
		if out == nil {
			out = part
		} else {
			here := ir.Lt(ir.Iota(d, shape...), ir.Const(Int32, float64(at), shape...))
			out = ir.Where(here, out, part)
		}
		at += t.Dim(d)
	}
	return with("concat", out, ts...)
}

// Stack joins tensors of one shape along a new dimension dim.
func Stack(dim int, ts ...*Tensor) *Tensor {
	up := make([]*Tensor, len(ts))
	for i, t := range ts {
		up[i] = t.Unsqueeze(dim)
	}
	return Concat(dim, up...)
}

// Split cuts x along dim into parts of the given sizes, which add up to the
// dimension's.
func (x *Tensor) Split(dim int, sizes ...int) []*Tensor {
	d := x.axis("split", dim)
	sum := 0
	for _, s := range sizes {
		sum += s
	}
	if sum != x.Dim(d) {
		panic(ir.NewError("split", "sizes %v of dimension %d of %v", sizes, dim, x.Shape()))
	}
	parts := make([]*Tensor, len(sizes))
	at := 0
	for i, s := range sizes {
		parts[i] = x.Slice(d, at, at+s)
		at += s
	}
	return parts
}

// Gather looks elements up along dim: out[.., i, ..] = x[.., index[.., i, ..], ..].
// index has x's number of dimensions, and in the others at most x's size.
// Indices outside of x are clamped.
func (x *Tensor) Gather(dim int, index *Tensor) *Tensor {
	d := x.axis("gather", dim)
	if index.Dims() != x.Dims() {
		panic(ir.NewError("gather", "index of shape %v for a tensor of shape %v", index.Shape(), x.Shape()))
	}
	size := slices.Clone(x.Shape())
	for i := range size {
		if i == d {
			continue
		}
		if index.Dim(i) > size[i] {
			panic(ir.NewError("gather", "index of shape %v for a tensor of shape %v along dimension %d", index.Shape(), x.Shape(), dim))
		}
		size[i] = index.Dim(i)
	}
	n := ir.Slice(x.node, make([]int, len(size)), ones(len(size)), size)
	return with("gather", ir.Gather(n, index.node, d), x, index)
}

// IndexSelect takes the given elements (a tensor of one dimension) of
// dimension dim. Indices outside of x are clamped.
func (x *Tensor) IndexSelect(dim int, index *Tensor) *Tensor {
	d := x.axis("index_select", dim)
	if index.Dims() != 1 {
		panic(ir.NewError("index_select", "index of shape %v: one dimension is needed", index.Shape()))
	}
	shape := slices.Clone(x.Shape())
	shape[d] = index.Len()
	one := ones(len(shape))
	one[d] = index.Len()
	return with("index_select", ir.Gather(x.node, ir.Expand(ir.Reshape(index.node, one...), shape...), d), x, index)
}

// Embedding looks up rows of x [rows, width] by index of any shape; the result
// has index's shape and then width. An index outside of the table is an error
// where the host sees it (Valid), and a row of NaN elsewhere.
func (x *Tensor) Embedding(index *Tensor) *Tensor {
	if x.Dims() != 2 {
		panic(ir.NewError("embedding", "table of shape %v: two dimensions are needed", x.Shape()))
	}
	flat := index.Reshape(-1)
	rows := x.IndexSelect(0, flat)
	if valid := Valid("embedding", "index", flat, x.Dim(0)); valid != nil {
		rows = rows.Mul(valid.Unsqueeze(-1))
	}
	return rows.Reshape(append(slices.Clone(index.Shape()), x.Dim(1))...)
}

// OneHot is 1 where the index of a new last dimension equals x, 0 elsewhere: a
// value outside of the classes has zeros alone, as in ONNX, where PyTorch refuses
// it.
func (x *Tensor) OneHot(classes int) *Tensor {
	shape := append(slices.Clone(x.Shape()), classes)
	checkShape("one_hot", shape)
	return x.Unsqueeze(-1).Eq(&Tensor{node: ir.Iota(len(shape)-1, shape...)}).To(Float32)
}

// Tril keeps the elements on and below the diagonal of the last two
// dimensions; diagonal 1 is the one above the main one.
func (x *Tensor) Tril(diagonal int) *Tensor { return x.triangle("tril", diagonal, true) }

// Triu keeps the elements on and above the diagonal.
func (x *Tensor) Triu(diagonal int) *Tensor { return x.triangle("triu", diagonal, false) }

func (x *Tensor) triangle(op string, diagonal int, lower bool) *Tensor {
	r := x.Dims()
	if r < 2 {
		panic(ir.NewError(op, "%v has no diagonal", x.Shape()))
	}
	row := &Tensor{node: ir.Iota(r-2, x.Shape()...)}
	col := &Tensor{node: ir.Iota(r-1, x.Shape()...)}
	diagonal = max(-x.Dim(r-2), min(diagonal, x.Dim(r-1))) // beyond is all or nothing, and might not fit
	edge := row.AddScalar(float64(diagonal))
	if lower {
		return Where(col.Le(edge), x, x.like(0))
	}
	return Where(col.Ge(edge), x, x.like(0))
}

func ones(n int) []int {
	s := make([]int, n)
	for i := range s {
		s[i] = 1
	}
	return s
}
