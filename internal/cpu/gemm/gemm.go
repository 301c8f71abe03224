// Package gemm multiplies float32 matrices, with a hook that sees every block
// of the result while it is still in cache.
//
// The structure is that of Goto and van de Geijn, "Anatomy of high-performance
// matrix multiplication" (ACM TOMS 34, 2008): both operands are copied into
// panels that the register tile reads front to back, and the loops around it
// keep a block of each in the caches. What differs is the partition: both
// operands are packed first, by all workers, and then the workers take blocks
// of the result from a counter, so that a worker that is held up by something
// else on the machine delays the product by one block at most.
//
// The sum over k is never divided between workers and its order depends on the
// shape alone, so a product has the same bits for any number of workers.
package gemm

import "fmt"

// Spec describes C[m,n] = sum_k A[m,k] * B[k,n], M×K times K×N. The strides,
// in elements, may be anything not negative, so a transposed operand is only a
// Spec with its two strides exchanged: A[m,k] is a[m*ARow+k*ACol].
type Spec struct {
	M, N, K                int
	ARow, ACol, BRow, BCol int

	// A and B address their operand by tables instead of strides, if not nil.
	A, B *Index

	// Live, if not nil, says for each column of B from which step of the sum to which
	// it may be other than zero. What lies outside need not be multiplied.
	Live [][2]int32
}

// extent is the number of elements that a strided r×c matrix reaches over.
func extent(r, c, sr, sc int) int {
	if r == 0 || c == 0 {
		return 0
	}
	return (r-1)*sr + (c-1)*sc + 1
}

// Pool runs a function on every worker at once.
type Pool interface {
	// Workers is the number of workers.
	Workers() int
	// Do calls f(w) for every w in [0, Workers()) and returns when all are done.
	Do(f func(worker int))
}

// Epilogue is called exactly once for each finished block of C: acc holds rows
// m0 to m1 and columns n0 to n1, row-major, with row stride ld, and acc[0] is
// C[m0,n0]. The epilogue may overwrite the block, but nothing beyond it, and
// must not keep acc. Different workers may call it at the same time.
type Epilogue func(worker, m0, m1, n0, n1 int, acc []float32, ld int)

// New plans a product for at most that many workers and allocates its own
// workspace. A Plan runs one product at a time.
func New(s Spec, workers int) *Plan { return NewIn(s, workers, new(Workspace)) }

// NewIn plans a product that works in ws, which grows as needed. Plans that
// never run at the same time should share one: a model's workspace is then
// that of its largest product, not the sum of all.
func NewIn(s Spec, workers int, ws *Workspace) *Plan {
	return newPlan(s, workers, ws, best(), usual)
}

// Run computes the product. With ep nil the result goes to c with row stride
// ldc (elements of c between the rows stay as they are); otherwise the blocks
// go to ep, and c and ldc are not used. At most the planned number of workers
// take part; with a nil pool the caller works alone. Run allocates nothing. It
// panics if an operand is too short for the Spec.
func (p *Plan) Run(pool Pool, a, b, c []float32, ldc int, ep Epilogue) {
	s := p.s
	if p.srcA != nil {
		p.srcA.check("a", len(a))
	} else if n := extent(s.M, s.K, s.ARow, s.ACol); len(a) < n {
		panic(fmt.Sprintf("gemm: a has %d elements, the Spec reaches over %d: pass the whole matrix", len(a), n))
	}
	if p.srcB != nil {
		p.srcB.check("b", len(b))
	} else if n := extent(s.K, s.N, s.BRow, s.BCol); len(b) < n {
		panic(fmt.Sprintf("gemm: b has %d elements, the Spec reaches over %d: pass the whole matrix", len(b), n))
	}
	if ep == nil {
		if n := extent(s.M, s.N, ldc, 1); len(c) < n {
			panic(fmt.Sprintf("gemm: c has %d elements, the result needs %d: pass a longer c or a smaller ldc", len(c), n))
		}
		if ldc < s.N && s.M > 1 {
			panic(fmt.Sprintf("gemm: row stride %d of c is less than N=%d: rows would overlap", ldc, s.N))
		}
	}
	if s.M == 0 || s.N == 0 {
		return
	}
	p.a, p.b, p.c, p.ldc, p.ep = a, b, c, ldc, ep
	p.ws.grow(p.total)
	if p.solo || pool == nil || pool.Workers() == 1 {
		pool = nil
	}
	p.run(pool)
	p.a, p.b, p.c, p.ep = nil, nil, nil, nil
}
