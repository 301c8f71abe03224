package conformance

import (
	"math"
	"slices"

	"github.com/weft-ml/weft/tensor"
)

type unary = func(*tensor.Tensor) *tensor.Tensor
type binary = func(a, b *tensor.Tensor) *tensor.Tensor

func init() {
	for name, f := range map[string]unary{
		"neg": (*tensor.Tensor).Neg, "abs": (*tensor.Tensor).Abs, "exp": (*tensor.Tensor).Exp,
		"expm1": (*tensor.Tensor).Expm1, "log": (*tensor.Tensor).Log, "log1p": (*tensor.Tensor).Log1p,
		"sqrt": (*tensor.Tensor).Sqrt, "rsqrt": (*tensor.Tensor).Rsqrt, "reciprocal": (*tensor.Tensor).Reciprocal,
		"sin": (*tensor.Tensor).Sin, "cos": (*tensor.Tensor).Cos, "tanh": (*tensor.Tensor).Tanh,
		"sigmoid": (*tensor.Tensor).Sigmoid, "erf": (*tensor.Tensor).Erf, "relu": (*tensor.Tensor).Relu,
		"floor": (*tensor.Tensor).Floor, "ceil": (*tensor.Tensor).Ceil, "round": (*tensor.Tensor).Round,
		"sign": (*tensor.Tensor).Sign, "square": (*tensor.Tensor).Square, "silu": (*tensor.Tensor).Silu,
		"gelu_tanh": (*tensor.Tensor).GeluTanh, "mish": (*tensor.Tensor).Mish,
		"hardswish": (*tensor.Tensor).Hardswish, "hardsigmoid": (*tensor.Tensor).Hardsigmoid,
		"logical_not": (*tensor.Tensor).Not,
		"asin":        (*tensor.Tensor).Asin, "acos": (*tensor.Tensor).Acos, "atan": (*tensor.Tensor).Atan,
		"sinh": (*tensor.Tensor).Sinh, "cosh": (*tensor.Tensor).Cosh,
		"asinh": (*tensor.Tensor).Asinh, "acosh": (*tensor.Tensor).Acosh, "atanh": (*tensor.Tensor).Atanh,
	} {
		operators[name] = one(pointwise, func(a *args) *tensor.Tensor { return f(a.x()) })
	}
	for name, f := range map[string]binary{
		"add": (*tensor.Tensor).Add, "sub": (*tensor.Tensor).Sub, "mul": (*tensor.Tensor).Mul,
		"div": (*tensor.Tensor).Div, "maximum": (*tensor.Tensor).Maximum, "minimum": (*tensor.Tensor).Minimum,
		"pow": (*tensor.Tensor).Pow, "remainder": (*tensor.Tensor).Mod, "eq": (*tensor.Tensor).Eq,
		"ne": (*tensor.Tensor).Ne, "lt": (*tensor.Tensor).Lt, "le": (*tensor.Tensor).Le,
		"gt": (*tensor.Tensor).Gt, "ge": (*tensor.Tensor).Ge,
		"logical_and": (*tensor.Tensor).And, "logical_or": (*tensor.Tensor).Or,
	} {
		operators[name] = one(pointwise, func(a *args) *tensor.Tensor { return f(a.in["a"], a.in["b"]) })
	}
	register(elementwise, reductions, movement)
}

var elementwise = map[string]operator{
	"gelu": one(pointwise, func(a *args) *tensor.Tensor {
		if a.String("approximate", "none") == "tanh" {
			return a.x().GeluTanh()
		}
		return a.x().Gelu()
	}),
	"leaky_relu": one(pointwise, func(a *args) *tensor.Tensor { return a.x().LeakyRelu(a.Float("negative_slope", 0.01)) }),
	"elu":        one(pointwise, func(a *args) *tensor.Tensor { return a.x().Elu(a.Float("alpha", 1)) }),
	"softplus": one(pointwise, func(a *args) *tensor.Tensor {
		beta := a.Float("beta", 1)
		return a.x().MulScalar(beta).Softplus().DivScalar(beta)
	}),
	"clamp": one(pointwise, func(a *args) *tensor.Tensor {
		return a.x().Clamp(a.Float("min", -math.MaxFloat32), a.Float("max", math.MaxFloat32))
	}),
	"pow_scalar": one(pointwise, func(a *args) *tensor.Tensor { return a.x().PowScalar(a.Float("exponent", 2)) }),
	"where":      one(pointwise, func(a *args) *tensor.Tensor { return tensor.Where(a.in["c"], a.in["a"], a.in["b"]) }),
}

