// Batch normalisation works in training with the distance d of its input from the
// mean of a sample of the batch. The sums of d and of d^2 over each channel, which
// one pass finds, give the batch's mean and variance: sum(d^2)/n - (sum(d)/n)^2 is
// exact for any constant shift, and loses no digits for one near the mean (Chan,
// Golub and LeVeque, "Algorithms for computing the sample variance", 1983). A sample
// of n/k elements is at most sqrt(k) deviations away from the mean, whatever the
// others are. The running mean would need no sample, but is anywhere in the first
// steps. The gradient needs two sums as well, of g and of g d, where the textbook's
// formula differentiated line by line takes four, the last of them in a pass of its
// own.

package nn

import (
	"github.com/weft-ml/weft/internal/ir"
	"github.com/weft-ml/weft/tensor"
)

// BatchNorm normalises each channel of x [N, C], [N, C, L] or [N, C, H, W]:
// y = (x - mean) / sqrt(var + Eps) Weight + Bias (Ioffe and Szegedy, "Batch
// Normalization", 2015). In training mean and var are those of the batch, with
// the gradient passing through them, and the step moves the running statistics
// towards them; in evaluation they are the running statistics.
//
// In training a layer may be applied once in a trace, since its statistics are
// assigned once.
type BatchNorm struct {
	Weight, Bias *tensor.Tensor // [C]; nil for none
	// RunningMean and RunningVar [C] move by Momentum of the distance to the
	// batch's, whose variance is divided by n-1 for this.
	RunningMean *tensor.Tensor `nn:"running_mean,buffer"`
	RunningVar  *tensor.Tensor `nn:"running_var,buffer"`
	// NumBatchesTracked is the number of training steps, Int32 without
	// dimensions.
	NumBatchesTracked *tensor.Tensor `nn:"num_batches_tracked,buffer"`

	Momentum, Eps float64
	// Cumulative averages all batches alike instead (PyTorch's momentum=None).
	Cumulative bool
}

// BatchNormOptions are the choices of NewBatchNorm. Zeros mean the values in
// brackets.
type BatchNormOptions struct {
	Momentum   float64 // [0.1]
	Eps        float64 // [1e-5]
	Cumulative bool
	// ZeroWeight begins with Weight at 0 instead of 1, for the last norm of a
	// residual branch, which then begins as the identity (Goyal et al., 2017).
	ZeroWeight bool
	// NoAffine leaves Weight and Bias out.
	NoAffine bool
}

// NewBatchNorm returns a layer for the given number of channels.
func NewBatchNorm(channels int, opt BatchNormOptions) *BatchNorm {
	if channels < 1 {
		panic(ir.NewError("batch_norm", "%d channels: at least one is needed", channels))
	}
	n := &BatchNorm{
		RunningMean:       tensor.NewVariable("running_mean", make([]float32, channels), channels),
		RunningVar:        tensor.NewVariable("running_var", filled(1, channels), channels),
		NumBatchesTracked: tensor.NewIntVariable("num_batches_tracked", []int32{0}),
		Momentum:          orDefault(opt.Momentum, 0.1),
		Eps:               orDefault(opt.Eps, 1e-5),
		Cumulative:        opt.Cumulative,
	}
	if !opt.NoAffine {
		first := float32(1)
		if opt.ZeroWeight {
			first = 0
		}
		n.Weight, n.Bias = affine(first, channels)
	}
	return n
}

// affine returns the scale and shift of a normalisation layer.
func affine(first float32, shape ...int) (w, b *tensor.Tensor) {
	n := ir.NumElems(shape)
	return tensor.NewVariable("weight", filled(first, n), shape...), tensor.NewVariable("bias", make([]float32, n), shape...)
}

func filled(v float32, n int) []float32 {
	s := make([]float32, n)
	for i := range s {
		s[i] = v
	}
	return s
}

