package data_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"image"
	"image/color"
	"image/draw"
	"image/jpeg"
	"image/png"
	"io"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/weft-ml/weft/data"
	"github.com/weft-ml/weft/data/synthetic"
)

func encodePNG(t testing.TB, img image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// paint enlarges a 28x28 digit zoom times onto a canvas, ink over ground.
func paint(digit []uint8, zoom int, canvas image.Rectangle, at image.Point, ink, ground color.NRGBA) *image.NRGBA {
	img := image.NewNRGBA(canvas)
	draw.Draw(img, canvas, image.NewUniform(ground), image.Point{}, draw.Src)
	mix := func(a, b, v uint8) uint8 { return uint8((int(a)*int(v) + int(b)*(255-int(v))) / 255) }
	for y := range data.DigitSide * zoom {
		for x := range data.DigitSide * zoom {
			v := digit[y/zoom*data.DigitSide+x/zoom]
			if v == 0 {
				continue
			}
			c := color.NRGBA{mix(ink.R, ground.R, v), mix(ink.G, ground.G, v), mix(ink.B, ground.B, v), mix(ink.A, ground.A, v)}
			if ground.A == 0 {
				c = color.NRGBA{ink.R, ink.G, ink.B, v}
			}
			img.SetNRGBA(at.X+x, at.Y+y, c)
		}
	}
	return img
}

func correlation(a, b []uint8) float64 {
	var ma, mb float64
	for i := range a {
		ma += float64(a[i]) / float64(len(a))
		mb += float64(b[i]) / float64(len(b))
	}
	var ab, aa, bb float64
	for i := range a {
		x, y := float64(a[i])-ma, float64(b[i])-mb
		ab, aa, bb = ab+x*y, aa+x*x, bb+y*y
	}
	return ab / math.Sqrt(aa*bb)
}

func TestReadDigitFindsTheDigit(t *testing.T) {
	digits := synthetic.Digits(10, 3)
	var (
		black, white = color.NRGBA{0, 0, 0, 255}, color.NRGBA{255, 255, 255, 255}
		blue, paper  = color.NRGBA{20, 40, 160, 255}, color.NRGBA{230, 225, 200, 255}
		clear        = color.NRGBA{}
	)
	for i := range digits.N {
		digit := digits.Image(i)
		for name, img := range map[string]image.Image{
			"white on black":       paint(digit, 10, image.Rect(0, 0, 280, 280), image.Point{}, white, black),
			"black on white":       paint(digit, 10, image.Rect(0, 0, 280, 280), image.Point{}, black, white),
			"in a corner":          paint(digit, 7, image.Rect(0, 0, 900, 600), image.Pt(690, 30), black, white),
			"blue on paper":        paint(digit, 30, image.Rect(0, 0, 900, 1200), image.Pt(20, 300), blue, paper),
			"black on transparent": paint(digit, 10, image.Rect(0, 0, 280, 280), image.Point{}, black, clear),
			"white on transparent": paint(digit, 10, image.Rect(0, 0, 280, 280), image.Point{}, white, clear),
			"28x28 inverted":       paint(digit, 1, image.Rect(0, 0, 28, 28), image.Point{}, black, white),
			"bounds not at origin": paint(digit, 10, image.Rect(-50, 70, 300, 400), image.Pt(-20, 90), black, white),
		} {
			got, err := data.DigitFromImage(img)
			if err != nil {
				t.Errorf("%d %s: %v", i, name, err)
				continue
			}
			if r := correlation(got, digit); r < 0.9 {
				t.Errorf("%d %s: correlation with the original is %.3f", i, name, r)
			}
			var photo bytes.Buffer
			if err := jpeg.Encode(&photo, img, nil); err != nil {
				t.Fatal(err)
			}
			if strings.Contains(name, "transparent") {
				continue // JPEG has no transparency.
			}
			got, err = data.ReadDigit(&photo)
			if err != nil || correlation(got, digit) < 0.85 {
				t.Errorf("%d %s as JPEG: %v, correlation %.3f", i, name, err, correlation(got, digit))
			}
		}
	}
}

// TestThinLineIsBright: a line of a pixel or two in a large drawing must not
// vanish when it is reduced.
func TestThinLineIsBright(t *testing.T) {
	img := image.NewGray(image.Rect(0, 0, 400, 400))
	for y := 50; y < 350; y++ {
		img.SetGray(200, y, color.Gray{255})
		img.SetGray(201, y, color.Gray{255})
	}
	got, err := data.DigitFromImage(img)
	if err != nil {
		t.Fatal(err)
	}
	rows := 0
	for y := range data.DigitSide {
		if got[y*data.DigitSide+14] > 200 {
			rows++
		}
	}
	if rows != 20 {
		t.Errorf("the line covers %d rows, want 20", rows)
	}
}

func TestMNISTFormPassesUnchanged(t *testing.T) {
	digits := synthetic.Digits(300, 4)
	same := 0
	for i := range digits.N {
		gray := &image.Gray{Pix: digits.Image(i), Stride: 28, Rect: image.Rect(0, 0, 28, 28)}
		got, err := data.ReadDigit(bytes.NewReader(encodePNG(t, gray)))
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Equal(got, digits.Image(i)) {
			same++
		}
	}
	if same != digits.N {
		t.Errorf("%d of %d pictures in MNIST's form came back unchanged", same, digits.N)
	}
}

func TestBlank(t *testing.T) {
	shade := image.NewGray(image.Rect(0, 0, 100, 100))
	for i := range shade.Pix {
		shade.Pix[i] = uint8(200 + i%20)
	}
	for name, img := range map[string]image.Image{
		"black":       image.NewGray(image.Rect(0, 0, 50, 50)),
		"transparent": image.NewNRGBA(image.Rect(0, 0, 50, 50)),
		"white":       paint(make([]uint8, 784), 1, image.Rect(0, 0, 28, 28), image.Point{}, color.NRGBA{}, color.NRGBA{255, 255, 255, 255}),
		"noise":       shade,
		"28x28 black": image.NewGray(image.Rect(0, 0, 28, 28)),
		"one pixel":   image.NewGray(image.Rect(0, 0, 1, 1)),
		"no pixels":   image.NewGray(image.Rect(0, 0, 0, 9)),
	} {
		if _, err := data.DigitFromImage(img); !errors.Is(err, data.ErrBlank) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// header is a PNG that claims a size and ends after its header.
func header(w, h uint32) []byte {
	body := append([]byte("IHDR"), binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, w), h)...)
	body = append(body, 16, 6, 0, 0, 0) // 16 bits, RGBA.
	b := append([]byte("\x89PNG\r\n\x1a\n\x00\x00\x00\x0d"), body...)
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(body))
}

