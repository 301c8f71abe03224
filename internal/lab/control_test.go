package lab

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"math"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weft-ml/weft/data/synthetic"
	"github.com/weft-ml/weft/device"
	"github.com/weft-ml/weft/tensor"
	"github.com/weft-ml/weft/train"
)

// long is a run that does not end by itself during a test.
func long() TrainConfig {
	c := config()
	c.Epochs = 1000
	return c
}

func TestPauseStepResumeStop(t *testing.T) {
	for _, dev := range devices(t) {
		t.Run(dev, func(t *testing.T) {
			b := newBench(t, Options{})
			b.ready(dev, 1000)
			r := ask[StartResult](b, "start", &StartRequest{Config: long()})
			c := of[CompileEvent](b, "compile")
			if last := c[len(c)-1]; c[0].Done != 0 || last.Done != r.Kernels || last.Total != r.Kernels || dev == "webgpu" && len(c) < 4 {
				t.Errorf("progress of compiling: %d events, last %+v", len(c), last)
			}
			b.until("training", func() bool { return len(of[TrainEvent](b, "train")) > 1 })
			p := ask[TrainState](b, "pause", &Empty{})
			if p.State != Paused || b.state() != Paused {
				t.Fatalf("paused is %+v, the event said %s", p, b.state())
			}
			before := ask[WeightsResult](b, "weights", &WeightsRequest{Layer: "linear2"})
			if again := ask[TrainState](b, "pause", &Empty{}); again.Step != p.Step {
				t.Errorf("paused at %d, then at %d", p.Step, again.Step)
			}
			after := ask[WeightsResult](b, "weights", &WeightsRequest{Layer: "linear2"})
			if !slices.Equal(before.Values, after.Values) {
				t.Error("a paused run changes weights")
			}
			// Across the end of an epoch, which has 28 steps.
			for _, n := range []int{1, 40} {
				q := ask[TrainState](b, "step", &StepRequest{N: n})
				if q.Step != p.Step+n || q.State != Paused {
					t.Fatalf("%d steps from %d end at %+v", n, p.Step, q)
				}
				p = q
			}
			if slices.Equal(before.Values, ask[WeightsResult](b, "weights", &WeightsRequest{Layer: "linear2"}).Values) {
				t.Error("steps change no weights")
			}
			if q := ask[TrainState](b, "resume", &Empty{}); q.State != Running {
				t.Errorf("resumed is %+v", q)
			}
			b.until("progress", func() bool { e := of[TrainEvent](b, "train"); return e[len(e)-1].Step > p.Step })
			q := ask[TrainState](b, "stop", &Empty{})
			if q.State != Stopped || b.state() != Stopped {
				t.Errorf("stopped is %+v", q)
			}
			if n := len(b.curve(r.Run)); n != q.Step {
				t.Errorf("%d losses of %d steps", n, q.Step)
			}
			if _, err := b.Handle(context.Background(), "resume", &Empty{}); err == nil {
				t.Error("a stopped run was resumed")
			}
			if s := ask[StartResult](b, "start", &StartRequest{Config: long()}); s.Run == r.Run {
				t.Error("a restarted run has the number of the old one")
			}
		})
	}
}

// A rate of 0 stops learning at once, and the new rate is reported.
func TestKnobsTakeEffectWhileRunning(t *testing.T) {
	b := newBench(t, Options{})
	b.ready("cpu", 1000)
	c := long()
	c.Optimizer, c.Momentum, c.Schedule = "momentum", 0.9, "constant"
	ask[StartResult](b, "start", &StartRequest{Config: c})
	b.until("training", func() bool { return len(of[TrainEvent](b, "train")) > 0 })
	tiny, none := 1e-30, 0.0
	ask[TrainState](b, "set", &SetRequest{LR: &tiny})
	first := ask[WeightsResult](b, "weights", &WeightsRequest{Layer: "linear1"})
	ask[TrainState](b, "step", &StepRequest{N: 20})
	second := ask[WeightsResult](b, "weights", &WeightsRequest{Layer: "linear1"})
	// Submits that were under way had the old rate.
	ask[TrainState](b, "step", &StepRequest{N: 20})
	third := ask[WeightsResult](b, "weights", &WeightsRequest{Layer: "linear1"})
	if !slices.Equal(second.Values, third.Values) {
		t.Error("weights change with a rate of 0")
	}
	if slices.Equal(first.Values, make([]float32, len(first.Values))) {
		t.Error("there are no weights")
	}
	fast := 0.05
	ask[TrainState](b, "set", &SetRequest{LR: &fast, Momentum: &none, WeightDecay: &none})
	ask[TrainState](b, "step", &StepRequest{N: 1})
	e := of[TrainEvent](b, "train")
	if lr := e[len(e)-1].LR; math.Abs(lr-fast) > 1e-9 {
		t.Errorf("the rate is reported as %v, want %v", lr, fast)
	}
	if slices.Equal(third.Values, ask[WeightsResult](b, "weights", &WeightsRequest{Layer: "linear1"}).Values) {
		t.Error("the new rate has no effect")
	}
	bad := -1.0
	if _, err := b.Handle(context.Background(), "set", &SetRequest{LR: &bad}); err == nil {
		t.Error("a negative rate was accepted")
	}
}

