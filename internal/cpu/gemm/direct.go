// Products with windows, the indexed operand of a convolution, need no packed
// windows: neighbouring windows lie a fixed step apart along a row of the image,
// so the register tile broadcasts them from where they are. The tile is turned
// for that: its rows are the windows (columns of C), its vectors run along the
// rows of A, whose packed transpose is small and serves all windows. Strides,
// dilation and the transposed windows of a weight's gradient (where the
// elements of one kernel row are neighbours) are only other steps.
//
// The sums are then turned back, block by block, for the epilogue.

package gemm

import "runtime"

// span is the rows of one register tile: windows row to row+n, of which the
// first begins at element at and the others step elements apart, and their steps of
// the sum, from to to.
type span struct{ row, n, at, step, from, to int }

// direct is what a plan for windows has beyond that of other products.
type direct struct {
	spans  []span
	blocks []int // the first span of each block of windows, and the last one's end
	rows   int   // windows of the largest block
	panels int   // of A
	group  int   // panels in one block
	ld     int   // elements between two windows' sums
	whole  bool  // the sums of all windows wait for the next chunk of k
	offOut int   // turned blocks, one for each worker
	parts  int   // pieces of k that packing shares out
}

const (
	// directKC is the steps of k in a pass: a packed panel of so many stays in
	// the first-level cache beside the image's rows.
	directKC = 192
	// directSums is how many sums one block has, so that they and their turned
	// copy stay in the second-level cache.
	directSums = 1 << 14
	// fewest is how many windows a tile must have on average.
	fewest = 3
)

// newSpans cuts the windows' addresses into tiles of at most mr.
func newSpans(off []int32, mr int) []span {
	var spans []span
	for i := 0; i < len(off); {
		n, step := 1, 0
		if i+1 < len(off) && off[i+1] > off[i] {
			step = int(off[i+1] - off[i])
			for i+n < len(off) && int(off[i+n]-off[i+n-1]) == step {
				n++
			}
		}
		for parts, j := ceilDiv(n, mr), 0; j < parts; j++ {
			first, size := split(n, parts, j)
			spans = append(spans, span{row: i + first, n: size, at: int(off[i+first]), step: step})
		}
		i += n
	}
	return spans
}

// anyInPlace is false where no kernel has tiles for windows, so that the linker
// leaves out what only serves them: browsers download this package.
const anyInPlace = runtime.GOARCH != "wasm"

// InPlace reports whether this machine multiplies the windows of s where they are;
// only then does Live save anything.
func InPlace(s Spec) bool { return anyInPlace && best().inPlace(s) != nil }

// inPlace returns the register tiles for the windows of s, nil if they are packed.
func (k *kernel) inPlace(s Spec) []span {
	if k.windows == nil || s.B == nil || s.M < k.nr/4 || s.K == 0 {
		return nil
	}
	spans := newSpans(s.B.Cols, len(k.windows)-1)
	if len(spans)*fewest > s.N {
		return nil
	}
	return spans
}

// planDirect reports whether the product is one with windows in place, and
// plans it.
func (p *Plan) planDirect(lim limits) bool {
	s, k := p.s, p.k
	d := &direct{spans: k.inPlace(s)}
	if d.spans == nil {
		return false
	}
	for i := range d.spans {
		d.spans[i].live(s)
	}
	flops := 2 * float64(s.M) * float64(s.N) * float64(s.K)
	p.solo = p.workers == 1 || flops < lim.soloFlops
	d.panels = ceilDiv(s.M, k.nr)
	d.ld = d.panels * k.nr
	most := min(lim.kChunk, max(16, lim.pack/d.ld))
	p.kChunk = roundUp(ceilDiv(s.K, ceilDiv(s.K, most)), 4)
	p.kc = roundUp(ceilDiv(p.kChunk, ceilDiv(p.kChunk, directKC)), 4)
	d.parts = max(1, min(p.kChunk/depthBlock, 16/d.panels))

	// Blocks: enough that the last ones do not leave workers idle for long.
	want := 1
	if !p.solo {
		want = 8 * p.workers
	}
	d.group = min(d.panels, 4)
	rows := max(k.transW, directSums/(d.group*k.nr))
	for ceilDiv(s.N, rows)*ceilDiv(d.panels, d.group) < want {
		if rows > 64 || d.group == 1 && rows > k.transW {
			rows /= 2
		} else if d.group > 1 {
			d.group = ceilDiv(d.group, 2)
		} else {
			break
		}
	}
	rows = ceilDiv(s.N, ceilDiv(s.N, rows))
	for i, sp := range d.spans {
		if end := sp.row + sp.n; len(d.blocks) == 0 || end-d.spans[d.blocks[len(d.blocks)-1]].row > rows {
			d.blocks = append(d.blocks, i)
		}
	}
	d.blocks = append(d.blocks, len(d.spans))
	for i := range d.blocks[1:] {
		from, to := d.window(i), d.window(i+1)
		d.rows = max(d.rows, to-from)
	}
	d.rows = roundUp(d.rows, k.transW)

	// Turning reads whole groups of transW windows, the last one's beyond its
	// end.
	p.offAcc = roundUp(d.ld*p.kChunk, 16)
	d.whole = s.K > p.kChunk
	if d.whole {
		d.offOut = p.offAcc + (s.N+k.transW)*d.ld
	} else {
		d.ld = d.group * k.nr
		p.acc = d.rows * d.ld
		d.offOut = p.offAcc + p.acc*p.active()
	}
	p.total = d.offOut + p.active()*d.rows*d.group*k.nr
	p.direct = d
	return true
}

