package tensor

import (
	"math"

	"github.com/weft-ml/weft/internal/ir"
)

// Elementwise operations. Two tensors broadcast as in NumPy and PyTorch:
// shapes align at the end, and a dimension of size 1 stretches.

// broadcastShape returns the common shape of shapes.
func broadcastShape(op string, shapes ...[]int) []int {
	rank := 0
	for _, s := range shapes {
		rank = max(rank, len(s))
	}
	out := make([]int, rank)
	for i := range out {
		out[i] = 1
		for _, s := range shapes {
			j := len(s) - rank + i
			if j < 0 || s[j] == 1 {
				continue
			}
			if out[i] != 1 && out[i] != s[j] {
				panic(ir.NewError(op, "shapes %v do not broadcast", shapes))
			}
			out[i] = s[j]
		}
	}
	return out
}

// stretch broadcasts n to shape.
func stretch(n *ir.Node, shape []int) *ir.Node {
	if extra := len(shape) - len(n.Shape); extra > 0 {
		s := make([]int, 0, len(shape))
		for range extra {
			s = append(s, 1)
		}
		n = ir.Reshape(n, append(s, n.Shape...)...)
	}
	return ir.Expand(n, shape...)
}

func unary(op ir.Op, x *Tensor) *Tensor { return with(op.Name(), ir.Unary(op, x.node), x) }

func binary(op ir.Op, a, b *Tensor) *Tensor {
	shape := broadcastShape(op.Name(), a.Shape(), b.Shape())
	return with(op.Name(), ir.Binary(op, stretch(a.node, shape), stretch(b.node, shape)), a, b)
}

// Neg is -x.
func (x *Tensor) Neg() *Tensor { return unary(ir.OpNeg, x) }

// Abs is |x|.
func (x *Tensor) Abs() *Tensor { return unary(ir.OpAbs, x) }

// Exp is e^x.
func (x *Tensor) Exp() *Tensor { return unary(ir.OpExp, x) }

// Expm1 is e^x - 1, exact near 0.
func (x *Tensor) Expm1() *Tensor { return unary(ir.OpExpm1, x) }

// Log is the natural logarithm.
func (x *Tensor) Log() *Tensor { return unary(ir.OpLog, x) }

// Log1p is log(1 + x), exact near 0.
func (x *Tensor) Log1p() *Tensor { return unary(ir.OpLog1p, x) }

// Sqrt is the square root.
func (x *Tensor) Sqrt() *Tensor { return unary(ir.OpSqrt, x) }

// Rsqrt is 1 / sqrt(x).
func (x *Tensor) Rsqrt() *Tensor { return unary(ir.OpRsqrt, x) }

// Reciprocal is 1 / x.
func (x *Tensor) Reciprocal() *Tensor { return unary(ir.OpRecip, x) }

// Sin is the sine of x in radians. Graphics cards are exact up to 8000 (docs/numbers.md).
func (x *Tensor) Sin() *Tensor { return unary(ir.OpSin, x) }

// Cos is the cosine of x in radians. Graphics cards are exact up to 8000 (docs/numbers.md).
func (x *Tensor) Cos() *Tensor { return unary(ir.OpCos, x) }

// Asin is the arc sine of x, in radians from -pi/2 to pi/2; beyond 1 it is not a
// number.
func (x *Tensor) Asin() *Tensor { return unary(ir.OpAsin, x) }

// Acos is the arc cosine of x, in radians from 0 to pi; beyond 1 it is not a
// number.
func (x *Tensor) Acos() *Tensor { return unary(ir.OpAcos, x) }

// Atan is the arc tangent of x, in radians.
func (x *Tensor) Atan() *Tensor { return unary(ir.OpAtan, x) }

// Sinh is the hyperbolic sine.
func (x *Tensor) Sinh() *Tensor { return unary(ir.OpSinh, x) }

// Cosh is the hyperbolic cosine.
func (x *Tensor) Cosh() *Tensor { return unary(ir.OpCosh, x) }

// Asinh is the area hyperbolic sine, the inverse of Sinh.
func (x *Tensor) Asinh() *Tensor { return unary(ir.OpAsinh, x) }

// Acosh is the area hyperbolic cosine, at least 0; below 1 it is not a number.
func (x *Tensor) Acosh() *Tensor { return unary(ir.OpAcosh, x) }

// Atanh is the area hyperbolic tangent, the inverse of Tanh: infinite at 1 and -1,
// and beyond not a number.
func (x *Tensor) Atanh() *Tensor { return unary(ir.OpAtanh, x) }

