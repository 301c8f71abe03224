package tensor_test

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/weft-ml/weft/device"
	"github.com/weft-ml/weft/internal/backend"
	"github.com/weft-ml/weft/internal/cpu"
	"github.com/weft-ml/weft/internal/plan"
	"github.com/weft-ml/weft/internal/webgpu"
	. "github.com/weft-ml/weft/tensor"
)

// mixedNet is a network with what stores activations in different ways: padded,
// strided and depthwise convolutions, batch norm, a residual, pooling by maximum,
// attention, matrices; its loss and the gradients of its variables.
type mixedNet struct {
	images, labels *Tensor
	params         []*Tensor
}

func newMixedNet() *mixedNet {
	r := rand.New(rand.NewPCG(3, 4))
	const batch = 8
	pix := make([]byte, batch*3*144)
	for i := range pix {
		pix[i] = byte(r.IntN(256))
	}
	lab := make([]byte, batch)
	for i := range lab {
		lab[i] = byte(r.IntN(10))
	}
	m := &mixedNet{images: FromBytes(pix, batch, 3, 12, 12), labels: FromBytes(lab, batch)}
	for i, shape := range [][]int{
		{16, 3, 3, 3}, {16}, {16}, {16}, {16, 16, 3, 3}, {16}, {16}, {24, 16, 3, 3}, {24}, {24, 1, 3, 3}, {24},
		{32, 24}, {32}, {32, 32}, {10, 32}, {10}, {9, 32},
	} {
		n, fan := 1, 1
		for d, s := range shape {
			n *= s
			if d > 0 {
				fan *= s
			}
		}
		v := make([]float32, n)
		for j := range v {
			v[j] = float32((r.Float64()*2 - 1) * math.Sqrt(3/float64(fan)))
		}
		m.params = append(m.params, NewVariable(fmt.Sprintf("p%d", i), v, shape...))
	}
	return m
}

func (m *mixedNet) loss() *Tensor {
	p := m.params
	norm := func(x, gain, bias *Tensor) *Tensor {
		d := x.Sub(x.MeanKeep(0, 2, 3))
		scale := d.Square().MeanKeep(0, 2, 3).AddScalar(1e-5).Rsqrt()
		return d.Mul(scale).Mul(gain.Reshape(1, -1, 1, 1)).Add(bias.Reshape(1, -1, 1, 1))
	}
	same := ConvOptions{Padding: [2]int{1, 1}}
	x := m.images.To(Float32).MulScalar(1.0 / 255)
	x = norm(x.Conv2d(p[0], p[1], same), p[2], p[3]).Relu()
	x = x.Add(norm(x.Conv2d(p[4], nil, same), p[5], p[6])).Silu()
	x = x.MaxPool2d(Pool2dOptions{Kernel: [2]int{2, 2}})                                                   // [8, 16, 6, 6]
	x = x.Conv2d(p[7], p[8], ConvOptions{Stride: [2]int{2, 2}, Padding: [2]int{1, 1}}).Gelu()              // [8, 24, 3, 3]
	x = x.Conv2d(p[9], p[10], ConvOptions{Padding: [2]int{1, 1}, Groups: 24})                              // depthwise
	x = x.Flatten(2).Transpose(1, 2).Linear(p[11], p[12]).Add(p[16])                                       // [8, 9, 32]
	x = x.Linear(p[13], nil).MatMul(x.Transpose(1, 2)).MulScalar(0.2).Softmax(-1).MatMul(x).Mean(1).Tanh() // [8, 32]
	return x.Linear(p[14], p[15]).LogSoftmax(-1).Gather(1, m.labels.Unsqueeze(1)).Mean().Neg()
}

// results are the loss and the gradients. least as for SetMixed.
func (m *mixedNet) results(t *testing.T, dev *device.Device, least int) (loss float64, grads [][]float32, text string) {
	t.Helper()
	const scale = 1024
	p, err := Compile(dev, func(tr *Trace, _ []*Tensor) []*Tensor {
		tr.SetMixed(least)
		tr.Int("step") // so that there is a trace
		loss := m.loss().Add(tr.Scalar("zero"))
		out := []*Tensor{loss}
		for _, g := range GradWith(loss, Full(scale, loss.Shape()...), m.params...) {
			out = append(out, g.DivScalar(scale))
		}
		return out
	})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	out, err := p.Call()
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range out[1:] {
		v, err := g.Read()
		if err != nil {
			t.Fatal(err)
		}
		grads = append(grads, v)
	}
	return float64(out[0].Item()), grads, p.Plan()
}