func TestDivergedRunEndsWithAReason(t *testing.T) {
	b := newBench(t, Options{})
	b.ready("cpu", 1000)
	c := long()
	c.LR, c.Schedule = 1e6, "constant" // the highest that is taken
	ask[StartResult](b, "start", &StartRequest{Config: c})
	b.until("failure", func() bool { return len(of[FailedEvent](b, "failed")) > 0 })
	if e := of[FailedEvent](b, "failed")[0]; e.Hint == "" || !strings.Contains(e.Message, train.ErrDiverged.Error()) || b.state() != Stopped {
		t.Errorf("%+v in state %s", e, b.state())
	}
	// Looking at it is still possible, and shows no NaN histogram.
	ask[Empty](b, "inspect", &InspectRequest{On: true})
	ask[StartResult](b, "start", &StartRequest{Config: config()})
}

// The device is closed behind the session's back, which is how it looks when a
// browser takes it away.
func TestLostDevice(t *testing.T) {
	if len(devices(t)) < 2 {
		t.Skip("no WebGPU here")
	}
	var opened []*device.Device
	b := newBench(t, Options{Open: func(name string) (*device.Device, error) {
		d, err := device.Open(name)
		opened = append(opened, d)
		return d, err
	}})
	b.ready("webgpu", 1000)
	c := config()
	c.Epochs = 6
	ask[Empty](b, "inspect", &InspectRequest{On: true})
	ask[StartResult](b, "start", &StartRequest{Config: c})
	b.until("training", func() bool { return len(of[EpochEvent](b, "epoch")) > 1 })
	opened[0].Close()
	b.until("end", func() bool { return b.state() == Done })
	if n := len(of[LostEvent](b, "lost")); n != 1 || len(opened) != 2 {
		t.Errorf("%d lost events, %d devices opened", n, len(opened))
	}
	// The interrupted run ends where one without interruption does.
	got := ask[WeightsResult](b, "weights", &WeightsRequest{Layer: "linear1"})
	other := newBench(t, Options{})
	other.ready("webgpu", 1000)
	ask[StartResult](other, "start", &StartRequest{Config: c})
	other.until("end", func() bool { return other.state() == Done })
	want := ask[WeightsResult](other, "weights", &WeightsRequest{Layer: "linear1"})
	for i := range want.Values {
		if d := math.Abs(float64(got.Values[i] - want.Values[i])); d > 1e-4 {
			t.Fatalf("weight %d is %v, without the loss %v", i, got.Values[i], want.Values[i])
		}
	}
	// Lost while idle: the next request notices.
	opened[1].Close()
	p := ask[PredictResult](b, "predict", &PredictRequest{Pixels: b.test.Image(0)})
	q := ask[PredictResult](other, "predict", &PredictRequest{Pixels: b.test.Image(0)})
	for i := range q.Probabilities {
		if math.Abs(float64(p.Probabilities[i]-q.Probabilities[i])) > 1e-3 {
			t.Fatalf("after a loss the network says %v, want %v", p.Probabilities, q.Probabilities)
		}
	}
}

