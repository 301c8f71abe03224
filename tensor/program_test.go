package tensor_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/weft-ml/weft/device"
	"github.com/weft-ml/weft/nn"
	. "github.com/weft-ml/weft/tensor"
)

// wants fails unless err mentions text.
func wants(t *testing.T, err error, text string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), text) {
		t.Errorf("error %v, want one about %q", err, text)
	}
}

func floats(t *testing.T, x *Tensor) []float32 {
	t.Helper()
	v, err := x.Read()
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestSetIsSeenByTheNextStep(t *testing.T) {
	for _, dev := range devices(t) {
		v := NewVariable("v", []float32{1, 2}, 2)
		p, err := Compile(dev, func(tr *Trace, _ []*Tensor) []*Tensor { return []*Tensor{tr.Assign(v, v.MulScalar(2))} })
		if err != nil {
			t.Fatal(err)
		}
		for i, want := range []string{"[2 4]", "[-2 0]", "[-4 0]"} {
			if i == 1 {
				if err := v.Set([]float32{-1, 0}); err != nil {
					t.Fatal(err)
				}
			}
			out, err := p.Call()
			if err != nil {
				t.Fatal(err)
			}
			if got := fmt.Sprint(floats(t, out[0])); got != want {
				t.Errorf("%s: step %d: %v, want %v", dev.Kind(), i, got, want)
			}
		}
		wants(t, v.Set([]float32{1}), "1 elements")
		wants(t, v.SetInts([]int32{1, 2}), "Int32")
		p.Close()
	}
}

// Looking at a variable, or computing something from a data set, must not
// take them away from the program that trains with them.
func TestLookingAtWhatAProgramUses(t *testing.T) {
	for _, dev := range append(devices(t), device.Reference()) {
		v, data := NewVariable("v", []float32{1, 2}, 2), New([]float32{10, 20})
		p, err := Compile(dev, func(tr *Trace, _ []*Tensor) []*Tensor { return []*Tensor{tr.Assign(v, v.Add(data))} })
		if err != nil {
			t.Fatal(err)
		}
		for i := range 3 {
			if _, err := p.Call(); err != nil {
				t.Fatal(err)
			}
			if got, want := v.MulScalar(2).Add(data.Sum()).Floats()[0], float32(2+20*(i+1)+30); got != want {
				t.Errorf("%s: %v, want %v", dev.Kind(), got, want)
			}
		}
		p.Close()
	}
}

func TestVariableOnTwoDevices(t *testing.T) {
	v, data := NewVariable("v", []float32{1, 2}, 2), New([]float32{1, 1})
	f := func(tr *Trace, _ []*Tensor) []*Tensor {
		tr.Assign(v, v.Add(data))
		return []*Tensor{v.Sum()}
	}
	g := func(*Trace, []*Tensor) []*Tensor { return []*Tensor{data.Sum()} }
	compile := func(dev *device.Device, f Function) *Program {
		p, err := Compile(dev, f)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(p.Close)
		return p
	}
	first, constant := compile(device.CPU(), f), compile(device.CPU(), g)
	if _, err := first.Call(); err != nil {
		t.Fatal(err)
	}
	second := compile(device.Reference(), f)
	for range 2 { // asking again does not make it work, nor break the other
		_, err := first.Call()
		wants(t, err, `variable "v" was freed, or moved to another device`)
		if _, err := second.Call(); err != nil {
			t.Fatal(err)
		}
	}
	if got := floats(t, v); !slices.Equal(got, []float32{4, 5}) {
		t.Errorf("%v", got)
	}
	// Constants can be in both places.
	compile(device.Reference(), g)
	if _, err := constant.Call(); err != nil {
		t.Error(err)
	}
	if err := data.Free(); err != nil {
		t.Fatal(err)
	}
	_, err := constant.Call()
	wants(t, err, "constant was freed")
	if err := v.Free(); err != nil {
		t.Fatal(err)
	}
	_, err = second.Call()
	wants(t, err, `variable "v" was freed`)
	if got := floats(t, v); !slices.Equal(got, []float32{4, 5}) {
		t.Errorf("%v after Free", got)
	}
}

func TestClosedProgram(t *testing.T) {
	for _, dev := range devices(t) {
		x := Zeros(20)
		p, err := Compile(dev, func(_ *Trace, in []*Tensor) []*Tensor { return []*Tensor{in[0].AddScalar(1), in[0].Sum()} }, x)
		if err != nil {
			t.Fatal(err)
		}
		p.Close()
		p.Close()
		_, call := p.Call(x)
		_, result := p.Result(0)
		_, collect := p.Collect(nil)
		_, profile := p.Profile(1)
		for i, err := range []error{call, result, collect, profile, p.Submit(1, nil), p.Write(0, x)} {
			if err == nil || !strings.Contains(err.Error(), "closed") {
				t.Errorf("%s: call %d after Close: %v", dev.Kind(), i, err)
			}
		}
	}
}

func TestArguments(t *testing.T) {
	p, err := Compile(device.CPU(), func(_ *Trace, in []*Tensor) []*Tensor {
		return []*Tensor{in[0], in[0].To(Float32), in[1].Sum()}
	}, FromBytes(make([]byte, 6), 2, 3), Zeros(30))
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	_, err = p.Call(Zeros(2, 3), Zeros(30))
	wants(t, err, "argument 0 is f32[2 3], the program was compiled for u8[2 3]")
	_, err = p.Call(Zeros(2, 3))
	wants(t, err, "1 arguments for a program of 2")
	wants(t, p.Write(2, Zeros(1)), "argument 2 of 2")
	wants(t, p.WriteBytes(-1, nil), "argument -1 of 2")
	wants(t, p.WriteBytes(0, make([]byte, 5)), "5 bytes given, 6 needed")
	wants(t, p.Submit(0, nil), "0 steps")
	wants(t, p.Submit(MaxSteps+1, nil), "1 to 64")
	wants(t, p.SetScalar("lr", 1), `no per-step scalar "lr"`)
	_, err = p.Result(2)
	wants(t, err, "Collect returns it")
	// A view of bytes is bytes.
	out, err := p.Call(FromBytes([]byte{9, 250, 7, 6, 5, 4}, 3, 2).Reshape(2, 3), Full(2, 30))
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(out[0].Ints(), out[1].Floats(), out[2].Item()); got != "[9 250 7 6 5 4] [9 250 7 6 5 4] 60" {
		t.Error(got)
	}
}

func TestViewsKeepTheirType(t *testing.T) {
	bits := []uint16{0, 0x8000, 0x3C00, 0xC000, 0x7BFF, 1, 0x83FF, 0x3555, 0x7C00, 0x0400}
	h := FromHalf(bits, 2, 5)
	b := FromBytes([]byte{0, 1, 127, 128, 255, 3}, 2, 3)
	for _, x := range []*Tensor{h, b} {
		v := x.Flip(0, 1).Transpose(0, 1)
		want, dt := v.Floats(), v.DType()
		if dt != x.DType() {
			t.Errorf("a view of %v is %v after reading it", x.DType(), dt)
		}
		if got := v.Transpose(0, 1).Flip(0, 1).Floats(); !slices.Equal(got, x.Floats()) {
			t.Errorf("there and back: %v, want %v", got, x.Floats())
		}
		if !slices.Equal(v.Floats(), want) {
			t.Error("reading twice gives two results")
		}
	}
}

// Errors name the line of the user, which is this file, however many layers
// of Weft are in between.
func TestErrorsNameTheUsersLine(t *testing.T) {
	rng := nn.NewRNG(1)
	net := nn.Sequential{nn.NewLinear(rng, 4, 3, nn.LinearOptions{}), nn.NewLinear(rng, 5, 2, nn.LinearOptions{})}
	x, i := Zeros(2, 4), FromInts(make([]int32, 6), 2, 3)
	for want, f := range map[string]func(){
		"linear: input [2 3], weight [2 5]":                    func() { net.Forward(x) },
		"add: shapes [[2 4] [3]] do not broadcast":             func() { x.Add(Zeros(3)) },
		"matmul: [2 4] x [2 4]: inner dimensions 4 and 2":      func() { x.MatMul(x) },
		"reshape: [2 4] has 8 elements, [3 3] has 9":           func() { x.Reshape(3, 3) },
		"reshape: [2 4] to [3 -1]":                             func() { x.Reshape(3, -1) },
		"sum: dimension 2 of a tensor of shape [2 4]":          func() { x.Sum(2) },
		"slice: 1:5:1 of dimension -1 of [2 4]":                func() { x.Slice(-1, 1, 5) },
		"concat: [2 4] and [2 3] along dimension 0":            func() { Concat(0, x, Zeros(2, 3)) },
		"gather: index of type f32":                            func() { x.Gather(0, x) },
		"permute: [0 0] is no permutation":                     func() { x.Permute(0, 0) },
		"expand: shapes [[2 4] [3 4]] do not broadcast":        func() { x.Expand(3, 4) },
		"full: shape [2 0]":                                    func() { Full(1, 2, 0) },
		"full: shape [4 4611686018427387904] has more than":    func() { Full(1, 4, 1<<62) },
		"new: 3 elements for shape [2], which has 2":           func() { New(make([]float32, 3), 2) },
		"grad: the loss has shape [2 4]":                       func() { Grad(x, x) },
		"grad: a tensor of type i32 has no gradient":           func() { GradWith(i, i, x) },
		"cast: to f16: kernels do not write this storage type": func() { x.To(Float16) },
		"pad: 1 pairs for a tensor of shape [2 4]":             func() { x.Pad(0, [2]int{1, 1}) },
		"pad: padding -1, 0 of dimension 1 is negative":        func() { x.Pad(0, [2]int{}, [2]int{-1, 0}) },
		"item: a tensor of shape [2 4]":                        func() { x.Item() },
		"cross_entropy":                                        func() { nn.CrossEntropy(x, FromInts(make([]int32, 3)), nn.ClassOptions{}) },
	} {
		check := func(err any) {
			t.Helper()
			e, ok := err.(*Error)
			if !ok {
				t.Errorf("%s: %v (%T)", want, err, err)
				return
			}
			if text := e.Error(); !strings.Contains(text, want) || !strings.Contains(e.Pos, "program_test.go:") {
				t.Errorf("%s\nwant %s", text, want)
			}
		}
		func() {
			defer func() { check(recover()) }()
			f()
		}()
		// The same from a compiled function is an error.
		_, err := Compile(device.CPU(), func(*Trace, []*Tensor) []*Tensor { f(); return nil })
		var e *Error
		if !errors.As(err, &e) {
			t.Errorf("%s: Compile returned %v", want, err)
		}
	}
}

func TestTraceErrors(t *testing.T) {
	v := NewVariable("v", []float32{1}, 1)
	var leaked *Tensor
	for want, f := range map[string]Function{
		"only variables can be assigned":         func(tr *Trace, in []*Tensor) []*Tensor { tr.Assign(in[0], in[0]); return nil },
		"value of shape [2] for variable":        func(tr *Trace, in []*Tensor) []*Tensor { tr.Assign(v, in[0]); return nil },
		"assigned twice":                         func(tr *Trace, in []*Tensor) []*Tensor { tr.Assign(v, v); tr.Assign(v, v); return nil },
		`"s" is both f32 and i32`:                func(tr *Trace, in []*Tensor) []*Tensor { tr.Scalar("s"); tr.Int("s"); return nil },
		"result 1 is nil":                        func(tr *Trace, in []*Tensor) []*Tensor { return []*Tensor{in[0], nil} },
		"known only when the compiled function":  func(tr *Trace, in []*Tensor) []*Tensor { leaked = in[0]; in[0].Floats(); return nil },
		"tensors of two different traces meet":   func(tr *Trace, in []*Tensor) []*Tensor { return []*Tensor{in[0].Add(leaked)} },
		"a result belongs to another trace":      func(tr *Trace, in []*Tensor) []*Tensor { return []*Tensor{leaked} },
		"uniform: shape [3 -1]: every dimension": func(tr *Trace, in []*Tensor) []*Tensor { return []*Tensor{tr.Uniform(3, -1)} },
	} {
		if leaked == nil {
			_, _ = Compile(device.CPU(), func(_ *Trace, in []*Tensor) []*Tensor { leaked = in[0]; return nil }, Zeros(2))
		}
		_, err := Compile(device.CPU(), f, Zeros(2))
		wants(t, err, want)
	}
}
