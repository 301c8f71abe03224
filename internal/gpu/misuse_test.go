package gpu

import (
	"strings"
	"testing"
)

// Every one of these would end the process, or give zeros in a browser, if it
// reached the driver.
func TestMisuse(t *testing.T) {
	d, other := open(t), open(t)
	r := newRig(t, d, true)
	foreign := must[*Buffer](t)(other.NewBuffer("foreign", 4*rigN, Storage|CopySrc|CopyDst))
	plain := must[*Buffer](t)(d.NewBuffer("plain", 4096, Storage))
	arena := must[*Buffer](t)(d.NewBuffer("arena", 4096, Storage|CopySrc|CopyDst))
	gone := must[*Buffer](t)(d.NewBuffer("gone", 4096, Storage|CopySrc|CopyDst))
	gone.Destroy()
	align := d.Limits().MinStorageAlign
	buffer := func(size int, u Usage) error { _, err := d.NewBuffer("b", size, u); return err }
	group := func(g int, e ...Binding) error { _, err := d.NewBindGroup(r.p, g, e); return err }
	compile := func(p PipelineDesc) error { _, err := d.Compile([]PipelineDesc{p}, nil); return err }
	dispatch := func(g0, g1 *BindGroup, dyn, x, y, z uint32) error {
		s := d.NewStream()
		err := s.Dispatch(r.p, g0, g1, dyn, x, y, z)
		if _, again := d.Submit(s); again != err {
			t.Errorf("Submit returned %v after %v", again, err)
		}
		return err
	}
	cp := func(src *Buffer, so int, dst *Buffer, do, n int) error {
		return d.NewStream().Copy(src, so, dst, do, n)
	}
	gx := Binding{Buffer: r.x}
	gy := Binding{Buffer: r.y}
	many := make([]BindingKind, d.Limits().MaxStorageBuffers+1)
	for i := range many {
		many[i] = ReadStorage
	}
	for _, c := range []struct {
		err  error
		want string
	}{
		{buffer(0, Storage), "positive"},
		{buffer(-4, Storage), "positive"},
		{buffer(int(d.Limits().MaxBufferSize)+4, Storage), "at most"},
		{buffer(4, 0), "usage"},
		{buffer(4, MapRead|Storage), "MapRead"},
		{d.Write(nil, 0, nil), "nil buffer"},
		{d.Write(plain, 0, make([]byte, 4)), "CopyDst"},
		{d.Write(foreign, 0, make([]byte, 4)), "another device"},
		{d.Write(gone, 0, make([]byte, 4)), "destroyed"},
		{d.Write(arena, 2, make([]byte, 4)), "multiple of 4"},
		{d.Write(arena, 0, make([]byte, 3)), "multiple of 4"},
		{d.Write(arena, 4096, make([]byte, 4)), "inside"},
		{d.Write(arena, -4, make([]byte, 4)), "inside"},
		{d.Read(plain, 0, make([]byte, 4)), "CopySrc"},
		{d.Read(arena, 4093, make([]byte, 4)), "of 4096"},
		{d.Read(gone, 0, make([]byte, 4)), "destroyed"},
		{group(0, gx), "1 buffers for 2 bindings"},
		{group(2, gx), "no group 2"},
		{group(0, gx, Binding{}), "nil buffer"},
		{group(0, Binding{Buffer: foreign}, gy), "another device"},
		{group(0, Binding{Buffer: gone}, gy), "destroyed"},
		{group(0, Binding{Buffer: r.scalars}, gy), "without Storage"},
		{group(1, gx), "without Uniform"},
		{group(0, Binding{Buffer: arena, Offset: align / 2}, gy), "multiple of"},
		{group(0, Binding{Buffer: arena, Offset: 4096}, gy), "of buffer"},
		{group(0, Binding{Buffer: arena, Size: 8192}, gy), "of buffer"},
		{group(0, Binding{Buffer: arena, Size: align}, Binding{Buffer: arena, Offset: align}), "both read and read_write"},
		{compile(PipelineDesc{Label: "many", WGSL: "", Bindings: many}), "storage buffers"},
		{compile(PipelineDesc{Label: "none", WGSL: "", Bindings: []BindingKind{NoBinding}}), "no kind"},
		{compile(PipelineDesc{Label: "rw", WGSL: "", Scalars: ReadWriteStorage}), "scalars"},
		{dispatch(r.g0, r.g1, 0, 0, 1, 1), "workgroups"},
		{dispatch(r.g0, r.g1, 0, 1, uint32(d.Limits().MaxWorkgroupsPerDim)+1, 1), "workgroups"},
		{dispatch(nil, r.g1, 0, 1, 1, 1), "group 0"},
		{dispatch(r.g1, r.g1, 0, 1, 1, 1), "group 0"},
		{dispatch(r.g0, nil, 0, 1, 1, 1), "group 1"},
		{dispatch(r.g0, r.g0, 0, 1, 1, 1), "group 1"},
		{dispatch(r.g0, r.g1, 4, 1, 1, 1), "multiple of"},
		{dispatch(r.g0, r.g1, uint32(rigSlots*r.stride), 1, 1, 1), "at most"},
		{cp(arena, 0, arena, 2048, 4), "onto itself"},
		{cp(plain, 0, arena, 0, 4), "CopySrc"},
		{cp(arena, 0, plain, 0, 4), "CopyDst"},
		{cp(arena, 2, r.y, 0, 4), "multiples of 4"},
		{cp(arena, 0, r.y, 0, 0), "positive"},
		{cp(arena, 4096, r.y, 0, 4), "Copy of"},
		{cp(arena, 0, foreign, 0, 4), "another device"},
	} {
		if c.err == nil || !strings.Contains(c.err.Error(), c.want) {
			t.Errorf("got error %v, want one with %q", c.err, c.want)
		}
	}
	if _, err := d.Submit(other.NewStream()); err == nil {
		t.Error("a stream of another device was submitted")
	}
	if err := d.Write(arena, 8, nil); err != nil {
		t.Errorf("writing nothing: %v", err)
	}
	// After all that the device still computes.
	if _, err := d.Submit(r.stream(t, rigSlots)); err != nil {
		t.Fatal(err)
	}
	expectAll(t, readFloats(t, d, r.y, rigN), 36)
}

