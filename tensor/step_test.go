package tensor_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/weft-ml/weft/device"
	. "github.com/weft-ml/weft/tensor"
)

// mlpStep is a whole training step of 784-128-10: gather, normalise, forward,
// loss, gradient, SGD, accuracy.
type mlpStep struct {
	params []*Tensor
	perm   *Tensor
	prog   *Program
}

func newMLPStep(t testing.TB, dev *device.Device, samples, batch int) *mlpStep {
	r := rand.New(rand.NewPCG(1, 2))
	uniform := func(n int, bound float64) []float32 {
		v := make([]float32, n)
		for i := range v {
			v[i] = float32((r.Float64()*2 - 1) * bound)
		}
		return v
	}
	pix, lab := make([]byte, samples*784), make([]byte, samples)
	for i := range lab {
		lab[i] = byte(r.IntN(10))
		for j := range 784 {
			pix[i*784+j] = byte(r.IntN(128) + 12*int(lab[i])*(j%2))
		}
	}
	order := make([]int32, samples)
	for i := range order {
		order[i] = int32(i)
	}
	r.Shuffle(samples, func(i, j int) { order[i], order[j] = order[j], order[i] })
	images, labels := FromBytes(pix, samples, 784), FromBytes(lab, samples)
	s := &mlpStep{perm: NewIntVariable("perm", order, samples)}
	w1 := NewVariable("w1", uniform(128*784, math.Sqrt(6.0/784)), 128, 784)
	b1 := NewVariable("b1", make([]float32, 128), 128)
	w2 := NewVariable("w2", uniform(10*128, math.Sqrt(6.0/128)), 10, 128)
	b2 := NewVariable("b2", make([]float32, 10), 10)
	s.params = []*Tensor{w1, b1, w2, b2}
	var err error
	s.prog, err = Compile(dev, func(tr *Trace, _ []*Tensor) []*Tensor {
		idx := s.perm.IndexSelect(0, Arange(batch).Add(tr.Int("at")))
		x := images.IndexSelect(0, idx).To(Float32).MulScalar(1.0 / 255).AddScalar(-0.1307).DivScalar(0.3081)
		y := labels.IndexSelect(0, idx)
		logits := x.Linear(w1, b1).Relu().Linear(w2, b2)
		loss := logits.LogSoftmax(-1).Gather(1, y.Unsqueeze(1)).Mean().Neg()
		acc := logits.Argmax(-1).Eq(y).To(Float32).Mean()
		for i, g := range Grad(loss, s.params...) {
			tr.Assign(s.params[i], s.params[i].Sub(g.Mul(tr.Scalar("lr"))))
		}
		return []*Tensor{loss, acc}
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *mlpStep) run(t testing.TB, steps, batch, samples int) (losses []float32) {
	at, lr := s.prog.Slot("at"), s.prog.Slot("lr")
	pos := 0
	for steps > 0 {
		n := min(steps, 16)
		if err := s.prog.Submit(n, func(_ int, sc Scalars) {
			sc.SetInt(at, int32(pos))
			sc.Set(lr, 0.05)
			pos = (pos + batch) % (samples - batch + 1)
		}); err != nil {
			t.Fatal(err)
		}
		if _, err := s.prog.Collect(func(_ int, r []float32) { losses = append(losses, r[0]) }); err != nil {
			t.Fatal(err)
		}
		steps -= n
	}
	return losses
}

func TestMLPStepFollowsReference(t *testing.T) {
	const samples, batch = 64, 8
	want := newMLPStep(t, device.Reference(), samples, batch).run(t, 12, batch, samples)
	for _, dev := range devices(t) {
		t.Run(dev.Kind(), func(t *testing.T) {
			s := newMLPStep(t, dev, samples, batch)
			defer s.prog.Close()
			got := s.run(t, 12, batch, samples)
			for i := range want {
				if d := math.Abs(float64(got[i] - want[i])); !(d < 1e-3) {
					t.Errorf("step %d: loss %v, reference %v", i, got[i], want[i])
				}
			}
			if n := s.prog.KernelCount(); n > 12 {
				t.Errorf("%d kernels, at most 12 are wanted\n%s", n, s.prog.Plan())
			}
		})
	}
}

// devices returns the CPU and, where there is one, a GPU; CI has one.
func devices(t testing.TB) []*device.Device {
	list := []*device.Device{device.CPU()}
	gpu, err := device.Open("webgpu")
	switch {
	case err == nil:
		t.Cleanup(func() { gpu.Close() })
		list = append(list, gpu)
	case os.Getenv("CI") == "true" || os.Getenv("WEFT_REQUIRE_GPU") == "1":
		t.Fatal(err)
	default:
		t.Logf("not on WebGPU: %v", err)
	}
	return list
}

// BenchmarkMLPStep replays the training step; on a GPU with many steps in a
// submit and three submits under way, as training does.
func BenchmarkMLPStep(b *testing.B) {
	for _, dev := range devices(b) {
		for _, batch := range []int{64, 512} {
			b.Run(fmt.Sprintf("%s/batch=%d", dev.Kind(), batch), func(b *testing.B) {
				const samples = 8192
				s := newMLPStep(b, dev, samples, batch)
				defer s.prog.Close()
				at, lr := s.prog.Slot("at"), s.prog.Slot("lr")
				pos := 0
				fill := func(_ int, sc Scalars) {
					sc.SetInt(at, int32(pos))
					sc.Set(lr, 0.01)
					pos = (pos + batch) % (samples - batch + 1)
				}
				n := 1
				if dev.Kind() == "webgpu" {
					n = MaxSteps
				}
				if software(dev) {
					n = 4
				}
				b.ReportAllocs()
				steps, under := 0, 0
				for b.Loop() {
					if under == 2 {
						if _, err := s.prog.Collect(nil); err != nil {
							b.Fatal(err)
						}
						under--
					}
					if err := s.prog.Submit(n, fill); err != nil {
						b.Fatal(err)
					}
					steps += n
					under++
				}
				for range under {
					if _, err := s.prog.Collect(nil); err != nil {
						b.Fatal(err)
					}
				}
				if testing.Verbose() {
					times, err := s.prog.Profile(51)
					if err != nil {
						b.Fatal(err)
					}
					for _, k := range times {
						b.Logf("%9.1f us %8.1f GFLOP/s %8.1f GB/s %s", k.Nanoseconds/1e3, float64(k.FLOPs)/k.Nanoseconds, float64(k.Bytes)/k.Nanoseconds, k.Name)
					}
				}
				per := float64(steps) / b.Elapsed().Seconds()
				b.ReportMetric(per, "steps/s")
				b.ReportMetric(per*float64(s.prog.FLOPs())/1e9, "GFLOP/s")
			})
		}
	}
}

// software reports whether a GPU's interface runs on the processor, where
// large benchmarks take minutes.
func software(dev *device.Device) bool {
	list, _ := device.List()
	return slices.ContainsFunc(list, func(i device.Info) bool { return i.Software && strings.Contains(dev.Name(), i.Name) })
}

// BenchmarkMatMul multiplies square matrices, through the whole path.
func BenchmarkMatMul(b *testing.B) {
	for _, dev := range devices(b) {
		for _, n := range []int{512, 1024, 2048, 4096} {
			if dev.Kind() == "cpu" && n > 2048 || n > 512 && software(dev) {
				continue
			}
			b.Run(fmt.Sprintf("%s/%d", dev.Kind(), n), func(b *testing.B) {
				v := make([]float32, n*n)
				r := rand.New(rand.NewPCG(3, 4))
				for i := range v {
					v[i] = r.Float32() - 0.5
				}
				x, y := NewVariable("x", v, n, n), NewVariable("y", v, n, n)
				p, err := Compile(dev, func(*Trace, []*Tensor) []*Tensor { return []*Tensor{x.MatMul(y)} })
				if err != nil {
					b.Fatal(err)
				}
				defer p.Close()
				times, err := p.Profile(5)
				if err != nil {
					b.Fatal(err)
				}
				for b.Loop() {
					if times, err = p.Profile(11); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(times[0].FLOPs)/times[0].Nanoseconds, "GFLOP/s")
			})
		}
	}
}
