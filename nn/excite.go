package nn

import (
	"github.com/weft-ml/weft/internal/ir"
	"github.com/weft-ml/weft/tensor"
)

// SqueezeExcite scales each channel of images x [N, C, H, W] by a share that a
// small network computes of all channels' means: x sigmoid(FC2(act(FC1(mean(x)))))
// (Hu et al., "Squeeze-and-Excitation Networks", 2017). FC1 and FC2 are 1x1
// convolutions, as in torchvision, so that its weights load.
type SqueezeExcite struct {
	FC1        *Conv2d `nn:"fc1"`
	FC2        *Conv2d `nn:"fc2"`
	Activation Module  // nil means ReLU
}

// NewSqueezeExcite returns a layer for the given number of channels, with
// squeeze of them inside.
func NewSqueezeExcite(rng *RNG, channels, squeeze int, opt ConvOptions) *SqueezeExcite {
	if channels < 1 || squeeze < 1 {
		panic(ir.NewError("squeeze_excite", "%d channels squeezed to %d: both are at least 1", channels, squeeze))
	}
	return &SqueezeExcite{FC1: NewConv2d(rng, channels, squeeze, 1, opt), FC2: NewConv2d(rng, squeeze, channels, 1, opt)}
}

// Forward returns a tensor of x's shape.
func (s *SqueezeExcite) Forward(x *tensor.Tensor) *tensor.Tensor {
	if x.Dims() != 4 {
		panic(ir.NewError("squeeze_excite", "input %v: four dimensions are needed", x.Shape()))
	}
	h := s.FC1.Forward(x.MeanKeep(2, 3))
	if s.Activation == nil {
		h = h.Relu()
	} else {
		h = s.Activation.Forward(h)
	}
	return x.Mul(s.FC2.Forward(h).Sigmoid())
}
