package ir

import "math"

// Elementwise operations. Each has a row in Table, from which the CPU code,
// the WGSL, the gradient, the ONNX operator, the gradient checks and the
// reference documentation follow: adding an operation is adding a row.
const (
	_ Op = iota + firstElementwise

	OpCast // to the node's DType
	OpNeg
	OpAbs
	OpExp
	OpExpm1
	OpLog
	OpLog1p
	OpSqrt
	OpRsqrt
	OpRecip
	OpSin
	OpCos
	OpTanh
	OpSigmoid
	OpErf
	OpRelu
	OpFloor
	OpCeil
	OpRound
	OpSign
	OpNot
	OpAcos
	OpAcosh
	OpAsin
	OpAsinh
	OpAtan
	OpAtanh
	OpCosh
	OpSinh

	OpAdd
	OpSub
	OpMul
	OpDiv
	OpMaximum
	OpMinimum
	OpPow
	OpMod
	OpEq
	OpNe
	OpLt
	OpLe
	OpAnd
	OpOr

	OpWhere
	OpRand

	numOps
)

// Row describes one elementwise operation. F32 and I32 take up to three
// arguments and ignore those beyond Arity; one that is nil means that the
// operation does not exist for that type. Comparisons set Test instead.
type Row struct {
	Name   string
	Arity  int
	Result DType // for Kind Fixed
	Kind   ResultKind

	F32   func(a, b, c float32) float32
	I32   func(a, b, c int32) int32
	Test  func(a, b float32) bool // comparisons of floats
	TestI func(a, b int32) bool   // and of integers

	WGSL    string // expression of $0, $1, $2 for floats
	WGSLInt string // the same for integers, where it differs
	Helper  string // WGSL function that the expression calls
	Cost    int    // rough arithmetic cost; an addition is 1

	Grad func(n, g *Node) []*Node // gradients of the inputs; nil entries for none

	ONNX   string
	Doc    string     // formula, for the reference documentation
	Domain [2]float64 // where gradient checks draw their arguments
}

// ResultKind says how an operation's result type follows from its arguments.
type ResultKind uint8

const (
	Same  ResultKind = iota // the type of the last argument
	Fixed                   // Row.Result
)

func b2f(b bool) float32 {
	if b {
		return 1
	}
	return 0
}

func f1(f func(float64) float64) func(a, b, c float32) float32 {
	return func(a, _, _ float32) float32 { return float32(f(float64(a))) }
}

func sign(a float64) float64 {
	switch {
	case a > 0:
		return 1
	case a < 0:
		return -1
	}
	return a
}

// Table has a row for each elementwise operation.
var Table [numOps]Row

