// Conversions and moves.

package simd

import "math"

func u8ToF32Plain(dst []float32, src []byte) {
	src = src[:len(dst)]
	for i := range dst {
		dst[i] = float32(src[i])
	}
}

func u8ToI32Plain(dst []int32, src []byte) {
	src = src[:len(dst)]
	for i := range dst {
		dst[i] = int32(src[i])
	}
}

func i32ToF32Plain(dst []float32, src []int32) {
	src = src[:len(dst)]
	for i := range dst {
		dst[i] = float32(src[i])
	}
}

func f32ToI32Plain(dst []int32, src []float32) {
	src = src[:len(dst)]
	for i := range dst {
		x := src[i]
		switch {
		case x >= 1<<31:
			dst[i] = math.MaxInt32
		case x <= -1<<31:
			dst[i] = math.MinInt32
		case x != x:
			dst[i] = 0
		default:
			dst[i] = int32(x)
		}
	}
}

// half widens one IEEE 754 binary16 number. Multiplying the shifted bits by
// 2^112 re-biases the exponent and normalises half denormals exactly; infinity
// and NaN need their own exponent.
func half(h uint16) float32 {
	sign := uint32(h&0x8000) << 16
	m := uint32(h&0x7fff) << 13
	if m >= 0x7c00<<13 {
		bits := sign | 0x7f800000 | m&0x007fffff
		if m&0x007fffff != 0 {
			bits |= 0x00400000 // quiet, as the hardware conversions do
		}
		return math.Float32frombits(bits)
	}
	return math.Float32frombits(math.Float32bits(math.Float32frombits(m)*0x1p112) | sign)
}

func f16ToF32Plain(dst []float32, src []uint16) {
	src = src[:len(dst)]
	for i := range dst {
		dst[i] = half(src[i])
	}
}

// toHalf rounds by adding: with a number added whose last digit is the half's, a
// float32 is rounded where the half is, in hardware and to even.
func toHalf(f float32) uint16 {
	b := math.Float32bits(f)
	sign, m := uint16(b>>16)&0x8000, b&0x7fffffff
	switch {
	case m > 0x7f800000:
		return sign | 0x7e00
	case m >= 0x477ff000: // 65520, half way to the next power of two
		return sign | 0x7c00
	case m < 0x38800000: // a subnormal half counts 2^-24, as floats from 0.5 on do
		return sign | uint16(math.Float32bits(math.Float32frombits(m)+0.5)-0x3f000000)
	}
	return sign | uint16((m-0x38000000+0xfff+m>>13&1)>>13)
}

func f32ToF16Plain(dst []uint16, src []float32) {
	src = src[:len(dst)]
	for i, f := range src {
		dst[i] = toHalf(f)
	}
}

func fillPlain(dst []float32, s float32) {
	for i := range dst {
		dst[i] = s
	}
}

// GatherStrided sets dst[i] = src[off+i*stride]; stride may be 0 or negative.
func GatherStrided(dst, src []float32, off, stride int) {
	switch {
	case len(dst) == 0:
	case stride == 1:
		copy(dst, src[off:off+len(dst)])
	case stride == 0:
		Fill(dst, src[off])
	default:
		for i := range dst {
			dst[i] = src[off]
			off += stride
		}
	}
}

// ScatterStrided sets dst[off+i*stride] = src[i] for every element of src;
// stride may be negative. With stride 0 the last element wins.
func ScatterStrided(dst []float32, off, stride int, src []float32) {
	if stride == 1 {
		copy(dst[off:off+len(src)], src)
		return
	}
	for _, v := range src {
		dst[off] = v
		off += stride
	}
}
