package data

import (
	"bytes"
	"errors"
	"image"
	"image/color"
	"image/jpeg"
	"math/rand/v2"
	"testing"
)

// gradient is red from left to right and green from top to bottom.
func gradient(w, h int) *image.NRGBA {
	img := image.NewNRGBA(image.Rect(3, 5, 3+w, 5+h))
	for y := range h {
		for x := range w {
			img.SetNRGBA(3+x, 5+y, color.NRGBA{uint8(255 * x / max(1, w-1)), uint8(255 * y / max(1, h-1)), 7, 255})
		}
	}
	return img
}

func TestCutImage(t *testing.T) {
	// A picture of the input's size stays as it is.
	small := gradient(6, 4)
	got, err := CutImage(small, 3, 4, 6, 0)
	if err != nil {
		t.Fatal(err)
	}
	for y := range 4 {
		for x := range 6 {
			c := small.NRGBAAt(3+x, 5+y)
			if at := y*6 + x; got[at] != c.R || got[24+at] != c.G || got[48+at] != c.B {
				t.Fatalf("pixel %d, %d: %d %d %d, want %v", x, y, got[at], got[24+at], got[48+at], c)
			}
		}
	}
	// 512x256 becomes 64x32, of which the middle 16x16 begins at 24, 8: in the
	// middle of the picture both colours are half, and change linearly.
	if got, err = CutImage(gradient(512, 256), 3, 16, 16, 32); err != nil {
		t.Fatal(err)
	}
	for y := range 16 {
		for x := range 16 {
			r, g := 255*(float64(24+x)+0.5)/64, 255*(float64(8+y)+0.5)/32
			if dr, dg := float64(got[y*16+x])-r, float64(got[256+y*16+x])-g; dr*dr > 2 || dg*dg > 2 {
				t.Fatalf("pixel %d, %d: %d and %d, want %.1f and %.1f", x, y, got[y*16+x], got[256+y*16+x], r, g)
			}
		}
	}
	// Transparency is white, one channel is the luminance, and whatever the
	// sizes, the input is covered.
	clear := image.NewNRGBA(image.Rect(0, 0, 1, 300))
	if got, err = CutImage(clear, 1, 5, 9, 7); err != nil || len(got) != 45 || got[0] != 255 || got[44] != 255 {
		t.Errorf("%v, %v", got, err)
	}
	for range 200 {
		w, h := 1+rand.IntN(300), 1+rand.IntN(300)
		if got, err := CutImage(gradient(w, h), 3, 1+rand.IntN(40), 1+rand.IntN(40), rand.IntN(50)); err != nil || got[len(got)-1] != 7 {
			t.Fatalf("%dx%d: %v", w, h, err)
		}
	}
	if _, err := CutImage(image.NewGray(image.Rectangle{}), 1, 2, 2, 0); !errors.Is(err, ErrBlank) {
		t.Error(err)
	}
	if _, err := CutImage(clear, 2, 2, 2, 0); err == nil {
		t.Error("two channels")
	}
}

// oriented is a JPEG file of img with an Exif orientation.
func oriented(t testing.TB, img image.Image, tiff string) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, img, &jpeg.Options{Quality: 100}); err != nil {
		t.Fatal(err)
	}
	exif := "Exif\x00\x00" + tiff
	app1 := append([]byte{0xff, 0xe1, byte((len(exif) + 2) >> 8), byte(len(exif) + 2)}, exif...)
	return bytes.Join([][]byte{b.Bytes()[:2], app1, b.Bytes()[2:]}, nil)
}

// TestOrientation stores the same picture in each way and reads it back.
func TestOrientation(t *testing.T) {
	want := gradient(64, 32)
	for o := 1; o <= 8; o++ {
		// What a camera held like that stores is what turns back into the picture.
		stored := image.NewNRGBA(image.Rect(0, 0, 64, 32))
		if o >= 5 {
			stored = image.NewNRGBA(image.Rect(0, 0, 32, 64))
		}
		view := &turned{stored, o}
		for y := range 32 {
			for x := range 64 {
				sx, sy := view.source(x, y)
				stored.Set(sx, sy, want.At(3+x, 5+y))
			}
		}
		for _, tiff := range []string{
			"II*\x00\x08\x00\x00\x00\x01\x00\x12\x01\x03\x00\x01\x00\x00\x00" + string(rune(o)) + "\x00\x00\x00",
			"MM\x00*\x00\x00\x00\x08\x00\x02\x01\x00\x00\x03\x00\x00\x00\x01\x00\x05\x00\x00\x01\x12\x00\x03\x00\x00\x00\x01\x00" + string(rune(o)) + "\x00\x00",
		} {
			file := oriented(t, stored, tiff)
			if got := orientationOf("jpeg", file); got != o {
				t.Fatalf("orientation %d, want %d", got, o)
			}
			img, err := ReadPicture(bytes.NewReader(file))
			if err != nil || img.Bounds().Dx() != 64 || img.Bounds().Dy() != 32 {
				t.Fatalf("orientation %d: %v", o, err)
			}
			left, _, _, _ := img.At(2, 16).RGBA()
			right, _, _, _ := img.At(61, 16).RGBA()
			_, top, _, _ := img.At(32, 2).RGBA()
			_, bottom, _, _ := img.At(32, 29).RGBA()
			if left > 0x3000 || right < 0xd000 || top > 0x3000 || bottom < 0xd000 {
				t.Errorf("orientation %d: red %x to %x, green %x to %x", o, left, right, top, bottom)
			}
		}
	}
	// The sides of orientation 6, the commonest one of phones, by hand: the
	// stored left edge is the top of the picture.
	if x, y := (&turned{image.NewGray(image.Rect(0, 0, 4, 3)), 6}).source(0, 0); x != 0 || y != 2 {
		t.Errorf("the upper left pixel is stored at %d, %d", x, y)
	}
}

func FuzzOrientation(f *testing.F) {
	file := oriented(f, gradient(8, 8), "II*\x00\x08\x00\x00\x00\x01\x00\x12\x01\x03\x00\x01\x00\x00\x00\x06\x00\x00\x00")
	f.Add(file[:60])
	f.Fuzz(func(t *testing.T, b []byte) {
		if o := orientationOf("jpeg", b); o < 1 || o > 8 {
			t.Error(o)
		}
	})
}

// A picture that lies on its side and says so is the same in every format.
func TestTurnedPictures(t *testing.T) {
	want, err := PictureFromFile("testdata/upright.png")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"turned.png", "turned.webp"} {
		got, err := PictureFromFile("testdata/" + name)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got.Bounds().Size() != want.Bounds().Size() {
			t.Errorf("%s: %v, want %v", name, got.Bounds(), want.Bounds())
			continue
		}
		for y := range want.Bounds().Dy() {
			for x := range want.Bounds().Dx() {
				r, _, _, _ := got.At(got.Bounds().Min.X+x, got.Bounds().Min.Y+y).RGBA()
				if w, _, _, _ := want.At(want.Bounds().Min.X+x, want.Bounds().Min.Y+y).RGBA(); r>>8 != w>>8 {
					t.Fatalf("%s: %d at %d, %d, want %d", name, r>>8, x, y, w>>8)
				}
			}
		}
	}
	for _, b := range []string{"", "\x89PNG\r\n\x1a\n\xff\xff\xff\xffeXIf", "RIFF\x00\x00\x00\x00WEBPEXIF\x01\x00\x00\x00I"} {
		for _, format := range []string{"png", "webp", "gif"} {
			if o := orientationOf(format, []byte(b)); o != 1 {
				t.Errorf("%s of %q: %d", format, b, o)
			}
		}
	}
}
