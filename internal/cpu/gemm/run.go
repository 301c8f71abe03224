// The run: the loops over chunks, and the two phases of each, packing and
// multiplying. The phases are two calls of the pool rather than a barrier
// inside one, because a pool may run its workers one after another.

package gemm

import "unsafe"

func ptr(s []float32, i int) *float32 {
	return (*float32)(unsafe.Add(unsafe.Pointer(unsafe.SliceData(s)), i*4))
}

// phase runs f on the workers; items is the number of things to share out.
func (p *Plan) phase(pool Pool, items int, f func(worker int)) {
	p.items = items
	p.next.Store(0)
	if pool == nil || items == 1 {
		f(0)
		return
	}
	pool.Do(f)
}

func (p *Plan) run(pool Pool) {
	if p.vec != notVector {
		p.runVector(pool)
		return
	}
	if anyInPlace && p.direct != nil {
		p.runDirect(pool)
		return
	}
	s, k := p.s, p.k
	p.packedB = chunk{k: -1}
	for n0 := 0; n0 < s.N; n0 += p.nChunk {
		for m0 := 0; m0 < s.M; m0 += p.mChunk {
			// The loop body runs once for K = 0 too: it stores the zeros.
			for k0 := 0; k0 == 0 || k0 < s.K; k0 += p.kChunk {
				p.ch = chunk{m0, min(p.mChunk, s.M-m0), n0, min(p.nChunk, s.N-n0), k0, min(p.kChunk, s.K-k0)}
				if n := p.panelsA() + p.panelsB(); n > 0 {
					p.phase(pool, n, p.packFn)
				}
				p.packedB = p.ch
				p.blocksM = ceilDiv(ceilDiv(p.ch.m, k.mr), p.mt)
				p.phase(pool, p.blocksM*ceilDiv(ceilDiv(p.ch.n, k.nr), p.nt), p.workFn)
			}
		}
	}
}

// panelsA is how many panels of A this chunk has to pack.
func (p *Plan) panelsA() int {
	if p.inA || p.ch.k == 0 {
		return 0
	}
	return ceilDiv(p.ch.m, p.k.mr)
}

// panelsB is how many panels of B this chunk has to pack: all, none, or, where
// B stays in place but the tile reads whole panels only, the last one.
func (p *Plan) panelsB() int {
	was := p.packedB
	if p.ch.k == 0 || was.n0 == p.ch.n0 && was.k0 == p.ch.k0 && was.k == p.ch.k {
		return 0
	}
	if p.inB {
		if p.k.masked || p.ch.n%p.k.nr == 0 {
			return 0
		}
		return 1
	}
	return ceilDiv(p.ch.n, p.k.nr)
}

// pack is the first phase. A panel has one row of aw (or nr) elements per step
// of k.
func (p *Plan) pack(worker int) {
	if worker >= p.workers {
		return
	}
	s, k, ch, buf := p.s, p.k, p.ch, p.ws.buf
	pa, pb := p.panelsA(), p.panelsB()
	for {
		i := int(p.next.Add(1)) - 1
		if i >= p.items {
			return
		}
		if i < pb {
			i += ceilDiv(ch.n, k.nr) - pb
			n0 := i * k.nr
			n := min(k.nr, ch.n-n0)
			dst := buf[p.offB+i*k.nr*p.kChunk:][:k.nr*ch.k]
			if p.srcB != nil {
				p.srcB.pack(k, dst, k.nr, p.b, ch.n0+n0, n, ch.k0, ch.k, p.tmp[worker])
				continue
			}
			k.packPanel(dst, k.nr, p.b, ch.k0*s.BRow+(ch.n0+n0)*s.BCol, n, s.BCol, s.BRow, ch.k)
			continue
		}
		i -= pb
		m0, m := split(ch.m, pa, i)
		dst := buf[p.offA+i*k.aw*p.kChunk:][:k.aw*ch.k]
		if p.srcA != nil {
			p.srcA.pack(k, dst, k.aw, p.a, ch.m0+m0, m, ch.k0, ch.k, p.tmp[worker])
			continue
		}
		k.packPanel(dst, k.aw, p.a, (ch.m0+m0)*s.ARow+ch.k0*s.ACol, m, s.ARow, s.ACol, ch.k)
	}
}

