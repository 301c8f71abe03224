package gemm

//go:noescape
func gemvNEONx32(k int, a *float32, lda int, b *float32, ldb int, c *float32, add int)

//go:noescape
func gemvNEONx4(k int, a *float32, lda int, b *float32, ldb int, c *float32, add int)

//go:noescape
func dotsNEON(k int, x, y *float32, ldy int, out *[4]float32)

func gemvNEON(k int, a *float32, lda int, b *float32, ldb int, c *float32, n, add int) {
	for n >= 32 {
		gemvNEONx32(k, a, lda, b, ldb, c, add)
		if n -= 32; n == 0 {
			return // before a pointer leaves its matrix
		}
		b, c = at(b, 128), at(c, 128)
	}
	for n >= 4 {
		gemvNEONx4(k, a, lda, b, ldb, c, add)
		if n -= 4; n == 0 {
			return // before a pointer leaves its matrix
		}
		b, c = at(b, 16), at(c, 16)
	}
	gemvRest(k, a, lda, b, ldb, c, n, add)
}

// dotsAll adds what is left of k after the vectors.
func dotsAll(k int, x, y *float32, ldy int, out *[4]float32) {
	dotsNEON(k&^7, x, y, ldy, out)
	for i := k &^ 7; i < k; i++ {
		for r := range out {
			out[r] += *at(x, 4*i) * *at(y, r*ldy+4*i)
		}
	}
}

// machine lists the NEON kernel, which every arm64 processor can run: 24 of
// the 32 registers hold sums.
func machine() []*kernel {
	return []*kernel{{
		name: "neon", mr: 8, nr: 12, aw: 8,
		wide: tileNEONTable,
		kc:   256, mt: 16, nt: 16, blocks: 6,
		gemv: gemvNEON, dots: dotsAll,
	}}
}
