// Comparisons and selection. A boolean is an int32 holding 0 or 1, so that it
// has the same width as every other value and logic is plain bit arithmetic.
// Comparisons with NaN are false, except Ne, as in IEEE 754.

package simd

import "math"

func b2i(b bool) int32 {
	if b {
		return 1
	}
	return 0
}

func eqPlain(dst []int32, a, b []float32) {
	a, b = a[:len(dst)], b[:len(dst)]
	for i := range dst {
		dst[i] = b2i(a[i] == b[i])
	}
}

func nePlain(dst []int32, a, b []float32) {
	a, b = a[:len(dst)], b[:len(dst)]
	for i := range dst {
		dst[i] = b2i(a[i] != b[i])
	}
}

func ltPlain(dst []int32, a, b []float32) {
	a, b = a[:len(dst)], b[:len(dst)]
	for i := range dst {
		dst[i] = b2i(a[i] < b[i])
	}
}

func lePlain(dst []int32, a, b []float32) {
	a, b = a[:len(dst)], b[:len(dst)]
	for i := range dst {
		dst[i] = b2i(a[i] <= b[i])
	}
}

func eqIPlain(dst, a, b []int32) {
	a, b = a[:len(dst)], b[:len(dst)]
	for i := range dst {
		dst[i] = b2i(a[i] == b[i])
	}
}

func neIPlain(dst, a, b []int32) {
	a, b = a[:len(dst)], b[:len(dst)]
	for i := range dst {
		dst[i] = b2i(a[i] != b[i])
	}
}

func ltIPlain(dst, a, b []int32) {
	a, b = a[:len(dst)], b[:len(dst)]
	for i := range dst {
		dst[i] = b2i(a[i] < b[i])
	}
}

func leIPlain(dst, a, b []int32) {
	a, b = a[:len(dst)], b[:len(dst)]
	for i := range dst {
		dst[i] = b2i(a[i] <= b[i])
	}
}

func andPlain(dst, a, b []int32) {
	a, b = a[:len(dst)], b[:len(dst)]
	for i := range dst {
		dst[i] = a[i] & b[i]
	}
}

func orPlain(dst, a, b []int32) {
	a, b = a[:len(dst)], b[:len(dst)]
	for i := range dst {
		dst[i] = a[i] | b[i]
	}
}

func notPlain(dst, a []int32) {
	a = a[:len(dst)]
	for i := range dst {
		dst[i] = a[i] ^ 1
	}
}

// wherePlain moves bits, not numbers: a signalling NaN or an int32 seen as a
// float32 arrives unchanged.
func wherePlain(dst []float32, c []int32, a, b []float32) {
	c, a, b = c[:len(dst)], a[:len(dst)], b[:len(dst)]
	for i := range dst {
		v := math.Float32bits(b[i])
		if c[i] != 0 {
			v = math.Float32bits(a[i])
		}
		dst[i] = math.Float32frombits(v)
	}
}
