// Package mnist loads MNIST (LeCun, Cortes, Burges, 1998) and Fashion-MNIST
// (Xiao, Rasul, Vollgraf, 2017): 60,000 training and 10,000 test images of
// 28x28 grey bytes in ten classes.
//
// What is verified: every MNIST file, wherever it was found, by the SHA-256 of
// its decompressed bytes. Downloaded Fashion-MNIST files by the MD5 sums that
// its authors publish; Fashion-MNIST files from a local folder, which may have
// been compressed anew, only by their sizes, their labels' range and the number
// of images in each class, and by not being MNIST's.
package mnist

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/weft-ml/weft/data"
	"github.com/weft-ml/weft/data/idx"
	"github.com/weft-ml/weft/internal/fetch"
	"github.com/weft-ml/weft/internal/regular"
)

// ErrUnavailable is in the error when the data is neither on this machine nor
// to be had from a mirror. The error's text says why and what to do.
var ErrUnavailable = errors.New("data set is not available")

// Variant chooses the data set.
type Variant int

// The data sets.
const (
	MNIST Variant = iota
	Fashion
)

func (v Variant) spec() *spec {
	if v == Fashion {
		return &fashionSpec
	}
	return &mnistSpec
}

// String is the name in paths and flags: "mnist" or "fashion-mnist".
func (v Variant) String() string { return v.spec().name }

// Options say where to look. The zero value loads MNIST from $WEFT_DATA, the
// cache, or a mirror.
type Options struct {
	Variant Variant
	// Dir is searched first: the folder of the four files, or its parent.
	Dir string
	// Offline forbids downloads.
	Offline bool
	// Progress is told of a download: the file's name, the bytes there are, and
	// the whole size (-1 if unknown).
	Progress func(file string, done, total int64)
}

// Load returns the training and the test set. Files are looked for in
// opts.Dir, then in $WEFT_DATA, each itself and its subfolder of the data
// set's name, plain or gzip, with "-" or "." before "idx" in their names; then
// in the cache ($WEFT_CACHE or the user's cache folder), to which missing ones
// are downloaded.
func Load(ctx context.Context, opts Options) (train, test *data.Dataset, err error) {
	return opts.Variant.spec().load(ctx, opts)
}

func (s *spec) load(ctx context.Context, opts Options) (train, test *data.Dataset, err error) {
	var reasons []error
	roots := []struct{ name, dir string }{{"the given folder", opts.Dir}, {"WEFT_DATA", os.Getenv("WEFT_DATA")}}
	for _, root := range roots {
		if root.dir == "" {
			continue
		}
		train, test, err := s.fromRoot(root.dir)
		if err == nil {
			return train, test, nil
		}
		reasons = append(reasons, fmt.Errorf("%s (%s): %w", root.name, root.dir, err))
	}
	if roots[1].dir == "" {
		reasons = append(reasons, errors.New("WEFT_DATA is not set"))
	}
	train, test, err = s.fromMirrors(ctx, opts)
	if err == nil {
		return train, test, nil
	}
	if ctx.Err() != nil {
		return nil, nil, fmt.Errorf("loading %s: %w", s.title, err)
	}
	return nil, nil, s.unavailable(append(reasons, err))
}

// unavailable is one error of all reasons, which it wraps, with the advice.
func (s *spec) unavailable(reasons []error) error {
	var b strings.Builder
	for _, r := range reasons {
		b.WriteString("\n  " + strings.ReplaceAll(r.Error(), "\n", "\n  "))
	}
	fmt.Fprintf(&b, "\nset WEFT_DATA to a folder that holds %s.gz and its three companions, or use the built-in digits (--data synthetic)", s.files[0].name)
	return &unavailableError{s.title, b.String(), reasons}
}

type unavailableError struct {
	title, text string
	reasons     []error
}

func (e *unavailableError) Error() string {
	return e.title + ": " + ErrUnavailable.Error() + ":" + e.text
}

func (e *unavailableError) Unwrap() []error { return append([]error{ErrUnavailable}, e.reasons...) }

// fromRoot tries root's subfolders and root itself.
func (s *spec) fromRoot(root string) (train, test *data.Dataset, err error) {
	for _, sub := range s.dirs {
		dir := filepath.Join(root, sub)
		if _, ok := find(dir, s.files[0].name); !ok {
			continue
		}
		var arrays [4]*idx.Array
		for i, f := range s.files {
			path, ok := find(dir, f.name)
			if !ok {
				return nil, nil, fmt.Errorf("%s holds %s but not %s", dir, s.files[0].name, f.name)
			}
			if arrays[i], err = f.read(path); err != nil {
				return nil, nil, err
			}
		}
		return s.datasets(arrays, dir)
	}
	return nil, nil, fmt.Errorf("no %s or %s.gz there", s.files[0].name, s.files[0].name)
}

