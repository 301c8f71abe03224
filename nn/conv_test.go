package nn_test

import (
	"math"
	"slices"
	"testing"

	. "github.com/weft-ml/weft/nn"
	"github.com/weft-ml/weft/tensor"
)

func TestConvolutionsHavePyTorchsShapes(t *testing.T) {
	rng := NewRNG(1)
	for _, c := range []struct {
		name   string
		m      Module
		weight []int
		in     []int
		out    []int
	}{
		{"conv2d", NewConv2d(rng, 4, 6, 3, ConvOptions{Stride: 2, Padding: 1, Groups: 2}), []int{6, 2, 3, 3}, []int{2, 4, 9, 8}, []int{2, 6, 5, 4}},
		{"dilated", NewConv2d(rng, 1, 3, 3, ConvOptions{Dilation: 2}), []int{3, 1, 3, 3}, []int{1, 1, 7, 6}, []int{1, 3, 3, 2}},
		{"conv1d", NewConv1d(rng, 4, 2, 5, ConvOptions{Stride: 3, Padding: 2}), []int{2, 4, 5}, []int{2, 4, 10}, []int{2, 2, 4}},
		{"transposed", NewConvTranspose2d(rng, 4, 6, 3, ConvOptions{Stride: 2, Padding: 1, OutputPadding: 1, Groups: 2}), []int{4, 3, 3, 3}, []int{1, 4, 5, 4}, []int{1, 6, 10, 8}},
		{"max pool", MaxPool2d{Kernel: 3, Stride: 2, Padding: 1}, nil, []int{1, 2, 8, 8}, []int{1, 2, 4, 4}},
		{"average pool", AvgPool2d{Kernel: 2}, nil, []int{1, 2, 8, 6}, []int{1, 2, 4, 3}},
		{"adaptive pool", AdaptiveAvgPool2d{}, nil, []int{1, 2, 8, 6}, []int{1, 2, 1, 1}},
		{"adaptive max pool", AdaptiveMaxPool2d{}, nil, []int{1, 2, 8, 6}, []int{1, 2, 1, 1}},
		{"adaptive max pool to 3x4", AdaptiveMaxPool2d{Height: 3, Width: 4}, nil, []int{1, 2, 8, 6}, []int{1, 2, 3, 4}},
		{"adaptive pool to 3x2", AdaptiveAvgPool2d{Height: 3, Width: 2}, nil, []int{1, 2, 8, 6}, []int{1, 2, 3, 2}},
	} {
		if c.weight != nil {
			ps := Params(c.m)
			if len(ps) != 2 || ps[0].Name != "weight" || ps[1].Name != "bias" || !slices.Equal(ps[0].Value.Shape(), c.weight) {
				t.Errorf("%s: variables %v", c.name, ps)
			}
			if !ps[0].Decay || ps[1].Decay {
				t.Errorf("%s: weight decay belongs to the weight alone", c.name)
			}
		}
		if got := c.m.Forward(tensor.Zeros(c.in...)).Shape(); !slices.Equal(got, c.out) {
			t.Errorf("%s: output %v, want %v", c.name, got, c.out)
		}
	}
}

