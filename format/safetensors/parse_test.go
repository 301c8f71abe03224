package safetensors

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// raw builds a file from header text and data, valid or not.
func raw(header string, data int) []byte {
	b := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	b = append(b, header...)
	return append(b, make([]byte, data)...)
}

func parseBytes(b []byte) (*File, error) { return Parse(bytes.NewReader(b), int64(len(b))) }

// one is a header of a single tensor.
func one(dtype, shape, offsets string) string {
	return fmt.Sprintf(`{"a":{"dtype":%s,"shape":%s,"data_offsets":%s}}`, dtype, shape, offsets)
}

var good = []struct {
	header string
	data   int
}{
	{`{}`, 0},
	{`{}      `, 0},
	{`{"__metadata__":{"k":"v"}}`, 0},
	{one(`"F32"`, `[2,3]`, `[0,24]`), 24},
	{one(`"F32"`, `[]`, `[0,4]`), 4},
	{one(`"I64"`, `[0,5]`, `[0,0]`), 0},
	{one(`"F33"`, `[3]`, `[0,7]`), 7}, // a type of the future
	{`{"__metadata__":null}`, 0},
	{`{"b":{"data_offsets":[4,6],"dtype":"F16","shape":[1]},"a":{"dtype":"I32","shape":[1],"data_offsets":[0,4]}}`, 6},
	{`{"b":{"data_offsets":[4,4],"dtype":"F16","shape":[0]},"a":{"dtype":"I32","shape":[1],"data_offsets":[0,4]}}`, 4},
}

var bad = []struct {
	name   string
	header string
	data   int
	kind   error
	says   string
}{
	{"empty", ``, 0, ErrFormat, "begin with '{'"},
	{"leading space", ` {}`, 0, ErrFormat, "begin with '{'"},
	{"array", `[]`, 0, ErrFormat, "begin with '{'"},
	{"unterminated", `{"a":`, 0, ErrFormat, "malformed"},
	{"text after", `{}x`, 0, ErrFormat, "after its closing brace"},
	{"two objects", `{}{}`, 0, ErrFormat, "after its closing brace"},
	{"bracket mismatch", `{]`, 0, ErrFormat, "malformed"},
	{"missing comma", one(`"F32"`, `[1 1]`, `[0,4]`), 4, ErrFormat, "malformed"},
	{"number as key", `{1:2}`, 0, ErrFormat, "malformed"},
	{"not UTF-8", "{\"\xff\":{}}", 0, ErrFormat, "UTF-8"},
	{"entry is null", `{"a":null}`, 0, ErrFormat, "JSON object"},
	{"entry is empty", `{"a":{}}`, 0, ErrFormat, "must have dtype"},
	{"unknown key", `{"a":{"x":{"y":[[[]]]}}}`, 0, ErrFormat, `unknown key "x"`},
	{"type not a string", one(`4`, `[1]`, `[0,4]`), 4, ErrFormat, "dtype is not a string"},
	{"type is nested", one(`{"a":"F32"}`, `[1]`, `[0,4]`), 4, ErrFormat, "dtype is not a string"},
	{"shape nested", one(`"F32"`, `[[1]]`, `[0,4]`), 4, ErrFormat, "not a number"},
	{"shape is object", one(`"F32"`, `{}`, `[0,4]`), 4, ErrFormat, "JSON array"},
	{"fraction", one(`"F32"`, `[1.0]`, `[0,4]`), 4, ErrFormat, "1.0"},
	{"exponent", one(`"F32"`, `[1e0]`, `[0,4]`), 4, ErrFormat, "1e0"},
	{"negative dimension", one(`"F32"`, `[-1]`, `[0,4]`), 4, ErrFormat, "-1"},
	{"dimension past int64", one(`"F32"`, `[9223372036854775808]`, `[0,4]`), 4, ErrFormat, "9223372036854775808"},
	{"product overflows", one(`"F32"`, `[4294967296,4294967296]`, `[0,0]`), 0, ErrFormat, "elements"},
	{"product wraps to four", one(`"U8"`, `[9223372036854775807,2,1]`, `[0,4]`), 4, ErrFormat, "elements"},
	{"negative offset", one(`"F32"`, `[1]`, `[-4,0]`), 4, ErrFormat, "-4"},
	{"backward offsets", one(`"F32"`, `[0]`, `[4,0]`), 4, ErrFormat, "begin and an end"},
	{"three offsets", one(`"F32"`, `[1]`, `[0,4,8]`), 4, ErrFormat, "begin and an end"},
	{"size does not match", one(`"F32"`, `[2]`, `[0,4]`), 4, ErrFormat, "need 8 bytes"},
	{"hole", one(`"F32"`, `[1]`, `[4,8]`), 8, ErrFormat, "hole"},
	{"overlap", `{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[4],"data_offsets":[2,6]}}`, 6, ErrFormat, "overlap"},
	{"shared data", `{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}}`, 4, ErrFormat, "overlap"},
	{"data missing", one(`"F32"`, `[1]`, `[0,4]`), 3, ErrTruncated, "only 3 bytes"},
	{"huge tensor", one(`"F32"`, `[1000000000000]`, `[0,4000000000000]`), 4, ErrTruncated, "only 4 bytes"},
	{"data left over", one(`"F32"`, `[1]`, `[0,4]`), 5, ErrFormat, "1 bytes follow"},
	{"name twice", `{"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}`, 0, ErrFormat, "twice"},
	{"name twice, escaped", `{"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"\u0061":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}`, 0, ErrFormat, "twice"},
	{"key twice", `{"a":{"dtype":"U8","dtype":"U8","shape":[0],"data_offsets":[0,0]}}`, 0, ErrFormat, "twice"},
	{"metadata twice", `{"__metadata__":{},"__metadata__":{}}`, 0, ErrFormat, "twice"},
	{"metadata key twice", `{"__metadata__":{"a":"","a":""}}`, 0, ErrFormat, "twice"},
	{"metadata not strings", `{"__metadata__":{"a":1}}`, 0, ErrFormat, "not a string"},
	{"metadata nested", `{"__metadata__":{"a":{}}}`, 0, ErrFormat, "not a string"},
	{"metadata is a list", `{"__metadata__":["a"]}`, 0, ErrFormat, "JSON object"},
}

