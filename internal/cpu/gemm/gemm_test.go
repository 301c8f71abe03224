package gemm

import (
	"math"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/weft-ml/weft/internal/cpu/pool"
)

// canary surrounds every operand, so that reading or writing beyond one shows.
const canary = 64

// operand is a strided r×c matrix inside memory that is NaN elsewhere.
type operand struct {
	data   []float32
	sr, sc int
}

func (o operand) at(r, c int) float32 { return o.data[r*o.sr+c*o.sc] }

// layouts of an operand: contiguous either way, with padding, and neither way.
const layouts = 5

func newOperand(rng *rand.Rand, r, c, layout int) operand {
	o := operand{}
	switch layout {
	case 0:
		o.sr, o.sc = c, 1
	case 1:
		o.sr, o.sc = 1, r
	case 2:
		o.sr, o.sc = c+3, 1
	case 3:
		o.sr, o.sc = 1, r+5
	case 4:
		o.sr, o.sc = 2*c+1, 2
	}
	n := extent(r, c, o.sr, o.sc)
	mem := make([]float32, n+2*canary)
	for i := range mem {
		mem[i] = float32(math.NaN())
	}
	o.data = mem[canary : canary+n : canary+n]
	for i := range r {
		for j := range c {
			o.data[i*o.sr+j*o.sc] = rng.Float32()*2 - 1
		}
	}
	return o
}

// reference returns the product and, per element, the sum of the magnitudes,
// which scales the permitted error.
func reference(s Spec, a, b operand) (c, mag []float64) {
	c, mag = make([]float64, s.M*s.N), make([]float64, s.M*s.N)
	for m := range s.M {
		for k := range s.K {
			x := float64(a.at(m, k))
			for n := range s.N {
				t := x * float64(b.at(k, n))
				c[m*s.N+n] += t
				mag[m*s.N+n] += math.Abs(t)
			}
		}
	}
	return c, mag
}

// collect is an epilogue that counts and copies.
type collect struct {
	mu    sync.Mutex
	n     int
	c     []float32
	count []int
}

func (e *collect) epilogue(_, m0, m1, n0, n1 int, acc []float32, ld int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for m := m0; m < m1; m++ {
		for n := n0; n < n1; n++ {
			e.c[m*e.n+n] = acc[(m-m0)*ld+n-n0]
			e.count[m*e.n+n]++
			acc[(m-m0)*ld+n-n0] = float32(math.NaN()) // ours to overwrite
		}
	}
}

// shared are limits under which even the smallest product is shared out.
var shared = func() limits {
	l := usual
	l.soloFlops, l.soloBytes = 0, 0
	return l
}()

// check runs one product in every way and compares each with the reference.
// pools[0] is nil.
func check(t *testing.T, rng *rand.Rand, k *kernel, m, n, kk, la, lb int, pools []Pool, lim limits) {
	t.Helper()
	a, b := newOperand(rng, m, kk, la), newOperand(rng, kk, n, lb)
	s := Spec{M: m, N: n, K: kk, ARow: a.sr, ACol: a.sc, BRow: b.sr, BCol: b.sc}
	want, mag := reference(s, a, b)
	ldc := n + rng.IntN(4)
	var first []float32
	for w, pl := range pools {
		p := newPlan(s, w+1, new(Workspace), k, lim)
		for i := range p.ws.buf {
			p.ws.buf[i] = float32(math.NaN())
		}
		mem := make([]float32, m*ldc+2*canary)
		for i := range mem {
			mem[i] = -7
		}
		c := mem[canary : canary+m*ldc]
		p.Run(pl, a.data, b.data, c, ldc, nil)
		for i := range mem {
			j := i - canary
			inside := j >= 0 && j < m*ldc && j%ldc < n
			if !inside && mem[i] != -7 {
				t.Fatalf("%s %+v layouts %d,%d: wrote outside of c at %d (ldc %d)", k.name, s, la, lb, j, ldc)
			}
			if !inside {
				continue
			}
			e := j/ldc*n + j%ldc
			if err := math.Abs(float64(mem[i]) - want[e]); !(err <= 1e-6*mag[e]+1e-30) {
				t.Fatalf("%s %+v layouts %d,%d workers %d: c[%d,%d] = %v, want %v",
					k.name, s, la, lb, w+1, j/ldc, j%ldc, mem[i], want[e])
			}
		}
		dense := make([]float32, m*n)
		for i := range m {
			copy(dense[i*n:], c[i*ldc:i*ldc+n])
		}
		if first == nil {
			first = dense
		}
		e := &collect{n: n, c: make([]float32, m*n), count: make([]int, m*n)}
		p.Run(pl, a.data, b.data, nil, 0, e.epilogue)
		for i := range first {
			if e.count[i] != 1 {
				t.Fatalf("%s %+v workers %d: the epilogue saw element %d,%d %d times", k.name, s, w+1, i/n, i%n, e.count[i])
			}
			if math.Float32bits(first[i]) != math.Float32bits(dense[i]) || math.Float32bits(first[i]) != math.Float32bits(e.c[i]) {
				t.Fatalf("%s %+v workers %d: element %d,%d differs: %v alone, %v together, %v in the epilogue",
					k.name, s, w+1, i/n, i%n, first[i], dense[i], e.c[i])
			}
		}
	}
}