// init instead of a literal: the gradients call the constructors, which look
// rows up, and Go refuses such a cycle in an initializer.
func init() {
	sym := [2]float64{-2, 2}
	pos := [2]float64{0.2, 3}
	inner := [2]float64{-0.8, 0.8}
	Table = [numOps]Row{
		OpCast: {Name: "cast", Arity: 1, ONNX: "Cast", Doc: "x converted to another element type", Cost: 1,
			Grad: func(n, g *Node) []*Node {
				if n.In[0].DType.Compute() != F32 || n.DType != F32 {
					return []*Node{nil}
				}
				return []*Node{g}
			}},
		OpNeg: {Name: "neg", Arity: 1, ONNX: "Neg", Doc: "-x", Domain: sym, Cost: 1,
			F32: func(a, _, _ float32) float32 { return -a }, I32: func(a, _, _ int32) int32 { return -a },
			WGSL: "(-$0)", Grad: func(n, g *Node) []*Node { return []*Node{Neg(g)} }},
		OpAbs: {Name: "abs", Arity: 1, ONNX: "Abs", Doc: "|x|", Domain: pos, Cost: 1,
			F32: f1(math.Abs), I32: func(a, _, _ int32) int32 { return max(a, -a) },
			WGSL: "abs($0)", Grad: func(n, g *Node) []*Node { return []*Node{Mul(g, Unary(OpSign, n.In[0]))} }},
		OpExp: {Name: "exp", Arity: 1, ONNX: "Exp", Doc: "e^x", Domain: sym, Cost: 8,
			F32: f1(math.Exp), WGSL: "weft_exp($0)", Helper: "weft_exp",
			Grad: func(n, g *Node) []*Node { return []*Node{Mul(g, n)} }},
		OpExpm1: {Name: "expm1", Arity: 1, Doc: "e^x - 1, exact near 0", Domain: sym, Cost: 10,
			F32: f1(math.Expm1), WGSL: "weft_expm1($0)", Helper: "weft_expm1",
			Grad: func(n, g *Node) []*Node { return []*Node{Mul(g, Add(n, one(n)))} }},
		OpLog: {Name: "log", Arity: 1, ONNX: "Log", Doc: "natural logarithm of x", Domain: pos, Cost: 8,
			F32: f1(math.Log), WGSL: "weft_log($0)", Helper: "weft_log",
			Grad: func(n, g *Node) []*Node { return []*Node{Div(g, n.In[0])} }},
		OpLog1p: {Name: "log1p", Arity: 1, Doc: "log(1 + x), exact near 0", Domain: pos, Cost: 10,
			F32: f1(math.Log1p), WGSL: "weft_log1p($0)", Helper: "weft_log1p",
			Grad: func(n, g *Node) []*Node { return []*Node{Div(g, Add(n.In[0], one(n)))} }},
		OpSqrt: {Name: "sqrt", Arity: 1, ONNX: "Sqrt", Doc: "square root of x", Domain: pos, Cost: 4,
			F32: f1(math.Sqrt), WGSL: "weft_sqrt($0)", Helper: "weft_sqrt",
			Grad: func(n, g *Node) []*Node { return []*Node{Div(Mul(g, scalarLike(n, 0.5)), n)} }},
		OpRsqrt: {Name: "rsqrt", Arity: 1, Doc: "1 / sqrt(x)", Domain: pos, Cost: 4,
			F32:  func(a, _, _ float32) float32 { return float32(1 / math.Sqrt(float64(a))) },
			WGSL: "weft_rsqrt($0)", Helper: "weft_rsqrt",
			Grad: func(n, g *Node) []*Node {
				return []*Node{Mul(Mul(g, scalarLike(n, -0.5)), Mul(n, Mul(n, n)))}
			}},
		OpRecip: {Name: "reciprocal", Arity: 1, ONNX: "Reciprocal", Doc: "1 / x", Domain: pos, Cost: 3,
			F32: func(a, _, _ float32) float32 { return 1 / a }, WGSL: "(1.0 / $0)",
			Grad: func(n, g *Node) []*Node { return []*Node{Neg(Mul(g, Mul(n, n)))} }},
		OpSin: {Name: "sin", Arity: 1, ONNX: "Sin", Doc: "sine of x", Domain: sym, Cost: 8,
			F32: f1(math.Sin), WGSL: "weft_turn($0, 0)", Helper: "weft_turn",
			Grad: func(n, g *Node) []*Node { return []*Node{Mul(g, Unary(OpCos, n.In[0]))} }},
		OpCos: {Name: "cos", Arity: 1, ONNX: "Cos", Doc: "cosine of x", Domain: sym, Cost: 8,
			F32: f1(math.Cos), WGSL: "weft_turn($0, 1)", Helper: "weft_turn",
			Grad: func(n, g *Node) []*Node { return []*Node{Neg(Mul(g, Unary(OpSin, n.In[0])))} }},
		OpTanh: {Name: "tanh", Arity: 1, ONNX: "Tanh", Doc: "hyperbolic tangent of x", Domain: sym, Cost: 8,
			F32: f1(math.Tanh), WGSL: "weft_tanh($0)", Helper: "weft_tanh",
			Grad: func(n, g *Node) []*Node { return []*Node{Mul(g, Sub(one(n), Mul(n, n)))} }},
		OpSigmoid: {Name: "sigmoid", Arity: 1, ONNX: "Sigmoid", Doc: "1 / (1 + e^-x)", Domain: sym, Cost: 8,
			F32:  func(a, _, _ float32) float32 { return float32(1 / (1 + math.Exp(-float64(a)))) },
			WGSL: "weft_sigmoid($0)", Helper: "weft_sigmoid",
			Grad: func(n, g *Node) []*Node { return []*Node{Mul(g, Mul(n, Sub(one(n), n)))} }},
		OpErf: {Name: "erf", Arity: 1, ONNX: "Erf", Doc: "error function of x", Domain: sym, Cost: 12,
			F32: f1(math.Erf), WGSL: "weft_erf($0)", Helper: "weft_erf",
			Grad: func(n, g *Node) []*Node {
				x := n.In[0]
				return []*Node{Mul(Mul(g, scalarLike(n, 2/math.Sqrt(math.Pi))), Unary(OpExp, Neg(Mul(x, x))))}
			}},
		OpRelu: {Name: "relu", Arity: 1, ONNX: "Relu", Doc: "max(x, 0)", Domain: pos, Cost: 1,
			F32: func(a, _, _ float32) float32 {
				if a < 0 {
					return 0
				}
				return a
			},
			WGSL: "weft_relu($0)", Helper: "weft_relu",
			// In terms of the result, so that the argument need not be kept.
			Grad: func(n, g *Node) []*Node {
				return []*Node{Where(Lt(scalarLike(n, 0), n), g, scalarLike(n, 0))}
			}},
		OpFloor: {Name: "floor", Arity: 1, ONNX: "Floor", Doc: "greatest integer not above x", Cost: 1,
			F32: f1(math.Floor), WGSL: "floor($0)"},
		OpCeil: {Name: "ceil", Arity: 1, ONNX: "Ceil", Doc: "least integer not below x", Cost: 1,
			F32: f1(math.Ceil), WGSL: "ceil($0)"},
		OpRound: {Name: "round", Arity: 1, ONNX: "Round", Doc: "nearest integer, halves to even", Cost: 1,
			F32: f1(math.RoundToEven), WGSL: "round($0)"},
		OpSign: {Name: "sign", Arity: 1, ONNX: "Sign", Doc: "-1, 0 or 1", Cost: 1,
			F32: f1(sign), WGSL: "weft_sign($0)", Helper: "weft_sign"},
		OpNot: {Name: "not", Arity: 1, ONNX: "Not", Doc: "logical negation", Kind: Fixed, Result: Bool, Cost: 1,
			WGSL: "(!$0)"},

		OpAdd: {Name: "add", Arity: 2, ONNX: "Add", Doc: "a + b", Domain: sym, Cost: 1,
			F32: func(a, b, _ float32) float32 { return a + b }, I32: func(a, b, _ int32) int32 { return a + b },
			WGSL: "($0 + $1)", Grad: func(n, g *Node) []*Node { return []*Node{g, g} }},
		OpSub: {Name: "sub", Arity: 2, ONNX: "Sub", Doc: "a - b", Domain: sym, Cost: 1,
			F32: func(a, b, _ float32) float32 { return a - b }, I32: func(a, b, _ int32) int32 { return a - b },
			WGSL: "($0 - $1)", Grad: func(n, g *Node) []*Node { return []*Node{g, Neg(g)} }},
		OpMul: {Name: "mul", Arity: 2, ONNX: "Mul", Doc: "a b", Domain: sym, Cost: 1,
			F32: func(a, b, _ float32) float32 { return a * b }, I32: func(a, b, _ int32) int32 { return a * b },
			WGSL: "($0 * $1)", Grad: func(n, g *Node) []*Node { return []*Node{Mul(g, n.In[1]), Mul(g, n.In[0])} }},
		OpDiv: {Name: "div", Arity: 2, ONNX: "Div", Doc: "a / b; integers truncate, and division by 0 gives 0", Domain: pos, Cost: 3,
			F32: func(a, b, _ float32) float32 { return a / b },
			I32: func(a, b, _ int32) int32 {
				if b == 0 {
					return 0
				}
				return a / b
			},
			WGSL: "($0 / $1)", WGSLInt: "weft_divi($0, $1)", Helper: "weft_divi",
			Grad: func(n, g *Node) []*Node {
				return []*Node{Div(g, n.In[1]), Neg(Div(Mul(g, n), n.In[1]))}
			}},
		OpMaximum: {Name: "maximum", Arity: 2, ONNX: "Max", Doc: "the greater of a and b", Domain: sym, Cost: 1,
			F32: func(a, b, _ float32) float32 { return max(a, b) }, // unlike math.Max, not a number beside infinity too
			I32: func(a, b, _ int32) int32 { return max(a, b) }, WGSL: "weft_max($0, $1)", Helper: "weft_max", WGSLInt: "max($0, $1)",
			Grad: func(n, g *Node) []*Node { return pick(Lt(n.In[0], n.In[1]), Lt(n.In[1], n.In[0]), n, g) }},
		OpMinimum: {Name: "minimum", Arity: 2, ONNX: "Min", Doc: "the lesser of a and b", Domain: sym, Cost: 1,
			F32: func(a, b, _ float32) float32 { return min(a, b) },
			I32: func(a, b, _ int32) int32 { return min(a, b) }, WGSL: "weft_min($0, $1)", Helper: "weft_min", WGSLInt: "min($0, $1)",
			Grad: func(n, g *Node) []*Node { return pick(Lt(n.In[1], n.In[0]), Lt(n.In[0], n.In[1]), n, g) }},
		OpPow: {Name: "pow", Arity: 2, ONNX: "Pow", Doc: "a to the power b", Domain: pos, Cost: 16,
			F32:  func(a, b, _ float32) float32 { return float32(math.Pow(float64(a), float64(b))) },
			WGSL: "weft_pow($0, $1)", Helper: "weft_pow",
			Grad: func(n, g *Node) []*Node {
				a, b := n.In[0], n.In[1]
				zero := scalarLike(n, 0)
				return []*Node{
					Mul(g, Where(Binary(OpEq, b, zero), zero, Mul(b, Pow(a, Sub(b, one(n)))))),
					Mul(g, Where(Binary(OpEq, a, zero), zero, Mul(n, Unary(OpLog, a)))),
				}
			}},
		OpMod: {Name: "mod", Arity: 2, ONNX: "Mod", Doc: "remainder of a / b with b's sign; 0 for integers when b is 0", Cost: 3,
			F32: func(a, b, _ float32) float32 {
				return float32(float64(a) - float64(b)*math.Floor(float64(a)/float64(b)))
			},
			I32: func(a, b, _ int32) int32 {
				if b == 0 {
					return 0
				}
				r := a % b
				if r != 0 && r^b < 0 {
					r += b
				}
				return r
			},
			WGSL: "($0 - $1 * floor($0 / $1))", WGSLInt: "weft_modi($0, $1)", Helper: "weft_modi",
			Grad: func(n, g *Node) []*Node {
				return []*Node{g, Neg(Mul(g, Unary(OpFloor, Div(n.In[0], n.In[1]))))}
			}},
		OpEq: {Name: "eq", Arity: 2, Kind: Fixed, Result: Bool, ONNX: "Equal", Doc: "a == b", WGSL: "($0 == $1)", Cost: 1,
			Test: func(a, b float32) bool { return a == b }, TestI: func(a, b int32) bool { return a == b }},
		OpNe: {Name: "ne", Arity: 2, Kind: Fixed, Result: Bool, Doc: "a != b", WGSL: "(!($0 == $1))", Cost: 1,
			Test: func(a, b float32) bool { return a != b }, TestI: func(a, b int32) bool { return a != b }},
		OpLt: {Name: "lt", Arity: 2, Kind: Fixed, Result: Bool, ONNX: "Less", Doc: "a < b", WGSL: "($0 < $1)", Cost: 1,
			Test: func(a, b float32) bool { return a < b }, TestI: func(a, b int32) bool { return a < b }},
		OpLe: {Name: "le", Arity: 2, Kind: Fixed, Result: Bool, ONNX: "LessOrEqual", Doc: "a <= b", WGSL: "($0 <= $1)", Cost: 1,
			Test: func(a, b float32) bool { return a <= b }, TestI: func(a, b int32) bool { return a <= b }},
		OpAnd: {Name: "and", Arity: 2, Kind: Fixed, Result: Bool, ONNX: "And", Doc: "a and b", WGSL: "($0 && $1)", Cost: 1,
			TestI: func(a, b int32) bool { return a != 0 && b != 0 }},
		OpOr: {Name: "or", Arity: 2, Kind: Fixed, Result: Bool, ONNX: "Or", Doc: "a or b", WGSL: "($0 || $1)", Cost: 1,
			TestI: func(a, b int32) bool { return a != 0 || b != 0 }},
		OpWhere: {Name: "where", Arity: 3, ONNX: "Where", Doc: "b where a holds, c elsewhere", WGSL: "select($2, $1, $0)", Cost: 1,
			Grad: func(n, g *Node) []*Node {
				zero := scalarLike(n, 0)
				return []*Node{nil, Where(n.In[0], g, zero), Where(n.In[0], zero, g)}
			}},
		OpRand: {Name: "rand", Arity: 3, Kind: Fixed, Result: F32, Cost: 40,
			Doc:  "uniform in [0, 1): Philox2x32-10 of the counter (a, b) under the key c, 24 bits of it",
			WGSL: "weft_rand($0, $1, $2)", WGSLInt: "weft_rand($0, $1, $2)", Helper: "weft_rand"},
		// Inverse trigonometric and hyperbolic functions. Outside of their domains they
		// are not a number.
		OpAcos: {Name: "acos", Arity: 1, ONNX: "Acos", Doc: "arc cosine of x, in radians", Domain: inner, Cost: 10,
			F32: f1(math.Acos), WGSL: "weft_arc($0, 1)", Helper: "weft_arc",
			Grad: func(n, g *Node) []*Node { return []*Node{Neg(Mul(g, Unary(OpRsqrt, circle(n.In[0]))))} }},
		OpAcosh: {Name: "acosh", Arity: 1, ONNX: "Acosh", Doc: "area hyperbolic cosine of x", Domain: [2]float64{1.3, 3}, Cost: 12,
			F32: f1(math.Acosh), WGSL: "weft_area($0, 1)", Helper: "weft_area",
			Grad: func(n, g *Node) []*Node { return []*Node{Mul(g, Unary(OpRsqrt, Neg(circle(n.In[0]))))} }},
		OpAsin: {Name: "asin", Arity: 1, ONNX: "Asin", Doc: "arc sine of x, in radians", Domain: inner, Cost: 10,
			F32: f1(math.Asin), WGSL: "weft_arc($0, 0)", Helper: "weft_arc",
			Grad: func(n, g *Node) []*Node { return []*Node{Mul(g, Unary(OpRsqrt, circle(n.In[0])))} }},
		OpAsinh: {Name: "asinh", Arity: 1, ONNX: "Asinh", Doc: "area hyperbolic sine of x", Domain: sym, Cost: 12,
			F32: f1(math.Asinh), WGSL: "weft_area($0, 0)", Helper: "weft_area",
			Grad: func(n, g *Node) []*Node {
				return []*Node{Div(g, Unary(OpCosh, n))} // sqrt(1 + x^2), which may be too large on its way
			}},
		OpAtan: {Name: "atan", Arity: 1, ONNX: "Atan", Doc: "arc tangent of x, in radians", Domain: sym, Cost: 8,
			F32: f1(math.Atan), WGSL: "weft_atan($0)", Helper: "weft_atan",
			Grad: func(n, g *Node) []*Node {
				x := n.In[0]
				return []*Node{Div(g, Add(one(x), Mul(x, x)))}
			}},
		OpAtanh: {Name: "atanh", Arity: 1, ONNX: "Atanh", Doc: "area hyperbolic tangent of x", Domain: inner, Cost: 12,
			F32: f1(math.Atanh), WGSL: "weft_area($0, 2)", Helper: "weft_area",
			Grad: func(n, g *Node) []*Node { return []*Node{Div(g, circle(n.In[0]))} }},
		OpCosh: {Name: "cosh", Arity: 1, ONNX: "Cosh", Doc: "hyperbolic cosine of x", Domain: sym, Cost: 10,
			F32: f1(math.Cosh), WGSL: "weft_hyperbolic($0, 1)", Helper: "weft_hyperbolic",
			Grad: func(n, g *Node) []*Node { return []*Node{Mul(g, Unary(OpSinh, n.In[0]))} }},
		OpSinh: {Name: "sinh", Arity: 1, ONNX: "Sinh", Doc: "hyperbolic sine of x", Domain: sym, Cost: 10,
			F32: f1(math.Sinh), WGSL: "weft_hyperbolic($0, 0)", Helper: "weft_hyperbolic",
			Grad: func(n, g *Node) []*Node { return []*Node{Mul(g, Unary(OpCosh, n.In[0]))} }},
	}
}

