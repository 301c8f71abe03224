// Package cifar10 loads CIFAR-10 (Krizhevsky, "Learning Multiple Layers of
// Features from Tiny Images", 2009): 50,000 training and 10,000 test images of
// 32x32 colour pixels in ten classes.
//
// The data set comes in several layouts, as files or archives, which all mean
// the same six batches of 10,000 images. Each is brought into the official
// binary form, and a training batch is accepted only if that has the official
// SHA-256, wherever it was found. The test images may be others than the
// official ones, such as JPEG copies: Dataset.Note then says so, since an
// accuracy on them is not comparable with a published one.
package cifar10

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/weft-ml/weft/data"
	"github.com/weft-ml/weft/internal/fetch"
)

// ErrUnavailable is in the error when the data is neither on this machine nor
// to be had from a mirror. The error's text says why and what to do.
var ErrUnavailable = errors.New("data set is not available")

const (
	side      = 32
	imageSize = 3 * side * side
	batches   = 5 // of training
)

// batchSize is smaller in tests, which would else write 180 MB.
var batchSize = 10000

// Classes are the names of the labels 0 to 9.
var Classes = []string{"airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"}

// The SHA-256 sums of the official data_batch_1.bin to data_batch_5.bin and of
// test_batch.bin.
var (
	trainSums = [batches]string{
		"cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5",
		"a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed",
		"bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67",
		"014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48",
		"755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add",
	}
	testSum = "8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b"
)

// Both archives of the official page hold the same images; ours may be either.
var mirrors = []string{
	"https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
	"https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
}

// Options say where to look. The zero value loads CIFAR-10 from $WEFT_DATA, the
// cache, or its page.
type Options struct {
	// Dir is searched first: the folder of the files, or its parent.
	Dir string
	// Offline forbids downloads.
	Offline bool
	// Lossless leaves out test images that are JPEG copies, also if few or none
	// remain.
	Lossless bool
	// Progress is told of a download: the file's name, the bytes there are, and
	// the whole size (-1 if unknown).
	Progress func(file string, done, total int64)
}

// batch is images in the official order of bytes, and their labels.
type batch struct {
	images, labels []uint8
}

// content is what a layout's reader found.
type content struct {
	train [batches]batch
	test  batch
	jpeg  bool // the test images are JPEG copies
}

// Load returns the training set, whose last 10,000 images are batch 5, the
// usual choice to validate on, and the test set. Files are looked for in opts.Dir, then in $WEFT_DATA, each itself
// and its usual subfolders; then in the cache ($WEFT_CACHE or the user's cache
// folder), to which the archive is downloaded.
func Load(ctx context.Context, opts Options) (train, test *data.Dataset, err error) {
	var reasons []error
	roots := []struct{ name, dir string }{{"the given folder", opts.Dir}, {"WEFT_DATA", os.Getenv("WEFT_DATA")}}
	for _, root := range roots {
		if root.dir == "" {
			continue
		}
		c, source, err := fromRoot(root.dir, opts.Lossless)
		if err == nil {
			return datasets(c, source)
		}
		reasons = append(reasons, fmt.Errorf("%s (%s): %w", root.name, root.dir, err))
	}
	if roots[1].dir == "" {
		reasons = append(reasons, errors.New("WEFT_DATA is not set"))
	}
	c, source, err := fromPage(ctx, opts)
	if err == nil {
		return datasets(c, source)
	}
	if ctx.Err() != nil {
		return nil, nil, fmt.Errorf("loading CIFAR-10: %w", err)
	}
	return nil, nil, &unavailableError{append(reasons, err)}
}

type unavailableError struct{ reasons []error }

func (e *unavailableError) Error() string {
	var b strings.Builder
	b.WriteString("CIFAR-10: " + ErrUnavailable.Error() + ":")
	for _, r := range e.reasons {
		b.WriteString("\n  " + strings.ReplaceAll(r.Error(), "\n", "\n  "))
	}
	b.WriteString("\nset WEFT_DATA to a folder that holds cifar-10-binary.tar.gz or cifar-10-python.tar.gz, or use the built-in pictures (--data shapes)")
	return b.String()
}

func (e *unavailableError) Unwrap() []error { return append([]error{ErrUnavailable}, e.reasons...) }

