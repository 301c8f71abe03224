// A kernel is the set of routines for one instruction set, and the block sizes
// that suit it. The plain one serves machines without vector instructions that
// Go can use, WebAssembly among them, and checks the others.

package gemm

import (
	"sync"
	"unsafe"

	"github.com/weft-ml/weft/internal/cpu/simd"
)

// tileFunc computes one register tile: rows × n, where the number of rows is
// part of the routine. A's elements for one k are adjacent, lda bytes from one
// k to the next; B's likewise with ldb; rows of c are ldc bytes apart. The
// tile is stored, or added to c if add is 1.
type tileFunc func(k int, a *float32, lda int, b *float32, ldb int, c *float32, ldc, n, add int)

// windowFunc computes one register tile, rows × nr, of which the number of rows
// is part of the routine. Rows are step bytes apart in a, and what they have
// for step k lies off[k] elements further; b is a packed panel.
type windowFunc func(k int, a *float32, off *int32, step int, b, c *float32, ldc, add int)

type kernel struct {
	name   string
	mr, nr int        // the register tile
	aw     int        // elements per k of a packed panel of A, at least mr
	wide   []tileFunc // by number of rows; nr columns
	narrow []tileFunc // the same for nr/2 columns; may be nil
	// The same two for rows of A that are contiguous in k and lda bytes apart.
	wideRows, narrowRows []tileFunc
	masked               bool // tiles touch only n columns of B and of c
	exactA               bool // tiles touch only their own rows of A

	windows []windowFunc // by number of rows; nil if windows have to be packed

	kc, mt, nt int // see plan.go
	blocks     int // wanted per worker

	copyFn map[int]packCopyFunc // by width
	transW int                  // rows that trans takes, 0 if there is none
	trans  packTransFunc

	gemv func(k int, a *float32, lda int, b *float32, ldb int, c *float32, n, add int)
	dots func(k int, x, y *float32, ldy int, out *[4]float32) // four rows of y
}

// tmpSize is the room for one tile of a kernel without masks.
const tmpSize = 8 * 16

var best = sync.OnceValue(func() *kernel {
	ks := kernels()
	for _, k := range ks {
		if k.name == simd.Name() {
			return k
		}
	}
	return ks[len(ks)-1]
})

// kernels lists what this machine can run, best first.
func kernels() []*kernel { return append(machine(), plainKernel) }

var plainKernel = &kernel{
	name: "plain", mr: 4, nr: 4, aw: 4, exactA: true,
	wide: []tileFunc{nil,
		func(k int, a *float32, lda int, b *float32, ldb int, c *float32, ldc, _, add int) {
			tileAny(1, k, a, lda, b, ldb, c, ldc, add)
		},
		func(k int, a *float32, lda int, b *float32, ldb int, c *float32, ldc, _, add int) {
			tileAny(2, k, a, lda, b, ldb, c, ldc, add)
		},
		func(k int, a *float32, lda int, b *float32, ldb int, c *float32, ldc, _, add int) {
			tileAny(3, k, a, lda, b, ldb, c, ldc, add)
		},
		tile4x4,
	},
	kc: 256, mt: 16, nt: 16, blocks: 6,
}

func at(p *float32, bytes int) *float32 { return (*float32)(unsafe.Add(unsafe.Pointer(p), bytes)) }

func row4(p *float32, bytes int) *[4]float32 {
	return (*[4]float32)(unsafe.Add(unsafe.Pointer(p), bytes))
}

func put4(c *float32, add int, x0, x1, x2, x3 float32) {
	v := row4(c, 0)
	if add != 0 {
		x0, x1, x2, x3 = v[0]+x0, v[1]+x1, v[2]+x2, v[3]+x3
	}
	*v = [4]float32{x0, x1, x2, x3}
}

func tile4x4(k int, a *float32, lda int, b *float32, ldb int, c *float32, ldc, _, add int) {
	// Two halves of two rows: eight sums and their operands stay in registers
	// even on a machine with sixteen.
	for h := range 2 {
		var s0, s1, s2, s3, t0, t1, t2, t3 float32
		for i := range k {
			x := (*[2]float32)(unsafe.Add(unsafe.Pointer(a), i*lda+8*h))
			y := row4(b, i*ldb)
			s0 += x[0] * y[0]
			s1 += x[0] * y[1]
			s2 += x[0] * y[2]
			s3 += x[0] * y[3]
			t0 += x[1] * y[0]
			t1 += x[1] * y[1]
			t2 += x[1] * y[2]
			t3 += x[1] * y[3]
		}
		put4(at(c, 2*h*ldc), add, s0, s1, s2, s3)
		put4(at(c, (2*h+1)*ldc), add, t0, t1, t2, t3)
	}
}

func tileAny(m, k int, a *float32, lda int, b *float32, ldb int, c *float32, ldc, add int) {
	for r := range m {
		var s0, s1, s2, s3 float32
		for i := range k {
			x := *at(a, i*lda+4*r)
			y := row4(b, i*ldb)
			s0 += x * y[0]
			s1 += x * y[1]
			s2 += x * y[2]
			s3 += x * y[3]
		}
		put4(at(c, r*ldc), add, s0, s1, s2, s3)
	}
}
