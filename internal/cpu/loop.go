package cpu

import (
	"math"
	"slices"
	"sync/atomic"

	"github.com/weft-ml/weft/internal/cpu/pool"
	"github.com/weft-ml/weft/internal/cpu/simd"
	"github.com/weft-ml/weft/internal/ir"
	"github.com/weft-ml/weft/internal/kernel"
)

// loop runs a map or reduce kernel: independent elements are divided between
// the workers, and within each the reduction stages follow one another.
type loop struct {
	m       *machine
	pool    *pool.Pool
	ctx     []*context
	over    []int // independent loop variables other than the vector one
	inner   []int // reduced loop variables other than the vector one
	blocks  int   // blocks along the vector variable if it is independent
	items   int   // pieces of work
	workers int
	shares  []share // of the items, one for each worker
	do      func(worker int)

	scalars []uint32
	slot    int
}

// serialWork is the number of element operations below which waking other
// workers costs more than it saves.
const serialWork = 1 << 14

func newLoop(p *pool.Pool, k *kernel.Kernel, mem [][]byte, vec int) *loop {
	l := &loop{m: newMachine(k, mem, vec), pool: p}
	m := l.m
	l.items = 1
	for d := range k.Dims {
		switch {
		case d == m.vec, slices.Contains(m.rows, d):
		case d < k.Outer:
			l.over = append(l.over, d)
			l.items *= k.Dims[d]
		default:
			l.inner = append(l.inner, d)
		}
	}
	work := k.OuterElems() * k.InnerElems() * max(1, len(k.Vals)/2)
	l.workers = 1
	if work >= serialWork {
		l.workers = p.Workers()
	}
	l.blocks = 1
	if m.outer && m.vec >= 0 {
		if l.items < l.workers && m.extent >= 32*l.workers { // shorter blocks for everybody
			m.block = min(m.block, (m.extent/l.workers+15)/16*16)
		}
		l.blocks = (m.extent + m.block - 1) / m.block
		l.items *= l.blocks
	}
	l.workers = min(l.workers, l.items)
	for range l.workers {
		l.ctx = append(l.ctx, m.newContext())
	}
	l.shares = make([]share, l.workers)
	l.do = l.part // one closure for all runs
	return l
}

// share is a worker's part of the items, from the first to the end, in one word. Each
// worker has the same part in every kernel, so that what it has just written is still
// in its cache; it takes items from the front, and who has finished takes some from
// the back of another's: processors are not equally fast at all times.
type share struct {
	span atomic.Uint64
	_    [56]byte
}

func (s *share) set(from, to int) { s.span.Store(uint64(from)<<32 | uint64(to)) }

// take removes up to n items from the front, or from the back.
func (s *share) take(n int, front bool) (from, to int) {
	for {
		v := s.span.Load()
		from, to = int(v>>32), int(v&0xffffffff)
		if from == to {
			return from, to
		}
		var rest uint64
		if n := min(n, to-from); front {
			rest = uint64(from+n)<<32 | uint64(to)
			to = from + n
		} else {
			rest = uint64(from)<<32 | uint64(to-n)
			from = to - n
		}
		if s.span.CompareAndSwap(v, rest) {
			return from, to
		}
	}
}

func (l *loop) run(scalars []uint32, slot int) {
	l.scalars, l.slot = scalars, slot
	for w := range l.shares {
		l.shares[w].set(w*l.items/l.workers, (w+1)*l.items/l.workers)
	}
	if l.workers == 1 {
		l.part(0)
		return
	}
	l.pool.Do(l.do)
}

func (l *loop) bytes() int { return len(l.ctx) * l.m.registerBytes() }

// part runs a worker's share of the items, and then what others have left.
func (l *loop) part(w int) {
	if w >= l.workers {
		return
	}
	c := l.ctx[w]
	c.begin(l.scalars, l.slot)
	each, last := max(1, l.items/l.workers/8), -1
	for i := range l.workers {
		for s := &l.shares[(w+i)%l.workers]; ; {
			from, to := s.take(each, i == 0)
			if from == to {
				break
			}
			last = l.some(c, from, to, last)
		}
	}
}

