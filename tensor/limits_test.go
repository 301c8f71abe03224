package tensor_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/weft-ml/weft/device"
	. "github.com/weft-ml/weft/tensor"
)

// Programs at the edges of what a kernel can hold: buffers, operations,
// workgroups. Each must compile into more kernels, not fail.

// agree compares a function on every device with the reference.
func agree(t *testing.T, tol float64, f Function, in ...*Tensor) {
	t.Helper()
	run := func(dev *device.Device) [][]float32 {
		p, err := Compile(dev, f, in...)
		if err != nil {
			t.Fatalf("%s: %v", dev.Kind(), err)
		}
		defer p.Close()
		out, err := p.Call(in...)
		if err != nil {
			t.Fatalf("%s: %v", dev.Kind(), err)
		}
		var all [][]float32
		for _, o := range out {
			all = append(all, o.Floats())
		}
		return all
	}
	want := run(device.Reference())
	for _, dev := range devices(t) {
		for i, g := range run(dev) {
			for j, w := range want[i] {
				if d := math.Abs(float64(g[j] - w)); !(d <= tol*(1+math.Abs(float64(w)))) {
					t.Errorf("%s: result %d, element %d is %g, want %g", dev.Kind(), i, j, g[j], w)
					break
				}
			}
		}
	}
}

func ramp(n int) []float32 {
	v := make([]float32, n)
	for i := range v {
		v[i] = float32(math.Sin(float64(i) * 0.7))
	}
	return v
}

func TestManySources(t *testing.T) {
	var vs []*Tensor
	for i := range 40 {
		vs = append(vs, NewVariable(fmt.Sprint("v", i), ramp(6 + i)[i:], 2, 3))
	}
	agree(t, 1e-4, func(tr *Trace, in []*Tensor) []*Tensor {
		sum, prod := vs[0], vs[0]
		for _, v := range vs[1:] {
			sum = sum.Add(v)
			prod = prod.Mul(v.AddScalar(1))
		}
		joined := Concat(0, vs[:20]...)
		for i, g := range Grad(sum.Mul(prod).Mean(), vs...) {
			tr.Assign(vs[i], vs[i].Sub(g))
		}
		return []*Tensor{sum, prod, joined, sum.Sum(), prod.Amax(1), joined.MatMul(sum.Transpose(0, 1)).Add(sum.Sum())}
	})
}

func TestLongExpressions(t *testing.T) {
	x := New(ramp(10), 2, 5)
	for name, f := range map[string]func(x *Tensor) *Tensor{
		"chain": func(x *Tensor) *Tensor {
			for range 1200 {
				x = x.Sin().AddScalar(0.1)
			}
			return x
		},
		"chain under a sum": func(x *Tensor) *Tensor {
			for range 800 {
				x = x.Cos()
			}
			return x.Sum(1)
		},
		"terms": func(x *Tensor) *Tensor {
			sum := x
			for i := range 700 {
				sum = sum.Add(x.MulScalar(float64(i) * 0.01).Sin())
			}
			return sum.MulScalar(0.01)
		},
		"rearranged again and again": func(x *Tensor) *Tensor {
			for range 14 {
				y := Concat(1, x.SliceStep(1, 0, 5, 2), x.SliceStep(1, 1, 5, 2))
				x = x.Add(y).MulScalar(0.5).Add(y.Flip(0).Sin().MulScalar(0.1))
			}
			return x
		},
	} {
		t.Run(name, func(t *testing.T) {
			agree(t, 2e-3, func(_ *Trace, in []*Tensor) []*Tensor {
				y := f(in[0])
				return []*Tensor{y, y.Mean()}
			}, x)
		})
	}
}

// Operands of products that are views of all kinds, one of which the rest of
// the kernel looks at too.
func TestProductsOfViews(t *testing.T) {
	x, w := New(ramp(12), 3, 4), NewVariable("w", []float32{0.5, -1, 2}, 3)
	agree(t, 1e-5, func(_ *Trace, in []*Tensor) []*Tensor {
		x, col := in[0], w.Unsqueeze(1)
		wide := x.Reshape(2, 6).Transpose(0, 1).Reshape(3, 4)
		return []*Tensor{
			col.Expand(3, 3).MatMul(x).Add(col),
			col.MatMul(x.Slice(0, 0, 1)).Mul(x.Slice(0, 0, 1)),
			w.Slice(0, 0, 1).Expand(4, 4).MatMul(w.Slice(0, 0, 1).Expand(4, 4)).Add(w.Slice(0, 0, 1)),
			x.Flip(0).MatMul(x.Transpose(0, 1).Flip(0)),
			wide.MatMul(wide.Transpose(0, 1)), wide,
			x.SliceStep(1, 0, 4, 2).Flip(1).MatMul(x.Slice(0, 0, 2)),
			x.Pad(1, [2]int{1, 0}, [2]int{0, 1}).MatMul(Concat(1, x, col).Transpose(0, 1)),
			x.IndexSelect(0, FromInts([]int32{2, 0, 7, -1})).MatMul(x.Tril(0).Transpose(0, 1)),
			x.Gt(Scalar(0)).To(Float32).MatMul(x.Reshape(4, 3).To(Int32).To(Float32)),
		}
	}, x)
}

