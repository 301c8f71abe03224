//go:build js && wasm

package gpu

// The browser driver: Go's side of web/player/bridge.js, over navigator.gpu in a
// worker or in Node.
//
// There is one thread, and JavaScript's promises are settled only while Go
// sleeps. So nothing here waits in any other way than by parking its goroutine,
// and none of this package may be called from inside a js.Func: start a
// goroutine there.
//
// A call into JavaScript costs as much as a dispatch. Writes and frees are
// therefore queued, as commands in Go's memory, and carried out by the call that
// submits; the read-back of a stream's results is begun by the same call. The
// memory that JavaScript reads and writes is on Go's heap, which does not move,
// unlike its stacks: it is reached from the driver or passed through the driver
// interface, and both keep it off the stack.

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall/js"
	"unsafe"
)

// Numbers that bridge.js knows too.
const (
	cmdWrite = iota + 1
	cmdSubmit
	cmdMap
	cmdFree
	cmdWords = 6

	mapReady = 1
)

// header is where the two sides meet.
type header struct {
	commands uint32 // address
	words    uint32
	finished uint32 // newest serial known to be complete
	failed   uint32 // there is an error to take
	lost     uint32
}

const (
	smallWrite = 16 << 10 // up to here a write is copied and queued
	roomBytes  = 64 << 10 // of queued writes
	largeBytes = 16 << 20 // from here a buffer is waited for, to see whether it fits
)

type browser struct {
	link js.Value
	wake js.Func
	*header
	cmds   []uint32
	room   []byte // what queued small writes write
	serial uint32

	mu       sync.Mutex // of cond only: never held across a call
	cond     *sync.Cond // JavaScript has written to our memory
	maps     map[handle]*mapping
	probing  bool
	flushing js.Value // the bound function flush
}

// mapping is the read-back of one staging buffer. It is never shared between
// two, because JavaScript may write to it until the buffer is freed.
type mapping struct {
	state   uint32
	fetched bool // begun since the last mapTake
	data    []byte
}

func (b *browser) ask(method string, args ...any) (js.Value, error) {
	if err := b.flush(); err != nil {
		return js.Undefined(), err
	}
	p, err := call(b.link, method, args...)
	if err == nil {
		p, err = await(p)
	}
	return p, err
}

// queue adds a command; flush carries all of them out.
func (b *browser) queue(cmd ...uint32) {
	b.cmds = append(b.cmds, cmd...)
	for len(b.cmds)%cmdWords != 0 {
		b.cmds = append(b.cmds, 0)
	}
}

// drain is the one call of a submit. It allocates nothing. flush also says what
// went wrong until now.
func (b *browser) drain() {
	if len(b.cmds) > 0 {
		b.commands, b.words = address(unsafe.Pointer(&b.cmds[0])), uint32(len(b.cmds))
		b.flushing.Invoke()
		b.cmds, b.room = b.cmds[:0], b.room[:0]
	}
}

func (b *browser) flush() error {
	b.drain()
	return b.failure()
}

// failure is the first error that WebGPU has reported since the last call.
func (b *browser) failure() error {
	if atomic.LoadUint32(&b.failed) == 0 {
		return nil
	}
	m := b.link.Call("take").String()
	if m == "" {
		return nil
	}
	if strings.Contains(strings.ToLower(m), "out of memory") {
		return fmt.Errorf("%w: %s", ErrOutOfMemory, m)
	}
	return errors.New(m)
}

func (b *browser) lost() string {
	if atomic.LoadUint32(&b.header.lost) == 0 {
		return ""
	}
	return b.link.Call("lost").String()
}

func (b *browser) gone() error {
	if why := b.lost(); why != "" {
		return fmt.Errorf("%w: %s", ErrLost, why)
	}
	return nil
}

