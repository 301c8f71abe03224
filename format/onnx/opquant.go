// Models of eight-bit integers, as ONNX Runtime's quantiser writes them: products of
// integers, whose sums are of 32 bits, and operators between two scales.
//
// The engine multiplies matrices of floats, which count to 2^24 without a gap. So
// sums of products of bytes are exact as long as they stay below, which is known from
// the number of terms, or from the weights. Where they may not, one operand is taken
// apart into four bits and the rest, or both are, and the two or four products, each
// exact, are put together as integers.

package onnx

import (
	"slices"
	"sync"

	"github.com/weft-ml/weft/internal/ir"
	"github.com/weft-ml/weft/tensor"
)

// quantizedResults name the input whose type an operator's result has: the zero
// point of the result.
var quantizedResults = map[string]int{
	"QLinearConv": 7, "QLinearMatMul": 7, "com.microsoft.QLinearAdd": 0, "com.microsoft.QLinearMul": 0, "com.microsoft.QLinearSigmoid": 0,
	"com.microsoft.QLinearLeakyRelu": 0, "com.microsoft.QLinearAveragePool": 0, "com.microsoft.QLinearGlobalAveragePool": 0,
	"com.microsoft.QLinearConcat": 2, "com.microsoft.QLinearSoftmax": 0, "com.microsoft.QLinearWhere": 1, "com.microsoft.QGemm": 0,
}

func init() {
	register(map[string]func(c *call) []val{
		"MatMulInteger": matMulInteger, "ConvInteger": convInteger, "DynamicQuantizeLinear": dynamicQuantizeLinear,
		"QLinearMatMul": qLinearMatMul, "QLinearConv": qLinearConv,
	})
	// Scales are no weights.
	for name, list := range map[string][]int{
		"QLinearMatMul": {1, 4, 6}, "QLinearConv": {1, 4, 6}, "QLinearAdd": {1, 4, 6}, "QLinearMul": {1, 4, 6}, "QLinearSigmoid": {1, 3},
		"QLinearLeakyRelu": {1, 3}, "QLinearAveragePool": {1, 3}, "QLinearGlobalAveragePool": {1, 3}, "QLinearSoftmax": {1, 3},
		"QLinearWhere": {2, 5, 7}, "QGemm": {1, 4, 7}, "DynamicQuantizeMatMul": {2}, "MatMulIntegerToFloat": {2, 3},
	} {
		settings[name] = list
	}
}

// limits are the least and the greatest number of kind, one of eight or sixteen bits.
func (c *call) limits(kind elem) (lo, hi float64) {
	bits, signed := narrow(kind)
	if bits == 0 {
		c.fail("integers of type %s, where those of eight bits are needed", elemNames[kind])
	}
	if n := float64(int(1) << bits); signed {
		return -n / 2, n/2 - 1
	} else {
		return 0, n - 1
	}
}

// sized are the numbers of input i, integers of few bits: as Int32, and how large
// they are at most, less the zero points of input z, which have the given shape.
func (c *call) sized(i, z int, shape func(zero tt) tt) (x tt, most float64) {
	x = c.tensor(i).To(tensor.Int32)
	lo, hi := c.limits(c.kind(i))
	if !c.has(z) {
		return x, max(-lo, hi)
	}
	zero := c.tensor(z).To(tensor.Int32)
	from, to := lo, hi // of the zero points
	if s := intervalOf(zero.Node(), 0); s.lo >= lo && s.hi <= hi {
		from, to = s.lo, s.hi
	}
	if zero.Len() == 1 {
		zero = zero.Reshape()
	} else {
		zero = shape(zero)
	}
	return x.Sub(zero), max(hi-from, to-lo)
}

// reaches remembers of constant weights how much their largest sum is.
var reaches sync.Map // *nodeProto -> float64