// Forward returns a tensor of x's shape.
func (n *BatchNorm) Forward(x *tensor.Tensor) *tensor.Tensor {
	if x.Dims() < 2 || x.Dim(1) != n.RunningMean.Dim(0) {
		panic(ir.NewError("batch_norm", "input %v: dimension 1 is the %d channels", x.Shape(), n.RunningMean.Dim(0)))
	}
	// y = d scale + offset with the distance d from the running mean, or from the
	// sample's. All gradients then follow from the sums of g and of g d over each
	// channel.
	shift, variance, off := n.RunningMean, n.RunningVar, (*tensor.Tensor)(nil)
	t := x.Trace()
	if t.Training() {
		shift = sampleMean(x)
	}
	d := x.Sub(perChannel(shift, x))
	if t.Training() {
		variance, off = n.statistics(t, d, shift)
	}
	scale := variance.AddScalar(n.Eps).Rsqrt()
	if n.Weight != nil {
		scale = scale.Mul(n.Weight)
	}
	offset := n.Bias
	if off != nil {
		offset = off.Mul(scale).Neg()
		if n.Bias != nil {
			offset = n.Bias.Sub(off.Mul(scale))
		}
	}
	y := d.Mul(perChannel(scale, x))
	if offset != nil {
		y = y.Add(perChannel(offset, x))
	}
	return tensor.Evaluated(y)
}

// sampleMost is how many elements of a channel are enough to know about where its
// mean is, and sampleShare which part of few: reading them costs little beside
// reading all.
const (
	sampleMost  = 4096
	sampleShare = 16
)

// sampleMean is the mean of some elements of each channel of x [N, C, ..]: of every
// so many images, or rows of images. It is a constant to the gradient, of which the
// result does not depend on it.
func sampleMean(x *tensor.Tensor) *tensor.Tensor {
	x = x.Detach()
	images, each := x.Dim(0), x.Len()/(x.Dim(0)*x.Dim(1))
	want := min(max(images*each/sampleShare, 1), sampleMost)
	if step := images / max(1, want/each); step > 1 {
		x = x.SliceStep(0, 0, images, step)
	}
	if step := each / want; step > 1 && x.Dims() > 2 {
		x = x.SliceStep(2, 0, x.Dim(2), min(step, x.Dim(2)))
	}
	return x.Mean(others(x)...)
}

// others are the dimensions of x but that of its channels.
func others(x *tensor.Tensor) []int {
	dims := []int{0}
	for i := 2; i < x.Dims(); i++ {
		dims = append(dims, i)
	}
	return dims
}

// statistics returns the variance of each channel [C] and the distance of its
// mean from shift, and moves the running statistics. d is the distance of the
// channel's elements from shift.
func (n *BatchNorm) statistics(t *tensor.Trace, d, shift *tensor.Tensor) (variance, off *tensor.Tensor) {
	dims := others(d)
	count := float64(d.Len() / d.Dim(1))
	if count < 2 {
		panic(ir.NewError("batch_norm", "input %v has one value in each channel: training needs more", d.Shape()))
	}
	off = d.Mean(dims...)
	variance = d.Square().Mean(dims...).Sub(off.Square()).Relu() // rounding may leave it below zero
	tracked := t.Assign(n.NumBatchesTracked, n.NumBatchesTracked.AddScalar(1))
	share := tensor.Scalar(n.Momentum)
	if n.Cumulative {
		share = tracked.To(tensor.Float32).Reciprocal()
	}
	t.Assign(n.RunningMean, n.RunningMean.Add(shift.Sub(n.RunningMean).Add(off).Mul(share)))
	unbiased := variance.MulScalar(count / (count - 1))
	t.Assign(n.RunningVar, n.RunningVar.Add(unbiased.Sub(n.RunningVar).Mul(share)))
	return variance, off
}

// perChannel reshapes v [C] so that it broadcasts along dimension 1 of x.
func perChannel(v, x *tensor.Tensor) *tensor.Tensor {
	shape := make([]int, x.Dims())
	for d := range shape {
		shape[d] = 1
	}
	shape[1] = v.Len()
	return v.Reshape(shape...)
}
