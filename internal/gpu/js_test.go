//go:build js && wasm

package gpu

import (
	"errors"
	"syscall/js"
	"testing"
	"time"
)

// calls is how often Go has called JavaScript, as the test harness counts it.
func calls(t *testing.T) int {
	v := js.Global().Get("weftCalls")
	if v.Type() != js.TypeObject {
		t.Skip("nobody counts the calls; run with web/player/test/go.mjs")
	}
	return v.Get("count").Int()
}

// A submit with its scalars and the read-back of its results is one call,
// whatever the number of dispatches.
func TestOneCallASubmit(t *testing.T) {
	d := open(t)
	r := newRig(t, d, true)
	back := must[*Readback](t)(d.NewReadback("results", 4*rigN))
	s := r.stream(t, 200)
	if err := s.Copy(r.y, 0, back.Buffer, 0, 4*rigN); err != nil {
		t.Fatal(err)
	}
	x := make([]byte, 4*rigN)
	step := func() {
		if err := errors.Join(d.Write(r.x, 0, x), d.Write(r.x, 0, x[:16])); err != nil {
			t.Fatal(err)
		}
		if _, err := d.Submit(s); err != nil {
			t.Fatal(err)
		}
		if err := back.Start(); err != nil {
			t.Fatal(err)
		}
	}
	step()
	if err := back.Wait(x); err != nil {
		t.Fatal(err)
	}
	before := calls(t)
	asking := calls(t) - before
	before = calls(t)
	step()
	if n := calls(t) - before - asking; n != 1 {
		t.Errorf("%d calls for a submit of 200 dispatches, two writes and a read-back; want 1", n)
	}
	if err := back.Wait(x); err != nil {
		t.Fatal(err)
	}
}

func TestLostDevice(t *testing.T) {
	d := open(t)
	r := newRig(t, d, true)
	back := must[*Readback](t)(d.NewReadback("results", 4*rigN))
	s := r.stream(t, 4)
	if err := s.Copy(r.y, 0, back.Buffer, 0, 4*rigN); err != nil {
		t.Fatal(err)
	}
	tk := must[Ticket](t)(d.Submit(s))
	if err := back.Start(); err != nil {
		t.Fatal(err)
	}
	d.drv.(*browser).link.Get("device").Call("destroy")
	time.Sleep(10 * time.Millisecond)
	raw := make([]byte, 4*rigN)
	if err := back.Wait(raw); !errors.Is(err, ErrLost) {
		t.Errorf("a read-back under way: %v", err)
	}
	if err := tk.Wait(); !errors.Is(err, ErrLost) {
		t.Errorf("a ticket: %v", err)
	}
	if _, err := d.Submit(s); !errors.Is(err, ErrLost) {
		t.Errorf("a submit: %v", err)
	}
	if err := d.Read(r.y, 0, raw); !errors.Is(err, ErrLost) {
		t.Errorf("a read: %v", err)
	}
	if _, err := d.NewBuffer("late", 1<<25, Storage); !errors.Is(err, ErrLost) {
		t.Errorf("a buffer: %v", err)
	}
	d.Close()
	again := open(t) // another one works as if nothing had been
	if err := again.Write(must[*Buffer](t)(again.NewBuffer("b", 16, CopyDst)), 0, raw[:16]); err != nil {
		t.Error(err)
	}
}