// More workgroups than one dimension of a dispatch can have.
func TestLargeDispatch(t *testing.T) {
	if testing.Short() {
		t.Skip("large")
	}
	const n = 17_000_001 // times 256 threads, more than 65535 groups
	for _, dev := range devices(t) {
		p, err := Compile(dev, func(_ *Trace, _ []*Tensor) []*Tensor {
			x := Arange(n).Mod(FromInts([]int32{1000}))
			return []*Tensor{x.Slice(0, n-20, n), x.Amax(), x.Eq(Arange(n)).Sum(), Arange(70000).Unsqueeze(1).Expand(70000, 40).Sum(1)}
		})
		if err != nil {
			t.Fatal(err)
		}
		out, err := p.Call()
		if err != nil {
			t.Fatal(err)
		}
		if got := out[0].Ints(); got[19] != (n-1)%1000 {
			t.Errorf("%s: last element %d", dev.Kind(), got[19])
		}
		if a, b := out[1].Ints()[0], out[2].Ints()[0]; a != 999 || b != 1000 {
			t.Errorf("%s: maximum %d, %d equal", dev.Kind(), a, b)
		}
		if got := out[3].Ints()[69999]; got != 69999*40 {
			t.Errorf("%s: last sum %d", dev.Kind(), got)
		}
		p.Close()
	}
}

// A tensor of more elements than 32 bits can count may not be computed, but
// it may be reduced on the way.
func TestTooManyElements(t *testing.T) {
	for name, f := range map[string]Function{
		"outer sum": func(_ *Trace, in []*Tensor) []*Tensor { return []*Tensor{in[0].Unsqueeze(1).Add(in[0])} },
		"product": func(_ *Trace, in []*Tensor) []*Tensor {
			return []*Tensor{in[0].Unsqueeze(1).MatMul(in[0].Unsqueeze(0))}
		},
	} {
		_, err := Compile(device.Reference(), f, Zeros(50000))
		if err == nil || !strings.Contains(err.Error(), "2^31-1") {
			t.Errorf("%s: %v", name, err)
		}
	}
	p, err := Compile(device.CPU(), func(_ *Trace, in []*Tensor) []*Tensor {
		return []*Tensor{in[0].Unsqueeze(1).Mul(in[0]).Sum(1)}
	}, Zeros(50000))
	if err != nil {
		t.Fatal(err)
	}
	p.Close()
}

// Views whose addresses run backwards, and parts that are padding alone.
func TestViewsOfViews(t *testing.T) {
	x := New(ramp(18), 9, 2)
	agree(t, 1e-6, func(_ *Trace, in []*Tensor) []*Tensor {
		x := in[0]
		joined := Concat(0, x, x.MulScalar(2))
		return []*Tensor{
			x.Slice(1, 0, 1).Reshape(3, 3).Flip(0).Reshape(9).Flip(0).MulScalar(3),
			x.Reshape(3, 6).Flip(1).Reshape(2, 9).Flip(0, 1).Reshape(6, 3).AddScalar(1),
			joined.Slice(0, 2, 3), joined.Slice(0, 12, 13).Reshape(2), joined.Slice(0, 8, 10),
			x.Pad(5, [2]int{2, 3}, [2]int{1, 0}).Slice(0, 0, 1).MulScalar(2), x.Pad(5, [2]int{2, 3}, [2]int{1, 0}).Slice(0, 12, 14).Tanh(),
			x.Pad(1, [2]int{3, 0}, [2]int{}).Flip(0).Reshape(8, 3).Slice(0, 7, 8).Exp(),
		}
	}, x)
}

// As many dimensions as a tensor may have, which a product's kernel keeps even
// where they have size 1, and one more.
func TestManyDimensions(t *testing.T) {
	shape := func(n int, last ...int) []int { return append(slices.Repeat([]int{1}, n-len(last)), last...) }
	agree(t, 1e-5, func(_ *Trace, in []*Tensor) []*Tensor {
		a, b := in[0].Reshape(shape(32, 3, 2, 1)...), in[0].Reshape(shape(32, 3, 1, 2)...)
		y := a.MatMul(b).Add(a)
		return []*Tensor{y, y.Transpose(0, -1).Sum(0), y.Sum(-1)}
	}, New(ramp(6)))
	_, err := Compile(device.CPU(), func(_ *Trace, in []*Tensor) []*Tensor {
		return []*Tensor{in[0].Reshape(shape(33, 6)...)}
	}, New(ramp(6)))
	wants(t, err, "33 dimensions")
}