// A GPU that cannot be opened again is replaced by the CPU.
func TestLostForGood(t *testing.T) {
	if len(devices(t)) < 2 {
		t.Skip("no WebGPU here")
	}
	var first *device.Device
	b := newBench(t, Options{Open: func(name string) (*device.Device, error) {
		if first != nil {
			return nil, errors.New("no more devices")
		}
		var err error
		first, err = device.Open(name)
		return first, err
	}})
	b.ready("webgpu", 1000)
	c := config()
	c.Epochs = 5
	ask[StartResult](b, "start", &StartRequest{Config: c})
	b.until("training", func() bool { return len(of[EpochEvent](b, "epoch")) > 0 })
	first.Close()
	b.until("end", func() bool { return b.state() == Done })
	if e := of[LostEvent](b, "lost"); len(e) != 1 || !strings.Contains(e[0].Message, "CPU") {
		t.Errorf("%+v", e)
	}
}

// Memory does not grow with the number of steps.
func TestMemoryStaysFlat(t *testing.T) {
	steps := 4000
	if os.Getenv("WEFT_LONG") != "" {
		steps = 100_000
	}
	s := New(Options{Emit: func(string, any) {}})
	defer s.Close()
	b := &bench{Session: s, t: t}
	ask[InitResult](b, "init", &InitRequest{Device: "cpu"})
	ask[DataResult](b, "data", &DataRequest{Source: "synthetic", Train: 640, Test: 50})
	ask[ModelInfo](b, "model", &ModelRequest{Layers: mlp})
	c := long()
	c.Epochs, c.Batch, c.ValFraction = 1_000_000, 8, 0
	ask[StartResult](b, "start", &StartRequest{Config: c})
	ask[TrainState](b, "step", &StepRequest{N: 500})
	ask[Empty](b, "inspect", &InspectRequest{On: true, Hz: 10}) // which compiles what it needs
	measure := func() (heap, gpu int) {
		r := ask[StatsResult](b, "stats", &StatsRequest{Collect: true})
		return r.GoHeap, r.GPUBytes
	}
	heap, gpu := measure()
	ask[TrainState](b, "step", &StepRequest{N: steps / 2})
	// Half of them while running, with views and events.
	for p := ask[TrainState](b, "resume", &Empty{}); p.Step < 500+steps; p = ask[TrainState](b, "set", &SetRequest{}) {
		time.Sleep(10 * time.Millisecond)
	}
	ask[TrainState](b, "pause", &Empty{})
	heap2, gpu2 := measure()
	t.Logf("heap %d before, %d after %d steps; device memory %d, %d", heap, heap2, steps, gpu, gpu2)
	if heap2 > heap+1<<20 || gpu2 != gpu {
		t.Errorf("heap grew from %d to %d, device memory from %d to %d", heap, heap2, gpu, gpu2)
	}
}