func testPools(t *testing.T) []Pool {
	p2, p3 := pool.New(2), pool.New(3)
	t.Cleanup(func() { p2.Close(); p3.Close() })
	return []Pool{nil, p2, p3}
}

func TestAgainstReference(t *testing.T) {
	pools := testPools(t)
	for _, k := range kernels() {
		t.Run(k.name, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(1, 2))
			// Every layout pair over shapes with all kinds of tails.
			for _, d := range [][3]int{{1, 1, 1}, {1, 130, 37}, {130, 1, 65}, {5, 7, 3}, {14, 32, 8}, {33, 10, 40}, {29, 65, 21}, {80, 50, 70}} {
				for la := range layouts {
					for lb := range layouts {
						check(t, rng, k, d[0], d[1], d[2], la, lb, pools, shared)
					}
				}
			}
			for range 150 {
				m, n, kk := 1+rng.IntN(60), 1+rng.IntN(80), rng.IntN(90)
				check(t, rng, k, m, n, kk, rng.IntN(layouts), rng.IntN(layouts), pools, shared)
			}
			check(t, rng, k, 170, 300, 600, 0, 1, pools, shared)
			check(t, rng, k, 201, 97, 310, 1, 0, pools, shared)
			check(t, rng, k, 1, 700, 1100, 0, 0, pools, shared)
		})
	}
}

// TestChunks cuts products into several chunks along every dimension, as only
// very large ones are by themselves.
func TestChunks(t *testing.T) {
	pools := testPools(t)
	for _, k := range kernels() {
		rng := rand.New(rand.NewPCG(3, 4))
		for range 40 {
			lim := shared
			lim.kChunk, lim.pack = 16, 16*3*k.nr
			lim.inPlaceRows, lim.inPlaceCols = rng.IntN(100), rng.IntN(100)
			check(t, rng, k, 2+rng.IntN(90), 2+rng.IntN(150), 1+rng.IntN(80), rng.IntN(layouts), rng.IntN(layouts), pools, lim)
		}
	}
}

// TestNonFiniteStaysInItsRowAndColumn plants NaN and infinities and checks
// that only the elements that use them are affected.
func TestNonFiniteStaysInItsRowAndColumn(t *testing.T) {
	for _, k := range kernels() {
		for _, d := range [][3]int{{17, 45, 19}, {90, 33, 30}, {1, 140, 9}, {37, 1, 9}} {
			for l := range layouts {
				rng := rand.New(rand.NewPCG(5, uint64(l)))
				a, b := newOperand(rng, d[0], d[2], l), newOperand(rng, d[2], d[1], l)
				a.data[(d[0]/2)*a.sr] = float32(math.NaN())
				b.data[(d[1]/3)*b.sc] = float32(math.Inf(1))
				p := newPlan(Spec{M: d[0], N: d[1], K: d[2], ARow: a.sr, ACol: a.sc, BRow: b.sr, BCol: b.sc}, 1, new(Workspace), k, usual)
				c := make([]float32, d[0]*d[1])
				p.Run(nil, a.data, b.data, c, d[1], nil)
				for i, x := range c {
					bad := math.IsNaN(float64(x)) || math.IsInf(float64(x), 0)
					if want := i/d[1] == d[0]/2 || i%d[1] == d[1]/3; bad != want {
						t.Fatalf("%s %v layout %d: c[%d,%d] = %v", k.name, d, l, i/d[1], i%d[1], x)
					}
				}
			}
		}
	}
}

func TestZeroK(t *testing.T) {
	for _, k := range kernels() {
		for _, d := range [][2]int{{3, 5}, {1, 200}, {40, 1}, {0, 4}, {4, 0}} {
			p := newPlan(Spec{M: d[0], N: d[1], ARow: 1, ACol: 1, BRow: 1, BCol: 1}, 1, new(Workspace), k, usual)
			c := make([]float32, d[0]*d[1])
			for i := range c {
				c[i] = 9
			}
			p.Run(nil, nil, nil, c, d[1], nil)
			for i, x := range c {
				if x != 0 {
					t.Fatalf("%s %v: element %d = %v, want 0", k.name, d, i, x)
				}
			}
		}
	}
}

