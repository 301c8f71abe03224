package conformance

import (
	"testing"

	"github.com/weft-ml/weft/device"
	"github.com/weft-ml/weft/nn"
	"github.com/weft-ml/weft/tensor"
)

// TestBatchNormGradients takes the gradient and the product of the Hessian with
// a vector by differences, in training and wherever the running mean lies: the
// result must not depend on it.
func TestBatchNormGradients(t *testing.T) {
	x, v := sample(24, 1), sample(24, 2)
	w := []float32{0.7, -1.3}
	run := func(t *testing.T, dev *device.Device, mean float32, x []float32) (grad, hess []float32) {
		n := nn.NewBatchNorm(2, nn.BatchNormOptions{Eps: 1e-3})
		if err := n.RunningMean.Set([]float32{mean, -mean}); err != nil {
			t.Fatal(err)
		}
		p := must(tensor.Compile(dev, func(tr *tensor.Trace, in []*tensorT) []*tensorT {
			tr.SetTraining(true)
			n.Weight = in[2]
			y := n.Forward(in[0].Reshape(3, 2, 2, 2)).Tanh()
			g := tensor.Grad(weighted(y), in[0])[0]
			return []*tensorT{g, tensor.Grad(g.Mul(in[1]).Sum(), in[0])[0]}
		}, tensor.New(x), tensor.New(v), tensor.New(w)))(t)
		defer p.Close()
		out := must(p.Call(tensor.New(x), tensor.New(v), tensor.New(w)))(t)
		return out[0].Floats(), out[1].Floats()
	}
	shifted := func(by float32) []float32 {
		s := make([]float32, len(x))
		for i := range s {
			s[i] = x[i] + by*v[i]
		}
		return s
	}
	eachDevice(t, func(t *testing.T, dev *device.Device) {
		wantGrad, _ := run(t, device.Reference(), 0.3, x)
		const h = 0.01
		up, _ := run(t, device.Reference(), 0.3, shifted(h))
		down, _ := run(t, device.Reference(), 0.3, shifted(-h))
		want := make([]float32, len(x))
		for i := range want {
			want[i] = (up[i] - down[i]) / (2 * h)
		}
		for _, mean := range []float32{0, 0.3, 2} {
			grad, hess := run(t, dev, mean, x)
			if e := (Tolerance{Norm: 1e-4}).Excess(grad, wantGrad); e > 1 {
				t.Errorf("running mean %v: gradient %v, want %v", mean, grad, wantGrad)
			}
			if e := (Tolerance{Norm: 5e-3}).Excess(hess, want); e > 1 {
				t.Errorf("running mean %v: Hessian times vector %v, want %v", mean, hess, want)
			}
		}
	})
}