func TestBadPictures(t *testing.T) {
	whole := encodePNG(t, image.NewGray(image.Rect(0, 0, 100, 100)))
	for name, c := range map[string]struct {
		file []byte
		kind error
	}{
		"empty":        {nil, data.ErrImage},
		"text":         {[]byte("hello"), data.ErrImage},
		"svg":          {[]byte(`<svg xmlns="http://www.w3.org/2000/svg"/>`), data.ErrImage},
		"truncated":    {whole[:len(whole)/2], data.ErrImage},
		"100 MP":       {header(10000, 10000), data.ErrImageTooLarge},
		"2^62 pixels":  {header(1<<31-1, 1<<31-1), data.ErrImageTooLarge},
		"claims 60 MP": {header(7750, 7750), data.ErrImage},
		"zero":         {header(0, 5), data.ErrImage},
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := data.ReadDigit(bytes.NewReader(c.file))
		runtime.ReadMemStats(&after)
		if !errors.Is(err, c.kind) {
			t.Errorf("%s: got %v, want %v", name, err, c.kind)
		}
		if n := after.TotalAlloc - before.TotalAlloc; n > 4<<20 {
			t.Errorf("%s: allocated %d bytes", name, n)
		}
	}
	if _, err := data.ReadDigit(io.MultiReader(bytes.NewReader(whole), endless{})); !errors.Is(err, data.ErrImageTooLarge) {
		t.Errorf("endless file: %v", err)
	}
}

type endless struct{}

func (endless) Read(b []byte) (int, error) { return len(b), nil }

func TestPictureFromFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "digit.png")
	if _, err := data.PictureFromFile(path); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
	if err := os.WriteFile(path, []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := data.PictureFromFile(path); !errors.Is(err, data.ErrImage) || !strings.Contains(err.Error(), path) {
		t.Errorf("got %v", err)
	}
}
