// The plain Go float arithmetic: the meaning of every primitive is written
// down here once, and each vector variant is tested against it bit for bit.
// Products that feed a sum are wrapped in a float32 conversion, because the Go
// specification lets a compiler fuse x*y+z unless the product is converted
// explicitly, and arm64 does fuse.

package simd

import "math"

func addPlain(dst, a, b []float32) {
	a, b = a[:len(dst)], b[:len(dst)]
	for i := range dst {
		dst[i] = a[i] + b[i]
	}
}

func subPlain(dst, a, b []float32) {
	a, b = a[:len(dst)], b[:len(dst)]
	for i := range dst {
		dst[i] = a[i] - b[i]
	}
}

func mulPlain(dst, a, b []float32) {
	a, b = a[:len(dst)], b[:len(dst)]
	for i := range dst {
		dst[i] = a[i] * b[i]
	}
}

func divPlain(dst, a, b []float32) {
	a, b = a[:len(dst)], b[:len(dst)]
	for i := range dst {
		dst[i] = a[i] / b[i]
	}
}

// max1 returns the larger value, NaN if either is NaN, and b when the two
// compare equal (so max1(+0, -0) is -0): the order that one x86 MAXPS plus one
// blend gives.
func max1(a, b float32) float32 {
	if a > b || a != a {
		return a
	}
	return b
}

func min1(a, b float32) float32 {
	if a < b || a != a {
		return a
	}
	return b
}

func maxPlain(dst, a, b []float32) {
	a, b = a[:len(dst)], b[:len(dst)]
	for i := range dst {
		dst[i] = max1(a[i], b[i])
	}
}

func minPlain(dst, a, b []float32) {
	a, b = a[:len(dst)], b[:len(dst)]
	for i := range dst {
		dst[i] = min1(a[i], b[i])
	}
}

func negPlain(dst, a []float32) {
	a = a[:len(dst)]
	for i := range dst {
		dst[i] = math.Float32frombits(math.Float32bits(a[i]) ^ 1<<31)
	}
}

func absPlain(dst, a []float32) {
	a = a[:len(dst)]
	for i := range dst {
		dst[i] = math.Float32frombits(math.Float32bits(a[i]) &^ (1 << 31))
	}
}

// sqrtPlain goes through float64: the double rounding is harmless for a square
// root, as 53 >= 2*24+2 bits, and the compiler emits one SQRTSS for it.
func sqrtPlain(dst, a []float32) {
	a = a[:len(dst)]
	for i := range dst {
		dst[i] = float32(math.Sqrt(float64(a[i])))
	}
}

func recipPlain(dst, a []float32) {
	a = a[:len(dst)]
	for i := range dst {
		dst[i] = 1 / a[i]
	}
}

// reluPlain keeps NaN and -0 (x < 0 is false for both).
func reluPlain(dst, a []float32) {
	a = a[:len(dst)]
	for i := range dst {
		x := a[i]
		if x < 0 {
			x = 0
		}
		dst[i] = x
	}
}
