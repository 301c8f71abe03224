package zoo

import (
	"github.com/weft-ml/weft/nn"
	"github.com/weft-ml/weft/tensor"
)

// InvertedResidual is MobileNetV2's block: a 1x1 convolution widens, a
// depthwise 3x3 convolution mixes pixels, and a 1x1 convolution without
// activation narrows again. Where the shape stays, the input is added.
type InvertedResidual struct {
	Conv nn.Sequential
	Skip bool
}

// newInvertedResidual widens by the factor expand inside; 1 leaves the first
// convolution out.
func newInvertedResidual(rng *nn.RNG, in, out, stride, expand int) *InvertedResidual {
	b := &InvertedResidual{Skip: stride == 1 && in == out}
	wide := in * expand
	if expand != 1 {
		b.Conv = append(b.Conv, convNorm(rng, in, wide, 1, 1, 1, nn.ReLU6{}))
	}
	b.Conv = append(b.Conv, convNorm(rng, wide, wide, 3, stride, wide, nn.ReLU6{}))
	// The last two are not wrapped into a list of their own, as in torchvision.
	b.Conv = append(b.Conv, convNorm(rng, wide, out, 1, 1, 1, nil)...)
	return b
}

// Forward maps [n, in, h, w] to [n, out, h/stride, w/stride].
func (b *InvertedResidual) Forward(x *tensor.Tensor) *tensor.Tensor {
	y := b.Conv.Forward(x)
	if b.Skip {
		return y.Add(x)
	}
	return y
}

// MobileNet is convolutions and a classifier of the mean of each channel.
type MobileNet struct {
	Features   nn.Sequential
	Classifier nn.Sequential
}

// Forward maps images [n, 3, h, w] to logits.
func (m *MobileNet) Forward(x *tensor.Tensor) *tensor.Tensor {
	return m.Classifier.Forward(m.Features.Forward(x).Mean(2, 3))
}

// MobileNetV2 returns the network of Sandler et al., "MobileNetV2: Inverted
// Residuals and Linear Bottlenecks" (2018), with torchvision's names. It has
// 3,504,872 parameters for 1000 classes.
func MobileNetV2(rng *nn.RNG, classes int) *MobileNet {
	m := &MobileNet{Features: nn.Sequential{convNorm(rng, 3, 32, 3, 2, 1, nn.ReLU6{})}}
	in := 32
	for _, s := range []struct{ expand, out, blocks, stride int }{
		{1, 16, 1, 1}, {6, 24, 2, 2}, {6, 32, 3, 2}, {6, 64, 4, 2}, {6, 96, 3, 1}, {6, 160, 3, 2}, {6, 320, 1, 1},
	} {
		for i := range s.blocks {
			stride := 1
			if i == 0 {
				stride = s.stride
			}
			m.Features = append(m.Features, newInvertedResidual(rng, in, s.out, stride, s.expand))
			in = s.out
		}
	}
	m.Features = append(m.Features, convNorm(rng, in, 1280, 1, 1, 1, nn.ReLU6{}))
	m.Classifier = nn.Sequential{nn.Dropout{P: 0.2}, nn.NewLinear(rng, 1280, classes, nn.LinearOptions{})}
	return m
}
