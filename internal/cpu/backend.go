// Package cpu runs plans on the processor.
//
// Kernels are not compiled to machine code; a small vector machine interprets
// them. Each instruction works on a block of a few hundred elements with the
// SIMD primitives of package simd, so the cost of interpreting is spread over
// the block, and values stay in the first-level cache between instructions.
// Matrix products go to package gemm, whose epilogue hook runs the machine on
// each block of the result while it is in cache.
//
// Work is divided between goroutines along independent elements only, so
// results do not depend on the number of threads.
package cpu

import (
	"fmt"
	"runtime"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/weft-ml/weft/internal/backend"
	"github.com/weft-ml/weft/internal/cpu/gemm"
	"github.com/weft-ml/weft/internal/cpu/mem"
	"github.com/weft-ml/weft/internal/cpu/pool"
	"github.com/weft-ml/weft/internal/cpu/simd"
	"github.com/weft-ml/weft/internal/kernel"
	"github.com/weft-ml/weft/internal/plan"
)

// Backend is the processor with its pool of threads.
type Backend struct {
	// Vector, if set, may overrule the choice of a kernel's vector loop
	// variable. Results do not depend on it beyond rounding, as tests show.
	Vector func(k *kernel.Kernel, best int) int

	// Limit is how many bytes may be allocated in all; 0 is no limit. New sets it
	// to what the machine has room for.
	Limit int64

	pool *pool.Pool
	used atomic.Int64
}

// New returns a backend that uses the given number of threads; 0 means one
// for each processor that the program may use.
func New(threads int) *Backend {
	if threads <= 0 {
		threads = runtime.GOMAXPROCS(0)
	}
	return &Backend{pool: pool.New(threads), Limit: memoryLimit()}
}

// Name tells the instruction set, whether WEFT_CPU wanted another that is not
// there, and the number of threads.
func (b *Backend) Name() string {
	return fmt.Sprintf("cpu (%s, %d threads)", simd.Variant(), b.pool.Workers())
}

// Arithmetic is the name without what does not change results.
func (b *Backend) Arithmetic() string {
	return fmt.Sprintf("cpu (%s, %s)", simd.Variant(), runtime.GOARCH)
}

// MaxBuffers is what WebGPU guarantees, so that both fuse alike and a seeded
// run gives the same numbers on both, as far as arithmetic allows.
func (b *Backend) MaxBuffers() int { return 8 }

// Float16 is true: halves are rounded in software, slowly.
func (b *Backend) Float16() bool { return true }

// Memory is the number of bytes allocated and not freed.
func (b *Backend) Memory() int64 { return b.used.Load() }

// Close ends the threads.
func (b *Backend) Close() error {
	b.pool.Close()
	return nil
}

// buffer is a piece of memory, aligned for SIMD.
type buffer struct {
	b    *Backend
	mem  []byte
	size int
}

func (u *buffer) Size() int { return u.size }

func (u *buffer) Free() {
	if u.mem != nil {
		u.b.used.Add(int64(-u.size))
		u.mem = nil
	}
}

// Alloc returns zeroed memory that begins on a cache line.
func (b *Backend) Alloc(label string, size int) (backend.Buffer, error) {
	if err := b.room(int64(size)); err != nil {
		return nil, fmt.Errorf("weft: cpu: %s of %s: %w", label, sizeText(int64(size)), err)
	}
	return b.alloc(size), nil
}

func (b *Backend) alloc(size int) *buffer {
	b.used.Add(int64(size))
	return &buffer{b, alignedBytes(size), size}
}

// alignedBytes returns zeroed memory that begins on a cache line and may be
// sliced up to whole words.
func alignedBytes(size int) []byte {
	f := mem.Floats((size + 3) / 4)
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(f))), len(f)*4)[:size]
}

// Write copies data to a buffer.
func (b *Backend) Write(u backend.Buffer, offset int, data []byte) error {
	dst := u.(*buffer).mem
	if offset < 0 || offset+len(data) > len(dst) {
		return fmt.Errorf("weft: cpu: write of %d bytes at %d to a buffer of %d", len(data), offset, len(dst))
	}
	copy(dst[offset:], data)
	return nil
}

// Read copies from a buffer.
func (b *Backend) Read(u backend.Buffer, offset int, dst []byte) error {
	src := u.(*buffer).mem
	if offset < 0 || offset+len(dst) > len(src) {
		return fmt.Errorf("weft: cpu: read of %d bytes at %d from a buffer of %d", len(dst), offset, len(src))
	}
	copy(dst, src[offset:])
	return nil
}

// exec is a plan bound to memory.
type exec struct {
	b       *Backend
	p       *plan.Plan
	bufs    []*buffer
	offset  []int // of temporaries in the arena
	own     []*buffer
	runs    []runner
	scalars int
	ring    []uint32
	rows    [backend.Depth][]uint32 // results of submits not yet collected
	steps   [backend.Depth]int
	head, n int      // oldest uncollected submit and their number
	last    []uint32 // scalars of the last step
	extra   int      // bytes of registers and of the products' workspace
}

// runner is a kernel ready to run; scalars are the step's values and slot its
// row in the ring.
type runner interface {
	run(scalars []uint32, slot int)
	bytes() int // of registers
}

