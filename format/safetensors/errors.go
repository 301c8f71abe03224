// Errors carry which file and which tensor, because a model has hundreds of
// tensors and a program may load several files, and a sentinel, because a
// caller acts differently on a download cut short than on a wrong name.

package safetensors

import (
	"errors"
	"strings"
)

// What can be wrong, for errors.Is.
var (
	// ErrTruncated: the file ends before the data that its header promises.
	ErrTruncated = errors.New("file is cut short")
	// ErrFormat: the file or the tensors to write break the format's rules.
	ErrFormat = errors.New("not valid safetensors")
	// ErrNotFound: no tensor has that name.
	ErrNotFound = errors.New("no such tensor")
	// ErrDType: the element type cannot be converted to the wanted one.
	ErrDType = errors.New("wrong element type")
)

// Error is what this package returns for bad content and wrong requests.
type Error struct {
	File   string // File path; empty when read from memory.
	Tensor string // Tensor name; empty when the file as a whole is wrong.
	Kind   error  // One of the sentinels.
	Detail string // What is wrong, with the numbers.
	Advice string // What to do about it.
	Cause  error  // The underlying error, if there is one.
}

// Error gives all of it in one line.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("safetensors")
	if e.File != "" {
		b.WriteString(" " + e.File)
	}
	if e.Tensor != "" {
		b.WriteString(": tensor " + shorten(e.Tensor))
	}
	b.WriteString(": " + e.Kind.Error() + ": " + e.Detail)
	if e.Cause != nil {
		b.WriteString(": " + e.Cause.Error())
	}
	if e.Advice != "" {
		b.WriteString("; " + e.Advice)
	}
	return b.String()
}

// Unwrap gives the sentinel and the cause to errors.Is and errors.As.
func (e *Error) Unwrap() []error {
	if e.Cause == nil {
		return []error{e.Kind}
	}
	return []error{e.Kind, e.Cause}
}

const (
	adviceAgain = "copy or download the file again"
	adviceWrite = "write the file again with a current safetensors library"
)

// shorten quotes text out of a file that may be hostile: a header may hold a
// name of 100 MB, which has no place in a message.
func shorten(s string) string {
	const most = 80
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "…"
	}
	return quote(s)
}