func TestTestSeesEveryImageOnce(t *testing.T) {
	for _, dev := range devices(t) {
		t.Run(dev, func(t *testing.T) {
			b := newBench(t, Options{})
			b.ready(dev, 1500) // 333 test images, which fill no batch
			ask[StartResult](b, "start", &StartRequest{Config: config()})
			b.until("end", func() bool { return b.state() == Done })
			r := ask[TestResult](b, "test", &Empty{})
			sum, right, wrong := 0, 0, 0
			counts := b.test.Counts()
			for i, row := range r.Confusion {
				n := 0
				for j, c := range row {
					n += c
					if i == j {
						right += c
					} else {
						wrong += c
					}
				}
				if n != counts[i] {
					t.Errorf("class %d: %d images of %d", i, n, counts[i])
				}
				if want := float64(row[i]) / float64(n); r.Recall[i] != want {
					t.Errorf("recall of %d is %v, want %v", i, r.Recall[i], want)
				}
				sum += n
			}
			if sum != 333 || math.Abs(r.Accuracy-float64(right)/333) > 1e-12 || len(r.Mistakes) != wrong || wrong == 0 {
				t.Errorf("%d images, accuracy %v with %d right, %d mistakes with %d wrong", sum, r.Accuracy, right, len(r.Mistakes), wrong)
			}
			seen := map[int]bool{}
			for i, m := range r.Mistakes {
				if seen[m.Index] || int(b.test.Labels[m.Index]) != m.Label || m.Label == m.Predicted || !bytes.Equal(m.Pixels, b.test.Image(m.Index)) {
					t.Errorf("mistake %+v", m)
				}
				if i > 0 && m.Probability > r.Mistakes[i-1].Probability {
					t.Error("mistakes are not in order")
				}
				seen[m.Index] = true
			}
			p := ask[PredictResult](b, "predict", &PredictRequest{Pixels: r.Mistakes[0].Pixels})
			if v := p.Probabilities[r.Mistakes[0].Predicted]; math.Abs(float64(v)-r.Mistakes[0].Probability) > 1e-4 || v < slices.Max(p.Probabilities) {
				t.Errorf("predict gives %v, test said %v", v, r.Mistakes[0].Probability)
			}
			e := of[TestEvent](b, "test")
			if len(e) < 2 || e[len(e)-1].Done != 333 || e[len(e)-1].Total != 333 {
				t.Errorf("progress %+v", e)
			}
			// The same numbers as package train's evaluation.
			m, info, err := train.ReadModel("lab", bytes.NewReader(ask[SaveResult](b, "save", &SaveRequest{}).Bytes), int64(len(ask[SaveResult](b, "save", &SaveRequest{}).Bytes)))
			if err != nil {
				t.Fatal(err)
			}
			score, err := train.Evaluate(context.Background(), device.CPU(), m, b.test, info.Preprocessing)
			if err != nil || math.Abs(score.Accuracy-r.Accuracy) > 0.004 || math.Abs(score.Loss-r.Loss) > 1e-3 {
				t.Errorf("weft eval says %+v (%v), the lab %v, %v", score, err, r.Accuracy, r.Loss)
			}
			if info.Test == nil || info.Test.Accuracy != r.Accuracy {
				t.Errorf("the file says %+v of the test", info.Test)
			}
		})
	}
}

func TestSaveAndLoad(t *testing.T) {
	b := newBench(t, Options{})
	b.ready("cpu", 1000)
	layers := []LayerSpec{{Type: "linear", Units: 24}, {Type: "gelu"}, {Type: "dropout", P: 0.25}, {Type: "linear", Units: 10}}
	ask[ModelInfo](b, "model", &ModelRequest{Layers: layers, Seed: 5})
	ask[StartResult](b, "start", &StartRequest{Config: config()})
	b.until("end", func() bool { return b.state() == Done })
	img := b.test.Image(3)
	want := ask[PredictResult](b, "predict", &PredictRequest{Pixels: img})
	file := ask[SaveResult](b, "save", &SaveRequest{}).Bytes

	other := newBench(t, Options{})
	ask[InitResult](other, "init", &InitRequest{Device: "cpu"})
	info := ask[ModelInfo](other, "load", &LoadRequest{Bytes: file, Name: "mine.safetensors"})
	if !slices.Equal(info.Spec, layers) || info.Steps != 56 || info.Params != 784*24+24+24*10+10 || info.Layers[0].Activation != "gelu" {
		t.Errorf("%+v", info)
	}
	got := ask[PredictResult](other, "predict", &PredictRequest{Pixels: img})
	if !slices.Equal(got.Probabilities, want.Probabilities) {
		t.Errorf("the loaded model says %v, want %v", got.Probabilities, want.Probabilities)
	}
	// Training goes on from there, or begins anew.
	ask[DataResult](other, "data", &DataRequest{Source: "synthetic", Train: 1000, Test: 50})
	ask[StartResult](other, "start", &StartRequest{Config: config(), Keep: true})
	other.until("end", func() bool { return other.state() == Done })
	if e := of[EpochEvent](other, "epoch"); e[0].TrainLoss >= of[EpochEvent](b, "epoch")[0].TrainLoss {
		t.Errorf("training on begins at loss %v, from scratch at %v", e[0].TrainLoss, of[EpochEvent](b, "epoch")[0].TrainLoss)
	}
	if s := ask[SaveResult](other, "save", &SaveRequest{}); len(s.Bytes) == 0 {
		t.Error("nothing saved")
	}

	for name, damage := range map[string][]byte{
		"empty-1": nil, "cut-2": file[:len(file)-100], "header-3": file[:20], "text-4": []byte(strings.Repeat("hello ", 100)),
		"layers-5": bytes.Replace(file, []byte(`\"units\":24`), []byte(`\"units\":25`), 1),
		"other-6":  bytes.Replace(file, []byte("weft.version"), []byte("left.version"), 1),
	} {
		_, err := other.Handle(context.Background(), "load", &LoadRequest{Bytes: damage, Name: name})
		if err == nil {
			t.Errorf("%s: loaded", name)
		} else if e := ErrorOf(err); strings.Count(e.Message, name) != 1 || e.Hint == "" {
			t.Errorf("%s: %+v", name, e)
		}
	}
	if p := ask[PredictResult](other, "predict", &PredictRequest{Pixels: img}); len(p.Probabilities) != 10 {
		t.Error("a bad file has replaced the model")
	}
}

