package lab

import (
	"bytes"
	"context"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/weft-ml/weft/format/safetensors"
	"github.com/weft-ml/weft/nn"
	"github.com/weft-ml/weft/tensor"
	"github.com/weft-ml/weft/train"
	"github.com/weft-ml/weft/train/recipes"
)

// cnn has a layer of each kind and is quick.
var cnn = []LayerSpec{
	{Type: "conv", Channels: 4, Kernel: 5, Stride: 2, Padding: 1}, {Type: "silu"}, {Type: "batchnorm"},
	{Type: "maxpool", Kernel: 2}, {Type: "conv", Channels: 6, Kernel: 3}, {Type: "relu"},
	{Type: "avgpool", Kernel: 2, Stride: 1}, {Type: "dropout", P: 0.1}, {Type: "flatten"}, {Type: "linear", Units: 10},
}

// digitCNN is the network of the recipe mnist-cnn.
var digitCNN = []LayerSpec{
	{Type: "conv", Channels: 32, Kernel: 5}, {Type: "silu"}, {Type: "conv", Channels: 32, Kernel: 5}, {Type: "silu"},
	{Type: "batchnorm"}, {Type: "maxpool", Kernel: 2}, {Type: "conv", Channels: 64, Kernel: 3}, {Type: "silu"},
	{Type: "conv", Channels: 64, Kernel: 3}, {Type: "silu"}, {Type: "batchnorm"}, {Type: "maxpool", Kernel: 2},
	{Type: "flatten"}, {Type: "linear", Units: 10},
}

// muon is how the recipe trains, but shortly.
func muon() TrainConfig {
	return TrainConfig{
		Optimizer: "muon", LR: 0.01, Schedule: "cosine", Warmup: 0.1, Momentum: 0.95, WeightDecay: 0.02, EMA: 0.9,
		Batch: 32, Epochs: 2, Seed: 5, ValFraction: 0.1, Rotate: 15, Scale: 0.1, Shift: 0.1,
	}
}

func (b *bench) readyCNN(dev string, images int) *ModelInfo {
	b.t.Helper()
	b.ready(dev, images)
	return ask[ModelInfo](b, "model", &ModelRequest{Layers: cnn, Seed: 5})
}

// The editor's list of the recipe's network is the recipe's network, under the
// same names and with the weights of the same seed.
func TestThePresetIsTheRecipe(t *testing.T) {
	for _, c := range []struct {
		recipe *train.Recipe
		layers []LayerSpec
	}{{&recipes.MNISTCNN, digitCNN}, {&recipes.MNISTMLP, []LayerSpec{{Type: "linear", Units: 128}, {Type: "relu"}, {Type: "linear", Units: 10}}}} {
		want, err := train.InitModel(c.recipe, mnistInput, 10, c.recipe.Options, nil)
		if err != nil {
			t.Fatal(err)
		}
		got, err := train.InitModel(&recipes.Layers, mnistInput, 10, c.recipe.Options, c.layers)
		if err != nil {
			t.Fatal(err)
		}
		a, b := nn.Params(want), nn.Params(got)
		if len(a) != len(b) {
			t.Fatalf("%s: %d variables, want %d", c.recipe.Name, len(b), len(a))
		}
		for i := range a {
			if a[i].String() != b[i].String() || a[i].Value.DType() == tensor.Float32 && !slices.Equal(a[i].Value.Floats(), b[i].Value.Floats()) {
				t.Errorf("%s: %v differs from %v", c.recipe.Name, b[i], a[i])
			}
		}
		m, err := newModel(want.(nn.Sequential), mnistInput, digitNames)
		if err != nil || !slices.Equal(m.spec, c.layers) {
			t.Errorf("%s is described as %v, %v", c.recipe.Name, m, err)
		}
	}
}