// some runs items from to to; last is the combination of the outer loop variables
// for which uniform values are computed.
func (l *loop) some(c *context, first, end, last int) int {
	m := l.m
	for item := first; item < end; item++ {
		rest, n := item, 1
		if m.outer && m.vec >= 0 {
			c.move(item % l.blocks * m.block)
			n = min(m.block, m.extent-c.v0)
			rest = item / l.blocks
		}
		if rest != last {
			last = rest
			for i := len(l.over) - 1; i >= 0; i-- {
				d := l.over[i]
				c.coord[d] = rest % m.k.Dims[d]
				rest /= m.k.Dims[d]
			}
			c.uniform(m.outerU[0])
		}
		for from, to := c.v0, c.v0+n; from < to; from += n {
			if m.outer {
				n = m.piece(from, to-from)
				c.move(from)
			}
			l.item(c, n)
		}
	}
	return last
}

// item computes one block of independent elements, n of them if the vector
// variable is independent and one otherwise.
func (l *loop) item(c *context, n int) {
	m := l.m
	c.exec(m.outerV[0], n)
	for s := 0; s < len(m.k.Stages); {
		end := m.groupEnd[s]
		if m.outer {
			l.stageAcross(c, s, end, n)
		} else {
			l.stageAlong(c, s, end)
		}
		for s++; s <= end; s++ {
			c.uniform(m.outerU[s])
			c.exec(m.outerV[s], n)
		}
		s = end
	}
	if len(m.innerStores) > 0 {
		l.innerStores(c, n)
	}
	for i := range m.outerStores {
		if s := &m.outerStores[i]; !s.direct {
			s.put(c, n)
		}
	}
}

// advance moves to the next combination of reduced loop variables.
func (l *loop) advance(c *context) bool {
	c.point++
	for i := len(l.inner) - 1; i >= 0; i-- {
		d := l.inner[i]
		if c.coord[d]++; c.coord[d] < l.m.k.Dims[d] {
			return true
		}
		c.coord[d] = 0
	}
	c.point = 0
	return false
}

// partSums is how many terms a sum takes before it goes to the next level, and
// how many of those that level takes: it keeps the rounding error of long sums
// small, also where all terms are equal and every rounding is to the same side.
const partSums = 128

// stageAcross reduces stages s to end for a block of independent elements at
// once: one accumulator for each.
func (l *loop) stageAcross(c *context, s, end, n int) {
	m := l.m
	stages := m.k.Stages[s:end]
	var have [levels]int // what each level has added up so far
	rows, stride := l.rows(s)
	at := 0
	if rows != nil {
		at = rows.base(c)
	}
	for more := true; more; {
		if rows == nil {
			c.uniform(m.innerU[s])
			c.exec(m.innerV[s], n)
		}
		more = l.advance(c)
		for i, st := range stages {
			var v []float32
			if rows != nil {
				v = floats(c.mem[rows.buf])[at : at+n]
				at += stride
			} else {
				v = c.reg(st.Val, n)
			}
			width := n
			if have[0] == 0 {
				width = 0
			}
			l.accumulate(s+i, c.sum[0][s+i], width, v)
		}
		have[0]++
		for from := 0; from+1 < levels && have[from] == partSums; from++ {
			l.raise(c, s, end, n, &have, from)
		}
	}
	// What is left goes up to the highest level that has anything.
	top := levels - 1
	for have[top] == 0 {
		top--
	}
	for from := range top {
		if have[from] > 0 {
			l.raise(c, s, end, n, &have, from)
		}
	}
	for i := range stages {
		if r := m.result[s+i]; r >= 0 {
			c.cur[r] = c.base[r][:n]
			copy(c.cur[r], c.sum[top][s+i])
		}
	}
}

// levels of sums: partSums squared terms are added up before the last one.
const levels = 3

// raise adds a level of the accumulators of stages s to end to the next one.
func (l *loop) raise(c *context, s, end, n int, have *[levels]int, from int) {
	for i := s; i < end; i++ {
		width := n
		if have[from+1] == 0 {
			width = 0
		}
		l.accumulate(i, c.sum[from+1][i], width, c.sum[from][i][:n])
	}
	have[from] = 0
	have[from+1]++
}

