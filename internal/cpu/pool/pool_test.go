package pool

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestDoReachesEveryWorkerOnce(t *testing.T) {
	for n := 1; n <= 5; n++ {
		p := New(n)
		counts := make([]atomic.Int32, n)
		f := func(w int) { counts[w].Add(1) }
		for i := range 2000 {
			p.Do(f)
			if i%500 == 0 {
				time.Sleep(2 * time.Millisecond) // let the workers fall asleep
			}
		}
		for w := range counts {
			if got := counts[w].Load(); got != 2000 {
				t.Errorf("n=%d worker %d ran %d times, want 2000", n, w, got)
			}
		}
		p.Close()
		p.Close()
		p.Do(f)
		if got := counts[n-1].Load(); got != 2001 {
			t.Errorf("Do after Close: worker %d ran %d times, want 2001", n-1, got)
		}
	}
}

func TestNestedAndConcurrentDo(t *testing.T) {
	p := New(3)
	defer p.Close()
	var inner atomic.Int32
	g := func(int) { inner.Add(1) }
	p.Do(func(int) { p.Do(g) })
	if got := inner.Load(); got != 9 {
		t.Fatalf("nested Do made %d calls, want 9", got)
	}
	var wg sync.WaitGroup
	var outer atomic.Int32
	h := func(int) { outer.Add(1) }
	for range 4 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for range 500 {
				p.Do(h)
			}
		}()
	}
	wg.Wait()
	if got := outer.Load(); got != 6000 {
		t.Fatalf("concurrent Do made %d calls, want 6000", got)
	}
}

func TestPanicOnCallerLeavesPoolUsable(t *testing.T) {
	p := New(2)
	defer p.Close()
	func() {
		defer func() { _ = recover() }()
		p.Do(func(w int) {
			if w == 0 {
				panic("expected")
			}
		})
	}()
	var n atomic.Int32
	p.Do(func(int) { n.Add(1) })
	if n.Load() != 2 {
		t.Fatalf("after a panic Do made %d calls, want 2", n.Load())
	}
}

func TestDoAllocatesNothing(t *testing.T) {
	p := New(2)
	defer p.Close()
	f := func(int) {}
	if n := testing.AllocsPerRun(1000, func() { p.Do(f) }); n != 0 {
		t.Fatalf("Do allocates %v times per call, want 0", n)
	}
}

func BenchmarkDo(b *testing.B) {
	p := New(2)
	defer p.Close()
	f := func(int) {}
	b.ReportAllocs()
	for b.Loop() {
		p.Do(f)
	}
}
