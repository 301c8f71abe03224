package train

import (
	"context"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weft-ml/weft/device"
	"github.com/weft-ml/weft/nn"
	"github.com/weft-ml/weft/tensor"
)

func TestPermute(t *testing.T) {
	const n = 1000
	seen := map[int32]int{}
	var orders [][]int32
	for _, key := range [][2]uint64{{1, 0}, {1, 1}, {2, 0}, {1, 0}} {
		o := make([]int32, n)
		permute(o, key[0], key[1])
		sorted := slices.Sorted(slices.Values(o))
		for i, v := range sorted {
			if int(v) != i {
				t.Fatalf("seed and epoch %v: no permutation", key)
			}
		}
		orders = append(orders, o)
		seen[o[0]]++
	}
	if slices.Equal(orders[0], orders[1]) || slices.Equal(orders[0], orders[2]) || !slices.Equal(orders[0], orders[3]) {
		t.Error("orders must depend on seed and epoch, and on nothing else")
	}
	// Each position takes each value about equally often.
	count := [6][6]int{}
	for e := range uint64(6000) {
		o := make([]int32, 6)
		permute(o, 7, e)
		for i, v := range o {
			count[i][v]++
		}
	}
	for i, row := range count {
		for v, c := range row {
			if math.Abs(float64(c)-1000) > 150 { // five deviations
				t.Errorf("position %d held %d in %d of 6000 orders", i, v, c)
			}
		}
	}
	// Stored runs depend on the order: it must never change.
	o := make([]int32, 8)
	permute(o, 1, 2)
	if want := []int32{0, 7, 4, 1, 5, 3, 6, 2}; !slices.Equal(o, want) {
		t.Errorf("order of seed 1, epoch 2: %v, want %v", o, want)
	}
}

// gathered runs an augmentation over the given images of 5x5.
func gathered(t *testing.T, a Augment, images []byte, index []int32, seed float64) []float32 {
	t.Helper()
	n := len(images) / 25
	p, err := tensor.Compile(device.CPU(), func(tr *tensor.Trace, _ []*tensor.Tensor) []*tensor.Tensor {
		return []*tensor.Tensor{a.gather(tr, a.draw(tr, len(index)), tensor.FromBytes(images, n*25), tensor.FromInts(index), 1, 5, 5)}
	})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	p.SetScalar("seed", seed)
	out, err := p.Call()
	if err != nil {
		t.Fatal(err)
	}
	return out[0].Floats()
}

func TestAugment(t *testing.T) {
	images := make([]byte, 3*25)
	for i := range images {
		images[i] = byte(mix(uint64(i)))
	}
	index := []int32{2, 0, 2, 1}
	same := gathered(t, Augment{}, images, index, 1)
	for i, v := range same {
		if want := float32(images[int(index[i/25])*25+i%25]); math.Abs(float64(v-want)) > 0.01 {
			t.Fatalf("without bounds, pixel %d is %v, want %v", i, v, want)
		}
	}
	a := Augment{Shift: 0.2, Rotate: 20, Scale: 0.2}
	moved := gathered(t, a, images, index, 1)
	if slices.Equal(moved[:25], moved[50:75]) {
		t.Error("two images of a batch drew the same numbers")
	}
	if !slices.Equal(moved, gathered(t, a, images, index, 1)) || slices.Equal(moved, gathered(t, a, images, index, 2)) {
		t.Error("the same seed must move images alike, another one otherwise")
	}
	// A bright centre stays within a pixel of where it was, in each direction of
	// the turned and scaled image, and keeps most of its mass; nothing comes in from neighbouring images.
	dot := make([]byte, 3*25)
	for i := range 25 {
		dot[i], dot[50+i] = 255, 255
	}
	dot[25+12] = 200
	for i := range 25 {
		if i != 12 {
			dot[25+i] = 0
		}
	}
	for seed := range 20 {
		out := gathered(t, Augment{Shift: 0.2, Rotate: 30, Scale: 0.1}, dot, []int32{1}, float64(seed))
		mass, cy, cx := 0.0, 0.0, 0.0
		for i, v := range out {
			mass += float64(v)
			cy += float64(v) * float64(i/5-2)
			cx += float64(v) * float64(i%5-2)
		}
		if mass < 100 || mass > 320 || math.Hypot(cy/mass, cx/mass) > 1.1*math.Sqrt2 {
			t.Errorf("seed %d: the dot has mass %v around %v, %v", seed, mass, cy/mass, cx/mass)
		}
	}
}

