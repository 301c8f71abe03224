package cifar10

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// small makes batches of 1,000 images with sums to match, and nothing that is
// on this machine.
func small(t *testing.T) [batches + 1]batch {
	t.Helper()
	size, sums, test := batchSize, trainSums, testSum
	t.Cleanup(func() { batchSize, trainSums, testSum = size, sums, test })
	batchSize = perSheet
	t.Setenv("WEFT_DATA", "")
	t.Setenv("WEFT_CACHE", t.TempDir())
	var all [batches + 1]batch
	for i := range all {
		rng := rand.New(rand.NewPCG(1, uint64(i)))
		all[i] = batch{make([]uint8, batchSize*imageSize), make([]uint8, batchSize)}
		for j := range all[i].images {
			all[i].images[j] = uint8(rng.Uint32())
		}
		for j := range all[i].labels {
			all[i].labels[j] = uint8(rng.IntN(10))
		}
		if i < batches {
			trainSums[i] = all[i].sum()
		} else {
			testSum = all[i].sum()
		}
	}
	return all
}

func records(b batch) []byte {
	var out []byte
	for i, l := range b.labels {
		out = append(append(out, l), b.images[i*imageSize:(i+1)*imageSize]...)
	}
	return out
}

// pickled is a batch as Python 2 and numpy write it, with the official files'
// keys, in their order.
func pickled(b batch) []byte {
	var w bytes.Buffer
	memo := byte(0)
	put := func() { w.Write([]byte{'q', memo}); memo++ }
	text := func(s string) { w.WriteString("U" + string(rune(len(s))) + s); put() }
	long := func(s []byte) {
		w.WriteByte('T')
		binary.Write(&w, binary.LittleEndian, uint32(len(s)))
		w.Write(s)
		put()
	}
	number := func(n int) {
		switch {
		case n < 256:
			w.Write([]byte{'K', byte(n)})
		case n < 65536:
			w.Write([]byte{'M', byte(n), byte(n >> 8)})
		default:
			w.WriteByte('J')
			binary.Write(&w, binary.LittleEndian, uint32(n))
		}
	}
	w.WriteString("\x80\x02}")
	put()
	w.WriteString("(")
	text("batch_label")
	text("training batch 1 of 5")
	text("labels")
	w.WriteString("]")
	put()
	w.WriteString("(")
	for _, l := range b.labels {
		number(int(l))
	}
	w.WriteString("e")
	text("data")
	w.WriteString("cnumpy.core.multiarray\n_reconstruct\n")
	put()
	w.WriteString("cnumpy\nndarray\n")
	put()
	w.WriteString("K\x00\x85")
	put()
	text("b")
	w.WriteString("\x87")
	put()
	w.WriteString("R")
	put()
	w.WriteString("(K\x01")
	number(len(b.labels))
	number(imageSize)
	w.WriteString("\x86")
	put()
	w.WriteString("cnumpy\ndtype\n")
	put()
	text("u1")
	w.WriteString("K\x00K\x01\x87")
	put()
	w.WriteString("R")
	put()
	w.WriteString("(K\x03")
	text("|")
	w.WriteString("NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00t")
	put()
	w.WriteString("b\x89")
	long(b.images)
	w.WriteString("t")
	put()
	w.WriteString("b")
	text("filenames")
	w.WriteString("](")
	text("leptodactylus_pentadactylus_s_000004.png")
	w.WriteString("eu.")
	return w.Bytes()
}

func write(t *testing.T, path string, b []byte) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, b, 0o644)); err != nil {
		t.Fatal(err)
	}
}

func archive(t *testing.T, files map[string][]byte, order ...string) []byte {
	t.Helper()
	var w bytes.Buffer
	z, _ := gzip.NewWriterLevel(&w, gzip.BestSpeed)
	a := tar.NewWriter(z)
	for _, name := range order {
		if err := a.WriteHeader(&tar.Header{Name: name, Typeflag: tar.TypeReg, Size: int64(len(files[name])), Mode: 0o644}); err != nil {
			t.Fatal(err)
		}
		a.Write(files[name])
	}
	if err := errors.Join(a.Close(), z.Close()); err != nil {
		t.Fatal(err)
	}
	return w.Bytes()
}

// official is an archive of all batches.
func official(t *testing.T, all [batches + 1]batch, folder, suffix string, encode func(batch) []byte) []byte {
	files, order := map[string][]byte{folder + "/readme.html": []byte("<html>")}, []string{folder + "/readme.html"}
	for _, i := range []int{3, 0, 5, 1, 2, 4} {
		name := folder + "/" + batchName(i) + suffix
		files[name], order = encode(all[i]), append(order, name)
	}
	return archive(t, files, order...)
}

