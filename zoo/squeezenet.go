package zoo

import (
	"github.com/weft-ml/weft/nn"
	"github.com/weft-ml/weft/tensor"
)

// Fire is SqueezeNet's block: a 1x1 convolution to few channels, then a 1x1 and
// a 3x3 convolution side by side.
type Fire struct {
	Squeeze   *nn.Conv2d
	Expand1x1 *nn.Conv2d `nn:"expand1x1"`
	Expand3x3 *nn.Conv2d `nn:"expand3x3"`
}

func newFire(rng *nn.RNG, in, squeeze, expand int) *Fire {
	he := nn.ConvOptions{Init: nn.HeUniform}
	return &Fire{
		Squeeze:   nn.NewConv2d(rng, in, squeeze, 1, he),
		Expand1x1: nn.NewConv2d(rng, squeeze, expand, 1, he),
		Expand3x3: nn.NewConv2d(rng, squeeze, expand, 3, nn.ConvOptions{Padding: 1, Init: nn.HeUniform}),
	}
}

// Forward maps [n, in, h, w] to [n, 2 expand, h, w].
func (f *Fire) Forward(x *tensor.Tensor) *tensor.Tensor {
	s := f.Squeeze.Forward(x).Relu()
	return tensor.Concat(1, f.Expand1x1.Forward(s).Relu(), f.Expand3x3.Forward(s).Relu())
}

// ceilPool halves images by the greatest element of windows of 3x3. Its last
// windows may reach beyond the edge (PyTorch's ceil_mode), where zeros change
// nothing, because it follows a ReLU.
type ceilPool struct{}

func (ceilPool) Forward(x *tensor.Tensor) *tensor.Tensor {
	odd := func(n int) [2]int { return [2]int{0, 1 - n%2} }
	return nn.MaxPool2d{Kernel: 3, Stride: 2}.Forward(x.Pad(0, [2]int{}, [2]int{}, odd(x.Dim(2)), odd(x.Dim(3))))
}

// SqueezeNet is convolutions, a 1x1 convolution to one channel for each class,
// and the mean of each of them.
type SqueezeNet struct {
	Features   nn.Sequential
	Classifier nn.Sequential
}

// Forward maps images [n, 3, h, w] to logits.
func (s *SqueezeNet) Forward(x *tensor.Tensor) *tensor.Tensor {
	return s.Classifier.Forward(s.Features.Forward(x)).Mean(2, 3)
}

// SqueezeNet1_1 returns version 1.1 of the network of Iandola et al.,
// "SqueezeNet: AlexNet-level accuracy with 50x fewer parameters" (2016), with
// torchvision's names. It has 1,235,496 parameters for 1000 classes.
func SqueezeNet1_1(rng *nn.RNG, classes int) *SqueezeNet {
	return &SqueezeNet{
		Features: nn.Sequential{
			nn.NewConv2d(rng, 3, 64, 3, nn.ConvOptions{Stride: 2, Init: nn.HeUniform}), nn.ReLU{}, ceilPool{},
			newFire(rng, 64, 16, 64), newFire(rng, 128, 16, 64), ceilPool{},
			newFire(rng, 128, 32, 128), newFire(rng, 256, 32, 128), ceilPool{},
			newFire(rng, 256, 48, 192), newFire(rng, 384, 48, 192), newFire(rng, 384, 64, 256), newFire(rng, 512, 64, 256),
		},
		Classifier: nn.Sequential{nn.Dropout{P: 0.5}, nn.NewConv2d(rng, 512, classes, 1, nn.ConvOptions{Init: nn.HeUniform}), nn.ReLU{}},
	}
}
