// A picture of a digit from anywhere (a scan, a photo, a drawing program) must
// become what a network trained on MNIST has seen, or it will be misread
// however good the network is: light ink on black, fitted with its proportions
// into 20x20 pixels, its centre of mass in the middle of 28x28 (LeCun et al.,
// 1998, "Gradient-based learning applied to document recognition", III.A).

package data

import (
	"fmt"
	"image"
	"io"
	"math"
	"sort"
)

const (
	// DigitSide is the side of the pictures that the digit functions return.
	DigitSide = 28
	digitBox  = 20

	// workSide bounds the picture that is examined: finer detail is noise.
	workSide = 448
	// minContrast, of 255, is more than JPEG noise and paper shading.
	minContrast = 24
	// inkLevel, of 255, is what counts when the digit's box is measured.
	inkLevel = 32
)

// ReadDigit decodes a picture of one digit with ReadPicture and returns it as
// MNIST would have it: DigitSide*DigitSide bytes, 0 is background. Any size, dark
// on light or light on dark, grey or colour, with or without transparency.
func ReadDigit(r io.Reader) ([]uint8, error) { return readDigit(r, maxPicturePixels) }

func readDigit(r io.Reader, maxPixels int) ([]uint8, error) {
	img, err := readPicture(r, maxPixels)
	if err != nil {
		return nil, err
	}
	return DigitFromImage(img)
}

// DigitFromImage is ReadDigit for a decoded picture. A 28x28 picture that is
// already in MNIST's form comes back unchanged.
func DigitFromImage(img image.Image) ([]uint8, error) {
	b := img.Bounds()
	if b.Dx() <= 0 || b.Dy() <= 0 {
		return nil, fmt.Errorf("%w: it has no pixels", ErrBlank)
	}
	g := greyOf(img)
	if out, ok := g.asMNIST(); ok {
		return out, nil
	}
	if err := g.toInk(); err != nil {
		return nil, err
	}
	small, w, h := g.crop().fit(digitBox)
	return centre(small, w, h), nil
}

// grey is a picture of one channel, 0 to 255.
type grey struct {
	pix  []float64
	w, h int
}

// greyOf averages blocks of pixels down to workSide and takes their luminance
// (ITU-R BT.601). What is transparent becomes black under light ink and white
// under dark ink.
func greyOf(img image.Image) grey {
	b := img.Bounds()
	step := (max(b.Dx(), b.Dy()) + workSide - 1) / workSide
	g := grey{w: (b.Dx() + step - 1) / step, h: (b.Dy() + step - 1) / step}
	g.pix = make([]float64, g.w*g.h)
	alpha := make([]float64, len(g.pix))
	wide, fast := img.(image.RGBA64Image)
	var light, opaque float64
	for row := range g.h {
		for col := range g.w {
			var sum, cover, count float64
			for y := b.Min.Y + row*step; y < min(b.Min.Y+(row+1)*step, b.Max.Y); y++ {
				for x := b.Min.X + col*step; x < min(b.Min.X+(col+1)*step, b.Max.X); x++ {
					var r, gr, bl, a uint32
					if fast {
						c := wide.RGBA64At(x, y)
						r, gr, bl, a = uint32(c.R), uint32(c.G), uint32(c.B), uint32(c.A)
					} else {
						r, gr, bl, a = img.At(x, y).RGBA()
					}
					// Integers: equal channels give exactly their value.
					sum += float64((299*r + 587*gr + 114*bl) / 1000)
					cover += float64(a)
					count++
				}
			}
			at := row*g.w + col
			g.pix[at], alpha[at] = sum/count/257, cover/count/65535
			light += g.pix[at]
			opaque += alpha[at]
		}
	}
	// Colours are premultiplied: the sum over all pixels is that of the visible part.
	if background := 255.0; opaque < float64(len(alpha)) && light < 0.5*255*opaque {
		for i, a := range alpha {
			g.pix[i] += (1 - a) * background
		}
	}
	return g
}

// border is the median of the outermost pixels, and how far nine in ten of
// them are from it.
func (g grey) border() (median, noise float64) {
	var ring []float64
	for x := range g.w {
		ring = append(ring, g.pix[x], g.pix[(g.h-1)*g.w+x])
	}
	for y := range g.h {
		ring = append(ring, g.pix[y*g.w], g.pix[y*g.w+g.w-1])
	}
	sort.Float64s(ring)
	median = ring[len(ring)/2]
	for i, v := range ring {
		ring[i] = math.Abs(v - median)
	}
	sort.Float64s(ring)
	return median, ring[(len(ring)-1)*9/10]
}

