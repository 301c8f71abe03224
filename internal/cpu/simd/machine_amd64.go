package simd

import "golang.org/x/sys/cpu"

//go:generate go run gen/main.go gen/ops.go gen/math.go gen/reduce.go gen/neon.go

// machine lists the vector variants of this processor.
func machine() []variant {
	var vs []variant
	x := &cpu.X86
	if x.HasAVX512F && x.HasAVX512DQ && x.HasAVX512BW && x.HasAVX512VL && x.HasBMI2 {
		vs = append(vs, avx512())
	}
	if x.HasAVX2 && x.HasFMA {
		vs = append(vs, avx2())
	}
	return vs
}

func avx512() variant {
	v := plain()
	v.name = "avx512"
	v.add, v.sub, v.mul, v.div, v.max, v.min = addAVX512, subAVX512, mulAVX512, divAVX512, maxAVX512, minAVX512
	v.neg, v.abs, v.sqrt, v.recip, v.relu = negAVX512, absAVX512, sqrtAVX512, recipAVX512, reluAVX512
	v.exp, v.log, v.tanh, v.sigmoid, v.erf = expAVX512, logAVX512, tanhAVX512, sigmoidAVX512, erfAVX512
	v.eq, v.ne, v.lt, v.le = eqAVX512, neAVX512, ltAVX512, leAVX512
	v.eqI, v.neI, v.ltI, v.leI = eqIAVX512, neIAVX512, ltIAVX512, leIAVX512
	v.and, v.or, v.not, v.where = andAVX512, orAVX512, notAVX512, whereAVX512
	v.addI, v.subI, v.mulI, v.maxI, v.minI = addIAVX512, subIAVX512, mulIAVX512, maxIAVX512, minIAVX512
	v.u8ToF32, v.u8ToI32 = u8ToF32AVX512, u8ToI32AVX512
	v.i32ToF32, v.f32ToI32, v.f16ToF32 = i32ToF32AVX512, f32ToI32AVX512, f16ToF32AVX512
	v.fill, v.sum, v.maxOf, v.minOf = fillAVX512, sumAVX512, maxOfAVX512, minOfAVX512
	v.randUniform = randUniformAVX512
	v.takeEvens, v.putEvens, v.double = takeEvensAVX512, putEvensAVX512, doubleAVX512
	return v
}

func avx2() variant {
	v := plain()
	v.name = "avx2"
	v.add, v.sub, v.mul, v.div, v.max, v.min = addAVX2, subAVX2, mulAVX2, divAVX2, maxAVX2, minAVX2
	v.neg, v.abs, v.sqrt, v.recip, v.relu = negAVX2, absAVX2, sqrtAVX2, recipAVX2, reluAVX2
	v.exp, v.log, v.tanh, v.sigmoid, v.erf = expAVX2, logAVX2, tanhAVX2, sigmoidAVX2, erfAVX2
	v.eq, v.ne, v.lt, v.le = eqAVX2, neAVX2, ltAVX2, leAVX2
	v.eqI, v.neI, v.ltI, v.leI = eqIAVX2, neIAVX2, ltIAVX2, leIAVX2
	v.and, v.or, v.not, v.where = andAVX2, orAVX2, notAVX2, whereAVX2
	v.addI, v.subI, v.mulI, v.maxI, v.minI = addIAVX2, subIAVX2, mulIAVX2, maxIAVX2, minIAVX2
	v.i32ToF32, v.f32ToI32 = i32ToF32AVX2, f32ToI32AVX2
	v.fill, v.sum, v.maxOf, v.minOf = fillAVX2, sumAVX2, maxOfAVX2, minOfAVX2
	v.randUniform = randUniformAVX2

	// AVX2 has no masked loads of bytes: these do whole vectors, and plain Go
	// the rest, which is exact and so the same.
	v.u8ToF32 = func(dst []float32, src []byte) {
		n := len(dst) &^ 7
		u8ToF32AVX2(dst[:n], src[:n])
		u8ToF32Plain(dst[n:], src[n:])
	}
	v.u8ToI32 = func(dst []int32, src []byte) {
		n := len(dst) &^ 7
		u8ToI32AVX2(dst[:n], src[:n])
		u8ToI32Plain(dst[n:], src[n:])
	}
	if hasF16C() {
		v.f16ToF32 = func(dst []float32, src []uint16) {
			n := len(dst) &^ 7
			f16ToF32AVX2(dst[:n], src[:n])
			f16ToF32Plain(dst[n:], src[n:])
		}
	}
	return v
}

// hasF16C reports whether the processor widens half-precision numbers.
func hasF16C() bool
