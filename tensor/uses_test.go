package tensor_test

import (
	"fmt"
	"testing"

	. "github.com/weft-ml/weft/tensor"
)

func TestUses(t *testing.T) {
	k := NewVariable("k", make([]float32, 4*3*9), 4, 3, 3, 3)
	b := NewVariable("b", make([]float32, 4), 4)
	w := NewVariable("w", make([]float32, 8), 2, 4)
	unused := NewVariable("unused", make([]float32, 1), 1)
	y := Zeros(5, 3, 8, 8).Conv2d(k, b, ConvOptions{}).Relu().Mean(2, 3).Linear(w, nil)
	got := fmt.Sprint(Uses(y, []*Tensor{k, b, w, unused}))
	want := fmt.Sprintf("[[{conv [5 4 6 6] %d}] [{add [5 4 6 6] 0}] [{matmul [5 2] 40}] []]", 5*4*36*27)
	if got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
