package nn_test

import (
	"fmt"
	"math"
	"testing"

	"github.com/weft-ml/weft/device"
	. "github.com/weft-ml/weft/nn"
	"github.com/weft-ml/weft/tensor"
)

// trainOn runs m in training on each batch [n, c] and returns the last output.
func trainOn(t *testing.T, m Module, channels int, batches ...[]float32) []float32 {
	t.Helper()
	n := len(batches[0]) / channels
	p, err := tensor.Compile(device.CPU(), func(tr *tensor.Trace, in []*tensor.Tensor) []*tensor.Tensor {
		tr.SetTraining(true)
		return []*tensor.Tensor{m.Forward(in[0])}
	}, tensor.Zeros(n, channels))
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	var out []*tensor.Tensor
	for _, b := range batches {
		if out, err = p.Call(tensor.New(b, n, channels)); err != nil {
			t.Fatal(err)
		}
	}
	return out[0].Floats()
}

func within(t *testing.T, what string, got []float32, tol float64, want ...float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %v, want %v", what, got, want)
	}
	for i, w := range want {
		if d := math.Abs(float64(got[i]) - w); !(d <= tol*(1+math.Abs(w))) {
			t.Errorf("%s: %v, want %v", what, got, want)
			return
		}
	}
}

func TestBatchNormFollowsItsBatches(t *testing.T) {
	// Channel 0 has mean 2 and variance 2/3 (1 unbiased), then mean 5 and
	// variance 6 (9 unbiased).
	first, second := []float32{1, 7, 2, 7, 3, 7}, []float32{2, 7, 5, 7, 8, 7}
	n := NewBatchNorm(2, BatchNormOptions{})
	out := trainOn(t, n, 2, first, second)
	within(t, "output", out, 1e-3, -3/math.Sqrt(6), 0, 0, 0, 3/math.Sqrt(6), 0)
	within(t, "running mean", n.RunningMean.Floats(), 1e-6, 0.9*0.2+0.1*5, 0.9*0.7+0.1*7)
	within(t, "running variance", n.RunningVar.Floats(), 1e-6, 0.9*1+0.1*9, 0.81)
	if got := n.NumBatchesTracked.Ints()[0]; got != 2 {
		t.Errorf("%d batches tracked of 2", got)
	}
	// Evaluation uses what was tracked, and changes nothing.
	y := n.Forward(tensor.New([]float32{1.68, 1.33}, 1, 2)).Floats()
	within(t, "evaluation", y, 1e-5, 1/math.Sqrt(1.8+1e-5), 0)

	n = NewBatchNorm(2, BatchNormOptions{Cumulative: true})
	trainOn(t, n, 2, first, second)
	within(t, "cumulative mean", n.RunningMean.Floats(), 1e-6, 3.5, 7)
	within(t, "cumulative variance", n.RunningVar.Floats(), 1e-6, 5, 0)
}

// TestBatchNormFarFromZero: the running mean keeps the variance exact where
// values are large beside their deviation.
func TestBatchNormFarFromZero(t *testing.T) {
	n := NewBatchNorm(1, BatchNormOptions{Eps: 1e-12})
	batch := []float32{3000, 3001, 3002, 3003}
	var batches [][]float32
	for range 100 {
		batches = append(batches, batch)
	}
	s := math.Sqrt(1.25)
	within(t, "output", trainOn(t, n, 1, batches...), 1e-4, -1.5/s, -0.5/s, 0.5/s, 1.5/s)
}

// In the first steps a channel's mean may be many deviations away from the running
// mean, and a part of its elements from the others. Output, gradient and running
// statistics are those of float64.
func TestBatchNormFirstStepFarFromZero(t *testing.T) {
	const channels = 3
	type input struct {
		name  string
		shape []int
		at    func(i, sample, channel int) float64
	}
	wave := func(i int) float64 { return math.Sin(float64(i)*1.7) * math.Sqrt2 }
	var inputs []input
	for _, mean := range []float64{0, 100, -1000, 1e4} {
		for _, dev := range []float64{1, .1} {
			if mean/dev > 1e4 {
				continue
			}
			for _, shape := range [][]int{{64, channels}, {40, channels, 5}, {34, channels, 6, 7}, {2, channels, 20, 9}, {3, channels, 90, 90}} {
				inputs = append(inputs, input{fmt.Sprintf("mean %v, deviation %v, %v", mean, dev, shape), shape, func(i, _, c int) float64 { return mean*float64(c) + dev*wave(i) }})
			}
		}
	}
	inputs = append(inputs,
		input{"first image apart", []int{64, channels, 4, 4}, func(i, n, c int) float64 { return 1000*b2f(n > 0) + wave(i) }},
		input{"first element apart", []int{100, channels}, func(i, n, c int) float64 { return 500 - 100*b2f(n == 0) + wave(i) }},
		input{"one value", []int{8, channels, 2, 2}, func(i, n, c int) float64 { return 77 }},
	)
	for _, dev := range devices(t) {
		for _, in := range inputs {
			count := 1
			for _, d := range in.shape {
				count *= d
			}
			each := count / in.shape[0] / channels
			v, seed := make([]float32, count), make([]float32, count)
			for i := range v {
				v[i] = float32(in.at(i, i/each/channels, i/each%channels))
				seed[i] = float32(math.Cos(float64(i) * .7))
			}
			bn := NewBatchNorm(channels, BatchNormOptions{})
			out, err := run(t, dev, func(tr *tensor.Trace, a []*tensor.Tensor) []*tensor.Tensor {
				tr.SetTraining(true)
				y := bn.Forward(a[0])
				return append(tensor.GradWith(y, a[1], a[0]), y)
			}, tensor.New(v, in.shape...), tensor.New(seed, in.shape...))
			if err != nil {
				t.Fatal(err)
			}
			// The same in float64.
			y, g := make([]float64, count), make([]float64, count)
			n := float64(count / channels)
			for c := range channels {
				var sum, sq, sg, sgx float64
				channel := func(f func(i int)) {
					for i := range v {
						if i/each%channels == c {
							f(i)
						}
					}
				}
				channel(func(i int) { sum += float64(v[i]) })
				mean := sum / n
				channel(func(i int) { sq += (float64(v[i]) - mean) * (float64(v[i]) - mean) })
				scale := 1 / math.Sqrt(sq/n+1e-5)
				channel(func(i int) {
					y[i] = (float64(v[i]) - mean) * scale
					sg += float64(seed[i])
					sgx += float64(seed[i]) * y[i]
				})
				channel(func(i int) { g[i] = scale * (float64(seed[i]) - sg/n - y[i]*sgx/n) })
				if got := float64(bn.RunningMean.Floats()[c]); !(math.Abs(got-.1*mean) <= 1e-6*(1+math.Abs(mean))) {
					t.Errorf("%s on %s: running mean %v, want %v", in.name, dev.Kind(), got, .1*mean)
				}
				want := .9 + .1*sq/(n-1)
				if got := float64(bn.RunningVar.Floats()[c]); !(math.Abs(got-want) <= 1e-5*want) {
					t.Errorf("%s on %s: running variance %v, want %v", in.name, dev.Kind(), got, want)
				}
			}
			near64(t, in.name+" on "+dev.Kind()+": output", out[1].Floats(), y)
			near64(t, in.name+" on "+dev.Kind()+": gradient", out[0].Floats(), g)
		}
	}
}

