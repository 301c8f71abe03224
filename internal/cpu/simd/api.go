// The exported primitives. Each call costs one indirect call through the
// table of the active variant. len(dst) governs every call: the operands must
// be at least as long (a shorter one panics, as any slice expression does),
// and dst may be exactly the same slice as an operand, but must not overlap it
// otherwise. An element's result never depends on where in the block it lies.

package simd

// Add sets dst = a + b.
func Add(dst, a, b []float32) { active.add(dst, a[:len(dst)], b[:len(dst)]) }

// Sub sets dst = a - b.
func Sub(dst, a, b []float32) { active.sub(dst, a[:len(dst)], b[:len(dst)]) }

// Mul sets dst = a * b.
func Mul(dst, a, b []float32) { active.mul(dst, a[:len(dst)], b[:len(dst)]) }

// Div sets dst = a / b.
func Div(dst, a, b []float32) { active.div(dst, a[:len(dst)], b[:len(dst)]) }

// Max sets dst to the larger of a and b, NaN where either is NaN.
func Max(dst, a, b []float32) { active.max(dst, a[:len(dst)], b[:len(dst)]) }

// Min sets dst to the smaller of a and b, NaN where either is NaN.
func Min(dst, a, b []float32) { active.min(dst, a[:len(dst)], b[:len(dst)]) }

// Neg flips the sign bit.
func Neg(dst, a []float32) { active.neg(dst, a[:len(dst)]) }

// Abs clears the sign bit.
func Abs(dst, a []float32) { active.abs(dst, a[:len(dst)]) }

// Sqrt is the correctly rounded square root.
func Sqrt(dst, a []float32) { active.sqrt(dst, a[:len(dst)]) }

// Recip is 1/a, correctly rounded.
func Recip(dst, a []float32) { active.recip(dst, a[:len(dst)]) }

// Relu replaces negative numbers by 0; NaN stays NaN.
func Relu(dst, a []float32) { active.relu(dst, a[:len(dst)]) }

// Exp is e^a, within 2 ulp.
func Exp(dst, a []float32) { active.exp(dst, a[:len(dst)]) }

// Log is the natural logarithm, within 2 ulp.
func Log(dst, a []float32) { active.log(dst, a[:len(dst)]) }

// Tanh is the hyperbolic tangent, with a relative error below 1e-6.
func Tanh(dst, a []float32) { active.tanh(dst, a[:len(dst)]) }

// Sigmoid is 1/(1+e^-a), with a relative error below 1e-6.
func Sigmoid(dst, a []float32) { active.sigmoid(dst, a[:len(dst)]) }

// Erf is the error function, with a relative error below 1e-6.
func Erf(dst, a []float32) { active.erf(dst, a[:len(dst)]) }

// Sin is the sine of a in radians.
func Sin(dst, a []float32) { sinPlain(dst, a) }

// Cos is the cosine of a in radians.
func Cos(dst, a []float32) { cosPlain(dst, a) }

// Eq sets dst to 1 where a == b, else 0.
func Eq(dst []int32, a, b []float32) { active.eq(dst, a[:len(dst)], b[:len(dst)]) }

// Ne sets dst to 1 where a != b (true for NaN), else 0.
func Ne(dst []int32, a, b []float32) { active.ne(dst, a[:len(dst)], b[:len(dst)]) }

// Lt sets dst to 1 where a < b, else 0.
func Lt(dst []int32, a, b []float32) { active.lt(dst, a[:len(dst)], b[:len(dst)]) }

// Le sets dst to 1 where a <= b, else 0.
func Le(dst []int32, a, b []float32) { active.le(dst, a[:len(dst)], b[:len(dst)]) }

// EqI sets dst to 1 where a == b, else 0.
func EqI(dst, a, b []int32) { active.eqI(dst, a[:len(dst)], b[:len(dst)]) }

// NeI sets dst to 1 where a != b, else 0.
func NeI(dst, a, b []int32) { active.neI(dst, a[:len(dst)], b[:len(dst)]) }

