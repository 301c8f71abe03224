package plan

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/weft-ml/weft/internal/ir"
	"github.com/weft-ml/weft/internal/kernel"
)

// random returns a plan of kernels that use temporaries as a step does: one
// kernel writes each, later ones read it.
func random(r *rand.Rand) *Plan {
	p := &Plan{RingBuf: -1}
	kernels := 1 + r.IntN(40)
	for range kernels {
		p.Kernels = append(p.Kernels, &kernel.Kernel{Dims: []int{1}, Outer: 1})
	}
	for i := range 1 + r.IntN(60) {
		kind := Temp
		if r.IntN(6) == 0 {
			kind = State
		}
		n := 1 + r.IntN(1+r.IntN(5000))
		p.Buffers = append(p.Buffers, Buffer{Kind: kind, Elems: n, Bytes: 4 * n})
		if r.IntN(20) == 0 {
			continue // not used at all
		}
		for k := r.IntN(kernels); k < kernels; k += 1 + r.IntN(15) {
			p.Kernels[k].Bufs = append(p.Kernels[k].Bufs, kernel.Buf{ID: i, DType: ir.F32, Elems: n})
		}
	}
	return p
}

func TestLayout(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	shared := 0
	for i := range 2000 {
		p := random(r)
		if i%2 == 1 {
			p.Chunk = 20_224 // a little more than the largest buffer
		}
		p.Layout()
		for _, b := range p.Buffers {
			if p.Chunk > 0 && b.Kind == Temp && b.Offset/p.Chunk != (b.Offset+b.Bytes-1)/p.Chunk {
				t.Fatalf("%d bytes at %d lie in two chunks of %d", b.Bytes, b.Offset, p.Chunk)
			}
		}
		top, sum := 0, 0
		atOnce := make([]int, len(p.Kernels))
		for i, b := range p.Buffers {
			if b.Kind != Temp {
				continue
			}
			first, last := -1, -1
			for k, kn := range p.Kernels {
				for _, u := range kn.Bufs {
					if u.ID == i {
						if first < 0 {
							first = k
						}
						last = k
					}
				}
			}
			if b.First != first || b.Last != last {
				t.Fatalf("buffer %d is alive %d..%d, want %d..%d\n%v", i, b.First, b.Last, first, last, p)
			}
			if first < 0 {
				continue
			}
			if b.Offset%Align != 0 {
				t.Fatalf("buffer %d at %d", i, b.Offset)
			}
			top = max(top, b.Offset+aligned(b.Bytes))
			sum += aligned(b.Bytes)
			for k := first; k <= last; k++ {
				atOnce[k] += aligned(b.Bytes)
			}
			for j, c := range p.Buffers[:i] {
				if c.Kind == Temp && c.First >= 0 && c.First <= b.Last && b.First <= c.Last &&
					c.Offset < b.Offset+b.Bytes && b.Offset < c.Offset+c.Bytes {
					t.Fatalf("buffers %d and %d overlap\n%v", j, i, p)
				}
			}
		}
		if p.ArenaBytes != top {
			t.Fatalf("arena of %d bytes, %d are used", p.ArenaBytes, top)
		}
		most := 0
		for _, n := range atOnce {
			most = max(most, n)
		}
		if p.ArenaBytes < most {
			t.Fatalf("arena of %d bytes, %d are alive at once", p.ArenaBytes, most)
		}
		if top < sum {
			shared++
		}
	}
	if shared < 1000 {
		t.Errorf("memory was shared in %d of 2000 plans only", shared)
	}
}

func TestPeakBytes(t *testing.T) {
	p := &Plan{ArenaBytes: 512, RingBuf: -1, Buffers: []Buffer{{Kind: Temp, Bytes: 300}, {Kind: Input, Bytes: 10},
		{Kind: Output, Bytes: 20}, {Kind: Ring, Bytes: 40}, {Kind: State, Bytes: 1000, Name: "w"}, {Kind: Data, Bytes: 3}}}
	own, borrowed := p.PeakBytes()
	if own != 512+10+20+40 || borrowed != 1003 {
		t.Errorf("%d and %d bytes", own, borrowed)
	}
	if s := p.String(); !strings.Contains(s, `"w"`) || !strings.Contains(s, "peak 582 bytes") {
		t.Error(s)
	}
}
