package idx

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

func encode(t testing.TB, a *Array) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := Write(&b, a); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func compress(b []byte) []byte {
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	_, _ = z.Write(b)
	_ = z.Close()
	return out.Bytes()
}

func large() *Array {
	a := &Array{Type: Uint8, Shape: []int{400, 28, 28}, Data: make([]byte, 400*28*28)}
	for i := range a.Data {
		a.Data[i] = byte(i * i >> 3)
	}
	return a
}

func TestRoundTrip(t *testing.T) {
	for _, a := range []*Array{
		large(),
		{Uint8, []int{3}, []byte{1, 2, 3}},
		{Int8, []int{0, 5}, []byte{}},
		{Int16, []int{2}, []byte{1, 2, 3, 4}},
		{Float64, []int{1, 1, 1, 1}, make([]byte, 8)},
	} {
		b := encode(t, a)
		for name, r := range map[string]io.Reader{
			"plain":        bytes.NewReader(b),
			"gzip":         bytes.NewReader(compress(b)),
			"two members":  bytes.NewReader(append(compress(b[:2]), compress(b[2:])...)),
			"small reads":  iotest.OneByteReader(bytes.NewReader(b)),
			"data and EOF": iotest.DataErrReader(bytes.NewReader(b)),
		} {
			got, err := Read(r)
			if err != nil || !reflect.DeepEqual(got, a) {
				t.Errorf("%s %v: %v", name, a.Shape, err)
			}
		}
	}
}

func TestKnownBytes(t *testing.T) {
	a, err := Read(strings.NewReader("\x00\x00\x08\x02\x00\x00\x00\x02\x00\x00\x00\x03abcdef"))
	if err != nil || a.Type != Uint8 || !reflect.DeepEqual(a.Shape, []int{2, 3}) || string(a.Data) != "abcdef" {
		t.Errorf("got %+v %v", a, err)
	}
}

func TestEveryTruncationFails(t *testing.T) {
	b := encode(t, &Array{Uint8, []int{2, 3}, []byte("abcdef")})
	z := compress(b)
	for n := range b {
		if _, err := Read(bytes.NewReader(b[:n])); !errors.Is(err, ErrTruncated) {
			t.Errorf("cut to %d bytes: %v", n, err)
		}
	}
	for n := range z {
		if _, err := Read(bytes.NewReader(z[:n])); err == nil {
			t.Errorf("gzip cut to %d bytes: no error", n)
		}
	}
}

func TestBadFiles(t *testing.T) {
	whole := "\x00\x00\x08\x01\x00\x00\x00\x02ab"
	flipped := compress([]byte(whole))
	flipped[len(flipped)-5] ^= 1 // In the check sum.
	for name, c := range map[string]struct {
		file string
		kind error
	}{
		"text":              {"<html>not found</html>", ErrFormat},
		"unknown type":      {"\x00\x00\x0a\x01\x00\x00\x00\x02ab", ErrFormat},
		"rank zero":         {"\x00\x00\x08\x00a", ErrFormat},
		"trailing":          {whole + "c", ErrFormat},
		"trailing in gzip":  {string(compress([]byte(whole + "c"))), ErrFormat},
		"gzip sum":          {string(flipped), ErrFormat},
		"huge":              {"\x00\x00\x08\x03\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", ErrTooLarge},
		"huge before zero":  {"\x00\x00\x08\x03\xff\xff\xff\xff\xff\xff\xff\xff\x00\x00\x00\x00", ErrTooLarge},
		"claims a gigabyte": {"\x00\x00\x08\x01\x40\x00\x00\x00abc", ErrTruncated},
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := Read(strings.NewReader(c.file))
		runtime.ReadMemStats(&after)
		if !errors.Is(err, c.kind) {
			t.Errorf("%s: got %v, want %v", name, err, c.kind)
		}
		if n := after.TotalAlloc - before.TotalAlloc; n > 1<<20 {
			t.Errorf("%s: allocated %d bytes", name, n)
		}
	}
	injected := errors.New("injected")
	if _, err := Read(io.MultiReader(strings.NewReader(whole[:9]), iotest.ErrReader(injected))); !errors.Is(err, injected) {
		t.Errorf("read error: %v", err)
	}
}

func TestReadFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x")
	if _, err := ReadFile(path); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
	if err := os.WriteFile(path, []byte{0}, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadFile(path); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("error %v does not name the file", err)
	}
}

func TestWriteRefuses(t *testing.T) {
	for _, a := range []*Array{
		{0, []int{1}, []byte{1}},
		{Uint8, nil, []byte{1}},
		{Uint8, []int{-1}, nil},
		{Uint8, []int{2}, []byte{1}},
		{Uint8, []int{1 << 20, 1 << 20}, nil},
		{Uint8, make([]int, 256), nil},
	} {
		if err := Write(io.Discard, a); !errors.Is(err, ErrFormat) {
			t.Errorf("%v: %v", a.Shape, err)
		}
	}
}

func FuzzRead(f *testing.F) {
	// Small seeds: the search shortens what it finds byte by byte.
	for _, a := range []*Array{{Uint8, []int{2, 4, 5}, make([]byte, 40)}, {Uint8, []int{3}, []byte{1, 2, 3}}, {Float32, []int{1, 2}, make([]byte, 8)}} {
		b := encode(f, a)
		f.Add(b)
		f.Add(compress(b))
	}
	f.Add([]byte("\x00\x00\x08\x03\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"))
	f.Add([]byte("\x00\x00\x08\x01\x40\x00\x00\x00abc"))
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := Read(bytes.NewReader(b))
		p, perr := Parse(b)
		if (err == nil) != (perr == nil) || err != nil && err.Error() != perr.Error() {
			t.Fatalf("Read: %v, Parse: %v", err, perr)
		}
		if err != nil {
			return
		}
		if p.Type != a.Type || !slices.Equal(p.Shape, a.Shape) || !bytes.Equal(p.Data, a.Data) {
			t.Fatalf("Read and Parse differ: %v and %v", a.Shape, p.Shape)
		}
		again := encode(t, a)
		if plain := b[0] == 0; plain && !bytes.Equal(again, b) {
			t.Errorf("%d bytes became %d", len(b), len(again))
		}
	})
}