// exact is the product of a and b as Int32: sums of terms products of integers, which
// are at most mostA and mostB large. Of constant b the terms that belong to one sum
// are found by sums.
func (c *call) exact(a, b tt, terms int, mostA, mostB float64, product func(a, b tt) tt, sums func(b tt) tt) tt {
	const limit = 1 << 24
	reach := mostB * float64(terms) // of the absolute values of b in one sum
	if mostA*reach > limit && b.Trace() == nil {
		known, ok := reaches.Load(c.node)
		if !ok {
			v, err := sums(b.Abs()).To(tensor.Float32).Amax().Read()
			if err != nil {
				c.fail("%v", err)
			}
			known = float64(v[0])
			reaches.Store(c.node, known)
		}
		reach = min(reach, known.(float64))
	}
	times := func(a, b tt) tt { return product(a.To(tensor.Float32), b.To(tensor.Float32)).To(tensor.Int32) }
	const base = 16
	digits := func(x tt) (rest, low tt) { // x is 16 rest + low, and both are at most 16 large
		low = x.Mod(integerOf(base))
		return x.Sub(low).Div(integerOf(base)), low
	}
	switch {
	case mostA*reach <= limit:
		return times(a, b)
	case base*reach <= limit:
		rest, low := digits(a)
		return times(rest, b).Mul(integerOf(base)).Add(times(low, b))
	case base*base*terms > limit:
		c.fail("sums of %d products of bytes: up to %d are supported", terms, limit/base/base)
	}
	ra, la := digits(a)
	rb, lb := digits(b)
	mixed := times(ra, lb).Add(times(la, rb)).Mul(integerOf(base))
	return times(ra, rb).Mul(integerOf(base * base)).Add(mixed).Add(times(la, lb))
}

// integerMatMul is the product of matrices at inputs a and b less their zero points at
// az and bz: one for all, or one for each row of a or column of b.
func (c *call) integerMatMul(a, az, b, bz int) tt {
	x, mostX := c.sized(a, az, func(z tt) tt {
		if z.Dims() == 1 {
			return z.Unsqueeze(1)
		}
		return z
	})
	y, mostY := c.sized(b, bz, func(z tt) tt { return z })
	return c.exactMatMul(x, y, mostX, mostY)
}

func (c *call) exactMatMul(x, y tt, mostX, mostY float64) tt {
	if x.Dims() < 1 || y.Dims() < 1 {
		c.fail("%v x %v: matrices are needed", x.Shape(), y.Shape())
	}
	return c.exact(x, y, x.Dim(-1), mostX, mostY, tt.MatMul, func(b tt) tt { return b.Sum(max(0, b.Dims()-2)) })
}

func matMulInteger(c *call) []val { return one1(c.integerMatMul(0, 2, 1, 3)) }

// integerConv is the convolution of inputs x and w less their zero points.
func (c *call) integerConv(x, xz, w, wz int) tt {
	in, mostX := c.sized(x, xz, func(z tt) tt { c.fail("zero points %v of the input: one is possible", z.Shape()); return nil })
	weight, mostW := c.sized(w, wz, func(z tt) tt { return c.perOutput(z, c.tensor(w)) })
	if weight.Dims() < 3 {
		c.fail("weight %v", weight.Shape())
	}
	terms := ir.NumElems(weight.Shape()[1:])
	// Padding is 0 here, which is the zero point of the file.
	return c.exact(in, weight, terms, mostX, mostW, func(a, b tt) tt { return c.convolve(a, b, nil) }, func(b tt) tt { return b.Sum(from(1, b.Dims())...) })
}

// perOutput shapes v [O] so that it broadcasts along the first dimension of the weight
// w.
func (c *call) perOutput(v, w tt) tt {
	if v.Dims() != 1 || v.Dim(0) != w.Dim(0) {
		c.fail("%v for the output channels of weight %v", v.Shape(), w.Shape())
	}
	return v.Reshape(append([]int{-1}, slices.Repeat([]int{1}, w.Dims()-1)...)...)
}

func convInteger(c *call) []val { return one1(c.integerConv(0, 2, 1, 3)) }

// quantized is x, in steps of the result, rounded half to even, about the zero point
// of input z, within the limits of kind.
func (c *call) quantized(steps tt, z int, kind elem) tt {
	lo, hi := c.limits(kind)
	q := steps.Round()
	if c.has(z) {
		zero := c.tensor(z)
		if zero.Len() != 1 {
			c.fail("%d zero points of the result: one is possible", zero.Len())
		}
		q = q.Add(zero.Reshape().To(tensor.Float32))
	}
	return q.Clamp(lo, hi).To(tensor.Int32)
}

