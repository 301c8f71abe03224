package safetensors

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func write(t *testing.T, tensors []Tensor, metadata map[string]string) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := Write(&b, tensors, metadata); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestWriteBytes pins the exact bytes, which follow the reference
// implementation: order, compact JSON, padding.
func TestWriteBytes(t *testing.T) {
	got := write(t, []Tensor{
		{"z", U8, []int{3}, []byte{7, 8, 9}},
		Float32("w<0>", []int{1, 2}, []float32{1, -2}),
		Float32("b", nil, []float32{0.5}),
		Int64("step", []int{1}, []int64{-1}),
	}, map[string]string{"format": "pt", "a": "é\n"})
	header := `{"__metadata__":{"a":"é\n","format":"pt"},` +
		`"step":{"dtype":"I64","shape":[1],"data_offsets":[0,8]},` +
		`"b":{"dtype":"F32","shape":[],"data_offsets":[8,12]},` +
		`"w<0>":{"dtype":"F32","shape":[1,2],"data_offsets":[12,20]},` +
		`"z":{"dtype":"U8","shape":[3],"data_offsets":[20,23]}}`
	for len(header)%8 != 0 {
		header += " "
	}
	want := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	want = append(want, header...)
	want = append(want, "\xff\xff\xff\xff\xff\xff\xff\xff\x00\x00\x00\x3f\x00\x00\x80\x3f\x00\x00\x00\xc0\x07\x08\x09"...)
	if !bytes.Equal(got, want) {
		t.Errorf("got\n%q\nwant\n%q", got, want)
	}
}

func TestRoundTrip(t *testing.T) {
	le := binary.LittleEndian
	f64 := le.AppendUint64(le.AppendUint64(nil, math.Float64bits(0.1)), math.Float64bits(-1e300))
	metadata := map[string]string{"recipe": `{"lr":0.05}`, "": ""}
	tensors := []Tensor{
		Float32("layer.0.weight", []int{2, 3}, []float32{1, 2, 3, 4, 5, float32(math.Inf(-1))}),
		Float16("half", []int{4}, []float32{1, -0.5, 65504, 6e-8}),
		{"bfloat", BF16, []int{1}, []byte{0x80, 0x3f}},
		{"double", F64, []int{2}, f64},
		Int32("i32", []int{2}, []int32{math.MinInt32, 7}),
		Int64("i64", []int{1}, []int64{math.MaxInt64}),
		{"i16", I16, []int{1}, []byte{0xfe, 0xff}},
		{"i8", I8, []int{2}, []byte{0x80, 1}},
		{"u8", U8, []int{1}, []byte{255}},
		{"bool", Bool, []int{3}, []byte{0, 1, 1}},
		{"u64", U64, []int{1}, []byte{0, 0, 0, 0, 0, 0, 0, 0x80}},
		{"empty", F32, []int{0, 4}, nil},
		{"name with \"quotes\", <tags> & \u2028", U8, []int{0}, nil},
	}
	b := write(t, tensors, metadata)
	reversed := append([]Tensor(nil), tensors...)
	for i, j := 0, len(reversed)-1; i < j; i, j = i+1, j-1 {
		reversed[i], reversed[j] = reversed[j], reversed[i]
	}
	if !bytes.Equal(b, write(t, reversed, metadata)) {
		t.Error("the order of the tensors given changes the file")
	}
	f, err := parseBytes(b)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(f.Metadata, metadata) {
		t.Errorf("metadata %v", f.Metadata)
	}
	if len(f.Names()) != len(tensors) {
		t.Errorf("names %v", f.Names())
	}
	for _, want := range tensors {
		info, ok := f.Info(want.Name)
		data, shape, err := f.ReadRaw(want.Name)
		if !ok || err != nil || info.DType != want.DType || !bytes.Equal(data, want.Data) || !reflect.DeepEqual(shape, want.Shape) {
			t.Errorf("%s: %v %v %v %v", want.Name, info, shape, data, err)
		}
		if (f.data+info.begin)%int64(want.DType.Size()) != 0 {
			t.Errorf("%s is not aligned", want.Name)
		}
	}
	for name, want := range map[string][]float32{
		"layer.0.weight": {1, 2, 3, 4, 5, float32(math.Inf(-1))},
		"half":           {1, -0.5, 65504, 1.0 / (1 << 24)},
		"bfloat":         {1},
		"double":         {0.1, float32(math.Inf(-1))},
		"i32":            {-2147483648, 7},
		"bool":           {0, 1, 1},
		"u8":             {255},
		"u64":            {9223372036854775808},
		"empty":          {},
	} {
		if got, _, err := f.ReadF32(name); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s as float32: %v %v, want %v", name, got, err, want)
		}
	}
	for name, want := range map[string][]int64{"i64": {math.MaxInt64}, "i16": {-2}, "i8": {-128, 1}, "u8": {255}, "bool": {0, 1, 1}} {
		if got, _, err := f.ReadI64(name); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s as int64: %v %v, want %v", name, got, err, want)
		}
	}
	if got, _, err := f.ReadI32("i32"); err != nil || !reflect.DeepEqual(got, []int32{math.MinInt32, 7}) {
		t.Errorf("i32: %v %v", got, err)
	}
	if _, _, err := f.ReadI32("i64"); !errors.Is(err, ErrDType) {
		t.Errorf("int64 out of range as int32: %v", err)
	}
	if _, _, err := f.ReadI64("u64"); !errors.Is(err, ErrDType) {
		t.Errorf("uint64 out of range as int64: %v", err)
	}
}

