package tensor

import (
	"math"
	"slices"

	"github.com/weft-ml/weft/internal/ir"
)

// Reductions. Without dims they reduce all dimensions to a scalar; reduced
// dimensions disappear unless the name says Keep.

func (x *Tensor) reduce(op ir.Op, keep bool, dims []int) *Tensor {
	axes := x.axes(op.Name(), dims)
	n := ir.Reduce(op, x.node, axes...)
	if !keep {
		n = ir.Reshape(n, without(x.Shape(), axes)...)
	}
	return with(op.Name(), n, x)
}

func without(shape, axes []int) []int {
	var s []int
	for d, n := range shape {
		if !slices.Contains(axes, d) {
			s = append(s, n)
		}
	}
	return s
}

// Sum adds up the elements over dims.
func (x *Tensor) Sum(dims ...int) *Tensor { return x.reduce(ir.OpSum, false, dims) }

// SumKeep is Sum with reduced dimensions of size 1.
func (x *Tensor) SumKeep(dims ...int) *Tensor { return x.reduce(ir.OpSum, true, dims) }

// Mean averages over dims.
func (x *Tensor) Mean(dims ...int) *Tensor { return x.mean(false, dims) }

// MeanKeep is Mean with reduced dimensions of size 1.
func (x *Tensor) MeanKeep(dims ...int) *Tensor { return x.mean(true, dims) }

func (x *Tensor) mean(keep bool, dims []int) *Tensor {
	s := x.To(Float32).reduce(ir.OpSum, keep, dims)
	return s.MulScalar(float64(s.Len()) / float64(x.Len()))
}

// Amax is the greatest element over dims. Equal maxima share the gradient.
func (x *Tensor) Amax(dims ...int) *Tensor { return x.reduce(ir.OpMax, false, dims) }

// AmaxKeep is Amax with reduced dimensions of size 1.
func (x *Tensor) AmaxKeep(dims ...int) *Tensor { return x.reduce(ir.OpMax, true, dims) }

// Amin is the least element over dims.
func (x *Tensor) Amin(dims ...int) *Tensor { return x.reduce(ir.OpMin, false, dims) }

// Prod multiplies the elements over dims.
func (x *Tensor) Prod(dims ...int) *Tensor { return x.reduce(ir.OpProd, false, dims) }

// Var is the variance over dims: the sum of squared deviations divided by the
// number of elements less correction (1 for the unbiased estimate).
func (x *Tensor) Var(correction int, dims ...int) *Tensor {
	axes := x.axes("var", dims)
	d := x.Sub(x.MeanKeep(axes...))
	s := d.Square().Sum(axes...)
	n := x.Len()/s.Len() - correction
	if n < 1 {
		panic(ir.NewError("var", "%d elements with correction %d leave no degree of freedom", x.Len()/s.Len(), correction))
	}
	return s.DivScalar(float64(n))
}

// LogSumExp is log(sum(e^x)) over dims, computed without overflow.
func (x *Tensor) LogSumExp(dims ...int) *Tensor {
	axes := x.axes("logsumexp", dims)
	m := x.AmaxKeep(axes...).Detach()
	m = Where(m.Abs().EqScalar(math.Inf(1)), m.like(0), m) // whose difference is not a number
	l := x.Sub(m).Exp().SumKeep(axes...).Log().Add(m)
	return l.Reshape(without(x.Shape(), axes)...)
}

// Argmax is the index of the greatest element along dim, the first of several.
func (x *Tensor) Argmax(dim int) *Tensor { return x.arg(ir.OpMax, dim) }

// Argmin is the index of the least element along dim, the first of several.
func (x *Tensor) Argmin(dim int) *Tensor { return x.arg(ir.OpMin, dim) }

// arg is the least index whose element equals the extremum; a NaN counts as
// the extremum, as in PyTorch.
func (x *Tensor) arg(op ir.Op, dim int) *Tensor {
	d := x.axis("argmax", dim)
	n := x.node
	best := ir.Expand(ir.Reduce(op, n, d), n.Shape...)
	n = ir.Cast(n, best.DType)
	hit := ir.Binary(ir.OpOr, ir.Binary(ir.OpEq, n, best), ir.Binary(ir.OpNe, n, n))
	last := ir.Const(Int32, float64(n.Shape[d]-1), n.Shape...)
	first := ir.Reduce(ir.OpMin, ir.Where(hit, ir.Iota(d, n.Shape...), last), d)
	return with("argmax", ir.Reshape(first, without(n.Shape, []int{d})...), x)
}