func TestWhatConvolutionsCost(t *testing.T) {
	b := newBench(t, Options{})
	info := b.readyCNN("cpu", 100)
	if !slices.Equal(info.Spec, cnn) {
		t.Errorf("the network is described as %v", info.Spec)
	}
	want := []LayerInfo{
		{Name: "conv1", Kind: "conv", In: 784, Out: 4 * 13 * 13, Shape: []int{4, 13, 13}, Params: 104, FLOPs: 2 * 100 * 169, Activation: "silu"},
		{Name: "silu1", Kind: "silu", In: 676, Out: 676, Shape: []int{4, 13, 13}},
		{Name: "batchnorm1", Kind: "batchnorm", In: 676, Out: 676, Shape: []int{4, 13, 13}, Params: 8},
		{Name: "maxpool1", Kind: "maxpool", In: 676, Out: 144, Shape: []int{4, 6, 6}},
		{Name: "conv2", Kind: "conv", In: 144, Out: 96, Shape: []int{6, 4, 4}, Params: 222, FLOPs: 2 * 216 * 16, Activation: "relu"},
		{Name: "relu1", Kind: "relu", In: 96, Out: 96, Shape: []int{6, 4, 4}},
		{Name: "avgpool1", Kind: "avgpool", In: 96, Out: 54, Shape: []int{6, 3, 3}},
		{Name: "dropout1", Kind: "dropout", In: 54, Out: 54, Shape: []int{6, 3, 3}},
		{Name: "linear1", Kind: "linear", In: 54, Out: 10, Shape: []int{10}, Params: 550, FLOPs: 1080},
	}
	if len(info.Layers) != len(want) {
		t.Fatalf("%d layers, want %d", len(info.Layers), len(want))
	}
	for i, l := range info.Layers {
		w := want[i]
		if !slices.Equal(l.Shape, w.Shape) {
			t.Errorf("%s has shape %v, want %v", l.Name, l.Shape, w.Shape)
		}
		l.Shape, w.Shape = nil, nil
		if l.Name != w.Name || l.Kind != w.Kind || l.In != w.In || l.Out != w.Out || l.Params != w.Params || l.FLOPs != w.FLOPs || l.Activation != w.Activation {
			t.Errorf("%+v, want %+v", l, w)
		}
	}
	if info.Params != 884 || info.Bytes != 4*884 || info.FLOPs != 33800+6912+1080 {
		t.Errorf("%d parameters, %d bytes, %d operations", info.Params, info.Bytes, info.FLOPs)
	}
	_, err := b.Handle(context.Background(), "model", &ModelRequest{Layers: []LayerSpec{{Type: "conv", Channels: 3, Kernel: 30}, {Type: "flatten"}, {Type: "linear", Units: 10}}})
	if err == nil || !strings.Contains(err.Error(), "does not fit into an image of 28x28") || ErrorOf(err).Hint == "" {
		t.Errorf("a kernel larger than the image: %v", err)
	}
}

