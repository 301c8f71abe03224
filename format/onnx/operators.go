// The table of operators. Most are one line, because package tensor has the
// operation; those that take more are in opshape.go, opwindow.go and opother.go.
// What an operator does is in https://onnx.ai/onnx/operators.

package onnx

import (
	"maps"
	"math"
	"slices"

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
	return func(c *call) []val { return one1(f(c.tensor(0), c.second())) }
}

// second is input 1 so that it broadcasts to input 0. Before opset 7 an attribute
// says at which dimension of that it begins.
func (c *call) second() tt {
	x, y := c.tensor(0), c.tensor(1)
	a := c.attr("axis")
	if a == nil || c.net.model.opset >= 7 {
		return y
	}
	behind := x.Dims() - c.axis(int(a.I), x.Dims()) - y.Dims()
	if behind < 0 {
		c.fail("%v from dimension %d of %v on", y.Shape(), a.I, x.Shape())
	}
	return y.Reshape(slices.Concat(y.Shape(), slices.Repeat([]int{1}, behind))...)
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
		if c.has(0) && c.in[0].h != nil && len(c.in[0].h.v) == 0 {
			return c.reduceNothing()
		}
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

// reduceNothing is a reduction of a constant without elements.
func (c *call) reduceNothing() []val {
	h := c.in[0].h
	v, ok := map[string]float64{
		"ReduceSum": 0, "ReduceL1": 0, "ReduceL2": 0, "ReduceSumSquare": 0, "ReduceProd": 1, "ReduceLogSum": math.Inf(-1), "ReduceLogSumExp": math.Inf(-1),
		"ReduceMax": math.Inf(-1), "ReduceMin": math.Inf(1), "ReduceMean": math.NaN(),
	}[c.node.OpType]
	if !ok || !isFloat(h.kind) && (math.IsInf(v, 0) || v != v) {
		c.fail("input 0 of shape %v has no elements", h.shape)
	}
	axes, keep := c.reduceAxes(len(h.shape))
	var shape []int
	for d, n := range h.shape {
		if !slices.Contains(axes, d) {
			shape = append(shape, n)
		} else if keep {
			shape = append(shape, 1)
		}
	}
	out := &host{h.kind, shape, make([]float64, c.elements(shape))}
	if len(out.v) > maxHost {
		c.fail("a constant of %d elements", len(out.v))
	}
	for i := range out.v {
		out.v[i] = v
	}
	return []val{{h: out}}
}

func same(x tt) tt { return x }

// identity is also a sequence's.
func identity(c *call) []val {
	if !c.has(0) {
		c.fail("input 0 is missing")
	}
	return c.in[:1]
}

// integerOf is v as Int32, without dimensions.
func integerOf(v int) tt { return tensor.Scalar(float64(v)).To(tensor.Int32) }

// fromEnd makes negative positions in n elements count from the end.
func fromEnd(x tt, n int) tt { return tensor.Where(x.Lt(integerOf(0)), x.AddScalar(float64(n)), x) }

func init() {
	register(map[string]func(c *call) []val{
		"Exp": unary(tt.Exp), "Log": unary(tt.Log), "Sqrt": unary(tt.Sqrt), "Reciprocal": unary(tt.Reciprocal),
		"Sin": unary(tt.Sin), "Cos": unary(tt.Cos), "Tanh": unary(tt.Tanh), "Sigmoid": unary(tt.Sigmoid), "Erf": unary(tt.Erf), "Relu": unary(tt.Relu),
		"Floor": unary(tt.Floor), "Ceil": unary(tt.Ceil), "Round": unary(tt.Round), "Sign": unary(tt.Sign), "Not": unary(tt.Not),
		"Identity": identity, "Softplus": unary(tt.Softplus), "Mish": unary(tt.Mish), "HardSwish": unary(tt.Hardswish),
		"Tan":  unary(func(x tt) tt { return x.Sin().Div(x.Cos()) }),
		"Acos": unary(tt.Acos), "Acosh": unary(tt.Acosh), "Asin": unary(tt.Asin), "Asinh": unary(tt.Asinh), "Atan": unary(tt.Atan), "Atanh": unary(tt.Atanh),
		"Cosh": unary(tt.Cosh), "Sinh": unary(tt.Sinh),
		"Softsign": unary(softsign),
		"IsNaN":    unary(func(x tt) tt { return x.Ne(x) }),
		"IsInf":    isInf,

		"Equal": operands(tt.Eq), "Less": operands(tt.Lt), "LessOrEqual": operands(tt.Le), "Greater": operands(tt.Gt), "GreaterOrEqual": operands(tt.Ge),
		"And": operands(tt.And), "Or": operands(tt.Or), "Xor": operands(tt.Ne), "PRelu": prelu, "Mod": modulo,

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
		"Dropout": dropout,
		"Clip":    clip, "Cast": cast, "CastLike": castLike,

		"ReduceMean": reduceOp(same, tt.Mean), "ReduceMax": reduceOp(same, tt.Amax), "ReduceMin": reduceOp(same, tt.Amin),
		"ReduceL2": reduceOp(tt.Square, func(x tt, d ...int) tt { return x.Sum(d...).Sqrt() }), "ReduceLogSumExp": reduceOp(same, tt.LogSumExp),
		"ReduceLogSum": reduceOp(same, func(x tt, d ...int) tt { return x.Sum(d...).Log() }),
		"ArgMax":       arg(tt.Argmax), "ArgMin": arg(tt.Argmin),
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

// prelu multiplies negative elements. Before opset 7 the slopes were the channels'.
func prelu(c *call) []val {
	x, slope := c.tensor(0), c.tensor(1)
	if c.net.model.opset < 7 && x.Dims() > 1 {
		slope = c.perChannel(slope.Reshape(-1), x)
	}
	return one1(tensor.Where(x.Lt(tensor.Scalar(0)), x.Mul(slope), x))
}

// dropout drops in training, and where the model says that it always does. Its
// second result is which elements stay.
func dropout(c *call) []val {
	x := c.tensor(0)
	p := c.float("ratio", 0.5)
	if c.has(1) {
		p = c.number(1)
	}
	always := c.has(2) && c.number(2) != 0
	if !always && len(c.node.Output) < 2 {
		return one1(nn.Dropout{P: p}.Forward(x))
	}
	if always = (always || x.Trace().Training()) && p > 0; !always {
		return []val{{t: x}, {t: tensor.Full(1, x.Shape()...).To(tensor.Bool)}}
	}
	if p >= 1 {
		return []val{{t: tensor.Zeros(x.Shape()...)}, {t: tensor.Zeros(x.Shape()...).To(tensor.Bool)}}
	}
	keep := c.uniform(0, x.Shape()).Ge(tensor.Scalar(p))
	return []val{{t: tensor.Where(keep, x.MulScalar(1/(1-p)), tensor.Scalar(0))}, {t: keep}}
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
	case x.DType() != tensor.Float32 && (lo < -math.MaxInt32 || hi > math.MaxInt32): // beyond the range of integers is nothing
		if lo > math.MinInt32 {
			x = x.Maximum(integerOf(int(min(lo, math.MaxInt32))))
		}
		if hi < math.MaxInt32 {
			x = x.Minimum(integerOf(int(max(hi, math.MinInt32))))
		}
		return one1(x)
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
	kind := c.castTo()
	if elemSize[kind] == 0 {
		c.fail("to element type %d", kind)
	}
	return one1(toKind(c.tensor(0), kind))
}

func castLike(c *call) []val {
	x, like := c.tensor(0), c.tensor(1)
	if kind := c.kind(1); kind != 0 && dtype(kind) == like.DType().Compute() {
		return one1(toKind(x, kind))
	}
	return one1(x.To(like.DType().Compute()))
}

// arg is the index of an extremum.
func arg(f func(x tt, d int) tt) func(*call) []val {
	return func(c *call) []val {
		x := c.tensor(0)
		d := c.axis(c.int("axis", 0), x.Dims())
		var y tt
		if c.int("select_last_index", 0) != 0 { // the first from behind
			y = integerOf(x.Dim(d) - 1).Sub(f(x.Flip(d), d))
		} else {
			y = f(x, d)
		}
		if c.int("keepdims", 1) != 0 {
			y = y.Unsqueeze(d)
		}
		return one1(y)
	}
}

// cumulative is what f makes of the elements up to each, or of those before it, of
// which the first has none: that is start.
func cumulative(f func(x tt, d int) tt, start float64) func(*call) []val {
	return func(c *call) []val {
		x := c.tensor(0)
		d := c.axis(int(c.number(1)), x.Dims())
		reverse := c.int("reverse", 0) != 0
		if reverse {
			x = x.Flip(d)
		}
		y := f(x, d)
		if c.int("exclusive", 0) != 0 { // what came before: later by one
			pads := make([][2]int, x.Dims())
			pads[d] = [2]int{1, 0}
			y = y.Pad(start, pads...).Slice(d, 0, x.Dim(d))
		}
		if reverse {
			y = y.Flip(d)
		}
		return one1(y)
	}
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
