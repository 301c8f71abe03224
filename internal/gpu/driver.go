package gpu

// A driver carries out calls that Device has already checked. There is one per
// way to reach WebGPU: wgpu-native, and navigator.gpu in a browser worker. The
// checks, the accounting and the recording of streams are in Device, so that
// both behave alike.

// handle names an object of the driver: a pointer natively, a table index in
// the browser. Zero is no object.
type handle uint64

// op is one recorded step. Its memory layout is shared with native.h, where it
// is struct wg_op, and with web/player/bridge.js; it holds no Go pointers, so that
// a stream crosses as it is.
type op struct {
	kind    uint32 // opDispatch or opCopy
	dyn     uint32 // dispatch: dynamic offset of group 1
	x, y, z uint32 // dispatch: workgroups
	_       uint32
	a, b, c handle // dispatch: pipeline, group 0, group 1; copy: source, destination
	off     [2]uint64
	n       uint64 // copy: source offset, destination offset, bytes
}

const (
	opDispatch = iota
	opCopy
)

// unit is one pipeline to make.
type unit struct {
	desc    *PipelineDesc
	source  string // WGSL with the enable directives in front
	layout  handle
	out     handle
	err     error
	message string // the compiler's own words, when err is a compile error
}

type driver interface {
	// newBuffer makes a zero-filled buffer of size bytes, a multiple of 4.
	newBuffer(label string, size uint64, u Usage) (handle, error)
	freeBuffer(handle)

	// write copies data into the buffer before any later submit runs. off and
	// len(data) are multiples of 4.
	write(b handle, off uint64, data []byte) error
	// read waits for all submitted work and copies through the staging buffer.
	read(b, staging handle, off uint64, dst []byte) error

	// layout makes a pipeline layout and the layouts of its groups; scalars is
	// NoBinding when there is no group 1.
	layout(bindings []BindingKind, scalars BindingKind) (pipeline handle, groups [2]handle, err error)
	// compile makes every unit, in parallel where it can, and calls done as each
	// is finished. Failures are left in the units.
	compile(units []*unit, done func())
	freePipeline(handle)

	bindGroup(layout handle, entries []Binding) (handle, error)
	freeBindGroup(handle)

	// submit encodes and submits the stream's steps, none if it is nil; it returns
	// a number that grows with each call. forget drops what the driver keeps of a
	// stream that changes or ends.
	submit(s *Stream) (serial uint64, err error)
	forget(s *Stream)
	// finished is the newest serial known to be complete, without waiting.
	finished() uint64
	// wait returns when serial is complete.
	wait(serial uint64) error

	// mapStart begins mapping a staging buffer; mapped says whether it is
	// readable; mapTake waits for it, copies len(dst) bytes and unmaps.
	mapStart(b handle, size uint64) error
	mapped(b handle) bool
	mapTake(b handle, dst []byte) error

	// profile runs each dispatch in a pass of its own and returns nanoseconds.
	profile(s *Stream, ns []float64) error

	lost() string // "" while the device is there
	close()
}
