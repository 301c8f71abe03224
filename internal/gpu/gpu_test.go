package gpu

import (
	"encoding/binary"
	"errors"
	"math"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
)

// open opens any adapter, a software one too. Only a machine without any skips,
// and not even that where a GPU is required.
func open(t testing.TB) *Device {
	t.Helper()
	d, err := Open(Options{})
	if errors.Is(err, ErrNoAdapter) || errors.Is(err, ErrNoGPU) {
		if os.Getenv("CI") == "true" || os.Getenv("WEFT_REQUIRE_GPU") == "1" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Close)
	return d
}

func must[T any](t testing.TB) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func floats(v ...float32) []byte {
	b := make([]byte, 0, 4*len(v))
	for _, x := range v {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(x))
	}
	return b
}

func readFloats(t testing.TB, d *Device, b *Buffer, n int) []float32 {
	t.Helper()
	raw := make([]byte, 4*n)
	if err := d.Read(b, 0, raw); err != nil {
		t.Fatal(err)
	}
	return decode(raw)
}

func decode(raw []byte) []float32 {
	out := make([]float32, len(raw)/4)
	for i := range out {
		out[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
	}
	return out
}

const axpy = `
struct S { a: f32, n: u32 }
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@group(1) @binding(0) var<uniform> s: S;
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
	if (id.x < s.n) { y[id.x] = y[id.x] + s.a * x[id.x]; }
}`

var axpyDesc = PipelineDesc{Label: "axpy", WGSL: axpy, Bindings: []BindingKind{ReadStorage, ReadWriteStorage}, Scalars: UniformBinding}

type rig struct {
	d             *Device
	x, y, scalars *Buffer
	p             *Pipeline
	g0, g1        *BindGroup
	stride        int
}

const (
	rigN     = 1000
	rigSlots = 8
)

// newRig makes axpy with eight sets of scalars: a = 1, 2, 3 ...
func newRig(t testing.TB, d *Device, trusted bool) *rig {
	r := &rig{d: d, stride: max(d.Limits().MinUniformAlign, 8)}
	r.x = must[*Buffer](t)(d.NewBuffer("x", 4*rigN, Storage|CopyDst))
	r.y = must[*Buffer](t)(d.NewBuffer("y", 4*rigN, Storage|CopySrc|CopyDst))
	r.scalars = must[*Buffer](t)(d.NewBuffer("scalars", r.stride*rigSlots, Uniform|CopyDst))
	ones := make([]float32, rigN)
	for i := range ones {
		ones[i] = 1
	}
	if err := d.Write(r.x, 0, floats(ones...)); err != nil {
		t.Fatal(err)
	}
	sc := make([]byte, r.stride*rigSlots)
	for i := range rigSlots {
		copy(sc[i*r.stride:], floats(float32(i+1)))
		binary.LittleEndian.PutUint32(sc[i*r.stride+4:], rigN)
	}
	if err := d.Write(r.scalars, 0, sc); err != nil {
		t.Fatal(err)
	}
	desc := axpyDesc
	desc.Trusted = trusted
	r.p = must[[]*Pipeline](t)(d.Compile([]PipelineDesc{desc}, nil))[0]
	r.g0 = must[*BindGroup](t)(d.NewBindGroup(r.p, 0, []Binding{{Buffer: r.x}, {Buffer: r.y}}))
	r.g1 = must[*BindGroup](t)(d.NewBindGroup(r.p, 1, []Binding{{Buffer: r.scalars, Size: 8}}))
	return r
}

func (r *rig) stream(t testing.TB, dispatches int) *Stream {
	s := r.d.NewStream()
	for i := range dispatches {
		if err := s.Dispatch(r.p, r.g0, r.g1, uint32(i%rigSlots*r.stride), (rigN+63)/64, 1, 1); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func expectAll(t testing.TB, got []float32, want float32) {
	t.Helper()
	for i, v := range got {
		if v != want {
			t.Fatalf("element %d is %v, want %v", i, v, want)
		}
	}
}

func TestAdapters(t *testing.T) {
	d := open(t)
	list, err := Adapters()
	if err != nil || len(list) == 0 || list[0].Name == "" || list[0].Backend == "" {
		t.Fatalf("Adapters: %v, %v", list, err)
	}
	if d.Info() != list[0] {
		t.Errorf("Open took %v, the best is %v", d.Info(), list[0])
	}
	l := d.Limits()
	if l.MaxBufferSize < 1<<27 || l.MaxInvocations < 128 || l.MinStorageAlign == 0 || l.MaxWorkgroupsPerDim < 65535 {
		t.Errorf("limits %+v", l)
	}
	t.Logf("%v %+v %+v", d.Info(), l, d.Features())
	if _, err := Open(Options{Adapter: "no such adapter"}); !errors.Is(err, ErrNoAdapter) {
		t.Errorf("unknown adapter: %v", err)
	}
	if d.Info().Software {
		if _, err := Open(Options{NoSoftware: true}); !errors.Is(err, ErrNoAdapter) {
			t.Errorf("NoSoftware: %v", err)
		}
	}
}

func TestOrder(t *testing.T) {
	list := []adapter{{Info: Info{Name: "sw", Software: true, Type: "cpu"}}, {Info: Info{Name: "i", Type: "integrated"}}, {Info: Info{Name: "d", Type: "discrete"}}}
	order(list, HighPerformance)
	if list[0].Name != "d" || list[2].Name != "sw" {
		t.Errorf("high performance: %v", list)
	}
	order(list, LowPower)
	if list[0].Name != "i" || list[2].Name != "sw" {
		t.Errorf("low power: %v", list)
	}
}

func TestBuffers(t *testing.T) {
	d := open(t)
	b := must[*Buffer](t)(d.NewBuffer("b", 4099, Storage|CopySrc|CopyDst))
	got := make([]byte, 4099)
	for i := range got {
		got[i] = 7
	}
	if err := d.Read(b, 0, got); err != nil {
		t.Fatal(err)
	}
	for i, v := range got {
		if v != 0 {
			t.Fatalf("byte %d of a new buffer is %d", i, v)
		}
	}
	for i := range got {
		got[i] = byte(i * 7)
	}
	if err := d.Write(b, 0, got); err != nil {
		t.Fatal(err)
	}
	part := make([]byte, 1001)
	if err := d.Read(b, 1033, part); err != nil {
		t.Fatal(err)
	}
	for i, v := range part {
		if v != byte((i+1033)*7) {
			t.Fatalf("byte %d: %d", i+1033, v)
		}
	}
	last := make([]byte, 3)
	if err := d.Read(b, 4096, last); err != nil || last[2] != byte(4098*7%256) {
		t.Fatalf("the tail: %v %v", last, err)
	}
	if n, k := d.Memory(); n != 4100 || k != 1 {
		t.Errorf("Memory: %d bytes in %d buffers", n, k)
	}
	b.Destroy()
	b.Destroy()
	if n, k := d.Memory(); n != 0 || k != 0 {
		t.Errorf("Memory after Destroy: %d bytes in %d buffers", n, k)
	}
}

func TestLargeTransfer(t *testing.T) {
	d := open(t)
	const n = 70 << 20 // several pieces in both directions
	b := must[*Buffer](t)(d.NewBuffer("large", n, Storage|CopySrc|CopyDst))
	src, dst := make([]byte, n), make([]byte, n)
	for i := 0; i < n; i += 997 {
		src[i] = byte(i / 997)
	}
	if err := d.Write(b, 0, src); err != nil {
		t.Fatal(err)
	}
	if err := d.Read(b, 0, dst); err != nil {
		t.Fatal(err)
	}
	if string(src) != string(dst) {
		t.Error("large transfer differs")
	}
}

func TestDispatchScalars(t *testing.T) {
	for _, trusted := range []bool{false, true} {
		d := open(t)
		r := newRig(t, d, trusted)
		if _, err := d.Submit(r.stream(t, rigSlots)); err != nil {
			t.Fatal(err)
		}
		expectAll(t, readFloats(t, d, r.y, rigN), 1+2+3+4+5+6+7+8)
	}
}

func TestManyDispatches(t *testing.T) {
	d := open(t)
	r := newRig(t, d, true)
	s := r.stream(t, 2000)
	for range 3 {
		if _, err := d.Submit(s); err != nil {
			t.Fatal(err)
		}
	}
	expectAll(t, readFloats(t, d, r.y, rigN), 3*2000/8*36)
}

func TestTickets(t *testing.T) {
	d := open(t)
	r := newRig(t, d, true)
	s := r.stream(t, 8)
	var tickets []Ticket
	for range 20 {
		tk, err := d.Submit(s)
		if err != nil {
			t.Fatal(err)
		}
		tickets = append(tickets, tk)
	}
	if err := tickets[19].Wait(); err != nil {
		t.Fatal(err)
	}
	for i, tk := range tickets {
		if !tk.Done() {
			t.Errorf("submit %d is not done after the last one", i)
		}
		if err := tk.Wait(); err != nil {
			t.Error(err)
		}
	}
	if !(Ticket{}).Done() {
		t.Error("the zero Ticket is not done")
	}
}

// Three read-backs in turn, two submits ahead of the reader: each must bring the
// values of its own submit.
func TestReadbackPipeline(t *testing.T) {
	d := open(t)
	r := newRig(t, d, true)
	var ring [3]*Readback
	var streams [3]*Stream
	for i := range ring {
		ring[i] = must[*Readback](t)(d.NewReadback("ring", 4*rigN))
		streams[i] = r.stream(t, 1)
		if err := streams[i].Copy(r.y, 0, ring[i].Buffer, 0, 4*rigN); err != nil {
			t.Fatal(err)
		}
	}
	send := func(k int) {
		if _, err := d.Submit(streams[k%3]); err != nil {
			t.Fatal(err)
		}
		if err := ring[k%3].Start(); err != nil {
			t.Fatal(err)
		}
	}
	send(0)
	send(1)
	raw := make([]byte, 4*rigN)
	for k := range 30 {
		send(k + 2)
		if err := ring[k%3].Wait(raw); err != nil {
			t.Fatal(err)
		}
		expectAll(t, decode(raw), float32(k+1))
	}
	if _, err := d.Submit(streams[1]); err == nil || !strings.Contains(err.Error(), "Wait first") {
		t.Errorf("submit into a buffer that is being read: %v", err)
	}
	for !ring[1].Ready() {
		time.Sleep(time.Millisecond)
	}
}

func TestCompileErrors(t *testing.T) {
	d := open(t)
	bad := axpyDesc
	bad.Label = "bad"
	bad.WGSL = strings.Replace(axpy, "s.a * x[id.x]", "s.missing * x[id.x]", 1)
	good := axpyDesc
	var list []PipelineDesc
	for i := range 16 { // errors must stay with their own kernel
		if i%2 == 0 {
			list = append(list, good)
		} else {
			list = append(list, bad)
		}
	}
	_, err := d.Compile(list, nil)
	var ce *CompileError
	if !errors.As(err, &ce) {
		t.Fatalf("error is %v", err)
	}
	if ce.Label != "bad" || ce.Line != 8 || !strings.Contains(ce.Source, "s.missing") || !strings.Contains(ce.Error(), "missing") {
		t.Errorf("error %+v", ce)
	}
	t.Log(err)

	types := axpyDesc
	types.Label = "types"
	types.WGSL = strings.Replace(axpy, "s.a * x[id.x]", "s.n * x[id.x]", 1)
	if _, err := d.Compile([]PipelineDesc{types}, nil); !errors.As(err, &ce) || ce.Line != 8 {
		t.Errorf("type error: %v", err)
	} else {
		t.Log(err)
	}
	entry := axpyDesc
	entry.Entry = "nowhere"
	if _, err := d.Compile([]PipelineDesc{entry}, nil); err == nil || !strings.Contains(err.Error(), "axpy") {
		t.Errorf("missing entry point: %v", err)
	}
	layout := axpyDesc
	layout.Bindings = []BindingKind{ReadStorage, ReadStorage}
	if _, err := d.Compile([]PipelineDesc{layout}, nil); err == nil {
		t.Error("a read_write variable with a read binding compiled")
	} else {
		t.Log(err)
	}
	// The device is still good.
	if _, err := d.Compile([]PipelineDesc{good}, nil); err != nil {
		t.Error(err)
	}
}

func TestCompileOnce(t *testing.T) {
	d := open(t)
	other := axpyDesc
	other.WGSL = strings.Replace(axpy, "+ s.a", "- s.a", 1)
	var calls, total int
	p := must[[]*Pipeline](t)(d.Compile([]PipelineDesc{axpyDesc, other, axpyDesc, axpyDesc}, func(done, n int) {
		calls++
		if done != calls {
			t.Errorf("progress %d at call %d", done, calls)
		}
		total = n
	}))
	if calls != 2 || total != 2 {
		t.Errorf("%d calls of progress, total %d; want 2", calls, total)
	}
	if p[0] != p[2] || p[0] != p[3] || p[0] == p[1] {
		t.Error("equal kernels were not compiled once")
	}
}

func TestProfile(t *testing.T) {
	d := open(t)
	r := newRig(t, d, true)
	s := r.stream(t, 10)
	ns, err := d.Profile(s)
	if !d.Features().Timestamps {
		if err == nil {
			t.Error("Profile without timestamps gave no error")
		}
		return
	}
	if err != nil || len(ns) != 10 {
		t.Fatalf("%v %v", ns, err)
	}
	var sum int64
	for _, n := range ns {
		if n < 0 {
			t.Errorf("negative time %v", n)
		}
		sum += int64(n)
	}
	if sum == 0 {
		t.Error("all times are zero")
	}
	expectAll(t, readFloats(t, d, r.y, rigN), 36+1+2)
}

func TestResubmitAllocatesNothing(t *testing.T) {
	d := open(t)
	r := newRig(t, d, true)
	s := r.stream(t, 12)
	n := testing.AllocsPerRun(50, func() {
		tk, err := d.Submit(s)
		if err != nil {
			t.Fatal(err)
		}
		if runtime.GOOS == "js" {
			return // JavaScript's call that ends a wait allocates, the submit does not
		}
		if err := tk.Wait(); err != nil {
			t.Fatal(err)
		}
	})
	if n != 0 {
		t.Errorf("%v allocations a submit", n)
	}
}

func TestClose(t *testing.T) {
	d := open(t)
	r := newRig(t, d, true)
	s := r.stream(t, 100)
	tk := must[Ticket](t)(d.Submit(s))
	d.Close()
	d.Close()
	if n, k := d.Memory(); n != 0 || k != 0 {
		t.Errorf("Memory after Close: %d bytes in %d buffers", n, k)
	}
	if !tk.Done() || tk.Wait() != nil {
		t.Error("a ticket outlives Close")
	}
	if _, err := d.Submit(s); !errors.Is(err, ErrClosed) {
		t.Errorf("Submit after Close: %v", err)
	}
	if _, err := d.NewBuffer("late", 4, Storage); !errors.Is(err, ErrClosed) {
		t.Errorf("NewBuffer after Close: %v", err)
	}
	if err := d.Read(r.y, 0, make([]byte, 4)); !errors.Is(err, ErrClosed) {
		t.Errorf("Read after Close: %v", err)
	}
	r.y.Destroy()
	r.g0.Destroy()
	r.p.Destroy()
	if d.Lost() != nil {
		t.Error("a closed device is not a lost one")
	}
}

// A goroutine that waits while others submit, and while the device is closed.
func TestWaitConcurrently(t *testing.T) {
	d := open(t)
	r := newRig(t, d, true)
	s := r.stream(t, 200)
	done := make(chan error)
	for range 4 {
		tk := must[Ticket](t)(d.Submit(s))
		go func() { done <- tk.Wait() }()
	}
	for range 3 {
		must[Ticket](t)(d.Submit(s))
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	d.Close()
	for range 3 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

func BenchmarkSubmit10(b *testing.B) {
	d := open(b)
	r := newRig(b, d, true)
	s := r.stream(b, 10)
	b.ReportAllocs()
	var last Ticket
	for b.Loop() {
		last = must[Ticket](b)(d.Submit(s))
	}
	last.Wait()
}
