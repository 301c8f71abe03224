// The header is read token by token instead of into maps: only so are
// duplicate names seen (a map keeps the last one silently), wrong nesting ends
// the parse at once, and no number passes through a float.

package safetensors

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"sort"
	"strconv"
	"unicode/utf8"
)

// maxHeader is the format's own limit on the JSON header.
const maxHeader = 100_000_000

const metadataKey = "__metadata__"

func quote(s string) string { return strconv.Quote(s) }

// Info describes one tensor of a file.
type Info struct {
	Name  string
	DType DType
	Shape []int // Empty for a scalar.

	begin, end int64 // Within the data section.
}

// Len is the number of elements.
func (i Info) Len() int {
	n := 1
	for _, d := range i.Shape {
		n *= d
	}
	return n
}

// Bytes is the size of the tensor's data.
func (i Info) Bytes() int64 { return i.end - i.begin }

type header struct {
	metadata map[string]string
	tensors  []Info // In the order of their data.
}

type headerParser struct {
	dec  *json.Decoder
	file string
}

func (p *headerParser) errorf(tensor, format string, args ...any) error {
	return &Error{File: p.file, Tensor: tensor, Kind: ErrFormat, Detail: fmt.Sprintf(format, args...), Advice: adviceWrite}
}

// token reads the next token and passes syntax errors on as ours.
func (p *headerParser) token(tensor string) (json.Token, error) {
	tok, err := p.dec.Token()
	if err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return nil, &Error{File: p.file, Tensor: tensor, Kind: ErrFormat, Detail: "the JSON header is malformed", Cause: err, Advice: adviceAgain}
	}
	return tok, nil
}

// open reads the opening delimiter want.
func (p *headerParser) open(want json.Delim, tensor, what string) error {
	tok, err := p.token(tensor)
	if err != nil {
		return err
	}
	if tok != want {
		return p.errorf(tensor, "%s must be a JSON %s", what, map[json.Delim]string{'{': "object", '[': "array"}[want])
	}
	return nil
}

// parseHeader reads the JSON text of a header and checks it against the size
// of the data section.
func parseHeader(file string, text []byte, dataSize int64) (*header, error) {
	p := &headerParser{json.NewDecoder(bytes.NewReader(text)), file}
	p.dec.UseNumber()
	if len(text) == 0 || text[0] != '{' {
		return nil, p.errorf("", "the header does not begin with '{'")
	}
	if !utf8.Valid(text) {
		return nil, p.errorf("", "the header is not UTF-8")
	}
	h := &header{metadata: map[string]string{}}
	if _, err := p.token(""); err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	for p.dec.More() {
		tok, err := p.token("")
		if err != nil {
			return nil, err
		}
		name := tok.(string) // The decoder allows nothing else as a key.
		if seen[name] {
			return nil, p.errorf(name, "the name occurs twice")
		}
		seen[name] = true
		if name == metadataKey {
			err = p.metadata(h.metadata)
		} else {
			var info Info
			info, err = p.tensor(name)
			h.tensors = append(h.tensors, info)
		}
		if err != nil {
			return nil, err
		}
	}
	if _, err := p.token(""); err != nil {
		return nil, err
	}
	for _, c := range text[p.dec.InputOffset():] {
		if !bytes.ContainsRune([]byte(" \t\r\n"), rune(c)) {
			return nil, p.errorf("", "the header has text after its closing brace; only spaces may pad it")
		}
	}
	if err := p.layout(h.tensors, dataSize); err != nil {
		return nil, err
	}
	return h, nil
}

func (p *headerParser) metadata(into map[string]string) error {
	tok, err := p.token("")
	if err != nil || tok == nil { // null, as some writers put for none
		return err
	}
	if tok != json.Delim('{') {
		return p.errorf("", "%s must be a JSON object", metadataKey)
	}
	for p.dec.More() {
		key, err := p.token("")
		if err != nil {
			return err
		}
		value, err := p.token("")
		if err != nil {
			return err
		}
		text, ok := value.(string)
		if !ok {
			return p.errorf("", "metadata %s is not a string", shorten(key.(string)))
		}
		if _, twice := into[key.(string)]; twice {
			return p.errorf("", "metadata %s occurs twice", shorten(key.(string)))
		}
		into[key.(string)] = text
	}
	_, err = p.token("")
	return err
}

