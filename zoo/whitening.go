package zoo

import (
	"fmt"
	"math"

	"github.com/weft-ml/weft/nn"
	"github.com/weft-ml/weft/tensor"
)

// Whitening is a convolution that is computed from images instead of learned:
// its filters are the principal components of patches, each divided by its
// standard deviation, and their negatives, since a rectifier lets only one sign
// pass. What comes out is decorrelated and of equal variance, from which later
// layers learn faster (Coates and Ng, "Learning Feature Representations with
// K-means", 2012, whitened patches likewise). Only the bias is trained.
type Whitening struct {
	Weight *tensor.Tensor `nn:"weight,buffer"` // [2 in k k, in, k, k]
	Bias   *tensor.Tensor
}

// NewWhitening returns a layer for patches of kernel x kernel pixels, with
// random filters until Fit is called.
func NewWhitening(rng *nn.RNG, in, kernel int) *Whitening {
	c := nn.NewConv2d(rng, in, 2*in*kernel*kernel, kernel, nn.ConvOptions{Init: nn.HeNormal})
	return &Whitening{Weight: c.Weight, Bias: c.Bias}
}

// Forward maps [n, in, h, w] to [n, 2 in k k, h-k+1, w-k+1].
func (l *Whitening) Forward(x *tensor.Tensor) *tensor.Tensor {
	return x.Conv2d(l.Weight, l.Bias, tensor.ConvOptions{})
}

// noise is added to the components' variances, so that those in which images
// hardly differ are not blown up.
const noise = 5e-4

// Fit computes the filters from images of bytes [n, in, h, w], of which the
// network sees (byte/255 - mean[c]) / std[c].
func (l *Whitening) Fit(images []uint8, h, w int, mean, std []float32) error {
	in, k := l.Weight.Dim(1), l.Weight.Dim(2)
	size := in * h * w
	if len(mean) != in || len(std) != in || h < k || w < k || len(images) < size || len(images)%size != 0 {
		return fmt.Errorf("whitening: %d bytes are not images of %dx%dx%d with as many means and deviations", len(images), in, h, w)
	}
	d := in * k * k
	cov := make([]float64, d*d)
	patch := make([]float64, d)
	count := 0
	for at := 0; at < len(images); at += size {
		for y := range h - k + 1 {
			for x := range w - k + 1 {
				for i := range patch {
					c, row, col := i/(k*k), i/k%k, i%k
					patch[i] = (float64(images[at+(c*h+y+row)*w+x+col])/255 - float64(mean[c])) / float64(std[c])
				}
				for i, a := range patch {
					for j := range i + 1 {
						cov[i*d+j] += a * patch[j]
					}
				}
				count++
			}
		}
	}
	for i := range d {
		for j := range i + 1 {
			v := cov[i*d+j] / float64(count)
			cov[i*d+j], cov[j*d+i] = v, v
		}
	}
	values, vectors := eigen(cov, d)
	weights := make([]float32, 2*d*d)
	for i, v := range values {
		for j := range d {
			f := float32(vectors[j*d+i] / math.Sqrt(max(v, 0)+noise))
			weights[i*d+j], weights[(d+i)*d+j] = f, -f
		}
	}
	if err := l.Bias.Set(make([]float32, 2*d)); err != nil {
		return err
	}
	return l.Weight.Set(weights)
}

// eigen returns the eigenvalues and, as columns, the eigenvectors of a symmetric
// n x n matrix, which it overwrites, by Jacobi's rotations (Golub and Van Loan,
// "Matrix Computations", section 8.5). The largest component of each vector is
// positive, so that the result does not depend on the way to it.
func eigen(a []float64, n int) (values, vectors []float64) {
	vectors = make([]float64, n*n)
	for i := range n {
		vectors[i*n+i] = 1
	}
	rotate := func(m []float64, i, j, k, l int, s, c float64) {
		x, y := m[i*n+j], m[k*n+l]
		m[i*n+j], m[k*n+l] = c*x-s*y, s*x+c*y
	}
	for range 64 {
		off, diag := 0.0, 0.0
		for i := range n {
			diag += a[i*n+i] * a[i*n+i]
			for j := range i {
				off += a[i*n+j] * a[i*n+j]
			}
		}
		if off <= 1e-28*diag {
			break
		}
		for p := range n {
			for q := p + 1; q < n; q++ {
				if a[p*n+q] == 0 {
					continue
				}
				theta := (a[q*n+q] - a[p*n+p]) / (2 * a[p*n+q])
				t := math.Copysign(1/(math.Abs(theta)+math.Hypot(theta, 1)), theta)
				c := 1 / math.Hypot(t, 1)
				s := t * c
				for i := range n {
					rotate(a, i, p, i, q, s, c)
				}
				for i := range n {
					rotate(a, p, i, q, i, s, c)
				}
				for i := range n {
					rotate(vectors, i, p, i, q, s, c)
				}
			}
		}
	}
	values = make([]float64, n)
	for i := range n {
		values[i] = a[i*n+i]
		largest := 0.0
		for j := range n {
			if v := vectors[j*n+i]; math.Abs(v) > math.Abs(largest) {
				largest = v
			}
		}
		if largest < 0 {
			for j := range n {
				vectors[j*n+i] = -vectors[j*n+i]
			}
		}
	}
	return values, vectors
}
