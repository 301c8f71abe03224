// ONNX Runtime's own operators, of the domain com.microsoft: those that its quantiser
// writes for operators which the standard has no integers for, and those that its
// optimiser makes of several others
// (https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md).

package onnx

import (
	"slices"

	"github.com/weft-ml/weft/tensor"
)

func init() {
	own := map[string]func(c *call) []val{
		"QuantizeLinear": quantizeLinear, "DequantizeLinear": dequantizeLinear,
		"QLinearAdd": qLinearOf(tt.Add), "QLinearMul": qLinearOf(tt.Mul),
		"QLinearSigmoid":   qLinear(func(c *call, x tt) tt { return x.Sigmoid() }),
		"QLinearLeakyRelu": qLinear(func(c *call, x tt) tt { return x.LeakyRelu(c.float("alpha", 0.01)) }),
		"QLinearSoftmax":   qLinear(func(c *call, x tt) tt { return qSoftmax(c, x) }),
		"QLinearAveragePool": qLinear(func(c *call, x tt) tt {
			return c.lastToFirst(x, func(x tt) tt { return c.with(val{t: x}).apply(averagePool) })
		}),
		"QLinearGlobalAveragePool": qLinear(func(c *call, x tt) tt {
			return c.lastToFirst(x, func(x tt) tt { return x.MeanKeep(from(2, x.Dims())...) })
		}),
		"QLinearConcat": qLinearConcat, "QLinearWhere": qLinearWhere, "QGemm": qGemm,
		"DynamicQuantizeMatMul": dynamicQuantizeMatMul, "MatMulIntegerToFloat": matMulIntegerToFloat,

		"Gelu": unary(tt.Gelu), "BiasGelu": operands(func(x, b tt) tt { return x.Add(b).Gelu() }),
		"FastGelu": func(c *call) []val {
			x := c.tensor(0)
			if c.has(1) {
				x = x.Add(c.tensor(1))
			}
			return one1(x.GeluTanh())
		},
		"QuickGelu":   floaty(func(c *call, x tt) tt { return x.Mul(x.MulScalar(c.float("alpha", 1.702)).Sigmoid()) }),
		"FusedMatMul": fusedMatMul, "FusedGemm": fusedGemm, "FusedConv": fusedConv,
		"SkipLayerNormalization": skipLayerNormalization, "SkipSimplifiedLayerNormalization": skipLayerNormalization,
		"EmbedLayerNormalization": embedLayerNormalization,
	}
	rows := map[string]func(c *call) []val{"SimplifiedLayerNormalization": rmsNormalization}
	for name, f := range own {
		rows["com.microsoft."+name] = f
	}
	register(rows)
	for _, name := range []string{"FusedMatMul", "FusedGemm", "FusedConv", "SkipLayerNormalization"} {
		weighty[name] = true
	}
}

// with is c with other inputs, for operators that are a part of this one.
func (c *call) with(in ...val) *call {
	d := *c
	d.in = in
	return &d
}

func (c *call) apply(f func(c *call) []val) tt { return f(c)[0].t }

// qLinear is a function of floats between two scales: inputs are X, its scale and zero
// point, and the result's.
func qLinear(f func(c *call, x tt) tt) func(c *call) []val {
	return func(c *call) []val {
		return one1(c.quantized(f(c, c.dequantized(0)).Div(c.scalar(3)), 4, c.resultType(4, 0)))
	}
}

// qLinearOf is the same of two operands.
func qLinearOf(f func(a, b tt) tt) func(c *call) []val {
	return func(c *call) []val {
		return one1(c.quantized(f(c.dequantized(0), c.dequantized(3)).Div(c.scalar(6)), 7, c.resultType(7, 0)))
	}
}

// qSoftmax: its attribute opset says which softmax is meant.
func qSoftmax(c *call, x tt) tt {
	if c.int("opset", 13) >= 13 {
		return x.Softmax(c.axis(c.int("axis", -1), x.Dims()))
	}
	d := c.axis(c.int("axis", 1), x.Dims())
	return x.Flatten(d).Softmax(d).Reshape(x.Shape()...)
}

// lastToFirst applies f to x with the channels as dimension 1, where channels_last says
// that they are the last.
func (c *call) lastToFirst(x tt, f func(x tt) tt) tt {
	if c.int("channels_last", 0) == 0 || x.Dims() < 3 {
		return f(x)
	}
	r := x.Dims()
	y := f(x.Permute(slices.Concat([]int{0, r - 1}, from(1, r-1))...))
	return y.Permute(append(append([]int{0}, from(2, r)...), 1)...)
}