func (b *browser) newBuffer(label string, size uint64, u Usage) (handle, error) {
	use := 0
	for _, f := range []struct {
		u    Usage
		bits int
	}{{MapRead, 0x1}, {CopySrc, 0x4}, {CopyDst, 0x8}, {Uniform, 0x40}, {Storage, 0x80}} {
		if u&f.u != 0 {
			use |= f.bits
		}
	}
	if size >= largeBytes {
		v, err := b.ask("largeBuffer", label, size, use)
		if err != nil {
			return 0, err
		}
		if v.Int() == 0 {
			return 0, ErrOutOfMemory
		}
		return handle(v.Int()), nil
	}
	v, err := call(b.link, "buffer", label, size, use)
	if err != nil {
		return 0, err
	}
	return handle(v.Int()), nil
}

// freeBuffer does not wait for the next submit, which may be long in coming.
func (b *browser) freeBuffer(h handle) {
	b.queue(cmdFree, uint32(h))
	b.drain()
	delete(b.maps, h)
}

func (b *browser) write(h handle, off uint64, data []byte) error {
	small := len(data) <= smallWrite
	if small {
		if len(b.room)+len(data) > roomBytes {
			if err := b.flush(); err != nil {
				return err
			}
		}
		at := len(b.room)
		b.room = append(b.room, data...)
		data = b.room[at:]
	}
	b.queue(cmdWrite, uint32(h), uint32(off), uint32(off>>32), address(unsafe.Pointer(&data[0])), uint32(len(data)))
	if small {
		return nil
	}
	err := b.flush()
	runtime.KeepAlive(data)
	return err
}

func (b *browser) read(h, staging handle, off uint64, dst []byte) error {
	v, err := b.ask("read", uint32(h), uint32(staging), off, len(dst))
	if err != nil {
		return errors.Join(b.gone(), err)
	}
	js.CopyBytesToGo(dst, v)
	b.link.Call("readDone", uint32(staging))
	return b.failure()
}

func (b *browser) layout(bindings []BindingKind, scalars BindingKind) (handle, [2]handle, error) {
	names := make([]string, len(bindings))
	for i, k := range bindings {
		names[i] = k.String()
	}
	group1 := ""
	if scalars != NoBinding {
		group1 = scalars.String()
	}
	v, err := call(b.link, "layout", strings.Join(names, ","), group1)
	if err != nil {
		return 0, [2]handle{}, err
	}
	groups := [2]handle{handle(v.Index(1).Int())}
	if group1 != "" {
		groups[1] = handle(v.Index(2).Int())
	}
	return handle(v.Index(0).Int()), groups, nil
}

func (b *browser) compile(units []*unit, done func()) {
	finished := make(chan struct{}, len(units))
	for _, u := range units {
		p, err := call(b.link, "compile", u.desc.Label, u.source, u.desc.Entry, uint32(u.layout))
		if err != nil {
			u.err = err
			finished <- struct{}{}
			continue
		}
		go func() {
			v, err := await(p)
			if err != nil {
				u.err, u.message = err, err.Error()
			} else {
				u.out = handle(v.Int())
			}
			finished <- struct{}{}
		}()
	}
	for range units {
		<-finished
		done()
	}
	if err := b.gone(); err != nil {
		for _, u := range units {
			if u.out == 0 {
				u.err, u.message = err, ""
			}
		}
	}
}

func (b *browser) freePipeline(h handle) { b.queue(cmdFree, uint32(h)) }

func (b *browser) bindGroup(layout handle, entries []Binding) (handle, error) {
	flat := make([]any, 0, 3*len(entries))
	for _, e := range entries {
		flat = append(flat, uint32(e.Buffer.h), e.Offset, e.Size)
	}
	v, err := call(b.link, "group", uint32(layout), flat)
	if err != nil {
		return 0, err
	}
	return handle(v.Int()), nil
}

func (b *browser) freeBindGroup(h handle) { b.queue(cmdFree, uint32(h)) }

// kept is a stream on JavaScript's side: its handle and how many steps of it
// have been handed over.
type kept struct {
	recorded    handle
	recordedLen int
}

