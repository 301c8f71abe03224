// Arithmetic of integers. A graph has 32 bits. Of values that are int64 in the file
// what does not fit saturates; int32 wraps, as C does and the runtimes with it;
// and what has fewer bits wraps at those. Most integers of a graph are positions,
// whose range is known: then nothing is added to the plain operation.

package onnx

import (
	"math"

	"github.com/weft-ml/weft/internal/ir"
	"github.com/weft-ml/weft/tensor"
)

const (
	least = math.MinInt32
	most  = math.MaxInt32
)

func init() {
	two := func(plain func(a, b tt) tt, op ir.Op, saturating func(a, b tt) tt) func(c *call) []val {
		return func(c *call) []val {
			a, b := c.tensor(0), c.second()
			return one1(c.whole(plain(a, b), op, func() tt { return saturating(a, b) }, a, b))
		}
	}
	one := func(plain func(a tt) tt) func(c *call) []val {
		return func(c *call) []val {
			a := c.tensor(0)
			return one1(c.whole(plain(a), ir.OpNeg, func() tt {
				return tensor.Where(a.Eq(integerOf(least)), integerOf(most), plain(a))
			}, a))
		}
	}
	register(map[string]func(c *call) []val{
		"Add": two(tt.Add, ir.OpAdd, addLong), "Sub": two(tt.Sub, ir.OpSub, subLong), "Mul": two(tt.Mul, ir.OpMul, mulLong),
		"Div": two(tt.Div, ir.OpDiv, divLong), "Neg": one(tt.Neg), "Abs": one(tt.Abs), "Pow": power,
		"ReduceSum":       wholeSum(reduceOp(same, tt.Sum), same),
		"ReduceL1":        wholeSum(reduceOp(tt.Abs, tt.Sum), func(x tt) tt { return x.Maximum(integerOf(-most)).Abs() }),
		"ReduceSumSquare": wholeSum(reduceOp(tt.Square, tt.Sum), func(x tt) tt { return mulLong(x, x) }),
		"ReduceProd":      wholeProd, "CumSum": cumSum, "MatMul": matMul,
	})
}

// integers reports whether x is of integers.
func integers(x tt) bool { return x.DType().Compute() == tensor.Int32 }

// saturates reports whether integers of kind saturate: those that have more values than
// Int32 has, and those of which nothing is known.
func saturates(kind elem) bool {
	return kind == elemInt64 || kind == elemUint64 || kind == elemUint32 || kind == 0
}

// whole is the result of an operation on the operands in, where it has to be that of
// the file's type: plain for floats and int32, wrapped for fewer bits, and saturating
// for int64 unless the operands are known to be small.
func (c *call) whole(plain tt, op ir.Op, saturating func() tt, in ...tt) tt {
	kind := c.kind(0)
	if !integers(plain) || kind == elemInt32 {
		return plain
	}
	if !saturates(kind) {
		return wrapped(plain, kind)
	}
	list := make([]interval, len(in))
	for i, x := range in {
		list[i] = intervalOf(x.Node(), 0)
	}
	if list[0].under(op, list[len(list)-1]).fits() {
		return unsigned(plain, kind)
	}
	return unsigned(saturating(), kind)
}

// unsigned is x where it must not be negative: what fell below 0 has wrapped to the
// top, where it saturates.
func unsigned(x tt, kind elem) tt {
	if kind != elemUint32 && kind != elemUint64 || intervalOf(x.Node(), 0).lo >= 0 {
		return x
	}
	return tensor.Where(x.Lt(integerOf(0)), integerOf(most), x)
}

// wrapped is x as integers of kind, if that has fewer bits than 32.
func wrapped(x tt, kind elem) tt {
	bits, signed := narrow(kind)
	if bits == 0 {
		return x
	}
	x = x.To(tensor.Int32).Mod(integerOf(1 << bits))
	if signed {
		x = tensor.Where(x.Ge(integerOf(1<<(bits-1))), x.Sub(integerOf(1<<bits)), x)
	}
	return x
}