// work is the second phase: blocks of C, each over the whole chunk of k.
func (p *Plan) work(worker int) {
	if worker >= p.workers {
		return
	}
	for {
		i := int(p.next.Add(1)) - 1
		if i >= p.items {
			return
		}
		p.block(worker, i%p.blocksM, i/p.blocksM)
	}
}

func (p *Plan) block(worker, bi, bj int) {
	s, k, ch, buf := p.s, p.k, p.ch, p.ws.buf
	pm, pn := ceilDiv(ch.m, k.mr), ceilDiv(ch.n, k.nr)
	i0, i1 := bi*p.mt, min(pm, (bi+1)*p.mt)
	j0, j1 := bj*p.nt, min(pn, (bj+1)*p.nt)
	m0, _ := split(ch.m, pm, i0)
	n0, n1 := j0*k.nr, min(ch.n, j1*k.nr)

	// c[0] is the first element of the block, rows are ld apart.
	c, ld := p.c, p.ldc
	switch {
	case p.ep == nil:
		c = c[(ch.m0+m0)*ld+ch.n0+n0:]
	case p.acc > 0:
		c, ld = buf[p.offAcc+worker*p.acc:][:p.acc], p.nt*k.nr
	default:
		ld = p.nChunk
		c = buf[p.offAcc+m0*ld+n0 : p.offAcc+p.mChunk*p.nChunk]
	}

	m1 := m0
	for k0 := 0; k0 == 0 || k0 < ch.k; k0 += p.kc {
		kc := min(p.kc, ch.k-k0)
		add := 0
		if ch.k0+k0 > 0 {
			add = 1
		}
		for j := j0; j < j1; j++ {
			nj := j * k.nr
			n := min(k.nr, ch.n-nj)
			// Only pointers that are used may be made: one past the end of the
			// workspace could be another object's.
			var bp, ap *float32
			ldb, lda := k.nr*4, k.aw*4
			if kc > 0 && p.inB && (k.masked || n == k.nr) {
				bp, ldb = ptr(p.b, (ch.k0+k0)*s.BRow+ch.n0+nj), s.BRow*4
			} else if kc > 0 {
				bp = ptr(buf, p.offB+j*k.nr*p.kChunk+k0*k.nr)
			}
			tiles, narrow := k.wide, k.narrow
			if p.inRows {
				tiles, narrow = k.wideRows, k.narrowRows
			}
			if narrow != nil && n <= k.nr/2 {
				tiles = narrow
			}
			for i := i0; i < i1; i++ {
				mi, m := split(ch.m, pm, i)
				switch {
				case kc == 0:
				case p.inRows:
					ap, lda = ptr(p.a, (ch.m0+mi)*s.ARow+ch.k0+k0), s.ARow*4
				case p.inA:
					ap, lda = ptr(p.a, ch.m0+mi+(ch.k0+k0)*s.ACol), s.ACol*4
				default:
					ap = ptr(buf, p.offA+i*k.aw*p.kChunk+k0*k.aw)
				}
				at := (mi-m0)*ld + nj - n0
				if k.masked || n == k.nr {
					tiles[m](kc, ap, lda, bp, ldb, ptr(c, at), ld*4, n, add)
				} else {
					tmp := buf[p.offTmp+worker*tmpSize:][:tmpSize]
					tiles[m](kc, ap, lda, bp, ldb, &tmp[0], k.nr*4, n, 0)
					merge(c[at:], ld, tmp, k.nr, m, n, add)
				}
				m1 = mi + m
			}
		}
	}
	if p.ep != nil && ch.k0+ch.k == s.K {
		p.ep(worker, ch.m0+m0, ch.m0+m1, ch.n0+n0, ch.n0+n1, c[:(m1-m0-1)*ld+n1-n0], ld)
	}
}

// merge stores or adds the valid m×n corner of a tile.
func merge(c []float32, ldc int, tile []float32, nr, m, n, add int) {
	for r := range m {
		dst, src := c[r*ldc:][:n], tile[r*nr:][:n]
		if add == 0 {
			copy(dst, src)
			continue
		}
		for i, v := range src {
			dst[i] += v
		}
	}
}
