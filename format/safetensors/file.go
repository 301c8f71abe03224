// Package safetensors reads and writes the safetensors format: an 8-byte
// little-endian header length, a JSON header that names each tensor's type,
// shape and place, and the raw little-endian data
// (https://github.com/huggingface/safetensors, "Format").
//
// The whole header is checked when a file is opened, against the size that the
// file really has: after that every tensor is known to lie inside the file, so
// that no later allocation can exceed it, whatever a hostile header claims.
package safetensors

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/weft-ml/weft/internal/filekind"
	"github.com/weft-ml/weft/internal/regular"
)

// File is an open safetensors file. Its methods may be called at the same time.
type File struct {
	// Metadata is the header's free text map, never nil.
	Metadata map[string]string

	name    string
	r       io.ReaderAt
	close   func() error
	data    int64 // Where the data section begins.
	size    int64 // Of the file.
	tensors []Info
	index   map[string]int
}

// Open reads and checks the header of the file at path. Close it after use.
func Open(path string) (*File, error) {
	f, info, err := regular.Open(path)
	if err != nil {
		return nil, fmt.Errorf("safetensors: %w", err)
	}
	file, err := parse(path, f, info.Size())
	if err != nil {
		f.Close()
		return nil, err
	}
	file.close = f.Close
	return file, nil
}

// Parse reads and checks the header of the size bytes in r, which the File
// goes on reading from.
func Parse(r io.ReaderAt, size int64) (*File, error) { return parse("", r, size) }

func parse(name string, r io.ReaderAt, size int64) (*File, error) {
	fail := func(kind, cause error, format string, args ...any) (*File, error) {
		return nil, &Error{File: name, Kind: kind, Detail: fmt.Sprintf(format, args...), Cause: cause, Advice: adviceAgain}
	}
	first := make([]byte, min(size, filekind.Need))
	if readAt(r, first, 0) == nil && len(first) > 0 {
		if k := filekind.Of(first); k.Name != "" && k.Safetensors != "" {
			return nil, &Error{File: name, Kind: ErrFormat, Detail: "it is " + k.Name, Advice: strings.ReplaceAll(k.Safetensors, "FILE", fileName(name))}
		}
	}
	if size < 8 {
		return fail(ErrTruncated, nil, "it has %d bytes, fewer than the 8 of the header length", size)
	}
	var prefix [8]byte
	if err := readAt(r, prefix[:], 0); err != nil {
		return fail(ErrTruncated, err, "the header length cannot be read")
	}
	n := binary.LittleEndian.Uint64(prefix[:])
	if n > maxHeader {
		return fail(ErrFormat, nil, "the header would be %d bytes long, the format allows %d: this is some other kind of file", n, maxHeader)
	}
	if int64(n) > size-8 {
		return fail(ErrTruncated, nil, "the header is %d bytes long, but only %d follow its length", n, size-8)
	}
	// One byte from the end proves that a size which a caller only believes
	// in is real, before anything is allocated from it.
	if err := readAt(r, make([]byte, 1), size-1); err != nil {
		return fail(ErrTruncated, err, "byte %d, its last, cannot be read", size-1)
	}
	text := make([]byte, n)
	if err := readAt(r, text, 8); err != nil {
		return fail(ErrTruncated, err, "the header cannot be read")
	}
	h, err := parseHeader(name, text, size-8-int64(n))
	if err != nil {
		return nil, err
	}
	f := &File{Metadata: h.metadata, name: name, r: r, data: 8 + int64(n), size: size, tensors: h.tensors, index: make(map[string]int, len(h.tensors))}
	for i, t := range h.tensors {
		f.index[t.Name] = i
	}
	return f, nil
}

// fileName is the last part of a path, for commands.
func fileName(name string) string {
	if name == "" {
		return "FILE"
	}
	return filepath.Base(name)
}

// readAt fills buf; a reader that gives the last bytes together with io.EOF is fine.
func readAt(r io.ReaderAt, buf []byte, at int64) error {
	n, err := r.ReadAt(buf, at)
	if n == len(buf) {
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// Close closes what Open opened. After Parse it does nothing.
func (f *File) Close() error {
	if f.close == nil {
		return nil
	}
	return f.close()
}

// Names lists the tensors in the order of their data, so that reading them in
// turn reads the file from front to back.
func (f *File) Names() []string {
	names := make([]string, len(f.tensors))
	for i, t := range f.tensors {
		names[i] = t.Name
	}
	return names
}

// Info describes the tensor name; false if there is none.
func (f *File) Info(name string) (Info, bool) {
	i, ok := f.index[name]
	if !ok {
		return Info{}, false
	}
	info := f.tensors[i]
	info.Shape = append([]int{}, info.Shape...)
	return info, true
}

// find is Info with an error that helps.
func (f *File) find(name string) (Info, error) {
	info, ok := f.Info(name)
	if !ok {
		detail := fmt.Sprintf("the file holds %d others", len(f.tensors))
		if len(f.tensors) > 0 {
			detail += fmt.Sprintf(", the first is %s", shorten(f.tensors[0].Name))
		}
		return info, &Error{File: f.name, Tensor: name, Kind: ErrNotFound, Detail: detail, Advice: "check the name, or that the file belongs to this model"}
	}
	return info, nil
}