// dims are the dimensions to reduce, nil for all, as "dims" or "dim" say.
func (a *args) dims() []int {
	if d := a.Ints("dims"); len(d) > 0 {
		return d
	}
	if d := a.Ints("dim"); len(d) > 0 {
		return d
	}
	return nil
}

// keep gives a reduction's result the reduced dimensions again, if asked to.
func (a *args) keep(r *tensor.Tensor, dims []int) *tensor.Tensor {
	if !a.Bool("keepdim", false) {
		return r
	}
	shape := slices.Clone(a.x().Shape())
	for d := range shape {
		if dims == nil || slices.Contains(dims, d) || slices.Contains(dims, d-len(shape)) {
			shape[d] = 1
		}
	}
	return r.Reshape(shape...)
}

func reduce(f func(x *tensor.Tensor, dims ...int) *tensor.Tensor) operator {
	return one(summed, func(a *args) *tensor.Tensor { return a.keep(f(a.x(), a.dims()...), a.dims()) })
}

// arg is argmax or argmin; without a dimension it is over all elements.
func arg(f func(x *tensor.Tensor, dim int) *tensor.Tensor) operator {
	return one(pointwise, func(a *args) *tensor.Tensor {
		dims := a.dims()
		if dims == nil {
			return a.keep(f(a.x().Reshape(-1), 0), nil)
		}
		return a.keep(f(a.x(), dims[0]), dims)
	})
}

func variance(x *tensor.Tensor, a *args) *tensor.Tensor {
	correction := a.Int("correction", 1)
	if a.Has("unbiased") && !a.Bool("unbiased", true) {
		correction = 0
	}
	return x.Var(correction, a.dims()...)
}

var reductions = map[string]operator{
	"sum": reduce((*tensor.Tensor).Sum), "mean": reduce((*tensor.Tensor).Mean),
	"amax": reduce((*tensor.Tensor).Amax), "amin": reduce((*tensor.Tensor).Amin),
	"prod": reduce((*tensor.Tensor).Prod), "logsumexp": reduce((*tensor.Tensor).LogSumExp),
	"argmax": arg((*tensor.Tensor).Argmax), "argmin": arg((*tensor.Tensor).Argmin),
	"var":         one(summed, func(a *args) *tensor.Tensor { return a.keep(variance(a.x(), a), a.dims()) }),
	"std":         one(summed, func(a *args) *tensor.Tensor { return a.keep(variance(a.x(), a).Sqrt(), a.dims()) }),
	"cumsum":      one(summed, func(a *args) *tensor.Tensor { return a.x().CumSum(a.Int("dim", 0)) }),
	"softmax":     one(summed, func(a *args) *tensor.Tensor { return a.x().Softmax(a.Int("dim", -1)) }),
	"log_softmax": one(summed, func(a *args) *tensor.Tensor { return a.x().LogSoftmax(a.Int("dim", -1)) }),
	"matmul":      one(summed, func(a *args) *tensor.Tensor { return a.in["a"].MatMul(a.in["b"]) }),
	"linear":      one(summed, func(a *args) *tensor.Tensor { return a.x().Linear(a.in["w"], a.in["b"]) }),
}

// list is the operands of a join, in the order that is asked for.
func (a *args) list() []*tensor.Tensor {
	var names []string
	if order, ok := a.Attrs["order"].([]any); ok {
		for _, n := range order {
			s, _ := n.(string)
			names = append(names, s)
		}
	} else {
		all := map[string]string{}
		for n := range a.in {
			all[n] = n
		}
		names = sortedNames(all)
	}
	ts := make([]*tensor.Tensor, len(names))
	for i, n := range names {
		ts[i] = a.in[n]
	}
	return ts
}