// TestRotation turns an image by a known angle, through the matrix alone.
func TestRotation(t *testing.T) {
	img := make([]byte, 25)
	img[2*5+4] = 100 // right of the centre
	turned := false
	for seed := range 40 {
		out := gathered(t, Augment{Rotate: 90}, img, []int32{0}, float64(seed))
		r := 0.0
		mass := 0.0
		for i, v := range out {
			mass += float64(v)
			r += float64(v) * math.Hypot(float64(i/5-2), float64(i%5-2))
		}
		if mass > 1 && math.Abs(r/mass-2) > 0.5 {
			t.Errorf("seed %d: the pixel is %v from the centre, want 2", seed, r/mass)
		}
		turned = turned || out[0*5+2] > 40 || out[4*5+2] > 40
	}
	if !turned {
		t.Error("no rotation came near 90 degrees in 40 draws")
	}
}

// TestAccumulate compares k batches of b images with one of k*b: the same
// update up to rounding, for a network without dropout and averages.
func TestAccumulate(t *testing.T) {
	last := func(batch, k int) []float32 {
		cfg := testConfig("")
		cfg.Options = Options{Epochs: 2, Batch: batch, Accumulate: k, Optimizer: "sgd", LR: 0.1, Schedule: "constant", Momentum: 0.9, Clip: 0.5, Seed: 5}
		var w []float32
		for _, p := range nn.Params(run(t, cfg).Model) {
			w = append(w, p.Value.Floats()...)
		}
		return w
	}
	whole, parts := last(12, 1), last(4, 3)
	for i := range whole {
		if math.Abs(float64(whole[i]-parts[i])) > 1e-4 {
			t.Fatalf("weight %d is %v after batches of 12, %v after 3 batches of 4", i, whole[i], parts[i])
		}
	}
}

// TestEvaluate checks an evaluation with a remainder against a sum by hand.
func TestEvaluate(t *testing.T) {
	d := blobs(evalBatch+3, 4)
	r, _ := Find("test-mlp")
	m, err := r.Build(Spec{Channels: 1, Height: 6, Width: 6, Classes: 4, Options: testOptions(), Seed: 9})
	if err != nil {
		t.Fatal(err)
	}
	prep := PreprocessingOf(d)
	s, err := Evaluate(context.Background(), nil, m, d, prep)
	if err != nil {
		t.Fatal(err)
	}
	x := make([]float32, len(d.Images))
	for i, v := range d.Images {
		x[i] = (float32(v)/255 - d.Mean[0]) / d.Std[0]
	}
	logp := m.Forward(tensor.New(x, d.N, 1, 6, 6)).LogSoftmax(1).Floats()
	loss, right := 0.0, 0
	for i, l := range d.Labels {
		row := logp[4*i : 4*i+4]
		loss -= float64(row[l])
		best := 0
		for j, v := range row {
			if v > row[best] {
				best = j
			}
		}
		if best == int(l) {
			right++
		}
	}
	if math.Abs(s.Loss-loss/float64(d.N)) > 1e-5 || s.Accuracy != float64(right)/float64(d.N) {
		t.Errorf("loss %v and accuracy %v, by hand %v and %v", s.Loss, s.Accuracy, loss/float64(d.N), float64(right)/float64(d.N))
	}
}

