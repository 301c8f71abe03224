package zoo

import (
	"github.com/weft-ml/weft/nn"
	"github.com/weft-ml/weft/tensor"
)

// MBConv is EfficientNet's block: MobileNetV2's inverted residual with SiLU and
// squeeze-and-excitation. In training Drop leaves the block out for some
// images, where its input is added.
type MBConv struct {
	Block nn.Sequential
	Skip  bool
	Drop  nn.StochasticDepth
}

// newMBConv widens by the factor expand inside; 1 leaves the first convolution
// out. The excitation squeezes to a quarter of the input's channels.
func newMBConv(rng *nn.RNG, in, out, kernel, stride, expand int, drop float64) *MBConv {
	b := &MBConv{Skip: stride == 1 && in == out, Drop: nn.StochasticDepth{P: drop}}
	wide := in * expand
	if expand != 1 {
		b.Block = append(b.Block, convNorm(rng, in, wide, 1, 1, 1, nn.SiLU{}))
	}
	excite := nn.NewSqueezeExcite(rng, wide, in/4, nn.ConvOptions{Init: nn.HeNormal})
	excite.Activation = nn.SiLU{}
	b.Block = append(b.Block, convNorm(rng, wide, wide, kernel, stride, wide, nn.SiLU{}), excite, convNorm(rng, wide, out, 1, 1, 1, nil))
	return b
}

// Forward maps [n, in, h, w] to [n, out, h/stride, w/stride].
func (b *MBConv) Forward(x *tensor.Tensor) *tensor.Tensor {
	y := b.Block.Forward(x)
	if b.Skip {
		return b.Drop.Forward(y).Add(x)
	}
	return y
}

// EfficientNet is convolutions and a classifier of the mean of each channel.
type EfficientNet struct {
	Features   nn.Sequential
	Classifier nn.Sequential
}

// Forward maps images [n, 3, h, w] to logits.
func (e *EfficientNet) Forward(x *tensor.Tensor) *tensor.Tensor {
	return e.Classifier.Forward(e.Features.Forward(x).Mean(2, 3))
}

// EfficientNetOptions are the regularisation of NewEfficientNetB0. The zero
// value has none.
type EfficientNetOptions struct {
	Dropout float64 // before the classifier
	// StochasticDepth is the probability with which the last block is left out
	// for an image; that of earlier ones rises from 0 (Huang et al., "Deep
	// Networks with Stochastic Depth", 2016).
	StochasticDepth float64
}

// EfficientNetB0 returns the smallest network of Tan and Le, "EfficientNet:
// Rethinking Model Scaling for Convolutional Neural Networks" (2019), with
// torchvision's names and regularisation, 0.2 of each kind. It has 5,288,548
// parameters for 1000 classes.
func EfficientNetB0(rng *nn.RNG, classes int) *EfficientNet {
	return NewEfficientNetB0(rng, classes, EfficientNetOptions{Dropout: 0.2, StochasticDepth: 0.2})
}

// NewEfficientNetB0 is EfficientNetB0 with other regularisation.
func NewEfficientNetB0(rng *nn.RNG, classes int, opt EfficientNetOptions) *EfficientNet {
	e := &EfficientNet{Features: nn.Sequential{convNorm(rng, 3, 32, 3, 2, 1, nn.SiLU{})}}
	in, block := 32, 0
	const blocks = 16
	for _, s := range []struct{ expand, kernel, stride, out, blocks int }{
		{1, 3, 1, 16, 1}, {6, 3, 2, 24, 2}, {6, 5, 2, 40, 2}, {6, 3, 2, 80, 3}, {6, 5, 1, 112, 3}, {6, 5, 2, 192, 4}, {6, 3, 1, 320, 1},
	} {
		var stage nn.Sequential
		for i := range s.blocks {
			stride := 1
			if i == 0 {
				stride = s.stride
			}
			stage = append(stage, newMBConv(rng, in, s.out, s.kernel, stride, s.expand, opt.StochasticDepth*float64(block)/blocks))
			in = s.out
			block++
		}
		e.Features = append(e.Features, stage)
	}
	e.Features = append(e.Features, convNorm(rng, in, 1280, 1, 1, 1, nn.SiLU{}))
	e.Classifier = nn.Sequential{nn.Dropout{P: opt.Dropout}, nn.NewLinear(rng, 1280, classes, nn.LinearOptions{})}
	return e
}
