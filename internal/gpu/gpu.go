// Package gpu is the thin layer between Weft and WebGPU.
//
// It is small on purpose (buffers, pipelines, bind groups, a recorded stream,
// one submit, one read) because it exists twice: natively over wgpu-native, and
// in a browser worker over navigator.gpu. Everything that WebGPU would answer
// with a validation error is checked here, in Go, before a driver sees it:
// wgpu-native ends the process on an invalid submit, and a browser swallows the
// error and computes zeros, so neither can be relied on to say what was wrong.
//
// Work is recorded once into a [Stream] and submitted many times. A submit is
// one crossing into the driver, whatever the number of dispatches, and allocates
// no Go memory. Submits, writes and copies of one device happen in the order of
// the calls. Only [Device.Read], [Ticket.Wait], [Readback.Wait] and [Device.Close]
// wait for the GPU.
package gpu

import (
	"errors"
	"fmt"
	"strings"
)

// Errors that callers test for with errors.Is. The text that wraps them says
// what to do.
var (
	// ErrNoAdapter: there is no usable GPU adapter on this machine.
	ErrNoAdapter = errors.New("no WebGPU adapter")
	// ErrNoGPU: this program was built without GPU support.
	ErrNoGPU = errors.New("built without GPU support")
	// ErrOutOfMemory: the device could not allocate a buffer.
	ErrOutOfMemory = errors.New("GPU out of memory")
	// ErrLost: the device is gone (driver reset, machine suspended); open it again.
	ErrLost = errors.New("GPU device lost")
	// ErrClosed: the device, or an object made by it, was closed before the call.
	ErrClosed = errors.New("GPU device closed")
)

// Usage says what a buffer may be used for.
type Usage uint32

// The uses of a buffer; combine with |.
const (
	MapRead Usage = 1 << iota // read-back staging; goes with CopyDst only
	CopySrc                   // source of Copy and Read
	CopyDst                   // destination of Copy and Write
	Uniform                   // var<uniform>
	Storage                   // var<storage>
)

// Info describes an adapter.
type Info struct {
	Name     string // what the driver calls the device, for example "NVIDIA H200"
	Vendor   string // vendor, as far as the driver tells
	Backend  string // "Vulkan", "Metal", "D3D12" or "WebGPU"
	Driver   string // driver name and version, as far as the driver tells
	Type     string // "discrete", "integrated", "cpu" or "unknown"
	Software bool   // runs on the CPU (lavapipe, SwiftShader, WARP)
}

func (i Info) String() string {
	s := i.Name + " (" + i.Backend + ", " + i.Type
	if i.Driver != "" {
		s += ", " + i.Driver
	}
	return s + ")"
}

// Limits are those of an open device, in bytes or counts.
type Limits struct {
	MaxBufferSize            uint64
	MaxStorageBinding        uint64
	MaxUniformBinding        uint64
	MaxStorageBuffers        int // storage buffers that one pipeline may bind
	MaxBindings              int // bindings of one bind group
	MaxWorkgroupStorage      int // bytes of var<workgroup> in one pipeline
	MaxInvocations           int // threads of one workgroup
	MaxWorkgroupSize         [3]int
	MaxWorkgroupsPerDim      int
	MinStorageAlign          int // alignment of storage offsets, dynamic ones included
	MinUniformAlign          int // alignment of uniform offsets, dynamic ones included
	SubgroupMin, SubgroupMax int // 0 where unknown
}

// Features are optional abilities; Open asks for each that the adapter has.
type Features struct {
	F16        bool // f16 in WGSL
	Subgroups  bool // subgroup operations in WGSL
	Timestamps bool // Device.Profile works
}

// PowerPreference orders the adapters of a machine with several.
type PowerPreference uint8

const (
	HighPerformance PowerPreference = iota // discrete before integrated
	LowPower                               // integrated before discrete
)

// Options choose a device. The zero value takes the fastest adapter.
type Options struct {
	Adapter    string          // case-insensitive part of the adapter's name or backend; "" takes any
	Power      PowerPreference // order of preference among several
	NoSoftware bool            // do not take an adapter that runs on the CPU
}

// Adapters lists what this machine has, best first. On a machine without any it
// returns an empty list and an error that wraps ErrNoAdapter or ErrNoGPU and
// says why.
func Adapters() ([]Info, error) {
	found, err := listAdapters(HighPerformance)
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, noAdapter()
	}
	order(found, HighPerformance)
	infos := make([]Info, len(found))
	for i := range found {
		infos[i] = found[i].Info
	}
	return infos, nil
}

// Open opens a device with all limits and the optional features its adapter
// has. The error wraps ErrNoAdapter when nothing fits, ErrNoGPU when the program
// cannot use a GPU at all; in both cases the CPU is the way to go on.
func Open(o Options) (*Device, error) {
	found, err := listAdapters(o.Power)
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, noAdapter()
	}
	order(found, o.Power)
	want := strings.ToLower(o.Adapter)
	var names []string
	for _, a := range found {
		names = append(names, a.String())
		if o.NoSoftware && a.Software {
			continue
		}
		if want != "" && !strings.Contains(strings.ToLower(a.Name+" "+a.Backend), want) {
			continue
		}
		drv, lim, feat, err := openAdapter(a.index)
		if err != nil {
			return nil, fmt.Errorf("gpu: opening %s: %w", a.Info, err)
		}
		return &Device{
			drv: drv, info: a.Info, lim: lim, feat: feat,
			live:    make(map[*Buffer]struct{}),
			pipes:   make(map[handle]struct{}),
			groups:  make(map[handle]struct{}),
			layouts: make(map[string]layout),
		}, nil
	}
	have := strings.Join(names, ", ")
	if o.NoSoftware && want == "" {
		return nil, fmt.Errorf("gpu: %w: only software adapters here (%s); install a GPU driver; using the CPU", ErrNoAdapter, have)
	}
	return nil, fmt.Errorf("gpu: %w matches %q; available: %s", ErrNoAdapter, o.Adapter, have)
}

// adapter is an entry of the driver's list.
type adapter struct {
	Info
	index int // the driver's own number
}

// order puts the preferred adapters first and keeps the driver's order among
// equals.
func order(a []adapter, p PowerPreference) {
	rank := func(i Info) int {
		switch {
		case i.Software:
			return 3
		case i.Type == "discrete":
			if p == LowPower {
				return 1
			}
			return 0
		case i.Type == "integrated":
			if p == LowPower {
				return 0
			}
			return 1
		}
		return 2
	}
	for i := 1; i < len(a); i++ { // a stable insertion sort: the list has a handful of entries
		for j := i; j > 0 && rank(a[j].Info) < rank(a[j-1].Info); j-- {
			a[j], a[j-1] = a[j-1], a[j]
		}
	}
}
