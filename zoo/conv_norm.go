package zoo

import "github.com/weft-ml/weft/nn"

// convNorm is a convolution that keeps the image's size but for its stride,
// batch norm, and an activation unless it is nil: the brick of which mobile
// networks are made.
func convNorm(rng *nn.RNG, in, out, kernel, stride, groups int, activation nn.Module) nn.Sequential {
	s := nn.Sequential{
		nn.NewConv2d(rng, in, out, kernel, nn.ConvOptions{Stride: stride, Padding: kernel / 2, Groups: groups, NoBias: true, Init: nn.HeNormal}),
		nn.NewBatchNorm(out, nn.BatchNormOptions{}),
	}
	if activation != nil {
		s = append(s, activation)
	}
	return s
}
