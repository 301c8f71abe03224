// Package data holds labelled images in memory as bytes.
//
// They stay uint8 in NCHW order until a batch is gathered: a data set then fits
// on a device as it is (MNIST: 47 MB instead of 188 MB as float32), and
// normalisation is fused into the training step, with Mean and Std from here.
package data

import (
	"fmt"
	"math"
	"math/rand/v2"
	"sort"
)

// Dataset is a set of labelled images.
type Dataset struct {
	Name string
	// Images holds N*C*H*W bytes, 0 to 255, in NCHW order.
	Images []uint8
	// Labels holds N class indices below len(Classes).
	Labels []uint8
	// N images of C channels, H rows and W columns.
	N, C, H, W int
	Classes    []string
	// Mean and Std of each channel, for values scaled to 0..1. They are those of
	// the training set, also in the test set.
	Mean, Std []float32
	// Synthetic says that the images were generated, not collected.
	Synthetic bool
	// Source says where the data came from, for logs and model files.
	Source string
	// Note says what people should know before they compare results, such as
	// that the images are lossy copies; empty if there is nothing.
	Note string
}

// Check reports sizes that do not fit together.
func (d *Dataset) Check() error {
	size := d.ImageSize()
	switch {
	case d.N < 0 || d.C <= 0 || d.H <= 0 || d.W <= 0:
		return fmt.Errorf("data set %s: %d images of %dx%dx%d", d.Name, d.N, d.C, d.H, d.W)
	case len(d.Images) != d.N*size || len(d.Labels) != d.N:
		return fmt.Errorf("data set %s: %d image bytes and %d labels, want %d and %d", d.Name, len(d.Images), len(d.Labels), d.N*size, d.N)
	case len(d.Mean) != d.C || len(d.Std) != d.C:
		return fmt.Errorf("data set %s: mean and std of %d and %d channels, want %d", d.Name, len(d.Mean), len(d.Std), d.C)
	}
	for i, l := range d.Labels {
		if int(l) >= len(d.Classes) {
			return fmt.Errorf("data set %s: label %d of image %d, but there are %d classes", d.Name, l, i, len(d.Classes))
		}
	}
	return nil
}

// ImageSize is the bytes of one image.
func (d *Dataset) ImageSize() int { return d.C * d.H * d.W }

// Image is the bytes of image i, CHW, not a copy.
func (d *Dataset) Image(i int) []uint8 {
	size := d.ImageSize()
	return d.Images[i*size : (i+1)*size : (i+1)*size]
}

// Counts is the number of images of each class.
func (d *Dataset) Counts() []int {
	counts := make([]int, len(d.Classes))
	for _, l := range d.Labels {
		counts[l]++
	}
	return counts
}

// Measure gives the mean and the standard deviation (of the population, not a
// sample) of each channel in units of 0..1. Sums are integers, so that the
// result is the same on every platform.
func (d *Dataset) Measure() (mean, std []float32) {
	mean, std = make([]float32, d.C), make([]float32, d.C)
	plane := d.H * d.W
	for c := range d.C {
		var sum, squares uint64
		for i := range d.N {
			for _, v := range d.Image(i)[c*plane : (c+1)*plane] {
				sum += uint64(v)
				squares += uint64(v) * uint64(v)
			}
		}
		n := float64(max(1, d.N*plane))
		m := float64(sum) / n
		mean[c] = float32(m / 255)
		std[c] = float32(math.Sqrt(max(0, float64(squares)/n-float64(m*m))) / 255)
	}
	return mean, std
}

// Split divides the images at random into training and validation, the same for
// the same seed: index lists in ascending order. It is stratified: each class
// gives its share, to within one image.
func (d *Dataset) Split(validation float64, seed uint64) (train, held []int) {
	if !(validation > 0) {
		validation = 0
	}
	validation = min(validation, 1)
	classes := make([][]int, 256)
	for i, l := range d.Labels {
		classes[l] = append(classes[l], i)
	}
	before := 0
	// Rounding the running total, not each class, makes the whole exact too.
	share := func(n int) int { return int(math.Round(float64(n) * validation)) }
	for label, members := range classes {
		rng := rand.New(rand.NewPCG(seed, uint64(label)))
		rng.Shuffle(len(members), func(i, j int) { members[i], members[j] = members[j], members[i] })
		n := share(before+len(members)) - share(before)
		before += len(members)
		held = append(held, members[:n]...)
		train = append(train, members[n:]...)
	}
	sort.Ints(train)
	sort.Ints(held)
	return train, held
}

// Subset copies the images with the given indices, in that order. Everything
// else, Mean and Std too, is that of d.
func (d *Dataset) Subset(indices []int) *Dataset {
	s := *d
	s.N = len(indices)
	s.Images = make([]uint8, 0, s.N*d.ImageSize())
	s.Labels = make([]uint8, 0, s.N)
	for _, i := range indices {
		s.Images = append(s.Images, d.Image(i)...)
		s.Labels = append(s.Labels, d.Labels[i])
	}
	return &s
}

// Range is the images from to end-1, which it shares with d. Everything else,
// Mean and Std too, is that of d.
func (d *Dataset) Range(from, end int) *Dataset {
	s := *d
	s.N = end - from
	s.Images = d.Images[from*d.ImageSize() : end*d.ImageSize() : end*d.ImageSize()]
	s.Labels = d.Labels[from:end:end]
	return &s
}
