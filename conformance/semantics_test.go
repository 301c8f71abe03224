package conformance

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/weft-ml/weft/device"
	"github.com/weft-ml/weft/internal/ir"
	"github.com/weft-ml/weft/nn"
	"github.com/weft-ml/weft/tensor"
)

// What a compiled step means: which values variables have when, and which
// numbers are drawn. Each is checked for a few elements and for many, because
// small results travel another way than large ones.

var sizes = []int{1, 4, 17, 600}

func count(n int, from float32) []float32 {
	v := make([]float32, n)
	for i := range v {
		v[i] = from + float32(i)
	}
	return v
}

func compileFor(t *testing.T, dev *device.Device, f tensor.Function, in ...*tensorT) *tensor.Program {
	t.Helper()
	p, err := tensor.Compile(dev, f, in...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

func call(t *testing.T, p *tensor.Program, in ...*tensorT) []*tensorT {
	t.Helper()
	return must(p.Call(in...))(t)
}

func expect(t *testing.T, what string, got *tensorT, want []float32) {
	t.Helper()
	v := must(got.Read())(t)
	if !slices.Equal(v, want) {
		t.Errorf("%s: %v, want %v", what, short(v), short(want))
	}
}

func short(v []float32) string {
	if len(v) > 8 {
		return fmt.Sprint(v[:8], " and on")
	}
	return fmt.Sprint(v)
}

func TestVariablesReadAsAtTheStart(t *testing.T) {
	eachDevice(t, func(t *testing.T, dev *device.Device) {
		for _, n := range sizes {
			a := tensor.NewVariable("a", count(n, 1), n)
			p := compileFor(t, dev, func(tr *tensor.Trace, in []*tensorT) []*tensorT {
				after := tr.Assign(a, a.AddScalar(10))
				return []*tensorT{a, after, a.MulScalar(2), after.Sub(a)}
			})
			for step := range 3 {
				from := float32(1 + 10*step)
				out := call(t, p)
				twice := count(n, from)
				for i := range twice {
					twice[i] *= 2
				}
				expect(t, "the variable", out[0], count(n, from))
				expect(t, "what Assign returns", out[1], count(n, from+10))
				expect(t, "a use after Assign", out[2], twice)
				expect(t, "the variable afterwards", a, count(n, from+10))
			}
		}
	})
}

func TestSwapOfVariables(t *testing.T) {
	eachDevice(t, func(t *testing.T, dev *device.Device) {
		for _, n := range sizes {
			a, b := tensor.NewVariable("a", count(n, 1), n), tensor.NewVariable("b", count(n, 100), n)
			p := compileFor(t, dev, func(tr *tensor.Trace, in []*tensorT) []*tensorT {
				tr.Assign(a, b)
				tr.Assign(b, a)
				return nil
			})
			call(t, p)
			expect(t, "a", a, count(n, 100))
			expect(t, "b", b, count(n, 1))
			if err := p.Submit(4, nil); err != nil {
				t.Fatal(err)
			}
			call(t, p)
			expect(t, "a after six", a, count(n, 1))
			expect(t, "b after six", b, count(n, 100))
		}
	})
}

func TestOneValueForSeveralVariables(t *testing.T) {
	eachDevice(t, func(t *testing.T, dev *device.Device) {
		for _, n := range sizes {
			a, b, c := tensor.NewVariable("a", count(n, 1), n), tensor.NewVariable("b", count(n, 2), n), tensor.NewVariable("c", count(n, 3), n)
			p := compileFor(t, dev, func(tr *tensor.Trace, in []*tensorT) []*tensorT {
				y := a.AddScalar(1)
				tr.Assign(a, y)
				tr.Assign(b, y)
				tr.Assign(c, y)
				return []*tensorT{y, a, b}
			})
			call(t, p)
			out := call(t, p)
			for what, v := range map[string]*tensorT{"a": a, "b": b, "c": c, "the value": out[0]} {
				expect(t, what, v, count(n, 3))
			}
			expect(t, "a before", out[1], count(n, 2))
			expect(t, "b before", out[2], count(n, 2))
		}
	})
}

func TestVariablesInEachOthersUpdate(t *testing.T) {
	eachDevice(t, func(t *testing.T, dev *device.Device) {
		for _, n := range sizes {
			a, b := tensor.NewVariable("a", make([]float32, n), n), tensor.NewVariable("b", slices.Repeat([]float32{1}, n), n)
			p := compileFor(t, dev, func(tr *tensor.Trace, in []*tensorT) []*tensorT {
				tr.Assign(a, b)
				tr.Assign(b, a.Add(b))
				return []*tensorT{b.Sum()}
			})
			for range 10 {
				call(t, p)
			}
			expect(t, "Fibonacci's tenth number", a, slices.Repeat([]float32{55}, n))
			expect(t, "and the next", b, slices.Repeat([]float32{89}, n))
		}
	})
}

// A variable whose new value takes its old elements from other places must
// not be overwritten while it is read.
func TestAssignmentOfRearrangedVariable(t *testing.T) {
	const n = 40
	for name, f := range map[string]func(v *tensorT) *tensorT{
		"flip":      func(v *tensorT) *tensorT { return v.Flip(0, 1) },
		"transpose": func(v *tensorT) *tensorT { return v.Transpose(0, 1) },
		"shift":     func(v *tensorT) *tensorT { return tensor.Concat(0, v.Slice(0, 1, n), v.Slice(0, 0, 1)) },
		"matmul":    func(v *tensorT) *tensorT { return v.MulScalar(0.01).MatMul(v) },
		"row sums":  func(v *tensorT) *tensorT { return v.Sub(v.MeanKeep(1)).Add(v.Transpose(0, 1)) },
		"gather":    func(v *tensorT) *tensorT { return v.IndexSelect(0, tensor.Arange(n).MulScalar(-1).AddScalar(n-1)) },
		"its sum":   func(v *tensorT) *tensorT { return v.Sub(v.Mean()) },
	} {
		start := make([]float32, n*n)
		for i := range start {
			start[i] = float32(math.Sin(float64(i)))
		}
		want := f(f(tensor.New(start, n, n)))
		eachDevice(t, func(t *testing.T, dev *device.Device) {
			v := tensor.NewVariable("v", start, n, n)
			p := compileFor(t, dev, func(tr *tensor.Trace, in []*tensorT) []*tensorT {
				tr.Assign(v, f(v))
				return nil
			})
			if err := p.Submit(2, nil); err != nil {
				t.Fatal(err)
			}
			got := must(v.Read())(t)
			if e := (Tolerance{Each: 1e-5}).Excess(got, must(want.Read())(t)); e > 1 {
				t.Errorf("%s: %v, want %v", name, short(got), short(want.Floats()))
			}
		})
	}
}

func TestResultsThatAreNotComputed(t *testing.T) {
	eachDevice(t, func(t *testing.T, dev *device.Device) {
		for _, n := range sizes {
			v := tensor.NewVariable("v", count(n, 5), n)
			c := tensor.New(count(n, 7))
			p := compileFor(t, dev, func(tr *tensor.Trace, in []*tensorT) []*tensorT {
				y := in[0].Neg()
				return []*tensorT{y, y, in[0], in[0], v, c, tensor.Full(3, n), in[0].Reshape(1, n), tensor.Arange(n), tr.Scalar("s").Expand(n)}
			}, tensor.New(count(n, 0)))
			if err := p.SetScalar("s", 2.5); err != nil {
				t.Fatal(err)
			}
			out := call(t, p, tensor.New(count(n, 1)))
			minus := count(n, 1)
			for i := range minus {
				minus[i] = -minus[i]
			}
			for i, want := range [][]float32{minus, minus, count(n, 1), count(n, 1), count(n, 5), count(n, 7),
				slices.Repeat([]float32{3}, n), count(n, 1), count(n, 0), slices.Repeat([]float32{2.5}, n)} {
				expect(t, fmt.Sprintf("result %d of %d elements", i, n), out[i], want)
			}
		}
	})
}

func TestRandomNumbersAreTheSameEverywhere(t *testing.T) {
	const n, seed, step = 1000, 12345, 7
	key := int32(seed)
	var want [2][]float32
	for stream := range want {
		k := key + int32(uint32(stream+1)*0x9E3779B9&math.MaxUint32)
		for i := range n {
			want[stream] = append(want[stream], ir.Rand(int32(i), step, k))
		}
	}
	eachDevice(t, func(t *testing.T, dev *device.Device) {
		p := compileFor(t, dev, func(tr *tensor.Trace, in []*tensorT) []*tensorT {
			return []*tensorT{tr.Uniform(n), tr.Uniform(10, n/10)}
		})
		for name, v := range map[string]float64{"seed": seed, "step": step} {
			if err := p.SetScalar(name, v); err != nil {
				t.Fatal(err)
			}
		}
		out := call(t, p)
		expect(t, "first draw", out[0], want[0])
		expect(t, "second draw", out[1], want[1])
		if slices.Equal(want[0], want[1]) {
			t.Error("two draws are the same")
		}
	})
}

func TestDropout(t *testing.T) {
	const n = 4000
	x := tensor.Full(1, n)
	masks := map[int][]float32{} // of the first device, by step
	eachDevice(t, func(t *testing.T, dev *device.Device) {
		net := nn.Sequential{nn.Dropout{P: 0.25}, nn.Dropout{P: 0.5}}
		p := compileFor(t, dev, func(tr *tensor.Trace, in []*tensorT) []*tensorT {
			idle := net.Forward(in[0]) // not training yet
			tr.SetTraining(true)
			y := net.Forward(in[0])
			return []*tensorT{y, tensor.Grad(y.Sum(), in[0])[0], idle}
		}, x)
		for step := range 3 {
			if err := p.SetScalar("step", float64(step)); err != nil {
				t.Fatal(err)
			}
			out := call(t, p, x)
			y := must(out[0].Read())(t)
			expect(t, "gradient", out[1], y) // both are mask and scale
			expect(t, "evaluation", out[2], slices.Repeat([]float32{1}, n))
			kept := 0
			for _, v := range y {
				if v != 0 {
					kept++
					if math.Abs(float64(v)-8.0/3) > 1e-6 {
						t.Fatalf("kept elements are %g, want 8/3", v)
					}
				}
			}
			if share := float64(kept) / n; math.Abs(share-0.375) > 0.03 {
				t.Errorf("%g of the elements kept, want 0.375", share)
			}
			if masks[step] == nil {
				masks[step] = y
			}
			expect(t, "mask of the first device", out[0], masks[step])
		}
	})
	if slices.Equal(masks[0], masks[1]) || slices.Equal(masks[1], masks[2]) {
		t.Error("two steps drop the same elements")
	}
}

// PyTorch's gradients where a function has a kink, or its formula one.
func TestGradientsAtZero(t *testing.T) {
	for name, c := range map[string]struct {
		f    func(x *tensorT) *tensorT
		want float32
	}{
		"relu":          {(*tensorT).Relu, 0},
		"abs":           {(*tensorT).Abs, 0},
		"softplus":      {(*tensorT).Softplus, 0.5},
		"mish":          {(*tensorT).Mish, 0.6},
		"gelu":          {(*tensorT).Gelu, 0.5},
		"elu":           {func(x *tensorT) *tensorT { return x.Elu(1) }, 1},
		"clamp at edge": {func(x *tensorT) *tensorT { return x.Clamp(0, 1) }, 1},
		"maximum":       {func(x *tensorT) *tensorT { return x.Maximum(x.MulScalar(3)) }, 2},
		"bce": {func(x *tensorT) *tensorT {
			return nn.BCEWithLogits(x, tensor.Full(0.25, x.Shape()...), nn.BCEOptions{Reduction: nn.Sum})
		}, 0.25},
	} {
		eachDevice(t, func(t *testing.T, dev *device.Device) {
			p := compileFor(t, dev, func(tr *tensor.Trace, in []*tensorT) []*tensorT {
				return tensor.Grad(c.f(in[0]).Sum(), in[0])
			}, tensor.Zeros(3))
			for _, g := range call(t, p, tensor.New([]float32{0, 0, 0}))[0].Floats() {
				if math.Abs(float64(g-c.want)) > 1e-6 {
					t.Errorf("%s: gradient %g at 0, want %g", name, g, c.want)
				}
			}
		})
	}
}