var movement = map[string]operator{
	"reshape":   one(pointwise, func(a *args) *tensor.Tensor { return a.x().Reshape(a.Ints("shape")...) }),
	"flatten":   one(pointwise, func(a *args) *tensor.Tensor { return a.x().Flatten(a.Int("start_dim", 0)) }),
	"squeeze":   one(pointwise, func(a *args) *tensor.Tensor { return a.x().Squeeze(a.Int("dim", 0)) }),
	"unsqueeze": one(pointwise, func(a *args) *tensor.Tensor { return a.x().Unsqueeze(a.Int("dim", 0)) }),
	"permute":   one(pointwise, func(a *args) *tensor.Tensor { return a.x().Permute(a.Ints("dims")...) }),
	"transpose": one(pointwise, func(a *args) *tensor.Tensor {
		return a.x().Transpose(a.Int("dim0", -1), a.Int("dim1", -2))
	}),
	"expand": one(pointwise, func(a *args) *tensor.Tensor { return a.x().Expand(a.Ints("shape")...) }),
	"flip":   one(pointwise, func(a *args) *tensor.Tensor { return a.x().Flip(a.Ints("dims")...) }),
	"slice": one(pointwise, func(a *args) *tensor.Tensor {
		start, stop, step := a.Ints("start"), a.Ints("stop"), a.Ints("step")
		ends, _ := a.Attrs["stop"].([]any)
		x := a.x()
		for d := range start {
			by, to := 1, x.Dim(d)
			if d < len(step) {
				by = step[d]
			}
			if d < len(stop) && !(d < len(ends) && ends[d] == nil) {
				to = min(stop[d], to)
			}
			x = x.SliceStep(d, start[d], to, by)
		}
		return x
	}),
	"pad": one(pointwise, func(a *args) *tensor.Tensor {
		x := a.x()
		pads := make([][2]int, x.Dims())
		list, _ := a.Attrs["pads"].([]any)
		for d := range list {
			if p := (Attrs{"p": list[d]}).Ints("p"); len(p) == 2 {
				pads[d] = [2]int{p[0], p[1]}
			}
		}
		return x.Pad(a.Float("value", 0), pads...)
	}),
	"concat": one(pointwise, func(a *args) *tensor.Tensor { return tensor.Concat(a.Int("dim", 0), a.list()...) }),
	"stack":  one(pointwise, func(a *args) *tensor.Tensor { return tensor.Stack(a.Int("dim", 0), a.list()...) }),
	"split": {pointwise, func(a *args) map[string]*tensor.Tensor {
		dim, sizes := a.Int("dim", 0), a.Ints("sizes")
		if each := a.Int("size", 0); sizes == nil && each > 0 {
			for left := a.x().Dim(dim); left > 0; left -= each {
				sizes = append(sizes, min(each, left))
			}
		}
		res := map[string]*tensor.Tensor{}
		for i, p := range a.x().Split(dim, sizes...) {
			res[a.outs[i]] = p
		}
		return res
	}},
	"gather":       one(pointwise, func(a *args) *tensor.Tensor { return a.x().Gather(a.Int("dim", 0), a.in["i"]) }),
	"index_select": one(pointwise, func(a *args) *tensor.Tensor { return a.x().IndexSelect(a.Int("dim", 0), a.in["i"]) }),
	"embedding":    one(pointwise, func(a *args) *tensor.Tensor { return a.in["w"].Embedding(a.in["i"]) }),
	"one_hot": one(pointwise, func(a *args) *tensor.Tensor {
		classes := a.Int("num_classes", -1)
		if classes < 0 {
			classes = int(slices.Max(a.host["i"].I)) + 1
		}
		return a.in["i"].OneHot(classes)
	}),
	"tril": one(pointwise, func(a *args) *tensor.Tensor { return a.x().Tril(a.Int("diagonal", 0)) }),
	"triu": one(pointwise, func(a *args) *tensor.Tensor { return a.x().Triu(a.Int("diagonal", 0)) }),
}