// CumSum is the running sum along dim. It takes time quadratic in the size of
// that dimension.
func (x *Tensor) CumSum(dim int) *Tensor {
	d := x.axis("cumsum", dim)
	n := x.Dim(d)
	in := slices.Insert(slices.Clone(x.Shape()), d, 1) // [.., 1, n, ..]
	full := slices.Clone(in)
	full[d] = n
	upTo := ir.Binary(ir.OpLe, ir.Iota(d+1, full...), ir.Iota(d, full...))
	v := ir.Expand(ir.Reshape(ir.Cast(x.node, x.DType().Compute()), in...), full...)
	sum := ir.Reduce(ir.OpSum, ir.Where(upTo, v, ir.Const(v.DType, 0, full...)), d+1)
	return with("cumsum", ir.Reshape(sum, x.Shape()...), x)
}

// Softmax is e^x / sum(e^x) along dim.
func (x *Tensor) Softmax(dim int) *Tensor {
	d := x.axis("softmax", dim)
	e := x.Sub(x.AmaxKeep(d).Detach()).Exp()
	return e.Div(e.SumKeep(d))
}

// LogSoftmax is the logarithm of Softmax, computed without overflow.
func (x *Tensor) LogSoftmax(dim int) *Tensor {
	d := x.axis("log_softmax", dim)
	z := x.Sub(x.AmaxKeep(d).Detach())
	return z.Sub(z.Exp().SumKeep(d).Log())
}

// MatMul is the matrix product over the last two dimensions; leading ones
// broadcast. A tensor of one dimension counts as a row on the left and as a
// column on the right, and that dimension disappears from the result.
func (x *Tensor) MatMul(y *Tensor) *Tensor {
	a, b := x.node, y.node
	if len(a.Shape) == 0 || len(b.Shape) == 0 {
		panic(ir.NewError("matmul", "%v x %v: a scalar is no matrix", a.Shape, b.Shape))
	}
	dropRow, dropCol := len(a.Shape) == 1, len(b.Shape) == 1
	if dropRow {
		a = ir.Reshape(a, 1, a.Shape[0])
	}
	if dropCol {
		b = ir.Reshape(b, b.Shape[0], 1)
	}
	ra, rb := len(a.Shape), len(b.Shape)
	if a.Shape[ra-1] != b.Shape[rb-2] {
		panic(ir.NewError("matmul", "%v x %v: inner dimensions %d and %d differ", x.Shape(), y.Shape(), a.Shape[ra-1], b.Shape[rb-2]))
	}
	batch := broadcastShape("matmul", a.Shape[:ra-2], b.Shape[:rb-2])
	m, k, n := a.Shape[ra-2], a.Shape[ra-1], b.Shape[rb-1]
	var r *ir.Node
	if rb == 2 && ra > 2 { // one matrix for all: the batch is more rows
		r = ir.MatMul(ir.Reshape(a, a.Elems()/k, k), b)
	} else {
		r = ir.MatMul(stretch(a, append(slices.Clone(batch), m, k)), stretch(b, append(slices.Clone(batch), k, n)))
	}
	shape := slices.Clone(batch)
	if !dropRow {
		shape = append(shape, m)
	}
	if !dropCol {
		shape = append(shape, n)
	}
	return with("matmul", ir.Reshape(r, shape...), x, y)
}

// Linear is x w^T + b for x [.., in], w [out, in] and b [out] or nil.
func (x *Tensor) Linear(w, b *Tensor) *Tensor {
	if w.Dims() != 2 || x.Dims() < 1 || x.Dim(-1) != w.Dim(1) {
		panic(ir.NewError("linear", "input %v, weight %v: the weight is [out, in]", x.Shape(), w.Shape()))
	}
	y := x.MatMul(w.Transpose(0, 1))
	if b != nil {
		if b.Dims() != 1 || b.Dim(0) != w.Dim(0) {
			panic(ir.NewError("linear", "bias %v for weight %v", b.Shape(), w.Shape()))
		}
		y = y.Add(b)
	}
	return y
}