// live sets the steps of the sum at which one of the span's windows may be other
// than zero; at least one, since that is what stores a sum.
func (sp *span) live(s Spec) {
	sp.to = s.K
	if s.Live == nil {
		return
	}
	sp.from, sp.to = s.K-1, 0
	for _, l := range s.Live[sp.row : sp.row+sp.n] {
		if l[0] < l[1] {
			sp.from, sp.to = min(sp.from, int(l[0])), max(sp.to, int(l[1]))
		}
	}
	sp.to = max(sp.to, sp.from+1)
}

// window is the first window of block i.
func (d *direct) window(i int) int {
	if sp := d.blocks[i]; sp < len(d.spans) {
		return d.spans[sp].row
	}
	last := d.spans[len(d.spans)-1]
	return last.row + last.n
}

func (p *Plan) runDirect(pool Pool) {
	d := p.direct
	for k0 := 0; k0 < p.s.K; k0 += p.kChunk {
		p.ch = chunk{m: p.s.M, n: p.s.N, k0: k0, k: min(p.kChunk, p.s.K-k0)}
		p.phase(pool, d.panels*d.parts, p.packFn)
		p.phase(pool, (len(d.blocks)-1)*ceilDiv(d.panels, d.group), p.workFn)
	}
}

// packDirect packs panels of A, transposed, each in several pieces along k.
func (p *Plan) packDirect(worker int) {
	if worker >= p.workers {
		return
	}
	s, k, d, ch := p.s, p.k, p.direct, p.ch
	for {
		i := int(p.next.Add(1)) - 1
		if i >= p.items {
			return
		}
		panel, part := i/d.parts, i%d.parts
		k0, kn := split(ceilDiv(ch.k, 4), d.parts, part)
		k0, kn = 4*k0, min(4*kn, ch.k-4*k0)
		if kn <= 0 {
			continue
		}
		m0 := panel * k.nr
		m := min(k.nr, s.M-m0)
		dst := p.ws.buf[(panel*p.kChunk+k0)*k.nr:][:kn*k.nr]
		if p.srcA != nil {
			p.srcA.pack(k, dst, k.nr, p.a, m0, m, ch.k0+k0, kn, p.tmp[worker])
		} else {
			k.packPanel(dst, k.nr, p.a, m0*s.ARow+(ch.k0+k0)*s.ACol, m, s.ARow, s.ACol, kn)
		}
	}
}

func (p *Plan) workDirect(worker int) {
	if worker >= p.workers {
		return
	}
	for blocks := len(p.direct.blocks) - 1; ; {
		i := int(p.next.Add(1)) - 1
		if i >= p.items {
			return
		}
		p.directBlock(worker, i%blocks, i/blocks)
	}
}

func (p *Plan) directBlock(worker, block, group int) {
	s, k, d, ch, buf := p.s, p.k, p.direct, p.ch, p.ws.buf
	spans := d.spans[d.blocks[block]:d.blocks[block+1]]
	n0, n1 := d.window(block), d.window(block+1)
	j0, j1 := group*d.group, min((group+1)*d.group, d.panels)
	m0, m1 := j0*k.nr, min(j1*k.nr, s.M)
	sums := buf[p.offAcc+worker*p.acc:]
	if d.whole {
		sums = buf[p.offAcc+n0*d.ld+m0:]
	}
	for k0 := 0; k0 < ch.k; k0 += p.kc {
		end := ch.k0 + min(k0+p.kc, ch.k)
		for j := j0; j < j1; j++ {
			c := (j - j0) * k.nr
			for i := range spans {
				sp := &spans[i]
				from, to, add := max(ch.k0+k0, sp.from), min(end, sp.to), 1
				if from >= to {
					continue
				}
				if from == sp.from {
					add = 0
				}
				panel := ptr(buf, (j*p.kChunk+from-ch.k0)*k.nr)
				k.windows[sp.n](to-from, ptr(p.b, sp.at), &p.srcB.depth.off[from], sp.step*4, panel, ptr(sums, (sp.row-n0)*d.ld+c), d.ld*4, add)
			}
		}
	}
	if ch.k0+ch.k < s.K {
		return
	}
	out := buf[d.offOut+worker*d.rows*d.group*k.nr:][:d.rows*(j1-j0)*k.nr]
	for r := 0; r < n1-n0; r += k.transW {
		k.trans(&out[r], d.rows*4, &sums[r*d.ld], d.ld*4, (j1-j0)*k.nr/4)
	}
	if p.ep != nil {
		p.ep(worker, m0, m1, n0, n1, out[:(m1-m0-1)*d.rows+n1-n0], d.rows)
		return
	}
	for m := m0; m < m1; m++ {
		copy(p.c[m*p.ldc+n0:], out[(m-m0)*d.rows:][:n1-n0])
	}
}