// addLong is a + b, within the range of Int32. A sum that wrapped is on the wrong
// side of a.
func addLong(a, b tt) tt {
	if intervalOf(a.Node(), 0).signed() && !intervalOf(b.Node(), 0).signed() {
		a, b = b, a
	}
	s, r := a.Add(b), intervalOf(b.Node(), 0)
	up := tensor.Where(s.Lt(a), integerOf(most), s)
	down := tensor.Where(s.Gt(a), integerOf(least), s)
	return bySign(b, r, up, down)
}

func subLong(a, b tt) tt {
	s, r := a.Sub(b), intervalOf(b.Node(), 0)
	down := tensor.Where(s.Gt(a), integerOf(least), s)
	up := tensor.Where(s.Lt(a), integerOf(most), s)
	return bySign(b, r, down, up)
}

// bySign is x where b is not negative and y where it is; r are the values of b.
func bySign(b tt, r interval, x, y tt) tt {
	switch {
	case r.lo >= 0:
		return x
	case r.hi <= 0:
		return y
	}
	return tensor.Where(b.Ge(integerOf(0)), x, y)
}

// mulLong is a b, within the range of Int32. The product of floats says how large it
// is, but for the last digits; where that leaves it open, a product that wrapped has
// the wrong sign.
func mulLong(a, b tt) tt {
	f := a.To(tensor.Float32).Mul(b.To(tensor.Float32))
	return saturatedProduct(f, a.Mul(b))
}

func saturatedProduct(f, p tt) tt {
	zero := tensor.Scalar(0)
	near := f.Abs().Lt(tensor.Scalar(1<<31 + 1<<16))
	right := near.And(p.Lt(integerOf(0)).Eq(f.Lt(zero)))
	return tensor.Where(right, p, tensor.Where(f.Lt(zero), integerOf(least), integerOf(most)))
}

// divLong is a / b, which leaves the range once only.
func divLong(a, b tt) tt {
	return tensor.Where(a.Eq(integerOf(least)).And(b.Eq(integerOf(-1))), integerOf(most), a.Div(b))
}

// sumLong adds up by f, which is a sum over n elements at most: in three digits, whose
// sums fit, and which are put together if that does.
func (c *call) sumLong(x tt, n int, f func(x tt) tt) tt {
	r := intervalOf(x.Node(), 0)
	if (interval{r.lo * float64(n), r.hi * float64(n)}).fits() {
		return f(x)
	}
	if n > 1<<20 {
		c.fail("a sum of %d 64-bit integers; up to %d are supported where their range is not known", n, 1<<20)
	}
	const base = 1 << 10
	down := func(x tt) (rest, digit tt) { // division that rounds down
		digit = x.Mod(integerOf(base))
		return x.Sub(digit).Div(integerOf(base)), digit
	}
	rest, low := down(x)
	high, middle := down(rest)
	carry, low := down(f(low))
	carry, middle = down(f(middle).Add(carry))
	high = f(high).Add(carry)
	y := high.Mul(integerOf(base * base)).Add(middle.Mul(integerOf(base))).Add(low)
	y = tensor.Where(high.Lt(integerOf(-2048)), integerOf(least), y)
	return tensor.Where(high.Ge(integerOf(2048)), integerOf(most), y)
}

// wholeSum is a sum of g of the elements: plain for floats and int32.
func wholeSum(plain func(c *call) []val, g func(x tt) tt) func(c *call) []val {
	return func(c *call) []val {
		x, kind := c.tensor(0), c.kind(0)
		if !integers(x) || kind == elemInt32 {
			return plain(c)
		}
		if !saturates(kind) {
			return one1(wrapped(plain(c)[0].t, kind))
		}
		return reduceOp(g, func(x tt, dims ...int) tt {
			n := 1
			for _, d := range dims {
				n *= x.Dim(d)
			}
			return c.sumLong(x, n, func(x tt) tt { return x.Sum(dims...) })
		})(c)
	}
}

func cumSum(c *call) []val {
	kind := c.kind(0)
	return cumulative(func(x tt, d int) tt {
		if integers(x) && saturates(kind) {
			return c.sumLong(x, x.Dim(d), func(x tt) tt { return x.CumSum(d) })
		}
		if integers(x) {
			return wrapped(x.CumSum(d), kind)
		}
		return x.CumSum(d)
	}, 0)(c)
}