// LtI sets dst to 1 where a < b, else 0.
func LtI(dst, a, b []int32) { active.ltI(dst, a[:len(dst)], b[:len(dst)]) }

// LeI sets dst to 1 where a <= b, else 0.
func LeI(dst, a, b []int32) { active.leI(dst, a[:len(dst)], b[:len(dst)]) }

// And is the logical and of booleans.
func And(dst, a, b []int32) { active.and(dst, a[:len(dst)], b[:len(dst)]) }

// Or is the logical or of booleans.
func Or(dst, a, b []int32) { active.or(dst, a[:len(dst)], b[:len(dst)]) }

// Not is the logical complement of a boolean (0 and 1 change places).
func Not(dst, a []int32) { active.not(dst, a[:len(dst)]) }

// Where copies the bits of a where c is not 0, else those of b.
func Where(dst []float32, c []int32, a, b []float32) {
	active.where(dst, c[:len(dst)], a[:len(dst)], b[:len(dst)])
}

// AddI sets dst = a + b, wrapping.
func AddI(dst, a, b []int32) { active.addI(dst, a[:len(dst)], b[:len(dst)]) }

// SubI sets dst = a - b, wrapping.
func SubI(dst, a, b []int32) { active.subI(dst, a[:len(dst)], b[:len(dst)]) }

// MulI sets dst = a * b, wrapping.
func MulI(dst, a, b []int32) { active.mulI(dst, a[:len(dst)], b[:len(dst)]) }

// MaxI sets dst to the larger of a and b.
func MaxI(dst, a, b []int32) { active.maxI(dst, a[:len(dst)], b[:len(dst)]) }

// MinI sets dst to the smaller of a and b.
func MinI(dst, a, b []int32) { active.minI(dst, a[:len(dst)], b[:len(dst)]) }

// U8ToF32 converts unsigned bytes.
func U8ToF32(dst []float32, src []byte) { active.u8ToF32(dst, src[:len(dst)]) }

// U8ToI32 widens unsigned bytes.
func U8ToI32(dst []int32, src []byte) { active.u8ToI32(dst, src[:len(dst)]) }

// I32ToF32 converts to the nearest float32.
func I32ToF32(dst []float32, src []int32) { active.i32ToF32(dst, src[:len(dst)]) }

// F32ToI32 truncates toward zero, saturates, and turns NaN into 0.
func F32ToI32(dst []int32, src []float32) { active.f32ToI32(dst, src[:len(dst)]) }

// F16ToF32 widens IEEE 754 binary16 numbers, exactly.
func F16ToF32(dst []float32, src []uint16) { active.f16ToF32(dst, src[:len(dst)]) }

// F32ToF16 rounds to the nearest binary16, ties to even; beyond 65504 lie
// infinities.
func F32ToF16(dst []uint16, src []float32) { f32ToF16Plain(dst, src[:len(dst)]) }

// Fill sets every element to s.
func Fill(dst []float32, s float32) { active.fill(dst, s) }

// Sum adds up a in the fixed order described above sumPlain: the same bits on
// every machine. The sum of nothing is 0.
func Sum(a []float32) float32 { return active.sum(a) }

// MaxOf is the largest element, NaN if any is NaN, -Inf of nothing. Which of +0
// and -0 it gives, if both are the largest, is not specified.
func MaxOf(a []float32) float32 { return active.maxOf(a) }

// MinOf is the smallest element, NaN if any is NaN, +Inf of nothing, as MaxOf.
func MinOf(a []float32) float32 { return active.minOf(a) }

// RandUniform sets dst[i] to a uniform number in [0, 1) with 24 random bits:
// word 0 of Philox2x32 for the counter (idx[i], key1) and the key key0.
func RandUniform(dst []float32, idx []int32, key0, key1 uint32) {
	active.randUniform(dst, idx[:len(dst)], key0, key1)
}
