// Writing is deterministic, so that equal models give equal files: tensors in
// the reference implementation's order (widest element type first, then by
// name), metadata by key, and the header padded with spaces to 8 bytes, which
// together align every tensor to its element size for readers that map files
// into memory.

package safetensors

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"sort"
	"unicode/utf8"
)

// Tensor is a tensor to write: Data is little-endian and row-major, exactly as
// long as Shape and DType say.
type Tensor struct {
	Name  string
	DType DType
	Shape []int
	Data  []byte
}

// Float32 makes a Tensor of type F32. Like the other makers it copies the data.
func Float32(name string, shape []int, data []float32) Tensor {
	b := make([]byte, 4*len(data))
	for i, v := range data {
		binary.LittleEndian.PutUint32(b[4*i:], math.Float32bits(v))
	}
	return Tensor{name, F32, shape, b}
}

// Float16 makes a Tensor of type F16, rounding each value to nearest even.
func Float16(name string, shape []int, data []float32) Tensor {
	b := make([]byte, 2*len(data))
	for i, v := range data {
		binary.LittleEndian.PutUint16(b[2*i:], F16Bits(v))
	}
	return Tensor{name, F16, shape, b}
}

// Int32 makes a Tensor of type I32.
func Int32(name string, shape []int, data []int32) Tensor {
	b := make([]byte, 4*len(data))
	for i, v := range data {
		binary.LittleEndian.PutUint32(b[4*i:], uint32(v))
	}
	return Tensor{name, I32, shape, b}
}

// Int64 makes a Tensor of type I64.
func Int64(name string, shape []int, data []int64) Tensor {
	b := make([]byte, 8*len(data))
	for i, v := range data {
		binary.LittleEndian.PutUint64(b[8*i:], uint64(v))
	}
	return Tensor{name, I64, shape, b}
}

// Write writes the tensors and the metadata (which may be nil) to w. It checks
// all of them before it writes the first byte; it does not change the slice.
func Write(w io.Writer, tensors []Tensor, metadata map[string]string) error {
	sorted := inOrder(tensors)
	header, err := encodeHeader(sorted, metadata)
	if err != nil {
		return err
	}
	return writeAll(w, header, sorted)
}

// inOrder is a sorted copy of tensors.
func inOrder(tensors []Tensor) []Tensor {
	sorted := append([]Tensor(nil), tensors...)
	sort.Slice(sorted, func(i, j int) bool {
		a, b := dtypes[sorted[i].DType].rank, dtypes[sorted[j].DType].rank
		if a != b {
			return a > b
		}
		return sorted[i].Name < sorted[j].Name
	})
	return sorted
}

func writeAll(w io.Writer, header []byte, sorted []Tensor) error {
	if _, err := w.Write(header); err != nil {
		return fmt.Errorf("safetensors: writing the header: %w", err)
	}
	for _, t := range sorted {
		if _, err := w.Write(t.Data); err != nil {
			return fmt.Errorf("safetensors: writing tensor %s: %w", shorten(t.Name), err)
		}
	}
	return nil
}

// encodeHeader gives the length prefix and the padded JSON for tensors that
// are already in order.
func encodeHeader(tensors []Tensor, metadata map[string]string) ([]byte, error) {
	fail := func(name, format string, args ...any) ([]byte, error) {
		return nil, &Error{Tensor: name, Kind: ErrFormat, Detail: fmt.Sprintf(format, args...), Advice: "nothing was written"}
	}
	for k, v := range metadata {
		if !utf8.ValidString(k) || !utf8.ValidString(v) {
			return fail("", "metadata %s is not UTF-8", shorten(k))
		}
	}
	var text bytes.Buffer
	text.Write(make([]byte, 8))
	text.WriteByte('{')
	if len(metadata) > 0 {
		text.WriteString(`"` + metadataKey + `":` + string(encodeJSON(metadata)))
	}
	var at int64
	seen := make(map[string]bool, len(tensors))
	for _, t := range tensors {
		switch size, ok := sizeOf(t.DType, t.Shape); {
		case t.DType.Size() == 0:
			return fail(t.Name, "unknown element type %s", shorten(string(t.DType)))
		case !ok:
			return fail(t.Name, "shape %v is negative or too large", t.Shape)
		case size != int64(len(t.Data)):
			return fail(t.Name, "%s of shape %v needs %d bytes, the data has %d", t.DType, t.Shape, size, len(t.Data))
		case seen[t.Name] || t.Name == metadataKey:
			return fail(t.Name, "the name is used twice or reserved")
		case !utf8.ValidString(t.Name):
			return fail(t.Name, "the name is not UTF-8")
		}
		seen[t.Name] = true
		if text.Len() > 9 {
			text.WriteByte(',')
		}
		shape := t.Shape
		if shape == nil {
			shape = []int{}
		}
		end := at + int64(len(t.Data))
		fmt.Fprintf(&text, `%s:{"dtype":%s,"shape":%s,"data_offsets":[%d,%d]}`, encodeJSON(t.Name), encodeJSON(t.DType), encodeJSON(shape), at, end)
		at = end
	}
	text.WriteByte('}')
	for text.Len()%8 != 0 {
		text.WriteByte(' ')
	}
	b := text.Bytes()
	if len(b)-8 > maxHeader {
		return fail("", "the header has %d bytes, the format allows %d; put large texts into a file of their own", len(b)-8, maxHeader)
	}
	binary.LittleEndian.PutUint64(b, uint64(len(b)-8))
	return b, nil
}

// encodeJSON never fails for the strings, integers and string maps given to
// it; it leaves <, > and & readable, as other writers of the format do.
func encodeJSON(v any) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		panic(err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}
