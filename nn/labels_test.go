package nn_test

import (
	"math"
	"os"
	"strings"
	"testing"

	"github.com/weft-ml/weft/device"
	. "github.com/weft-ml/weft/nn"
	"github.com/weft-ml/weft/tensor"
)

// devices are the CPU and WebGPU where there is one.
func devices(t *testing.T) []*device.Device {
	list := []*device.Device{device.CPU()}
	gpu, err := device.Open("webgpu")
	switch {
	case err == nil:
		t.Cleanup(func() { gpu.Close() })
		list = append(list, gpu)
	case os.Getenv("CI") == "true" || os.Getenv("WEFT_REQUIRE_GPU") == "1":
		t.Fatal(err)
	}
	return list
}

// run compiles and calls f once.
func run(t *testing.T, dev *device.Device, f tensor.Function, in ...*tensor.Tensor) ([]*tensor.Tensor, error) {
	t.Helper()
	p, err := tensor.Compile(dev, f, in...)
	if err != nil {
		return nil, err
	}
	defer p.Close()
	return p.Call(in...)
}

func wantError(t *testing.T, what, text string, f func() error) {
	t.Helper()
	err := func() (err error) {
		defer func() {
			if r := recover(); r != nil {
				err = r.(*tensor.Error)
			}
		}()
		return f()
	}()
	if err == nil || !strings.Contains(err.Error(), text) {
		t.Errorf("%s: error %v, want %q", what, err, text)
	}
}

var labelLosses = map[string]func(x, y *tensor.Tensor, ignore ...int) *tensor.Tensor{
	"cross_entropy": func(x, y *tensor.Tensor, ignore ...int) *tensor.Tensor {
		return CrossEntropy(x, y, ClassOptions{Reduction: None, Ignore: ignore})
	},
	"smoothed": func(x, y *tensor.Tensor, ignore ...int) *tensor.Tensor {
		return CrossEntropy(x, y, ClassOptions{Reduction: None, Ignore: ignore, Smoothing: 0.1})
	},
	"weighted": func(x, y *tensor.Tensor, ignore ...int) *tensor.Tensor {
		return CrossEntropy(x, y, ClassOptions{Reduction: None, Ignore: ignore, Weight: tensor.New([]float32{1, 2, 3})})
	},
	"nll": func(x, y *tensor.Tensor, ignore ...int) *tensor.Tensor {
		return NLL(x.LogSoftmax(-1), y, ClassOptions{Reduction: None, Ignore: ignore})
	},
	"focal": func(x, y *tensor.Tensor, _ ...int) *tensor.Tensor {
		return Focal(x, y, FocalOptions{Reduction: None})
	},
	"focal below 1": func(x, y *tensor.Tensor, _ ...int) *tensor.Tensor {
		return Focal(x, y, FocalOptions{Reduction: None, Gamma: .5})
	},
}