// Float16 in memory moves a loss and its gradients by little, on every device: by
// the gradients that a maximum sends to another pixel, mostly.
func TestMixedPrecision(t *testing.T) {
	m := newMixedNet()
	wantLoss, want, text := m.results(t, device.Reference(), 0)
	if strings.Contains(text, "f16") {
		t.Errorf("float16 without being asked for:\n%s", text)
	}
	list := devices(t)
	one := cpu.New(1)
	defer one.Close()
	list = append(list, device.Wrap(one, "cpu, one thread"))
	for _, dev := range list {
		for _, hardware := range []bool{false, true} {
			gpu, ok := dev.Backend().(*webgpu.Backend)
			if ok {
				gpu.Hardware = hardware
			} else if hardware {
				continue
			}
			t.Run(fmt.Sprint(dev.Kind(), " hardware=", hardware), func(t *testing.T) {
				if !dev.Float16() {
					t.Skipf("%s has no shader-f16", dev.Name())
				}
				loss, grads, text := m.results(t, dev, 256)
				if n := strings.Count(text, ": temp   f16["); n < 10 {
					t.Fatalf("%d float16 temporaries:\n%s", n, text)
				}
				if d := math.Abs(loss - wantLoss); !(d < 2e-3) {
					t.Errorf("loss %v, in float32 %v", loss, wantLoss)
				}
				for i, g := range grads {
					var diff, norm float64
					for j := range g {
						d := float64(g[j] - want[i][j])
						diff, norm = diff+d*d, norm+float64(want[i][j])*float64(want[i][j])
					}
					// Biases before a batch norm have no gradient but rounding.
					if e := math.Sqrt(diff / norm); !(e < 0.05) && !(diff < 1e-8) {
						t.Errorf("gradient %d: relative error %.4f (norm %g)", i, e, math.Sqrt(norm))
					}
				}
			})
		}
	}
}

// What the rule leaves in float32.
func TestMixedPrecisionRule(t *testing.T) {
	w := NewVariable("w", make([]float32, 128*128), 128, 128)
	momentum := NewVariable("momentum", make([]float32, 128*128), 128, 128)
	x := FromBytes(make([]byte, 128*128), 128, 128)
	halves := func(f func(tr *Trace, y *Tensor) []*Tensor) int {
		t.Helper()
		p, err := Compile(device.Reference(), func(tr *Trace, _ []*Tensor) []*Tensor {
			tr.SetMixed(1024)
			y := x.To(Float32).MulScalar(1.0 / 255).Add(tr.Uniform(128, 128)).MatMul(w).Add(tr.Scalar("zero"))
			return f(tr, y)
		})
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		return strings.Count(p.Plan(), ": temp   f16[")
	}
	gradient := func(tr *Trace, y *Tensor) *Tensor { return Grad(y.Tanh().MatMul(w).Square().Sum(), w)[0] }
	if n := halves(func(tr *Trace, y *Tensor) []*Tensor { return []*Tensor{y.Tanh().MatMul(w).Square().Sum()} }); n != 0 {
		t.Errorf("without a gradient %d float16 temporaries", n)
	}
	plain := halves(func(tr *Trace, y *Tensor) []*Tensor {
		tr.Assign(w, w.Sub(gradient(tr, y)))
		return nil
	})
	if plain == 0 {
		t.Errorf("no float16 temporaries in a training step")
	}
	// An optimizer that multiplies matrices, as Muon does, has temporaries of its own.
	muon := halves(func(tr *Trace, y *Tensor) []*Tensor {
		g := momentum.MulScalar(0.9).Add(gradient(tr, y))
		tr.Assign(momentum, g)
		for range 3 {
			g = g.MatMul(g.Transpose(0, 1)).MatMul(g)
		}
		tr.Assign(w, w.Sub(g))
		return nil
	})
	if muon != plain {
		t.Errorf("%d float16 temporaries with an optimizer that has some of its own, %d without", muon, plain)
	}
}

// noHalves is a device without float16.
type noHalves struct{ backend.Backend }

