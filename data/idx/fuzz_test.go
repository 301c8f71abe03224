package idx

import (
	"bytes"
	"compress/gzip"
	"testing"
)

// FuzzGzip compresses what the search makes, so that it gets past the sums of
// gzip, in one or two members, and then cuts or changes a byte of the result.
func FuzzGzip(f *testing.F) {
	b := encode(f, &Array{Uint8, []int{2, 4, 5}, make([]byte, 40)})
	f.Add(b, 20, 0, byte(0))
	f.Add(b[:30], 0, 12, byte(1))
	f.Add([]byte("\x00\x00\x08\x03\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"), 3, 0, byte(0))
	f.Fuzz(func(t *testing.T, plain []byte, split, at int, flip byte) {
		split = min(max(split, 0), len(plain))
		var out bytes.Buffer
		for _, part := range [][]byte{plain[:split], plain[split:]} {
			z := gzip.NewWriter(&out)
			z.Write(part)
			z.Close()
		}
		file := out.Bytes()
		if at > 0 && at < len(file) {
			file[at] ^= flip
		}
		a, err := Read(bytes.NewReader(file))
		if err != nil {
			return
		}
		size := a.Type.Size()
		for _, d := range a.Shape {
			size *= d
		}
		if size != len(a.Data) {
			t.Errorf("%v of type %v has %d bytes", a.Shape, a.Type, len(a.Data))
		}
	})
}
