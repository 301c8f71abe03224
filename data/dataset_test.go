package data

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
	"io"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// patterned is a data set of n images whose class c has a share of c+1 in
// 1+2+...+classes.
func patterned(n, channels, classes int) *Dataset {
	d := &Dataset{Name: "patterned", N: n, C: channels, H: 3, W: 2, Classes: make([]string, classes)}
	d.Images = make([]uint8, n*d.ImageSize())
	for i := range d.Images {
		d.Images[i] = uint8(i * 31)
	}
	for i := 0; len(d.Labels) < n; i++ {
		d.Labels = append(d.Labels, uint8(i%classes))
		for c := 0; c < i%classes && len(d.Labels) < n; c++ {
			d.Labels = append(d.Labels, uint8(i%classes))
		}
	}
	d.Mean, d.Std = d.Measure()
	return d
}

func TestSplitIsAPartitionAndStratified(t *testing.T) {
	d := patterned(1003, 1, 5)
	for _, fraction := range []float64{0, 0.1, 1.0 / 3, 0.5, 1} {
		train, held := d.Split(fraction, 7)
		all := append(slices.Clone(train), held...)
		slices.Sort(all)
		for i, v := range all {
			if i != v {
				t.Fatalf("%g: not a partition at %d", fraction, i)
			}
		}
		if len(all) != d.N || len(held) != int(math.Round(fraction*float64(d.N))) {
			t.Errorf("%g: %d held of %d", fraction, len(held), len(all))
		}
		if !slices.IsSorted(train) || !slices.IsSorted(held) {
			t.Errorf("%g: not in order", fraction)
		}
		for class, n := range d.Subset(held).Counts() {
			if want := fraction * float64(d.Counts()[class]); math.Abs(float64(n)-want) > 1 {
				t.Errorf("%g: %d held of class %d, want %.1f", fraction, n, class, want)
			}
		}
	}
}

// TestSplitIsPinned: a resumed run must hold back the same images, also after
// an update of this package.
func TestSplitIsPinned(t *testing.T) {
	d := patterned(30, 1, 3)
	_, a := d.Split(0.2, 1)
	_, b := d.Split(0.2, 1)
	_, c := d.Split(0.2, 2)
	if !slices.Equal(a, b) || slices.Equal(a, c) {
		t.Errorf("seed 1 gave %v and %v, seed 2 %v", a, b, c)
	}
	if want := []int{6, 8, 11, 14, 16, 28}; !slices.Equal(a, want) {
		t.Errorf("got %v, want %v", a, want)
	}
}

func TestSplitOddFractions(t *testing.T) {
	d := patterned(10, 1, 2)
	for _, f := range []float64{math.NaN(), -1, math.Inf(-1)} {
		if _, held := d.Split(f, 1); len(held) != 0 {
			t.Errorf("%g held %v", f, held)
		}
	}
	if train, _ := d.Split(7, 1); len(train) != 0 {
		t.Errorf("7 left %v", train)
	}
}

func TestSubset(t *testing.T) {
	d := patterned(10, 3, 2)
	s := d.Subset([]int{7, 0, 7})
	if err := s.Check(); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(s.Image(0), d.Image(7)) || !bytes.Equal(s.Image(1), d.Image(0)) || s.Labels[2] != d.Labels[7] {
		t.Error("images or labels are not those asked for")
	}
	s.Image(0)[0]++
	if bytes.Equal(s.Image(0), d.Image(7)) {
		t.Error("the subset shares memory with its source")
	}
}

func TestMeasure(t *testing.T) {
	d := &Dataset{N: 2, C: 2, H: 1, W: 2, Images: []uint8{0, 255, 51, 51, 0, 255, 51, 51}}
	mean, std := d.Measure()
	if !reflect.DeepEqual(mean, []float32{0.5, 0.2}) || !reflect.DeepEqual(std, []float32{0.5, 0}) {
		t.Errorf("mean %v, std %v", mean, std)
	}
}