// toInk makes the background 0 and the ink bright. The border shows what the
// background is and how it varies (paper, shade, JPEG); the ink is whatever
// differs from it most, up or down.
func (g grey) toInk() error {
	background, noise := g.border()
	var up, down, most float64
	for _, v := range g.pix {
		d := v - background
		if d > 0 {
			up += d * d
		} else {
			down += d * d
		}
	}
	for i, v := range g.pix {
		d := v - background
		if down > up {
			d = -d
		}
		g.pix[i] = d
		most = max(most, d)
	}
	if most < minContrast {
		return fmt.Errorf("%w: nothing differs from the background by more than %.0f of 255; draw one digit with dark ink on light ground or the reverse", ErrBlank, most)
	}
	// A clean drawing keeps its grey edges; noise at the border moves the line
	// between paper and ink up, to half way at most.
	low := min(max(0.04*most, 2*noise), 0.5*most)
	high := 0.95 * most
	for i, d := range g.pix {
		g.pix[i] = min(max((d-low)/(high-low), 0), 1) * 255
	}
	return nil
}

// crop cuts the rectangle that holds the ink.
func (g grey) crop() grey {
	x0, x1, y0, y1 := g.inkBox(inkLevel)
	c := grey{w: x1 - x0 + 1, h: y1 - y0 + 1}
	for y := y0; y <= y1; y++ {
		c.pix = append(c.pix, g.pix[y*g.w+x0:y*g.w+x1+1]...)
	}
	return c
}

// inkBox is the bounding box of the pixels of at least the given value.
func (g grey) inkBox(least float64) (x0, x1, y0, y1 int) {
	x0, y0, x1, y1 = g.w, g.h, -1, -1
	for i, v := range g.pix {
		if v >= least {
			x, y := i%g.w, i/g.w
			x0, x1, y0, y1 = min(x0, x), max(x1, x), min(y0, y), max(y1, y)
		}
	}
	return x0, x1, y0, y1
}

// fit resizes by area averaging so that the longer side becomes side, and
// brightens the result so that a thin line, spread over a whole pixel, is
// still white.
func (g grey) fit(side int) (pix []float64, w, h int) {
	long := max(g.w, g.h)
	w = max(1, (g.w*side+long/2)/long)
	h = max(1, (g.h*side+long/2)/long)
	narrow := make([]float64, w*g.h)
	for y := range g.h {
		average(narrow[y*w:], 1, w, g.pix[y*g.w:], 1, g.w)
	}
	pix = make([]float64, w*h)
	for x := range w {
		average(pix[x:], w, h, narrow[x:], w, g.h)
	}
	most := 1.0
	for _, v := range pix {
		most = max(most, v)
	}
	for i := range pix {
		pix[i] *= 255 / most
	}
	return pix, w, h
}

// average resizes one line of n values to m.
func average(dst []float64, dstStep, m int, src []float64, srcStep, n int) {
	ratio := float64(n) / float64(m)
	for i := range m {
		from, to := float64(i)*ratio, min(float64(i+1)*ratio, float64(n))
		var sum float64
		for j := int(from); j < n && float64(j) < to; j++ {
			sum += src[j*srcStep] * (min(to, float64(j+1)) - max(from, float64(j)))
		}
		dst[i*dstStep] = sum / ratio
	}
}

// centre puts the w x h pixels into the output with their centre of mass, to
// whole pixels, at pixel 14: where it is in MNIST, on average.
func centre(pix []float64, w, h int) []uint8 {
	cx, cy := massCentre(pix, w)
	left, up := int(math.Floor(14.5-cx)), int(math.Floor(14.5-cy))
	out := make([]uint8, DigitSide*DigitSide)
	for i, v := range pix {
		x, y := i%w+left, i/w+up
		if x >= 0 && x < DigitSide && y >= 0 && y < DigitSide {
			out[y*DigitSide+x] = uint8(v + 0.5)
		}
	}
	return out
}

func massCentre(pix []float64, w int) (x, y float64) {
	var sum, sumX, sumY float64
	for i, v := range pix {
		sum += v
		sumX += v * float64(i%w)
		sumY += v * float64(i/w)
	}
	return sumX / sum, sumY / sum
}

// asMNIST recognises a picture that is in the wanted form already.
func (g grey) asMNIST() ([]uint8, bool) {
	if g.w != DigitSide || g.h != DigitSide {
		return nil, false
	}
	if median, _ := g.border(); median != 0 {
		return nil, false
	}
	x0, x1, y0, y1 := g.inkBox(1)
	cx, cy := massCentre(g.pix, g.w)
	if w, h := x1-x0+1, y1-y0+1; w < 1 || max(w, h) > digitBox || max(w, h) < digitBox-2 || math.Abs(cx-14) > 0.6 || math.Abs(cy-14) > 0.6 {
		return nil, false
	}
	out := make([]uint8, len(g.pix))
	for i, v := range g.pix {
		out[i] = uint8(v + 0.5)
	}
	return out, true
}