func sheet(b batch, from int) *image.RGBA {
	m := image.NewRGBA(image.Rect(0, 0, sheetCols*side, sheetRows*side))
	for i := range perSheet {
		pixels := b.images[(from+i)*imageSize : (from+i+1)*imageSize]
		for y := range side {
			for x := range side {
				p := y*side + x
				m.SetRGBA(i%sheetCols*side+x, i/sheetCols*side+y, color.RGBA{pixels[p], pixels[1024+p], pixels[2048+p], 255})
			}
		}
	}
	return m
}

// sheets writes the layout of pictures, with JPEG copies of the test images if
// that is wanted.
func sheets(t *testing.T, dir string, all [batches + 1]batch, withJPEG bool) {
	t.Helper()
	var labels []byte
	picture := func(m image.Image) []byte {
		var w bytes.Buffer
		if err := (&png.Encoder{CompressionLevel: png.BestSpeed}).Encode(&w, m); err != nil {
			t.Fatal(err)
		}
		return w.Bytes()
	}
	for i, b := range all[:batches] {
		labels = append(labels, b.labels...)
		write(t, filepath.Join(dir, "lossless", fmt.Sprintf("train-%02d.png", i)), picture(sheet(b, 0)))
	}
	write(t, filepath.Join(dir, "train-labels.bin"), labels)
	write(t, filepath.Join(dir, "test-labels.bin"), all[batches].labels)
	m := sheet(all[batches], 0)
	write(t, filepath.Join(dir, "lossless", "test-00.png"), picture(m))
	if !withJPEG {
		return
	}
	files, order := map[string][]byte{}, []string{}
	for i := range batchSize {
		var w bytes.Buffer
		x, y := i%sheetCols*side, i/sheetCols*side
		if err := jpeg.Encode(&w, m.SubImage(image.Rect(x, y, x+side, y+side)), nil); err != nil {
			t.Fatal(err)
		}
		name := fmt.Sprintf("%s/%04d.jpg", Classes[all[batches].labels[i]], i)
		files[name], order = w.Bytes(), append(order, name)
	}
	write(t, filepath.Join(dir, "cifar10-jpeg-test.tar.gz"), archive(t, files, order...))
}

func TestLayouts(t *testing.T) {
	all := small(t)
	for name, put := range map[string]func(dir string){
		"binary": func(dir string) {
			for i, b := range all {
				write(t, filepath.Join(dir, "cifar-10-batches-bin", batchName(i)+".bin"), records(b))
			}
		},
		"python": func(dir string) {
			for i, b := range all {
				write(t, filepath.Join(dir, batchName(i)), pickled(b))
			}
		},
		"binary archive": func(dir string) {
			write(t, filepath.Join(dir, "cifar10", "cifar-10-binary.tar.gz"), official(t, all, "cifar-10-batches-bin", ".bin", records))
		},
		"python archive": func(dir string) {
			write(t, filepath.Join(dir, "cifar-10-python.tar.gz"), official(t, all, "cifar-10-batches-py", "", pickled))
		},
		"sheets":      func(dir string) { sheets(t, filepath.Join(dir, "cifar10"), all, false) },
		"sheets+jpeg": func(dir string) { sheets(t, filepath.Join(dir, "cifar10"), all, true) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			put(dir)
			train, test, err := Load(context.Background(), Options{Dir: dir, Offline: true})
			if err != nil {
				t.Fatal(err)
			}
			var images, labels []uint8
			for _, b := range all[:batches] {
				images, labels = append(images, b.images...), append(labels, b.labels...)
			}
			// The sets were given the official numbers of images.
			if !bytes.Equal(train.Images, images) || !bytes.Equal(train.Labels, labels) || !bytes.Equal(test.Labels, all[batches].labels) {
				t.Error("other training images or labels")
			}
			if same := bytes.Equal(test.Images, all[batches].images); same == (name == "sheets+jpeg") {
				t.Errorf("test images are the same: %v", same)
			}
			if lossy := strings.Contains(test.Note, "JPEG"); lossy != (name == "sheets+jpeg") || !lossy && test.Note != "" {
				t.Errorf("note %q", test.Note)
			}
			if train.Mean[0] != test.Mean[0] || train.Std[2] != test.Std[2] {
				t.Error("the test set has its own mean and deviation")
			}
			if name == "sheets+jpeg" {
				if _, test, err = Load(context.Background(), Options{Dir: dir, Offline: true, Lossless: true}); err != nil || !bytes.Equal(test.Images, all[batches].images) {
					t.Errorf("without loss: %v", err)
				}
			}
		})
	}
}