func (noHalves) Float16() bool { return false }
func (noHalves) Compile(*plan.Plan, func(int) backend.Buffer) (backend.Exec, error) {
	return nil, errors.New("compiled")
}

func TestMixedPrecisionNeedsFloat16(t *testing.T) {
	w := NewVariable("w", []float32{1, 2}, 2)
	_, err := Compile(device.Wrap(noHalves{device.CPU().Backend()}, "other"), func(tr *Trace, _ []*Tensor) []*Tensor {
		tr.SetMixed(1)
		return []*Tensor{w.Sum()}
	})
	if !errors.Is(err, ErrNoFloat16) {
		t.Errorf("error %v", err)
	}
}

// exactProgram is a random chain of views, sums and products of small whole numbers,
// which float16 holds exactly, and the gradients of its variables.
func exactProgram(r *rand.Rand, dev *device.Device, least int) (*Program, error) {
	whole := func(most int, shape ...int) []float32 {
		n := 1
		for _, s := range shape {
			n *= s
		}
		v := make([]float32, n)
		for i := range v {
			v[i] = float32(r.IntN(2*most+1) - most)
		}
		return v
	}
	return Compile(dev, func(tr *Trace, _ []*Tensor) []*Tensor {
		tr.SetMixed(least)
		var params []*Tensor
		variable := func(most int, shape ...int) *Tensor {
			params = append(params, NewVariable(fmt.Sprintf("p%d", len(params)), whole(most, shape...), shape...))
			return params[len(params)-1]
		}
		shape := []int{2 + r.IntN(3), 2 + r.IntN(4), 3 + r.IntN(6), 4 * (1 + r.IntN(2))}
		if r.IntN(2) == 0 {
			shape[3]--
		}
		y := tr.Bind(New(whole(2, shape...), shape...)).Add(variable(1, shape...))
		products := 0
		for range 5 + r.IntN(5) {
			d := r.IntN(y.Dims())
			last := y.Dim(-1)
			switch r.IntN(9) {
			case 0:
				y = y.Permute(r.Perm(y.Dims())...)
			case 1: // other dimensions, of as many elements
				s := slices.Clone(y.Shape())
				s[1], s[2] = s[2], s[1]
				y = y.Reshape(s...)
			case 2:
				pad := make([][2]int, y.Dims())
				pad[d] = [2]int{r.IntN(3), r.IntN(3)}
				y = y.Pad(0, pad...)
			case 3:
				y = y.Flip(d)
			case 4:
				y = y.Add(variable(1, last)).Relu()
			case 5:
				y = y.Abs().Clamp(-20, 20)
			case 6:
				if products < 2 {
					products++
					y = y.MatMul(variable(1, last, 3+r.IntN(6)))
				}
			case 7:
				if products < 2 {
					products++
					y = y.Conv2d(variable(1, 2+r.IntN(4), y.Dim(1), 3, 3), nil, ConvOptions{Padding: [2]int{1, 1}, Stride: [2]int{1 + r.IntN(2), 1}})
				}
			case 8:
				y = y.Sub(y.SumKeep(d).Clamp(-9, 9))
			}
		}
		loss := y.Mul(New(whole(1, y.Shape()...), y.Shape()...)).Sum()
		return append([]*Tensor{loss}, Grad(loss, params...)...)
	})
}

// Whatever the order of elements, each half is stored and read where it belongs.
func TestMixedPrecisionIsExact(t *testing.T) {
	list := devices(t)
	if len(list) > 1 {
		list[1].Backend().(*webgpu.Backend).Hardware = true
	}
	halves := 0
	for i, dev := range list {
		if !dev.Float16() {
			t.Logf("%s has no shader-f16", dev.Name())
			continue
		}
		seeds := uint64(120)
		if i > 0 {
			seeds = 5
		}
		for seed := range seeds {
			run := func(dev *device.Device, least int) [][]float32 {
				p, err := exactProgram(rand.New(rand.NewPCG(seed, 1)), dev, least)
				if err != nil {
					t.Fatal(err)
				}
				defer p.Close()
				if least > 0 {
					halves += strings.Count(p.Plan(), ": temp   f16[")
				}
				out, err := p.Call()
				if err != nil {
					t.Fatal(err)
				}
				var all [][]float32
				for _, o := range out {
					all = append(all, o.Floats())
				}
				return all
			}
			want, got := run(device.Reference(), 0), run(dev, 1)
			for j := range want {
				if !slices.Equal(got[j], want[j]) {
					t.Fatalf("%s, seed %d: result %d is\n%v, want\n%v", dev.Kind(), seed, j, got[j], want[j])
				}
			}
		}
	}
	if halves < 300 {
		t.Errorf("%d float16 temporaries in all programs", halves)
	}
}

