package gemm

import "golang.org/x/sys/cpu"

//go:generate go run gen/main.go gen/pack.go gen/vector.go gen/window.go

//go:noescape
func gemv512(k int, a *float32, lda int, b *float32, ldb int, c *float32, n, add int)

//go:noescape
func dots512(k int, x, y *float32, ldy int, out *[4]float32)

//go:noescape
func dots256(k int, x, y *float32, ldy int, out *[4]float32)

//go:noescape
func packCopy512x32(dst, src *float32, stride, n, k int)

//go:noescape
func packCopy512x16(dst, src *float32, stride, n, k int)

//go:noescape
func packTrans512(dst *float32, ldd int, src *float32, stride, k4 int)

//go:noescape
func packTrans256(dst *float32, ldd int, src *float32, stride, k4 int)

//go:noescape
func gemv256x64(k int, a *float32, lda int, b *float32, ldb int, c *float32, add int)

//go:noescape
func gemv256x8(k int, a *float32, lda int, b *float32, ldb int, c *float32, add int)

func gemv256(k int, a *float32, lda int, b *float32, ldb int, c *float32, n, add int) {
	for n >= 64 {
		gemv256x64(k, a, lda, b, ldb, c, add)
		if n -= 64; n == 0 {
			return // before a pointer leaves its matrix
		}
		b, c = at(b, 256), at(c, 256)
	}
	for n >= 8 {
		gemv256x8(k, a, lda, b, ldb, c, add)
		if n -= 8; n == 0 {
			return // before a pointer leaves its matrix
		}
		b, c = at(b, 32), at(c, 32)
	}
	gemvRest(k, a, lda, b, ldb, c, n, add)
}

// machine lists the kernels of this processor. The AVX-512 tile of 14×32 uses
// 28 of the 32 registers as sums: for every step of k it loads 16 vectors and
// does 28 multiply-adds, so two multiply-adds per cycle leave the load ports
// room.
func machine() []*kernel {
	var ks []*kernel
	x := &cpu.X86
	if x.HasAVX512F && x.HasAVX512DQ && x.HasAVX512BW && x.HasAVX512VL && x.HasBMI2 {
		ks = append(ks, &kernel{
			name: "avx512", mr: 14, nr: 32, aw: 16,
			wide: tile512x32Table, narrow: tile512x16Table, wideRows: rows512x32Table, narrowRows: rows512x16Table,
			masked: true, exactA: true,
			kc: 384, mt: 12, nt: 16, blocks: 8,
			copyFn: map[int]packCopyFunc{32: packCopy512x32, 16: packCopy512x16},
			transW: 16, trans: packTrans512, windows: window512Table,
			gemv: gemv512, dots: dots512,
		})
	}
	if x.HasAVX2 && x.HasFMA {
		ks = append(ks, &kernel{
			name: "avx2", mr: 6, nr: 16, aw: 8,
			wide: tile256Table, exactA: true,
			kc: 256, mt: 24, nt: 16, blocks: 6,
			transW: 8, trans: packTrans256, windows: window256Table,
			gemv: gemv256, dots: dots256,
		})
	}
	return ks
}