// scalar is input i, a single number, without dimensions.
func (c *call) scalar(i int) tt {
	x := c.tensor(i)
	if x.Len() != 1 {
		c.fail("input %d (%s) has shape %v, where one number is expected", i, quote(c.node.Input[i]), x.Shape())
	}
	return x.Reshape().To(tensor.Float32)
}

// dynamicQuantized are x as uint8, the scale and the zero point, chosen so that zero
// and all of x are within.
func dynamicQuantized(x tt) (q, scale, zero tt) {
	none := tensor.Scalar(0)
	lo, hi := x.Amin().Minimum(none), x.Amax().Maximum(none)
	scale = tensor.Where(lo.Eq(hi), tensor.Scalar(1), hi.Sub(lo).DivScalar(255))
	zero = lo.Neg().Div(scale).Clamp(0, 255).Round()
	return x.Div(scale).Round().Add(zero).Clamp(0, 255).To(tensor.Int32), scale, zero.To(tensor.Int32)
}

func dynamicQuantizeLinear(c *call) []val {
	q, scale, zero := dynamicQuantized(c.tensor(0))
	return []val{{t: q, kind: elemUint8}, {t: scale}, {t: zero, kind: elemUint8}}
}

// qLinearMatMul has a scale and a zero point of each matrix, and of the result.
func qLinearMatMul(c *call) []val {
	acc := c.integerMatMul(0, 2, 3, 5).To(tensor.Float32)
	rows := c.tensor(1)
	switch {
	case rows.Len() == 1:
		rows = rows.Reshape()
	case rows.Dims() == 1:
		rows = rows.Unsqueeze(1)
	}
	columns := c.tensor(4)
	if columns.Len() == 1 {
		columns = columns.Reshape()
	}
	return one1(c.quantized(acc.Mul(rows.Mul(columns).Div(c.scalar(6))), 7, c.resultType(7, 0)))
}

// resultType is the type of the zero point z, or of input i if that is left out.
func (c *call) resultType(z, i int) elem {
	if c.has(z) && c.kind(z) != 0 {
		return c.kind(z)
	}
	return c.kind(i)
}

// qLinearConv: the bias has the scale of the products.
func qLinearConv(c *call) []val {
	acc := c.integerConv(0, 2, 3, 5)
	if c.has(8) {
		acc = acc.Add(c.perChannel(c.tensor(8).To(tensor.Int32), acc))
	}
	scale := c.tensor(4)
	if scale.Len() == 1 {
		scale = scale.Reshape()
	} else {
		scale = c.perChannel(scale, acc)
	}
	steps := acc.To(tensor.Float32).Mul(c.scalar(1).Mul(scale).Div(c.scalar(6)))
	return one1(c.quantized(steps, 7, c.resultType(7, 0)))
}

// minBytes is the size from which constants of eight bits stay bytes: where they are
// weights and not settings.
const minBytes = 1 << 12

// bytes is t, integers of eight bits, as a tensor that takes as many bytes. The
// engine has unsigned ones, so that signed ones are moved by 128.
func (t *tensorProto) bytes() (tt, error) {
	n, err := t.check()
	if err != nil {
		return nil, err
	}
	data := make([]byte, n)
	offset := 0
	if elem(t.DataType) == elemInt8 {
		offset = 128
	}
	if err := t.each(func(i int, v float64) { data[i] = byte(int(v) + offset) }); err != nil {
		return nil, err
	}
	x := tensor.Shared(data, t.shape()...).To(tensor.Int32)
	if offset > 0 {
		x = x.Sub(integerOf(offset))
	}
	return x, nil
}

// dequantized is input i as floats, by the scale and the zero point behind it.
func (c *call) dequantized(i int) tt {
	x := c.tensor(i).To(tensor.Float32)
	if c.has(i + 2) {
		x = x.Sub(c.scalar(i + 2))
	}
	return x.Mul(c.scalar(i + 1))
}
