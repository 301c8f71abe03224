// A picture from anywhere becomes what an image classifier was tested on: the
// shorter side resized to what the network's authors say, the middle cut out.
// The rules are those of the page module's web/player/module/input.js, so that a
// model answers here as in a page, but for rounding: here pixels are bytes, as in
// training, and a page lets the browser shrink huge pictures first.

package data

import (
	"bytes"
	"errors"
	"fmt"
	"github.com/weft-ml/weft/internal/regular"
	"image"
	"io"
	"math"
	"strings"
)

// What can be wrong with a picture, for errors.Is.
var (
	// ErrImage: not a PNG, JPEG or WebP picture, or a damaged one.
	ErrImage = errors.New("not a readable PNG, JPEG or WebP picture")
	// ErrImageTooLarge: more pixels or bytes than are decoded.
	ErrImageTooLarge = errors.New("picture is too large")
	// ErrBlank: nothing stands out from the background.
	ErrBlank = errors.New("picture is blank")
)

const (
	maxPicturePixels = 64 << 20
	maxPictureBytes  = 128 << 20
)

// PictureFromFile is ReadPicture for the file at path.
func PictureFromFile(path string) (image.Image, error) {
	f, _, err := regular.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	img, err := ReadPicture(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return img, nil
}

// ReadPicture decodes a PNG, JPEG or WebP picture of up to 64 megapixels, which is
// checked before decoding, turned as the camera was held. Compiled for a browser it reads none, since the page
// decodes pictures itself.
func ReadPicture(r io.Reader) (image.Image, error) { return readPicture(r, maxPicturePixels) }

func readPicture(r io.Reader, maxPixels int) (image.Image, error) {
	file, err := io.ReadAll(io.LimitReader(r, maxPictureBytes+1))
	if err != nil {
		return nil, fmt.Errorf("reading a picture: %w", err)
	}
	if len(file) > maxPictureBytes {
		return nil, fmt.Errorf("%w: more than %d MiB; make it smaller", ErrImageTooLarge, maxPictureBytes>>20)
	}
	const advice = "save it as PNG, JPEG or WebP again"
	config, format, err := image.DecodeConfig(bytes.NewReader(file))
	if err != nil {
		// Decoders refuse sizes past the range of int in their own words.
		if strings.Contains(err.Error(), "dimension overflow") {
			return nil, fmt.Errorf("%w: %w; make it smaller", ErrImageTooLarge, err)
		}
		return nil, fmt.Errorf("%w: %w; %s", ErrImage, err, advice)
	}
	if config.Width <= 0 || config.Height <= 0 {
		return nil, fmt.Errorf("%w: %dx%d pixels; %s", ErrImage, config.Width, config.Height, advice)
	}
	if config.Width > maxPixels/config.Height {
		return nil, fmt.Errorf("%w: %dx%d pixels, at most %d million are read; make it smaller", ErrImageTooLarge, config.Width, config.Height, maxPixels>>20)
	}
	// Deflate shrinks at most 1032 times, and a pixel has at least a bit: a
	// small file that claims a huge picture is refused before memory is spent.
	if format == "png" && config.Width*config.Height/8 > 1040*len(file) {
		return nil, fmt.Errorf("%w: %d bytes cannot hold %dx%d pixels; %s", ErrImage, len(file), config.Width, config.Height, advice)
	}
	img, _, err := image.Decode(bytes.NewReader(file))
	if err != nil {
		return nil, fmt.Errorf("%w: %w; %s", ErrImage, err, advice)
	}
	return upright(img, orientationOf(format, file)), nil
}

// CutImage resizes img so that its shorter side becomes resize, or more where it
// would not cover width x height, and returns the middle of that size, channels
// first: red, green and blue, or the luminance (ITU-R BT.601) if channels is 1.
// Transparent parts become white.
func CutImage(img image.Image, channels, height, width, resize int) ([]uint8, error) {
	b := img.Bounds()
	if b.Dx() <= 0 || b.Dy() <= 0 {
		return nil, fmt.Errorf("%w: it has no pixels", ErrBlank)
	}
	if channels != 1 && channels != 3 {
		return nil, fmt.Errorf("a picture has 1 or 3 channels, not %d", channels)
	}
	w, h := float64(b.Dx()), float64(b.Dy())
	ratio := max(float64(resize)/min(w, h), float64(width)/w, float64(height)/h)
	xs := taps(b.Dx(), max(width, int(math.Round(w*ratio))), width)
	ys := taps(b.Dy(), max(height, int(math.Round(h*ratio))), height)
	// Only rows that count are read, each once and to its final width.
	first := ys[0].from
	narrow := make([][]float32, ys[height-1].from+len(ys[height-1].share)-first)
	for i := range narrow {
		narrow[i] = narrowed(img, b.Min.X, b.Min.Y+first+i, xs)
	}
	out := make([]uint8, channels*height*width)
	for y, t := range ys {
		for x := range width {
			var rgb [3]float32
			for i, s := range t.share {
				row := narrow[t.from-first+i]
				for c := range rgb {
					rgb[c] += s * row[3*x+c]
				}
			}
			at := y*width + x
			if channels == 1 {
				out[at] = uint8(0.299*rgb[0] + 0.587*rgb[1] + 0.114*rgb[2] + 0.5)
				continue
			}
			for c, v := range rgb {
				out[c*height*width+at] = uint8(v + 0.5)
			}
		}
	}
	return out, nil
}

// narrowed is row y of img from column left on, resized: three values from 0 to
// 255 for each of xs.
func narrowed(img image.Image, left, y int, xs []tap) []float32 {
	wide, fast := img.(image.RGBA64Image)
	row := make([]float32, 3*len(xs))
	for x, t := range xs {
		for i, s := range t.share {
			var r, g, b, a uint32
			if fast {
				c := wide.RGBA64At(left+t.from+i, y)
				r, g, b, a = uint32(c.R), uint32(c.G), uint32(c.B), uint32(c.A)
			} else {
				r, g, b, a = img.At(left+t.from+i, y).RGBA()
			}
			ground := 65535 - a // white, where colours are premultiplied
			row[3*x] += s * float32(r+ground) / 257
			row[3*x+1] += s * float32(g+ground) / 257
			row[3*x+2] += s * float32(b+ground) / 257
		}
	}
	return row
}

// tap is what a pixel of a resized line is made of: shares, which sum to 1, of
// the pixels from the one at from on.
type tap struct {
	from  int
	share []float32
}

// taps are the middle count of the full pixels that n become: triangles as wide
// as two pixels of the coarser side, so bilinear, and smooth where the picture
// shrinks.
func taps(n, full, count int) []tap {
	step := float64(n) / float64(full)
	reach, start := max(1, step), (full-count)/2
	list := make([]tap, count)
	for i := range list {
		centre := (float64(start+i) + 0.5) * step
		from, to := max(0, int(math.Floor(centre-reach+0.5))), min(n, int(math.Floor(centre+reach+0.5)))
		sum := 0.0
		share := make([]float64, to-from)
		for j := range share {
			share[j] = max(0, 1-math.Abs(float64(from+j)+0.5-centre)/reach)
			sum += share[j]
		}
		t := tap{from: from}
		for _, s := range share {
			t.share = append(t.share, float32(s/sum))
		}
		list[i] = t
	}
	return list
}
