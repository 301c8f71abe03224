package zoo

import (
	"github.com/weft-ml/weft/nn"
	"github.com/weft-ml/weft/tensor"
)

// BasicBlock is the residual block of two 3x3 convolutions of ResNet-18 (He et
// al., "Deep Residual Learning", 2015). Where the shape changes, a 1x1
// convolution with batch norm takes the shortcut.
type BasicBlock struct {
	Conv1    *nn.Conv2d
	BN1      *nn.BatchNorm
	Conv2    *nn.Conv2d
	BN2      *nn.BatchNorm
	Shortcut nn.Sequential // nil for the identity
}

// NewBasicBlock returns a block from in to out channels.
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
	return b.BN2.Forward(b.Conv2.Forward(y)).Add(b.Shortcut.Forward(x)).Relu()
}

// ResNet is a stem, four stages of blocks, and a linear layer on the mean of
// each channel.
type ResNet struct {
	Conv1                          *nn.Conv2d
	BN1                            *nn.BatchNorm
	Layer1, Layer2, Layer3, Layer4 nn.Sequential
	FC                             *nn.Linear
}

// ResNet18CIFAR returns ResNet-18 for small images such as CIFAR-10's: its stem
// is one 3x3 convolution and no pooling. It has 11,173,962 parameters for ten
// classes. Its input is [n, 3, h, w], its output the logits [n, classes].
func ResNet18CIFAR(rng *nn.RNG, classes int) *ResNet {
	stage := func(in, out, stride int) nn.Sequential {
		return nn.Sequential{NewBasicBlock(rng, in, out, stride), NewBasicBlock(rng, out, out, 1)}
	}
	return &ResNet{
		Conv1:  nn.NewConv2d(rng, 3, 64, 3, nn.ConvOptions{Padding: 1, NoBias: true, Init: nn.HeNormal}),
		BN1:    nn.NewBatchNorm(64, nn.BatchNormOptions{}),
		Layer1: stage(64, 64, 1), Layer2: stage(64, 128, 2), Layer3: stage(128, 256, 2), Layer4: stage(256, 512, 2),
		FC: nn.NewLinear(rng, 512, classes, nn.LinearOptions{}),
	}
}

// Forward maps images [n, 3, h, w] to logits.
func (r *ResNet) Forward(x *tensor.Tensor) *tensor.Tensor {
	x = r.BN1.Forward(r.Conv1.Forward(x)).Relu()
	for _, stage := range []nn.Sequential{r.Layer1, r.Layer2, r.Layer3, r.Layer4} {
		x = stage.Forward(x)
	}
	return r.FC.Forward(x.Mean(2, 3))
}