// TestReadManyChunks crosses the conversion buffer's edges.
func TestReadManyChunks(t *testing.T) {
	want := make([]float32, chunkBytes/2+3)
	for i := range want {
		want[i] = float32(i)
	}
	f, err := parseBytes(write(t, []Tensor{Float32("a", []int{len(want)}, want)}, nil))
	if err != nil {
		t.Fatal(err)
	}
	got, _, err := f.ReadF32("a")
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("long tensor differs: %v", err)
	}
}

func TestWriteRefuses(t *testing.T) {
	u8 := func(name string) Tensor { return Tensor{name, U8, []int{1}, []byte{1}} }
	for says, tensors := range map[string][]Tensor{
		"needs 8 bytes": {{"a", F32, []int{2}, make([]byte, 4)}},
		"unknown":       {{"a", "F7", []int{1}, []byte{1}}},
		"negative":      {{"a", U8, []int{-1}, nil}},
		"too large":     {{"a", U8, []int{math.MaxInt, 4}, nil}},
		"twice":         {u8("a"), u8("a")},
		"reserved":      {u8("__metadata__")},
		"UTF-8":         {u8("\xff")},
	} {
		var b bytes.Buffer
		err := Write(&b, tensors, nil)
		if !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), says) || b.Len() != 0 {
			t.Errorf("%s: got %v, %d bytes", says, err, b.Len())
		}
	}
	if err := Write(&bytes.Buffer{}, nil, map[string]string{"a": "\xff"}); !errors.Is(err, ErrFormat) {
		t.Errorf("metadata not UTF-8: %v", err)
	}
}

type failing struct{ after int }

func (w *failing) Write(b []byte) (int, error) {
	if w.after--; w.after < 0 {
		return 0, os.ErrClosed
	}
	return len(b), nil
}

func TestWritePassesWriterErrorsOn(t *testing.T) {
	for n := range 2 {
		if err := Write(&failing{n}, []Tensor{{"a", U8, []int{1}, []byte{1}}}, nil); !errors.Is(err, os.ErrClosed) {
			t.Errorf("writer failing at write %d: %v", n, err)
		}
	}
}

// TestFixtures reads files made by another implementation.
func TestFixtures(t *testing.T) {
	dir := os.Getenv("WEFT_FIXTURES")
	if dir == "" {
		dir = filepath.Join("..", "..", "testdata", "fixtures")
	}
	paths, _ := filepath.Glob(filepath.Join(dir, "*.safetensors"))
	if len(paths) == 0 {
		t.Skip("no fixtures: set WEFT_FIXTURES to their folder")
	}
	for _, path := range paths {
		f, err := Open(path)
		if err != nil {
			t.Error(err)
			continue
		}
		defer f.Close()
		var tensors []Tensor
		for _, name := range f.Names() {
			info, _ := f.Info(name)
			data, shape, err := f.ReadRaw(name)
			if err != nil {
				t.Fatal(err)
			}
			values, _, err := f.ReadF32(name)
			if err != nil || len(values) != info.Len() {
				t.Errorf("%s: %v", name, err)
			}
			if info.DType.Size() > 0 { // others are read and not written
				tensors = append(tensors, Tensor{name, info.DType, shape, data})
			}
		}
		again, err := parseBytes(write(t, tensors, f.Metadata))
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range tensors {
			if data, _, err := again.ReadRaw(want.Name); err != nil || !bytes.Equal(data, want.Data) {
				t.Errorf("%s: %s differs after a round trip: %v", path, want.Name, err)
			}
		}
		t.Logf("%s: %d tensors", filepath.Base(path), len(tensors))
	}
}

func FuzzParse(f *testing.F) {
	for _, c := range good {
		f.Add(raw(c.header, c.data))
	}
	for _, c := range bad {
		f.Add(raw(c.header, c.data))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		file, err := parseBytes(b)
		if err != nil {
			var typed *Error
			if !errors.As(err, &typed) || typed.Error() == "" {
				t.Errorf("%v is not an *Error", err)
			}
			return
		}
		total := 0
		var tensors []Tensor
		for _, name := range file.Names() {
			info, _ := file.Info(name)
			data, shape, err := file.ReadRaw(name)
			if err != nil {
				t.Fatal(err)
			}
			total += len(data)
			_, _, _ = file.ReadF32(name)
			_, _, _ = file.ReadI32(name)
			if info.DType.Size() > 0 { // others are read and not written
				tensors = append(tensors, Tensor{name, info.DType, shape, data})
			}
		}
		if total > len(b) {
			t.Errorf("%d bytes read from a file of %d", total, len(b))
		}
		var out bytes.Buffer
		if err := Write(&out, tensors, file.Metadata); err != nil {
			t.Fatalf("writing what was read: %v", err)
		}
		if _, err := parseBytes(out.Bytes()); err != nil {
			t.Fatalf("reading what was written: %v", err)
		}
	})
}

// The file begins with the header's length, which may be the beginning of any other
// kind of file: 0x580 is that of a pickle.
func TestEveryHeaderLength(t *testing.T) {
	lengths := map[byte]bool{}
	for n := 0; n < 2048; n += 8 {
		b := write(t, []Tensor{Float32("x", []int{1}, []float32{1})}, map[string]string{"": strings.Repeat("x", n)})
		lengths[b[0]] = true
		if _, err := parseBytes(b); err != nil {
			t.Errorf("a file that begins with % x: %v", b[:9], err)
		}
	}
	if !lengths[0x80] {
		t.Errorf("no length ends in 80")
	}
}
