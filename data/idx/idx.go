// Package idx reads and writes IDX files, the format of MNIST and its
// relatives: two zero bytes, an element type, a rank, that many 32-bit
// big-endian sizes, then the elements, big-endian and row-major
// (http://yann.lecun.com/exdb/mnist/, "The IDX file format"). A file may be
// compressed with gzip; its first bytes tell, not its name. (In a browser the page
// decompresses it before.)
//
// A header is only a claim: memory is allocated as data arrives, at most twice
// what has been read, so that 16 bytes cannot ask for gigabytes, and a bound on
// the whole keeps a gzip bomb from filling the memory.
package idx

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"github.com/weft-ml/weft/internal/regular"
	"io"
)

// What can be wrong, for errors.Is.
var (
	// ErrFormat: not an IDX file, or one with data left over.
	ErrFormat = errors.New("not a valid IDX file")
	// ErrTruncated: the file holds fewer elements than its header says.
	ErrTruncated = errors.New("IDX file is cut short")
	// ErrTooLarge: more data than MaxBytes.
	ErrTooLarge = errors.New("IDX file is too large")
)

// MaxBytes bounds the decompressed data of one file: 20 times MNIST.
const MaxBytes = 1 << 30

// firstChunk is what may be allocated before any data was read.
const firstChunk = 1 << 16

// Type is an element type as the third byte of a file gives it.
type Type byte

// The element types.
const (
	Uint8   Type = 0x08
	Int8    Type = 0x09
	Int16   Type = 0x0b
	Int32   Type = 0x0c
	Float32 Type = 0x0d
	Float64 Type = 0x0e
)

// Size is the bytes of one element, 0 for an unknown type.
func (t Type) Size() int {
	switch t {
	case Uint8, Int8:
		return 1
	case Int16:
		return 2
	case Int32, Float32:
		return 4
	case Float64:
		return 8
	}
	return 0
}

// Array is the content of an IDX file. Data holds the elements as in the file:
// big-endian, row-major.
type Array struct {
	Type  Type
	Shape []int
	Data  []byte
}