// Compile prepares each kernel and allocates what the plan owns.
func (b *Backend) Compile(p *plan.Plan, bind func(buf int) backend.Buffer) (backend.Exec, error) {
	e := &exec{b: b, p: p, scalars: len(p.Graph.Scalars), last: make([]uint32, len(p.Graph.Scalars))}
	if err := b.fits(p); err != nil {
		return nil, err
	}
	e.bufs = make([]*buffer, len(p.Buffers))
	e.offset = make([]int, len(p.Buffers))
	arena := e.alloc(p.ArenaBytes)
	views := make([][]byte, len(p.Buffers))
	for i, u := range p.Buffers {
		switch u.Kind {
		case plan.Temp:
			e.bufs[i], e.offset[i] = arena, u.Offset
		case plan.State, plan.Data:
			e.bufs[i] = bind(i).(*buffer)
		default:
			e.bufs[i] = e.alloc(u.Bytes)
		}
		all := e.bufs[i].mem[:cap(e.bufs[i].mem)]
		views[i] = all[e.offset[i]:][: u.Bytes : (u.Bytes+3)/4*4]
	}
	if p.RingBuf >= 0 {
		e.ring = words(views[p.RingBuf])
	}
	for i := range e.rows {
		e.rows[i] = make([]uint32, p.RingWords*plan.RingSlots)
	}
	ws, wide := new(gemm.Workspace), new(widened) // products run one at a time and share them
	borders := map[int]border{}
	for _, k := range p.Kernels {
		if skipsZeros {
			for _, st := range k.Stores {
				delete(borders, k.Bufs[st.Buf].ID)
			}
			if b, buf, ok := borderOf(k); ok {
				borders[k.Bufs[buf].ID] = b
			}
		}
		bufs := make([][]byte, len(k.Bufs))
		for i, u := range k.Bufs {
			bufs[i] = views[u.ID]
		}
		var r runner
		var err error
		if k.Product != nil {
			r, err = newProduct(b.pool, k, bufs, ws, wide, borders)
		} else {
			vec := chooseVector(k)
			if b.Vector != nil {
				vec = b.Vector(k, vec)
			}
			r = newLoop(b.pool, k, bufs, vec)
		}
		if err != nil {
			e.Close()
			return nil, fmt.Errorf("weft: cpu: %s: %w", k.Name, err)
		}
		e.runs = append(e.runs, r)
		e.extra += r.bytes()
	}
	e.extra += ws.Bytes() + 4*(len(wide[0])+len(wide[1]))
	b.used.Add(int64(e.extra))
	return e, nil
}

func (e *exec) alloc(size int) *buffer {
	u := e.b.alloc(size)
	e.own = append(e.own, u)
	return u
}

func (e *exec) Buffer(i int) (backend.Buffer, int) { return e.bufs[i], e.offset[i] }
func (e *exec) Kernels() []string                  { return make([]string, len(e.runs)) }

// MemoryBytes counts the buffers, the registers and the workspace.
func (e *exec) MemoryBytes() int {
	n := e.extra
	for _, u := range e.own {
		n += u.size
	}
	return n
}

func (e *exec) Close() {
	for _, u := range e.own {
		u.Free()
	}
	e.b.used.Add(int64(-e.extra))
	e.own, e.runs, e.extra = nil, nil, 0
}

// Submit runs the steps at once; the results wait for Collect.
func (e *exec) Submit(n int, scalars []uint32) error {
	for step := range n {
		row := scalars[step*e.scalars : (step+1)*e.scalars]
		for _, r := range e.runs {
			r.run(row, step)
		}
	}
	copy(e.last, scalars[(n-1)*e.scalars:])
	if e.n == backend.Depth {
		e.head, e.n = (e.head+1)%backend.Depth, e.n-1
	}
	slot := (e.head + e.n) % backend.Depth
	copy(e.rows[slot], e.ring[:n*e.p.RingWords])
	e.steps[slot] = n
	e.n++
	return nil
}

// Profile takes the time of each kernel of a step.
func (e *exec) Profile() ([]float64, error) {
	ns := make([]float64, len(e.runs))
	for i, r := range e.runs {
		start := time.Now()
		r.run(e.last, 0)
		ns[i] = float64(time.Since(start).Nanoseconds())
	}
	return ns, nil
}

func (e *exec) Collect(dst []uint32) (int, error) {
	if e.n == 0 {
		return 0, nil
	}
	n := e.steps[e.head]
	copy(dst, e.rows[e.head][:n*e.p.RingWords])
	e.head, e.n = (e.head+1)%backend.Depth, e.n-1
	return n, nil
}

// The three views of memory that kernels need. Lengths are in whole elements.

func words(b []byte) []uint32 {
	return unsafe.Slice((*uint32)(unsafe.Pointer(unsafe.SliceData(b))), len(b)/4)
}

func floats(b []byte) []float32 {
	return unsafe.Slice((*float32)(unsafe.Pointer(unsafe.SliceData(b))), len(b)/4)
}

func halves(b []byte) []uint16 {
	return unsafe.Slice((*uint16)(unsafe.Pointer(unsafe.SliceData(b))), len(b)/2)
}

// ints views floats as integers of the same bits.
func ints(f []float32) []int32 {
	return unsafe.Slice((*int32)(unsafe.Pointer(unsafe.SliceData(f))), len(f))
}
