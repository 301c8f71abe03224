package tensor_test

import (
	"runtime"
	"testing"
	"time"

	"github.com/weft-ml/weft/device"
	. "github.com/weft-ml/weft/tensor"
)

// The memory that a program announces when it is compiled is what the device
// has handed out for it, and no number of steps changes that or the Go heap.
func TestMemoryStaysAsAnnounced(t *testing.T) {
	for _, dev := range devices(t) {
		t.Run(dev.Kind(), func(t *testing.T) {
			before := settled(dev)
			w := NewVariable("w", make([]float32, 64), 4, 16)
			data := FromBytes(make([]byte, 32*16), 32, 16)
			p, err := Compile(dev, func(tr *Trace, _ []*Tensor) []*Tensor {
				x := data.IndexSelect(0, Arange(8).Add(tr.Int("at"))).To(Float32)
				loss := x.Linear(w, nil).Square().Mean()
				tr.Assign(w, w.Sub(Grad(loss, w)[0].MulScalar(0.1)))
				return []*Tensor{loss}
			})
			if err != nil {
				t.Fatal(err)
			}
			own, borrowed := p.MemoryBytes()
			if got := dev.Memory() - before; got != int64(own+borrowed) {
				t.Errorf("%d bytes in use, %d + %d announced", got, own, borrowed)
			}
			at := p.Slot("at")
			fill := func(i int, s Scalars) { s.SetInt(at, int32(i%24)) }
			steps := func(n int) {
				for range n / 50 {
					if err := p.Submit(50, fill); err != nil {
						t.Fatal(err)
					}
					if _, err := p.Collect(nil); err != nil {
						t.Fatal(err)
					}
				}
			}
			heap := func() uint64 {
				var m runtime.MemStats
				runtime.GC()
				runtime.GC()
				runtime.ReadMemStats(&m)
				return m.HeapAlloc
			}
			steps(500) // streams are recorded on first use
			held, h := dev.Memory(), heap()
			steps(10000)
			if got := dev.Memory(); got != held {
				t.Errorf("device memory went from %d to %d bytes in 10,000 steps", held, got)
			}
			if got := heap(); got > h+64<<10 {
				t.Errorf("the Go heap grew from %d to %d bytes in 10,000 steps", h, got)
			}
			p.Close()
			for _, v := range []*Tensor{w, data} {
				if err := v.Free(); err != nil {
					t.Fatal(err)
				}
			}
			if got := dev.Memory(); got != before {
				t.Errorf("%d bytes left after Close and Free", got-before)
			}
		})
	}
}

// settled is the device memory in use once tensors that earlier tests have
// forgotten are gone.
func settled(dev *device.Device) int64 {
	for same := 0; same < 3; {
		was := dev.Memory()
		runtime.GC()
		time.Sleep(5 * time.Millisecond)
		if same++; dev.Memory() != was {
			same = 0
		}
	}
	return dev.Memory()
}

func TestSubmitAllocatesNothing(t *testing.T) {
	const samples, batch = 64, 8
	for _, dev := range devices(t) {
		t.Run(dev.Kind(), func(t *testing.T) {
			s := newMLPStep(t, dev, samples, batch)
			defer s.prog.Close()
			fill := func(i int, sc Scalars) { sc.SetInt(0, int32(i)) }
			step := func() {
				if err := s.prog.Submit(4, fill); err != nil {
					t.Fatal(err)
				}
				if _, err := s.prog.Collect(nil); err != nil {
					t.Fatal(err)
				}
			}
			for range 6 {
				step()
			}
			if runtime.GOOS == "js" && dev.Kind() == "webgpu" {
				return // the call by which JavaScript ends a wait allocates
			}
			if n := testing.AllocsPerRun(50, step); n != 0 {
				t.Errorf("%v allocations a submit", n)
			}
		})
	}
}

// Constants and variables that nobody refers to any more give their device
// memory back, also without Free.
func TestForgottenTensorsAreFreed(t *testing.T) {
	for _, dev := range devices(t) {
		t.Run(dev.Kind(), func(t *testing.T) {
			before := settled(dev)
			func() {
				x := New(make([]float32, 1<<16))
				p, err := Compile(dev, func(*Trace, []*Tensor) []*Tensor { return []*Tensor{x.Sum()} })
				if err != nil {
					t.Fatal(err)
				}
				if _, err := p.Call(); err != nil {
					t.Fatal(err)
				}
				p.Close()
			}()
			for range 100 {
				if dev.Memory() == before {
					return
				}
				runtime.GC()
				time.Sleep(10 * time.Millisecond)
			}
			t.Errorf("%d bytes are still in use", dev.Memory()-before)
		})
	}
}
