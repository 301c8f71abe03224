// Package lab is the laboratory of the web page without the page: it loads
// data, builds networks, trains and inspects them, and answers the requests
// of a small protocol. In a browser it runs in a worker, behind
// cmd/weft-worker; tests run the same code natively.
//
// One goroutine owns the device and everything compiled for it. It alternates
// between training, in submits of a few dozen milliseconds, and requests, so
// that a pause or a new learning rate takes effect at once and nothing needs a
// lock. Requests are of two kinds: short ones, which are also served in the
// middle of long ones such as a test, and those that replace the data or the
// model, which wait their turn.
package lab

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/weft-ml/weft/data"
	"github.com/weft-ml/weft/device"
)

// Options connect a session to its surroundings.
type Options struct {
	// Fetch gets a file of the site: base from the init request with the file's
	// name appended. progress may be called with the bytes so far and in all,
	// 0 if unknown.
	Fetch func(ctx context.Context, url string, progress func(loaded, total int)) ([]byte, error)
	// Emit sends an event of the given name. It is called by one goroutine at
	// a time for each kind of event and must not wait for a request.
	Emit func(name string, event any)
	// Open opens a device by name; nil is device.Open.
	Open func(name string) (*device.Device, error)
	// Yield lets others run, between submits; nil is runtime.Gosched. In a
	// browser messages arrive only while Go waits for something.
	Yield func()
	// WasmBytes is the size of WebAssembly's memory; nil is 0.
	WasmBytes func() int
}

// ErrorInfo is an error as the page shows it.
type ErrorInfo struct {
	Message string `json:"message"`
	Hint    string `json:"hint"`
}

type hintedError struct {
	error
	hint string
}

func (e *hintedError) Unwrap() error { return e.error }

func hinted(hint string, err error) error { return &hintedError{err, hint} }

// ErrorOf tells an error's text from the advice that came with it.
func ErrorOf(err error) ErrorInfo {
	info := ErrorInfo{Message: err.Error()}
	if h := (*hintedError)(nil); errors.As(err, &h) {
		info.Hint = h.hint
	}
	return info
}

var errClosed = errors.New("the lab is closed")

// Session is one laboratory. Its methods may be called from any goroutine.
type Session struct {
	opts        Options
	quick, slow chan *task
	quit        chan struct{}
	ended       chan struct{}
	wishes      atomic.Int64 // data sets that were asked for

	// All that follows belongs to the goroutine of loop.
	base    string
	parts   string // folder of this version's files, below base
	dev     *device.Device
	want    string // the device that was asked for
	train   *data.Dataset
	test    *data.Dataset
	model   *model // the one before the visitor
	own     *model // the one made or trained here, often the same
	run     *run
	runs    int
	inspect inspection
	preview preview
	lost    losses
}

// task is something for the owner of the device to do.
type task struct {
	f    func() error
	done chan error
}

// New starts a session. Requests may come at once; init is the first.
func New(opts Options) *Session {
	if opts.Open == nil {
		opts.Open = device.Open
	}
	if opts.Yield == nil {
		opts.Yield = runtime.Gosched
	}
	if opts.Emit == nil {
		opts.Emit = func(string, any) {}
	}
	if opts.Fetch == nil {
		opts.Fetch = func(context.Context, string, func(int, int)) ([]byte, error) {
			return nil, errors.New("no files here")
		}
	}
	s := &Session{opts: opts, quick: make(chan *task), slow: make(chan *task), quit: make(chan struct{}), ended: make(chan struct{})}
	go s.loop()
	return s
}

// Close ends the session and returns its memory.
func (s *Session) Close() {
	close(s.quit)
	<-s.ended
}

// call is one kind of request.
type call struct {
	request, result reflect.Type
	run             func(s *Session, ctx context.Context, request any) (any, error)
}

func handler[Q, R any](f func(*Session, context.Context, *Q) (*R, error)) call {
	return call{reflect.TypeFor[Q](), reflect.TypeFor[R](), func(s *Session, ctx context.Context, request any) (any, error) {
		q, ok := request.(*Q)
		if !ok {
			return nil, fmt.Errorf("a request of type %T, want %T", request, q)
		}
		return f(s, ctx, q)
	}}
}

