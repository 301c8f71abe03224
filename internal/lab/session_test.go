package lab

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weft-ml/weft/device"
	"github.com/weft-ml/weft/nn"
	"github.com/weft-ml/weft/train"
	"github.com/weft-ml/weft/train/recipes"
)

// bench is a session with a record of its events.
type bench struct {
	*Session
	t      *testing.T
	mu     sync.Mutex
	events map[string][]any
	seen   chan string
}

func newBench(t *testing.T, opts Options) *bench {
	b := &bench{t: t, events: map[string][]any{}, seen: make(chan string, 1<<16)}
	opts.Emit = func(name string, e any) {
		if events[name] == nil {
			t.Errorf("an event of unknown name %q", name)
		}
		b.mu.Lock()
		b.events[name] = append(b.events[name], e)
		b.mu.Unlock()
		select {
		case b.seen <- name:
		default:
		}
	}
	b.Session = New(opts)
	t.Cleanup(b.Close)
	return b
}

// of returns the events of a name so far.
func of[E any](b *bench, name string) []*E {
	b.mu.Lock()
	defer b.mu.Unlock()
	var list []*E
	for _, e := range b.events[name] {
		list = append(list, e.(*E))
	}
	return list
}

// ask sends a request and fails the test on an error.
func ask[R any](b *bench, name string, q any) *R {
	b.t.Helper()
	r, err := b.Handle(context.Background(), name, q)
	if err != nil {
		b.t.Fatalf("%s: %v", name, err)
	}
	return r.(*R)
}

// until waits for a condition on the events.
func (b *bench) until(what string, f func() bool) {
	b.t.Helper()
	limit := time.After(60 * time.Second)
	for !f() {
		select {
		case <-b.seen:
		case <-limit:
			b.t.Fatalf("no %s within a minute", what)
		}
	}
}

func (b *bench) state() string {
	list := of[TrainEvent](b, "train")
	if len(list) == 0 {
		return ""
	}
	return list[len(list)-1].State
}

// curve joins the losses of a run, which must be without gaps.
func (b *bench) curve(run int) []float32 {
	var all []float32
	for _, e := range of[TrainEvent](b, "train") {
		if e.Run != run {
			continue
		}
		if e.First != len(all) {
			b.t.Fatalf("an event begins at update %d after %d", e.First, len(all))
		}
		if len(e.Losses) != len(e.Accuracies) || e.First+len(e.Losses) != e.Step {
			b.t.Fatalf("an event of %d losses and %d accuracies from %d at step %d", len(e.Losses), len(e.Accuracies), e.First, e.Step)
		}
		all = append(all, e.Losses...)
	}
	return all
}

var mlp = []LayerSpec{{Type: "linear", Units: 32}, {Type: "relu"}, {Type: "linear", Units: 10}}

func config() TrainConfig {
	return TrainConfig{Optimizer: "sgd", LR: 0.1, EndFactor: 0.1, Schedule: "cosine", Batch: 32, Epochs: 2, Seed: 3, ValFraction: 0.1}
}

// ready opens a device, loads synthetic digits and makes a network.
func (b *bench) ready(dev string, images int) {
	b.t.Helper()
	ask[InitResult](b, "init", &InitRequest{Device: dev})
	ask[DataResult](b, "data", &DataRequest{Source: "synthetic", Train: images, Test: 333})
	ask[ModelInfo](b, "model", &ModelRequest{Layers: mlp, Seed: 3})
}

// devices are those to test on.
func devices(t *testing.T) []string {
	list := []string{"cpu"}
	if d, err := device.Open("webgpu"); err == nil {
		d.Close()
		list = append(list, "webgpu")
	} else {
		t.Logf("CPU only: %v", err)
	}
	return list
}