func TestParseGood(t *testing.T) {
	for _, c := range good {
		if _, err := parseBytes(raw(c.header, c.data)); err != nil {
			t.Errorf("%s: %v", c.header, err)
		}
	}
}

func TestParseBad(t *testing.T) {
	for _, c := range bad {
		_, err := parseBytes(raw(c.header, c.data))
		if !errors.Is(err, c.kind) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: got %v, want %v that says %q", c.name, err, c.kind, c.says)
		}
		var typed *Error
		if !errors.As(err, &typed) || typed.Advice == "" {
			t.Errorf("%s: %v has no advice", c.name, err)
		}
	}
}

func TestParsePrefix(t *testing.T) {
	length := func(n uint64) []byte { return binary.LittleEndian.AppendUint64(nil, n) }
	for _, c := range []struct {
		file []byte
		kind error
	}{
		{nil, ErrTruncated},
		{[]byte{2, 0, 0}, ErrTruncated},
		{length(2), ErrTruncated},
		{length(maxHeader), ErrTruncated},
		{length(maxHeader + 1), ErrFormat},
		{length(1 << 63), ErrFormat},
		{[]byte("PK\x03\x04 a zip archive"), ErrFormat},
	} {
		if _, err := parseBytes(c.file); !errors.Is(err, c.kind) {
			t.Errorf("%q: got %v, want %v", c.file, err, c.kind)
		}
	}
}

// TestEveryTruncationFails cuts a valid file at each byte.
func TestEveryTruncationFails(t *testing.T) {
	whole := raw(one(`"F32"`, `[2,3]`, `[0,24]`), 24)
	for n := range whole {
		if _, err := parseBytes(whole[:n]); !errors.Is(err, ErrTruncated) {
			t.Errorf("cut to %d bytes: got %v, want ErrTruncated", n, err)
		}
	}
}

// TestHostileHeadersAllocateLittle: claims of sizes must cost nothing.
func TestHostileHeadersAllocateLittle(t *testing.T) {
	deep := `{"a":` + strings.Repeat(`[`, 100_000)
	allocated := func(f func()) uint64 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		f()
		runtime.ReadMemStats(&after)
		return after.TotalAlloc - before.TotalAlloc
	}
	if n := allocated(func() {
		for _, c := range bad {
			_, _ = parseBytes(raw(c.header, c.data))
		}
		if _, err := parseBytes(raw(deep, 0)); !errors.Is(err, ErrFormat) {
			t.Errorf("deep nesting: %v", err)
		}
		// A size that is only claimed: the reader holds 8 bytes.
		claimed := binary.LittleEndian.AppendUint64(nil, maxHeader)
		if _, err := Parse(bytes.NewReader(claimed), 1<<40); !errors.Is(err, ErrTruncated) {
			t.Errorf("claimed size: %v", err)
		}
	}); n > 4<<20 {
		t.Errorf("hostile headers allocated %d bytes", n)
	}
}

