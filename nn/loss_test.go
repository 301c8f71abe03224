package nn_test

import (
	"math"
	"strings"
	"testing"

	"github.com/weft-ml/weft/device"
	. "github.com/weft-ml/weft/nn"
	"github.com/weft-ml/weft/tensor"
)

func near(t *testing.T, what string, got *tensor.Tensor, want ...float64) {
	t.Helper()
	v := got.Floats()
	if len(v) != len(want) {
		t.Fatalf("%s: %d elements, want %d", what, len(v), len(want))
	}
	for i, w := range want {
		if math.Abs(float64(v[i])-w) > 1e-5*(1+math.Abs(w)) {
			t.Errorf("%s: element %d is %g, want %g", what, i, v[i], w)
		}
	}
}

func TestCrossEntropy(t *testing.T) {
	// Two classes: -log softmax is softplus of the difference.
	x := tensor.New([]float32{0, 1, 3, 0, 2, 2}, 3, 2)
	softplus := func(z float64) float64 { return math.Log1p(math.Exp(z)) }
	a, b, c := softplus(-1), softplus(3), softplus(0)
	target := tensor.FromInts([]int32{1, 1, 0})
	near(t, "none", CrossEntropy(x, target, ClassOptions{Reduction: None}), a, b, c)
	near(t, "mean", CrossEntropy(x, target, ClassOptions{}), (a+b+c)/3)
	near(t, "sum", CrossEntropy(x, target, ClassOptions{Reduction: Sum}), a+b+c)
	near(t, "batch mean", CrossEntropy(x, target, ClassOptions{Reduction: BatchMean}), (a+b+c)/3)
	near(t, "bytes", CrossEntropy(x, tensor.FromBytes([]byte{1, 1, 0}), ClassOptions{}), (a+b+c)/3)
	w := tensor.New([]float32{2, 0.5})
	near(t, "weights", CrossEntropy(x, target, ClassOptions{Weight: w}), (0.5*a+0.5*b+2*c)/3)
	hole := tensor.FromInts([]int32{1, -100, 0})
	near(t, "ignore", CrossEntropy(x, hole, ClassOptions{Ignore: []int{-100}}), (a+c)/2)
	near(t, "ignore, none", CrossEntropy(x, hole, ClassOptions{Ignore: []int{-100}, Reduction: None}), a, 0, c)
	near(t, "ignore two", CrossEntropy(x, hole, ClassOptions{Ignore: []int{-100, 0}}), a)
	other := []float64{softplus(1), softplus(-3), softplus(0)}
	smooth := 0.9*(a+b+c)/3 + 0.1*(a+b+c+other[0]+other[1]+other[2])/6
	near(t, "smoothing", CrossEntropy(x, target, ClassOptions{Smoothing: 0.1}), smooth)
	soft := target.OneHot(2)
	near(t, "probabilities", CrossEntropy(x, soft, ClassOptions{}), (a+b+c)/3)
	near(t, "smoothed probabilities", CrossEntropy(x, soft, ClassOptions{Smoothing: 0.1}), smooth)
	near(t, "sequence", CrossEntropy(x.Unsqueeze(0), target.Unsqueeze(0), ClassOptions{}), (a+b+c)/3)
	near(t, "nll", NLL(x.LogSoftmax(-1), target, ClassOptions{}), (a+b+c)/3)
	near(t, "accuracy", Accuracy(x, target), 2.0/3)
	near(t, "large logits", CrossEntropy(tensor.New([]float32{1e4, -1e4}, 1, 2), tensor.FromInts([]int32{1}), ClassOptions{}), 2e4)
	p := math.Exp(-a)
	near(t, "focal", Focal(x.Slice(0, 0, 1), target.Slice(0, 0, 1), FocalOptions{Alpha: 0.25}), 0.25*(1-p)*(1-p)*a)
}

func TestRegressionLosses(t *testing.T) {
	x, y := tensor.New([]float32{0, 1, -3}), tensor.New([]float32{0, 0.5, 1})
	near(t, "mse", MSE(x, y, Mean), (0.25+16)/3)
	near(t, "l1", L1(x, y, Sum), 4.5)
	near(t, "smooth l1", SmoothL1(x, y, SmoothL1Options{Reduction: None}), 0, 0.125, 3.5)
	near(t, "smooth l1 with beta", SmoothL1(x, y, SmoothL1Options{Beta: 0.25, Reduction: None}), 0, 0.375, 3.875)
	near(t, "huber", Huber(x, y, HuberOptions{Delta: 2, Reduction: None}), 0, 0.125, 6)
}

