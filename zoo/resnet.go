package zoo

import (
	"github.com/weft-ml/weft/nn"
	"github.com/weft-ml/weft/tensor"
)

// BasicBlock is the residual block of two 3x3 convolutions of ResNet-18 (He et
// al., "Deep Residual Learning", 2015). Where the shape changes, a 1x1
// convolution with batch norm takes the shortcut.
//
// The shortcut has two names, of which a block uses at most one, because
// weights are found by their names and those of its two kinds of networks
// differ: torchvision's call it downsample, those for CIFAR mostly shortcut.
type BasicBlock struct {
	Conv1      *nn.Conv2d
	BN1        *nn.BatchNorm
	Conv2      *nn.Conv2d
	BN2        *nn.BatchNorm
	Shortcut   nn.Sequential // nil for the identity
	Downsample nn.Sequential // nil for the identity
}

// NewBasicBlock returns a block from in to out channels, with Shortcut where
// the shape changes.
func NewBasicBlock(rng *nn.RNG, in, out, stride int) *BasicBlock {
	b := &BasicBlock{
		Conv1: nn.NewConv2d(rng, in, out, 3, nn.ConvOptions{Stride: stride, Padding: 1, NoBias: true, Init: nn.HeNormal}),
		BN1:   nn.NewBatchNorm(out, nn.BatchNormOptions{}),
		Conv2: nn.NewConv2d(rng, out, out, 3, nn.ConvOptions{Padding: 1, NoBias: true, Init: nn.HeNormal}),
		BN2:   nn.NewBatchNorm(out, nn.BatchNormOptions{}),
	}
	if stride != 1 || in != out {
		b.Shortcut = nn.Sequential{
			nn.NewConv2d(rng, in, out, 1, nn.ConvOptions{Stride: stride, NoBias: true, Init: nn.HeNormal}),
			nn.NewBatchNorm(out, nn.BatchNormOptions{}),
		}
	}
	return b
}

// Forward maps [n, in, h, w] to [n, out, h/stride, w/stride].
func (b *BasicBlock) Forward(x *tensor.Tensor) *tensor.Tensor {
	y := b.BN1.Forward(b.Conv1.Forward(x)).Relu()
	return b.BN2.Forward(b.Conv2.Forward(y)).Add(b.Downsample.Forward(b.Shortcut.Forward(x))).Relu()
}

// ResNet is a stem, three or four stages of blocks, and a linear layer on the
// mean of each channel.
type ResNet struct {
	Conv1                          *nn.Conv2d
	BN1                            *nn.BatchNorm
	Pool                           nn.Module // of the stem; nil for none
	Layer1, Layer2, Layer3, Layer4 nn.Sequential
	FC                             *nn.Linear
}

// Forward maps images [n, 3, h, w] to logits.
func (r *ResNet) Forward(x *tensor.Tensor) *tensor.Tensor {
	x = r.BN1.Forward(r.Conv1.Forward(x)).Relu()
	if r.Pool != nil {
		x = r.Pool.Forward(x)
	}
	for _, stage := range []nn.Sequential{r.Layer1, r.Layer2, r.Layer3, r.Layer4} {
		x = stage.Forward(x)
	}
	return r.FC.Forward(x.Mean(2, 3))
}

// ResNet18CIFAR returns ResNet-18 for small images such as CIFAR-10's: its stem
// is one 3x3 convolution and no pooling. It has 11,173,962 parameters for ten
// classes. Its input is [n, 3, h, w], its output the logits [n, classes].
func ResNet18CIFAR(rng *nn.RNG, classes int) *ResNet {
	return newResNet(rng, smallStem(rng, 64), 2, false, classes, 64, 128, 256, 512)
}

// ResNet18 returns ResNet-18 for large images as torchvision has it: its stem
// is a 7x7 convolution of stride 2 and pooling, so that images shrink 32-fold.
// It has 11,689,512 parameters for 1000 classes.
func ResNet18(rng *nn.RNG, classes int) *ResNet {
	stem := &ResNet{
		Conv1: nn.NewConv2d(rng, 3, 64, 7, nn.ConvOptions{Stride: 2, Padding: 3, NoBias: true, Init: nn.HeNormal}),
		BN1:   nn.NewBatchNorm(64, nn.BatchNormOptions{}),
		Pool:  nn.MaxPool2d{Kernel: 3, Stride: 2, Padding: 1},
	}
	return newResNet(rng, stem, 2, true, classes, 64, 128, 256, 512)
}

// ResNet20 returns the small network for CIFAR-10 of the ResNet paper (section
// 4.2): three stages of three blocks with 16, 32 and 64 channels, here with
// convolutions as shortcuts (option B). It has 272,474 parameters for ten
// classes.
func ResNet20(rng *nn.RNG, classes int) *ResNet {
	return newResNet(rng, smallStem(rng, 16), 3, true, classes, 16, 32, 64)
}

// smallStem is one 3x3 convolution with batch norm.
func smallStem(rng *nn.RNG, width int) *ResNet {
	return &ResNet{
		Conv1: nn.NewConv2d(rng, 3, width, 3, nn.ConvOptions{Padding: 1, NoBias: true, Init: nn.HeNormal}),
		BN1:   nn.NewBatchNorm(width, nn.BatchNormOptions{}),
	}
}

// newResNet completes a stem by a stage of so many blocks for each width, the
// first of which keeps the image's size and the others halve it.
func newResNet(rng *nn.RNG, r *ResNet, blocks int, downsample bool, classes int, widths ...int) *ResNet {
	in := widths[0]
	for i, stage := range []*nn.Sequential{&r.Layer1, &r.Layer2, &r.Layer3, &r.Layer4}[:len(widths)] {
		for j := range blocks {
			stride := 1
			if i > 0 && j == 0 {
				stride = 2
			}
			b := NewBasicBlock(rng, in, widths[i], stride)
			if downsample {
				b.Shortcut, b.Downsample = b.Downsample, b.Shortcut
			}
			*stage = append(*stage, b)
			in = widths[i]
		}
	}
	r.FC = nn.NewLinear(rng, in, classes, nn.LinearOptions{})
	return r
}
