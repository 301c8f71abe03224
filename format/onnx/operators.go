// The table of operators. Most are one line, because package tensor has the
// operation; those that take more are in opshape.go, opwindow.go and opother.go.
// What an operator does is in https://onnx.ai/onnx/operators.

package onnx

import (
	"maps"
	"math"

	"github.com/weft-ml/weft/nn"
	"github.com/weft-ml/weft/tensor"
)

type tt = *tensor.Tensor

// operators are what an import understands, by name.
var operators = map[string]func(c *call) []val{}

// register adds operators to the table. Each file of operators calls it from
// init, because operators with bodies of their own refer to the table.
func register(rows map[string]func(c *call) []val) { maps.Copy(operators, rows) }

func unary(f func(tt) tt) func(*call) []val {
	return func(c *call) []val { return one1(f(c.tensor(0))) }
}

// floaty is unary for functions of floats with attributes.
func floaty(f func(c *call, x tt) tt) func(*call) []val {
	return func(c *call) []val { return one1(f(c, c.tensor(0))) }
}

func operands(f func(a, b tt) tt) func(*call) []val {
	return func(c *call) []val { return one1(f(c.tensor(0), c.tensor(1))) }
}

// variadic folds any number of inputs.
func variadic(f func(a, b tt) tt) func(*call) []val {
	return func(c *call) []val {
		x := c.tensor(0)
		for i := 1; i < len(c.in); i++ {
			x = f(x, c.tensor(i))
		}
		return one1(x)
	}
}

func one1(t tt) []val { return []val{{t: t}} }

// reduceOp is a reduction f over axes, of g of its input.
func reduceOp(g func(tt) tt, f func(x tt, dims ...int) tt) func(*call) []val {
	return func(c *call) []val {
		x := c.tensor(0)
		axes, keep := c.reduceAxes(x.Dims())
		if len(axes) == 0 { // each element on its own
			return one1(f(g(x).Unsqueeze(-1), x.Dims()))
		}
		shape := append([]int{}, x.Shape()...)
		y := f(g(x), axes...)
		if keep {
			for _, a := range axes {
				shape[a] = 1
			}
			y = y.Reshape(shape...)
		}
		return one1(y)
	}
}

func same(x tt) tt { return x }

// integerOf is v as Int32, without dimensions.
func integerOf(v int) tt { return tensor.Scalar(float64(v)).To(tensor.Int32) }

// fromEnd makes negative positions in n elements count from the end.
func fromEnd(x tt, n int) tt { return tensor.Where(x.Lt(integerOf(0)), x.AddScalar(float64(n)), x) }