func TestDamagedFiles(t *testing.T) {
	all := small(t)
	good := official(t, all, "x", ".bin", records)
	other := all
	other[2].labels = append([]uint8(nil), other[2].labels...)
	other[2].labels[7] ^= 1
	for what, c := range map[string]struct{ raw []byte }{
		"unexpected EOF":                   {good[:len(good)/2]},
		"training batch 3 has the SHA-256": {official(t, other, "x", ".bin", records)},
		"holds 0 of the six":               {archive(t, nil)},
		"gzip":                             {[]byte("no archive at all")},
		"whole records":                    {official(t, all, "x", ".bin", func(b batch) []byte { return records(b)[1:] })},
		"not a pickle":                     {official(t, all, "x", "", records)},
	} {
		dir := t.TempDir()
		write(t, filepath.Join(dir, "cifar-10-binary.tar.gz"), c.raw)
		_, _, err := Load(context.Background(), Options{Dir: dir, Offline: true})
		if !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), what) || !strings.Contains(err.Error(), "--data shapes") {
			t.Errorf("want %q: %v", what, err)
		}
	}
	dir := t.TempDir()
	sheets(t, dir, all, false)
	var w bytes.Buffer
	png.Encode(&w, image.NewRGBA(image.Rect(0, 0, 8, 8)))
	write(t, filepath.Join(dir, "lossless", "train-03.png"), w.Bytes())
	if _, _, err := Load(context.Background(), Options{Dir: dir, Offline: true}); err == nil || !strings.Contains(err.Error(), "8x8 pixels") {
		t.Error(err)
	}
}

