package zoo

import (
	"fmt"
	"strings"

	"github.com/weft-ml/weft/nn"
)

// Model is a network that can be had by its name.
type Model struct {
	Name string
	Doc  string // one line
	// Input is the shape of one input, and Classes how many classes there are
	// unless one asks for others.
	Input   []int
	Classes int
	// Mean and Std of each channel are what published weights expect of values
	// scaled to 0..1; nil where there are none.
	Mean, Std []float32
	// Resize is what the shorter side of a picture becomes before its middle is
	// cut out, where published weights were tested so; 0 just covers the input.
	Resize int
	// New returns the network with weights drawn from rng.
	New func(rng *nn.RNG, classes int) nn.Module
}

// What PyTorch's image classifiers are trained with.
var (
	imageNetMean, imageNetStd = []float32{0.485, 0.456, 0.406}, []float32{0.229, 0.224, 0.225}
	cifarMean, cifarStd       = []float32{0.4914, 0.4822, 0.4465}, []float32{0.2470, 0.2435, 0.2616}
)

func cifar(name, doc string, f func(*nn.RNG, int) nn.Module) Model {
	return Model{Name: name, Doc: doc, Input: []int{3, 32, 32}, Classes: 10, Mean: cifarMean, Std: cifarStd, New: f}
}

func imageNet(name, doc string, f func(*nn.RNG, int) nn.Module) Model {
	return Model{Name: name, Doc: doc, Input: []int{3, 224, 224}, Classes: 1000, Mean: imageNetMean, Std: imageNetStd, Resize: 256, New: f}
}

// Models lists the networks, small ones first. A function, since a variable would
// bring all of them into programs that need one.
func Models() []Model {
	return []Model{
		{Name: "mnist_mlp", Doc: "784-128-10 perceptron for digits", Input: []int{784}, Classes: 10,
			New: func(r *nn.RNG, n int) nn.Module { return MLP(r, 784, 128, n) }},
		{Name: "mnist_cnn", Doc: "four convolutions for digits", Input: []int{1, 28, 28}, Classes: 10,
			New: func(r *nn.RNG, n int) nn.Module { return DigitCNN(r, 1, 28, 28, n) }},
		cifar("resnet18_cifar", "ResNet-18 with a 3x3 stem, for CIFAR-10", func(r *nn.RNG, n int) nn.Module { return ResNet18CIFAR(r, n) }),
		cifar("resnet20", "ResNet-20 for CIFAR-10", func(r *nn.RNG, n int) nn.Module { return ResNet20(r, n) }),
		cifar("cifar_fast", "whitened patches and three groups of convolutions, quick to train", func(r *nn.RNG, n int) nn.Module { return CIFARFast(r, n) }),
		cifar("cifar_small", "the same with narrower groups, 2.3 MB as float16", func(r *nn.RNG, n int) nn.Module { return CIFARSmall(r, n) }),
		imageNet("resnet18", "ResNet-18 for ImageNet", func(r *nn.RNG, n int) nn.Module { return ResNet18(r, n) }),
		imageNet("mobilenet_v2", "MobileNetV2 for ImageNet", func(r *nn.RNG, n int) nn.Module { return MobileNetV2(r, n) }),
		imageNet("squeezenet1_1", "SqueezeNet 1.1 for ImageNet", func(r *nn.RNG, n int) nn.Module { return SqueezeNet1_1(r, n) }),
		imageNet("efficientnet_b0", "EfficientNet-B0 for ImageNet", func(r *nn.RNG, n int) nn.Module { return EfficientNetB0(r, n) }),
	}
}

// Find returns the network of that name; "-" may stand for "_".
func Find(name string) (Model, error) {
	var names []string
	for _, m := range Models() {
		if m.Name == strings.ReplaceAll(name, "-", "_") {
			return m, nil
		}
		names = append(names, m.Name)
	}
	return Model{}, fmt.Errorf("no network %q; there are: %s", name, strings.Join(names, ", "))
}