func TestDestroyed(t *testing.T) {
	for _, what := range []string{"buffer", "group", "pipeline"} {
		d := open(t)
		r := newRig(t, d, true)
		s := r.stream(t, 50)
		if _, err := d.Submit(s); err != nil {
			t.Fatal(err)
		}
		switch what { // while the work is still pending
		case "buffer":
			r.x.Destroy()
		case "group":
			r.g0.Destroy()
		case "pipeline":
			r.p.Destroy()
		}
		if _, err := d.Submit(s); err == nil || !strings.Contains(err.Error(), "destroyed") {
			t.Errorf("%s: Submit after Destroy: %v", what, err)
		}
		expectAll(t, readFloats(t, d, r.y, rigN), 6*36+1+2)
		s.Reset()
		if _, err := d.Submit(s); err != nil {
			t.Errorf("%s: Submit of an empty stream: %v", what, err)
		}
	}
}

// A binding smaller than the kernel's struct is found when the pass is finished:
// the error must come back, in a browser from the next call that waits, and the
// process live on.
func TestDriverErrorAtFinish(t *testing.T) {
	d := open(t)
	desc := PipelineDesc{
		Label: "wide", Bindings: []BindingKind{ReadWriteStorage},
		WGSL: `struct W { v: array<f32, 64> }
@group(0) @binding(0) var<storage, read_write> w: W;
@compute @workgroup_size(1) fn main() { w.v[63] = 1.0; }`,
	}
	p := must[[]*Pipeline](t)(d.Compile([]PipelineDesc{desc}, nil))[0]
	small := must[*Buffer](t)(d.NewBuffer("small", 16, Storage|CopySrc))
	g := must[*BindGroup](t)(d.NewBindGroup(p, 0, []Binding{{Buffer: small}}))
	s := d.NewStream()
	if err := s.Dispatch(p, g, nil, 0, 1, 1, 1); err != nil {
		t.Fatal(err)
	}
	tk, err := d.Submit(s)
	if err == nil {
		err = tk.Wait()
	}
	if err == nil {
		t.Error("a binding too small for the kernel was submitted")
	} else {
		t.Log(err)
	}
	r := newRig(t, d, true)
	if _, err := d.Submit(r.stream(t, 1)); err != nil {
		t.Fatal(err)
	}
	expectAll(t, readFloats(t, d, r.y, rigN), 1)
}

// A stream that was found in order is looked at again when a kernel comes in.
func TestStreamTakesDestroyedKernel(t *testing.T) {
	d := open(t)
	r := newRig(t, d, true)
	other := must[[]*Pipeline](t)(d.Compile([]PipelineDesc{axpyDesc}, nil))[0]
	other.Destroy()
	s := r.stream(t, 1)
	if _, err := d.Submit(s); err != nil {
		t.Fatal(err)
	}
	if err := s.Dispatch(other, r.g0, r.g1, 0, 1, 1, 1); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Submit(s); err == nil || !strings.Contains(err.Error(), "destroyed") {
		t.Errorf("Submit returned %v", err)
	}
}

// Of kernels that are compiled together and of which one is wrong, none stays.
func TestFailedCompileLeavesNothing(t *testing.T) {
	d := open(t)
	bad := axpyDesc
	bad.WGSL = "fn"
	if _, err := d.Compile([]PipelineDesc{axpyDesc, bad}, nil); err == nil {
		t.Fatal("it compiled")
	}
	if n := len(d.pipes); n != 0 {
		t.Errorf("%d pipelines are left", n)
	}
}