func b2f(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// near64 allows 1e-4 of the greatest value.
func near64(t *testing.T, what string, got []float32, want []float64) {
	t.Helper()
	size := 1.0
	for _, w := range want {
		size = max(size, math.Abs(w))
	}
	for i, w := range want {
		if !(math.Abs(float64(got[i])-w) <= 1e-4*size) {
			t.Errorf("%s: element %d is %v, want %v", what, i, got[i], w)
			return
		}
	}
}

func TestBatchNormNeedsABatch(t *testing.T) {
	n := NewBatchNorm(3, BatchNormOptions{})
	_, err := tensor.Compile(device.CPU(), func(tr *tensor.Trace, in []*tensor.Tensor) []*tensor.Tensor {
		tr.SetTraining(true)
		return []*tensor.Tensor{n.Forward(in[0])}
	}, tensor.Zeros(1, 3))
	if err == nil {
		t.Error("a batch of one value was normalised")
	}
}

func TestBatchNormVariables(t *testing.T) {
	got := names(Params(NewBatchNorm(2, BatchNormOptions{})))
	if want := "weight bias running_mean! running_var! num_batches_tracked!"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	n := NewBatchNorm(2, BatchNormOptions{NoAffine: true})
	if len(Trainable(n)) != 0 {
		t.Error("parameters without affine")
	}
	within(t, "output", trainOn(t, n, 2, []float32{1, 3, 3, 3}), 1e-4, -1, 0, 1, 0)
	if w := NewBatchNorm(1, BatchNormOptions{ZeroWeight: true}).Weight.Item(); w != 0 {
		t.Errorf("weight begins at %v", w)
	}
}

func TestNormsOfRows(t *testing.T) {
	x := tensor.New([]float32{1, 2, 3, 6, 4, 4, 4, 4}, 2, 4)
	q := math.Sqrt(3.5)
	within(t, "layer norm", NewLayerNorm(4).Forward(x).Floats(), 1e-5, -2/q, -1/q, 0, 3/q, 0, 0, 0, 0)
	r := math.Sqrt(12.5)
	within(t, "rms norm", NewRMSNorm(4).Forward(x).Floats(), 1e-5, 1/r, 2/r, 3/r, 6/r, 1, 1, 1, 1)
	within(t, "group norm", NewGroupNorm(2, 4).Forward(x).Floats(), 1e-4, -1, 1, -1, 1, 0, 0, 0, 0)
	within(t, "one group", NewGroupNorm(1, 4).Forward(x).Floats(), 1e-4, -2/q, -1/q, 0, 3/q, 0, 0, 0, 0)
}

func TestSqueezeExcite(t *testing.T) {
	s := NewSqueezeExcite(NewRNG(1), 2, 1, ConvOptions{})
	for p, v := range map[*tensor.Tensor][]float32{
		s.FC1.Weight: {1, 2}, s.FC1.Bias: {-1}, s.FC2.Weight: {1, -1}, s.FC2.Bias: {0, 1},
	} {
		if err := p.Set(v); err != nil {
			t.Fatal(err)
		}
	}
	// Means 2 and 1, so 2 + 2 - 1 = 3 inside, and sigmoids of 3 and -2.
	x := tensor.New([]float32{1, 3, 0, 2}, 1, 2, 1, 2)
	a, b := 1/(1+math.Exp(-3)), 1/(1+math.Exp(2))
	within(t, "output", s.Forward(x).Floats(), 1e-5, a, 3*a, 0, 2*b)
	s.Activation = Func(func(x *tensor.Tensor) *tensor.Tensor { return x.Neg() })
	within(t, "other activation", s.Forward(x).Floats(), 1e-5, 1-a, 3*(1-a), 0, 2/(1+math.Exp(-4)))
}