// Convolutions of a size for which GPUs have loop nests of their own, forward and
// backward, with operands that are halves.
func TestMixedConvolutionsAreExact(t *testing.T) {
	list := devices(t)
	if len(list) == 1 {
		t.Skip("no GPU")
	}
	gpu := list[1]
	if !gpu.Float16() {
		t.Skipf("%s has no shader-f16", gpu.Name())
	}
	gpu.Backend().(*webgpu.Backend).Hardware = true
	r := rand.New(rand.NewPCG(1, 2))
	sparse := func(share int, shape ...int) []float32 { // -1, 0 and 1
		n := 1
		for _, s := range shape {
			n *= s
		}
		v := make([]float32, n)
		for i := range v {
			if r.IntN(share) == 0 {
				v[i] = float32(r.IntN(3) - 1)
			}
		}
		return v
	}
	const batch, side = 64, 32
	x := New(sparse(2, batch, 32, side, side), batch, 32, side, side)
	weight := New(sparse(64, batch, 64, side, side), batch, 64, side, side)
	v := NewVariable("v", sparse(4, 32, side, side), 32, side, side)
	w1 := NewVariable("w1", sparse(16, 64, 32, 3, 3), 64, 32, 3, 3)
	w2 := NewVariable("w2", sparse(16, 64, 64, 3, 3), 64, 64, 3, 3)
	run := func(dev *device.Device, least int) (all [][]float32) {
		p, err := Compile(dev, func(tr *Trace, _ []*Tensor) []*Tensor {
			tr.SetMixed(least)
			same := ConvOptions{Padding: [2]int{1, 1}}
			y := tr.Bind(x).Add(v).Conv2d(w1, nil, same).Clamp(-50, 50).Conv2d(w2, nil, same).Relu()
			loss := y.Mul(weight).Sum()
			return append([]*Tensor{loss}, Grad(loss, v, w1, w2)...)
		})
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		if n := strings.Count(p.Plan(), ": temp   f16["); least > 0 && n < 6 {
			t.Fatalf("%d float16 temporaries", n)
		}
		out, err := p.Call()
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range out {
			all = append(all, o.Floats())
		}
		return all
	}
	want := run(list[0], 0)
	for i, got := range run(gpu, 1024) {
		if !slices.Equal(got, want[i]) {
			t.Errorf("result %d differs", i)
		}
	}
}

// A long sum is computed in parts, here of 64 squares each, which are beyond
// float16: no statistic may be stored as such, or batch norm's variance is infinite.
func TestMixedPrecisionOfLongSums(t *testing.T) {
	pix := make([]byte, 256*2*64)
	for i := range pix {
		pix[i] = byte(100 + i%100)
	}
	x, w := FromBytes(pix, 256, 2, 8, 8), NewVariable("w", []float32{1, 2}, 2)
	for _, dev := range devices(t) {
		if !dev.Float16() {
			t.Logf("%s has no shader-f16", dev.Name())
			continue
		}
		var results [2][]float32
		for i, least := range []int{0, 256} {
			p, err := Compile(dev, func(tr *Trace, _ []*Tensor) []*Tensor {
				tr.SetMixed(least)
				y := tr.Bind(x).To(Float32).Mul(w.Reshape(1, 2, 1, 1))
				loss := y.Square().Mean(0, 2, 3).Sqrt().Sum()
				return []*Tensor{loss, Grad(loss, w)[0]}
			})
			if err != nil {
				t.Fatal(err)
			}
			out, err := p.Call()
			if err != nil {
				t.Fatal(err)
			}
			results[i] = append(out[0].Floats(), out[1].Floats()...)
			p.Close()
		}
		for i, want := range results[0] {
			if d := math.Abs(float64(results[1][i]/want - 1)); !(d < 1e-3) {
				t.Errorf("%s: result %d is %v in mixed precision, %v in float32", dev.Name(), i, results[1][i], want)
			}
		}
	}
}
