package gpu

// Recording. A stream is a slice of plain numbers that the driver walks at each
// submit: re-encoding costs 0.14 us a dispatch, and nothing of a submitted command
// buffer needs to be kept. All checks are made while recording, but for what can
// change later (something destroyed, a read-back still mapped), which a submit
// checks without walking the steps.

import (
	"fmt"
	"time"
)

// Stream is a recorded sequence of dispatches and copies. It is recorded once
// and submitted as often as wanted; recording and submitting the same stream
// from two goroutines at once is not allowed.
type Stream struct {
	dev     *Device
	ops     []op
	err     error // the first mistake while recording; Submit returns it
	buffers []*Buffer
	groups  []*BindGroup
	pipes   []*Pipeline
	known   map[any]struct{} // what is in the three lists
	staging []*Buffer        // destinations that are read back
	checked uint64           // dev.freed+1 when the lists were last found alive

	kept // what the driver holds of the stream, if it does
}

// NewStream makes an empty stream.
func (d *Device) NewStream() *Stream {
	return &Stream{dev: d, known: make(map[any]struct{}), kept: kept{}}
}

// Reset empties the stream, and frees what the driver keeps of it. A stream that
// is no longer needed should be reset.
func (s *Stream) Reset() {
	s.dev.mu.Lock()
	if !s.dev.closed {
		s.dev.drv.forget(s)
	}
	s.dev.mu.Unlock()
	clear(s.known)
	*s = Stream{dev: s.dev, ops: s.ops[:0], buffers: s.buffers[:0], groups: s.groups[:0], pipes: s.pipes[:0], staging: s.staging[:0], known: s.known}
}

// Len is the number of recorded steps.
func (s *Stream) Len() int { return len(s.ops) }

// Dispatch records a run of p over x*y*z workgroups. g0 is its group 0 (nil when
// p has no bindings); g1 its scalars, read at byte dyn past the range they were
// bound with (nil and 0 when p has none). Each dispatch sees what the ones before
// it wrote. A mistake is reported by this call and again by Submit, so the
// result may be ignored while recording.
func (s *Stream) Dispatch(p *Pipeline, g0, g1 *BindGroup, dyn uint32, x, y, z uint32) error {
	if err := s.checkDispatch(p, g0, g1, dyn, x, y, z); err != nil {
		return s.fail(err)
	}
	o := op{kind: opDispatch, dyn: dyn, x: x, y: y, z: z, a: p.h}
	if _, ok := s.known[p]; !ok {
		s.known[p] = struct{}{}
		s.pipes = append(s.pipes, p)
		s.checked = 0
	}
	if g0 != nil {
		o.b = g0.h
		s.useGroup(g0)
	}
	if g1 != nil {
		o.c = g1.h
		s.useGroup(g1)
	}
	s.ops = append(s.ops, o)
	return nil
}

func (s *Stream) checkDispatch(p *Pipeline, g0, g1 *BindGroup, dyn, x, y, z uint32) error {
	if p == nil || p.dev != s.dev {
		return fmt.Errorf("gpu: Dispatch: nil pipeline or one of another device")
	}
	limit := uint32(s.dev.lim.MaxWorkgroupsPerDim)
	if x == 0 || y == 0 || z == 0 || x > limit || y > limit || z > limit {
		return fmt.Errorf("gpu: Dispatch of %q: %d x %d x %d workgroups; each must be 1 to %d", p.label, x, y, z, limit)
	}
	if g0 == nil && len(p.bindings) > 0 || g0 != nil && g0.layout != p.lay.groups[0] {
		return fmt.Errorf("gpu: Dispatch of %q: group 0 was made for other bindings than %v", p.label, p.bindings)
	}
	if p.scalars == NoBinding {
		if g1 != nil || dyn != 0 {
			return fmt.Errorf("gpu: Dispatch of %q: it has no scalars", p.label)
		}
		return nil
	}
	if g1 == nil || g1.layout != p.lay.groups[1] {
		return fmt.Errorf("gpu: Dispatch of %q: group 1 must hold its scalars (%v)", p.label, p.scalars)
	}
	align := s.dev.lim.MinUniformAlign
	if p.scalars != UniformBinding {
		align = s.dev.lim.MinStorageAlign
	}
	if int(dyn)%align != 0 || int(dyn) > g1.room {
		return fmt.Errorf("gpu: Dispatch of %q: scalars at offset %d; it must be a multiple of %d and at most %d in buffer %q", p.label, dyn, align, g1.room, g1.buffers[0].label)
	}
	if g0 != nil {
		for _, w := range g0.writes {
			if w.b == g1.buffers[0] {
				return fmt.Errorf("gpu: Dispatch of %q: buffer %q holds its scalars and is written by it", p.label, w.b.label)
			}
		}
	}
	return nil
}