// Tanh is the hyperbolic tangent.
func (x *Tensor) Tanh() *Tensor { return unary(ir.OpTanh, x) }

// Sigmoid is 1 / (1 + e^-x).
func (x *Tensor) Sigmoid() *Tensor { return unary(ir.OpSigmoid, x) }

// Erf is the error function.
func (x *Tensor) Erf() *Tensor { return unary(ir.OpErf, x) }

// Relu is max(x, 0).
func (x *Tensor) Relu() *Tensor { return unary(ir.OpRelu, x) }

// Floor is the greatest integer not above x. Its gradient is zero, as are
// those of Ceil, Round and Sign.
func (x *Tensor) Floor() *Tensor { return unary(ir.OpFloor, x) }

// Ceil is the least integer not below x.
func (x *Tensor) Ceil() *Tensor { return unary(ir.OpCeil, x) }

// Round is the nearest integer, halves to even.
func (x *Tensor) Round() *Tensor { return unary(ir.OpRound, x) }

// Sign is -1, 0 or 1.
func (x *Tensor) Sign() *Tensor { return unary(ir.OpSign, x) }

// Not is logical negation.
func (x *Tensor) Not() *Tensor { return unary(ir.OpNot, x) }

// Square is x^2.
func (x *Tensor) Square() *Tensor { return x.Mul(x) }

// Add is x + y.
func (x *Tensor) Add(y *Tensor) *Tensor { return binary(ir.OpAdd, x, y) }

// Sub is x - y.
func (x *Tensor) Sub(y *Tensor) *Tensor { return binary(ir.OpSub, x, y) }

// Mul is x y.
func (x *Tensor) Mul(y *Tensor) *Tensor { return binary(ir.OpMul, x, y) }

// Div is x / y; integers truncate towards zero.
func (x *Tensor) Div(y *Tensor) *Tensor { return binary(ir.OpDiv, x, y) }

// Mod is the remainder of x / y with the sign of y.
func (x *Tensor) Mod(y *Tensor) *Tensor { return binary(ir.OpMod, x, y) }

// Maximum is the greater of x and y. Where they are equal each gets half of
// the gradient.
func (x *Tensor) Maximum(y *Tensor) *Tensor { return binary(ir.OpMaximum, x, y) }

// Minimum is the lesser of x and y.
func (x *Tensor) Minimum(y *Tensor) *Tensor { return binary(ir.OpMinimum, x, y) }

// Pow is x to the power y.
func (x *Tensor) Pow(y *Tensor) *Tensor { return binary(ir.OpPow, x, y) }

// Eq is x == y, a Bool tensor; so are Ne, Lt, Le, Gt and Ge.
func (x *Tensor) Eq(y *Tensor) *Tensor { return binary(ir.OpEq, x, y) }

// Ne is x != y.
func (x *Tensor) Ne(y *Tensor) *Tensor { return binary(ir.OpNe, x, y) }

// Lt is x < y.
func (x *Tensor) Lt(y *Tensor) *Tensor { return binary(ir.OpLt, x, y) }

// Le is x <= y.
func (x *Tensor) Le(y *Tensor) *Tensor { return binary(ir.OpLe, x, y) }

// Gt is x > y.
func (x *Tensor) Gt(y *Tensor) *Tensor { return binary(ir.OpLt, y, x) }

// Ge is x >= y.
func (x *Tensor) Ge(y *Tensor) *Tensor { return binary(ir.OpLe, y, x) }

// And is logical conjunction.
func (x *Tensor) And(y *Tensor) *Tensor { return binary(ir.OpAnd, x, y) }

// Or is logical disjunction.
func (x *Tensor) Or(y *Tensor) *Tensor { return binary(ir.OpOr, x, y) }

// AddScalar is x + v. A constant takes the type of x.
func (x *Tensor) AddScalar(v float64) *Tensor { return x.Add(x.like(v)) }

// MulScalar is x v.
func (x *Tensor) MulScalar(v float64) *Tensor { return x.Mul(x.like(v)) }

// DivScalar is x / v.
func (x *Tensor) DivScalar(v float64) *Tensor { return x.Div(x.like(v)) }

// EqScalar is x == v.
func (x *Tensor) EqScalar(v float64) *Tensor { return x.Eq(x.like(v)) }

// like is a constant of x's type, a float when v is no integer that fits.
func (x *Tensor) like(v float64) *Tensor {
	dt := x.DType().Compute()
	if dt != Float32 {
		dt = Int32
		if v != math.Trunc(v) || math.Abs(v) > math.MaxInt32 {
			dt = Float32
		}
	}
	return &Tensor{node: ir.Const(dt, v)}
}

