package tensor

import (
	"errors"
	"slices"
	"testing"

	"github.com/weft-ml/weft/device"
)

// What one goroutine still looks at is not overwritten when another one reads
// the variable again after a step.
func TestReadingLeavesWhatWasRead(t *testing.T) {
	v := NewVariable("v", []float32{1, 2}, 2)
	p, err := Compile(device.CPU(), func(tr *Trace, in []*Tensor) []*Tensor {
		tr.Assign(v, v.AddScalar(1))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	for i := range 3 {
		old, _, err := v.bytes()
		if err != nil {
			t.Fatal(err)
		}
		before := slices.Clone(old)
		if _, err := p.Call(); err != nil {
			t.Fatal(err)
		}
		if f := v.Floats(); f[0] != float32(i+2) {
			t.Fatalf("after step %d: %v", i, f)
		}
		if !slices.Equal(old, before) {
			t.Fatal("the bytes that were read have changed")
		}
	}
}

// Shapes between operations may be larger than any memory, as long as the number
// of their elements is one.
func TestUncountableShapes(t *testing.T) {
	x := New([]float32{1})
	wide := func(shape ...int) *Tensor { return x.Expand(1 << 30).Reshape(shape...) }
	for name, f := range map[string]func() *Tensor{
		"broadcast": func() *Tensor { return wide(1<<30, 1, 1).Add(wide(1<<30, 1)).Add(wide(1 << 30)) },
		"pad":       func() *Tensor { return x.Pad(0, [2]int{1 << 62, 1 << 62}) },
		"pad far":   func() *Tensor { return x.Pad(0, [2]int{1 << 60, 0}) },
	} {
		_, err := Compile(device.CPU(), func(*Trace, []*Tensor) []*Tensor { return []*Tensor{f()} })
		var e *Error
		if !errors.As(err, &e) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestTensorsHoldCopies(t *testing.T) {
	f, i, b, h := []float32{1}, []int32{1}, []byte{1}, []uint16{0x3c00}
	for name, x := range map[string]*Tensor{"floats": New(f), "ints": FromInts(i), "bytes": FromBytes(b), "halves": FromHalf(h), "variable": NewVariable("v", f)} {
		f[0], i[0], b[0], h[0] = 2, 2, 2, 0
		if v := x.Item(); v != 1 {
			t.Errorf("%s: %v", name, v)
		}
		f[0], i[0], b[0], h[0] = 1, 1, 1, 0x3c00
	}
}
