package nn

import (
	"math"
	"strings"
	"testing"

	"github.com/weft-ml/weft/tensor"
)

// TestSenselessOptions gives layers and operations numbers that nobody means:
// each is a tensor.Error that says what is allowed, not another number in its
// place.
func TestSenselessOptions(t *testing.T) {
	image, w := tensor.Zeros(1, 2, 6, 6), tensor.Zeros(2, 2, 3, 3)
	for what, c := range map[string]struct {
		f    func()
		says string
	}{
		"layer of -1 groups":    {func() { NewConv2d(NewRNG(1), 2, 2, 3, ConvOptions{Groups: -1}) }, "at least 1"},
		"-1 groups":             {func() { image.Conv2d(w, nil, tensor.ConvOptions{Groups: -1}) }, "at least 1"},
		"negative stride":       {func() { image.Conv2d(w, nil, tensor.ConvOptions{Stride: [2]int{1, -2}}) }, "at least 1"},
		"negative dilation":     {func() { image.ConvTranspose2d(w, nil, tensor.ConvOptions{Dilation: [2]int{-1, 1}}, [2]int{}) }, "at least 1"},
		"negative padding":      {func() { image.Conv2d(w, nil, tensor.ConvOptions{Padding: [2]int{-1, 0}}) }, "negative"},
		"negative out padding":  {func() { image.ConvTranspose2d(w, nil, tensor.ConvOptions{Stride: [2]int{2, 2}}, [2]int{-1, 0}) }, "negative"},
		"pooling kernel 0":      {func() { image.MaxPool2d(tensor.Pool2dOptions{Kernel: [2]int{0, 2}}) }, "at least 1"},
		"pooling stride -1":     {func() { image.AvgPool2d(tensor.Pool2dOptions{Kernel: [2]int{2, 2}, Stride: [2]int{-1, 1}}) }, "negative"},
		"dropout of NaN":        {func() { Dropout{math.NaN()}.Forward(image) }, "0 to 1"},
		"dropout of -0.5":       {func() { Dropout{-0.5}.Forward(image) }, "0 to 1"},
		"stochastic depth of 2": {func() { StochasticDepth{2}.Forward(image) }, "0 to 1"},
	} {
		func() {
			defer func() {
				e, ok := recover().(*tensor.Error)
				if !ok || !strings.Contains(e.Error(), c.says) {
					t.Errorf("%s: %v", what, e)
				}
			}()
			c.f()
		}()
	}
}
