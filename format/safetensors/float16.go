// Half precision in software: Go has no such type, and the conversions must
// give the same bits on every platform. Both directions follow IEEE 754-2008
// (binary16, round to nearest, ties to even); bfloat16 is the upper half of a
// float32, rounded the same way.

package safetensors

import "math"

// F16Bits rounds f to half precision. Values past 65504 become infinite, NaN
// stays NaN.
func F16Bits(f float32) uint16 {
	b := math.Float32bits(f)
	sign := uint16(b >> 16 & 0x8000)
	exp := int(b>>23&0xff) - 127 + 15
	frac := b & 0x7fffff
	switch {
	case exp == 0xff-127+15: // Infinity or NaN; a NaN keeps its upper bits and is made quiet.
		if frac != 0 {
			return sign | 0x7e00 | uint16(frac>>13)
		}
		return sign | 0x7c00
	case exp >= 0x1f:
		return sign | 0x7c00
	case exp <= 0:
		// Subnormal: the implicit one joins the fraction and both shift right.
		if exp < -10 {
			return sign
		}
		return sign | uint16(roundShift(frac|0x800000, uint(14-exp)))
	}
	// A carry out of the fraction correctly raises the exponent, up to infinity.
	return sign | uint16(roundShift(uint32(exp)<<23|frac, 13))
}

// roundShift is v >> n, to nearest, ties to even.
func roundShift(v uint32, n uint) uint32 {
	half := uint32(1) << (n - 1)
	return (v + half - 1 + (v >> n & 1)) >> n
}

// F16Value is the float32 with the value of the half precision bits h.
func F16Value(h uint16) float32 {
	sign := uint32(h&0x8000) << 16
	exp := uint32(h >> 10 & 0x1f)
	frac := uint32(h & 0x3ff)
	switch exp {
	case 0x1f:
		return math.Float32frombits(sign | 0x7f800000 | frac<<13)
	case 0:
		// A subnormal is frac times 2^-24, exact in float32.
		v := float32(frac) * (1.0 / (1 << 24))
		return math.Float32frombits(sign | math.Float32bits(v))
	}
	return math.Float32frombits(sign | (exp+127-15)<<23 | frac<<13)
}

// BF16Bits rounds f to bfloat16. NaN stays NaN.
func BF16Bits(f float32) uint16 {
	b := math.Float32bits(f)
	if b&0x7fffffff > 0x7f800000 {
		return uint16(b>>16) | 0x40
	}
	return uint16((b + 0x7fff + (b >> 16 & 1)) >> 16)
}

// BF16Value is the float32 with the value of the bfloat16 bits h.
func BF16Value(h uint16) float32 { return math.Float32frombits(uint32(h) << 16) }
