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