// ReadFile reads the file at path, plain or gzip.
func ReadFile(path string) (*Array, error) {
	f, _, err := regular.Open(path)
	if err != nil {
		return nil, fmt.Errorf("idx: %w", err)
	}
	defer f.Close()
	a, err := Read(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return a, nil
}

// Read reads one array, plain or gzip, and checks that nothing follows it.
func Read(r io.Reader) (*Array, error) {
	plain, err := Plain(r)
	if err != nil {
		return nil, err
	}
	a, size, err := readHeader(plain)
	if err != nil {
		return nil, err
	}
	if a.Data, err = readGrowing(plain, size); err != nil {
		return nil, err
	}
	// Reading past the end also makes gzip check its sum.
	var more [1]byte
	switch n, err := io.ReadFull(plain, more[:]); {
	case n > 0:
		return nil, tooLong(a, size)
	case err != io.EOF:
		return nil, broken(err, "its end")
	}
	return a, nil
}

// Parse is Read for a file in memory. The elements of a plain file are a part
// of b, not a copy, so b must not be changed afterwards.
func Parse(b []byte) (*Array, error) {
	if isGzip(b) {
		return Read(bytes.NewReader(b))
	}
	r := bytes.NewReader(b)
	a, size, err := readHeader(r)
	if err != nil {
		return nil, err
	}
	switch rest := b[len(b)-r.Len():]; {
	case int64(len(rest)) < size:
		return nil, short(int64(len(rest)), size)
	case int64(len(rest)) > size:
		return nil, tooLong(a, size)
	default:
		a.Data = rest[:size:size]
	}
	return a, nil
}

// readHeader reads up to the elements, which take size bytes.
func readHeader(plain io.Reader) (a *Array, size int64, err error) {
	var head [4]byte
	if err := readFull(plain, head[:], "the magic number"); err != nil {
		return nil, 0, err
	}
	a = &Array{Type: Type(head[2])}
	if head[0] != 0 || head[1] != 0 || a.Type.Size() == 0 || head[3] == 0 {
		return nil, 0, fmt.Errorf("idx: %w: it begins with % x, want 00 00, a type (08 for bytes) and a rank; check that this is the right file", ErrFormat, head)
	}
	size = int64(a.Type.Size())
	for i := range int(head[3]) {
		var b [4]byte
		if err := readFull(plain, b[:], "the sizes"); err != nil {
			return nil, 0, err
		}
		d := int64(binary.BigEndian.Uint32(b[:]))
		// Sizes before a zero count too: the product may not pass the bound at any point.
		if d != 0 && size > MaxBytes/d {
			return nil, 0, fmt.Errorf("idx: %w: with dimension %d, of size %d, the header claims more than %d bytes", ErrTooLarge, i, d, MaxBytes)
		}
		size *= d
		a.Shape = append(a.Shape, int(d))
	}
	return a, size, nil
}

func isGzip(b []byte) bool { return len(b) >= 2 && b[0] == 0x1f && b[1] == 0x8b }

func tooLong(a *Array, size int64) error {
	return fmt.Errorf("idx: %w: data follows the %d bytes that shape %v needs", ErrFormat, size, a.Shape)
}

func short(have, size int64) error {
	return broken(io.ErrUnexpectedEOF, fmt.Sprintf("%d of %d bytes of data were there", have, size))
}

// Plain returns r decompressed if it is gzip, else as it is.
func Plain(r io.Reader) (io.Reader, error) {
	b := bufio.NewReaderSize(r, 1<<16)
	if magic, _ := b.Peek(2); !isGzip(magic) {
		return b, nil // A read error comes again with the first read.
	}
	return unzip(b)
}

// readGrowing reads size bytes, doubling its buffer as they come.
func readGrowing(r io.Reader, size int64) ([]byte, error) {
	buf := make([]byte, 0, min(size, firstChunk))
	for int64(len(buf)) < size {
		if len(buf) == cap(buf) {
			grown := make([]byte, len(buf), min(size, 2*int64(cap(buf))))
			copy(grown, buf)
			buf = grown
		}
		n, err := io.ReadFull(r, buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		if err != nil {
			return nil, broken(err, fmt.Sprintf("%d of %d bytes of data were there", len(buf), size))
		}
	}
	return buf, nil
}

func readFull(r io.Reader, b []byte, what string) error {
	if _, err := io.ReadFull(r, b); err != nil {
		return broken(err, what)
	}
	return nil
}

// broken tells an early end from other errors.
func broken(err error, where string) error {
	const advice = "copy or download the file again"
	switch {
	case err == io.EOF || err == io.ErrUnexpectedEOF:
		return fmt.Errorf("idx: %w (%s); %s", ErrTruncated, where, advice)
	case damaged(err):
		return fmt.Errorf("idx: %w (%s): %w; %s", ErrFormat, where, err, advice)
	}
	return fmt.Errorf("idx: reading (%s): %w; %s", where, err, advice)
}

// Write writes a, uncompressed.
func Write(w io.Writer, a *Array) error {
	size := a.Type.Size()
	if size == 0 || len(a.Shape) == 0 || len(a.Shape) > 255 {
		return fmt.Errorf("idx: %w: type %#02x and rank %d cannot be written", ErrFormat, byte(a.Type), len(a.Shape))
	}
	head := []byte{0, 0, byte(a.Type), byte(len(a.Shape))}
	for _, d := range a.Shape {
		if d < 0 || int64(d) > 1<<32-1 || d > 0 && size > MaxBytes/d {
			return fmt.Errorf("idx: %w: shape %v cannot be written", ErrFormat, a.Shape)
		}
		size *= d
		head = binary.BigEndian.AppendUint32(head, uint32(d))
	}
	if size != len(a.Data) {
		return fmt.Errorf("idx: %w: shape %v needs %d bytes, there are %d", ErrFormat, a.Shape, size, len(a.Data))
	}
	if _, err := w.Write(head); err != nil {
		return fmt.Errorf("idx: %w", err)
	}
	if _, err := w.Write(a.Data); err != nil {
		return fmt.Errorf("idx: %w", err)
	}
	return nil
}