func (p *headerParser) tensor(name string) (Info, error) {
	info := Info{Name: name}
	if err := p.open('{', name, "its entry"); err != nil {
		return info, err
	}
	var shape, offsets []int64
	seen := map[string]bool{}
	for p.dec.More() {
		tok, err := p.token(name)
		if err != nil {
			return info, err
		}
		key := tok.(string)
		if seen[key] {
			return info, p.errorf(name, "%s occurs twice", shorten(key))
		}
		seen[key] = true
		switch key {
		case "dtype":
			var tok json.Token
			tok, err = p.token(name)
			if s, ok := tok.(string); ok {
				info.DType = DType(s)
			} else if err == nil {
				err = p.errorf(name, "dtype is not a string")
			}
		case "shape":
			shape, err = p.integers(name, key)
		case "data_offsets":
			offsets, err = p.integers(name, key)
		default:
			err = p.errorf(name, "unknown key %s", shorten(key))
		}
		if err != nil {
			return info, err
		}
	}
	if _, err := p.token(name); err != nil {
		return info, err
	}
	if !seen["dtype"] || !seen["shape"] || !seen["data_offsets"] {
		return info, p.errorf(name, "its entry must have dtype, shape and data_offsets")
	}
	if len(offsets) != 2 || offsets[0] > offsets[1] {
		return info, p.errorf(name, "data_offsets must be a begin and an end not before it")
	}
	info.begin, info.end = offsets[0], offsets[1]
	info.Shape = make([]int, len(shape))
	for i, d := range shape {
		if d > math.MaxInt {
			return info, p.errorf(name, "dimension %d is %d, too large for this platform", i, d)
		}
		info.Shape[i] = int(d)
	}
	size, ok := sizeOf(info.DType, info.Shape)
	if !ok {
		return info, p.errorf(name, "its shape has more elements than any file can hold")
	}
	// The format gets new types (of less than a byte, complex). The other tensors of
	// such a file are as good as ever; this one cannot be converted.
	if info.DType.Size() == 0 {
		if (info.end-info.begin)/16 > size {
			return info, p.errorf(name, "its %d elements of type %s have %d bytes", size, shorten(string(info.DType)), info.end-info.begin)
		}
		return info, nil
	}
	if size != info.end-info.begin {
		return info, p.errorf(name, "its shape and type need %d bytes, its data_offsets span %d", size, info.end-info.begin)
	}
	return info, nil
}

// integers reads an array of non-negative integers in plain decimal notation.
func (p *headerParser) integers(tensor, key string) ([]int64, error) {
	if err := p.open('[', tensor, key); err != nil {
		return nil, err
	}
	var list []int64
	for p.dec.More() {
		tok, err := p.token(tensor)
		if err != nil {
			return nil, err
		}
		num, ok := tok.(json.Number)
		if !ok {
			return nil, p.errorf(tensor, "%s holds something that is not a number", key)
		}
		// ParseUint refuses signs, fractions and exponents.
		v, err := strconv.ParseUint(num.String(), 10, 63)
		if err != nil {
			return nil, p.errorf(tensor, "%s holds %s, which is not an integer from 0 to 2^63-1", key, shorten(num.String()))
		}
		list = append(list, int64(v))
	}
	_, err := p.token(tensor)
	return list, err
}

// layout sorts the tensors by their data and checks that they cover the data
// section exactly: a hole could smuggle other content, an overlap could alias.
func (p *headerParser) layout(tensors []Info, dataSize int64) error {
	sort.Slice(tensors, func(i, j int) bool {
		a, b := tensors[i], tensors[j]
		if a.begin != b.begin {
			return a.begin < b.begin
		}
		if a.end != b.end {
			return a.end < b.end
		}
		return a.Name < b.Name
	})
	var at int64
	for _, t := range tensors {
		if t.end > dataSize {
			return &Error{File: p.file, Tensor: t.Name, Kind: ErrTruncated,
				Detail: fmt.Sprintf("its data ends at byte %d, but only %d bytes of data follow the header", t.end, dataSize), Advice: adviceAgain}
		}
		if t.begin != at {
			return p.errorf(t.Name, "its data begins at byte %d, but the data before it ends at %d: a hole or an overlap", t.begin, at)
		}
		at = t.end
	}
	if at != dataSize {
		return p.errorf("", "%d bytes follow the last tensor", dataSize-at)
	}
	return nil
}

// sizeOf is the bytes of a tensor, false where they overflow.
func sizeOf(dtype DType, shape []int) (int64, bool) {
	size := int64(max(dtype.Size(), 1)) // of a type that is not known, the elements
	for _, d := range shape {
		if d < 0 || d != 0 && size > math.MaxInt64/int64(d) {
			return 0, false
		}
		size *= int64(d)
	}
	return size, size <= math.MaxInt
}
