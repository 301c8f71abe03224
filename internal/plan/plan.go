// Package plan holds what a compiled step is: plain data that a player walks.
//
// A plan names every buffer with its size, and every kernel in order.
// Temporaries share one arena whose offsets are fixed here from their
// lifetimes, so a run allocates nothing, and the peak of memory is known
// before the first step.
package plan

import (
	"fmt"
	"sort"
	"strings"

	"github.com/weft-ml/weft/internal/ir"
	"github.com/weft-ml/weft/internal/kernel"
)

// RingSlots is the most steps that one submit may hold: results of a step
// are kept in rows of a ring until the host reads them.
const RingSlots = 64

// Align is the alignment of temporaries, in bytes: WebGPU's default for
// storage bindings.
const Align = 256

// BufferKind says who owns a buffer and how long it lives.
type BufferKind uint8

const (
	Temp   BufferKind = iota // in the arena, valid between First and Last
	Input                    // written by the caller before a run
	State                    // owned by a variable
	Data                     // constant, owned by a tensor
	Output                   // valid after a run, until the next
	Ring                     // RingSlots rows of per-step results
)

// Buffer is one range of device memory.
type Buffer struct {
	Kind   BufferKind
	Name   string
	DType  ir.DType
	Elems  int
	Bytes  int
	Offset int      // Temp: position in the arena
	First  int      // Temp: kernel that writes it ...
	Last   int      // ... and the last that reads it
	Leaf   *ir.Leaf // Input, State, Data
}

// Result says where a run leaves one output of the graph.
type Result struct {
	Buf    int // buffer number
	Offset int // element offset: for Ring, within a row
	Elems  int
	Ring   bool
	DType  ir.DType
	Shape  []int
}

// Plan is a compiled step.
type Plan struct {
	Graph      *ir.Graph
	Buffers    []Buffer
	Kernels    []*kernel.Kernel
	Results    []Result
	RingWords  int // 4-byte words in a row of the ring, 0 if there is none
	RingBuf    int // its buffer number, or -1
	ArenaBytes int
	// Chunk, if not 0, is the size of the pieces that a device cuts the arena
	// into because it has no larger buffers: no temporary reaches across a
	// multiple of it.
	Chunk int
}

// Layout assigns arena offsets to temporaries: the largest first, each at the
// lowest offset where nothing alive at the same time lies.
func (p *Plan) Layout() {
	var temps []int
	for i := range p.Buffers {
		b := &p.Buffers[i]
		if b.Kind == Temp {
			b.First, b.Last = -1, -1
			temps = append(temps, i)
		}
	}
	for k, kn := range p.Kernels {
		for _, u := range kn.Bufs {
			b := &p.Buffers[u.ID]
			if b.Kind != Temp {
				continue
			}
			if b.First < 0 {
				b.First = k
			}
			b.Last = k
		}
	}
	sort.SliceStable(temps, func(i, j int) bool { return p.Buffers[temps[i]].Bytes > p.Buffers[temps[j]].Bytes })
	p.ArenaBytes = 0
	var placed []int
	for _, t := range temps {
		b := &p.Buffers[t]
		if b.First < 0 {
			continue
		}
		// Neighbours alive at the same time, by offset.
		var busy []int
		for _, o := range placed {
			if q := &p.Buffers[o]; q.First <= b.Last && b.First <= q.Last {
				busy = append(busy, o)
			}
		}
		sort.Slice(busy, func(i, j int) bool { return p.Buffers[busy[i]].Offset < p.Buffers[busy[j]].Offset })
		at := 0
		for _, o := range busy {
			q := &p.Buffers[o]
			if at = p.within(at, b); at+aligned(b.Bytes) <= q.Offset {
				break
			}
			at = max(at, q.Offset+aligned(q.Bytes))
		}
		at = p.within(at, b)
		b.Offset = at
		p.ArenaBytes = max(p.ArenaBytes, at+aligned(b.Bytes))
		placed = append(placed, t)
	}
}

// within is the first offset from at on where b lies in one chunk.
func (p *Plan) within(at int, b *Buffer) int {
	if p.Chunk > 0 && at/p.Chunk != (at+max(aligned(b.Bytes), 1)-1)/p.Chunk {
		return (at/p.Chunk + 1) * p.Chunk
	}
	return at
}

func aligned(n int) int { return (n + Align - 1) / Align * Align }

// PeakBytes is the device memory that the plan's buffers occupy: the arena,
// inputs, outputs and the ring, and the variables and constants that it uses.
func (p *Plan) PeakBytes() (own, borrowed int) {
	own = p.ArenaBytes
	for _, b := range p.Buffers {
		switch b.Kind {
		case Input, Output, Ring:
			own += b.Bytes
		case State, Data:
			borrowed += b.Bytes
		}
	}
	return own, borrowed
}

// String prints buffers with their lifetimes, and kernels in order.
func (p *Plan) String() string {
	var b strings.Builder
	own, borrowed := p.PeakBytes()
	fmt.Fprintf(&b, "plan: %d kernels, %d buffers, peak %d bytes (arena %d), variables and data %d bytes\n",
		len(p.Kernels), len(p.Buffers), own, p.ArenaBytes, borrowed)
	for i, u := range p.Buffers {
		fmt.Fprintf(&b, "buffer %d: %-6s %v[%d] %d bytes", i,
			[...]string{"temp", "input", "state", "data", "output", "ring"}[u.Kind], u.DType, u.Elems, u.Bytes)
		if u.Kind == Temp {
			fmt.Fprintf(&b, " at %d, alive %d..%d", u.Offset, u.First, u.Last)
		}
		if u.Name != "" {
			fmt.Fprintf(&b, " %q", u.Name)
		}
		b.WriteByte('\n')
	}
	for i, k := range p.Kernels {
		fmt.Fprintf(&b, "kernel %d: %v", i, k)
	}
	return b.String()
}