// Copy records a copy of n bytes between two buffers. Offsets and n are
// multiples of 4.
func (s *Stream) Copy(src *Buffer, srcOff int, dst *Buffer, dstOff, n int) error {
	if err := s.checkCopy(src, srcOff, dst, dstOff, n); err != nil {
		return s.fail(err)
	}
	s.useBuffer(src)
	s.useBuffer(dst)
	if dst.usage&MapRead != 0 {
		s.staging = append(s.staging, dst)
	}
	s.ops = append(s.ops, op{kind: opCopy, a: src.h, b: dst.h, off: [2]uint64{uint64(srcOff), uint64(dstOff)}, n: uint64(n)})
	return nil
}

func (s *Stream) checkCopy(src *Buffer, srcOff int, dst *Buffer, dstOff, n int) error {
	switch {
	case src == nil || dst == nil || src.dev != s.dev || dst.dev != s.dev:
		return fmt.Errorf("gpu: Copy: nil buffer or one of another device")
	case src == dst:
		return fmt.Errorf("gpu: Copy: buffer %q onto itself; WebGPU has no such copy", src.label)
	case src.usage&CopySrc == 0:
		return fmt.Errorf("gpu: Copy: buffer %q was made without CopySrc", src.label)
	case dst.usage&CopyDst == 0:
		return fmt.Errorf("gpu: Copy: buffer %q was made without CopyDst", dst.label)
	case n <= 0 || (srcOff|dstOff|n)%4 != 0:
		return fmt.Errorf("gpu: Copy from %q to %q: offsets %d and %d, %d bytes; all must be multiples of 4 and the length positive", src.label, dst.label, srcOff, dstOff, n)
	case srcOff < 0 || srcOff+n > int(src.alloc) || dstOff < 0 || dstOff+n > int(dst.alloc):
		return fmt.Errorf("gpu: Copy of %d bytes from %q at %d (of %d) to %q at %d (of %d)", n, src.label, srcOff, src.size, dst.label, dstOff, dst.size)
	}
	return nil
}

func (s *Stream) fail(err error) error {
	if s.err == nil {
		s.err = err
	}
	return err
}

func (s *Stream) useBuffer(b *Buffer) {
	if _, ok := s.known[b]; !ok {
		s.known[b] = struct{}{}
		s.buffers = append(s.buffers, b)
		s.checked = 0
	}
}

func (s *Stream) useGroup(g *BindGroup) {
	if _, ok := s.known[g]; ok {
		return
	}
	s.known[g] = struct{}{}
	s.groups = append(s.groups, g)
	s.checked = 0
	for _, b := range g.buffers {
		s.useBuffer(b)
	}
}

// alive reports the first thing that the stream uses and that was destroyed. It
// looks only when something was destroyed since the last time. dev.mu is held.
func (s *Stream) alive() error {
	now := s.dev.freed.Load() + 1
	if s.checked == now {
		return nil
	}
	for _, b := range s.buffers {
		if b.gone {
			return fmt.Errorf("gpu: Submit: the stream uses buffer %q, which was destroyed", b.label)
		}
	}
	for _, g := range s.groups {
		if g.gone {
			return fmt.Errorf("gpu: Submit: the stream uses a bind group that was destroyed")
		}
	}
	for _, p := range s.pipes {
		if p.gone {
			return fmt.Errorf("gpu: Submit: the stream uses kernel %q, which was destroyed", p.label)
		}
	}
	s.checked = now
	return nil
}

// Ticket stands for a submit.
type Ticket struct {
	dev    *Device
	serial uint64
}

// Submit sends the recorded steps to the device and returns without waiting. It
// allocates no Go memory.
func (d *Device) Submit(s *Stream) (Ticket, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := s.ready(d); err != nil {
		return Ticket{}, err
	}
	serial, err := d.drv.submit(s)
	if err != nil {
		return Ticket{}, fmt.Errorf("gpu: Submit: %w", err)
	}
	return Ticket{d, serial}, nil
}

