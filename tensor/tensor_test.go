package tensor_test

import (
	"fmt"
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
	fmt.Println(out[0], w.Floats())
	fmt.Println(p.Graph(), p.Plan())
}
