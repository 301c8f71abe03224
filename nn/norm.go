package nn

import (
	"slices"

	"github.com/weft-ml/weft/internal/ir"
	"github.com/weft-ml/weft/tensor"
)

// standardize is (x - mean) / sqrt(var + eps) over dims, whose variance is
// divided by the number of elements.
func standardize(x *tensor.Tensor, eps float64, dims ...int) *tensor.Tensor {
	d := x.Sub(x.MeanKeep(dims...))
	return d.Mul(d.Square().MeanKeep(dims...).AddScalar(eps).Rsqrt())
}

// lastDims are the dimensions that a parameter of the given shape covers at
// the end of x.
func lastDims(op string, x *tensor.Tensor, shape []int) []int {
	from := x.Dims() - len(shape)
	if from < 0 || !slices.Equal(x.Shape()[from:], shape) {
		panic(ir.NewError(op, "input %v does not end in %v", x.Shape(), shape))
	}
	dims := make([]int, len(shape))
	for i := range dims {
		dims[i] = from + i
	}
	return dims
}

// LayerNorm normalises over the last dimensions, those of Weight: y = (x -
// mean) / sqrt(var + Eps) Weight + Bias (Ba et al., "Layer Normalization",
// 2016).
type LayerNorm struct {
	Weight *tensor.Tensor
	Bias   *tensor.Tensor // nil for none
	Eps    float64
}

// NewLayerNorm returns a layer for inputs that end in shape, with Eps 1e-5.
func NewLayerNorm(shape ...int) *LayerNorm {
	if len(shape) == 0 {
		panic(ir.NewError("layer_norm", "no shape: give the last dimensions of the input"))
	}
	n := &LayerNorm{Eps: 1e-5}
	n.Weight, n.Bias = affine(1, shape...)
	return n
}

// Forward returns a tensor of x's shape.
func (n *LayerNorm) Forward(x *tensor.Tensor) *tensor.Tensor {
	y := standardize(x, n.Eps, lastDims("layer_norm", x, n.Weight.Shape())...).Mul(n.Weight)
	if n.Bias != nil {
		y = y.Add(n.Bias)
	}
	return y
}

// RMSNorm divides by the root mean square over the last dimensions, those of
// Weight: y = x / sqrt(mean(x^2) + Eps) Weight (Zhang and Sennrich, "Root Mean
// Square Layer Normalization", 2019).
type RMSNorm struct {
	Weight *tensor.Tensor
	Eps    float64
}

// NewRMSNorm returns a layer for inputs that end in shape, with Eps 1e-6.
func NewRMSNorm(shape ...int) *RMSNorm {
	if len(shape) == 0 {
		panic(ir.NewError("rms_norm", "no shape: give the last dimensions of the input"))
	}
	return &RMSNorm{Weight: tensor.NewVariable("weight", filled(1, ir.NumElems(shape)), shape...), Eps: 1e-6}
}

// Forward returns a tensor of x's shape.
func (n *RMSNorm) Forward(x *tensor.Tensor) *tensor.Tensor {
	dims := lastDims("rms_norm", x, n.Weight.Shape())
	return x.Mul(x.Square().MeanKeep(dims...).AddScalar(n.Eps).Rsqrt()).Mul(n.Weight)
}

// GroupNorm normalises Groups of channels of each sample x [N, C, ..] together:
// y = (x - mean) / sqrt(var + Eps) Weight + Bias with a Weight and a Bias for
// each channel (Wu and He, "Group Normalization", 2018). One group is layer
// norm over [C, ..], as many groups as channels are instance norm.
type GroupNorm struct {
	Weight *tensor.Tensor // [C]
	Bias   *tensor.Tensor // [C], nil for none
	Groups int
	Eps    float64
}

// NewGroupNorm returns a layer for the given number of channels, a multiple of
// groups, with Eps 1e-5.
func NewGroupNorm(groups, channels int) *GroupNorm {
	if groups < 1 || channels < 1 || channels%groups != 0 {
		panic(ir.NewError("group_norm", "%d channels in %d groups: groups divide the channels", channels, groups))
	}
	n := &GroupNorm{Groups: groups, Eps: 1e-5}
	n.Weight, n.Bias = affine(1, channels)
	return n
}

// Forward returns a tensor of x's shape.
func (n *GroupNorm) Forward(x *tensor.Tensor) *tensor.Tensor {
	if x.Dims() < 2 || x.Dim(1) != n.Weight.Dim(0) {
		panic(ir.NewError("group_norm", "input %v: dimension 1 is the %d channels", x.Shape(), n.Weight.Dim(0)))
	}
	y := standardize(x.Reshape(x.Dim(0), n.Groups, -1), n.Eps, 2).Reshape(x.Shape()...)
	y = y.Mul(perChannel(n.Weight, x))
	if n.Bias != nil {
		y = y.Add(perChannel(n.Bias, x))
	}
	return y
}
