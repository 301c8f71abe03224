// Package gemm multiplies float32 matrices.
package gemm

// Spec describes C[m,n] = sum_k A[m,k] * B[k,n], M×K times K×N. The strides,
// in elements, may be anything, so a transposed operand is only a Spec with
// its two strides exchanged: A[m,k] is a[m*ARow+k*ACol].
type Spec struct {
	M, N, K                int
	ARow, ACol, BRow, BCol int
}

// Pool runs a function on every worker at once.
type Pool interface {
	// Workers is the number of workers.
	Workers() int
	// Do calls f(w) for every w in [0, Workers()) and returns when all are done.
	Do(f func(worker int))
}

// Epilogue is called once for each finished block of C: acc holds rows m0 to
// m1 and columns n0 to n1, row-major, with row stride ld. Different workers
// may call it at the same time.
type Epilogue func(worker, m0, m1, n0, n1 int, acc []float32, ld int)

// Plan holds the blocking and the workspace of one product.
type Plan struct {
	s    Spec
	work []float32
}

// New plans a product for at most that many workers.
func New(s Spec, workers int) *Plan { return &Plan{s: s, work: make([]float32, s.M*s.N)} }

// WorkspaceBytes is the size of the memory that the plan keeps.
func (p *Plan) WorkspaceBytes() int { return 4 * len(p.work) }

// Run computes the product. With ep nil the result goes to c with row stride
// ldc; otherwise the blocks go to ep and c is not used. A Plan runs one
// product at a time; Run allocates nothing.
func (p *Plan) Run(pool Pool, a, b, c []float32, ldc int, ep Epilogue) {
	s := p.s
	if ep != nil {
		c, ldc = p.work, s.N
	}
	for m := range s.M {
		for n := range s.N {
			var t float32
			for k := range s.K {
				t += a[m*s.ARow+k*s.ACol] * b[k*s.BRow+n*s.BCol]
			}
			c[m*ldc+n] = t
		}
	}
	if ep != nil && s.M > 0 && s.N > 0 {
		ep(0, 0, s.M, 0, s.N, c, ldc)
	}
}
