// The plain Go transcendental functions go through float64 from package math
// and round once, so they are correct to about half a float32 ulp; they are
// what the vector polynomials are measured against.

package simd

import "math"

func expPlain(dst, a []float32) {
	a = a[:len(dst)]
	for i := range dst {
		dst[i] = float32(math.Exp(float64(a[i])))
	}
}

func logPlain(dst, a []float32) {
	a = a[:len(dst)]
	for i := range dst {
		dst[i] = float32(math.Log(float64(a[i])))
	}
}

func tanhPlain(dst, a []float32) {
	a = a[:len(dst)]
	for i := range dst {
		dst[i] = float32(math.Tanh(float64(a[i])))
	}
}

func sigmoidPlain(dst, a []float32) {
	a = a[:len(dst)]
	for i := range dst {
		dst[i] = float32(1 / (1 + math.Exp(-float64(a[i]))))
	}
}

func erfPlain(dst, a []float32) {
	a = a[:len(dst)]
	for i := range dst {
		dst[i] = float32(math.Erf(float64(a[i])))
	}
}

func sinPlain(dst, a []float32) {
	a = a[:len(dst)]
	for i := range dst {
		dst[i] = float32(math.Sin(float64(a[i])))
	}
}

func cosPlain(dst, a []float32) {
	a = a[:len(dst)]
	for i := range dst {
		dst[i] = float32(math.Cos(float64(a[i])))
	}
}
