// Package webgpu runs plans on a GPU through package gpu.
//
// Everything that a step needs is made when the plan is compiled: pipelines,
// buffers, bind groups, and a recorded stream for each number of steps that is
// asked for. Running steps is then one write of their scalars and one submit.
// Each step's dispatches see their own scalars through the dynamic offset of
// one uniform buffer, and leave their results in their own row of a ring that
// the same submit copies to a staging buffer.
package webgpu

import (
	"fmt"
	"math"
	"strconv"

	"github.com/weft-ml/weft/internal/backend"
	"github.com/weft-ml/weft/internal/gpu"
	"github.com/weft-ml/weft/internal/plan"
	"github.com/weft-ml/weft/internal/wgsl"
)

// Backend is an open GPU.
type Backend struct {
	// Hardware compiles kernels as for real graphics hardware on software
	// adapters too, so that tests without a GPU run what users with one run.
	Hardware bool
	// Tuning, when not nil, replaces thresholds and tiles, for tests too.
	Tuning *wgsl.Tuning
	// Progress, when not nil, is told how many of a plan's kernels are compiled
	// while Compile runs.
	Progress func(done, total int)

	dev *gpu.Device
}

// New runs plans on dev, and closes it with the backend.
func New(dev *gpu.Device) *Backend { return &Backend{dev: dev} }

// Device is the GPU that the backend runs on.
func (b *Backend) Device() *gpu.Device { return b.dev }

// Name tells the adapter and the driver.
func (b *Backend) Name() string { return "webgpu (" + b.dev.Info().String() + ")" }

// MaxBuffers is what WebGPU guarantees, whatever the adapter offers, so that
// a model is cut into the same kernels everywhere.
func (b *Backend) MaxBuffers() int { return 8 }

// Float16 reports whether the adapter has shader-f16.
func (b *Backend) Float16() bool { return b.dev.Features().F16 }

// Rewrite splits the sums of products that would leave most of a GPU idle, and
// lays temporaries out in pieces where one buffer cannot hold them all.
func (b *Backend) Rewrite(p *plan.Plan) {
	wgsl.SplitLongSums(p, b.tileLimits())
	if most := b.largest() / plan.Align * plan.Align; p.ArenaBytes > most {
		p.Chunk = most
		p.Layout()
	}
}

// largest is the size of the largest buffer that a kernel can be bound to.
func (b *Backend) largest() int {
	lim := b.dev.Limits()
	return int(min(lim.MaxBufferSize, lim.MaxStorageBinding, math.MaxInt))
}

func (b *Backend) tileLimits() wgsl.TileLimits {
	lim, info := b.dev.Limits(), b.dev.Info()
	t := wgsl.TileLimits{WorkgroupStorage: lim.MaxWorkgroupStorage, Invocations: lim.MaxInvocations,
		Software: info.Software && !b.Hardware, Tuning: b.Tuning}
	// SwiftShader, the software adapter of browsers, has the lanes of a register as
	// subgroups. Others are not measured.
	t.Quads = t.Software && info.Backend == "WebGPU" && b.dev.Features().Subgroups && lim.SubgroupMin == 4 && lim.SubgroupMax == 4
	return t
}

// Memory is the number of bytes allocated and not freed.
func (b *Backend) Memory() int64 {
	n, _ := b.dev.Memory()
	return n
}

// Close frees everything on the device and closes it.
func (b *Backend) Close() error {
	b.dev.Close()
	return nil
}

type buffer struct {
	gpu  *gpu.Buffer
	size int
}

func (u *buffer) Size() int { return u.size }
func (u *buffer) Free()     { u.gpu.Destroy() }

// rounded is a size that WebGPU accepts for any binding, vec4s included.
func rounded(n int) int { return max(16, (n+15)/16*16) }

