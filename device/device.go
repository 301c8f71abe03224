// Package device says what there is to run on, and opens it.
//
// A device is a value that programs are compiled for; nothing else in Weft
// depends on which one it is. The CPU is always there. WebGPU needs an
// adapter, and when there is none Open says so in one line, so that callers
// can go on with the CPU.
package device

import (
	"fmt"
	"strings"
	"sync"

	"github.com/weft-ml/weft/internal/backend"
	"github.com/weft-ml/weft/internal/interp"
)

// Device is an opened device. It is safe for concurrent use by several
// programs.
type Device struct {
	be   backend.Backend
	kind string
}

var cpuDevice = sync.OnceValue(func() *Device {
	return &Device{be: newCPU(), kind: "cpu"}
})

// CPU is the processor: always there, opened once.
func CPU() *Device { return cpuDevice() }

// Reference is a slow, plain interpreter, for tests that compare with it.
func Reference() *Device { return &Device{be: interp.Device{}, kind: "reference"} }

// Open opens a device by name: "cpu", "webgpu", "webgpu:NAME" for the adapter
// whose name contains NAME, or "auto" (also "") for WebGPU on real graphics
// hardware (in a browser: on any adapter) if there is any and the CPU otherwise.
func Open(name string) (*Device, error) {
	kind, adapter, named := strings.Cut(name, ":")
	if named && (kind != "webgpu" || adapter == "") {
		// There is one CPU, and auto chooses by itself.
		return nil, fmt.Errorf("weft: no device %q: only webgpu takes a name, as in webgpu:NAME; use cpu, webgpu, webgpu:NAME or auto", name)
	}
	switch kind {
	case "cpu":
		return CPU(), nil
	case "webgpu":
		be, err := openGPU(adapter, false)
		if err != nil {
			return nil, err
		}
		return &Device{be: be, kind: "webgpu"}, nil
	case "auto", "":
		if be, err := openGPU("", true); err == nil {
			return &Device{be: be, kind: "webgpu"}, nil
		}
		return CPU(), nil
	}
	return nil, fmt.Errorf("weft: no device %q: use cpu, webgpu, webgpu:NAME or auto", name)
}

// Name describes the device for people.
func (d *Device) Name() string { return d.be.Name() }

// Arithmetic describes what decides the last bits of results: the graphics card,
// or the processor's architecture and the instructions that are used of it.
// Devices that say the same compute the same, as far as is known.
func (d *Device) Arithmetic() string {
	if a, ok := d.be.(interface{ Arithmetic() string }); ok {
		return a.Arithmetic()
	}
	return d.Name()
}

// Kind is "cpu" or "webgpu".
func (d *Device) Kind() string { return d.kind }

// Float16 reports whether programs in mixed precision run on the device: on the CPU
// they do, without being faster; a GPU needs WebGPU's feature shader-f16.
func (d *Device) Float16() bool { return d.be.Float16() }

// Memory is the number of bytes of device memory in use through this device.
func (d *Device) Memory() int64 { return d.be.Memory() }

// Backend is for Weft's own packages.
func (d *Device) Backend() backend.Backend { return d.be }

// Close frees the device's memory; the CPU cannot be closed.
func (d *Device) Close() error {
	if d.kind == "cpu" {
		return nil
	}
	return d.be.Close()
}
