//go:build js && wasm

// Command weft-worker is the lab's engine in a browser: internal/lab behind
// postMessage, in a worker that web/src/worker.ts starts.
//
// JavaScript's events are delivered only while Go sleeps, and a callback must
// not wait, so each message gets a goroutine. Messages have the form
// {id, type, ...} and are answered by {id, ok, result} or {id, ok, error};
// events have the form {event, ...}.
package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"syscall/js"

	"github.com/weft-ml/weft/internal/lab"
)

func main() {
	// Most of the heap is a few large arrays without pointers, which cost the
	// collector nothing; memory that WebAssembly once had is never returned.
	debug.SetGCPercent(30)
	global := js.Global()
	post := func(message js.Value, transfer []any) { global.Call("postMessage", message, transfer) }
	session := lab.New(lab.Options{
		Fetch: fetch,
		Emit: func(name string, event any) {
			e := encoder{}
			v := e.value(event)
			v.Set("event", name)
			post(v, e.transfer)
		},
		Yield:     newYield(),
		WasmBytes: func() int { var m runtime.MemStats; runtime.ReadMemStats(&m); return int(m.Sys) },
	})
	global.Set("weftReceive", js.FuncOf(func(_ js.Value, args []js.Value) any {
		go func() {
			message := args[0]
			e := encoder{}
			reply := js.Global().Get("Object").New()
			reply.Set("id", message.Get("id"))
			result, err := answer(session, message)
			reply.Set("ok", err == nil)
			if err == nil {
				reply.Set("result", e.value(result))
			} else {
				reply.Set("error", e.value(lab.ErrorOf(err)))
			}
			post(reply, e.transfer)
		}()
		return nil
	}))
	global.Call("weftReady")
	select {}
}

// answer handles one request. A mistake in the program ends the request and
// not the worker, which still holds a trained network.
func answer(session *lab.Session, message js.Value) (result any, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("the lab has a mistake: %v", r)
		}
	}()
	name := message.Get("type")
	if name.Type() != js.TypeString {
		return nil, errors.New("a message without a type")
	}
	request := lab.NewRequest(name.String())
	if request == nil {
		return nil, fmt.Errorf("no request of type %q", name.String())
	}
	if err := decode(message, request); err != nil {
		return nil, fmt.Errorf("%s: %w", name.String(), err)
	}
	return session.Handle(context.Background(), name.String(), request)
}

// newYield returns a function that lets JavaScript deliver what is waiting. A
// message to oneself does it at once, where a timer takes milliseconds.
func newYield() func() {
	channel := js.Global().Get("MessageChannel").New()
	here, there := channel.Get("port1"), channel.Get("port2")
	back := make(chan struct{}, 16)
	here.Set("onmessage", js.FuncOf(func(js.Value, []js.Value) any {
		back <- struct{}{}
		return nil
	}))
	return func() {
		there.Call("postMessage", js.Null())
		<-back
	}
}

// fetch gets a file by the function that worker.ts provides, which also
// decompresses.
func fetch(ctx context.Context, url string, progress func(loaded, total int)) ([]byte, error) {
	type outcome struct {
		bytes []byte
		err   error
	}
	done := make(chan outcome, 1)
	report := js.FuncOf(func(_ js.Value, args []js.Value) any {
		loaded, total := args[0].Int(), args[1].Int()
		progress(loaded, total)
		return nil
	})
	yes := js.FuncOf(func(_ js.Value, args []js.Value) any {
		b := make([]byte, args[0].Length())
		js.CopyBytesToGo(b, args[0])
		done <- outcome{bytes: b}
		return nil
	})
	no := js.FuncOf(func(_ js.Value, args []js.Value) any {
		done <- outcome{err: errors.New(args[0].Get("message").String())}
		return nil
	})
	defer report.Release()
	defer yes.Release()
	defer no.Release()
	js.Global().Call("weftFetch", url, report).Call("then", yes, no)
	o := <-done // a canceled request still waits, so that the callbacks may be released
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return o.bytes, o.err
}
