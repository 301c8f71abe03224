package tensor_test

import (
	"fmt"
	"math"
	"testing"

	"github.com/weft-ml/weft/device"
	. "github.com/weft-ml/weft/tensor"
)

func TestEager(t *testing.T) {
	x := New([]float32{1, 2, 3, 4, 5, 6}, 2, 3)
	y := x.Mul(x).Sum(1)
	if got := fmt.Sprint(y.Floats()); got != "[14 77]" {
		t.Fatal(got)
	}
	if got := fmt.Sprint(x.Softmax(-1).Argmax(-1).Ints()); got != "[2 2]" {
		t.Fatal(got)
	}
}

func TestTrain(t *testing.T) {
	w := NewVariable("w", []float32{1, 2}, 2)
	p, err := Compile(device.CPU(), func(tr *Trace, in []*Tensor) []*Tensor {
		l := w.Mul(in[0]).Sum().Square()
		g := Grad(l, w)[0]
		tr.Assign(w, w.Sub(g.Mul(tr.Scalar("lr"))))
		return []*Tensor{l}
	}, Zeros(2))
	if err != nil {
		t.Fatal(err)
	}
	p.SetScalar("lr", 0.1)
	out, err := p.Call(New([]float32{1, 1}))
	if err != nil {
		t.Fatal(err)
	}
	if out[0].Item() != 9 { // (1 + 2)^2
		t.Errorf("loss %v, want 9", out[0].Item())
	}
	for i, want := range []float64{1 - 0.1*6, 2 - 0.1*6} {
		if got := w.Floats()[i]; math.Abs(float64(got)-want) > 1e-6 {
			t.Errorf("w[%d] = %v, want %v", i, got, want)
		}
	}
}
