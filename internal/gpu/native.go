//go:build cgo && ((linux && !android && (amd64 || arm64)) || (darwin && !ios && (amd64 || arm64)) || (windows && amd64))

package gpu

// The native driver: Go's side of native.c. Handles are C pointers kept as
// integers, so that streams hold no pointers and cross as they are.

/*
#cgo CFLAGS: -std=gnu11 -O2 -Wall
#cgo noescape wg_submit
#cgo nocallback wg_submit
#cgo noescape wg_read
#cgo nocallback wg_read
#cgo noescape wg_write
#cgo nocallback wg_write
#cgo noescape wg_map_take
#cgo nocallback wg_map_take
#include <stdlib.h>
#include "native.h"
*/
import "C"

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"
	"unsafe"
)

// start runs once: the instance and its adapters live as long as the program.
var start = sync.OnceValue(func() error {
	level := map[string]C.int{"": 0, "error": 1, "warn": 2, "info": 3, "debug": 4, "trace": 5}
	n, ok := level[strings.ToLower(os.Getenv("WEFT_GPU_LOG"))]
	if !ok {
		n = 2
	}
	return toError(C.wg_start(n))
})

func toError(c *C.char) error {
	if c == nil {
		return nil
	}
	defer C.free(unsafe.Pointer(c))
	return errors.New(C.GoString(c))
}

func noAdapter() error {
	switch runtime.GOOS {
	case "linux":
		return fmt.Errorf("gpu: %w: no Vulkan loader or no driver for it; install a GPU driver and libvulkan1, or mesa-vulkan-drivers for software rendering; using the CPU", ErrNoAdapter)
	case "windows":
		return fmt.Errorf("gpu: %w: no Direct3D 12 or Vulkan driver; using the CPU", ErrNoAdapter)
	}
	return fmt.Errorf("gpu: %w; using the CPU", ErrNoAdapter)
}

func listAdapters(PowerPreference) ([]adapter, error) {
	if err := start(); err != nil {
		return nil, fmt.Errorf("gpu: %w", err)
	}
	var infos [32]C.wg_info
	n := int(C.wg_adapters(&infos[0], C.int(len(infos))))
	out := make([]adapter, n)
	for i := range out {
		c := &infos[i]
		a := &out[i]
		a.index = i
		a.Name = C.GoString(&c.name[0])
		a.Vendor = C.GoString(&c.vendor[0])
		a.Driver = C.GoString(&c.driver[0])
		a.Backend = map[C.uint32_t]string{4: "D3D12", 5: "Metal", 6: "Vulkan"}[c.backend]
		a.Type = "unknown"
		switch c._type {
		case 1:
			a.Type = "discrete"
		case 2:
			a.Type = "integrated"
		case 3:
			a.Type, a.Software = "cpu", true
		}
	}
	return out, nil
}

func openAdapter(index int) (driver, Limits, Features, error) {
	var d *C.wg_device
	var l C.wg_limits
	if err := toError(C.wg_open(C.int(index), &d, &l)); err != nil {
		return nil, Limits{}, Features{}, err
	}
	lim := Limits{
		MaxBufferSize:       uint64(l.buffer),
		MaxStorageBinding:   uint64(l.storage),
		MaxUniformBinding:   uint64(l.uniform),
		MaxStorageBuffers:   int(l.storageBuffers),
		MaxBindings:         int(l.bindings),
		MaxWorkgroupStorage: int(l.workgroupStorage),
		MaxInvocations:      int(l.invocations),
		MaxWorkgroupSize:    [3]int{int(l.sizeX), int(l.sizeY), int(l.sizeZ)},
		MaxWorkgroupsPerDim: int(l.workgroups),
		MinStorageAlign:     int(l.storageAlign),
		MinUniformAlign:     int(l.uniformAlign),
		SubgroupMin:         int(l.subgroupMin),
		SubgroupMax:         int(l.subgroupMax),
	}
	feat := Features{F16: l.f16 != 0, Subgroups: l.subgroups != 0, Timestamps: l.timestamps != 0}
	return &native{d: d, maps: make(map[handle]*C.wg_mapping), groupLayouts: make(map[string]handle)}, lim, feat, nil
}

// enables is what stands before a kernel's source: naga wants f16 named, and
// refuses the directive for subgroups that browsers demand.
func enables(f Features) string {
	if f.F16 {
		return "enable f16; "
	}
	return ""
}

// The stream's steps cross as they are.
var _ = [C.sizeof_wg_op]struct{}([unsafe.Sizeof(op{})]struct{}{})

type native struct {
	d       *C.wg_device
	layouts []handle // group layouts, then freed on close

	groupLayouts map[string]handle // by group number and kinds
	pipes        []handle          // pipeline layouts
	maps         map[handle]*C.wg_mapping
}

func (n *native) made(m C.wg_made) (handle, error) {
	if m.err == nil {
		return handle(m.handle), nil
	}
	err := toError(m.err)
	if m.oom != 0 {
		err = fmt.Errorf("%w: %v", ErrOutOfMemory, err)
	}
	return 0, err
}

func (n *native) newBuffer(label string, size uint64, u Usage) (handle, error) {
	var use C.uint32_t
	for _, f := range []struct {
		u Usage
		c C.uint32_t
	}{{MapRead, 0x1}, {CopySrc, 0x4}, {CopyDst, 0x8}, {Uniform, 0x40}, {Storage, 0x80}} {
		if u&f.u != 0 {
			use |= f.c
		}
	}
	c := C.CString(label)
	defer C.free(unsafe.Pointer(c))
	return n.made(C.wg_buffer(n.d, c, C.uint64_t(size), use))
}