// A convolutional network trains as weft train trains it, is looked into, and
// comes back from a file with its running statistics.
func TestConvolutionalNetwork(t *testing.T) {
	for _, dev := range devices(t) {
		t.Run(dev, func(t *testing.T) {
			b := newBench(t, Options{})
			b.readyCNN(dev, 1200)
			ask[Empty](b, "inspect", &InspectRequest{On: true, Hz: 30})
			c := muon()
			r := ask[StartResult](b, "start", &StartRequest{Config: c})
			b.until("end", func() bool { return b.state() == Done })
			got := b.curve(r.Run)
			want, result := reference(t, b, c, cnn)
			for i, loss := range got[:min(200, len(got))] {
				if d := math.Abs(float64(loss) - want[i]); !(d <= 1e-3) {
					t.Fatalf("loss of step %d is %v, weft train has %v", i, loss, want[i])
				}
			}
			epochs := of[EpochEvent](b, "epoch")
			if last := epochs[len(epochs)-1]; len(got) != r.Steps || math.Abs(last.ValAccuracy-result.Validation.Accuracy) > 0.02 {
				t.Errorf("validation accuracy %v, weft train has %v", last.ValAccuracy, result.Validation.Accuracy)
			}
			views := of[InspectEvent](b, "inspect")
			v := views[len(views)-1]
			if len(v.Pixels) != pixels || !slices.Equal(v.Layers[4].Activations.Shape, []int{6, 4, 4}) {
				t.Errorf("a view of %d pixels, shape %v", len(v.Pixels), v.Layers[4].Activations.Shape)
			}
			for _, i := range []int{0, 2, 4, 8} {
				if l := v.Layers[i]; l.Grad == nil || !(l.Grad.Norm > 0) || l.WeightHist == nil || len(l.Bias) == 0 {
					t.Errorf("%s: gradient %+v", l.Name, l.Grad)
				}
			}
			for name, shape := range map[string][]int{"conv1": {4, 1, 5, 5}, "conv2": {6, 4, 3, 3}, "batchnorm1": {4}, "linear1": {10, 54}} {
				w := ask[WeightsResult](b, "weights", &WeightsRequest{Layer: name})
				if !slices.Equal(w.Shape, shape) || len(w.Values) != size(shape) || len(w.Bias) != shape[0] {
					t.Errorf("%s: weights of shape %v, %d values, %d biases", name, w.Shape, len(w.Values), len(w.Bias))
				}
				if bn := name == "batchnorm1"; bn != (len(w.Mean) == 4) || bn && slices.Equal(w.Variance, []float32{1, 1, 1, 1}) {
					t.Errorf("%s: mean %v, variance %v", name, w.Mean, w.Variance)
				}
			}
			img := b.test.Image(3)
			before := ask[PredictResult](b, "predict", &PredictRequest{Pixels: img})
			file := ask[SaveResult](b, "save", &SaveRequest{}).Bytes
			f, err := safetensors.Parse(bytes.NewReader(file), int64(len(file)))
			if err != nil {
				t.Fatal(err)
			}
			for _, name := range []string{"0.weight", "2.running_mean", "2.running_var", "2.num_batches_tracked", "4.bias", "9.weight"} {
				if _, ok := f.Info(name); !ok {
					t.Errorf("the file lacks %s; it has %v", name, f.Names())
				}
			}
			info := ask[ModelInfo](b, "load", &LoadRequest{Bytes: file, Name: "mine"})
			after := ask[PredictResult](b, "predict", &PredictRequest{Pixels: img})
			if !slices.Equal(info.Spec, cnn) || info.Steps != r.Steps {
				t.Errorf("loaded %+v", info)
			}
			for k, a := range after.Activations {
				for i, x := range a.Values {
					if d := math.Abs(float64(x - before.Activations[k].Values[i])); !(d <= 1e-5) {
						t.Fatalf("%s differs by %v after loading", a.Name, d)
					}
				}
			}
			// It can be trained on, from the weights that were saved.
			c.EMA, c.LR = 0, 1e-6
			ask[StartResult](b, "start", &StartRequest{Config: c, Keep: true})
			ask[TrainState](b, "pause", &Empty{})
			again := ask[TestResult](b, "test", &Empty{})
			if again.Accuracy < 0.3 {
				t.Errorf("accuracy %v after training on", again.Accuracy)
			}
		})
	}
}

// Averaged weights are those that answer during the run and that stay when it
// ends.
func TestAveragedWeights(t *testing.T) {
	b := newBench(t, Options{})
	b.readyCNN("cpu", 600)
	c := muon()
	c.EMA = 0.99
	ask[StartResult](b, "start", &StartRequest{Config: c})
	b.until("end", func() bool { return b.state() == Done })
	img := b.test.Image(0)
	during := ask[PredictResult](b, "predict", &PredictRequest{Pixels: img})
	raw, err := b.model.net[0].(*nn.Conv2d).Weight.Read()
	if err != nil {
		t.Fatal(err)
	}
	shown := ask[WeightsResult](b, "weights", &WeightsRequest{Layer: "conv1"})
	if slices.Equal(raw, shown.Values) {
		t.Error("the averaged weights are the trained ones")
	}
	ask[DataResult](b, "data", &DataRequest{Source: "synthetic", Train: 100, Test: 333}) // which ends the run
	after := ask[PredictResult](b, "predict", &PredictRequest{Pixels: img})
	if !slices.Equal(during.Probabilities, after.Probabilities) || b.model.average != nil {
		t.Errorf("%v during the run, %v after it", during.Probabilities, after.Probabilities)
	}
	if now := ask[WeightsResult](b, "weights", &WeightsRequest{Layer: "conv1"}); !slices.Equal(now.Values, shown.Values) {
		t.Error("the averaged weights did not stay")
	}
}