func TestProbabilityLosses(t *testing.T) {
	x, y := tensor.New([]float32{-100, 0, 100}), tensor.New([]float32{1, 0.25, 1})
	near(t, "bce of logits", BCEWithLogits(x, y, BCEOptions{Reduction: None}), 100, math.Ln2, 0)
	near(t, "positives weighted", BCEWithLogits(x, y, BCEOptions{PosWeight: tensor.Scalar(3), Reduction: None}), 300, math.Ln2*1.5, 0)
	near(t, "bce", BCE(tensor.New([]float32{0, 0.5, 1}), y, BCEOptions{Reduction: None}), 100, math.Ln2, 0)
	near(t, "weighted", BCE(tensor.New([]float32{0, 0.5, 1}), y, BCEOptions{Weight: tensor.New([]float32{2, 2, 2}), Reduction: None}), 200, 2*math.Ln2, 0)
	logp, q := tensor.New([]float32{0.5, 0.5}, 1, 2).Log(), tensor.New([]float32{1, 0}, 1, 2)
	near(t, "kl", KLDiv(logp, q, KLDivOptions{Reduction: BatchMean}), math.Ln2)
	near(t, "kl of log target", KLDiv(logp, logp.AddScalar(0), KLDivOptions{LogTarget: true}), 0)
}

func TestLossGradientsAreFiniteAtTheEdges(t *testing.T) {
	for name, f := range map[string]func(x *tensor.Tensor) *tensor.Tensor{
		"bce":    func(x *tensor.Tensor) *tensor.Tensor { return BCE(x, tensor.New([]float32{0, 1, 1}), BCEOptions{}) },
		"kl":     func(x *tensor.Tensor) *tensor.Tensor { return KLDiv(x, tensor.New([]float32{0, 1, 0}), KLDivOptions{}) },
		"logits": func(x *tensor.Tensor) *tensor.Tensor { return BCEWithLogits(x.MulScalar(1e5), x, BCEOptions{}) },
		"huber":  func(x *tensor.Tensor) *tensor.Tensor { return Huber(x, x.Detach(), HuberOptions{}) },
		"focal": func(x *tensor.Tensor) *tensor.Tensor {
			return Focal(x.MulScalar(200), tensor.FromInts([]int32{1}).Squeeze(0), FocalOptions{})
		},
	} {
		p, err := tensor.Compile(device.CPU(), func(_ *tensor.Trace, in []*tensor.Tensor) []*tensor.Tensor {
			return tensor.Grad(f(in[0]), in[0])
		}, tensor.Zeros(3))
		if err != nil {
			t.Fatal(err)
		}
		out, err := p.Call(tensor.New([]float32{0, 1, 0}))
		if err != nil {
			t.Fatal(err)
		}
		for i, g := range out[0].Floats() {
			if math.IsNaN(float64(g)) || math.IsInf(float64(g), 0) {
				t.Errorf("%s: gradient %d is %g", name, i, g)
			}
		}
		p.Close()
	}
}

func TestLossErrorsSayWhatToDo(t *testing.T) {
	for want, f := range map[string]func(){
		"must be equal":                func() { MSE(tensor.Zeros(3, 1), tensor.Zeros(3), Mean) },
		"last dimension of the scores": func() { CrossEntropy(tensor.Zeros(3, 4), tensor.FromInts(make([]int32, 4)), ClassOptions{}) },
		"class weights of shape [3] for 4": func() {
			NLL(tensor.Zeros(3, 4), tensor.FromInts(make([]int32, 3)), ClassOptions{Weight: tensor.Zeros(3)})
		},
		"Ignore needs integer targets": func() { CrossEntropy(tensor.Zeros(3, 4), tensor.Zeros(3, 4), ClassOptions{Ignore: []int{1}}) },
		"at least one of each":         func() { NewLinear(NewRNG(0), 0, 1, LinearOptions{}) },
	} {
		func() {
			defer func() {
				e, ok := recover().(*tensor.Error)
				if !ok || !strings.Contains(e.Error(), want) || !strings.Contains(e.Pos, "loss_test.go") {
					t.Errorf("%v (at %v), want %q", e, e.Pos, want)
				}
			}()
			f()
		}()
	}
}

// A classification loss with its gradient is computed in one pass over the
// logits: a reduction for the normaliser that also stores the gradient, and
// the mean over the batch.
func TestCrossEntropyFuses(t *testing.T) {
	x, y := tensor.Zeros(32, 10), tensor.FromInts(make([]int32, 32))
	p, err := tensor.Compile(device.CPU(), func(_ *tensor.Trace, in []*tensor.Tensor) []*tensor.Tensor {
		loss := CrossEntropy(in[0], in[1], ClassOptions{})
		return append(tensor.Grad(loss, in[0]), loss, Accuracy(in[0], in[1]))
	}, x, y)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if n := p.KernelCount(); n > 2 {
		t.Errorf("loss, gradient and accuracy take %d kernels, want 2\n%s", n, p.Plan())
	}
}
