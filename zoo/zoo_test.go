package zoo_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/weft-ml/weft/nn"
	"github.com/weft-ml/weft/tensor"
	. "github.com/weft-ml/weft/zoo"
)

func TestMNISTMLP(t *testing.T) {
	net := MNISTMLP(nn.NewRNG(1))
	if n := nn.Count(nn.Params(net)); n != 101770 {
		t.Errorf("%d parameters", n)
	}
	if s := net.Forward(tensor.Zeros(7, 784)).Shape(); !slices.Equal(s, []int{7, 10}) {
		t.Errorf("output %v", s)
	}
	var names []string
	for _, p := range nn.Params(net) {
		names = append(names, p.Name)
	}
	if got := strings.Join(names, " "); got != "0.weight 0.bias 2.weight 2.bias" {
		t.Error(got)
	}
}

func TestMLPDependsOnItsSeed(t *testing.T) {
	first := func(seed uint64) float32 {
		return nn.Params(MLP(nn.NewRNG(seed), 3, 4, 5))[0].Value.Floats()[0]
	}
	if first(1) != first(1) || first(1) == first(2) {
		t.Errorf("first weights %g, %g and %g for seeds 1, 1, 2", first(1), first(1), first(2))
	}
	defer func() {
		if r := recover(); r == nil || !strings.Contains(r.(string), "at least") {
			t.Error(r)
		}
	}()
	MLP(nn.NewRNG(1), 3)
}

func TestMNISTCNN(t *testing.T) {
	net := MNISTCNN(nn.NewRNG(1))
	if n := nn.Count(nn.Params(net)); n != 87850 {
		t.Errorf("%d parameters", n)
	}
	if s := net.Forward(tensor.Zeros(2, 1, 28, 28)).Shape(); !slices.Equal(s, []int{2, 10}) {
		t.Errorf("output %v", s)
	}
	if s := DigitCNN(nn.NewRNG(1), 3, 32, 35, 7).Forward(tensor.Zeros(2, 3, 32, 35)).Shape(); !slices.Equal(s, []int{2, 7}) {
		t.Errorf("output %v for another size", s)
	}
}

func TestResNet18CIFAR(t *testing.T) {
	net := ResNet18CIFAR(nn.NewRNG(1), 10)
	ps := nn.Params(net)
	if n := nn.Count(ps); n != 11173962 {
		t.Errorf("%d parameters", n)
	}
	var names []string
	for _, p := range ps {
		names = append(names, p.Name)
	}
	for _, want := range []string{"conv1.weight", "bn1.running_var", "layer1.1.bn2.bias", "layer2.0.shortcut.0.weight", "layer4.0.shortcut.1.num_batches_tracked", "fc.bias"} {
		if !slices.Contains(names, want) {
			t.Errorf("no parameter %s", want)
		}
	}
	if slices.Contains(names, "layer1.0.shortcut.0.weight") {
		t.Error("a block that keeps its shape has a shortcut")
	}
	if s := net.Forward(tensor.Zeros(2, 3, 32, 32)).Shape(); !slices.Equal(s, []int{2, 10}) {
		t.Errorf("output %v", s)
	}
}
