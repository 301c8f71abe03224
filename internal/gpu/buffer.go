package gpu

// Buffers, and the two ways by which bytes cross: Write goes into the queue like
// a submit and returns at once; Read waits. Both cut large transfers into pieces,
// because the driver keeps a staging copy as large as a piece.

import "fmt"

// Buffer is a block of device memory.
type Buffer struct {
	dev   *Device
	label string
	h     handle
	size  int
	alloc uint64 // size rounded up to 4
	usage Usage
	gone  bool
	busy  bool // being read back: no submit may write it
}

// Size is the number of bytes asked for.
func (b *Buffer) Size() int { return b.size }

// Label is the name the buffer was made with.
func (b *Buffer) Label() string { return b.label }

// NewBuffer makes a buffer of size bytes filled with zeros. The error wraps
// ErrOutOfMemory when the device has no room.
func (d *Device) NewBuffer(label string, size int, u Usage) (*Buffer, error) {
	switch {
	case size <= 0:
		return nil, fmt.Errorf("gpu: buffer %q: size %d; it must be positive", label, size)
	case uint64(size) > d.lim.MaxBufferSize:
		return nil, fmt.Errorf("gpu: buffer %q: %w: %d bytes, this device allows at most %d in one buffer", label, ErrOutOfMemory, size, d.lim.MaxBufferSize)
	case u == 0:
		return nil, fmt.Errorf("gpu: buffer %q: no usage given", label)
	case u&MapRead != 0 && u != MapRead|CopyDst:
		return nil, fmt.Errorf("gpu: buffer %q: MapRead goes with CopyDst and nothing else", label)
	}
	alloc := (uint64(size) + 3) &^ 3
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.check(); err != nil {
		return nil, err
	}
	h, err := d.drv.newBuffer(label, alloc, u)
	if err != nil {
		return nil, fmt.Errorf("gpu: buffer %q of %d bytes: %w", label, size, err)
	}
	b := &Buffer{dev: d, label: label, h: h, size: size, alloc: alloc, usage: u}
	d.live[b] = struct{}{}
	d.bytes += int64(alloc)
	return b, nil
}

// Destroy frees the buffer's memory as soon as submitted work that uses it is
// done. Later submits of streams that use it return an error. Destroying twice
// is harmless.
func (b *Buffer) Destroy() {
	d := b.dev
	d.mu.Lock()
	defer d.mu.Unlock()
	if b.gone {
		return
	}
	b.gone = true
	delete(d.live, b)
	d.bytes -= int64(b.alloc)
	d.freed.Add(1)
	d.drv.freeBuffer(b.h)
}

// Write copies data into b at byte off, after everything submitted before and
// before everything submitted later; data may be reused at once. off must be a
// multiple of 4, and so must len(data) unless the write ends at the buffer's
// end.
func (d *Device) Write(b *Buffer, off int, data []byte) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.usable(b, CopyDst, "Write", "CopyDst"); err != nil {
		return err
	}
	if off < 0 || off%4 != 0 || off+len(data) > b.size {
		return fmt.Errorf("gpu: Write to %q: bytes %d to %d of %d; the offset must be a multiple of 4 inside the buffer", b.label, off, off+len(data), b.size)
	}
	if len(data) == 0 {
		return nil
	}
	if tail := len(data) % 4; tail != 0 {
		if off+len(data) != b.size {
			return fmt.Errorf("gpu: Write to %q: %d bytes; a length that is no multiple of 4 must end at the buffer's end", b.label, len(data))
		}
		var last [4]byte
		copy(last[:], data[len(data)-tail:])
		if err := d.drv.write(b.h, uint64(off+len(data)-tail), last[:]); err != nil {
			return fmt.Errorf("gpu: Write to %q: %w", b.label, err)
		}
		if data = data[:len(data)-tail]; len(data) == 0 {
			return nil
		}
	}
	// The driver stages a copy of the data until the next submit: pieces, each
	// flushed, keep that copy small when a whole data set is uploaded.
	const piece = 32 << 20
	for len(data) > 0 {
		n := min(len(data), piece)
		if err := d.drv.write(b.h, uint64(off), data[:n]); err != nil {
			return fmt.Errorf("gpu: Write to %q: %w", b.label, err)
		}
		if len(data) > n {
			serial, err := d.drv.submit(nil)
			if err == nil {
				err = d.drv.wait(serial)
			}
			if err != nil {
				return fmt.Errorf("gpu: Write to %q: %w", b.label, err)
			}
		}
		off, data = off+n, data[n:]
	}
	return nil
}

// Read waits for everything submitted so far and copies len(dst) bytes of b
// from byte off.
func (d *Device) Read(b *Buffer, off int, dst []byte) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.usable(b, CopySrc, "Read", "CopySrc"); err != nil {
		return err
	}
	if off < 0 || off+len(dst) > b.size {
		return fmt.Errorf("gpu: Read of %q: bytes %d to %d of %d", b.label, off, off+len(dst), b.size)
	}
	if len(dst) == 0 {
		return nil
	}
	const piece = 64 << 20
	for len(dst) > 0 {
		n := min(len(dst), piece)
		// WebGPU copies multiples of 4: an odd range is read with its surroundings.
		lo, hi := off&^3, (off+n+3)&^3
		part := dst[:n]
		if lo != off || hi != off+n {
			part = make([]byte, hi-lo)
		}
		if err := d.growStaging(uint64(len(part))); err != nil {
			return fmt.Errorf("gpu: Read of %q: %w", b.label, err)
		}
		if err := d.drv.read(b.h, d.staging, uint64(lo), part); err != nil {
			return fmt.Errorf("gpu: Read of %q: %w", b.label, err)
		}
		if len(part) != n {
			copy(dst[:n], part[off-lo:])
		}
		off, dst = off+n, dst[n:]
	}
	return nil
}

// growStaging makes the cached staging buffer hold n bytes. It is not part of
// Memory: it belongs to the device, not to a caller.
func (d *Device) growStaging(n uint64) error {
	if d.stage >= n {
		return nil
	}
	size := max(n, 64<<10)
	h, err := d.drv.newBuffer("read-back", size, MapRead|CopyDst)
	if err != nil {
		return err
	}
	if d.staging != 0 {
		d.drv.freeBuffer(d.staging)
	}
	d.staging, d.stage = h, size
	return nil
}