// Labels that are no class are errors where the host sees them, as in PyTorch,
// and NaN, with the row's gradient, where only the device does. Those that are
// ignored are neither.
func TestLabelsOutOfRange(t *testing.T) {
	x := tensor.New([]float32{1, 2, 3, 1, 2, 3, 1, 2, 3}, 3, 3)
	const high, low = "label 3 at position 1 is outside of 0 to 2; labels of 3 classes count from 0", "label -4 at position 2 is outside of 0 to 2"
	for name, loss := range labelLosses {
		wantError(t, name+", constant", high, func() error { loss(x, tensor.FromInts([]int32{0, 3, 1})); return nil })
		wantError(t, name+", constant bytes", high, func() error { loss(x, tensor.FromBytes([]byte{0, 3, 1})); return nil })
		wantError(t, name+", computed from constants", low, func() error {
			loss(x, tensor.FromInts([]int32{0, 1, -5}).Add(tensor.FromInts([]int32{0, 0, 1})))
			return nil
		})
		wantError(t, name+", argument", low, func() error {
			_, err := run(t, device.CPU(), func(_ *tensor.Trace, in []*tensor.Tensor) []*tensor.Tensor {
				return []*tensor.Tensor{loss(in[0], in[1].Unsqueeze(0).Squeeze(0))}
			}, x, tensor.FromInts([]int32{0, 2, -4}))
			return err
		})
		if strings.HasPrefix(name, "focal") {
			continue
		}
		loss(x, tensor.FromInts([]int32{0, -4, 77}), 77, -4)
		if _, err := run(t, device.CPU(), func(_ *tensor.Trace, in []*tensor.Tensor) []*tensor.Tensor {
			return []*tensor.Tensor{loss(in[0], in[1], -100)}
		}, x, tensor.FromInts([]int32{0, 2, -100})); err != nil {
			t.Errorf("%s: ignored label: %v", name, err)
		}
	}
	for _, dev := range devices(t) {
		for name, loss := range labelLosses {
			ignore, rows := []int{-100}, [][]int32{{0, 3, -100}, {2, -4, 1}}
			if strings.HasPrefix(name, "focal") {
				ignore, rows = nil, [][]int32{{0, 3, 1}, {2, -4, 1}}
			}
			for _, y := range rows {
				out, err := run(t, dev, func(_ *tensor.Trace, in []*tensor.Tensor) []*tensor.Tensor {
					l := loss(in[0], in[1].AddScalar(1).AddScalar(-1), ignore...) // known on the device only
					return append(tensor.Grad(l.Sum(), in[0]), l)
				}, x, tensor.FromInts(y))
				if err != nil {
					t.Fatal(err)
				}
				g, l := out[0].Floats(), out[1].Floats()
				for row := range 3 {
					wrong := row == 1
					if nan := l[row] != l[row]; nan != wrong {
						t.Errorf("%s on %s: label %d of 3 classes has loss %v", name, dev.Kind(), y[row], l[row])
					}
					for _, v := range g[row*3 : row*3+3] {
						if nan := v != v; nan != wrong {
							t.Errorf("%s on %s: label %d of 3 classes has gradient %v", name, dev.Kind(), y[row], g[row*3:row*3+3])
							break
						}
					}
				}
			}
		}
	}
}

// The same for rows of an embedding; its table is the only one with a gradient.
func TestEmbeddingOutOfRange(t *testing.T) {
	table := tensor.New([]float32{1, 2, 3, 4}, 2, 2)
	wantError(t, "constant", "index 2 at position 0 is outside of 0 to 1", func() error { table.Embedding(tensor.FromInts([]int32{2})); return nil })
	wantError(t, "argument", "index -1 at position 1 is outside of 0 to 1", func() error {
		_, err := run(t, device.CPU(), func(_ *tensor.Trace, in []*tensor.Tensor) []*tensor.Tensor {
			return []*tensor.Tensor{in[0].Embedding(in[1])}
		}, table, tensor.FromInts([]int32{0, -1}, 1, 2))
		return err
	})
	for _, dev := range devices(t) {
		out, err := run(t, dev, func(_ *tensor.Trace, in []*tensor.Tensor) []*tensor.Tensor {
			return []*tensor.Tensor{in[0].Embedding(in[1].AddScalar(1))}
		}, table, tensor.FromInts([]int32{0, 1, -2}))
		if err != nil {
			t.Fatal(err)
		}
		if v := out[0].Floats(); v[0] != 3 || v[1] != 4 || v[2] == v[2] || v[3] == v[3] || v[4] == v[4] || v[5] == v[5] {
			t.Errorf("%s: rows 1, 2 and -1 of two are %v", dev.Kind(), v)
		}
	}
}

// As soon as a probability rounds to 1 the gradient is 0, the limit, also where
// the power's slope has none; elsewhere it is the formula's.
func TestFocalGradient(t *testing.T) {
	for _, dev := range devices(t) {
		for _, gamma := range []float64{.25, .5, .99, 1, 2} {
			x := tensor.New([]float32{20, 0, 0, 3, 200, 0}, 3, 2)
			out, err := run(t, dev, func(_ *tensor.Trace, in []*tensor.Tensor) []*tensor.Tensor {
				return tensor.Grad(Focal(in[0], in[1], FocalOptions{Gamma: gamma, Reduction: Sum}), in[0])
			}, x, tensor.FromInts([]int32{0, 1, 0}))
			if err != nil {
				t.Fatal(err)
			}
			// d/dz of (1-p)^gamma -log p for p = sigmoid(z), z the distance of the logits.
			p := 1 / (1 + math.Exp(-3))
			slope := math.Pow(1-p, gamma) * (gamma*p*math.Log(p) - (1 - p))
			for i, want := range []float64{0, 0, -slope, slope, 0, 0} {
				if got := float64(out[0].Floats()[i]); !(math.Abs(got-want) <= 1e-5) {
					t.Errorf("%s, gamma %v: gradient %d is %v, want %v", dev.Kind(), gamma, i, got, want)
				}
			}
		}
	}
}
