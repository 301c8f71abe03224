package nn_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	. "github.com/weft-ml/weft/nn"
	"github.com/weft-ml/weft/tensor"
)

type norm struct {
	Weight      *tensor.Tensor
	RunningMean *tensor.Tensor `nn:"running_mean,buffer"`
	Eps         float64
}

func (n *norm) Forward(x *tensor.Tensor) *tensor.Tensor { return x.Mul(n.Weight) }

func newNorm(n int) *norm {
	return &norm{Weight: tensor.NewVariable("w", make([]float32, n), n), RunningMean: tensor.NewVariable("m", make([]float32, n), n)}
}

type block struct {
	Conv1 *Linear
	BN1   *norm
	Down  Module `nn:"downsample"`
	act   ReLU
}

func (b *block) Forward(x *tensor.Tensor) *tensor.Tensor {
	return b.act.Forward(b.BN1.Forward(b.Conv1.Forward(x)))
}

type model struct {
	Stem      Linear // by value
	Layer1    Sequential
	Tied      *Linear
	Teacher   *Linear `nn:"-"`
	Constant  *tensor.Tensor
	LayerNorm *norm
}

func (m *model) Forward(x *tensor.Tensor) *tensor.Tensor { return m.Layer1.Forward(x) }

func names(ps []Param) string {
	var s []string
	for _, p := range ps {
		n := p.Name
		if p.Buffer {
			n += "!"
		}
		if p.Decay {
			n += "*"
		}
		s = append(s, n)
	}
	return strings.Join(s, " ")
}

func TestParamNames(t *testing.T) {
	rng := NewRNG(1)
	lin := func() *Linear { return NewLinear(rng, 2, 2, LinearOptions{}) }
	shared := lin()
	m := &model{
		Stem: *lin(),
		Layer1: Sequential{
			&block{Conv1: NewLinear(rng, 2, 2, LinearOptions{NoBias: true}), BN1: newNorm(2), Down: Sequential{shared}},
			ReLU{}, Residual{Body: Sequential{lin(), Tanh{}}},
		},
		Tied: shared, Teacher: lin(), Constant: tensor.New([]float32{1}), LayerNorm: newNorm(2),
	}
	want := "stem.weight* stem.bias layer1.0.conv1.weight* layer1.0.bn1.weight layer1.0.bn1.running_mean! " +
		"layer1.0.downsample.0.weight* layer1.0.downsample.0.bias layer1.2.body.0.weight* layer1.2.body.0.bias " +
		"layer_norm.weight layer_norm.running_mean!"
	if got := names(Params(m)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if n := len(Trainable(m)); n != 9 {
		t.Errorf("%d trainable", n)
	}
}

type custom struct{ w *tensor.Tensor }

func (c custom) Forward(x *tensor.Tensor) *tensor.Tensor { return x }
func (c custom) Params() []Param                         { return []Param{{Name: "w_l0", Value: c.w}} }

func TestListerNamesItsOwn(t *testing.T) {
	s := Sequential{ReLU{}, custom{tensor.NewVariable("w", []float32{1}, 1)}}
	if got := names(Params(s)); got != "1.w_l0" {
		t.Error(got)
	}
}

type hiding struct{ fc *Linear }

func (h *hiding) Forward(x *tensor.Tensor) *tensor.Tensor { return h.fc.Forward(x) }

func TestUnexportedParametersAreAnError(t *testing.T) {
	defer func() {
		e, ok := recover().(*tensor.Error)
		if !ok || !strings.Contains(e.Error(), "field fc") || !strings.Contains(e.Error(), "export it") {
			t.Errorf("%v", e)
		}
	}()
	Params(&hiding{NewLinear(NewRNG(1), 1, 1, LinearOptions{})})
}

func TestForward(t *testing.T) {
	l := &Linear{Weight: tensor.NewVariable("w", []float32{1, 2, 3, 4}, 2, 2), Bias: tensor.NewVariable("b", []float32{10, 20}, 2)}
	x := tensor.New([]float32{1, -1}, 1, 2)
	for _, c := range []struct {
		m    Module
		want string
	}{
		{l, "[9 19]"},
		{&Linear{Weight: l.Weight}, "[-1 -1]"},
		{Sequential{l, Flatten{}, Identity{}}, "[9 19]"},
		{Residual{Body: l}, "[10 18]"},
		{Residual{Body: l, Shortcut: l}, "[18 38]"},
		{ReLU{}, "[1 0]"},
		{LeakyReLU{}, "[1 -0.01]"},
		{LeakyReLU{Slope: 0.5}, "[1 -0.5]"},
		{ELU{}, "[1 -0.63212055]"},
		{Func((*tensor.Tensor).Neg), "[-1 1]"},
		{Dropout{P: 0.5}, "[1 -1]"}, // not training
	} {
		if got := fmt.Sprint(c.m.Forward(x).Floats()); got != c.want {
			t.Errorf("%T: %s, want %s", c.m, got, c.want)
		}
	}
	if s := (Flatten{}).Forward(tensor.Zeros(5, 2, 3)).Shape(); !slices.Equal(s, []int{5, 6}) {
		t.Error(s)
	}
	if s := (Flatten{From: 2}).Forward(tensor.Zeros(5, 2, 3, 4)).Shape(); !slices.Equal(s, []int{5, 2, 12}) {
		t.Error(s)
	}
}

func TestSummary(t *testing.T) {
	rng := NewRNG(1)
	net := Sequential{Flatten{}, NewLinear(rng, 784, 128, LinearOptions{}), ReLU{}, NewLinear(rng, 128, 10, LinearOptions{}), newNorm(10)}
	got := Summary(net, 32, 28, 28)
	for _, want := range []string{"Linear", "[32 784]", "[32 128]", "1.weight", "[128 784]", "100,352", "4.running_mean", "buffer", "101,780 parameters (0.41 MB)"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
}