var calls = map[string]call{
	"init":    handler((*Session).init),
	"data":    handler((*Session).data),
	"model":   handler((*Session).newModel),
	"start":   handler((*Session).start),
	"pause":   handler((*Session).pause),
	"resume":  handler((*Session).resume),
	"stop":    handler((*Session).stop),
	"step":    handler((*Session).step),
	"set":     handler((*Session).set),
	"inspect": handler((*Session).setInspect),
	"weights": handler((*Session).weights),
	"augment": handler((*Session).augment),
	"predict": handler((*Session).predict),
	"prepare": handler((*Session).prepare),
	"test":    handler((*Session).runTest),
	"save":    handler((*Session).save),
	"export":  handler((*Session).export),
	"load":    handler((*Session).load),
	"own":     handler((*Session).showOwn),
	"builtin": handler((*Session).builtin),
	"use":     handler((*Session).use),
	"kernels": handler((*Session).kernels),
	"stats":   handler((*Session).stats),
}

// events are the types of the events, by name.
var events = map[string]reflect.Type{
	"data":    reflect.TypeFor[DataEvent](),
	"compile": reflect.TypeFor[CompileEvent](),
	"train":   reflect.TypeFor[TrainEvent](),
	"epoch":   reflect.TypeFor[EpochEvent](),
	"inspect": reflect.TypeFor[InspectEvent](),
	"test":    reflect.TypeFor[TestEvent](),
	"check":   reflect.TypeFor[CheckEvent](),
	"lost":    reflect.TypeFor[LostEvent](),
	"failed":  reflect.TypeFor[FailedEvent](),
}

// NewRequest returns a pointer to an empty request of a type, or nil if there
// is no such type.
func NewRequest(name string) any {
	c, ok := calls[name]
	if !ok {
		return nil
	}
	return reflect.New(c.request).Interface()
}

// Handle answers a request made by NewRequest of the same name. The result is a
// pointer to a struct. It waits for the request to be done; several may be
// under way.
func (s *Session) Handle(ctx context.Context, name string, request any) (result any, err error) {
	c, ok := calls[name]
	if !ok {
		return nil, fmt.Errorf("no request of type %q", name)
	}
	return c.run(s, ctx, request)
}

// do has the device's owner call f, and returns its error. A task whose device
// is lost is done once more on the new one.
func (s *Session) do(ctx context.Context, queue chan *task, f func() error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	t := &task{f, make(chan error, 1)}
	select {
	case queue <- t:
	case <-ctx.Done():
		return ctx.Err()
	case <-s.quit:
		return errClosed
	}
	select {
	case err := <-t.done:
		return err
	case <-s.ended:
		return errClosed
	}
}

func (s *Session) perform(t *task) {
	before := s.dev
	err := t.f()
	if s.isLost(err) {
		// A short request in the middle of this one may have noticed first.
		var failed error
		if s.dev == before {
			failed = s.recoverDevice(err)
		}
		if err = failed; err == nil {
			err = t.f()
		}
	}
	t.done <- err
}

// loop is the goroutine that owns the device.
func (s *Session) loop() {
	defer close(s.ended)
	defer s.closeAll()
	for {
		if !s.run.busy() {
			select {
			case t := <-s.quick:
				s.perform(t)
			case t := <-s.slow:
				s.perform(t)
			case <-s.quit:
				return
			}
			continue
		}
		select {
		case t := <-s.quick:
			s.perform(t)
			continue
		case t := <-s.slow:
			s.perform(t)
			continue
		case <-s.quit:
			return
		default:
		}
		before := s.dev
		// A request in the middle of a validation may have replaced a lost
		// device, and with it the run that failed.
		if err := s.advance(); err != nil && s.dev == before {
			s.trainingFailed(err)
		}
		s.opts.Yield()
	}
}

// breathe serves short requests in the middle of a long one.
func (s *Session) breathe() {
	s.opts.Yield()
	for {
		select {
		case t := <-s.quick:
			s.perform(t)
		default:
			return
		}
	}
}

func (s *Session) closeAll() {
	s.endRun()
	s.preview.close()
	s.closeModels()
	if s.dev != nil {
		s.dev.Close()
	}
}

// since is the time from t in milliseconds.
func since(t time.Time) float64 { return float64(time.Since(t).Microseconds()) / 1000 }

func (s *Session) stats(ctx context.Context, q *StatsRequest) (*StatsResult, error) {
	var r StatsResult
	if q.Collect {
		runtime.GC()
	}
	if s.opts.WasmBytes != nil {
		r.WasmBytes = s.opts.WasmBytes()
	}
	return &r, s.do(ctx, s.quick, func() error {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		r.GoHeap = int(m.HeapAlloc)
		if s.dev != nil {
			r.GPUBytes, r.GPUBuffers = s.deviceMemory()
		}
		return nil
	})
}