func init() {
	register(map[string]func(c *call) []val{
		"Abs": unary(tt.Abs), "Neg": unary(tt.Neg), "Exp": unary(tt.Exp), "Log": unary(tt.Log), "Sqrt": unary(tt.Sqrt), "Reciprocal": unary(tt.Reciprocal),
		"Sin": unary(tt.Sin), "Cos": unary(tt.Cos), "Tanh": unary(tt.Tanh), "Sigmoid": unary(tt.Sigmoid), "Erf": unary(tt.Erf), "Relu": unary(tt.Relu),
		"Floor": unary(tt.Floor), "Ceil": unary(tt.Ceil), "Round": unary(tt.Round), "Sign": unary(tt.Sign), "Not": unary(tt.Not),
		"Identity": unary(same), "Softplus": unary(tt.Softplus), "Mish": unary(tt.Mish), "HardSwish": unary(tt.Hardswish),
		"Tan":  unary(func(x tt) tt { return x.Sin().Div(x.Cos()) }),
		"Acos": unary(tt.Acos), "Acosh": unary(tt.Acosh), "Asin": unary(tt.Asin), "Asinh": unary(tt.Asinh), "Atan": unary(tt.Atan), "Atanh": unary(tt.Atanh),
		"Cosh": unary(tt.Cosh), "Sinh": unary(tt.Sinh),
		"Softsign": unary(softsign),
		"IsNaN":    unary(func(x tt) tt { return x.Ne(x) }),
		"IsInf":    isInf,

		"Add": operands(tt.Add), "Sub": operands(tt.Sub), "Mul": operands(tt.Mul), "Div": operands(tt.Div),
		"Equal": operands(tt.Eq), "Less": operands(tt.Lt), "LessOrEqual": operands(tt.Le), "Greater": operands(tt.Gt), "GreaterOrEqual": operands(tt.Ge),
		"And": operands(tt.And), "Or": operands(tt.Or), "Xor": operands(tt.Ne), "MatMul": operands(tt.MatMul),
		"PRelu": operands(func(x, slope tt) tt { return tensor.Where(x.Gt(tensor.Scalar(0)), x, x.Mul(slope)) }),
		"Pow":   power, "Mod": modulo,

		"Max": variadic(tt.Maximum), "Min": variadic(tt.Minimum), "Sum": variadic(tt.Add),
		"Mean": func(c *call) []val {
			return one1(variadic(tt.Add)(c)[0].t.MulScalar(1 / float64(len(c.in))))
		},
		"Where": func(c *call) []val {
			return one1(tensor.Where(c.tensor(0), c.tensor(1), c.tensor(2)))
		},

		"LeakyRelu": floaty(func(c *call, x tt) tt { return x.LeakyRelu(c.float("alpha", 0.01)) }),
		"Elu":       floaty(func(c *call, x tt) tt { return x.Elu(c.float("alpha", 1)) }),
		"Celu": floaty(func(c *call, x tt) tt { // max(x,0) + min(0, a (e^(x/a) - 1))
			a := c.float("alpha", 1)
			return x.MulScalar(1 / a).Elu(1).MulScalar(a)
		}),
		"Selu": floaty(func(c *call, x tt) tt {
			return x.Elu(c.float("alpha", 1.67326319217681884765625)).MulScalar(c.float("gamma", 1.05070102214813232421875))
		}),
		"ThresholdedRelu": floaty(func(c *call, x tt) tt {
			return tensor.Where(x.Gt(tensor.Scalar(c.float("alpha", 1))), x, tensor.Scalar(0))
		}),
		"HardSigmoid": floaty(func(c *call, x tt) tt {
			return x.MulScalar(c.float("alpha", 0.2)).AddScalar(c.float("beta", 0.5)).Clamp(0, 1)
		}),
		"Swish": floaty(func(c *call, x tt) tt { return x.Mul(x.MulScalar(c.float("alpha", 1)).Sigmoid()) }),
		"Gelu": floaty(func(c *call, x tt) tt {
			if c.text("approximate", "none") == "tanh" {
				return x.GeluTanh()
			}
			return x.Gelu()
		}),
		"Dropout": floaty(func(c *call, x tt) tt {
			p := c.float("ratio", 0.5)
			if c.has(1) {
				p = c.number(1)
			}
			return nn.Dropout{P: p}.Forward(x)
		}),
		"Clip": clip, "Cast": cast, "CastLike": castLike,

		"ReduceSum": reduceOp(same, tt.Sum), "ReduceMean": reduceOp(same, tt.Mean), "ReduceMax": reduceOp(same, tt.Amax), "ReduceMin": reduceOp(same, tt.Amin),
		"ReduceProd": reduceOp(same, tt.Prod), "ReduceL1": reduceOp(tt.Abs, tt.Sum), "ReduceSumSquare": reduceOp(tt.Square, tt.Sum),
		"ReduceL2": reduceOp(tt.Square, func(x tt, d ...int) tt { return x.Sum(d...).Sqrt() }), "ReduceLogSumExp": reduceOp(same, tt.LogSumExp),
		"ReduceLogSum": reduceOp(same, func(x tt, d ...int) tt { return x.Sum(d...).Log() }),
		"ArgMax":       arg(tt.Argmax), "ArgMin": arg(tt.Argmin), "CumSum": cumSum,
		"Softmax": softmax(tt.Softmax), "LogSoftmax": softmax(tt.LogSoftmax),

		"Constant": constant, "ConstantOfShape": constantOfShape, "Shape": shapeOf, "Size": sizeOf, "Range": rangeOf,
		"Reshape": reshaped, "Flatten": reshaped, "Squeeze": reshaped, "Unsqueeze": reshaped,
		"Transpose": func(c *call) []val { x := c.tensor(0); return one1(x.Permute(c.perm(x.Dims())...)) },
		"Concat":    concat, "Split": split, "Slice": sliceOf, "Gather": gather, "GatherElements": gatherElements, "GatherND": gatherND, "Expand": expand, "Tile": tile, "Pad": padOf,
		"Trilu": trilu, "OneHot": oneHot, "DepthToSpace": depthToSpace, "SpaceToDepth": spaceToDepth,

		"BatchNormalization": batchNormalization, "InstanceNormalization": instanceNormalization, "LayerNormalization": layerNormalization,
		"GroupNormalization": groupNormalization, "RMSNormalization": rmsNormalization, "LpNormalization": lpNormalization, "LRN": lrn,
		"Resize": resize, "Upsample": resize,
		"Attention": attention, "RotaryEmbedding": rotaryEmbedding,

		"Gemm": gemm, "Einsum": einsum, "QuantizeLinear": quantizeLinear, "DequantizeLinear": dequantizeLinear,
	})
}

