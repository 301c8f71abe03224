// Images stay bytes until the step reads them: a data set then takes a quarter
// of the memory, and casting and normalising are part of a kernel that has to
// read the images anyway.

package train

import (
	"fmt"
	"image"
	"math"

	"github.com/weft-ml/weft/data"
	"github.com/weft-ml/weft/tensor"
)

// Preprocessing says how bytes become what a network was trained on:
// x = (byte*Scale - Mean[c]) / Std[c], in NCHW order. It travels inside every
// checkpoint, so that a model cannot be given input of the wrong scale.
type Preprocessing struct {
	Channels int       `json:"channels"`
	Height   int       `json:"height"`
	Width    int       `json:"width"`
	Scale    float64   `json:"scale"`
	Mean     []float32 `json:"mean"`
	Std      []float32 `json:"std"`
	// Resize is what the shorter side of a picture becomes before its middle, of
	// Height and Width, is cut out; 0 just covers that. Digits have rules of their
	// own.
	Resize int `json:"resize,omitempty"`
}

// PreprocessingOf is what d's images need.
func PreprocessingOf(d *data.Dataset) Preprocessing {
	return Preprocessing{Channels: d.C, Height: d.H, Width: d.W, Scale: 1.0 / 255, Mean: d.Mean, Std: d.Std}
}

// maxSide bounds what a file may claim an input to be, so that it cannot ask
// for a network of gigabytes.
const maxSide = 1 << 12

// maxRow is that bound for an input that is no picture but one row of numbers:
// minutes of sound, and tables.
const maxRow = 1 << 26

// Check reports what cannot be meant.
func (p *Preprocessing) Check() error {
	if row := p.Channels == 1 && p.Height == 1 && p.Width <= maxRow; !row && (p.Channels > maxSide || p.Height > maxSide || p.Width > maxSide || p.Channels*p.Height*p.Width > 1<<20) {
		return fmt.Errorf("preprocessing: input %dx%dx%d is too large", p.Channels, p.Height, p.Width)
	}
	if p.Channels < 1 || p.Height < 1 || p.Width < 1 || len(p.Mean) != p.Channels || len(p.Std) != p.Channels || !(p.Scale > 0) {
		return fmt.Errorf("preprocessing: input %dx%dx%d, scale %v, %d means, %d deviations", p.Channels, p.Height, p.Width, p.Scale, len(p.Mean), len(p.Std))
	}
	if p.Resize != 0 && (p.Resize < max(p.Height, p.Width) || p.Resize > maxSide) {
		return fmt.Errorf("preprocessing: pictures resized to %d for an input of %dx%d; it has to be covered, and %d is the most", p.Resize, p.Height, p.Width, maxSide)
	}
	for i, s := range p.Std {
		if m := float64(p.Mean[i]); !(s > 0) || math.IsInf(float64(s), 0) || math.IsNaN(m) || math.IsInf(m, 0) {
			return fmt.Errorf("preprocessing: mean %v and deviation %v, want numbers, the second positive", m, s)
		}
	}
	return nil
}

// OfDigits reports whether pictures become the network's input by the rules for
// digits, which MNIST's form is the sign of.
func (p *Preprocessing) OfDigits() bool {
	return p.Channels == 1 && p.Height == data.DigitSide && p.Width == data.DigitSide
}

// Fit brings a picture of any size to the bytes that the network takes, before
// Normalize.
func (p *Preprocessing) Fit(img image.Image) ([]uint8, error) {
	if p.OfDigits() {
		return data.DigitFromImage(img)
	}
	return data.CutImage(img, p.Channels, p.Height, p.Width, p.Resize)
}

// Normalize maps x [n, c, h, w], bytes as Float32, to the network's input.
func (p *Preprocessing) Normalize(x *tensor.Tensor) *tensor.Tensor {
	if p.Channels == 1 {
		m, s := float64(p.Mean[0]), float64(p.Std[0])
		return x.MulScalar(p.Scale / s).AddScalar(-m / s)
	}
	mul, add := make([]float32, p.Channels), make([]float32, p.Channels)
	for c := range mul {
		mul[c] = float32(p.Scale / float64(p.Std[c]))
		add[c] = -p.Mean[c] / p.Std[c]
	}
	return x.Mul(tensor.New(mul, p.Channels, 1, 1)).Add(tensor.New(add, p.Channels, 1, 1))
}

// average is the byte of each channel [c, 1, 1] that Normalize maps to 0.
func (p *Preprocessing) average() *tensor.Tensor {
	v := make([]float32, p.Channels)
	for c := range v {
		v[c] = float32(float64(p.Mean[c]) / p.Scale)
	}
	return tensor.New(v, p.Channels, 1, 1)
}

// resident is a data set in device memory, as the bytes it has in memory.
type resident struct {
	images, labels *tensor.Tensor // Uint8 [n, c*h*w] and [n]
	n              int
	prep           Preprocessing
}

// newResident shares d's bytes: nobody changes a data set that is in use.
func newResident(d *data.Dataset, prep Preprocessing) *resident {
	return &resident{
		images: tensor.Shared(d.Images, d.N, d.ImageSize()),
		labels: tensor.Shared(d.Labels, d.N),
		n:      d.N,
		prep:   prep,
	}
}

// batch gathers the images and labels of index [b]: the network's input
// [b, c, h, w] and Int32 labels [b].
func (r *resident) batch(t *tensor.Trace, index *tensor.Tensor, a Augment) (x, labels *tensor.Tensor) {
	p := &r.prep
	if a.none() {
		x = r.images.IndexSelect(0, index).To(tensor.Float32).Reshape(-1, p.Channels, p.Height, p.Width)
	} else {
		x = a.read(t, r.images.Reshape(-1), index, p)
	}
	return p.Normalize(x), r.labels.IndexSelect(0, index).To(tensor.Int32)
}

// free returns the device memory.
func (r *resident) free() {
	r.images.Free()
	r.labels.Free()
}
