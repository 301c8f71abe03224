// The plan: how a product is cut up. Three levels of blocks, from the inside:
//
//   - a register tile, mr×nr, summed over kc steps of k: one panel of B
//     (kc×nr) stays in the first-level cache while panels of A pass by;
//   - a block of mt×nt tiles, the unit of work: its share of packed A and B
//     for one kc fits the second-level cache;
//   - a chunk (mChunk×nChunk×kChunk): what is packed at a time, which bounds
//     the workspace. Most products are one chunk.

package gemm

import (
	"sync/atomic"

	"github.com/weft-ml/weft/internal/cpu/mem"
)

// limits are the sizes at which the plan changes its ways; tests lower them.
type limits struct {
	// soloFlops is the size below which waking other workers costs more than
	// it gains: some 10 microseconds of one core.
	soloFlops float64
	// soloBytes is the same for products with a vector, which are bound by
	// memory: what one core reads in some 20 microseconds.
	soloBytes float64

	kChunk int // steps of k in one chunk
	pack   int // elements of one packed operand in one chunk

	// Packing an operand pays when the other one passes over it often enough.
	inPlaceRows int // B stays in place up to this many rows of A
	inPlaceCols int // A stays in place up to this many columns of B
}

var usual = limits{
	soloFlops: 1 << 20, soloBytes: 1 << 19,
	kChunk: 4096, pack: 4 << 20,
	inPlaceRows: 96, inPlaceCols: 256,
}

// Workspace is memory that plans work in. The zero value is ready for use.
type Workspace struct{ buf []float32 }

// grow makes room for n elements, starting at a cache line.
func (w *Workspace) grow(n int) {
	if n <= len(w.buf) {
		return
	}
	w.buf = mem.Floats(n)
}

// Bytes is the present size of the workspace.
func (w *Workspace) Bytes() int { return 4 * len(w.buf) }

// Plan is a product that is ready to run.
type Plan struct {
	s       Spec
	k       *kernel
	workers int
	solo    bool // too small for more than one worker
	vec     vecKind
	inA     bool // the tile reads A in place
	inRows  bool // the same, with rows contiguous in k
	inB     bool // the tile reads B in place

	srcA, srcB *source     // indexed operands
	direct     *direct     // windows stay in place
	tmp        [][]float32 // for each worker, to transpose indexed strips

	kc, kChunk, mChunk, nChunk int
	mt, nt                     int // panels of A and of B per block

	ws                              *Workspace
	total                           int // elements of workspace
	offA, offB, offAcc, offTmp, acc int // acc: elements of one worker's block, 0 if one for all

	packFn, workFn func(worker int)

	// The arguments and the progress of the run under way.
	a, b, c        []float32
	ldc            int
	ep             Epilogue
	ch             chunk
	packedB        chunk // whose B is packed now
	items, blocksM int
	next           atomic.Int64
}

// chunk is the part of the product under way: rows m0.., columns n0.., steps
// k0.. of the sum.
type chunk struct{ m0, m, n0, n, k0, k int }

func ceilDiv(a, b int) int { return (a + b - 1) / b }

func roundUp(a, b int) int { return ceilDiv(a, b) * b }

// split returns the start and the size of part i of total in parts nearly
// equal parts.
func split(total, parts, i int) (start, size int) {
	q, r := total/parts, total%parts
	start, size = i*q+min(i, r), q
	if i < r {
		size++
	}
	return start, size
}