func power(c *call) []val {
	x, y := c.tensor(0), c.tensor(1)
	if v := c.in[1]; v.h != nil && len(v.h.v) == 1 && len(v.h.shape) <= x.Dims() && x.DType() == tensor.Float32 {
		return one1(x.PowScalar(v.h.v[0])) // defined for negative x, and a product
	}
	return one1(x.Pow(y).To(x.DType().Compute()))
}

func modulo(c *call) []val {
	a, b := c.tensor(0), c.tensor(1)
	if c.int("fmod", 0) == 0 {
		return one1(a.Mod(b))
	}
	q := a.Div(b) // the sign of a: truncate, as quotients of integers are
	if q.DType() == tensor.Float32 {
		q = tensor.Where(q.Lt(tensor.Scalar(0)), q.Ceil(), q.Floor())
	}
	return one1(a.Sub(q.Mul(b)))
}

func isInf(c *call) []val {
	x, most := c.tensor(0), tensor.Scalar(math.MaxFloat32)
	up, down := x.Gt(most), x.Lt(most.Neg())
	switch {
	case c.int("detect_negative", 1) == 0:
		return one1(up)
	case c.int("detect_positive", 1) == 0:
		return one1(down)
	}
	return one1(up.Or(down))
}

// clip limits to constants, or to whatever is computed.
func clip(c *call) []val {
	x := c.tensor(0)
	lo, hi := c.float("min", math.Inf(-1)), c.float("max", math.Inf(1))
	fixed := true
	for i, p := range []*float64{&lo, &hi} {
		if c.has(1 + i) {
			if c.in[1+i].h == nil {
				fixed = false
				continue
			}
			*p = c.number(1 + i)
		}
	}
	switch {
	case !fixed:
		if c.has(1) {
			x = x.Maximum(c.tensor(1))
		}
		if c.has(2) {
			x = x.Minimum(c.tensor(2))
		}
		return one1(x)
	case lo == 0 && math.IsInf(hi, 1) && x.DType() == tensor.Float32:
		return one1(x.Relu())
	case x.DType() != tensor.Float32:
		lo, hi = max(lo, math.MinInt32), min(hi, math.MaxInt32)
	case math.IsInf(lo, 0) || math.IsInf(hi, 0): // one side only
		if !math.IsInf(lo, -1) {
			x = tensor.Where(x.Lt(tensor.Scalar(lo)), tensor.Scalar(lo), x)
		}
		if !math.IsInf(hi, 1) {
			x = tensor.Where(x.Gt(tensor.Scalar(hi)), tensor.Scalar(hi), x)
		}
		return one1(x)
	}
	return one1(x.Clamp(lo, hi))
}

