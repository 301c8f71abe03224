package gpu

// A device owns everything made with it, so that closing it leaves nothing
// behind, and its lock puts destruction and submits in one order: a buffer that
// is destroyed is never part of a command buffer that is still to be submitted.

import (
	"fmt"
	"sync"
	"sync/atomic"
)

// Device is an open GPU. Its methods may be called from several goroutines.
type Device struct {
	drv  driver
	info Info
	lim  Limits
	feat Features

	mu      sync.Mutex // guards what follows, and orders destruction against submits
	closed  bool
	bytes   int64
	live    map[*Buffer]struct{}
	pipes   map[handle]struct{}
	groups  map[handle]struct{}
	layouts map[string]layout
	staging handle // of Read
	stage   uint64 // its size

	waiting sync.WaitGroup // calls of Ticket.Wait, which Close must outlast

	freed atomic.Uint64 // grows when anything is destroyed: streams check again then
}

// Info describes the adapter the device runs on.
func (d *Device) Info() Info { return d.info }

// Limits are the device's limits.
func (d *Device) Limits() Limits { return d.lim }

// Features are the optional abilities the device has.
func (d *Device) Features() Features { return d.feat }

// Memory is what is allocated through this device and not yet destroyed.
func (d *Device) Memory() (bytes int64, buffers int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.bytes, len(d.live)
}

// Lost returns an error that wraps ErrLost once the device is gone, else nil.
func (d *Device) Lost() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return nil
	}
	return d.check()
}

// Close waits for submitted work, frees everything made by the device and
// closes it. Later calls on the device return ErrClosed.
func (d *Device) Close() {
	d.mu.Lock()
	if d.closed {
		d.mu.Unlock()
		return
	}
	d.closed = true
	d.freed.Add(1)
	d.mu.Unlock()
	d.waiting.Wait()
	d.mu.Lock()
	defer d.mu.Unlock()
	for g := range d.groups {
		d.drv.freeBindGroup(g)
	}
	for p := range d.pipes {
		d.drv.freePipeline(p)
	}
	for b := range d.live {
		b.gone = true
		d.drv.freeBuffer(b.h)
	}
	if d.staging != 0 {
		d.drv.freeBuffer(d.staging)
	}
	d.live, d.groups, d.pipes, d.bytes = nil, nil, nil, 0
	d.drv.close()
}

// check is called with d.mu held.
func (d *Device) check() error {
	if d.closed {
		return ErrClosed
	}
	if why := d.drv.lost(); why != "" {
		return fmt.Errorf("gpu: %w: %s; open the device again and go on from the last snapshot", ErrLost, why)
	}
	return nil
}

// usable is called with d.mu held.
func (d *Device) usable(b *Buffer, u Usage, what, name string) error {
	if err := d.check(); err != nil {
		return err
	}
	switch {
	case b == nil:
		return fmt.Errorf("gpu: %s: nil buffer", what)
	case b.dev != d:
		return fmt.Errorf("gpu: %s: buffer %q belongs to another device", what, b.label)
	case b.gone:
		return fmt.Errorf("gpu: %s: buffer %q was destroyed", what, b.label)
	case b.usage&u == 0:
		return fmt.Errorf("gpu: %s: buffer %q was made without %s", what, b.label, name)
	}
	return nil
}