// TestAdaptiveMaxPool compares every window, even and uneven ones, with its
// definition.
func TestAdaptiveMaxPool(t *testing.T) {
	const h, w = 7, 5
	data := NewRNG(4).Normal(2*h*w, 0, 1)
	for _, size := range [][2]int{{1, 1}, {7, 5}, {3, 2}, {5, 4}, {2, 5}} {
		y := AdaptiveMaxPool2d{Height: size[0], Width: size[1]}.Forward(tensor.New(data, 1, 2, h, w))
		got, err := y.Read()
		if err != nil {
			t.Fatal(err)
		}
		var want []float32
		for c := range 2 {
			for i := range size[0] {
				for j := range size[1] {
					most := float32(math.Inf(-1))
					for y := i * h / size[0]; y < ((i+1)*h+size[0]-1)/size[0]; y++ {
						for x := j * w / size[1]; x < ((j+1)*w+size[1]-1)/size[1]; x++ {
							most = max(most, data[(c*h+y)*w+x])
						}
					}
					want = append(want, most)
				}
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("to %v: %v, want %v", size, got, want)
		}
	}
}

// TestConvolutionsKeepTheVariance: He's initialisation keeps the mean square
// of what passes a convolution and a ReLU, if its fan-in counts what enters an
// output: with groups, and with the stride of a transposed convolution, too.
func TestConvolutionsKeepTheVariance(t *testing.T) {
	rng := NewRNG(3)
	for name, m := range map[string]Module{
		"plain":      NewConv2d(rng, 32, 64, 3, ConvOptions{Init: HeNormal}),
		"groups":     NewConv2d(rng, 64, 64, 5, ConvOptions{Init: HeUniform, Groups: 16}),
		"1d":         NewConv1d(rng, 64, 64, 3, ConvOptions{Init: HeUniform}),
		"transposed": NewConvTranspose2d(rng, 64, 16, 4, ConvOptions{Init: HeNormal, Stride: 2}),
	} {
		shape := []int{1, Params(m)[0].Value.Dim(1), 24, 24}
		switch name {
		case "groups", "transposed":
			shape[1] = 64
		case "1d":
			shape = []int{4, 64, 100}
		}
		n := 1
		for _, d := range shape {
			n *= d
		}
		y := m.Forward(tensor.New(rng.Normal(n, 0, 1), shape...))
		for d := 2; d < len(shape); d++ { // what padding and borders leave whole
			y = y.Slice(d, 6, -6)
		}
		if got := float64(y.Relu().Square().Mean().Item()); math.Abs(got-1) > 0.25 {
			t.Errorf("%s: mean square %v after a ReLU, want about 1", name, got)
		}
	}
}

func TestConvolutionDefaultInitIsPyTorchs(t *testing.T) {
	for _, c := range []struct {
		m     Module
		bound float64
	}{
		{NewConv2d(NewRNG(1), 8, 40, 3, ConvOptions{Groups: 2}), 1 / math.Sqrt(4*9)},
		{NewConv1d(NewRNG(1), 8, 40, 3, ConvOptions{}), 1 / math.Sqrt(8*3)},
		{NewConvTranspose2d(NewRNG(1), 8, 40, 3, ConvOptions{Stride: 2}), 1 / math.Sqrt(40*9)},
	} {
		for _, p := range Params(c.m) {
			most := float64(p.Value.Abs().Amax().Item())
			if most > c.bound || most < 0.85*c.bound {
				t.Errorf("%T: greatest %s %v, want just under %v", c.m, p.Name, most, c.bound)
			}
		}
	}
	if ps := Params(NewConv2d(NewRNG(1), 2, 2, 1, ConvOptions{NoBias: true})); len(ps) != 1 {
		t.Errorf("without bias there are %v", ps)
	}
}

func TestWrongConvolutionsPanic(t *testing.T) {
	for name, f := range map[string]func(){
		"groups":     func() { NewConv2d(NewRNG(1), 3, 4, 3, ConvOptions{Groups: 2}) },
		"kernel":     func() { NewConv1d(NewRNG(1), 3, 4, 0, ConvOptions{}) },
		"stride":     func() { NewConvTranspose2d(NewRNG(1), 3, 4, 2, ConvOptions{Stride: -1}) },
		"group norm": func() { NewGroupNorm(4, 6) },
		"layer norm": func() { NewLayerNorm(5).Forward(tensor.Zeros(2, 4)) },
		"batch norm": func() { NewBatchNorm(5, BatchNormOptions{}).Forward(tensor.Zeros(2, 4)) },
	} {
		func() {
			defer func() {
				if _, ok := recover().(*tensor.Error); !ok {
					t.Errorf("%s: no error", name)
				}
			}()
			f()
		}()
	}
}