func TestSharedWorkspace(t *testing.T) {
	var ws Workspace
	small := NewIn(Spec{M: 20, N: 20, K: 20, ARow: 20, ACol: 1, BRow: 20, BCol: 1}, 1, &ws)
	big := NewIn(Spec{M: 100, N: 100, K: 100, ARow: 100, ACol: 1, BRow: 1, BCol: 100}, 1, &ws)
	if ws.Bytes() != max(small.WorkspaceBytes(), big.WorkspaceBytes()) {
		t.Fatalf("workspace has %d bytes, plans need %d and %d", ws.Bytes(), small.WorkspaceBytes(), big.WorkspaceBytes())
	}
	a := make([]float32, 400)
	for i := range a {
		a[i] = 1
	}
	c := make([]float32, 400)
	small.Run(nil, a, a, c, 20, nil)
	if c[0] != 20 || c[399] != 20 {
		t.Fatalf("product in a grown workspace: %v, %v, want 20", c[0], c[399])
	}
}

func TestRunPanicsOnShortOperands(t *testing.T) {
	p := New(Spec{M: 4, N: 4, K: 4, ARow: 4, ACol: 1, BRow: 4, BCol: 1}, 1)
	ok := make([]float32, 16)
	for name, f := range map[string]func(){
		"a":   func() { p.Run(nil, ok[:15], ok, ok, 4, nil) },
		"b":   func() { p.Run(nil, ok, ok[:15], ok, 4, nil) },
		"c":   func() { p.Run(nil, ok, ok, ok[:15], 4, nil) },
		"ldc": func() { p.Run(nil, ok, ok, ok, 3, nil) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("no panic for bad %s", name)
				}
			}()
			f()
		}()
	}
}

func TestRunAllocatesNothing(t *testing.T) {
	pl := pool.New(2)
	defer pl.Close()
	ep := func(worker, m0, m1, n0, n1 int, acc []float32, ld int) {}
	for _, d := range [][3]int{{128, 96, 200}, {512, 10, 128}, {1, 300, 200}, {301, 1, 200}, {10, 128, 512}} {
		m, n, k := d[0], d[1], d[2]
		p := newPlan(Spec{M: m, N: n, K: k, ARow: k, ACol: 1, BRow: n, BCol: 1}, 2, new(Workspace), best(), shared)
		a, b, c := make([]float32, m*k), make([]float32, k*n), make([]float32, m*n)
		if got := testing.AllocsPerRun(50, func() {
			p.Run(pl, a, b, c, n, nil)
			p.Run(pl, a, b, nil, 0, ep)
		}); got != 0 {
			t.Errorf("%v: Run allocates %v times, want 0", d, got)
		}
	}
}

