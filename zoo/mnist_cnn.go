package zoo

import "github.com/weft-ml/weft/nn"

// MNISTCNN returns a network of four convolutions without padding for
// handwritten digits, of 87,850 parameters: two of 32 channels with kernels of
// 5x5, batch norm, pooling, two of 64 channels with kernels of 3x3, batch norm,
// pooling, and a linear layer. Its input is [n, 1, 28, 28], its output the
// logits [n, 10]. SiLU follows each convolution; weights are He uniform.
func MNISTCNN(rng *nn.RNG) nn.Sequential { return DigitCNN(rng, 1, 28, 28, 10) }

// DigitCNN is MNISTCNN for images of other sizes, at least 20x20, and other
// numbers of channels and classes.
func DigitCNN(rng *nn.RNG, channels, height, width, classes int) nn.Sequential {
	conv := nn.ConvOptions{Init: nn.HeUniform}
	side := func(n int) int { return ((n-8)/2 - 4) / 2 }
	return nn.Sequential{
		nn.NewConv2d(rng, channels, 32, 5, conv), nn.SiLU{},
		nn.NewConv2d(rng, 32, 32, 5, conv), nn.SiLU{},
		nn.NewBatchNorm(32, nn.BatchNormOptions{}), nn.MaxPool2d{Kernel: 2},
		nn.NewConv2d(rng, 32, 64, 3, conv), nn.SiLU{},
		nn.NewConv2d(rng, 64, 64, 3, conv), nn.SiLU{},
		nn.NewBatchNorm(64, nn.BatchNormOptions{}), nn.MaxPool2d{Kernel: 2},
		nn.Flatten{},
		nn.NewLinear(rng, 64*side(height)*side(width), classes, nn.LinearOptions{Init: nn.HeUniform}),
	}
}