// qLinearConcat has the result's scale and zero point, and then three inputs for each
// part.
func qLinearConcat(c *call) []val {
	var parts []tt
	for i := 2; i+1 < len(c.in); i += 3 {
		parts = append(parts, c.dequantized(i))
	}
	if len(parts) == 0 {
		c.fail("no parts")
	}
	y := tensor.Concat(c.axis(c.int("axis", 0), parts[0].Dims()), parts...)
	return one1(c.quantized(y.Div(c.scalar(0)), 1, c.resultType(1, 2)))
}

func qLinearWhere(c *call) []val {
	y := tensor.Where(c.tensor(0), c.dequantized(1), c.dequantized(4))
	return one1(c.quantized(y.Div(c.scalar(7)), 8, c.resultType(8, 1)))
}

// qGemm is alpha A' B' + C with scales; the result is floats where it has no scale.
func qGemm(c *call) []val {
	a, mostA := c.sized(0, 2, func(z tt) tt { c.fail("zero points %v of A: one is possible", z.Shape()); return nil })
	columns := func(v tt) tt { // one for each column of the result
		if c.int("transB", 0) != 0 {
			return v.Unsqueeze(1)
		}
		return v
	}
	b, mostB := c.sized(3, 5, columns)
	if a.Dims() != 2 || b.Dims() != 2 {
		c.fail("operands %v and %v: matrices are needed", a.Shape(), b.Shape())
	}
	if c.int("transA", 0) != 0 {
		a = a.Transpose(0, 1)
	}
	if c.int("transB", 0) != 0 {
		b = b.Transpose(0, 1)
	}
	acc := c.exactMatMul(a, b, mostA, mostB)
	if c.has(6) {
		acc = acc.Add(c.tensor(6).To(tensor.Int32))
	}
	scale := c.tensor(4)
	if scale.Len() == 1 {
		scale = scale.Reshape()
	}
	y := acc.To(tensor.Float32).Mul(c.scalar(1).Mul(scale).MulScalar(c.float("alpha", 1)))
	if !c.has(7) {
		return one1(y)
	}
	return one1(c.quantized(y.Div(c.scalar(7)), 8, c.resultType(8, 0)))
}

// scaled is the product acc of integers as floats, with the scales of rows and columns
// and a bias.
func (c *call) scaled(acc, a, b tt, bias int) []val {
	one := func(v tt) tt {
		if v.Len() == 1 {
			return v.Reshape()
		}
		return v
	}
	y := acc.To(tensor.Float32).Mul(one(a).Mul(one(b)))
	if c.has(bias) {
		y = y.Add(c.tensor(bias))
	}
	return one1(y)
}

func dynamicQuantizeMatMul(c *call) []val {
	q, scale, zero := dynamicQuantized(c.tensor(0))
	b, most := c.sized(1, 3, func(z tt) tt { return z })
	return c.scaled(c.exactMatMul(q.Sub(zero), b, 255, most), scale, c.tensor(2), 4)
}

func matMulIntegerToFloat(c *call) []val {
	return c.scaled(c.integerMatMul(0, 4, 1, 5), c.tensor(2), c.tensor(3), 6)
}

// fusedMatMul is alpha A' B'; transBatch moves the first dimension behind all but the
// last, which is where the batch then is.
func fusedMatMul(c *call) []val {
	operand := func(i int, flag, batch string) tt {
		x := c.tensor(i)
		if c.int(batch, 0) != 0 && x.Dims() > 2 {
			r := x.Dims()
			x = x.Permute(slices.Concat(from(1, r-1), []int{0, r - 1})...)
		}
		if c.int(flag, 0) != 0 && x.Dims() > 1 {
			x = x.Transpose(-1, -2)
		}
		return x
	}
	y := operand(0, "transA", "transBatchA").MatMul(operand(1, "transB", "transBatchB"))
	return one1(y.MulScalar(c.float("alpha", 1)))
}