// PowScalar is x to the power p. Small integer powers are products, so that
// they are exact and defined for negative x.
func (x *Tensor) PowScalar(p float64) *Tensor {
	switch p {
	case 0:
		return Full(1, x.Shape()...)
	case 0.5:
		return x.Sqrt()
	case -0.5:
		return x.Rsqrt()
	}
	if n := math.Abs(p); n == math.Trunc(n) && n <= 16 {
		var r *Tensor
		for k, base := int(n), x; k > 0; k >>= 1 {
			if k&1 == 1 {
				if r == nil {
					r = base
				} else {
					r = r.Mul(base)
				}
			}
			if k > 1 {
				base = base.Mul(base)
			}
		}
		if p < 0 {
			return r.Reciprocal()
		}
		return r
	}
	return x.Pow(Scalar(p))
}

// Where is a where c holds and b elsewhere.
func Where(c, a, b *Tensor) *Tensor {
	shape := broadcastShape("where", c.Shape(), a.Shape(), b.Shape())
	return with("where", ir.Where(stretch(c.node, shape), stretch(a.node, shape), stretch(b.node, shape)), c, a, b)
}

// Clamp limits x to [lo, hi]; if lo is above hi, all elements become hi. The
// gradient passes where x lies in the interval, its ends included.
func (x *Tensor) Clamp(lo, hi float64) *Tensor {
	low, high := x.like(min(lo, hi)), x.like(hi)
	y := Where(x.Lt(low), low, Where(x.Gt(high), high, x))
	if x.DType().Compute() != Float32 {
		return y
	}
	// Some compilers of shaders make a maximum and a minimum of that, which drop what is not a number.
	return Where(x.Ne(x), x, y)
}

// To converts x to another element type.
func (x *Tensor) To(dt DType) *Tensor { return with("to", ir.Cast(x.node, dt), x) }

// Detach is x, taken as a constant by Grad.
func (x *Tensor) Detach() *Tensor { return with("detach", ir.Detach(x.node), x) }

// Activations. Each is composed from the operations above, and fusion makes
// one expression of it again.

// LeakyRelu is x where x > 0 and slope*x elsewhere.
func (x *Tensor) LeakyRelu(slope float64) *Tensor {
	return Where(x.Gt(x.like(0)), x, x.MulScalar(slope))
}

// Elu is x where x > 0 and alpha (e^x - 1) elsewhere (Clevert et al., 2015).
func (x *Tensor) Elu(alpha float64) *Tensor {
	zero := x.like(0)
	// The unused branch must stay finite, or its gradient would be NaN. Where
	// and not Minimum: at 0 all of the gradient belongs to the exponential.
	below := Where(x.Gt(zero), zero, x)
	return Where(x.Gt(zero), x, below.Expm1().MulScalar(alpha))
}

// Gelu is x Phi(x) with the normal distribution function (Hendrycks and
// Gimpel, 2016).
func (x *Tensor) Gelu() *Tensor {
	return x.Mul(x.MulScalar(math.Sqrt2 / 2).Erf().AddScalar(1).MulScalar(0.5))
}

// GeluTanh is Gelu's approximation by tanh, as GPT-2 uses it.
func (x *Tensor) GeluTanh() *Tensor {
	inner := x.Add(x.PowScalar(3).MulScalar(0.044715)).MulScalar(math.Sqrt(2 / math.Pi))
	return x.MulScalar(0.5).Mul(inner.Tanh().AddScalar(1))
}

// Silu is x sigmoid(x), also called Swish.
func (x *Tensor) Silu() *Tensor { return x.Mul(x.Sigmoid()) }

// Softplus is log(1 + e^x), computed without overflow.
func (x *Tensor) Softplus() *Tensor {
	// Maximum and not Relu: its gradient at 0 is the half that belongs there.
	return x.Maximum(x.like(0)).Add(x.Abs().Neg().Exp().Log1p())
}

// Mish is x tanh(softplus(x)) (Misra, 2019).
func (x *Tensor) Mish() *Tensor { return x.Mul(x.Softplus().Tanh()) }

// Hardsigmoid is clamp(x/6 + 1/2, 0, 1).
func (x *Tensor) Hardsigmoid() *Tensor { return x.DivScalar(6).AddScalar(0.5).Clamp(0, 1) }

// Hardswish is x hardsigmoid(x) (Howard et al., "Searching for MobileNetV3", 2019).
func (x *Tensor) Hardswish() *Tensor { return x.Mul(x.Hardsigmoid()) }
