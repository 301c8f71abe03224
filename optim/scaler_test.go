package optim

import (
	"os"
	"testing"

	"github.com/weft-ml/weft/device"
	"github.com/weft-ml/weft/tensor"
)

// The scale doubles after every few good steps and halves at each bad one, which
// leaves the parameter as it was; gradients come out unscaled.
func TestLossScaler(t *testing.T) {
	t.Run("cpu", func(t *testing.T) { scaler(t, device.CPU()) })
	gpu, err := device.Open("webgpu")
	switch {
	case err == nil:
		defer gpu.Close()
		t.Run("webgpu", func(t *testing.T) { scaler(t, gpu) })
	case os.Getenv("WEFT_REQUIRE_GPU") == "1":
		t.Fatal(err)
	}
}

func scaler(t *testing.T, dev *device.Device) {
	w := tensor.NewVariable("w", []float32{1}, 1)
	free := tensor.NewVariable("free", []float32{0}, 1)
	s := NewLossScaler(LossScalerOptions{Init: 8, Interval: 3})
	p, err := tensor.Compile(dev, func(t *tensor.Trace, _ []*tensor.Tensor) []*tensor.Tensor {
		loss := w.Mul(t.Scalar("slope")).Sum()
		grads, finite := s.Unscale(s.Grad(loss, w))
		t.Assign(w, w.Sub(grads[0]))
		t.Assign(free, free.AddScalar(1))
		s.Update(t, finite, free)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	read := func(x *tensor.Tensor) float32 {
		v, err := x.Read()
		if err != nil {
			t.Fatal(err)
		}
		return v[0]
	}
	inf := 3.4e38 // times the scale
	at := float32(1)
	for i, c := range []struct {
		slope float64
		scale float32
	}{{2, 8}, {2, 8}, {1, 16}, {1, 16}, {1, 16}, {inf, 8}, {inf, 4}, {1, 4}, {1, 4}, {inf, 2}, {1, 2}, {1, 2}, {1, 4}} {
		if err := p.SetScalar("slope", c.slope); err != nil {
			t.Fatal(err)
		}
		if _, err := p.Call(); err != nil {
			t.Fatal(err)
		}
		if c.slope < inf {
			at -= float32(c.slope)
		}
		if got := read(s.Scale()); got != c.scale {
			t.Errorf("step %d: scale %v, want %v", i, got, c.scale)
		}
		if got := read(w); got != at {
			t.Errorf("step %d: parameter %v, want %v", i, got, at)
		}
		if got := read(free); got != float32(i+1) {
			t.Errorf("step %d: %v assignments of what is excepted", i, got)
		}
	}
}