func TestErrorNamesFileAndTensor(t *testing.T) {
	path := filepath.Join(t.TempDir(), "model.safetensors")
	if err := os.WriteFile(path, raw(one(`"F32"`, `[2]`, `[0,4]`), 4), 0o644); err != nil {
		t.Fatal(err)
	}
	_, err := Open(path)
	if err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), `"a"`) {
		t.Errorf("error %v does not name file and tensor", err)
	}
	long := raw(`{"`+strings.Repeat("n", 10_000)+`":{}}`, 0)
	if _, err := parseBytes(long); err == nil || len(err.Error()) > 500 {
		t.Errorf("error of %d bytes for a long name", len(err.Error()))
	}
	if _, err := Open(filepath.Join(t.TempDir(), "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing file: %v", err)
	}
	if _, err := Open(t.TempDir()); err == nil || !strings.Contains(err.Error(), "folder") {
		t.Errorf("folder: %v", err)
	}
}

func TestReadErrors(t *testing.T) {
	f, err := parseBytes(raw(one(`"F32"`, `[1]`, `[0,4]`), 4))
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := f.ReadF32("b"); !errors.Is(err, ErrNotFound) || !strings.Contains(err.Error(), `"a"`) {
		t.Errorf("unknown name: %v", err)
	}
	if _, _, err := f.ReadI32("a"); !errors.Is(err, ErrDType) {
		t.Errorf("float as int: %v", err)
	}
	f, err = parseBytes(raw(one(`"F8_E4M3"`, `[4]`, `[0,4]`), 4))
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := f.ReadF32("a"); !errors.Is(err, ErrDType) {
		t.Errorf("float8 as float32: %v", err)
	}
	if b, shape, err := f.ReadRaw("a"); err != nil || len(b) != 4 || len(shape) != 1 {
		t.Errorf("float8 raw: %v %v %v", b, shape, err)
	}
}

// shrinking is a file that is cut after its header was read.
type shrinking struct {
	*bytes.Reader
	limit *int64
}

func (s shrinking) ReadAt(b []byte, at int64) (int, error) {
	if at+int64(len(b)) > *s.limit {
		return 0, io.EOF
	}
	return s.Reader.ReadAt(b, at)
}

func TestReadAfterShrinking(t *testing.T) {
	b := raw(one(`"F32"`, `[1]`, `[0,4]`), 4)
	limit := int64(len(b))
	f, err := Parse(shrinking{bytes.NewReader(b), &limit}, limit)
	if err != nil {
		t.Fatal(err)
	}
	limit--
	if _, _, err := f.ReadF32("a"); !errors.Is(err, ErrTruncated) {
		t.Errorf("got %v, want ErrTruncated", err)
	}
}

// A tensor of a type that is not known does not spoil the others, and a file of
// another kind is named with what to do.
func TestOtherFiles(t *testing.T) {
	for file, name := range map[string]string{"one-c64.safetensors": "C64", "one-e8m0.safetensors": "F8_E8M0"} {
		f, err := Open("testdata/" + file)
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		unknown := 0
		for _, n := range f.Names() {
			info, _ := f.Info(n)
			_, _, err := f.ReadF32(n)
			if info.DType.Size() > 0 {
				if err != nil {
					t.Errorf("%s: %v", file, err)
				}
				continue
			}
			unknown++
			if !errors.Is(err, ErrDType) || !strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), "unknown to Weft") {
				t.Errorf("%s: %v", file, err)
			}
			if b, _, err := f.ReadRaw(n); err != nil || int64(len(b)) != info.Bytes() {
				t.Errorf("%s: %d bytes, %v", file, len(b), err)
			}
		}
		if unknown == 0 {
			t.Errorf("%s has no tensor of %s", file, name)
		}
		f.Close()
	}
	f, err := Open("testdata/metadata-null.safetensors")
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	_, err = Open("testdata/state.pth")
	if !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), "a PyTorch file") || !strings.Contains(err.Error(), "torch.load('state.pth'") {
		t.Errorf("state.pth: %v", err)
	}
}
