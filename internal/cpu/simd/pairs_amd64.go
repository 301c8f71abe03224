package simd

//go:noescape
func takeEvensAVX512(dst, src *float32, length, rows, step int)

//go:noescape
func putEvensAVX512(dst, src *float32, length, rows, step int)

//go:noescape
func doubleAVX512(dst, src *float32, length int)