func cast(c *call) []val {
	kind := elem(c.int("to", 0))
	if elemSize[kind] == 0 {
		c.fail("to element type %d", kind)
	}
	x := c.tensor(0)
	if bits, signed := narrow(kind); bits > 0 { // wider in memory, so wrap
		x = x.To(tensor.Int32).Mod(integerOf(1 << bits))
		if signed {
			x = tensor.Where(x.Ge(integerOf(1<<(bits-1))), x.Sub(integerOf(1<<bits)), x)
		}
	}
	return one1(x.To(dtype(kind)))
}

func castLike(c *call) []val {
	return one1(c.tensor(0).To(c.tensor(1).DType().Compute()))
}

// arg is the index of an extremum.
func arg(f func(x tt, d int) tt) func(*call) []val {
	return func(c *call) []val {
		x := c.tensor(0)
		d := c.axis(c.int("axis", 0), x.Dims())
		if c.int("select_last_index", 0) != 0 {
			c.fail("select_last_index is not supported")
		}
		y := f(x, d)
		if c.int("keepdims", 1) != 0 {
			y = y.Unsqueeze(d)
		}
		return one1(y)
	}
}

func cumSum(c *call) []val {
	x := c.tensor(0)
	d := c.axis(int(c.number(1)), x.Dims())
	reverse := c.int("reverse", 0) != 0
	if reverse {
		x = x.Flip(d)
	}
	y := x.CumSum(d)
	if c.int("exclusive", 0) != 0 { // what came before: later by one
		pads := make([][2]int, x.Dims())
		pads[d] = [2]int{1, 0}
		y = y.Pad(0, pads...).Slice(d, 0, x.Dim(d))
	}
	if reverse {
		y = y.Flip(d)
	}
	return one1(y)
}

// softmax: before opset 13 over all dimensions from axis (1 unless given) on.
func softmax(f func(x tt, d int) tt) func(*call) []val {
	return func(c *call) []val {
		x := c.tensor(0)
		if c.net.model.opset >= 13 {
			return one1(f(x, c.axis(c.int("axis", -1), x.Dims())))
		}
		d := c.axis(c.int("axis", 1), x.Dims())
		return one1(f(x.Flatten(d), d).Reshape(x.Shape()...))
	}
}

// reduceAxes are the dimensions that a reduction covers, and whether they stay.
func (c *call) reduceAxes(rank int) (axes []int, keep bool) {
	keep = c.int("keepdims", 1) != 0
	list, given := c.listOr("axes", 1)
	if !given || len(list) == 0 {
		if c.int("noop_with_empty_axes", 0) != 0 {
			return nil, keep
		}
		axes = make([]int, rank)
		for i := range axes {
			axes[i] = i
		}
		return axes, keep
	}
	return c.axes(list, rank), keep
}

// gemm is alpha A' B' + beta C.
func gemm(c *call) []val {
	a, b := c.tensor(0), c.tensor(1)
	if a.Dims() != 2 || b.Dims() != 2 {
		c.fail("operands %v and %v: matrices are needed", a.Shape(), b.Shape())
	}
	if c.int("transA", 0) != 0 {
		a = a.Transpose(0, 1)
	}
	if c.int("transB", 0) != 0 {
		b = b.Transpose(0, 1)
	}
	y := a.MatMul(b).MulScalar(c.float("alpha", 1))
	if c.has(2) {
		y = y.Add(c.tensor(2).MulScalar(c.float("beta", 1)))
	}
	return one1(y)
}