func (n *native) freeBuffer(h handle) {
	C.wg_free_buffer(C.uint64_t(h))
	if m := n.maps[h]; m != nil {
		delete(n.maps, h)
		C.wg_map_drop(m)
	}
}

func (n *native) write(b handle, off uint64, data []byte) error {
	return toError(C.wg_write(n.d, C.uint64_t(b), C.uint64_t(off), unsafe.Pointer(&data[0]), C.size_t(len(data))))
}

func (n *native) read(b, staging handle, off uint64, dst []byte) error {
	return toError(C.wg_read(n.d, C.uint64_t(b), C.uint64_t(staging), C.uint64_t(off), unsafe.Pointer(&dst[0]), C.size_t(len(dst))))
}

func (n *native) layout(bindings []BindingKind, scalars BindingKind) (handle, [2]handle, error) {
	var groups [2]handle
	count := 1
	kinds := [][]BindingKind{bindings, nil}
	if scalars != NoBinding {
		kinds[1], count = []BindingKind{scalars}, 2
	}
	for i := range count {
		// One layout for equal kinds: a bind group fits every pipeline that was
		// made with the same layout object.
		key := fmt.Sprint(i, kinds[i])
		if h, ok := n.groupLayouts[key]; ok {
			groups[i] = h
			continue
		}
		var first *C.uint8_t
		if len(kinds[i]) > 0 {
			first = (*C.uint8_t)(unsafe.Pointer(&kinds[i][0]))
		}
		h, err := n.made(C.wg_group_layout(n.d, first, C.int(len(kinds[i])), C.int(i)))
		if err != nil {
			return 0, groups, err
		}
		n.layouts = append(n.layouts, h)
		n.groupLayouts[key] = h
		groups[i] = h
	}
	h, err := n.made(C.wg_pipeline_layout(n.d, (*C.uint64_t)(unsafe.Pointer(&groups[0])), C.int(count)))
	if err == nil {
		n.pipes = append(n.pipes, h)
	}
	return h, groups, err
}

func (n *native) compile(units []*unit, done func()) {
	finished := make(chan struct{}, len(units))
	slots := make(chan struct{}, runtime.GOMAXPROCS(0))
	for _, u := range units {
		go func() {
			slots <- struct{}{}
			n.compileOne(u)
			<-slots
			finished <- struct{}{}
		}()
	}
	for range units {
		<-finished
		done()
	}
}

func (n *native) compileOne(u *unit) {
	entry := u.desc.Entry
	if entry == "" {
		entry = "main"
	}
	label, source, main := C.CString(u.desc.Label), C.CString(u.source), C.CString(entry)
	defer C.free(unsafe.Pointer(label))
	defer C.free(unsafe.Pointer(source))
	defer C.free(unsafe.Pointer(main))
	var trusted C.int
	if u.desc.Trusted {
		trusted = 1
	}
	u.out, u.err = n.made(C.wg_pipeline(n.d, label, source, main, C.uint64_t(u.layout), trusted))
	if u.err != nil {
		u.message = u.err.Error()
	}
}

func (n *native) freePipeline(h handle) { C.wg_free_pipeline(C.uint64_t(h)) }

func (n *native) bindGroup(layout handle, entries []Binding) (handle, error) {
	buffers := make([]C.uint64_t, len(entries)+1)
	offsets := make([]C.uint64_t, len(entries)+1)
	sizes := make([]C.uint64_t, len(entries)+1)
	for i, e := range entries {
		buffers[i], offsets[i], sizes[i] = C.uint64_t(e.Buffer.h), C.uint64_t(e.Offset), C.uint64_t(e.Size)
	}
	return n.made(C.wg_bind_group(n.d, C.uint64_t(layout), &buffers[0], &offsets[0], &sizes[0], C.int(len(entries))))
}

func (n *native) freeBindGroup(h handle) { C.wg_free_bind_group(C.uint64_t(h)) }

func (n *native) submit(s *Stream) (uint64, error) {
	var first *C.wg_op
	var count int
	if s != nil && len(s.ops) > 0 {
		first, count = (*C.wg_op)(unsafe.Pointer(&s.ops[0])), len(s.ops)
	}
	r := C.wg_submit(n.d, first, C.size_t(count))
	return uint64(r.serial), toError(r.err)
}

func (n *native) forget(*Stream) {}

func (n *native) finished() uint64 { return uint64(C.wg_finished(n.d)) }

func (n *native) wait(serial uint64) error { return toError(C.wg_wait(n.d, C.uint64_t(serial))) }

func (n *native) mapStart(b handle, size uint64) error {
	n.maps[b] = C.wg_map_start(n.d, C.uint64_t(b), C.size_t(size))
	return nil
}

func (n *native) mapped(b handle) bool { return C.wg_map_ready(n.d, n.maps[b]) != 0 }

func (n *native) mapTake(b handle, dst []byte) error {
	m := n.maps[b]
	delete(n.maps, b)
	var first unsafe.Pointer
	if len(dst) > 0 {
		first = unsafe.Pointer(&dst[0])
	}
	return toError(C.wg_map_take(n.d, m, first, C.size_t(len(dst))))
}

func (n *native) profile(s *Stream, ns []float64) error {
	return toError(C.wg_profile(n.d, (*C.wg_op)(unsafe.Pointer(&s.ops[0])), C.size_t(len(s.ops)), (*C.double)(unsafe.Pointer(&ns[0]))))
}

func (n *native) lost() string {
	if c := C.wg_lost(n.d); c != nil {
		return C.GoString(c)
	}
	return ""
}

func (n *native) close() {
	for _, h := range n.pipes {
		C.wg_free_pipeline_layout(C.uint64_t(h))
	}
	for _, h := range n.layouts {
		C.wg_free_group_layout(C.uint64_t(h))
	}
	C.wg_close(n.d)
}
