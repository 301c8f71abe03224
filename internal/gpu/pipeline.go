package gpu

// Pipelines and bind groups. Layouts are stated, not taken from the kernel: a
// bind group then serves every pipeline with the same kinds of bindings, and
// whether a binding is writable can be checked here.

import (
	"fmt"
	"strings"
)

// BindingKind says how a pipeline uses a binding.
type BindingKind uint8

const (
	NoBinding        BindingKind = iota
	ReadStorage                  // var<storage, read>
	ReadWriteStorage             // var<storage, read_write>
	UniformBinding               // var<uniform>
)

func (k BindingKind) String() string {
	return [...]string{"none", "read", "read_write", "uniform"}[k&3]
}

// PipelineDesc describes a compute pipeline.
type PipelineDesc struct {
	Label string
	WGSL  string // without enable directives: Enable brings them
	Entry string // entry point; "" is "main"

	// Bindings of group 0, by number.
	Bindings []BindingKind
	// Scalars is the kind of the single binding of group 1, whose offset is given
	// with each dispatch: NoBinding for none, UniformBinding or ReadStorage.
	Scalars BindingKind

	Enable Features // language extensions the kernel uses

	// Trusted: every access is proven to be in bounds and every loop to end, so
	// the native driver leaves out its run-time checks. An access out of bounds is
	// then undefined behaviour. Browsers always check.
	Trusted bool
}

// Pipeline is a compiled kernel.
type Pipeline struct {
	dev      *Device
	label    string
	h        handle
	lay      layout
	bindings []BindingKind
	scalars  BindingKind
	gone     bool
}

// Label is the name the pipeline was made with.
func (p *Pipeline) Label() string { return p.label }

// Destroy frees the pipeline once submitted work that uses it is done. A kernel
// that several descriptions shared is one pipeline.
func (p *Pipeline) Destroy() {
	d := p.dev
	d.mu.Lock()
	defer d.mu.Unlock()
	if p.gone || d.closed {
		return
	}
	p.gone = true
	d.freed.Add(1)
	delete(d.pipes, p.h)
	d.drv.freePipeline(p.h)
}

// layout is shared by the pipelines with the same bindings, so that a bind group
// made for one serves the others.
type layout struct {
	pipeline handle
	groups   [2]handle
}

// CompileError is a kernel that the compiler refused.
type CompileError struct {
	Label   string
	Line    int    // from 1; 0 when unknown
	Source  string // that line of the kernel
	Message string // the compiler's words
}

func (e *CompileError) Error() string {
	if e.Line == 0 {
		return fmt.Sprintf("gpu: kernel %q: %s", e.Label, e.Message)
	}
	if strings.Contains(e.Message, e.Source) { // naga quotes the line itself
		return fmt.Sprintf("gpu: kernel %q, line %d: %s", e.Label, e.Line, e.Message)
	}
	return fmt.Sprintf("gpu: kernel %q, line %d: %s\n\t%s", e.Label, e.Line, e.Message, strings.TrimSpace(e.Source))
}

// Compile makes a pipeline of each description, in parallel, each distinct one
// once. progress, when not nil, is called from this goroutine as pipelines are
// finished. The error of a kernel that does not compile is a *CompileError.
func (d *Device) Compile(descs []PipelineDesc, progress func(done, total int)) ([]*Pipeline, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.check(); err != nil {
		return nil, err
	}
	byKey := make(map[string]int, len(descs))
	which := make([]int, len(descs))
	var units []*unit
	var pipes []*Pipeline
	for i := range descs {
		desc := &descs[i]
		if err := d.checkDesc(desc); err != nil {
			return nil, err
		}
		lay, err := d.layoutFor(desc)
		if err != nil {
			return nil, fmt.Errorf("gpu: kernel %q: %w", desc.Label, err)
		}
		key := fmt.Sprint(desc.Bindings, desc.Scalars, desc.Enable, desc.Trusted, desc.Entry, "\n", desc.WGSL)
		if k, ok := byKey[key]; ok {
			which[i] = k
			continue
		}
		byKey[key], which[i] = len(units), len(units)
		units = append(units, &unit{desc: desc, source: enables(desc.Enable) + desc.WGSL, layout: lay.pipeline})
		pipes = append(pipes, &Pipeline{dev: d, label: desc.Label, lay: lay, bindings: desc.Bindings, scalars: desc.Scalars})
	}
	finished := 0
	d.drv.compile(units, func() {
		finished++
		if progress != nil {
			progress(finished, len(units))
		}
	})
	var first error
	for i, u := range units {
		if u.out != 0 {
			pipes[i].h = u.out
			d.pipes[u.out] = struct{}{}
			continue
		}
		if first == nil {
			first = u.err
			if u.message != "" {
				first = compileError(u.desc.Label, u.desc.WGSL, u.message)
			}
		}
	}
	if first != nil {
		for _, u := range units {
			if u.out != 0 {
				delete(d.pipes, u.out)
				d.drv.freePipeline(u.out)
			}
		}
		return nil, first
	}
	out := make([]*Pipeline, len(descs))
	for i, k := range which {
		out[i] = pipes[k]
	}
	return out, nil
}