func wholeProd(c *call) []val {
	x, kind := c.tensor(0), c.kind(0)
	plain := reduceOp(same, tt.Prod)
	if !integers(x) || kind == elemInt32 {
		return plain(c)
	}
	if !saturates(kind) {
		return one1(wrapped(plain(c)[0].t, kind))
	}
	return reduceOp(same, func(x tt, dims ...int) tt {
		return saturatedProduct(x.To(tensor.Float32).Prod(dims...), x.Prod(dims...))
	})(c)
}

// power is a to the power b. Integers are multiplied, by squaring, and saturate.
func power(c *call) []val {
	x, y := c.tensor(0), c.second()
	number := math.NaN()
	if v := c.in[1]; v.h != nil && len(v.h.v) == 1 && len(v.h.shape) <= x.Dims() {
		number = v.h.v[0]
	}
	if x.DType() == tensor.Float32 {
		if number == number {
			return one1(x.PowScalar(number)) // defined for negative x, and a product
		}
		return one1(x.Pow(y.To(tensor.Float32)))
	}
	if !integers(y) && number != math.Trunc(number) || !integers(x) {
		return one1(x.To(tensor.Float32).Pow(y).To(x.DType().Compute()))
	}
	one := integerOf(1)
	if number >= 0 && number <= 64 {
		acc, base := one.Expand(x.Shape()...), x
		for k := int(number); k > 0; k >>= 1 {
			if k&1 == 1 {
				acc = mulLong(acc, base)
			}
			if k > 1 {
				base = mulLong(base, base)
			}
		}
		return one1(wrapped(acc, c.kind(0)))
	}
	// Beyond 31 all but -1, 0 and 1 have saturated, and those depend on whether the
	// exponent is even. Negative ones leave 0 of all others.
	y = y.To(tensor.Int32)
	odd := y.Mod(integerOf(2))
	e := y.Minimum(integerOf(32).Add(odd)).Maximum(odd)
	acc, base := one, x
	for bit := 1; bit <= 32; bit *= 2 {
		set := e.Div(integerOf(bit)).Mod(integerOf(2)).Eq(one)
		acc = tensor.Where(set, mulLong(acc, base), acc)
		if bit < 32 {
			base = mulLong(base, base)
		}
	}
	unit := x.Eq(one).Or(x.Eq(integerOf(-1)))
	return one1(wrapped(tensor.Where(y.Lt(integerOf(0)).And(unit.Not()), integerOf(0), acc), c.kind(0)))
}

// matMul of integers is a sum of products: products of matrices are those of floats,
// which count no further than 2^24.
func matMul(c *call) []val {
	a, b := c.tensor(0), c.tensor(1)
	if !integers(a) || !integers(b) {
		return one1(a.MatMul(b))
	}
	k := a.Dim(-1)
	if p := intervalOf(a.Node(), 0).under(ir.OpMul, intervalOf(b.Node(), 0)); max(-p.lo, p.hi)*float64(k) < 1<<24 {
		return one1(a.MatMul(b).To(tensor.Int32))
	}
	row, column := a.Dims() == 1, b.Dims() == 1
	if row {
		a = a.Unsqueeze(0)
	}
	if column {
		b = b.Unsqueeze(1)
	}
	if k != b.Dim(-2) {
		c.fail("%v x %v: inner dimensions %d and %d differ", c.tensor(0).Shape(), c.tensor(1).Shape(), k, b.Dim(-2))
	}
	x, y := a.Unsqueeze(-1), b.Unsqueeze(-3) // [.., M, K, 1] and [.., 1, K, N]
	var r tt
	if kind := c.kind(0); saturates(kind) {
		r = c.sumLong(mulLong(x, y), k, func(x tt) tt { return x.Sum(-2) })
	} else {
		r = x.Mul(y).Sum(-2)
	}
	if row {
		r = r.Squeeze(-2)
	}
	if column {
		r = r.Squeeze(-1)
	}
	return one1(r)
}
