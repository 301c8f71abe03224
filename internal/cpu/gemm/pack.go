// Packing copies a strip of a matrix so that the tile reads memory in order:
// for each k the strip's elements side by side. Three cases: the elements lie
// side by side already (a copy per k), they are contiguous along k (a
// transposition, in vector registers where possible), or neither.

package gemm

type (
	// packCopyFunc copies k rows of n contiguous elements, stride bytes apart,
	// and fills each up with zeros to the width of the routine.
	packCopyFunc func(dst, src *float32, stride, n, k int)
	// packTransFunc transposes a fixed number of rows, stride bytes apart, of
	// 4*k4 elements; ldd is the distance of two columns in dst, in bytes.
	packTransFunc func(dst *float32, ldd int, src *float32, stride, k4 int)
)

// packPanel fills dst, w elements for each of kn steps, with n valid elements
// src[base + i*sn + k*sk] and zeros after them. Where it reads more than n
// elements, the surplus comes from elsewhere in src and is never used: lanes
// of a tile do not mix.
func (kr *kernel) packPanel(dst []float32, w int, src []float32, base, n, sn, sk, kn int) {
	if kn == 0 {
		return
	}
	switch copyFn := kr.copyFn[w]; {
	case sn == 1 && copyFn != nil:
		copyFn(&dst[0], &src[base], sk*4, n, kn)
	case sn == 1:
		for k := range kn {
			d := dst[k*w:][:w]
			copy(d, src[base+k*sk:][:n])
			clear(d[n:])
		}
	case sk == 1:
		for i := 0; i < w; {
			k := 0
			if t := kr.transW; t > 0 && i < n && i+t <= w && base+(i+t-1)*sn+kn <= len(src) {
				kr.trans(&dst[i], w*4, &src[base+i*sn], sn*4, kn/4)
				k = kn &^ 3
				for r := i; r < i+t; r++ {
					packRow(dst[r:], w, src[base+r*sn:], k, kn)
				}
				i += t
				continue
			}
			if i < n {
				packRow(dst[i:], w, src[base+i*sn:], 0, kn)
			} else {
				for k := range kn {
					dst[k*w+i] = 0
				}
			}
			i++
		}
	default:
		for k := range kn {
			d, at := dst[k*w:][:w], base+k*sk
			for i := range n {
				d[i] = src[at]
				at += sn
			}
			clear(d[n:])
		}
	}
}

// packRow spreads src[k0:k1] over every w-th element of dst.
func packRow(dst []float32, w int, src []float32, k0, k1 int) {
	for k := k0; k < k1; k++ {
		dst[k*w] = src[k]
	}
}
