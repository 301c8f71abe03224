// Products with a vector (M or N is 1) do two operations per element of the
// matrix, so memory is the limit and packing would double the traffic: the
// matrix is read once, in place, in the direction in which it is contiguous.

package gemm

type vecKind int

const (
	notVector vecKind = iota
	gemvKind          // y is contiguous along the outputs: sums of scaled rows
	dotKind           // y is contiguous along k: inner products
)

const (
	vecBlock = 128           // outputs in one unit of work
	vecRoom  = vecBlock + 16 // a worker's block and room for one group of four
	vecRooms = 2 * vecRoom   // and its sums of many blocks of k
)

// vecArgs sees both orientations as out[j] = sum_k x[k] * y[k,j].
type vecArgs struct {
	x, y       []float32
	xs, yk, yj int // strides
	n          int // outputs
}

func vectorArgs(s Spec, a, b []float32) vecArgs {
	if s.M == 1 {
		return vecArgs{a, b, s.ACol, s.BRow, s.BCol, s.N}
	}
	return vecArgs{b, a, s.BRow, s.ACol, s.ARow, s.M}
}

func vectorKind(s Spec, k *kernel) vecKind {
	if s.M != 1 && s.N != 1 {
		return notVector
	}
	v := vectorArgs(s, nil, nil)
	switch {
	case v.yj == 1 && k.gemv != nil:
		return gemvKind
	case v.yk == 1 && k.dots != nil:
		return dotKind
	}
	return notVector
}

func (p *Plan) planVector(lim limits) {
	v := vectorArgs(p.s, nil, nil)
	p.solo = p.workers == 1 || 4*float64(p.s.K)*float64(v.n) < lim.soloBytes
	if p.vec == dotKind && v.xs != 1 {
		p.offAcc = roundUp(p.s.K, 16) // a contiguous copy of x
	}
	p.total = p.offAcc + p.active()*vecRooms
}

func (p *Plan) runVector(pool Pool) {
	v := vectorArgs(p.s, p.a, p.b)
	if p.vec == dotKind && v.xs != 1 {
		x := p.ws.buf[:p.s.K]
		for k := range x {
			x[k] = v.x[k*v.xs]
		}
	}
	p.phase(pool, ceilDiv(v.n, vecBlock), p.workFn)
}

func (p *Plan) workVector(worker int) {
	if worker >= p.workers {
		return
	}
	v := vectorArgs(p.s, p.a, p.b)
	x, xs := v.x, v.xs
	if p.vec == dotKind && xs != 1 {
		x, xs = p.ws.buf[:p.s.K], 1
	}
	out := p.ws.buf[p.offAcc+worker*vecRooms:][:vecRooms]
	for {
		i := int(p.next.Add(1)) - 1
		if i >= p.items {
			return
		}
		j0 := i * vecBlock
		n := min(vecBlock, v.n-j0)
		if p.vec == gemvKind {
			p.gemvBlock(out, x, xs, v, j0, n)
		} else {
			p.dotBlock(out, x, v, j0, n)
		}
		p.putVector(worker, j0, out[:n])
	}
}

// dotTerms is how many terms an inner product adds up in float32: longer ones
// are added in parts, in float64, so that equal terms do not lose digits.
const dotTerms = 4096

// dotBlock computes four outputs at a time. The last ones, if fewer, are all
// the same row four times over, so that every output has the same order of
// additions.
func (p *Plan) dotBlock(out, x []float32, v vecArgs, j0, n int) {
	if p.s.K == 0 {
		clear(out)
		return
	}
	for j := 0; j < n; j++ {
		y := v.y[(j0+j)*v.yj:]
		if j+4 <= n {
			p.dots(x, y, v.yj*4, (*[4]float32)(out[j:]))
			j += 3
			continue
		}
		four := (*[4]float32)(out[vecBlock:])
		p.dots(x, y, 0, four)
		out[j] = four[0]
	}
}

func (p *Plan) dots(x, y []float32, stride int, out *[4]float32) {
	p.k.dots(min(dotTerms, p.s.K), &x[0], &y[0], stride, out)
	if p.s.K <= dotTerms {
		return
	}
	var sum [4]float64
	for k0 := 0; ; {
		for i, s := range out {
			sum[i] += float64(s)
		}
		if k0 += dotTerms; k0 >= p.s.K {
			break
		}
		p.k.dots(min(dotTerms, p.s.K-k0), &x[k0], &y[k0], stride, out)
	}
	for i, s := range sum {
		out[i] = float32(s)
	}
}

// gemvBlock sums over blocks of k, as the tiles do, to keep the error small, and
// over blocks of such blocks.
func (p *Plan) gemvBlock(out, x []float32, xs int, v vecArgs, j0, n int) {
	const kc, blocks = 512, 128
	if p.s.K == 0 {
		clear(out)
	}
	sum, total := out, out[vecRoom:][:n]
	for k0 := 0; k0 < p.s.K; k0 += kc {
		more := 1
		if k0%(kc*blocks) == 0 {
			more = 0
			if k0 == kc*blocks {
				copy(total, sum)
			} else if k0 > 0 {
				addTo(total, sum)
			}
		}
		p.k.gemv(min(kc, p.s.K-k0), &x[k0*xs], xs*4, &v.y[k0*v.yk+j0], v.yk*4, &sum[0], n, more)
	}
	if p.s.K > kc*blocks {
		addTo(sum[:n], total)
	}
}

func addTo(a, b []float32) {
	for i := range a {
		a[i] += b[i]
	}
}

func (p *Plan) putVector(worker, j0 int, out []float32) {
	n := len(out)
	switch {
	case p.ep != nil && p.s.M == 1:
		p.ep(worker, 0, 1, j0, j0+n, out, n)
	case p.ep != nil:
		p.ep(worker, j0, j0+n, 0, 1, out, 1)
	case p.s.M == 1:
		copy(p.c[j0:], out)
	default:
		for j, x := range out {
			p.c[(j0+j)*p.ldc] = x
		}
	}
}

// gemvRest is the last few columns, too few for a vector.
func gemvRest(k int, a *float32, lda int, b *float32, ldb int, c *float32, n, add int) {
	for j := range n {
		var s float32
		for i := range k {
			s += *at(a, i*lda) * *at(b, i*ldb+4*j)
		}
		if add != 0 {
			s += *at(c, 4*j)
		}
		*at(c, 4*j) = s
	}
}