// Alloc makes a zeroed storage buffer.
func (b *Backend) Alloc(name string, size int) (backend.Buffer, error) {
	if most := b.largest(); size > most {
		return nil, tooLarge(strconv.Quote(name), size, most)
	}
	g, err := b.dev.NewBuffer(name, rounded(size), gpu.Storage|gpu.CopySrc|gpu.CopyDst)
	if err != nil {
		return nil, err
	}
	return &buffer{g, size}, nil
}

func tooLarge(what string, size, most int) error {
	return fmt.Errorf("weft: %s needs %d bytes, more than this GPU's %d for one buffer; use a smaller batch or the CPU", what, size, most)
}

// Write queues a write; WebGPU moves whole words.
func (b *Backend) Write(u backend.Buffer, offset int, data []byte) error {
	if len(data)%4 != 0 {
		data = append(data[:len(data):len(data)], make([]byte, 4-len(data)%4)...)
	}
	return b.dev.Write(u.(*buffer).gpu, offset, data)
}

// Read waits and copies.
func (b *Backend) Read(u backend.Buffer, offset int, dst []byte) error {
	if len(dst)%4 == 0 {
		return b.dev.Read(u.(*buffer).gpu, offset, dst)
	}
	whole := make([]byte, (len(dst)+3)/4*4)
	if err := b.dev.Read(u.(*buffer).gpu, offset, whole); err != nil {
		return err
	}
	copy(dst, whole)
	return nil
}

// dispatch is one kernel ready to record.
type dispatch struct {
	pipeline *gpu.Pipeline
	buffers  *gpu.BindGroup
	scalars  bool
	groups   [3]uint32
}

type exec struct {
	b       *Backend
	p       *plan.Plan
	bufs    []*buffer
	offset  []int
	own     []*buffer
	kernels []dispatch
	source  []string

	uniform     *gpu.Buffer // RingSlots rows of scalars
	stride      int         // bytes of a row
	uniformData []byte
	group1      *gpu.BindGroup

	staging [backend.Depth]*gpu.Readback
	steps   [backend.Depth]int
	tickets [backend.Depth]gpu.Ticket // what to wait for where there are no results
	streams [backend.Depth][plan.RingSlots + 1]*gpu.Stream
	head, n int // oldest uncollected submit and their number
	bytes   []byte
	memory  int // bytes of device memory
}

// Compile generates and compiles the kernels, in parallel, and allocates what
// the plan owns.
func (b *Backend) Compile(p *plan.Plan, bind func(buf int) backend.Buffer) (ex backend.Exec, err error) {
	e := &exec{b: b, p: p, bufs: make([]*buffer, len(p.Buffers)), offset: make([]int, len(p.Buffers))}
	defer func() {
		if err != nil {
			e.Close()
		}
	}()
	var arena []*buffer
	chunk := max(p.Chunk, 1)
	if p.Chunk == 0 {
		chunk = max(p.ArenaBytes, 1)
	}
	for at := 0; at < p.ArenaBytes; at += chunk {
		u, err := e.alloc("arena", min(chunk, p.ArenaBytes-at))
		if err != nil {
			return nil, err
		}
		arena = append(arena, u)
	}
	for i, u := range p.Buffers {
		switch u.Kind {
		case plan.Temp:
			if most := e.b.largest(); u.Bytes > most {
				return nil, tooLarge("a value of the step", u.Bytes, most)
			}
			if len(arena) > 0 {
				c := min(u.Offset/chunk, len(arena)-1)
				e.bufs[i], e.offset[i] = arena[c], u.Offset-c*chunk
			}
		case plan.State, plan.Data:
			e.bufs[i] = bind(i).(*buffer)
		default:
			if e.bufs[i], err = e.alloc(u.Name, u.Bytes); err != nil {
				return nil, err
			}
		}
	}
	if err = e.compile(); err != nil {
		return nil, err
	}
	if err = e.scalars(); err != nil {
		return nil, err
	}
	for _, u := range e.own {
		e.memory += rounded(u.size)
	}
	e.memory += len(e.uniformData) + backend.Depth*len(e.bytes)
	return e, nil
}