// activated applies a fused activation with its numbers.
func (c *call) activated(x tt, name string, numbers []float64) tt {
	number := func(i int, def float64) float64 {
		if i < len(numbers) {
			return numbers[i]
		}
		return def
	}
	switch name {
	case "":
		return x
	case "Relu":
		return x.Relu()
	case "Tanh":
		return x.Tanh()
	case "Sigmoid":
		return x.Sigmoid()
	case "Softplus":
		return x.Softplus()
	case "Softsign":
		return x.Div(x.Abs().AddScalar(1))
	case "LeakyRelu":
		return x.LeakyRelu(number(0, 0.01))
	case "Elu":
		return x.Elu(number(0, 1))
	case "Clip":
		if len(numbers) == 2 {
			return x.Clamp(numbers[0], numbers[1])
		}
	case "HardSigmoid":
		return x.MulScalar(number(0, 0.2)).AddScalar(number(1, 0.5)).Clamp(0, 1)
	case "ThresholdedRelu":
		return tensor.Where(x.Gt(tensor.Scalar(number(0, 1))), x, tensor.Scalar(0))
	}
	c.fail("activation %s with the numbers %v is not supported", quote(name), numbers)
	return nil
}

func fusedGemm(c *call) []val {
	var numbers []float64
	for _, name := range []string{"activation_alpha", "activation_beta", "activation_gamma"} {
		if a := c.attr(name); a != nil {
			numbers = append(numbers, float64(a.F))
		}
	}
	return one1(c.activated(c.apply(gemm), c.text("activation", ""), numbers))
}

// fusedConv adds Z before the activation.
func fusedConv(c *call) []val {
	y := c.convolve(c.tensor(0), c.tensor(1), c.bias(2))
	if c.has(3) {
		y = y.Add(c.tensor(3))
	}
	var numbers []float64
	if a := c.attr("activation_params"); a != nil {
		for _, v := range a.Floats {
			numbers = append(numbers, float64(v))
		}
	}
	return one1(c.activated(y, c.text("activation", ""), numbers))
}

// skipLayerNormalization normalises the sum of the input, a shortcut and a bias, and
// also returns the sum, as its last result. Simplified has no mean and no beta.
func skipLayerNormalization(c *call) []val {
	sum := c.tensor(0).Add(c.tensor(1))
	simple := c.node.OpType == "SkipSimplifiedLayerNormalization"
	bias := 4
	if simple {
		bias = 3
	}
	if c.has(bias) {
		sum = sum.Add(c.tensor(bias))
	}
	if simple {
		mean := sum.Square().MeanKeep(-1)
		scale := mean.AddScalar(c.float("epsilon", 1e-5)).Rsqrt()
		return []val{{t: sum.Mul(scale).Mul(c.tensor(2))}, {t: mean}, {t: scale}, {t: sum}}
	}
	return c.normalized(sum, 2, 3, sum)
}

// normalized is x normalised along its last dimension, with the factor and the shift at
// the inputs gamma and beta; then the mean, one over the deviation, and last.
func (c *call) normalized(x tt, gamma, beta int, last tt) []val {
	mean := x.MeanKeep(-1)
	d := x.Sub(mean)
	scale := d.Square().MeanKeep(-1).AddScalar(c.float("epsilon", 1e-12)).Rsqrt()
	y := d.Mul(scale).Mul(c.tensor(gamma))
	if c.has(beta) {
		y = y.Add(c.tensor(beta))
	}
	return []val{{t: y}, {t: mean}, {t: scale}, {t: last}}
}

// embedLayerNormalization adds embeddings of words, positions and segments, and
// normalises the sum. Its second result is how many words of each sample the mask keeps.
func embedLayerNormalization(c *call) []val {
	ids := c.tensor(0).To(tensor.Int32)
	if ids.Dims() != 2 {
		c.fail("input_ids %v: [batch, sequence] is needed", ids.Shape())
	}
	n, length := ids.Dim(0), ids.Dim(1)
	positions := c.tensor(3)
	sum := c.tensor(2).Embedding(ids)
	if c.has(8) {
		sum = sum.Add(positions.Embedding(c.tensor(8).To(tensor.Int32)))
	} else {
		if length > positions.Dim(0) {
			c.fail("%d positions, and the table has %d", length, positions.Dim(0))
		}
		sum = sum.Add(positions.Slice(0, 0, length))
	}
	if c.has(1) && c.has(4) {
		sum = sum.Add(c.tensor(4).Embedding(c.tensor(1).To(tensor.Int32)))
	}
	count := integerOf(0).Expand(n)
	if c.has(7) && c.int("mask_index_type", 1) != 0 {
		count = c.tensor(7).To(tensor.Int32).Sum(1)
	}
	out := c.normalized(sum, 5, 6, sum)
	return []val{out[0], {t: count, kind: elemInt32}, out[3]}
}
