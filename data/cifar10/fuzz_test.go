package cifar10

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"testing"
)

// FuzzArchive reads archives of any entries, whole and cut short: what is read has
// as many images as labels, and never more than there is.
func FuzzArchive(f *testing.F) {
	good := make([]byte, 3*(1+imageSize))
	f.Add("data_batch_1.bin", good, "test_batch.bin", good, 0, true)
	f.Add("data_batch_1", pickled(batch{make([]uint8, imageSize), []uint8{3}}), "x/data_batch_1", []byte{}, 30, true)
	f.Add("", []byte{}, "../test_batch", []byte{1}, 5, false)
	f.Fuzz(func(t *testing.T, a string, x []byte, b string, y []byte, cut int, packed bool) {
		var out bytes.Buffer
		z := gzip.NewWriter(&out)
		if packed {
			w := tar.NewWriter(z)
			for _, e := range []struct {
				name string
				data []byte
			}{{a, x}, {b, y}, {"data_batch_2.bin", good}, {"data_batch_3.bin", good}, {"data_batch_4.bin", good}, {"data_batch_5.bin", good}} {
				if w.WriteHeader(&tar.Header{Name: e.name, Mode: 0o644, Size: int64(len(e.data))}) == nil {
					w.Write(e.data)
				}
			}
			w.Close()
		} else {
			z.Write(x)
		}
		z.Close()
		file := out.Bytes()
		if cut > 0 && cut < len(file) {
			file = file[:len(file)-cut]
		}
		c, err := readArchive(bytes.NewReader(file))
		if err != nil {
			return
		}
		for i := range batches + 1 {
			if got := c.batch(i); len(got.images) != len(got.labels)*imageSize {
				t.Errorf("batch %d: %d bytes for %d labels", i, len(got.images), len(got.labels))
			}
		}
	})
}
