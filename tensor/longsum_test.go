package tensor_test

import (
	"math"
	"runtime"
	"testing"

	"github.com/weft-ml/weft/device"
	. "github.com/weft-ml/weft/tensor"
)

// Sums so long that drivers end a plain loop over them (Mesa's after 65,535 turns),
// of equal terms, whose roundings all go to the same side.

// longSum is a function of one tensor of equal elements, and what its results are.
type longSum struct {
	name  string
	shape []int
	value float32
	f     func(x *Tensor) *Tensor
	want  func(v float64) float64
	tol   float64 // relative
}

var longSums = []longSum{
	{"sum", []int{10_000_000}, .1, func(x *Tensor) *Tensor { return x.Sum() }, func(v float64) float64 { return 1e7 * v }, 1e-5},
	{"sum of a prime number", []int{1_000_003}, .1, func(x *Tensor) *Tensor { return x.Sum() }, func(v float64) float64 { return 1_000_003 * v }, 1e-5},
	{"sum of twice a prime", []int{2, 600_011}, .1, func(x *Tensor) *Tensor { return x.MulScalar(3).Sum() }, func(v float64) float64 { return 1_200_022 * 3 * v }, 1e-5},
	{"mean", []int{3, 1_000_000}, .1, func(x *Tensor) *Tensor { return x.Mean() }, func(v float64) float64 { return v }, 1e-5},
	{"rows", []int{300, 40_000}, .1, func(x *Tensor) *Tensor { return x.Sum(1) }, func(v float64) float64 { return 40_000 * v }, 1e-5},
	{"columns", []int{40_000, 300}, .1, func(x *Tensor) *Tensor { return x.Sum(0) }, func(v float64) float64 { return 40_000 * v }, 1e-5},
	{"longer rows", []int{140_000}, .1, func(x *Tensor) *Tensor { return x.MulScalar(2).Expand(300, 140_000).Sum(1) }, func(v float64) float64 { return 280_000 * v }, 1e-5},
	{"largest", []int{1_000_003}, .1, func(x *Tensor) *Tensor { return x.Amax() }, func(v float64) float64 { return v }, 0},
	{"least", []int{1_000_003}, .1, func(x *Tensor) *Tensor { return x.Amin() }, func(v float64) float64 { return v }, 0},
	{"least of integers", []int{1_000_003}, 3, func(x *Tensor) *Tensor { return x.To(Int32).Amin() }, func(v float64) float64 { return 3 }, 0},
	{"product", []int{1_000_003}, 1, func(x *Tensor) *Tensor { return x.Prod() }, func(v float64) float64 { return 1 }, 0},
	{"softmax", []int{40, 50_257}, .1, func(x *Tensor) *Tensor { return x.Softmax(1).Slice(1, 0, 3) }, func(v float64) float64 { return 1. / 50_257 }, 1e-5},
	{"gradient of a bias", []int{600, 100, 200}, .1, func(x *Tensor) *Tensor {
		b := NewVariable("bias", make([]float32, 100), 100, 1)
		return Grad(x.Add(b).Square().Sum(), b)[0]
	}, func(v float64) float64 { return 2 * v * 120_000 }, 1e-5},
}

func TestLongSums(t *testing.T) {
	for _, dev := range devices(t) {
		for _, s := range longSums {
			s.check(t, dev)
		}
	}
}

func (s *longSum) check(t *testing.T, dev *device.Device) {
	t.Helper()
	n := 1
	for _, d := range s.shape {
		n *= d
	}
	v := make([]float32, n)
	for i := range v {
		v[i] = s.value
	}
	x := New(v, s.shape...)
	p, err := Compile(dev, func(_ *Trace, in []*Tensor) []*Tensor { return []*Tensor{s.f(in[0])} }, x)
	if err != nil {
		t.Fatal(s.name, err)
	}
	defer p.Close()
	out, err := p.Call(x)
	if err != nil {
		t.Fatal(s.name, err)
	}
	want, worst := s.want(float64(s.value)), 0.
	for _, got := range out[0].Floats() {
		worst = math.Max(worst, math.Abs(float64(got)/want-1))
	}
	if !(worst <= s.tol) {
		t.Errorf("%s on %s: off by %.2g of %v, want at most %.2g", s.name, dev.Kind(), worst, want, s.tol)
	} else {
		t.Logf("%s on %s: off by %.2g", s.name, dev.Kind(), worst)
	}
}

// longProducts are the same for sums of products: of two operands, of one with
// itself, and gradients of convolutions' weights.
var longProducts = []longSum{
	{"row times itself", []int{1_000_000}, .1, selfProduct, func(v float64) float64 { return 1e6 * v * v }, 2e-5},
	{"long row times itself", []int{10_000_000}, .1, selfProduct, func(v float64) float64 { return 1e7 * v * v }, 2e-5},
	{"prime row times itself", []int{600_011}, .1, selfProduct, func(v float64) float64 { return 600_011 * v * v }, 2e-5},
	{"rows times rows", []int{5, 300_000}, .1, func(x *Tensor) *Tensor { return x.MatMul(x.Transpose(0, 1)) }, func(v float64) float64 { return 300_000 * v * v }, 2e-5},
	{"columns times columns", []int{300_000, 3}, .1, func(x *Tensor) *Tensor { return x.Transpose(0, 1).MatMul(x) }, func(v float64) float64 { return 300_000 * v * v }, 2e-5},
	{"kernel gradient, 512 images 1x32x32, 1 filter", []int{512, 1, 32, 32}, .1, kernelGradient(1, 1), func(v float64) float64 { return v * 512 * 30 * 30 }, 2e-5},
	{"kernel gradient, 512 images 1x28x28, 4 filters", []int{512, 1, 28, 28}, .1, kernelGradient(4, 1), func(v float64) float64 { return v * 512 * 26 * 26 }, 2e-5},
	{"kernel gradient, 128 images 3x32x32, 64 filters", []int{128, 3, 32, 32}, .1, kernelGradient(64, 3), func(v float64) float64 { return v * 128 * 30 * 30 }, 2e-5},
	{"kernel gradient, 16 images 3x224x224, 8 filters", []int{16, 3, 224, 224}, .1, kernelGradient(8, 3), func(v float64) float64 { return v * 16 * 222 * 222 }, 2e-5},
}

func selfProduct(x *Tensor) *Tensor { return x.Reshape(1, -1).MatMul(x.Reshape(-1, 1)) }

func kernelGradient(filters, channels int) func(x *Tensor) *Tensor {
	ones := make([]float32, filters*channels*9)
	for i := range ones {
		ones[i] = 1
	}
	w := NewVariable("w", ones, filters, channels, 3, 3)
	return func(x *Tensor) *Tensor {
		return Grad(x.Conv2d(w, nil, ConvOptions{}).Relu().Sum(), w)[0]
	}
}

func TestLongProducts(t *testing.T) {
	for _, dev := range devices(t) {
		for _, s := range longProducts {
			if runtime.GOOS == "js" && dev.Kind() == "cpu" {
				// The plain Go tiles add up sums of some hundred terms in a row.
				s.tol = 2e-4
			}
			s.check(t, dev)
		}
	}
}