func (s *Stream) ready(d *Device) error {
	if err := d.check(); err != nil {
		return err
	}
	if s == nil || s.dev != d {
		return fmt.Errorf("gpu: Submit: nil stream or one of another device")
	}
	if s.err != nil {
		return s.err
	}
	if err := s.alive(); err != nil {
		return err
	}
	for _, b := range s.staging {
		if b.busy {
			return fmt.Errorf("gpu: Submit: read-back buffer %q is being read; call its Wait first", b.label)
		}
	}
	return nil
}

// Done says without waiting whether the submit is complete. A loop that asks must
// sleep in between: in a browser nothing gets done otherwise.
func (t Ticket) Done() bool {
	if t.dev == nil {
		return true
	}
	t.dev.mu.Lock()
	defer t.dev.mu.Unlock()
	return t.dev.closed || t.dev.drv.finished() >= t.serial
}

// Wait returns when the submit, and everything before it, is complete.
func (t Ticket) Wait() error {
	d := t.dev
	if d == nil {
		return nil
	}
	d.mu.Lock()
	if d.closed { // Close has waited
		d.mu.Unlock()
		return nil
	}
	err := d.check()
	if err == nil {
		d.waiting.Add(1)
		defer d.waiting.Done()
	}
	d.mu.Unlock()
	if err != nil {
		return err
	}
	// Not under the lock: others may submit meanwhile.
	if err := d.drv.wait(t.serial); err != nil {
		return fmt.Errorf("gpu: Wait: %w", err)
	}
	return nil
}

// Profile runs the stream once, each dispatch timed by the GPU, and returns the
// time of each step (zero for copies). It waits, and is much slower than Submit:
// it serves benchmarks, inspection and autotuning. It needs Features.Timestamps.
func (d *Device) Profile(s *Stream) ([]time.Duration, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.feat.Timestamps {
		return nil, fmt.Errorf("gpu: Profile: %s has no timestamp queries", d.info.Name)
	}
	if err := s.ready(d); err != nil {
		return nil, err
	}
	ns := make([]float64, len(s.ops))
	if len(ns) > 0 {
		if err := d.drv.profile(s, ns); err != nil {
			return nil, fmt.Errorf("gpu: Profile: %w", err)
		}
	}
	out := make([]time.Duration, len(ns))
	for i, t := range ns {
		out[i] = time.Duration(t)
	}
	return out, nil
}

// Readback is a staging buffer for results that come back while the device goes
// on computing: record a Copy into Buffer at the end of a stream, Submit, Start,
// submit more, and Wait when the numbers are wanted. One that is started must be
// waited for before a stream that copies into it is submitted again: take two or
// three in turn.
type Readback struct {
	Buffer *Buffer
}

// NewReadback makes a staging buffer of size bytes.
func (d *Device) NewReadback(label string, size int) (*Readback, error) {
	b, err := d.NewBuffer(label, size, MapRead|CopyDst)
	if err != nil {
		return nil, err
	}
	return &Readback{b}, nil
}

// Start begins to fetch what the submits so far leave in Buffer.
func (r *Readback) Start() error {
	b, d := r.Buffer, r.Buffer.dev
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.usable(b, MapRead, "Readback", "MapRead"); err != nil {
		return err
	}
	if b.busy {
		return fmt.Errorf("gpu: Readback %q: started twice; call Wait first", b.label)
	}
	if err := d.drv.mapStart(b.h, b.alloc); err != nil {
		return fmt.Errorf("gpu: Readback %q: %w", b.label, err)
	}
	b.busy = true
	return nil
}

// Ready says whether Wait would return at once. A loop that asks must sleep in
// between: in a browser nothing gets done otherwise.
func (r *Readback) Ready() bool {
	d := r.Buffer.dev
	d.mu.Lock()
	defer d.mu.Unlock()
	return r.Buffer.gone || d.closed || r.Buffer.busy && d.drv.mapped(r.Buffer.h)
}

// Wait waits for what Start began and copies the first len(dst) bytes.
func (r *Readback) Wait(dst []byte) error {
	b, d := r.Buffer, r.Buffer.dev
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.usable(b, MapRead, "Readback", "MapRead"); err != nil {
		return err
	}
	if !b.busy {
		return fmt.Errorf("gpu: Readback %q: not started", b.label)
	}
	if len(dst) > b.size {
		return fmt.Errorf("gpu: Readback %q: %d bytes asked of %d", b.label, len(dst), b.size)
	}
	err := d.drv.mapTake(b.h, dst)
	b.busy = false
	if err != nil {
		return fmt.Errorf("gpu: Readback %q: %w", b.label, err)
	}
	return nil
}