// accumulate adds block v to stage i's accumulators, the first width of which
// have something.
func (l *loop) accumulate(i int, acc []float32, width int, v []float32) {
	k := l.m.k
	old := min(width, len(v))
	if old > 0 {
		combine(k.Stages[i].Op, k.Vals[k.Stages[i].Val].DType, acc[:old], v[:old])
	}
	copy(acc[old:], v[old:])
}

// rows recognises a stage that only adds up rows of a matrix in memory, as the
// gradient of a bias does, and returns where they lie: such a stage needs no
// program, whose overhead would exceed the additions.
func (l *loop) rows(s int) (first *address, stride int) {
	m := l.m
	if len(m.innerU[s]) != 0 || len(m.innerV[s]) != 1 || len(l.inner) != 1 || m.innerV[s][0].fetch != nil {
		return nil, 0
	}
	in := &m.innerV[s][0]
	a := in.addr
	if in.dst != m.k.Stages[s].Val || m.k.Vals[in.dst].Kind != kernel.Load || in.fill || a.mask >= 0 || !a.linear || a.parts || a.step != 1 ||
		a.pieces != nil || len(a.terms) != 0 || a.dtype == ir.U8 || a.dtype == ir.F16 {
		return nil, 0
	}
	for _, t := range a.dims {
		if t.dim == l.inner[0] {
			stride = t.coef
		}
	}
	return a, stride
}

// stageAlong reduces the elements of blocks themselves, for stages s to end.
func (l *loop) stageAlong(c *context, s, end int) {
	m := l.m
	stages := m.k.Stages[s:end]
	// Blocks differ in length: how many accumulators of each level have something,
	// and how often something was added.
	var width, have [levels]int
	raise := func(from int) {
		for i := s; i < end; i++ {
			l.accumulate(i, c.sum[from+1][i], width[from+1], c.sum[from][i][:width[from]])
		}
		width[from+1] = max(width[from+1], width[from])
		have[from+1]++
		width[from], have[from] = 0, 0
	}
	for more := true; more; more = l.advance(c) {
		c.uniform(m.innerU[s])
		for c.move(0); c.v0 < m.extent; {
			n := m.piece(c.v0, min(m.block, m.extent-c.v0))
			c.exec(m.innerV[s], n)
			for i, st := range stages {
				l.accumulate(s+i, c.sum[0][s+i], width[0], c.reg(st.Val, n))
			}
			width[0] = max(width[0], n)
			have[0]++
			for from := 0; from+1 < levels && have[from] == partSums; from++ {
				raise(from)
			}
			c.move(c.v0 + n)
		}
	}
	c.move(0)
	top := levels - 1
	for have[top] == 0 {
		top--
	}
	for from := range top {
		if have[from] > 0 {
			raise(from)
		}
	}
	for i, st := range stages {
		if r := m.result[s+i]; r >= 0 {
			simd.Fill(c.base[r], fold(st.Op, m.k.Vals[st.Val].DType, c.sum[top][s+i][:width[top]]))
			c.cur[r] = c.base[r]
		}
	}
}

func (l *loop) innerStores(c *context, n int) {
	m := l.m
	s := len(m.k.Stages)
	for {
		c.uniform(m.innerU[s])
		if m.outer {
			c.exec(m.innerV[s], n)
			for i := range m.innerStores {
				m.innerStores[i].put(c, n)
			}
		} else {
			for c.move(0); c.v0 < m.extent; {
				n := m.piece(c.v0, min(m.block, m.extent-c.v0))
				c.exec(m.innerV[s], n)
				for i := range m.innerStores {
					m.innerStores[i].put(c, n)
				}
				c.move(c.v0 + n)
			}
			c.move(0)
		}
		if !l.advance(c) {
			return
		}
	}
}

