package zoo

import (
	"github.com/weft-ml/weft/nn"
	"github.com/weft-ml/weft/tensor"
)

// PatchNet is a small network for 32x32 colour images that trains in few
// epochs: whitened patches (see Whitening), three groups of two convolutions,
// each of which halves the image first, and a linear layer on the greatest value
// of each channel. What makes it quick is known from public speed records on
// CIFAR-10 (Jordan, "94% on CIFAR-10 in 3.29 Seconds on a Single GPU", 2024, and
// what it builds on): patches come decorrelated, filters begin as the identity,
// and batch norms have a shift only.
type PatchNet struct {
	Whiten *Whitening
	Layers nn.Sequential
	Head   *nn.Linear
}

// CIFARFast returns a PatchNet of 64, 256 and 256 channels: 1,971,352
// parameters that are trained for ten classes.
func CIFARFast(rng *nn.RNG, classes int) *PatchNet { return NewPatchNet(rng, classes, 64, 256, 256) }

// CIFARSmall returns a PatchNet of 64, 128 and 256 channels: 1,160,088
// parameters that are trained, 2.3 MB as float16.
func CIFARSmall(rng *nn.RNG, classes int) *PatchNet { return NewPatchNet(rng, classes, 64, 128, 256) }

// NewPatchNet returns a network with groups of the given numbers of channels.
func NewPatchNet(rng *nn.RNG, classes int, widths ...int) *PatchNet {
	p := &PatchNet{Whiten: NewWhitening(rng, 3, 2)}
	in := p.Whiten.Weight.Dim(0)
	for _, width := range widths {
		p.Layers = append(p.Layers, &patchGroup{
			Conv1: identityConv(rng, in, width), Norm1: shiftNorm(width),
			Conv2: identityConv(rng, width, width), Norm2: shiftNorm(width),
		})
		in = width
	}
	p.Head = &nn.Linear{Weight: tensor.NewVariable("weight", rng.Normal(classes*in, 0, 1), classes, in)}
	return p
}

// Forward maps images [n, 3, h, w] to logits.
func (p *PatchNet) Forward(x *tensor.Tensor) *tensor.Tensor {
	x = p.Layers.Forward(p.Whiten.Forward(x).Gelu()).Amax(2, 3)
	// Weights of about 1 and a mean over the channels make the first logits
	// small, and a step of all weights alike a small step of the logits.
	return p.Head.Forward(x).DivScalar(float64(x.Dim(1)))
}

// patchGroup is a convolution, pooling, and another convolution.
type patchGroup struct {
	Conv1 *nn.Conv2d
	Norm1 *nn.BatchNorm
	Conv2 *nn.Conv2d
	Norm2 *nn.BatchNorm
}

func (g *patchGroup) Forward(x *tensor.Tensor) *tensor.Tensor {
	x = nn.MaxPool2d{Kernel: 2}.Forward(g.Conv1.Forward(x))
	x = g.Norm1.Forward(x).Gelu()
	return g.Norm2.Forward(g.Conv2.Forward(x)).Gelu()
}

// identityConv is a 3x3 convolution whose first filters pass their channel on
// as it is.
func identityConv(rng *nn.RNG, in, out int) *nn.Conv2d {
	c := nn.NewConv2d(rng, in, out, 3, nn.ConvOptions{Padding: 1, NoBias: true})
	w := c.Weight.Floats()
	for i := range min(in, out) {
		filter := w[i*in*9 : (i+1)*in*9]
		clear(filter)
		filter[i*9+4] = 1
	}
	if err := c.Weight.Set(w); err != nil {
		panic(err)
	}
	return c
}

// shiftNorm is batch norm without a scale, whose statistics follow quickly,
// because there are few steps.
func shiftNorm(channels int) *nn.BatchNorm {
	n := nn.NewBatchNorm(channels, nn.BatchNormOptions{Momentum: 0.4})
	n.Weight = nil
	return n
}