// circle is 1 - x^2, without cancellation near 1.
func circle(x *Node) *Node { return Mul(Sub(one(x), x), Add(one(x), x)) }

// pick is the gradient of maximum and minimum: to a except where b won, to b
// except where a won, and in halves where both are equal, as PyTorch does. Where
// one is not a number, nobody won, and both get the gradient.
func pick(bWon, aWon, n, g *Node) []*Node {
	equal, half := Binary(OpEq, n.In[0], n.In[1]), scalarLike(n, 0.5)
	share := func(lost *Node) *Node { return Mul(g, Where(equal, half, Cast(Unary(OpNot, lost), F32))) }
	return []*Node{share(bWon), share(aWon)}
}

func scalarLike(n *Node, v float64) *Node { return Const(n.DType, v, n.Shape...) }
func one(n *Node) *Node                   { return scalarLike(n, 1) }

// Rand is OpRand for one element: the same bits on every backend, because it
// is integer arithmetic (Salmon et al., "Parallel Random Numbers: As Easy as
// 1, 2, 3", SC 2011).
func Rand(a, b, c int32) float32 {
	l, r, key := uint32(a), uint32(b), uint32(c)
	for range 10 {
		p := uint64(l) * 0xD256D193
		l, r = uint32(p>>32)^key^r, uint32(p)
		key += 0x9E3779B9
	}
	return float32(l>>8) * (1.0 / (1 << 24))
}