func TestSubmitSize(t *testing.T) {
	sizes := map[int]bool{}
	for n := range tensor.MaxSteps + 1 {
		k := submitSize(n)
		sizes[k] = true
		if k > n || 3*k < 2*n || n > 0 && k == 0 || submitSize(k) != k {
			t.Errorf("%d of %d", k, n)
		}
	}
	if len(sizes) != 13 {
		t.Errorf("%d sizes", len(sizes))
	}
}

// Another model can be looked at while one's own is trained, which goes on and
// is there afterwards.
func TestSwitchWhileTraining(t *testing.T) {
	for _, dev := range devices(t) {
		t.Run(dev, func(t *testing.T) {
			b := newBench(t, Options{})
			b.ready(dev, 2000)
			file := ask[SaveResult](b, "save", &SaveRequest{}).Bytes
			img := b.test.Image(3)
			fresh := ask[PredictResult](b, "predict", &PredictRequest{Pixels: img}).Probabilities
			c := config()
			c.Epochs = 40
			begun := ask[StartResult](b, "start", &StartRequest{Config: c})
			b.until("a step", func() bool { return len(b.curve(begun.Run)) > 0 })
			for range 3 {
				ask[ModelInfo](b, "load", &LoadRequest{Bytes: file, Name: "fresh"})
				if p := ask[PredictResult](b, "predict", &PredictRequest{Pixels: img}).Probabilities; !slices.Equal(p, fresh) {
					t.Errorf("the loaded model says %v, want %v", p, fresh)
				}
				ask[Empty](b, "inspect", &InspectRequest{On: true, Hz: 30})
				n := len(b.curve(begun.Run))
				b.until("more steps", func() bool { return len(b.curve(begun.Run)) > n })
			}
			ask[Empty](b, "inspect", &InspectRequest{})
			score := ask[TestResult](b, "test", &Empty{})
			if score.Accuracy > 0.4 {
				t.Errorf("fresh weights read %v of the test", score.Accuracy)
			}
			own := ask[ModelInfo](b, "own", &Empty{})
			if own.Steps == 0 || !slices.Equal(own.Spec, mlp) {
				t.Errorf("one's own model is %+v", own)
			}
			b.until("end", func() bool { return b.state() == Done })
			if score := ask[TestResult](b, "test", &Empty{}); score.Accuracy < 0.8 {
				t.Errorf("the trained model reads %v of the test", score.Accuracy)
			}
			// Trained on, another model becomes one's own.
			ask[ModelInfo](b, "load", &LoadRequest{Bytes: file, Name: "fresh"})
			ask[StartResult](b, "start", &StartRequest{Config: config(), Keep: true})
			b.until("end of the second", func() bool { return b.state() == Done })
			if again := ask[ModelInfo](b, "own", &Empty{}); again.Steps != len(b.curve(begun.Run+1)) {
				t.Errorf("after %d updates of the loaded one, one's own has seen %d", len(b.curve(begun.Run+1)), again.Steps)
			}
		})
	}
}

// site is what Fetch finds.
func site(dir string) func(context.Context, string, func(int, int)) ([]byte, error) {
	return func(_ context.Context, name string, progress func(int, int)) ([]byte, error) {
		b, err := os.ReadFile(dir + "/" + name)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, errors.New(name + " is not on this site")
		}
		progress(len(b), len(b))
		return b, err
	}
}

