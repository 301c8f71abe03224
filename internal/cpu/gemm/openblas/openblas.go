//go:build openblas && cgo

// Package openblas calls OpenBLAS, for benchmarks only: cgo is not allowed in
// test files, and no other package may import this one.
package openblas

/*
#cgo LDFLAGS: -lopenblas
extern void openblas_set_num_threads(int);
extern void cblas_sgemm(int order, int ta, int tb, int m, int n, int k,
	float alpha, const float *a, int lda, const float *b, int ldb,
	float beta, float *c, int ldc);
*/
import "C"

// SetThreads sets the number of threads of later products.
func SetThreads(n int) { C.openblas_set_num_threads(C.int(n)) }

// Sgemm sets c = a b for row-major matrices; a transposed one is stored
// k×m or n×k.
func Sgemm(ta, tb bool, m, n, k int, a, b, c []float32) {
	op := func(t bool, no, yes int) (C.int, C.int) {
		if t {
			return 112, C.int(yes)
		}
		return 111, C.int(no)
	}
	opA, lda := op(ta, k, m)
	opB, ldb := op(tb, n, k)
	C.cblas_sgemm(101, opA, opB, C.int(m), C.int(n), C.int(k), 1,
		(*C.float)(&a[0]), lda, (*C.float)(&b[0]), ldb, 0, (*C.float)(&c[0]), C.int(n))
}