// Indexed operands: random tables with runs of all lengths, on every kernel,
// against the same product with the matrices written out, and for any number
// of workers the same bits.
func TestIndexed(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	offsets := func(n, longest int) []int32 {
		var off []int32
		for len(off) < n {
			at, step := int32(r.IntN(200)), int32(1+r.IntN(3))
			for range 1 + r.IntN(longest) {
				off = append(off, at)
				at += step
			}
		}
		return off[:n]
	}
	pools := testPools(t)
	direct := 0
	for _, k := range kernels() {
		name := k.name
		for range 60 {
			m, n, kk := 1+r.IntN(70), 1+r.IntN(90), 1+r.IntN(700)
			longest := []int{1, 3, 40}
			a := &Index{offsets(m, longest[r.IntN(3)]), offsets(kk, longest[r.IntN(3)])}
			b := &Index{offsets(kk, longest[r.IntN(3)]), offsets(n, longest[r.IntN(3)])}
			src := make([]float32, 1000)
			for i := range src {
				src[i] = r.Float32() - 0.5
			}
			s := Spec{M: m, N: n, K: kk, ARow: kk, ACol: 1, BRow: n, BCol: 1}
			da, db := make([]float32, m*kk), make([]float32, kk*n)
			for i := range m {
				for l := range kk {
					da[i*kk+l] = src[a.Rows[i]+a.Cols[l]]
				}
			}
			for l := range kk {
				for j := range n {
					db[l*n+j] = src[b.Rows[l]+b.Cols[j]]
				}
			}
			want := make([]float32, m*n)
			for i := range m {
				for j := range n {
					sum := 0.0
					for l := range kk {
						sum += float64(da[i*kk+l]) * float64(db[l*n+j])
					}
					want[i*n+j] = float32(sum)
				}
			}
			opA, opB := da, db
			switch r.IntN(3) {
			case 0:
				s.A, opA = a, src
			case 1:
				s.B, opB = b, src
			default:
				s.A, s.B, opA, opB = a, b, src, src
			}
			lim := shared
			if r.IntN(2) == 0 {
				lim.kChunk, lim.pack = 16+r.IntN(200), 1<<12
			}
			ldc := n + r.IntN(3)
			var first []float32
			for w, pl := range pools {
				p := newPlan(s, w+1, new(Workspace), k, lim)
				if p.direct != nil {
					direct++
				}
				for i := range p.ws.buf {
					p.ws.buf[i] = float32(math.NaN())
				}
				got := make([]float32, m*ldc)
				p.Run(pl, opA, opB, got, ldc, nil)
				for i := range want {
					if d := math.Abs(float64(got[i/n*ldc+i%n] - want[i])); !(d <= 1e-3) {
						t.Fatalf("%s, %dx%dx%d, %d workers: element %d is %v, want %v", name, m, n, kk, w+1, i, got[i/n*ldc+i%n], want[i])
					}
				}
				e := &collect{n: n, c: make([]float32, m*n), count: make([]int, m*n)}
				p.Run(pl, opA, opB, nil, 0, e.epilogue)
				if first == nil {
					first = got
				}
				for i := range want {
					x := math.Float32bits(got[i/n*ldc+i%n])
					if e.count[i] != 1 || x != math.Float32bits(first[i/n*ldc+i%n]) || x != math.Float32bits(e.c[i]) {
						t.Fatalf("%s, %dx%dx%d, %d workers: element %d is %v, %v alone, %v in %d epilogues",
							name, m, n, kk, w+1, i, got[i/n*ldc+i%n], first[i/n*ldc+i%n], e.c[i], e.count[i])
					}
				}
			}
		}
	}
	// How many depends on the tiles of the machine's kernels: 30 to 100 of the ones seen.
	if len(kernels()) > 1 && best().windows != nil && direct < 20 {
		t.Errorf("only %d products read windows in place", direct)
	}
}

// What Live leaves out is not multiplied: it may be anything, and the rest is the
// same. Windows of 5x3 over an image whose first and last rows are zero, its steps
// ordered by the rows of the window; and windows that see nothing else.
func TestLive(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 10))
	const channels, height, width, kh, kw, first, last = 3, 14, 17, 5, 3, 6, 9
	oh, ow := height-kh+1, width-kw+1
	x := make([]float32, channels*height*width)
	for i := range x {
		x[i] = r.Float32() - 0.5
		if y := i / width % height; y < first || y >= last {
			x[i] = 0
		}
	}
	b := &Index{}
	for y := range kh {
		for c := range channels {
			for dx := range kw {
				b.Rows = append(b.Rows, int32((c*height+y)*width+dx))
			}
		}
	}
	var live [][2]int32
	for y := range oh {
		from, to := min(max(first-y, 0), kh), min(max(last-y, 0), kh)
		for dx := range ow {
			b.Cols = append(b.Cols, int32(y*width+dx))
			live = append(live, [2]int32{int32(from * channels * kw), int32(to * channels * kw)})
		}
	}
	for _, m := range []int{8, 33, 64} {
		s := Spec{M: m, N: len(b.Cols), K: len(b.Rows), ARow: len(b.Rows), ACol: 1, B: b}
		a := make([]float32, m*s.K)
		for i := range a {
			a[i] = r.Float32() - 0.5
		}
		for _, k := range kernels() {
			for _, chunk := range []int{4096, 16} {
				lim := shared
				lim.kChunk = chunk
				var want []float32
				for _, live := range [][][2]int32{nil, live} {
					s.Live = live
					p := newPlan(s, 1, new(Workspace), k, lim)
					for i := range p.ws.buf {
						p.ws.buf[i] = float32(math.NaN())
					}
					got := make([]float32, m*s.N)
					y := x
					if live != nil && p.direct != nil {
						y = append([]float32(nil), x...)
						for i := range y {
							if row := i / width % height; row == 0 { // always left out
								y[i] = 1e30
							}
						}
					}
					p.Run(nil, a, y, got, s.N, nil)
					if want == nil {
						want = got
					}
					for i := range got {
						if d := math.Abs(float64(got[i] - want[i])); !(d < 1e-5) {
							t.Fatalf("%s, %d rows, chunks of %d: element %d is %v, want %v", k.name, m, chunk, i, got[i], want[i])
						}
					}
				}
			}
		}
	}
}
