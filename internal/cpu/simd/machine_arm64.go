package simd

// machine lists the NEON variant, which every arm64 processor can run.
func machine() []variant {
	v := plain()
	v.name = "neon"
	for _, o := range []struct {
		f   *func(dst, a, b []float32)
		vec func(dst, a, b []float32)
	}{{&v.add, addNEON}, {&v.sub, subNEON}, {&v.mul, mulNEON}, {&v.div, divNEON}, {&v.max, maxNEON}, {&v.min, minNEON}} {
		*o.f = wholeAndRest(o.vec, *o.f)
	}
	for _, o := range []struct {
		f   *func(dst, a, b []int32)
		vec func(dst, a, b []int32)
	}{{&v.addI, addINEON}, {&v.subI, subINEON}, {&v.mulI, mulINEON}, {&v.maxI, maxINEON}, {&v.minI, minINEON},
		{&v.and, andNEON}, {&v.or, orNEON},
		{&v.eqI, eqINEON}, {&v.neI, neINEON}, {&v.ltI, ltINEON}, {&v.leI, leINEON}} {
		*o.f = wholeAndRest(o.vec, *o.f)
	}
	for _, o := range []struct {
		f   *func(dst []int32, a, b []float32)
		vec func(dst []int32, a, b []float32)
	}{{&v.eq, eqNEON}, {&v.ne, neNEON}, {&v.lt, ltNEON}, {&v.le, leNEON}} {
		*o.f = wholeAndRest(o.vec, *o.f)
	}
	for _, o := range []struct {
		f   *func(dst, a []float32)
		vec func(dst, a []float32)
	}{{&v.neg, negNEON}, {&v.abs, absNEON}, {&v.sqrt, sqrtNEON}, {&v.recip, recipNEON}, {&v.relu, reluNEON}} {
		plain := *o.f
		*o.f = func(dst, a []float32) {
			n := len(dst) &^ 3
			o.vec(dst[:n], a[:n])
			plain(dst[n:], a[n:])
		}
	}
	v.where = func(dst []float32, c []int32, a, b []float32) {
		n := len(dst) &^ 3
		whereNEON(dst[:n], c[:n], a[:n], b[:n])
		wherePlain(dst[n:], c[n:], a[n:], b[n:])
	}
	v.i32ToF32 = func(dst []float32, src []int32) {
		n := len(dst) &^ 3
		i32ToF32NEON(dst[:n], src[:n])
		i32ToF32Plain(dst[n:], src[n:])
	}
	v.f32ToI32 = func(dst []int32, src []float32) {
		n := len(dst) &^ 3
		f32ToI32NEON(dst[:n], src[:n])
		f32ToI32Plain(dst[n:], src[n:])
	}
	v.exp, v.log, v.tanh, v.sigmoid, v.erf = expAll, logAll, tanhAll, sigmoidAll, erfAll
	v.sum = func(a []float32) float32 {
		var acc [lanes]float32
		n := len(a) &^ (lanes - 1)
		sumNEON(&acc, a[:n])
		return tree(&acc, a[n:])
	}
	return []variant{v}
}

// wholeAndRest runs vec on whole vectors and the plain function on the rest.
// That is sound for exactly rounded operations only.
func wholeAndRest[D, S any](vec, plain func(dst []D, a, b []S)) func(dst []D, a, b []S) {
	return func(dst []D, a, b []S) {
		n := len(dst) &^ 3
		vec(dst[:n], a[:n], b[:n])
		if n < len(dst) {
			plain(dst[n:], a[n:], b[n:])
		}
	}
}

// The polynomials give other bits than plain Go, so the rest goes through the
// same instructions in a vector filled up with zeros. The routine is written
// out in each, because a call through a variable would put the vector on the
// heap.

func four(a []float32) (t [4]float32) {
	copy(t[:], a)
	return t
}

func expAll(dst, a []float32) {
	n := len(dst) &^ 3
	expNEON(dst[:n], a[:n])
	if n < len(dst) {
		t := four(a[n:])
		expNEON(t[:], t[:])
		copy(dst[n:], t[:])
	}
}

func logAll(dst, a []float32) {
	n := len(dst) &^ 3
	logNEON(dst[:n], a[:n])
	if n < len(dst) {
		t := four(a[n:])
		logNEON(t[:], t[:])
		copy(dst[n:], t[:])
	}
}

func tanhAll(dst, a []float32) {
	n := len(dst) &^ 3
	tanhNEON(dst[:n], a[:n])
	if n < len(dst) {
		t := four(a[n:])
		tanhNEON(t[:], t[:])
		copy(dst[n:], t[:])
	}
}

func sigmoidAll(dst, a []float32) {
	n := len(dst) &^ 3
	sigmoidNEON(dst[:n], a[:n])
	if n < len(dst) {
		t := four(a[n:])
		sigmoidNEON(t[:], t[:])
		copy(dst[n:], t[:])
	}
}

func erfAll(dst, a []float32) {
	n := len(dst) &^ 3
	erfNEON(dst[:n], a[:n])
	if n < len(dst) {
		t := four(a[n:])
		erfNEON(t[:], t[:])
		copy(dst[n:], t[:])
	}
}