func (e *exec) alloc(name string, size int) (*buffer, error) {
	u, err := e.b.Alloc(name, size)
	if err != nil {
		return nil, err
	}
	e.own = append(e.own, u.(*buffer))
	return u.(*buffer), nil
}

func (e *exec) compile() error {
	descs := make([]gpu.PipelineDesc, len(e.p.Kernels))
	shaders := make([]*wgsl.Shader, len(e.p.Kernels))
	for i, k := range e.p.Kernels {
		s, err := wgsl.Generate(k, wgsl.Options{
			Tile:        e.b.tileLimits(),
			ScalarWords: len(e.p.Graph.Scalars) + 1,
			Arena:       func(buf int) bool { return e.p.Buffers[k.Bufs[buf].ID].Kind == plan.Temp },
		})
		if err != nil {
			return err
		}
		shaders[i] = s
		e.source = append(e.source, s.Source)
		d := gpu.PipelineDesc{Label: k.Name, WGSL: s.Source, Trusted: true}
		d.Enable.F16, d.Enable.Subgroups = s.F16, s.Subgroups
		for _, ro := range s.ReadOnly {
			kind := gpu.ReadWriteStorage
			if ro {
				kind = gpu.ReadStorage
			}
			d.Bindings = append(d.Bindings, kind)
		}
		if s.Scalars {
			d.Scalars = gpu.UniformBinding
		}
		descs[i] = d
	}
	pipelines, err := e.b.dev.Compile(descs, e.b.Progress)
	if err != nil {
		return err
	}
	for i := range pipelines { // for Close, should what follows fail
		e.kernels = append(e.kernels, dispatch{pipeline: pipelines[i], scalars: shaders[i].Scalars})
	}
	for i, k := range e.p.Kernels {
		d := &e.kernels[i]
		entries := make([]gpu.Binding, len(k.Bufs))
		for j, u := range k.Bufs {
			entries[j] = gpu.Binding{Buffer: e.bufs[u.ID].gpu, Offset: e.offset[u.ID], Size: rounded(e.p.Buffers[u.ID].Bytes)}
		}
		if d.buffers, err = e.b.dev.NewBindGroup(d.pipeline, 0, entries); err != nil {
			return err
		}
		for j, n := range shaders[i].Groups {
			d.groups[j] = uint32(n)
		}
	}
	return nil
}

// scalars makes the uniform buffer and the ring's staging buffers.
func (e *exec) scalars() (err error) {
	lim := e.b.dev.Limits()
	row := (len(e.p.Graph.Scalars)*4 + 4 + 15) / 16 * 16
	align := max(lim.MinUniformAlign, 256)
	e.stride = (row + align - 1) / align * align
	e.uniformData = make([]byte, e.stride*plan.RingSlots)
	if e.uniform, err = e.b.dev.NewBuffer("step scalars", len(e.uniformData), gpu.Uniform|gpu.CopyDst); err != nil {
		return err
	}
	for _, k := range e.kernels {
		if k.scalars {
			if e.group1, err = e.b.dev.NewBindGroup(k.pipeline, 1, []gpu.Binding{{Buffer: e.uniform, Size: row}}); err != nil {
				return err
			}
			break
		}
	}
	if e.p.RingWords == 0 {
		return nil
	}
	e.bytes = make([]byte, e.p.RingWords*4*plan.RingSlots)
	for i := range e.staging {
		if e.staging[i], err = e.b.dev.NewReadback("results", len(e.bytes)); err != nil {
			return err
		}
	}
	return nil
}

func (e *exec) Buffer(i int) (backend.Buffer, int) { return e.bufs[i], e.offset[i] }
func (e *exec) MemoryBytes() int                   { return e.memory }
func (e *exec) Kernels() []string                  { return e.source }

