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

// TestNamesAndCounts compares numbers of parameters and some of the names with
// torchvision's (or, for CIFAR, those of the networks named in their docs).
func TestNamesAndCounts(t *testing.T) {
	for _, c := range []struct {
		name  string
		count int
		has   string
		lacks string
	}{
		{"resnet18_cifar", 11173962, "conv1.weight bn1.running_var layer1.1.bn2.bias layer2.0.shortcut.0.weight layer4.0.shortcut.1.num_batches_tracked fc.bias", "layer1.0.shortcut.0.weight layer2.0.downsample.0.weight"},
		{"resnet20", 272474, "conv1.weight layer1.2.bn2.bias layer3.0.downsample.0.weight fc.bias", "layer4.0.conv1.weight layer1.0.downsample.0.weight"},
		{"resnet18", 11689512, "conv1.weight bn1.running_var layer2.0.downsample.0.weight layer4.0.downsample.1.num_batches_tracked fc.bias", "layer1.0.downsample.0.weight layer2.0.shortcut.0.weight"},
		{"mobilenet_v2", 3504872, "features.0.0.weight features.0.1.running_mean features.1.conv.0.0.weight features.1.conv.1.weight features.1.conv.2.bias features.2.conv.0.0.weight features.2.conv.2.weight features.17.conv.3.running_var features.18.1.bias classifier.1.bias", "features.1.conv.3.weight features.19.0.weight"},
		{"squeezenet1_1", 1235496, "features.0.weight features.3.squeeze.weight features.12.expand3x3.bias classifier.1.weight", "features.13.squeeze.weight"},
		{"efficientnet_b0", 5288548, "features.0.0.weight features.1.0.block.1.fc1.bias features.2.1.block.3.1.running_mean features.8.0.weight classifier.1.bias", "features.1.0.block.3.0.weight"},
		{"cifar_fast", 1971352, "whiten.weight whiten.bias layers.0.conv1.weight layers.2.norm2.bias head.weight", "layers.0.norm1.weight head.bias"},
		{"cifar_small", 1160088, "whiten.weight head.weight", "head.bias"},
		{"mnist_mlp", 101770, "0.weight 2.bias", "1.weight"},
		{"mnist_cnn", 87850, "0.weight 13.bias", "1.weight"},
	} {
		m, err := Find(c.name)
		if err != nil {
			t.Error(err)
			continue
		}
		net := m.New(nn.NewRNG(1), m.Classes)
		ps := nn.Params(net)
		if n := nn.Count(ps); n != c.count {
			t.Errorf("%s: %d parameters, want %d", c.name, n, c.count)
		}
		names := map[string]bool{}
		for _, p := range ps {
			names[p.Name] = true
		}
		for _, want := range strings.Fields(c.has) {
			if !names[want] {
				t.Errorf("%s: no parameter %s", c.name, want)
			}
		}
		for _, not := range strings.Fields(c.lacks) {
			if names[not] {
				t.Errorf("%s: parameter %s", c.name, not)
			}
		}
		if s := net.Forward(tensor.Zeros(append([]int{2}, m.Input...)...)).Shape(); !slices.Equal(s, []int{2, m.Classes}) {
			t.Errorf("%s: output %v", c.name, s)
		}
	}
	if len(Models()) != 10 {
		t.Errorf("%d networks, of which ten are tested", len(Models()))
	}
}

// TestOddImages feeds sizes whose halves are no whole numbers.
func TestOddImages(t *testing.T) {
	for _, name := range []string{"resnet18", "mobilenet-v2", "squeezenet1_1", "efficientnet_b0"} {
		m, err := Find(name)
		if err != nil {
			t.Fatal(err)
		}
		if s := m.New(nn.NewRNG(1), 10).Forward(tensor.Zeros(1, 3, 97, 130)).Shape(); !slices.Equal(s, []int{1, 10}) {
			t.Errorf("%s: output %v", name, s)
		}
	}
	if _, err := Find("resnet19"); err == nil || !strings.Contains(err.Error(), "resnet18") {
		t.Error(err)
	}
}

// TestSqueezeNetPoolsBeyondTheEdge compares windows that reach beyond the edge
// with those of torch.nn.MaxPool2d(3, 2, ceil_mode=True).
func TestSqueezeNetPoolsBeyondTheEdge(t *testing.T) {
	net := SqueezeNet1_1(nn.NewRNG(1), 10)
	pool := net.Features[2]
	for side, want := range map[int]int{3: 1, 4: 2, 5: 2, 6: 3, 7: 3, 55: 27, 56: 28} {
		if s := pool.Forward(tensor.Zeros(1, 1, side, side)).Shape(); s[2] != want || s[3] != want {
			t.Errorf("%d to %v, want %d", side, s, want)
		}
	}
	x := tensor.New([]float32{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}, 1, 1, 4, 4)
	if got := pool.Forward(x).Floats(); !slices.Equal(got, []float32{11, 12, 15, 16}) {
		t.Errorf("%v", got)
	}
}

// TestWhitening checks what the layer is for: patches of the images that it was
// fitted to come out with a covariance near the identity.
func TestWhitening(t *testing.T) {
	const n, h, w = 40, 8, 8
	images := make([]uint8, n*3*h*w)
	s := uint32(1)
	for i := range images {
		s = s*1664525 + 1013904223
		images[i] = uint8(s >> 24)
		if i%w > 0 { // neighbours are alike, as in photographs
			images[i] = uint8((int(images[i]) + 3*int(images[i-1])) / 4)
		}
	}
	l := NewWhitening(nn.NewRNG(1), 3, 2)
	mean, std := []float32{0.5, 0.5, 0.5}, []float32{0.2, 0.25, 0.3}
	if err := l.Fit(images, h, w, mean, std); err != nil {
		t.Fatal(err)
	}
	x := tensor.FromBytes(images, n, 3, h, w).To(tensor.Float32).MulScalar(1.0 / 255).Sub(tensor.New(mean, 3, 1, 1)).Div(tensor.New(std, 3, 1, 1))
	y := l.Forward(x).Slice(1, 0, 12).Permute(1, 0, 2, 3).Reshape(12, -1)
	cov := y.MatMul(y.Transpose(0, 1)).DivScalar(float64(y.Dim(1))).Floats()
	for i, v := range cov {
		want := 0.0
		if i%13 == 0 {
			want = 1
		}
		if d := float64(v) - want; d > 0.02 || d < -0.02 {
			t.Errorf("covariance [%d, %d] is %g", i/12, i%12, v)
		}
	}
	both := l.Forward(x).Floats()
	if a, b := both[0], both[12*7*7]; a == 0 || a != -b {
		t.Errorf("filters %g and %g are no opposites", a, b)
	}
	if err := l.Fit(images[:100], h, w, mean, std); err == nil {
		t.Error("half an image was accepted")
	}
}
