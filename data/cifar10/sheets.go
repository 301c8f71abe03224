// A third layout is for repositories in which binary files of 31 MB are a
// burden: pictures of 1,000 images each, in a grid of 40 columns of 32x32
// pixels, as PNG, which loses nothing, with labels in files of their own. Test
// images of which only JPEG copies could be had lie in an archive, a file each,
// in the official order.

package cifar10

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	"image/png"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"sync"
)

const (
	perSheet  = 1000
	sheetCols = 40
	sheetRows = perSheet / sheetCols
	maxJPEG   = 64 << 10 // of one image, which has about 900 bytes
)

// fromSheets reads lossless/train-00.png to train-49.png and the test images:
// cifar10-jpeg-test.tar.gz or, if that is not there or lossless is set,
// lossless/test-00.png and so on as far as they go.
func fromSheets(dir string, lossless bool) (*content, error) {
	labels, err := os.ReadFile(filepath.Join(dir, "train-labels.bin"))
	if err != nil {
		return nil, err
	}
	testLabels, err := os.ReadFile(filepath.Join(dir, "test-labels.bin"))
	if err != nil {
		return nil, err
	}
	if len(labels) != batches*batchSize || len(testLabels) != batchSize {
		return nil, fmt.Errorf("%s: %d and %d labels, want %d and %d", dir, len(labels), len(testLabels), batches*batchSize, batchSize)
	}
	sheets := batches * batchSize / perSheet
	images := make([]uint8, batches*batchSize*imageSize)
	if err := eachSheet(sheets, func(k int) error {
		return readSheet(filepath.Join(dir, "lossless", fmt.Sprintf("train-%02d.png", k)), images[k*perSheet*imageSize:(k+1)*perSheet*imageSize])
	}); err != nil {
		return nil, err
	}
	c := &content{}
	for i := range c.train {
		c.train[i] = batch{images[i*batchSize*imageSize : (i+1)*batchSize*imageSize], labels[i*batchSize : (i+1)*batchSize]}
	}
	if f, err := os.Open(filepath.Join(dir, "cifar10-jpeg-test.tar.gz")); err == nil && !lossless {
		defer f.Close()
		c.jpeg = true
		if c.test.images, err = readJPEGs(f, batchSize); err != nil {
			return nil, fmt.Errorf("%s: %w", f.Name(), err)
		}
	}
	for k := 0; !c.jpeg && k < batchSize/perSheet; k++ {
		path := filepath.Join(dir, "lossless", fmt.Sprintf("test-%02d.png", k))
		if _, err := os.Stat(path); err != nil && k > 0 {
			break
		}
		part := make([]uint8, perSheet*imageSize)
		if err := readSheet(path, part); err != nil {
			return nil, err
		}
		c.test.images = append(c.test.images, part...)
	}
	c.test.labels = testLabels[:len(c.test.images)/imageSize]
	return c, nil
}

// eachSheet calls f for 0..n-1, several at a time.
func eachSheet(n int, f func(k int) error) error {
	errs := make([]error, n)
	next := make(chan int)
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for k := range next {
				errs[k] = f(k)
			}
		})
	}
	for k := range n {
		next <- k
	}
	close(next)
	workers.Wait()
	return errors.Join(errs...)
}

// readSheet takes a grid apart into dst.
func readSheet(path string, dst []uint8) error {
	raw, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := decodeSheet(raw, dst); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// decodeSheet is readSheet for a file in memory.
func decodeSheet(raw, dst []uint8) error {
	// The size is looked at first: a small file may claim a huge picture.
	c, err := png.DecodeConfig(bytes.NewReader(raw))
	if err == nil && (c.Width != sheetCols*side || c.Height != sheetRows*side) {
		err = fmt.Errorf("it is %dx%d pixels, want %dx%d", c.Width, c.Height, sheetCols*side, sheetRows*side)
	}
	var m image.Image
	if err == nil {
		m, err = png.Decode(bytes.NewReader(raw))
	}
	if err != nil {
		return err
	}
	for i := range perSheet {
		planes(m, side*(i%sheetCols), side*(i/sheetCols), dst[i*imageSize:(i+1)*imageSize])
	}
	return nil
}

// planes writes the 32x32 pixels from x, y on as red, green and blue planes.
func planes(m image.Image, x, y int, dst []uint8) {
	const plane = side * side
	o := m.Bounds().Min
	rgba, _ := m.(*image.RGBA)
	for row := range side {
		for col := range side {
			i := row*side + col
			if rgba != nil {
				p := rgba.Pix[rgba.PixOffset(o.X+x+col, o.Y+y+row):]
				dst[i], dst[plane+i], dst[2*plane+i] = p[0], p[1], p[2]
				continue
			}
			r, g, b, _ := m.At(o.X+x+col, o.Y+y+row).RGBA()
			dst[i], dst[plane+i], dst[2*plane+i] = uint8(r>>8), uint8(g>>8), uint8(b>>8)
		}
	}
}

// readJPEGs reads exactly n images of an archive, in its order.
func readJPEGs(r io.Reader, n int) ([]uint8, error) {
	z, err := gzip.NewReader(bufio.NewReader(r))
	if err != nil {
		return nil, err
	}
	images := make([]uint8, 0, n*imageSize)
	t := tar.NewReader(z)
	for i := 0; i < n; {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("it holds %d images, want %d", i, n)
		}
		if err != nil {
			return nil, err
		}
		if h.Typeflag != tar.TypeReg {
			continue
		}
		raw, err := io.ReadAll(io.LimitReader(t, maxJPEG))
		if err != nil {
			return nil, err
		}
		c, err := jpeg.DecodeConfig(bytes.NewReader(raw))
		if err == nil && (c.Width != side || c.Height != side) {
			err = fmt.Errorf("it is %dx%d pixels", c.Width, c.Height)
		}
		var m image.Image
		if err == nil {
			m, err = jpeg.Decode(bytes.NewReader(raw))
		}
		if err != nil {
			return nil, fmt.Errorf("image %d, %s: %w", i, h.Name, err)
		}
		images = images[:len(images)+imageSize]
		planes(m, 0, 0, images[i*imageSize:])
		i++
	}
	return images, nil
}