// TestPatience trains a network that cannot get better.
func TestPatience(t *testing.T) {
	cfg := testConfig(t.TempDir())
	cfg.Options.Epochs, cfg.Options.Patience, cfg.Options.EMA = 50, 3, 0
	best, n := 0, 0
	cfg.Observer.Epoch = func(e Epoch) { n = e.Epoch }
	res := run(t, cfg)
	best = res.State.BestEpoch
	if !res.Stopped || n != best+3 {
		t.Fatalf("stopped %v after epoch %d, the best was %d", res.Stopped, n, best)
	}
	if res.Validation.Accuracy != res.State.BestAccuracy || res.Validation.Loss != res.State.BestLoss {
		t.Errorf("restored weights score %v %v, the best epoch's %v %v", res.Validation.Accuracy, res.Validation.Loss, res.State.BestAccuracy, res.State.BestLoss)
	}
}

func TestDiverges(t *testing.T) {
	cfg := testConfig(t.TempDir())
	cfg.Options.LR, cfg.Options.Clip = 1e6, 0
	tr, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer tr.Close()
	if _, err := tr.Run(context.Background()); err == nil || !strings.Contains(err.Error(), "lower --lr") {
		t.Errorf("a loss that is no number: %v", err)
	}
}

func TestOptionsCheck(t *testing.T) {
	good := testOptions()
	if err := good.Check(); err != nil {
		t.Fatal(err)
	}
	for what, change := range map[string]func(*Options){
		"epochs": func(o *Options) { o.Epochs = 0 }, "batch": func(o *Options) { o.Batch = -1 },
		"lr": func(o *Options) { o.LR = math.NaN() }, "optimizer": func(o *Options) { o.Optimizer = "sdg" },
		"schedule": func(o *Options) { o.Schedule = "" }, "momentum": func(o *Options) { o.Momentum = 1 },
		"patience": func(o *Options) { o.Patience, o.ValFraction = 2, 0 }, "shift": func(o *Options) { o.Augment.Shift = 2 },
		"val-fraction": func(o *Options) { o.ValFraction = 1 }, "clip": func(o *Options) { o.Clip = -1 },
	} {
		o := testOptions()
		change(&o)
		if err := o.Check(); err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("%s: %v", what, err)
		}
	}
	cfg := testConfig("")
	cfg.Options.Batch = 1000
	if _, err := New(cfg); err == nil || !strings.Contains(err.Error(), "lower --batch") {
		t.Errorf("a batch larger than the data set: %v", err)
	}
}

func TestSchedules(t *testing.T) {
	for _, name := range Schedules {
		for _, warm := range []float64{0, 0.25} {
			o := Options{LR: 1, MinLR: 0.1, Schedule: name, Warmup: warm}
			s := o.schedule(100)
			top := 0.0
			for i := range 100 {
				v := s(i)
				if !(v >= 0 && v <= 1+1e-12) {
					t.Errorf("%s: rate %v at step %d", name, v, i)
				}
				top = max(top, v)
			}
			if math.Abs(top-1) > 0.02 {
				t.Errorf("%s with warm-up %v peaks at %v", name, warm, top)
			}
			if (name == "cosine" || name == "linear") && math.Abs(s(99)-0.1) > 1e-9 {
				t.Errorf("%s with warm-up %v ends at %v", name, warm, s(99))
			}
		}
	}
}

func TestRunDir(t *testing.T) {
	root := t.TempDir()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	var dirs []string
	for range 3 {
		d, err := NewRunDir(filepath.Join(root, "runs"), "net", now)
		if err != nil {
			t.Fatal(err)
		}
		dirs = append(dirs, filepath.Base(d))
	}
	if want := []string{"net-20260102-030405", "net-20260102-030405-2", "net-20260102-030405-3"}; !slices.Equal(dirs, want) {
		t.Errorf("run folders %v, want %v", dirs, want)
	}
	if NewestRun(filepath.Join(root, "runs")) != "" {
		t.Error("an empty run counts as the newest")
	}
	if _, err := ModelPath(filepath.Join(root, "runs", dirs[0])); err == nil {
		t.Error("an empty run has a model")
	}
	os.WriteFile(filepath.Join(root, "runs", dirs[1], LastFile), nil, 0o644)
	if got := NewestRun(filepath.Join(root, "runs")); filepath.Base(got) != dirs[1] {
		t.Errorf("newest run %s", got)
	}
}