func (d *Device) checkDesc(p *PipelineDesc) error {
	storage := 0
	for i, k := range p.Bindings {
		switch k {
		case ReadStorage, ReadWriteStorage:
			storage++
		case UniformBinding:
		default:
			return fmt.Errorf("gpu: kernel %q: binding %d has no kind", p.Label, i)
		}
	}
	switch p.Scalars {
	case ReadStorage:
		storage++
	case NoBinding, UniformBinding:
	default:
		return fmt.Errorf("gpu: kernel %q: scalars must be uniform or read storage", p.Label)
	}
	if storage > d.lim.MaxStorageBuffers {
		return fmt.Errorf("gpu: kernel %q binds %d storage buffers; this device allows %d: fuse less or share an arena", p.Label, storage, d.lim.MaxStorageBuffers)
	}
	if len(p.Bindings) > d.lim.MaxBindings {
		return fmt.Errorf("gpu: kernel %q has %d bindings; this device allows %d", p.Label, len(p.Bindings), d.lim.MaxBindings)
	}
	if p.Enable.F16 && !d.feat.F16 {
		return fmt.Errorf("gpu: kernel %q uses f16, which %s does not have", p.Label, d.info.Name)
	}
	if p.Enable.Subgroups && !d.feat.Subgroups {
		return fmt.Errorf("gpu: kernel %q uses subgroups, which %s does not have", p.Label, d.info.Name)
	}
	return nil
}

func (d *Device) layoutFor(p *PipelineDesc) (layout, error) {
	key := fmt.Sprint(p.Bindings, p.Scalars)
	if lay, ok := d.layouts[key]; ok {
		return lay, nil
	}
	pipeline, groups, err := d.drv.layout(p.Bindings, p.Scalars)
	if err != nil {
		return layout{}, err
	}
	lay := layout{pipeline, groups}
	d.layouts[key] = lay
	return lay, nil
}

// errorLine finds the LINE of "wgsl:LINE:COL" (naga) or ":LINE:COL error"
// (Tint) in a message; 0 if there is none. Package regexp would be a large part
// of the browser's program.
func errorLine(message string) int {
	number := func(s string) (n, digits int) {
		for digits < len(s) && digits < 9 && s[digits] >= '0' && s[digits] <= '9' {
			n = 10*n + int(s[digits]-'0')
			digits++
		}
		return n, digits
	}
	for {
		_, rest, found := strings.Cut(message, ":")
		if !found {
			return 0
		}
		line, digits := number(rest)
		if after, ok := strings.CutPrefix(rest[digits:], ":"); ok && digits > 0 {
			if _, digits := number(after); digits > 0 {
				return line
			}
		}
		message = rest
	}
}

// compileError takes the position out of the compiler's message and adds the
// line of the source that it points at.
func compileError(label, source, message string) *CompileError {
	if i := strings.Index(message, "Shader "); i >= 0 { // after naga's preamble
		message = message[i:]
	}
	e := &CompileError{Label: label, Message: strings.TrimSpace(message)}
	lines := strings.Split(source, "\n")
	if n := errorLine(message); n >= 1 && n <= len(lines) {
		e.Line, e.Source = n, lines[n-1]
	}
	return e
}

// Binding is a range of a buffer. Size 0 means up to the buffer's end.
type Binding struct {
	Buffer *Buffer
	Offset int
	Size   int
}

// BindGroup is a set of buffers bound to a pipeline's group.
type BindGroup struct {
	dev     *Device
	h       handle
	layout  handle
	buffers []*Buffer
	writes  []span // of group 0
	reads   []span
	gone    bool

	scalars BindingKind // group 1
	room    int         // bytes of the buffer after the range bound at dynamic offset 0
}

type span struct {
	b      *Buffer
	lo, hi int
}

