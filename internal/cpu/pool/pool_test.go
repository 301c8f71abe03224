package pool

import (
	"runtime"
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

// TestDoWhileFallingAsleep starts phases at about the moment at which workers
// give up waiting; a wake-up lost there would hang the test.
func TestDoWhileFallingAsleep(t *testing.T) {
	p := New(4)
	defer p.Close()
	var n atomic.Int32
	f := func(int) { n.Add(1) }
	const rounds = 4000
	for i := range rounds {
		p.Do(f)
		for range i % 400 {
			runtime.Gosched()
		}
	}
	if got := n.Load(); got != 4*rounds {
		t.Fatalf("%d calls, want %d", got, 4*rounds)
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
