// The official page offers the batches in two forms, each as an archive that
// people also unpack: records of a label and 3,072 bytes, and Python pickles.

package cifar10

import (
	"archive/tar"
	"bufio"
	"compress/gzip"
	"errors"
	"fmt"
	"github.com/weft-ml/weft/internal/regular"
	"io"
	"path"
	"path/filepath"
	"strings"
)

// maxFile bounds a batch's file; the official ones have 31 MB.
const maxFile = 64 << 20

// fromFolder reads unpacked batches, binary ones with the suffix ".bin", pickles
// without.
func fromFolder(dir, suffix string) (*content, error) {
	c := &content{}
	for i := range batches + 1 {
		name := batchName(i) + suffix
		f, _, err := regular.Open(filepath.Join(dir, name))
		if err != nil {
			return nil, fmt.Errorf("%s is incomplete: %w", dir, err)
		}
		err = c.read(i, name, f)
		if err = errors.Join(err, f.Close()); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// batchName is the file name of batch i, the last being the test batch.
func batchName(i int) string {
	if i == batches {
		return "test_batch"
	}
	return fmt.Sprintf("data_batch_%d", i+1)
}

// fromArchive reads either of the official archives.
func fromArchive(name string) (*content, error) {
	f, _, err := regular.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	c, err := readArchive(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return c, nil
}

func readArchive(r io.Reader) (*content, error) {
	z, err := gzip.NewReader(bufio.NewReaderSize(r, 1<<18))
	if err != nil {
		return nil, err
	}
	c := &content{}
	found := 0
	for t := tar.NewReader(z); found < batches+1; {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("it holds %d of the six batches", found)
		}
		if err != nil {
			return nil, err
		}
		base := path.Base(h.Name)
		for i := range batches + 1 {
			if strings.TrimSuffix(base, ".bin") != batchName(i) {
				continue
			}
			b := c.batch(i)
			if b.labels != nil {
				return nil, fmt.Errorf("%s is in it twice", base)
			}
			if err := c.read(i, base, t); err != nil {
				return nil, err
			}
			found++
		}
	}
	return c, nil
}

func (c *content) batch(i int) *batch {
	if i == batches {
		return &c.test
	}
	return &c.train[i]
}

// read reads batch i from a file of that name, whose suffix tells its form.
func (c *content) read(i int, name string, r io.Reader) error {
	raw, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if len(raw) > maxFile {
		return fmt.Errorf("%s has more than %d bytes", name, maxFile)
	}
	parse := parsePickle
	if strings.HasSuffix(name, ".bin") {
		parse = parseBinary
	}
	b, err := parse(raw)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	*c.batch(i) = b
	return nil
}

// parseBinary takes records apart: a label, then 1,024 red, green and blue
// bytes each.
func parseBinary(raw []byte) (b batch, err error) {
	const record = 1 + imageSize
	n := len(raw) / record
	if n == 0 || len(raw)%record != 0 {
		return b, fmt.Errorf("%d bytes are not whole records of %d", len(raw), record)
	}
	b = batch{make([]uint8, 0, n*imageSize), make([]uint8, 0, n)}
	for i := range n {
		r := raw[i*record : (i+1)*record]
		b.labels = append(b.labels, r[0])
		b.images = append(b.images, r[1:]...)
	}
	return b, nil
}
