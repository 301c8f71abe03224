//go:build js && wasm

package gpu

// Finding and opening an adapter through bridge.js, and the ways of calling
// JavaScript that turn what is thrown or rejected into errors. Adapters describe
// themselves vaguely on purpose, so a software one is told by its name.

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"syscall/js"
	"unsafe"
)

func host() (js.Value, error) {
	h := js.Global().Get("weftGPU")
	if !h.Truthy() {
		return h, fmt.Errorf("gpu: %w: the page did not call install of web/player/bridge.js before it started this program; using the CPU", ErrNoGPU)
	}
	return h, nil
}

func noAdapter() error {
	if g := js.Global().Get("isSecureContext"); g.Type() == js.TypeBoolean && !g.Bool() {
		return fmt.Errorf("gpu: %w: browsers offer WebGPU to https and localhost pages only; using the CPU", ErrNoAdapter)
	}
	return fmt.Errorf("gpu: %w: this browser offers no WebGPU here; using the CPU", ErrNoAdapter)
}

var powers = [...]string{HighPerformance: "high-performance", LowPower: "low-power"}

func listAdapters(p PowerPreference) ([]adapter, error) {
	h, err := host()
	if err != nil {
		return nil, err
	}
	v, err := call(h, "adapter", powers[p])
	if err == nil {
		v, err = await(v)
	}
	if err != nil {
		return nil, fmt.Errorf("gpu: %w", err)
	}
	if !v.Truthy() {
		return nil, nil
	}
	text := func(name string) string {
		if s := v.Get(name); s.Type() == js.TypeString {
			return s.String()
		}
		return ""
	}
	a := adapter{index: int(p)}
	a.Vendor, a.Backend, a.Type = text("vendor"), "WebGPU", "unknown"
	// Browsers leave out what would identify a visitor, or give a number.
	names := []string{text("device"), text("description"), strings.TrimSpace(a.Vendor + " " + text("architecture")), "GPU"}
	if strings.HasPrefix(names[0], "0x") {
		names[0] = ""
	}
	for _, name := range names {
		if a.Name == "" {
			a.Name = name
		}
	}
	if a.Driver = text("description"); a.Driver == a.Name {
		a.Driver = ""
	}
	all := strings.ToLower(a.Name + " " + a.Driver + " " + text("architecture"))
	for _, s := range []string{"swiftshader", "llvmpipe", "lavapipe", "software", "basic render", "warp"} {
		a.Software = a.Software || strings.Contains(all, s)
	}
	if a.Software = a.Software || v.Get("fallback").Bool(); a.Software {
		a.Type = "cpu"
	}
	return []adapter{a}, nil
}

func openAdapter(index int) (driver, Limits, Features, error) {
	h, err := host()
	if err != nil {
		return nil, Limits{}, Features{}, err
	}
	b := &browser{header: new(header), maps: make(map[handle]*mapping), room: make([]byte, 0, roomBytes)}
	b.cond = sync.NewCond(&b.mu)
	b.wake = js.FuncOf(func(js.Value, []js.Value) any {
		b.mu.Lock()
		b.cond.Broadcast()
		b.mu.Unlock()
		return nil
	})
	if b.link, err = call(h, "open", powers[index], address(unsafe.Pointer(b.header)), b.wake); err == nil {
		b.link, err = await(b.link)
	}
	if err != nil {
		b.wake.Release()
		return nil, Limits{}, Features{}, err
	}
	b.flushing = b.link.Get("flush").Call("bind", b.link)
	dev := b.link.Get("device")
	l, has := dev.Get("limits"), dev.Get("features")
	n := func(name string) int { return l.Get(name).Int() }
	lim := Limits{
		MaxBufferSize:       uint64(l.Get("maxBufferSize").Float()),
		MaxStorageBinding:   uint64(l.Get("maxStorageBufferBindingSize").Float()),
		MaxUniformBinding:   uint64(l.Get("maxUniformBufferBindingSize").Float()),
		MaxStorageBuffers:   n("maxStorageBuffersPerShaderStage"),
		MaxBindings:         n("maxBindingsPerBindGroup"),
		MaxWorkgroupStorage: n("maxComputeWorkgroupStorageSize"),
		MaxInvocations:      n("maxComputeInvocationsPerWorkgroup"),
		MaxWorkgroupSize:    [3]int{n("maxComputeWorkgroupSizeX"), n("maxComputeWorkgroupSizeY"), n("maxComputeWorkgroupSizeZ")},
		MaxWorkgroupsPerDim: n("maxComputeWorkgroupsPerDimension"),
		MinStorageAlign:     n("minStorageBufferOffsetAlignment"),
		MinUniformAlign:     n("minUniformBufferOffsetAlignment"),
		SubgroupMin:         b.link.Get("subgroups").Index(0).Int(),
		SubgroupMax:         b.link.Get("subgroups").Index(1).Int(),
	}
	feature := func(name string) bool { return has.Call("has", name).Bool() }
	return b, lim, Features{F16: feature("shader-f16"), Subgroups: feature("subgroups"), Timestamps: feature("timestamp-query")}, nil
}

// enables is what stands before a kernel's source: Tint wants both named.
func enables(f Features) string {
	s := ""
	if f.F16 {
		s += "enable f16; "
	}
	if f.Subgroups {
		s += "enable subgroups; "
	}
	return s
}

func address(p unsafe.Pointer) uint32 { return uint32(uintptr(p)) }

// call calls a method and turns what it throws into an error.
func call(v js.Value, method string, args ...any) (out js.Value, err error) {
	defer func() {
		if r := recover(); r != nil {
			e, ok := r.(js.Error)
			if !ok {
				panic(r)
			}
			err = thrown(e.Value)
		}
	}()
	return v.Call(method, args...), nil
}

func thrown(v js.Value) error {
	if v.Type() == js.TypeObject {
		v = v.Get("message")
	}
	if v.Type() == js.TypeString {
		return errors.New(v.String())
	}
	return errors.New("unknown JavaScript error")
}

// await parks the goroutine until a promise is settled.
func await(promise js.Value) (v js.Value, err error) {
	done := make(chan struct{})
	yes := js.FuncOf(func(_ js.Value, args []js.Value) any {
		v = args[0]
		close(done)
		return nil
	})
	defer yes.Release()
	no := js.FuncOf(func(_ js.Value, args []js.Value) any {
		err = thrown(args[0])
		close(done)
		return nil
	})
	defer no.Release()
	promise.Call("then", yes, no)
	<-done
	return v, err
}