// Looking inside leaves the running statistics alone.
func TestLookingChangesNoStatistics(t *testing.T) {
	b := newBench(t, Options{})
	b.readyCNN("cpu", 600)
	ask[StartResult](b, "start", &StartRequest{Config: muon()})
	ask[TrainState](b, "pause", &Empty{})
	ask[TrainState](b, "step", &StepRequest{N: 3})
	before := ask[WeightsResult](b, "weights", &WeightsRequest{Layer: "batchnorm1"})
	for range 3 {
		ask[Empty](b, "inspect", &InspectRequest{On: true})
	}
	after := ask[WeightsResult](b, "weights", &WeightsRequest{Layer: "batchnorm1"})
	if !slices.Equal(before.Mean, after.Mean) || !slices.Equal(before.Variance, after.Variance) || !slices.Equal(before.Values, after.Values) {
		t.Errorf("statistics %v, %v became %v, %v", before.Mean, before.Variance, after.Mean, after.Variance)
	}
	views := of[InspectEvent](b, "inspect")
	if g := views[len(views)-1].Layers[2].Grad; g == nil || !(g.Norm > 0) {
		t.Errorf("gradient of the batch norm %+v", g)
	}
}

func TestAugmentPreview(t *testing.T) {
	q := AugmentRequest{Rotate: 15, Scale: 0.1, Shift: 0.1, Seed: 5, Draw: 2, Rows: 3}
	var first *AugmentResult
	for _, dev := range devices(t) {
		b := newBench(t, Options{})
		b.ready(dev, 500)
		ask[StartResult](b, "start", &StartRequest{Config: long()}) // it works while training
		r := ask[AugmentResult](b, "augment", &q)
		if len(r.Originals) != 10*pixels || len(r.Pixels) != 30*pixels {
			t.Fatalf("%s: %d and %d bytes", dev, len(r.Originals), len(r.Pixels))
		}
		if again := ask[AugmentResult](b, "augment", &q); !bytes.Equal(again.Pixels, r.Pixels) {
			t.Errorf("%s: the same draw differs", dev)
		}
		other := q
		other.Draw++
		if again := ask[AugmentResult](b, "augment", &other); bytes.Equal(again.Pixels, r.Pixels) || !bytes.Equal(again.Originals, r.Originals) {
			t.Errorf("%s: another draw is the same, or of other images", dev)
		}
		if bytes.Equal(r.Pixels[:10*pixels], r.Pixels[10*pixels:20*pixels]) {
			t.Errorf("%s: two rows are the same", dev)
		}
		plain := ask[AugmentResult](b, "augment", &AugmentRequest{Rows: 1})
		if !bytes.Equal(plain.Pixels, plain.Originals) {
			t.Errorf("%s: without bounds images change", dev)
		}
		if first == nil {
			first = r
		}
		for i, v := range r.Pixels {
			if d := int(v) - int(first.Pixels[i]); d < -2 || d > 2 {
				t.Fatalf("%s: pixel %d is %d, on the CPU %d", dev, i, v, first.Pixels[i])
			}
		}
		for _, bad := range []AugmentRequest{{Rows: 0}, {Rows: 99}, {Rows: 1, Draw: -1}, {Rows: 1, Scale: 3}, {Rows: 1, Rotate: math.NaN()}} {
			if _, err := b.Handle(context.Background(), "augment", &bad); err == nil {
				t.Errorf("%+v was accepted", bad)
			}
		}
	}
}

