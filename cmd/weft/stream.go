// What a command writes may come out of a file that anyone has made: names of
// classes, titles, file names. A terminal would obey the control characters in
// them, so none gets through; and when whoever reads the output is gone, the
// command ends as at Ctrl-C, so that training is saved.

package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"sync"
	"syscall"
	"unicode"
	"unicode/utf8"
)

// stream is standard output or standard error.
type stream struct {
	w    io.Writer
	gone func() // called when nobody reads any more

	mu      sync.Mutex
	pending []byte // of a character that is not whole yet
	buf     []byte
	err     error // the first
}

// file is the file behind w, nil if it is none.
func (o *stream) file() *os.File {
	f, _ := o.w.(*os.File)
	return f
}

// failed is the first error of a write, except that nobody reads.
func (o *stream) failed() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if closedPipe(o.err) {
		return nil
	}
	return o.err
}

func (o *stream) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	text := append(o.pending, p...)
	o.buf = o.buf[:0]
	for len(text) > 0 && utf8.FullRune(text) {
		r, n := utf8.DecodeRune(text)
		switch {
		case r == '\n' || r == '\t' || r == '\r':
			o.buf = append(o.buf, byte(r))
		case unicode.IsControl(r) || unicode.In(r, unicode.Bidi_Control):
			// In JSON this is the same character.
			o.buf = fmt.Appendf(o.buf, `\u%04x`, r)
		default:
			o.buf = utf8.AppendRune(o.buf, r)
		}
		text = text[n:]
	}
	o.pending = append([]byte(nil), text...)
	if _, err := o.w.Write(o.buf); err != nil {
		if o.err == nil {
			o.err = err
		}
		if closedPipe(err) {
			o.gone()
			return len(p), nil // There is nobody to tell.
		}
		return 0, err
	}
	return len(p), nil
}

// closedPipe reports whether a write failed because nobody reads.
func closedPipe(err error) bool {
	const noData = syscall.Errno(232) // Windows' name for it
	return errors.Is(err, syscall.EPIPE) || errors.Is(err, os.ErrClosed) || runtime.GOOS == "windows" && errors.Is(err, noData)
}