// find looks for the usual spellings of a name.
func find(dir, name string) (string, bool) {
	for _, spelling := range []string{name, strings.Replace(name, "-idx", ".idx", 1)} {
		for _, suffix := range []string{"", ".gz"} {
			path := filepath.Join(dir, spelling+suffix)
			if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
				return path, true
			}
		}
	}
	return "", false
}

// fromMirrors reads from the cache what is there and downloads the rest.
func (s *spec) fromMirrors(ctx context.Context, opts Options) (train, test *data.Dataset, err error) {
	var arrays [4]*idx.Array
	source := s.source
	for i, f := range s.files {
		file := fetch.File{
			Name:     s.name + "/" + f.name + ".gz",
			MaxBytes: 256 << 20,
			// Verifying means reading all of it: keep what was read.
			Verify: func(path string) (err error) {
				if err := f.checkMD5(path); err != nil {
					return err
				}
				arrays[i], err = f.read(path)
				return err
			},
		}
		for _, m := range s.mirrors {
			file.URLs = append(file.URLs, m+f.name+".gz")
		}
		// Few retries: synthetic digits are better than a long wait.
		options := fetch.Options{Offline: opts.Offline, Retries: 1, Stall: 20 * time.Second}
		if opts.Progress != nil {
			options.Progress = func(done, total int64) { opts.Progress(f.name+".gz", done, total) }
		}
		path, err := fetch.Get(ctx, file, options)
		if err != nil {
			return nil, nil, err
		}
		source = filepath.Dir(path)
	}
	return s.datasets(arrays, source)
}

// checkMD5 compares a gzip file with the published sum, if there is one.
func (f *fileSpec) checkMD5(path string) error {
	if f.md5 == "" {
		return nil
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if sum := md5.Sum(b); hex.EncodeToString(sum[:]) != f.md5 {
		return fmt.Errorf("%s: MD5 is %x, want %s", path, sum, f.md5)
	}
	return nil
}

// read reads one file and checks its sum and shape.
func (f *fileSpec) read(path string) (*idx.Array, error) {
	file, _, err := regular.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	plain, err := idx.Plain(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	hash := sha256.New()
	a, err := idx.Read(io.TeeReader(plain, hash))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if a.Type != idx.Uint8 || !slices.Equal(a.Shape, f.shape) {
		return nil, fmt.Errorf("%s: holds type %#02x of shape %v, want bytes of shape %v", path, byte(a.Type), a.Shape, f.shape)
	}
	sum := hex.EncodeToString(hash.Sum(nil))
	if f.sha256 != "" && sum != f.sha256 {
		return nil, fmt.Errorf("%s: SHA-256 of the decompressed bytes is %s, want %s; this is another or a damaged file", path, sum, f.sha256)
	}
	if f.sha256 == "" && slices.ContainsFunc(mnistSpec.files[:], func(m fileSpec) bool { return m.sha256 == sum }) {
		return nil, fmt.Errorf("%s: this is MNIST's file of the same name; put the two data sets into folders of their own", path)
	}
	return a, nil
}

// datasets joins images and labels.
func (s *spec) datasets(arrays [4]*idx.Array, source string) (train, test *data.Dataset, err error) {
	var sets [2]*data.Dataset
	for i, part := range []string{"train", "test"} {
		images, labels := arrays[2*i], arrays[2*i+1]
		d := &data.Dataset{
			Name:   s.name + "-" + part,
			Images: images.Data, Labels: labels.Data,
			N: images.Shape[0], C: 1, H: images.Shape[1], W: images.Shape[2],
			Classes: slices.Clone(s.classes), Source: source,
		}
		if i == 0 {
			d.Mean, d.Std = d.Measure()
		} else {
			d.Mean, d.Std = slices.Clone(sets[0].Mean), slices.Clone(sets[0].Std)
		}
		if err := d.Check(); err != nil {
			return nil, nil, err
		}
		for class, n := range d.Counts() {
			if want := d.N / len(d.Classes); s.balanced && n != want {
				return nil, nil, fmt.Errorf("%s: class %d has %d images, want %d; these are not %s's labels", source, class, n, want, s.title)
			}
		}
		sets[i] = d
	}
	if s.balanced && bytes.Equal(sets[0].Images[:len(sets[1].Images)], sets[1].Images) {
		return nil, nil, fmt.Errorf("%s: training and test images are the same", source)
	}
	return sets[0], sets[1], nil
}