// TestPickles are what Python 3 makes of the same dictionary, in miniature, and
// files that are out to do harm.
func TestPickles(t *testing.T) {
	b := batch{make([]uint8, 2*imageSize), []uint8{3, 9}}
	b.images[imageSize] = 77
	good := pickled(b)
	got, err := parsePickle(good)
	if err != nil || !bytes.Equal(got.images, b.images) || !bytes.Equal(got.labels, b.labels) {
		t.Fatal(err)
	}
	four := python3(b)
	if got, err := parsePickle(four); err != nil || !bytes.Equal(got.images, b.images) || !bytes.Equal(got.labels, b.labels) {
		t.Fatalf("protocol 4: %v", err)
	}
	for n := range len(good) {
		if n > 300 && n < len(good)-300 && n%97 != 0 {
			continue
		}
		if _, err := parsePickle(good[:n]); !errors.Is(err, errPickle) {
			t.Errorf("the first %d bytes: %v", n, err)
		}
	}
	swap := func(from, to string) []byte { return bytes.Replace(good, []byte(from), []byte(to), 1) }
	for what, raw := range map[string][]byte{
		"a call":          []byte("\x80\x02cos\nsystem\n(U\x09rm -rf / #tR."),
		"a huge string":   []byte("\x80\x02T\xff\xff\xff\xff"),
		"a huge string 8": []byte("\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\x7f"),
		"no end":          bytes.Repeat([]byte("(]"), 1000),
		"too few":         []byte("\x80\x02e."),
		"other labels":    swap("K\x03K\x09", "K\x03K\x0a"),
		"other type":      swap("u1", "i4"),
		"other order":     swap("b\x89T", "b\x88T"),
		"other shape":     swap("M\x00\x0c", "M\x00\x0d"),
		"other rows":      swap("K\x01K\x02M", "K\x01K\x03M"),
		// A tuple that holds twice one that holds twice one, and so on.
		"a bomb": []byte("\x80\x02}U\x06labels]" + "K\x01" + strings.Repeat("q\x00h\x00\x86", 200) + "asU\x04data" + "cn\nd\n)R(K\x01" + strings.Repeat("q\x00h\x00\x86", 200) + "NNNtbs."),
	} {
		if _, err := parsePickle(raw); !errors.Is(err, errPickle) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// TestMutatedPickles changes bytes at random where instructions are.
func TestMutatedPickles(t *testing.T) {
	b := batch{make([]uint8, imageSize), []uint8{3}}
	for _, good := range [][]byte{pickled(b), python3(b)} {
		rng := rand.New(rand.NewPCG(1, 2))
		places := make([]int, 0, 600)
		for i := range good {
			if i < 300 || i >= len(good)-150 {
				places = append(places, i)
			}
		}
		refused := 0
		for range 20000 {
			raw := bytes.Clone(good)
			for range 1 + rng.IntN(3) {
				raw[places[rng.IntN(len(places))]] = uint8(rng.Uint32())
			}
			if _, err := parsePickle(raw); errors.Is(err, errPickle) {
				refused++
			} else if err != nil {
				t.Fatal(err)
			}
		}
		if refused < 5000 {
			t.Errorf("only %d of 20000 changed files were refused", refused)
		}
	}
}

// python3 is the dictionary in protocol 4, with frames, memoized short strings
// and bytes objects.
func python3(b batch) []byte {
	var w bytes.Buffer
	text := func(s string) { w.WriteString("\x8c" + string(rune(len(s))) + s + "\x94") }
	w.WriteString("\x80\x04\x95\x00\x10\x00\x00\x00\x00\x00\x00}\x94(")
	text("labels")
	w.WriteString("]\x94(")
	for _, l := range b.labels {
		w.Write([]byte{'K', l})
	}
	w.WriteString("e")
	text("data")
	text("numpy._core.multiarray")
	text("_reconstruct")
	w.WriteString("\x93\x94")
	text("numpy")
	text("ndarray")
	w.WriteString("\x93\x94K\x00\x85\x94C\x01b\x94\x87\x94R\x94(K\x01K")
	w.WriteByte(byte(len(b.labels)))
	w.WriteString("M\x00\x0c\x86\x94h\x07") // a string that is remembered
	text("dtype")
	w.WriteString("\x93\x94")
	text("u1")
	w.WriteString("\x89\x88\x87\x94R\x94(K\x03")
	text("|")
	w.WriteString("NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00t\x94b\x89B")
	binary.Write(&w, binary.LittleEndian, uint32(len(b.images)))
	w.Write(b.images)
	w.WriteString("\x94t\x94bu.")
	return w.Bytes()
}

func FuzzPickle(f *testing.F) {
	b := batch{make([]uint8, imageSize), []uint8{3}}
	f.Add(pickled(b))
	f.Add(python3(b))
	f.Add([]byte("\x80\x02}q\x00(U\x01aK\x01u."))
	f.Fuzz(func(t *testing.T, raw []byte) {
		b, err := parsePickle(raw)
		if err == nil && len(b.images) != len(b.labels)*imageSize {
			t.Errorf("%d bytes for %d labels", len(b.images), len(b.labels))
		}
		if err != nil && !errors.Is(err, errPickle) {
			t.Error(err)
		}
	})
}

// FuzzSheet reads grids of pictures, and archives of single ones, that anybody
// may have written.
func FuzzSheet(f *testing.F) {
	var sheet bytes.Buffer
	if err := png.Encode(&sheet, image.NewGray(image.Rect(0, 0, sheetCols*side, sheetRows*side))); err != nil {
		f.Fatal(err)
	}
	f.Add(sheet.Bytes()[:100]) // A whole one takes too long, thousands of times.
	var archive, packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	w := tar.NewWriter(z)
	if err := jpeg.Encode(&archive, image.NewGray(image.Rect(0, 0, side, side)), nil); err != nil {
		f.Fatal(err)
	}
	w.WriteHeader(&tar.Header{Name: "0.jpg", Mode: 0o644, Size: int64(archive.Len())})
	w.Write(archive.Bytes())
	w.Close()
	z.Close()
	f.Add(packed.Bytes())
	dst := make([]uint8, perSheet*imageSize)
	f.Fuzz(func(t *testing.T, raw []byte) {
		decodeSheet(raw, dst)
		if images, err := readJPEGs(bytes.NewReader(raw), 1); err == nil && len(images) != imageSize {
			t.Errorf("%d bytes", len(images))
		}
	})
}

// TestOfficialFiles reads what is really on this machine.
func TestOfficialFiles(t *testing.T) {
	train, test, err := Load(context.Background(), Options{Offline: true})
	if errors.Is(err, ErrUnavailable) {
		t.Skip("CIFAR-10 is not on this machine")
	}
	if err != nil {
		t.Fatal(err)
	}
	for class, n := range train.Counts() {
		if n != 5000 {
			t.Errorf("%d training images of %s", n, Classes[class])
		}
	}
	for c, want := range []float32{0.4914, 0.4822, 0.4465} {
		if d := train.Mean[c] - want; d > 1e-4 || d < -1e-4 {
			t.Errorf("mean %v", train.Mean)
		}
	}
	t.Logf("%s: %d training images, %d test images; %s", train.Source, train.N, test.N, test.Note)
}
