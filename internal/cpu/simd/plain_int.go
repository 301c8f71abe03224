// Integer arithmetic wraps, and never traps: division and remainder by zero
// give 0, and the one overflowing quotient (the least int32 by -1) wraps,
// because a vector machine cannot stop half way through a block and GPUs do
// not trap either.

package simd

func addIPlain(dst, a, b []int32) {
	a, b = a[:len(dst)], b[:len(dst)]
	for i := range dst {
		dst[i] = a[i] + b[i]
	}
}

func subIPlain(dst, a, b []int32) {
	a, b = a[:len(dst)], b[:len(dst)]
	for i := range dst {
		dst[i] = a[i] - b[i]
	}
}

func mulIPlain(dst, a, b []int32) {
	a, b = a[:len(dst)], b[:len(dst)]
	for i := range dst {
		dst[i] = a[i] * b[i]
	}
}

func maxIPlain(dst, a, b []int32) {
	a, b = a[:len(dst)], b[:len(dst)]
	for i := range dst {
		dst[i] = max(a[i], b[i])
	}
}

func minIPlain(dst, a, b []int32) {
	a, b = a[:len(dst)], b[:len(dst)]
	for i := range dst {
		dst[i] = min(a[i], b[i])
	}
}

// DivI is the quotient rounded toward zero; x/0 is 0.
func DivI(dst, a, b []int32) {
	a, b = a[:len(dst)], b[:len(dst)]
	for i := range dst {
		var q int32
		if b[i] != 0 {
			q = a[i] / b[i]
		}
		dst[i] = q
	}
}

// ModI is the remainder of DivI, with the sign of a; x%0 is 0.
func ModI(dst, a, b []int32) {
	a, b = a[:len(dst)], b[:len(dst)]
	for i := range dst {
		var r int32
		if b[i] != 0 {
			r = a[i] % b[i]
		}
		dst[i] = r
	}
}

// FloorDivI is the quotient rounded toward minus infinity; x/0 is 0.
func FloorDivI(dst, a, b []int32) {
	a, b = a[:len(dst)], b[:len(dst)]
	for i := range dst {
		x, y := a[i], b[i]
		var q int32
		if y != 0 {
			q = x / y
			if r := x % y; r != 0 && (r < 0) != (y < 0) {
				q--
			}
		}
		dst[i] = q
	}
}

// FloorModI is the remainder of FloorDivI, with the sign of b; x mod 0 is 0.
func FloorModI(dst, a, b []int32) {
	a, b = a[:len(dst)], b[:len(dst)]
	for i := range dst {
		x, y := a[i], b[i]
		var r int32
		if y != 0 {
			r = x % y
			if r != 0 && (r < 0) != (y < 0) {
				r += y
			}
		}
		dst[i] = r
	}
}

// Shl shifts left; only the low five bits of the count matter, as in WGSL and
// on x86.
func Shl(dst, a, b []int32) {
	a, b = a[:len(dst)], b[:len(dst)]
	for i := range dst {
		dst[i] = a[i] << (uint32(b[i]) & 31)
	}
}

// Shr shifts the bits of a right as an unsigned number; only the low five bits
// of the count matter.
func Shr(dst, a, b []int32) {
	a, b = a[:len(dst)], b[:len(dst)]
	for i := range dst {
		dst[i] = int32(uint32(a[i]) >> (uint32(b[i]) & 31))
	}
}

func xorPlain(dst, a, b []int32) {
	a, b = a[:len(dst)], b[:len(dst)]
	for i := range dst {
		dst[i] = a[i] ^ b[i]
	}
}
