package ir

import (
	"math"
	"slices"
)

// Unary applies an elementwise operation of one argument.
func Unary(op Op, x *Node) *Node {
	row := &Table[op]
	if op == OpNot {
		x = Cast(x, Bool)
	} else if row.I32 == nil || x.DType == Bool {
		x = Cast(x, F32)
	} else {
		x = Cast(x, x.DType.Compute())
	}
	if x.Op == OpConst {
		return fold(op, x.Shape, x)
	}
	if op == OpNeg && x.Op == OpNeg {
		return x.In[0]
	}
	return &Node{Op: op, DType: result(row, x.DType), Shape: x.Shape, In: []*Node{x}}
}

// Binary applies an elementwise operation of two arguments of equal shape;
// their types are brought together first.
func Binary(op Op, a, b *Node) *Node {
	row := &Table[op]
	if !slices.Equal(a.Shape, b.Shape) {
		fail(row.Name, "shapes %v and %v differ", a.Shape, b.Shape)
	}
	dt := promote(a.DType, b.DType)
	switch {
	case op == OpAnd || op == OpOr:
		dt = Bool
	case dt == Bool:
		dt = I32
	case dt == I32 && row.I32 == nil && row.TestI == nil:
		dt = F32
	}
	a, b = Cast(a, dt), Cast(b, dt)
	if a.Op == OpConst && b.Op == OpConst {
		return fold(op, a.Shape, a, b)
	}
	if s := simplify(op, a, b); s != nil {
		return s
	}
	return &Node{Op: op, DType: result(row, dt), Shape: a.Shape, In: []*Node{a, b}}
}

// Where chooses a where c holds and b elsewhere.
func Where(c, a, b *Node) *Node {
	if !slices.Equal(a.Shape, b.Shape) || !slices.Equal(a.Shape, c.Shape) {
		fail("where", "shapes %v, %v and %v differ", c.Shape, a.Shape, b.Shape)
	}
	dt := promote(a.DType, b.DType)
	c, a, b = Cast(c, Bool), Cast(a, dt), Cast(b, dt)
	if c.Op == OpConst {
		if c.Value != 0 {
			return a
		}
		return b
	}
	if a.Op == OpConst && b.Op == OpConst && a.Value == b.Value {
		return a
	}
	return &Node{Op: OpWhere, DType: dt, Shape: a.Shape, In: []*Node{c, a, b}}
}

// Uniform draws numbers in [0, 1): element i depends on index[i], stream[i]
// and key[i] alone, all I32.
func Uniform(index, stream, key *Node) *Node {
	return &Node{Op: OpRand, DType: F32, Shape: index.Shape, In: []*Node{index, stream, key}}
}

// Cast converts x to another element type: numbers to Bool are x != 0, and
// floats to integers truncate towards zero.
func Cast(x *Node, dt DType) *Node {
	if x.DType == dt {
		return x
	}
	if dt == U8 || dt == F16 {
		fail("cast", "to %v: kernels do not write this storage type", dt)
	}
	if x.Op == OpConst {
		v := x.Value
		if x.DType == F32 && dt != F32 {
			v = float64(float32(v)) // as a kernel would see it
		}
		switch dt {
		case Bool:
			v = float64(b2f(v != 0))
		case I32:
			v = truncate(v)
		}
		return Const(dt, v, x.Shape...)
	}
	return &Node{Op: OpCast, DType: dt, Shape: x.Shape, In: []*Node{x}}
}

// truncate converts to I32 as kernels do: towards zero, saturating, NaN to 0.
func truncate(v float64) float64 {
	if v != v {
		return 0
	}
	return max(math.MinInt32, min(math.MaxInt32, math.Trunc(v)))
}

func Neg(x *Node) *Node    { return Unary(OpNeg, x) }
func Add(a, b *Node) *Node { return Binary(OpAdd, a, b) }
func Sub(a, b *Node) *Node { return Binary(OpSub, a, b) }
func Mul(a, b *Node) *Node { return Binary(OpMul, a, b) }
func Div(a, b *Node) *Node { return Binary(OpDiv, a, b) }
func Pow(a, b *Node) *Node { return Binary(OpPow, a, b) }
func Lt(a, b *Node) *Node  { return Binary(OpLt, a, b) }

func result(row *Row, arg DType) DType {
	if row.Kind == Fixed {
		return row.Result
	}
	return arg
}

func promote(a, b DType) DType {
	a, b = a.Compute(), b.Compute()
	switch {
	case a == F32 || b == F32:
		return F32
	case a == I32 || b == I32:
		return I32
	}
	return Bool
}

// simplify drops neutral elements, merges constant factors and turns division
// by a constant into multiplication; the last bit of a result may differ from
// that of the expression as written.
func simplify(op Op, a, b *Node) *Node {
	switch op {
	case OpAdd:
		if isConst(a, 0) {
			return b
		}
		if isConst(b, 0) {
			return a
		}
	case OpSub:
		if isConst(b, 0) {
			return a
		}
		if isConst(a, 0) {
			return Neg(b)
		}
	case OpMul:
		if isConst(a, 1) {
			return b
		}
		if isConst(b, 1) {
			return a
		}
		if isConst(a, -1) {
			return Neg(b)
		}
		if isConst(b, -1) {
			return Neg(a)
		}
		if a.Op == OpConst { // constants to the right, where they meet and fold
			if b.Op == OpMul && b.In[1].Op == OpConst && b.DType == F32 && ordinary(a.Value*b.In[1].Value) {
				return Mul(b.In[0], Mul(a, b.In[1]))
			}
			return &Node{Op: OpMul, DType: a.DType, Shape: a.Shape, In: []*Node{b, a}}
		}
	case OpDiv:
		if isConst(b, 1) {
			return a
		}
		// A product is many times faster than a quotient and rounds once more.
		if b.Op == OpConst && b.DType == F32 {
			if r := 1 / b.Value; ordinary(r) {
				return Mul(a, Const(F32, r, b.Shape...))
			}
		}
	}
	return nil
}

// ordinary reports whether v is far from what overflows and from what has fewer
// digits: as a factor it then does what its parts did.
func ordinary(v float64) bool { return math.Abs(v) > 1e-30 && math.Abs(v) < 1e30 }

func isConst(n *Node, v float64) bool { return n.Op == OpConst && n.Value == v }

// fold computes an operation whose arguments are all constant.
func fold(op Op, shape []int, args ...*Node) *Node {
	row := &Table[op]
	dt := args[len(args)-1].DType
	var f [3]float32
	var k [3]int32
	for i, a := range args {
		f[i], k[i] = float32(a.Value), int32(a.Value)
	}
	var v float64
	switch {
	case op == OpNot:
		v = float64(b2f(args[0].Value == 0))
	case row.Test != nil && dt == F32:
		v = float64(b2f(row.Test(f[0], f[1])))
	case row.TestI != nil:
		v = float64(b2f(row.TestI(k[0], k[1])))
	case dt == F32:
		v = float64(row.F32(f[0], f[1], f[2]))
		// Keep the precision of the constants that gradients multiply.
		switch op {
		case OpMul:
			v = args[0].Value * args[1].Value
		case OpAdd:
			v = args[0].Value + args[1].Value
		case OpNeg:
			v = -args[0].Value
		}
	default:
		v = float64(row.I32(k[0], k[1], k[2]))
	}
	return Const(result(row, dt), v, shape...)
}