func newPlan(s Spec, workers int, ws *Workspace, k *kernel, lim limits) *Plan {
	if s.M < 0 || s.N < 0 || s.K < 0 || s.ARow < 0 || s.ACol < 0 || s.BRow < 0 || s.BCol < 0 {
		panic("gemm: negative size or stride in Spec; pass a slice that starts at the least address")
	}
	p := &Plan{s: s, k: k, workers: max(workers, 1), ws: ws}
	if s.A != nil {
		p.srcA = newSource(s.A.Rows, s.A.Cols)
	}
	if s.B != nil {
		p.srcB = newSource(s.B.Cols, s.B.Rows)
	}
	if p.srcA == nil && p.srcB == nil {
		p.vec = vectorKind(s, k)
	} else {
		for range p.workers {
			p.tmp = append(p.tmp, mem.Floats(max(k.transW, 1)*depthBlock))
		}
	}
	p.packFn, p.workFn = p.pack, p.work
	switch {
	case p.vec != notVector:
		p.planVector(lim)
		p.workFn = p.workVector
	case anyInPlace && p.planDirect(lim):
		p.packFn, p.workFn = p.packDirect, p.workDirect
	default:
		if p.srcA != nil || p.srcB != nil {
			// What packing gathers should still be in the second-level cache when
			// it is used.
			lim.pack = min(lim.pack, 1<<19)
		}
		p.planTiles(lim)
	}
	ws.grow(p.total)
	return p
}

func (p *Plan) planTiles(lim limits) {
	s, k := p.s, p.k
	flops := 2 * float64(s.M) * float64(s.N) * float64(s.K)
	p.solo = p.workers == 1 || flops < lim.soloFlops

	p.kChunk = ceilDiv(s.K, max(1, ceilDiv(s.K, lim.kChunk)))
	p.kChunk = max(1, roundUp(p.kChunk, 4))
	p.kc = roundUp(ceilDiv(p.kChunk, ceilDiv(p.kChunk, k.kc)), 4)
	p.nChunk = min(roundUp(s.N, k.nr), max(k.nr, lim.pack/p.kChunk/k.nr*k.nr))
	p.mChunk = min(s.M, max(k.mr, lim.pack/p.kChunk/k.mr*k.mr))

	p.inA = k.exactA && s.ARow == 1 && s.N <= lim.inPlaceCols
	if !p.inA && k.wideRows != nil && s.ACol == 1 && s.N <= lim.inPlaceCols && !aliases(s.ARow) {
		p.inA, p.inRows = true, true
	}
	p.inB = s.BCol == 1 && s.M <= lim.inPlaceRows && p.srcB == nil
	if p.srcA != nil {
		p.inA, p.inRows = false, false
	}

	pm, pn := max(1, ceilDiv(p.mChunk, k.mr)), max(1, ceilDiv(p.nChunk, k.nr))
	p.mt, p.nt = ceilDiv(pm, ceilDiv(pm, k.mt)), ceilDiv(pn, ceilDiv(pn, k.nt))
	if !p.solo {
		// Enough blocks that the last ones do not leave workers idle for long.
		want := k.blocks * p.workers
		for ceilDiv(pm, p.mt)*ceilDiv(pn, p.nt) < want && (p.mt > 2 || p.nt > 2) {
			// Rows first: an epilogue likes its rows long.
			if p.mt > 2 {
				p.mt = ceilDiv(p.mt, 2)
			} else {
				p.nt = ceilDiv(p.nt, 2)
			}
		}
	}

	if !p.inA {
		p.offB = roundUp(pm*k.aw*p.kChunk, 16)
	}
	p.offAcc = p.offB + roundUp(pn*k.nr*p.kChunk, 16)
	if p.inB && k.masked {
		p.offAcc = p.offB
	}
	if s.K > p.kChunk {
		// Partial sums wait for the next chunk of k.
		p.offTmp = p.offAcc + roundUp(p.mChunk*p.nChunk, 16)
	} else {
		p.acc = roundUp(min(p.mt*k.mr, s.M)*p.nt*k.nr, 16)
		p.offTmp = p.offAcc + p.acc*p.active()
	}
	p.total = p.offTmp
	if !k.masked {
		p.total += p.active() * tmpSize
	}
}

// aliases reports whether rows that many elements apart fall on the same few
// sets of a first-level cache of 64 sets of 64 bytes, where a tile's rows would
// push each other out.
func aliases(stride int) bool {
	d := stride * 4 % 4096
	return min(d, 4096-d) < 128
}

// active is how many workers take part.
func (p *Plan) active() int {
	if p.solo {
		return 1
	}
	return p.workers
}

// WorkspaceBytes is how much workspace the plan needs. Plans made with NewIn
// for one Workspace need the largest of these numbers together.
func (p *Plan) WorkspaceBytes() int { return 4 * p.total }