// fromRoot tries root's usual subfolders and root itself, in each all layouts.
func fromRoot(root string, lossless bool) (*content, string, error) {
	for _, sub := range []string{"cifar10", "cifar-10", "CIFAR10", ""} {
		for _, inner := range []string{"", "cifar-10-batches-bin", "cifar-10-batches-py"} {
			dir := filepath.Join(root, sub, inner)
			for _, l := range []struct {
				sign string // the file by which the layout is known
				read func(path string) (*content, error)
			}{
				{"data_batch_1.bin", func(path string) (*content, error) { return fromFolder(filepath.Dir(path), ".bin") }},
				{"data_batch_1", func(path string) (*content, error) { return fromFolder(filepath.Dir(path), "") }},
				{"cifar-10-binary.tar.gz", fromArchive},
				{"cifar-10-python.tar.gz", fromArchive},
				{"lossless/train-00.png", func(string) (*content, error) { return fromSheets(dir, lossless) }},
			} {
				path := filepath.Join(dir, filepath.FromSlash(l.sign))
				if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() {
					continue
				}
				c, err := l.read(path)
				if err != nil {
					return nil, "", err
				}
				if err := c.check(); err != nil {
					return nil, "", fmt.Errorf("%s: %w", path, err)
				}
				return c, dir, nil
			}
		}
	}
	return nil, "", errors.New("no data_batch_1.bin, data_batch_1, cifar-10-binary.tar.gz or cifar-10-python.tar.gz there")
}

// fromPage reads the archive from the cache or downloads it.
func fromPage(ctx context.Context, opts Options) (*content, string, error) {
	var c *content
	file := fetch.File{
		Name: "cifar10/cifar-10.tar.gz", URLs: mirrors, MaxBytes: 512 << 20,
		// Verifying means reading all of it: keep what was read.
		Verify: func(path string) (err error) {
			if c, err = fromArchive(path); err != nil {
				return err
			}
			return c.check()
		},
	}
	options := fetch.Options{Offline: opts.Offline, Retries: 2, Stall: 20 * time.Second}
	if opts.Progress != nil {
		options.Progress = func(done, total int64) { opts.Progress("cifar-10.tar.gz", done, total) }
	}
	path, err := fetch.Get(ctx, file, options)
	return c, path, err
}

// sum is the SHA-256 of a batch in the official binary layout.
func (b *batch) sum() string {
	h := sha256.New()
	for i, l := range b.labels {
		h.Write([]byte{l})
		h.Write(b.images[i*imageSize : (i+1)*imageSize])
	}
	return hex.EncodeToString(h.Sum(nil))
}

// check compares training batches with the official sums, and test images with
// sizes only.
func (c *content) check() error {
	for i := range c.train {
		b := &c.train[i]
		if len(b.labels) != batchSize || len(b.images) != batchSize*imageSize {
			return fmt.Errorf("training batch %d has %d labels and %d bytes of images, want %d and %d", i+1, len(b.labels), len(b.images), batchSize, batchSize*imageSize)
		}
		if got := b.sum(); got != trainSums[i] {
			return fmt.Errorf("training batch %d has the SHA-256 %s, want %s; this is another or a damaged file", i+1, got, trainSums[i])
		}
	}
	if n := len(c.test.labels); n == 0 || n > batchSize || len(c.test.images) != n*imageSize {
		return fmt.Errorf("the test batch has %d labels and %d bytes of images", n, len(c.test.images))
	}
	return nil
}

func datasets(c *content, source string) (train, test *data.Dataset, err error) {
	train = &data.Dataset{Name: "cifar10-train", N: batches * batchSize, C: 3, H: side, W: side, Classes: slices.Clone(Classes), Source: source}
	for _, b := range c.train {
		train.Images = append(train.Images, b.images...)
		train.Labels = append(train.Labels, b.labels...)
	}
	train.Mean, train.Std = train.Measure()
	test = &data.Dataset{Name: "cifar10-test", Images: c.test.images, Labels: c.test.labels, N: len(c.test.labels), C: 3, H: side, W: side,
		Classes: slices.Clone(Classes), Mean: slices.Clone(train.Mean), Std: slices.Clone(train.Std), Source: source}
	switch {
	case c.jpeg:
		test.Note = "the test images are JPEG copies, not the official pixels"
	case test.N < batchSize:
		test.Note = fmt.Sprintf("only the first %d of the %d test images, without loss", test.N, batchSize)
	case c.test.sum() != testSum:
		test.Note = "the test images are not the official ones"
	}
	return train, test, errors.Join(train.Check(), test.Check())
}
