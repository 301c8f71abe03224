package nn

import "github.com/weft-ml/weft/tensor"

// MaxPool2d is the greatest element of each Kernel x Kernel window of images
// [N, C, H, W].
type MaxPool2d struct {
	Kernel  int
	Stride  int // 0 means Kernel
	Padding int
}

// Forward maps [N, C, H, W] to [N, C, H', W'].
func (p MaxPool2d) Forward(x *tensor.Tensor) *tensor.Tensor {
	return x.MaxPool2d(pool(p.Kernel, p.Stride, p.Padding))
}

// AvgPool2d is the mean of each Kernel x Kernel window of images [N, C, H, W].
type AvgPool2d struct {
	Kernel  int
	Stride  int // 0 means Kernel
	Padding int
	// ExcludePadding divides by the number of elements inside of the image
	// (PyTorch's count_include_pad=False).
	ExcludePadding bool
}

// Forward maps [N, C, H, W] to [N, C, H', W'].
func (p AvgPool2d) Forward(x *tensor.Tensor) *tensor.Tensor {
	o := pool(p.Kernel, p.Stride, p.Padding)
	o.ExcludePadding = p.ExcludePadding
	return x.AvgPool2d(o)
}

func pool(kernel, stride, padding int) tensor.Pool2dOptions {
	return tensor.Pool2dOptions{Kernel: [2]int{kernel, kernel}, Stride: [2]int{stride, stride}, Padding: [2]int{padding, padding}}
}

// AdaptiveAvgPool2d averages images [N, C, H, W] so that Height x Width remain;
// the zero value averages all of each channel, [N, C, 1, 1].
type AdaptiveAvgPool2d struct{ Height, Width int }

// Forward maps [N, C, H, W] to [N, C, Height, Width].
func (p AdaptiveAvgPool2d) Forward(x *tensor.Tensor) *tensor.Tensor {
	return x.AdaptiveAvgPool2d(max(p.Height, 1), max(p.Width, 1))
}

// AdaptiveMaxPool2d is the greatest element of each of Height x Width windows of
// images [N, C, H, W]; the zero value leaves that of each channel, [N, C, 1, 1].
type AdaptiveMaxPool2d struct{ Height, Width int }

// Forward maps [N, C, H, W] to [N, C, Height, Width].
func (p AdaptiveMaxPool2d) Forward(x *tensor.Tensor) *tensor.Tensor {
	return x.AdaptiveMaxPool2d(max(p.Height, 1), max(p.Width, 1))
}