// stream records n steps whose results go to staging buffer slot.
func (e *exec) stream(slot, n int) (*gpu.Stream, error) {
	if s := e.streams[slot][n]; s != nil {
		return s, nil
	}
	s := e.b.dev.NewStream()
	for step := range n {
		for _, k := range e.kernels {
			g1, dyn := e.group1, uint32(step*e.stride)
			if !k.scalars {
				g1, dyn = nil, 0
			}
			if err := s.Dispatch(k.pipeline, k.buffers, g1, dyn, k.groups[0], k.groups[1], k.groups[2]); err != nil {
				return nil, err
			}
		}
	}
	if e.p.RingWords > 0 {
		if err := s.Copy(e.bufs[e.p.RingBuf].gpu, 0, e.staging[slot].Buffer, 0, n*e.p.RingWords*4); err != nil {
			return nil, err
		}
	}
	e.streams[slot][n] = s
	return s, nil
}

func (e *exec) Submit(n int, scalars []uint32) error {
	if e.n == backend.Depth {
		if _, err := e.Collect(nil); err != nil {
			return err
		}
	}
	words := len(e.p.Graph.Scalars)
	for step := range n {
		row := e.uniformData[step*e.stride:]
		putWord(row, uint32(step))
		for i, v := range scalars[step*words : (step+1)*words] {
			putWord(row[4+4*i:], v)
		}
	}
	if err := e.b.dev.Write(e.uniform, 0, e.uniformData[:n*e.stride]); err != nil {
		return err
	}
	slot := (e.head + e.n) % backend.Depth
	s, err := e.stream(slot, n)
	if err != nil {
		return err
	}
	// Without results to read nobody waits in Collect, so that a prediction waits
	// once, for what it reads; here it is seen to that submits do not pile up.
	if t := e.tickets[slot]; e.p.RingWords == 0 && !t.Done() {
		if err := t.Wait(); err != nil {
			return err
		}
	}
	if e.tickets[slot], err = e.b.dev.Submit(s); err != nil {
		return err
	}
	if e.p.RingWords > 0 {
		if err := e.staging[slot].Start(); err != nil {
			return err
		}
	}
	e.steps[slot] = n
	e.n++
	return nil
}

func putWord(b []byte, v uint32) {
	b[0], b[1], b[2], b[3] = byte(v), byte(v>>8), byte(v>>16), byte(v>>24)
}

func (e *exec) Collect(dst []uint32) (int, error) {
	if e.n == 0 {
		return 0, nil
	}
	slot := e.head
	n := e.steps[slot]
	e.head, e.n = (e.head+1)%backend.Depth, e.n-1
	if e.p.RingWords == 0 {
		return n, nil
	}
	b := e.bytes[:n*e.p.RingWords*4]
	if err := e.staging[slot].Wait(b); err != nil {
		return 0, err
	}
	for i := range min(len(dst), len(b)/4) {
		dst[i] = uint32(b[4*i]) | uint32(b[4*i+1])<<8 | uint32(b[4*i+2])<<16 | uint32(b[4*i+3])<<24
	}
	return n, nil
}

// Profile times each kernel of one step in nanoseconds, on devices that can.
func (e *exec) Profile() ([]float64, error) {
	s, err := e.stream(0, 1)
	if err != nil {
		return nil, err
	}
	times, err := e.b.dev.Profile(s)
	if err != nil {
		return nil, err
	}
	ns := make([]float64, len(e.kernels))
	for i := range ns {
		ns[i] = math.Max(0, float64(times[i].Nanoseconds()))
	}
	return ns, nil
}

func (e *exec) Close() {
	for _, slot := range e.streams {
		for _, s := range slot {
			if s != nil {
				s.Reset()
			}
		}
	}
	for _, k := range e.kernels {
		if k.buffers != nil {
			k.buffers.Destroy()
		}
		k.pipeline.Destroy()
	}
	if e.group1 != nil {
		e.group1.Destroy()
	}
	if e.uniform != nil {
		e.uniform.Destroy()
	}
	for _, r := range e.staging {
		if r != nil {
			r.Buffer.Destroy()
		}
	}
	for _, u := range e.own {
		u.Free()
	}
	e.own, e.kernels = nil, nil
}