// NewBindGroup binds buffers to group 0 or 1 of p, in the order of its bindings.
// The group serves every pipeline with the same kinds of bindings. For group 1
// the range given is what a dispatch sees at dynamic offset 0, so its Size is
// that of one set of scalars.
func (d *Device) NewBindGroup(p *Pipeline, group int, entries []Binding) (*BindGroup, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.check(); err != nil {
		return nil, err
	}
	if p == nil || p.dev != d || p.gone {
		return nil, fmt.Errorf("gpu: bind group: the pipeline is nil, destroyed or of another device")
	}
	kinds := p.bindings
	if group == 1 && p.scalars != NoBinding {
		kinds = []BindingKind{p.scalars}
	} else if group != 0 {
		return nil, fmt.Errorf("gpu: bind group: kernel %q has no group %d", p.label, group)
	}
	if len(entries) != len(kinds) {
		return nil, fmt.Errorf("gpu: bind group of kernel %q: %d buffers for %d bindings", p.label, len(entries), len(kinds))
	}
	g := &BindGroup{dev: d, layout: p.lay.groups[group]}
	list := make([]Binding, len(entries))
	for i, e := range entries {
		if err := d.checkEntry(kinds[i], &e); err != nil {
			return nil, fmt.Errorf("gpu: bind group of kernel %q, binding %d: %w", p.label, i, err)
		}
		list[i] = e
		g.buffers = append(g.buffers, e.Buffer)
		s := span{e.Buffer, e.Offset, e.Offset + e.Size}
		if kinds[i] == ReadWriteStorage {
			g.writes = append(g.writes, s)
		} else {
			g.reads = append(g.reads, s)
		}
	}
	for i, w := range g.writes {
		// WebGPU tracks whole buffers: one that is written may not be read through
		// another kind of binding, even at another place.
		for _, r := range g.reads {
			if r.b == w.b {
				return nil, fmt.Errorf("gpu: bind group of kernel %q: buffer %q is bound both read and read_write; bind it read_write in both places", p.label, w.b.label)
			}
		}
		for _, v := range g.writes[:i] {
			if v.b == w.b && v.lo < w.hi && w.lo < v.hi {
				return nil, fmt.Errorf("gpu: bind group of kernel %q: two read_write bindings overlap in buffer %q (bytes %d to %d and %d to %d)", p.label, w.b.label, v.lo, v.hi, w.lo, w.hi)
			}
		}
	}
	if group == 1 {
		g.scalars = p.scalars
		g.room = int(list[0].Buffer.alloc) - list[0].Offset - list[0].Size
	}
	h, err := d.drv.bindGroup(g.layout, list)
	if err != nil {
		return nil, fmt.Errorf("gpu: bind group of kernel %q: %w", p.label, err)
	}
	g.h = h
	d.groups[h] = struct{}{}
	return g, nil
}

// checkEntry checks a binding and fills in its size.
func (d *Device) checkEntry(k BindingKind, e *Binding) error {
	u, name, align, limit := Storage, "Storage", d.lim.MinStorageAlign, d.lim.MaxStorageBinding
	if k == UniformBinding {
		u, name, align, limit = Uniform, "Uniform", d.lim.MinUniformAlign, d.lim.MaxUniformBinding
	}
	b := e.Buffer
	switch {
	case b == nil:
		return fmt.Errorf("nil buffer")
	case b.dev != d:
		return fmt.Errorf("buffer %q belongs to another device", b.label)
	case b.gone:
		return fmt.Errorf("buffer %q was destroyed", b.label)
	case b.usage&u == 0:
		return fmt.Errorf("buffer %q was made without %s", b.label, name)
	case e.Offset < 0 || e.Offset%align != 0:
		return fmt.Errorf("offset %d in buffer %q; it must be a multiple of %d", e.Offset, b.label, align)
	}
	if e.Size == 0 {
		e.Size = int(b.alloc) - e.Offset
	}
	e.Size = (e.Size + 3) &^ 3
	switch {
	case e.Size <= 0 || e.Offset+e.Size > int(b.alloc):
		return fmt.Errorf("bytes %d to %d of buffer %q, which has %d", e.Offset, e.Offset+e.Size, b.label, b.size)
	case uint64(e.Size) > limit:
		return fmt.Errorf("%d bytes of buffer %q; this device binds at most %d at once", e.Size, b.label, limit)
	}
	return nil
}

// Destroy frees the bind group once submitted work that uses it is done.
func (g *BindGroup) Destroy() {
	d := g.dev
	d.mu.Lock()
	defer d.mu.Unlock()
	if g.gone || d.closed {
		return
	}
	g.gone = true
	d.freed.Add(1)
	delete(d.groups, g.h)
	d.drv.freeBindGroup(g.h)
}