func TestCheck(t *testing.T) {
	for says, spoil := range map[string]func(*Dataset){
		"labels, want": func(d *Dataset) { d.Labels = d.Labels[1:] },
		"image bytes":  func(d *Dataset) { d.Images = d.Images[1:] },
		"mean and std": func(d *Dataset) { d.Mean = nil },
		"10 images of": func(d *Dataset) { d.H = 0 },
		"label 1":      func(d *Dataset) { d.Classes = d.Classes[:1] },
	} {
		d := patterned(10, 1, 2)
		if err := d.Check(); err != nil {
			t.Fatal(err)
		}
		spoil(d)
		if err := d.Check(); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: got %v", says, err)
		}
	}
}

func TestContactSheet(t *testing.T) {
	d := &Dataset{Name: "x", N: 2, C: 1, H: 28, W: 28, Images: make([]uint8, 2*784), Labels: []uint8{1, 10}, Classes: make([]string, 11)}
	d.Mean, d.Std = d.Measure()
	d.Image(1)[28*27+3] = 200
	var b bytes.Buffer
	if err := d.ContactSheet(&b, 1, 3); err != nil {
		t.Fatal(err)
	}
	img, err := png.Decode(&b)
	if err != nil {
		t.Fatal(err)
	}
	const zoom = 2
	cellW := 28*zoom + cellGap
	grey := func(x, y int) uint8 { return color.GrayModel.Convert(img.At(x, y)).(color.Gray).Y }
	if x, y := cellGap+cellW+3*zoom, cellGap+labelRow+27*zoom; grey(x, y) != 200 || grey(x+zoom, y) != 0 {
		t.Errorf("the bright pixel of image 1 is not at %d, %d", x, y)
	}
	blue := func(r image.Rectangle) (n int) {
		for y := r.Min.Y; y < r.Max.Y; y++ {
			for x := r.Min.X; x < r.Max.X; x++ {
				if r, _, b, _ := img.At(x, y).RGBA(); r == 0 && b > 0 {
					n++
				}
			}
		}
		return n
	}
	// A 1 has 8 dots in the 3x5 font and a 0 has 12, each glyphScale squared.
	if got := blue(image.Rect(cellGap, 0, cellGap+cellW, labelRow)); got != 8*glyphScale*glyphScale {
		t.Errorf("label 1 has %d pixels", got)
	}
	if got := blue(image.Rect(cellGap+cellW, 0, cellGap+2*cellW, labelRow)); got != 20*glyphScale*glyphScale {
		t.Errorf("label 10 has %d pixels", got)
	}
	for _, size := range [][2]int{{0, 1}, {1, -1}, {1 << 30, 1 << 30}, {100000, 1000}} {
		if err := d.ContactSheet(io.Discard, size[0], size[1]); err == nil {
			t.Errorf("%v was drawn", size)
		}
	}
	if err := patterned(4, 3, 2).ContactSheet(io.Discard, 2, 2); err != nil {
		t.Error(err)
	}
	if err := patterned(4, 2, 2).ContactSheet(io.Discard, 2, 2); err == nil {
		t.Error("two channels were drawn")
	}
}

func FuzzReadDigit(f *testing.F) {
	picture := image.NewGray(image.Rect(0, 0, 40, 30))
	for i := 410; i < 1000; i += 40 {
		picture.Pix[i], picture.Pix[i+1] = 255, 200
	}
	for _, img := range []image.Image{picture, image.NewNRGBA(image.Rect(0, 0, 3, 5)), image.NewPaletted(image.Rect(0, 0, 9, 9), color.Palette{color.Black, color.White})} {
		var b bytes.Buffer
		if err := png.Encode(&b, img); err != nil {
			f.Fatal(err)
		}
		f.Add(b.Bytes())
	}
	f.Add([]byte("\xff\xd8\xff\xe0"))
	f.Fuzz(func(t *testing.T, b []byte) {
		// Few pixels, so that the search is not spent on filling memory.
		out, err := readDigit(bytes.NewReader(b), 1<<16)
		if err != nil {
			return
		}
		if len(out) != DigitSide*DigitSide {
			t.Fatalf("%d bytes", len(out))
		}
		if slices.Max(out) == 0 {
			t.Error("a picture that is not blank became blank")
		}
	})
}