// The file of weft train mnist-cnn is one that the lab can show and train on.
func TestRecipesFileLoads(t *testing.T) {
	r := &recipes.MNISTCNN
	net, err := train.InitModel(r, mnistInput, 10, r.Options, nil)
	if err != nil {
		t.Fatal(err)
	}
	var file bytes.Buffer
	score := &train.Score{Accuracy: 0.5, N: 10}
	err = train.WriteModel(&file, net, train.Info{
		Recipe: r.Name, Options: r.Options, Preprocessing: mnistInput, Classes: digitNames, State: train.State{Step: 9}, Test: score,
	})
	if err != nil {
		t.Fatal(err)
	}
	b := newBench(t, Options{})
	b.ready("cpu", 100)
	info := ask[ModelInfo](b, "load", &LoadRequest{Bytes: file.Bytes(), Name: "mnist-cnn.safetensors"})
	if !slices.Equal(info.Spec, digitCNN) || info.Params != 87850 || info.Steps != 9 {
		t.Errorf("loaded %+v", info)
	}
	p := ask[PredictResult](b, "predict", &PredictRequest{Pixels: b.test.Image(0)})
	if len(p.Activations) != 13 || !slices.Equal(p.Activations[11].Shape, []int{64, 3, 3}) || len(p.Probabilities) != 10 {
		t.Errorf("%d layers, %d probabilities", len(p.Activations), len(p.Probabilities))
	}
}

// Requests are answered in the middle of a validation, which takes long on a
// slow device: here it asks itself.
func TestValidationServesRequests(t *testing.T) {
	b := newBench(t, Options{})
	b.readyCNN("cpu", 3000)
	c := muon()
	c.ValFraction, c.Epochs = 0.5, 1
	ask[StartResult](b, "start", &StartRequest{Config: c})
	ask[TrainState](b, "pause", &Empty{})
	between := 0
	err := b.do(context.Background(), b.quick, func() error {
		m, cfg := b.model, train.StepsConfig{}
		cfg.Device, cfg.Model, cfg.Options, cfg.Train, cfg.Preprocessing = b.dev, m.net, b.run.opts, b.train, m.prep
		cfg.Options.EMA, cfg.EvalBatch, cfg.Between = 0, 100, func() { between++ }
		steps, err := train.NewSteps(cfg)
		if err != nil {
			return err
		}
		v, err := steps.Validate(context.Background())
		if err == nil && v.N != 1500 {
			t.Errorf("%d images were validated", v.N)
		}
		return err
	})
	if err != nil || between < 3 {
		t.Errorf("%d pauses between batches: %v", between, err)
	}
	if n := (&model{layers: []layer{{flops: 26_400_000}}}).batch(valBatch); n != 75 {
		t.Errorf("a large network is tested on %d images at once", n)
	}
}

// What a run with averages, a look at its gradients and a preview took is
// returned.
func TestRunsReturnTheirMemory(t *testing.T) {
	for _, dev := range devices(t) {
		b := newBench(t, Options{})
		b.readyCNN(dev, 400)
		cycle := func() StatsResult {
			ask[StartResult](b, "start", &StartRequest{Config: muon()})
			ask[TrainState](b, "step", &StepRequest{N: 2})
			ask[Empty](b, "inspect", &InspectRequest{On: true})
			ask[AugmentResult](b, "augment", &AugmentRequest{Rotate: 10, Rows: 2})
			ask[TestResult](b, "test", &Empty{})
			ask[Empty](b, "inspect", &InspectRequest{})
			ask[ModelInfo](b, "model", &ModelRequest{Layers: cnn, Seed: 5})
			return *ask[StatsResult](b, "stats", &StatsRequest{})
		}
		cycle()
		before := cycle()
		cycle()
		if after := cycle(); after.GPUBytes > before.GPUBytes || after.GPUBuffers > before.GPUBuffers {
			t.Errorf("%s: %d bytes in %d buffers became %d in %d", dev, before.GPUBytes, before.GPUBuffers, after.GPUBytes, after.GPUBuffers)
		}
	}
}
