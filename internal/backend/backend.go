// Package backend defines what a device must offer to run plans.
//
// The interface is small on purpose: memory, compiling a plan, submitting
// steps, reading back. Everything clever happened before, in the plan, so
// that a new kind of device has little to implement and no decisions to take.
package backend

import (
	"github.com/weft-ml/weft/internal/plan"
)

// Buffer is a range of a device's memory.
type Buffer interface {
	Size() int // bytes
	Free()     // returns the memory; pending work on it finishes first
}

// Backend is one device.
type Backend interface {
	// Name is what users call the device, such as "cpu (avx512, 2 threads)".
	Name() string
	// MaxBuffers is how many buffers a kernel may be bound to.
	MaxBuffers() int
	// Float16 says whether kernels can write float16, which mixed precision wants.
	Float16() bool
	// Alloc returns size bytes of zeroed memory.
	Alloc(name string, size int) (Buffer, error)
	// Write copies data to a buffer, after everything submitted so far.
	Write(b Buffer, offset int, data []byte) error
	// Read waits for everything submitted so far and copies from a buffer.
	Read(b Buffer, offset int, dst []byte) error
	// Compile prepares a plan. bind supplies the buffers that the plan
	// borrows (State and Data, by buffer number); the rest it allocates.
	Compile(p *plan.Plan, bind func(buf int) Buffer) (Exec, error)
	// Memory is the number of bytes allocated and not yet freed.
	Memory() int64
	// Close frees everything. The backend must not be used afterwards.
	Close() error
}

// Rewriter is a backend that changes plans for its kind of device, such as the
// order of long sums, before they are compiled.
type Rewriter interface {
	Rewrite(p *plan.Plan)
}

// Exec is a compiled plan bound to buffers. It is not safe for concurrent use.
type Exec interface {
	// Buffer is the device buffer and byte offset of a plan buffer.
	Buffer(buf int) (Buffer, int)
	// Submit runs n steps, n at most plan.RingSlots. scalars holds the
	// per-step values, n rows of len(Graph.Scalars) words. It does not wait
	// for the steps; it waits when too many submits are under way.
	Submit(n int, scalars []uint32) error
	// Collect waits for the oldest submit that has not been collected, writes
	// its n rows of plan.RingWords words to dst, and returns n; 0 means that
	// there is none. At most Depth submits can be outstanding: the next
	// Submit drops the results of the oldest.
	Collect(dst []uint32) (n int, err error)
	// Profile runs one step with the scalars of the last submit and returns the
	// nanoseconds that each kernel took. It fails on devices that cannot tell.
	Profile() ([]float64, error)
	// MemoryBytes is the device memory that the plan occupies besides what it
	// borrows: the plan's own buffers and whatever the backend needs to run it.
	// It is all allocated by Compile and does not change afterwards.
	MemoryBytes() int
	// Kernels is the generated code of each kernel, for people to read; empty
	// where kernels are interpreted.
	Kernels() []string
	Close()
}

// Depth is how many submits may be under way before Submit waits. Running
// further ahead makes everything slower and control sluggish.
const Depth = 3