func TestCheck(t *testing.T) {
	for _, dev := range devices(t) {
		t.Run(dev, func(t *testing.T) {
			if testing.Short() {
				t.Skip("takes a while")
			}
			b := newBench(t, Options{Fetch: site("../../web/public")})
			ask[InitResult](b, "init", &InitRequest{Device: dev})
			r := ask[CheckResult](b, "check", &Empty{})
			if len(r.Rows) < 70 || len(of[CheckEvent](b, "check")) != len(r.Rows) {
				t.Errorf("%d rows, %d events", len(r.Rows), len(of[CheckEvent](b, "check")))
			}
			apart := 0
			for _, row := range r.Rows {
				if !row.Passed || row.MaxError > 1 || row.CPUError > 1 || row.Cases < 1 {
					t.Errorf("%+v", row)
				}
				if row.CPUError > 0 {
					apart++
				}
			}
			if (apart > 0) != (dev != "cpu") {
				t.Errorf("%d rows with an error of the CPU", apart)
			}
			for _, op := range []string{"conv_transpose2d", "batch_norm", "network mlp_784_128_10"} {
				if !slices.ContainsFunc(r.Rows, func(row CheckRow) bool { return row.Op == op }) {
					t.Errorf("no %s", op)
				}
			}
			list := ask[KernelsResult](b, "kernels", &Empty{}).Kernels
			if len(list) < 5 || dev == "webgpu" && !strings.Contains(list[0].WGSL, "@compute") {
				t.Errorf("%d kernels", len(list))
			}
			for _, k := range list {
				t.Logf("%-40s %8.1f us %6.2f GFLOP/s", k.Name, k.Us, k.GFLOPS)
			}
		})
	}
}

// A long test does not keep the page waiting for a prediction.
func TestShortRequestsDuringLongOnes(t *testing.T) {
	b := newBench(t, Options{})
	b.ready("cpu", 200)
	b.test = b.train // as many as there are
	done := make(chan struct{})
	go func() {
		defer close(done)
		b.Handle(context.Background(), "test", &Empty{})
	}()
	for range 20 {
		ask[PredictResult](b, "predict", &PredictRequest{Pixels: make([]byte, pixels)})
	}
	<-done
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if _, err := b.Handle(ctx, "stats", &StatsRequest{}); err != nil {
		t.Error(err)
	}
}

// Drawing in parts makes the same digits, and tells how far it is.
func TestSyntheticProgress(t *testing.T) {
	b := newBench(t, Options{})
	b.ready("cpu", 1234)
	if all := synthetic.Digits(1234, 1); !bytes.Equal(all.Images, b.train.Images) || !slices.Equal(all.Mean, b.train.Mean) || !slices.Equal(all.Std, b.test.Std) {
		t.Error("not the synthetic digits that weft train has")
	}
	if e := of[DataEvent](b, "data"); len(e) < 2 || e[0].Loaded != 0 || e[len(e)-1].Loaded != 1234+333 || e[1].Total != 1234+333 {
		t.Errorf("progress %+v", e)
	}
}

func TestPrepare(t *testing.T) {
	b := newBench(t, Options{})
	const w, h = 60, 90
	img := make([]byte, w*h)
	for y := 10; y < 80; y++ {
		img[y*w+20], img[y*w+21], img[y*w+22] = 255, 255, 255
	}
	p := ask[PrepareResult](b, "prepare", &PrepareRequest{Pixels: img, Width: w, Height: h}).Pixels
	top, bottom, mass, moment := side, 0, 0.0, 0.0
	for i, v := range p {
		if v > 100 {
			top, bottom = min(top, i/side), max(bottom, i/side)
		}
		mass += float64(v)
		moment += float64(v) * float64(i/side)
	}
	if len(p) != pixels || bottom-top != 19 || math.Abs(moment/mass-14) > 0.6 {
		t.Errorf("rows %d to %d, centre %v", top, bottom, moment/mass)
	}
	blank := ask[PrepareResult](b, "prepare", &PrepareRequest{Pixels: make([]byte, w*h), Width: w, Height: h}).Pixels
	if !bytes.Equal(blank, make([]byte, pixels)) {
		t.Error("a blank drawing has ink")
	}
	if _, err := b.Handle(context.Background(), "prepare", &PrepareRequest{Pixels: img, Width: 3, Height: 3}); err == nil {
		t.Error("a drawing of the wrong size was accepted")
	}
}