// The losses of a seed are those that weft train has on the CPU.
func TestSameNumbersAsTrain(t *testing.T) {
	for _, dev := range devices(t) {
		for _, c := range []TrainConfig{
			config(),
			{Optimizer: "nesterov", LR: 0.02, Schedule: "onecycle", Batch: 20, Epochs: 2, Seed: 9, Momentum: 0.9, WeightDecay: 1e-3, LabelSmoothing: 0.1, ValFraction: 0.2, Rotate: 7, Scale: 0.07, Shift: 0.04},
			{Optimizer: "adamw", LR: 0.002, Schedule: "linear", Batch: 50, Epochs: 3, Seed: 1, WeightDecay: 0.01},
		} {
			t.Run(dev+"/"+c.Optimizer, func(t *testing.T) {
				b := newBench(t, Options{})
				b.ready(dev, 2400)
				r := ask[StartResult](b, "start", &StartRequest{Config: c})
				b.until("end", func() bool { return b.state() == Done })
				got := b.curve(r.Run)
				if len(got) != r.Steps {
					t.Fatalf("%d losses of %d steps", len(got), r.Steps)
				}
				want, result := reference(t, b, c, mlp)
				n := min(200, len(got))
				for i := range n {
					if d := math.Abs(float64(got[i]) - want[i]); !(d <= 1e-3) {
						t.Fatalf("loss of step %d is %v, weft train has %v", i, got[i], want[i])
					}
				}
				epochs := of[EpochEvent](b, "epoch")
				if len(epochs) != c.Epochs {
					t.Fatalf("%d epoch events of %d", len(epochs), c.Epochs)
				}
				last := epochs[len(epochs)-1]
				if v := result.Validation; v != nil && math.Abs(last.ValAccuracy-v.Accuracy) > 0.02 {
					t.Errorf("validation accuracy %v, weft train has %v", last.ValAccuracy, v.Accuracy)
				} else if v == nil && !math.IsNaN(last.ValAccuracy) {
					t.Errorf("validation accuracy %v without validation images", last.ValAccuracy)
				}
			})
		}
	}
}

// reference trains by package train on the CPU.
func reference(t *testing.T, b *bench, c TrainConfig, layers []LayerSpec) (losses []float64, r *train.Result) {
	t.Helper()
	o, err := c.options()
	if err != nil {
		t.Fatal(err)
	}
	recipe := recipes.Layers
	build := recipe.Build
	recipe.Build = func(s train.Spec) (m nnModule, err error) { s.Layers = layers; return build(s) }
	dir := t.TempDir()
	tr, err := train.New(train.Config{Recipe: &recipe, Options: o, Train: b.train, Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer tr.Close()
	if r, err = tr.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, train.StepsFile))
	if err != nil {
		t.Fatal(err)
	}
	for i, line := range lines(string(text))[1:] {
		var step int
		var loss float64
		if _, err := fmt.Sscanf(line, "%d,%g,", &step, &loss); err != nil || step != i+1 {
			break
		}
		losses = append(losses, loss)
	}
	return losses, r
}

func TestErrorsSayWhatToDo(t *testing.T) {
	b := newBench(t, Options{})
	for _, c := range []struct {
		name string
		q    any
	}{
		{"model", &ModelRequest{Layers: mlp[:1]}},
		{"start", &StartRequest{Config: config()}},
		{"pause", &Empty{}},
		{"data", &DataRequest{Source: "mnist"}},
		{"data", &DataRequest{Source: "birds"}},
		{"load", &LoadRequest{Name: "notes.txt", Bytes: []byte("these are no weights, but a text of some length")}},
		{"init", &InitRequest{Device: "abacus"}},
	} {
		_, err := b.Handle(context.Background(), c.name, c.q)
		if err == nil {
			t.Errorf("%s %+v: no error", c.name, c.q)
			continue
		}
		if e := ErrorOf(err); e.Hint == "" || e.Message == "" {
			t.Errorf("%s: %+v", c.name, e)
		}
	}
	if _, err := b.Handle(context.Background(), "dance", nil); err == nil {
		t.Error("an unknown request was answered")
	}
	if _, err := b.Handle(context.Background(), "pause", &InitRequest{}); err == nil {
		t.Error("a request of the wrong type was answered")
	}
	if !errors.Is(func() error { _, err := b.Handle(canceled(), "stats", &StatsRequest{}); return err }(), context.Canceled) {
		t.Error("a canceled request was answered")
	}
}

func canceled() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

type nnModule = nn.Module

func lines(s string) []string { return strings.Split(strings.TrimSpace(s), "\n") }