// combine adds block v to block acc in the sense of op.
func combine(op ir.Op, dt ir.DType, acc, v []float32) {
	if dt != ir.F32 {
		a, b := ints(acc), ints(v)
		switch op {
		case ir.OpSum:
			simd.AddI(a, a, b)
		case ir.OpProd:
			simd.MulI(a, a, b)
		case ir.OpMax:
			simd.MaxI(a, a, b)
		default:
			simd.MinI(a, a, b)
		}
		return
	}
	switch op {
	case ir.OpSum:
		simd.Add(acc, acc, v)
	case ir.OpProd:
		simd.Mul(acc, acc, v)
	case ir.OpMax:
		simd.Max(acc, acc, v)
	default:
		simd.Min(acc, acc, v)
	}
}

// fold reduces a block to one element.
func fold(op ir.Op, dt ir.DType, acc []float32) float32 {
	if dt != ir.F32 {
		a := ints(acc)
		r := a[0]
		for _, x := range a[1:] {
			switch op {
			case ir.OpSum:
				r += x
			case ir.OpProd:
				r *= x
			case ir.OpMax:
				r = max(r, x)
			default:
				r = min(r, x)
			}
		}
		return math.Float32frombits(uint32(r))
	}
	switch op {
	case ir.OpSum:
		return simd.Sum(acc)
	case ir.OpMax:
		return simd.MaxOf(acc)
	case ir.OpMin:
		return simd.MinOf(acc)
	}
	r := acc[0]
	for _, x := range acc[1:] {
		r *= x
	}
	return r
}

// chooseVector picks the loop variable along which blocks are formed: the one
// with the cheapest accesses that is long enough to be worth it. The figures
// are nanoseconds on a server processor; only their ratios matter.
func chooseVector(k *kernel.Kernel) int {
	best, bestCost := -1, math.Inf(1)
	for d, extent := range k.Dims {
		if extent == 1 {
			continue
		}
		varies := make([]bool, len(k.Vals))
		varying := func(v int) bool { return varies[v] }
		rows := rowsAround(k, d)
		for _, r := range rows {
			extent *= k.Dims[r]
		}
		within := func(e int) bool { return e == d || slices.Contains(rows, e) }
		perElem, perBlock := 0.0, 10.0
		var pieces, divisors []int
		access := func(x kernel.Index) {
			step, linear := x.Affine(d, varying)
			if len(rows) > 0 {
				if span := linearSpan(x, k.Dims, d, rows, varying); span < extent {
					perSegment := 30.0
					around := rowAround(k.Dims, d, rows, span)
					if _, even := x.Affine(around, varying); even && linear {
						perSegment = 6
					} else if wide, _, _ := enlarged(x, k.Dims, d, around, varying); wide > 0 {
						perSegment, linear = 10, true
					}
					perElem += perSegment / float64(span)
				}
			} else if !linear {
				if step, divisors, linear = piecewise(x, d, varying); linear {
					pieces = append(pieces, divisors...)
				}
			}
			switch {
			case !linear:
				perElem += 3
			case step > 8 || step < 0: // a cache line for each element
				perElem += 1.5
			case step > 1:
				perElem += 0.7
			default:
				perElem += 0.1
			}
		}
		for i := range k.Vals {
			v := &k.Vals[i]
			varies[i] = v.Kind == kernel.Acc || v.Kind == kernel.Result && d < k.Outer ||
				v.Index.DependsOn(within, varying)
			v.Uses(func(a int) { varies[i] = varies[i] || varies[a] })
			if !varies[i] {
				perBlock += 3
				continue
			}
			perBlock += 12
			switch v.Kind {
			case kernel.Load, kernel.AsValue, kernel.InRange:
				access(v.Index)
				if v.Kind == kernel.Load && v.Mask >= 0 {
					perElem += 0.2 + 4/float64(k.Dims[d])
				}
			case kernel.Acc:
				if d != len(k.Dims)-1 {
					perElem += 1
				}
			case kernel.Elem:
				perElem += 0.1 * float64(ir.Table[v.Op].Cost)
			}
		}
		for _, st := range k.Stores {
			perBlock += 10
			access(st.Index)
		}
		perBlock += 8 * float64(len(k.Stages))
		block := blockFor(extent, len(k.Vals))
		for _, p := range pieces {
			block = min(block, p)
		}
		if cost := perElem + perBlock/float64(block); cost < bestCost {
			best, bestCost = d, cost
		}
	}
	return best
}
