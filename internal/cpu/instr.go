package cpu

import (
	"github.com/weft-ml/weft/internal/cpu/simd"
	"github.com/weft-ml/weft/internal/ir"
	"github.com/weft-ml/weft/internal/kernel"
)

// Elementwise instructions. An operation runs through the SIMD primitive that
// is registered for it here; one without runs its table row's Go function
// element by element, so a new row works before anybody makes it fast.

// instr is one instruction: registers a, b, c to register dst.
type instr struct {
	dst     int
	args    [3]int
	fill    bool // spread a uniform result over the block
	f1      func(dst, a []float32)
	f2      func(dst, a, b []float32)
	i2      func(dst, a, b []int32)
	cmp     func(dst []int32, a, b []float32)
	special func(c *context, in *instr, n int)
	scalarF func(a, b, c float32) float32 // the same for one element, with the
	scalarI func(a, b, c int32) int32     // same bits; nil if that is not certain
	row     *ir.Row
	addr    *address // loads, indices and range tests
	limit   int      // range tests
	out     int      // store whose memory receives the result directly, or -1
	uniform bool     // special: arguments b and c are uniform

	// A load that is kept from pass to pass: how to fetch it, and where it goes.
	fetch func(c *context, in *instr, n int)
	slot  int
}

var unaryF = map[ir.Op]func(dst, a []float32){
	ir.OpNeg: simd.Neg, ir.OpAbs: simd.Abs, ir.OpExp: simd.Exp, ir.OpLog: simd.Log, ir.OpSqrt: simd.Sqrt,
	ir.OpRecip: simd.Recip, ir.OpSin: simd.Sin, ir.OpCos: simd.Cos, ir.OpTanh: simd.Tanh,
	ir.OpSigmoid: simd.Sigmoid, ir.OpErf: simd.Erf, ir.OpRelu: simd.Relu,
	ir.OpRsqrt: func(dst, a []float32) { simd.Sqrt(dst, a); simd.Recip(dst, dst) },
}

var binaryF = map[ir.Op]func(dst, a, b []float32){
	ir.OpAdd: simd.Add, ir.OpSub: simd.Sub, ir.OpMul: simd.Mul, ir.OpDiv: simd.Div,
	ir.OpMaximum: simd.Max, ir.OpMinimum: simd.Min,
}

var binaryI = map[ir.Op]func(dst, a, b []int32){
	ir.OpAdd: simd.AddI, ir.OpSub: simd.SubI, ir.OpMul: simd.MulI, ir.OpMaximum: simd.MaxI, ir.OpMinimum: simd.MinI,
	ir.OpEq: simd.EqI, ir.OpNe: simd.NeI, ir.OpLt: simd.LtI, ir.OpLe: simd.LeI,
	ir.OpAnd: simd.And, ir.OpOr: simd.Or,
}

var compareF = map[ir.Op]func(dst []int32, a, b []float32){
	ir.OpEq: simd.Eq, ir.OpNe: simd.Ne, ir.OpLt: simd.Lt, ir.OpLe: simd.Le,
}

// elementwise returns the instruction of value v.
func elementwise(k *kernel.Kernel, dst int) instr {
	v := &k.Vals[dst]
	in := instr{dst: dst, row: &ir.Table[v.Op], out: -1}
	copy(in.args[:], v.Args)
	from := k.Vals[v.Args[len(v.Args)-1]].DType
	switch {
	case v.Op == ir.OpCast:
		in.special = cast(from, v.DType)
	case v.Op == ir.OpWhere:
		in.special = func(c *context, in *instr, n int) {
			simd.Where(c.to(in, n), ints(c.reg(in.args[0], n)), c.reg(in.args[1], n), c.reg(in.args[2], n))
		}
	case v.Op == ir.OpNot:
		in.special = func(c *context, in *instr, n int) { simd.Not(ints(c.to(in, n)), ints(c.reg(in.args[0], n))) }
	case v.Op == ir.OpRand:
		in.special = rand
	case from == ir.F32 && unaryF[v.Op] != nil:
		in.f1 = unaryF[v.Op]
	case from == ir.F32 && binaryF[v.Op] != nil:
		in.f2 = binaryF[v.Op]
		if v.Op != ir.OpMaximum && v.Op != ir.OpMinimum { // of which zero they give, the table says something else
			in.scalarF = in.row.F32
		}
	case from == ir.F32 && compareF[v.Op] != nil:
		in.cmp = compareF[v.Op]
	case from != ir.F32 && binaryI[v.Op] != nil:
		in.i2, in.scalarI = binaryI[v.Op], in.row.I32
	case from == ir.F32:
		in.special = plainF
	default:
		in.special = plainI
	}
	return in
}

func plainF(c *context, in *instr, n int) {
	a := c.reg(in.args[0], n)
	b := a
	if in.row.Arity > 1 {
		b = c.reg(in.args[1], n)
	}
	f := in.row.F32
	for i, dst := 0, c.to(in, n); i < n; i++ {
		dst[i] = f(a[i], b[i], 0)
	}
}

func plainI(c *context, in *instr, n int) {
	a := ints(c.reg(in.args[0], n))
	b := a
	if in.row.Arity > 1 {
		b = ints(c.reg(in.args[1], n))
	}
	f := in.row.I32
	for i, dst := 0, ints(c.to(in, n)); i < n; i++ {
		dst[i] = f(a[i], b[i], 0)
	}
}

func rand(c *context, in *instr, n int) {
	idx, stream, key := ints(c.reg(in.args[0], n)), ints(c.reg(in.args[1], n)), ints(c.reg(in.args[2], n))
	dst := c.to(in, n)
	if in.uniform {
		simd.RandUniform(dst, idx, uint32(key[0]), uint32(stream[0]))
		return
	}
	for i := range dst {
		dst[i] = ir.Rand(idx[i], stream[i], key[i])
	}
}

func cast(from, to ir.DType) func(c *context, in *instr, n int) {
	switch {
	case from == ir.F32 && to == ir.I32:
		return func(c *context, in *instr, n int) { simd.F32ToI32(ints(c.to(in, n)), c.reg(in.args[0], n)) }
	case to == ir.F32:
		return func(c *context, in *instr, n int) { simd.I32ToF32(c.to(in, n), ints(c.reg(in.args[0], n))) }
	case to == ir.I32: // truth values are 0 and 1 already
		return func(c *context, in *instr, n int) { copy(c.to(in, n), c.reg(in.args[0], n)) }
	}
	return func(c *context, in *instr, n int) { // to Bool
		a, dst := c.reg(in.args[0], n), ints(c.to(in, n))
		if from == ir.F32 {
			for i, v := range a {
				dst[i] = truth(v != 0)
			}
			return
		}
		for i, v := range ints(a) {
			dst[i] = truth(v != 0)
		}
	}
}

// castBytes loads bytes that lie side by side and widens them to floats in
// one pass.
func castBytes(c *context, in *instr, n int) {
	at := in.addr.base(c)
	simd.U8ToF32(c.to(in, n), c.mem[in.addr.buf][at:at+n])
}

func truth(b bool) int32 {
	if b {
		return 1
	}
	return 0
}
