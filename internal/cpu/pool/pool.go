// Package pool runs one function on a fixed set of persistent goroutines.
//
// A training step is hundreds of short parallel phases, so starting goroutines
// (or allocating a closure) per phase would cost more than the work. Workers
// spin for a short while after each phase, because the next one usually
// follows within microseconds, and then sleep on a channel so that an idle
// program burns nothing. The caller's own goroutine is worker 0.
package pool

import (
	"runtime"
	"sync"
	"sync/atomic"
)

// spins is how many times a worker yields before it sleeps: some tens of
// microseconds, longer than the gap between two phases of one step and far
// shorter than anything a person notices.
const spins = 200

// Pool is a set of workers. Its methods may be called from any goroutine.
type Pool struct {
	n       int
	mu      sync.Mutex // held for the length of one Do
	f       func(worker int)
	phase   atomic.Uint32 // counts Do calls; workers watch it change
	left    atomic.Int32  // workers that have not finished the phase
	workers []worker
	closed  atomic.Bool
}

type worker struct {
	asleep atomic.Bool
	wake   chan struct{}
	_      [40]byte // one cache line each: asleep is polled by other cores
}

// New starts a pool of n workers, counting the caller; n < 1 means
// runtime.GOMAXPROCS(0). Close it when it is no longer needed.
func New(n int) *Pool {
	if n < 1 {
		n = runtime.GOMAXPROCS(0)
	}
	p := &Pool{n: n, workers: make([]worker, n)}
	for w := 1; w < n; w++ {
		p.workers[w].wake = make(chan struct{}, 1)
		go p.run(w)
	}
	return p
}

// Workers is the number of workers, the caller included.
func (p *Pool) Workers() int { return p.n }

// Do calls f(w) for every w in [0, Workers()) at the same time and returns when
// all calls have returned. It allocates nothing. A second Do that starts while
// one is running, from inside f or from another goroutine, runs its calls one
// after another on its own goroutine: same result, no deadlock. f must not
// panic on a worker other than 0; a panic there ends the program, as in any
// goroutine.
func (p *Pool) Do(f func(worker int)) {
	locked := p.n > 1 && p.mu.TryLock()
	if locked && p.closed.Load() { // looked at under the lock: Close may just have been here
		p.mu.Unlock()
		locked = false
	}
	if !locked {
		for w := range p.n {
			f(w)
		}
		return
	}
	p.f = f
	p.left.Store(int32(p.n - 1))
	p.phase.Add(1)
	for w := 1; w < p.n; w++ {
		k := &p.workers[w]
		if k.asleep.CompareAndSwap(true, false) {
			k.wake <- struct{}{}
		}
	}
	defer p.finish() // also when f(0) panics: the workers still use p.f
	f(0)
}

func (p *Pool) finish() {
	for i := 0; p.left.Load() != 0; i++ {
		if i > 50 {
			runtime.Gosched()
		}
	}
	p.f = nil
	p.mu.Unlock()
}

// run is the life of one worker. It never misses a phase: it announces that it
// sleeps and then looks at the phase once more, while Do changes the phase
// first and then looks who sleeps.
func (p *Pool) run(w int) {
	k := &p.workers[w]
	var seen uint32
	for {
		for i := 0; p.phase.Load() == seen; i++ {
			if i < spins {
				runtime.Gosched()
				continue
			}
			i = 0
			k.asleep.Store(true)
			if p.phase.Load() != seen && k.asleep.CompareAndSwap(true, false) {
				break // the phase began between the two looks; nobody will wake us
			}
			<-k.wake
		}
		seen++
		if p.closed.Load() {
			return
		}
		p.f(w)
		p.left.Add(-1)
	}
}

// Close ends the workers. A Do after Close still works, on the caller alone;
// a second Close does nothing.
func (p *Pool) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed.Swap(true) {
		return
	}
	p.phase.Add(1)
	for w := 1; w < p.n; w++ {
		if p.workers[w].asleep.CompareAndSwap(true, false) {
			p.workers[w].wake <- struct{}{}
		}
	}
}