// recorded hands a stream over on its first use.
func (b *browser) recorded(s *Stream) (handle, error) {
	if s == nil || len(s.ops) == 0 {
		return 0, nil
	}
	if s.recorded != 0 && s.recordedLen == len(s.ops) {
		return s.recorded, nil
	}
	b.forget(s)
	v, err := call(b.link, "record", address(unsafe.Pointer(&s.ops[0])), len(s.ops))
	if err != nil {
		return 0, err
	}
	s.recorded, s.recordedLen = handle(v.Int()), len(s.ops)
	return s.recorded, nil
}

func (b *browser) forget(s *Stream) {
	if s.recorded != 0 {
		b.queue(cmdFree, uint32(s.recorded))
		s.recorded = 0
	}
}

func (b *browser) submit(s *Stream) (uint64, error) {
	h, err := b.recorded(s)
	if err != nil {
		return 0, err
	}
	b.serial++
	b.queue(cmdSubmit, uint32(h), b.serial)
	if s != nil {
		for _, u := range s.staging {
			b.fetch(u.h, u.alloc)
		}
	}
	return uint64(b.serial), b.flush()
}

// fetch queues the mapping of a staging buffer.
func (b *browser) fetch(h handle, size uint64) {
	m := b.maps[h]
	if m == nil {
		m = &mapping{data: make([]byte, size)}
		b.maps[h] = m
	}
	m.fetched = true
	atomic.StoreUint32(&m.state, 0)
	b.queue(cmdMap, uint32(h), address(unsafe.Pointer(&m.data[0])), uint32(size), address(unsafe.Pointer(&m.state)))
}

// mapStart finds the mapping begun by the submit, nearly always.
func (b *browser) mapStart(h handle, size uint64) error {
	if m := b.maps[h]; m != nil && m.fetched {
		return nil
	}
	b.fetch(h, size)
	return b.flush()
}

func (b *browser) mapped(h handle) bool {
	return atomic.LoadUint32(&b.maps[h].state) != 0 || b.header.lost != 0
}

func (b *browser) mapTake(h handle, dst []byte) error {
	m := b.maps[h]
	b.until(func() bool { return atomic.LoadUint32(&m.state) != 0 })
	m.fetched = false
	if err := b.gone(); err != nil {
		return err
	}
	if err := b.failure(); err != nil {
		return err
	}
	if m.state != mapReady {
		return errors.New("the browser could not map the buffer")
	}
	copy(dst, m.data)
	return nil
}

// until parks the goroutine until JavaScript has made f true or lost the device.
func (b *browser) until(f func() bool) {
	b.mu.Lock()
	for !f() && atomic.LoadUint32(&b.header.lost) == 0 {
		b.cond.Wait()
	}
	b.mu.Unlock()
}

func (b *browser) finished() uint64 {
	done := atomic.LoadUint32(&b.header.finished)
	if done < b.serial {
		b.probe()
	}
	return uint64(done)
}

// probe asks to be told when what was submitted is complete.
func (b *browser) probe() {
	if b.probing {
		return
	}
	b.probing = true
	go func() {
		if p, err := call(b.link, "probe"); err == nil {
			_, _ = await(p) // it never rejects
		}
		b.probing = false
		b.mu.Lock()
		b.cond.Broadcast()
		b.mu.Unlock()
	}()
}

func (b *browser) wait(serial uint64) error {
	if err := b.flush(); err != nil {
		return err
	}
	for {
		done := func() bool { return uint64(atomic.LoadUint32(&b.header.finished)) >= serial }
		if done() {
			return b.failure()
		}
		if err := b.gone(); err != nil {
			return err
		}
		b.probe()
		b.until(func() bool { return done() || !b.probing })
	}
}

func (b *browser) profile(s *Stream, ns []float64) error {
	h, err := b.recorded(s)
	if err != nil {
		return err
	}
	v, err := b.ask("profile", uint32(h))
	if err != nil {
		return err
	}
	for i := range ns {
		ns[i] = v.Index(i).Float()
	}
	return b.failure()
}

func (b *browser) close() {
	b.drain()
	if p, err := call(b.link, "close"); err == nil {
		_, _ = await(p)
	}
	b.wake.Release()
	b.link, b.flushing, b.maps = js.Undefined(), js.Undefined(), nil
}
