// Command bench trains networks, or predicts with them, and prints how fast, as
// one JSON line for each model, mode and batch size. Built for js/wasm it is run
// by go.mjs, on any device; natively it gives the number to compare with.
//
//	bench                                       the 784-128-10 perceptron as the lab trains it
//	bench -model cnn -batch 64,512              training steps of the digit CNN
//	bench -model resnet18 -mode predict -batch 1
//	bench -model resnet18 -batch 512 -precision mixed
//	bench -model resnet18 -plan                 the kernels of the step, without running it
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/weft-ml/weft/data/synthetic"
	"github.com/weft-ml/weft/device"
	"github.com/weft-ml/weft/internal/backend"
	"github.com/weft-ml/weft/tensor"
	"github.com/weft-ml/weft/train"
	"github.com/weft-ml/weft/train/recipes"
)

var profile, plan, mixed bool

type result struct {
	Device    string  `json:"device"`
	Model     string  `json:"model"`
	Mode      string  `json:"mode"`
	Batch     int     `json:"batch"`
	Precision string  `json:"precision,omitempty"` // mixed, if not float32
	PerSubmit int     `json:"steps_per_submit"`
	Kernels   int     `json:"kernels"`
	CompileMs float64 `json:"compile_ms"`
	FirstMs   float64 `json:"first_step_ms"`
	StepsPerS float64 `json:"steps_per_s"`
	StepMs    float64 `json:"step_ms"`                     // submitted together
	AloneMs   float64 `json:"alone_ms,omitempty"`          // prediction: write, run, read back; median
	GFLOPs    float64 `json:"gflop_per_s,omitempty"`       // arithmetic rate
	FirstCPU  float64 `json:"first_step_cpu_ms,omitempty"` // processor time, under Node
	StepCPU   float64 `json:"step_cpu_ms,omitempty"`
	MemoryMiB float64 `json:"memory_mib,omitempty"` // of the program, on the device
	Loss      float64 `json:"loss"`
	HeapMiB   float64 `json:"go_heap_mib"`
}

func main() {
	name := flag.String("device", "auto", "what device.Open takes")
	models := flag.String("model", "mlp", "mlp (through the trainer), "+strings.Join(modelNames(), ", ")+"; separated by commas")
	mode := flag.String("mode", "train", "train or predict")
	batches := flag.String("batch", "64", "batch sizes, separated by commas")
	per := flag.Int("per", tensor.MaxSteps, "steps in a submit")
	seconds := flag.Float64("seconds", 3, "how long to measure")
	flag.BoolVar(&profile, "profile", false, "also print the time of each kernel")
	flag.BoolVar(&plan, "plan", false, "print the kernels of the step instead of running it")
	precision := flag.String("precision", "float32", "float32 or mixed, of training steps")
	flag.Parse()
	switch *precision {
	case "mixed":
		mixed = true
	case "float32":
	default:
		fatal(fmt.Errorf("precision %q is neither float32 nor mixed", *precision))
	}
	dev, err := device.Open(*name)
	if err != nil {
		fatal(err)
	}
	for _, model := range strings.Split(*models, ",") {
		for _, b := range strings.Split(*batches, ",") {
			n, err := strconv.Atoi(b)
			if err != nil {
				fatal(err)
			}
			length := time.Duration(*seconds * float64(time.Second))
			var r *result
			if model == "mlp" {
				r, err = measure(dev, n, *per, length)
			} else {
				r, err = measureModel(dev, model, *mode, n, *per, length)
			}
			if err != nil {
				fatal(err)
			}
			if r == nil {
				continue
			}
			line, err := json.Marshal(r)
			if err != nil {
				fatal(err)
			}
			fmt.Println(string(line))
		}
	}
}

func measure(dev *device.Device, batch, per int, length time.Duration) (*result, error) {
	recipe := recipes.MNISTMLP
	opts := train.Options{Epochs: 1 << 20, Batch: batch, Optimizer: "sgd", LR: 0.05, MinLR: 0.001, Schedule: "cosine", Seed: 1}
	if mixed {
		opts.Precision = "mixed"
	}
	digits := synthetic.Digits(max(2048, 4*batch), 1)
	prep := train.PreprocessingOf(digits)
	model, err := train.InitModel(&recipe, prep, len(digits.Classes), opts, nil)
	if err != nil {
		return nil, err
	}
	r := &result{Device: dev.Name(), Model: "mlp", Mode: "train", Batch: batch, Precision: opts.Precision}
	start, cpu := time.Now(), cpuMs()
	s, err := train.NewSteps(train.StepsConfig{Device: dev, Model: model, Options: opts, Train: digits, Preprocessing: prep})
	if err != nil {
		return nil, err
	}
	defer s.Close()
	r.CompileMs = ms(start)
	r.Kernels = s.Program().KernelCount()
	r.PerSubmit = min(per, s.PerEpoch())

	done, outstanding, epoch := 0, 0, 0
	collect := func() error {
		n, err := s.Collect(func(loss, _ float64) { r.Loss = loss })
		done, outstanding = done+n, outstanding-1
		return err
	}
	run := func(until func() bool, n int) error {
		for !until() {
			if s.Left() < n {
				epoch++
				if err := s.Seek(epoch, 0); err != nil {
					return err
				}
			}
			if err := s.Submit(n); err != nil {
				return err
			}
			if outstanding++; outstanding == backend.Depth {
				if err := collect(); err != nil {
					return err
				}
			}
		}
		for outstanding > 0 {
			if err := collect(); err != nil {
				return err
			}
		}
		return nil
	}
	if err := run(func() bool { return done+outstanding > 0 }, 1); err != nil {
		return nil, err
	}
	r.FirstMs, r.FirstCPU = ms(start), cpuMs()-cpu
	warm := time.Now()
	if err := run(func() bool { return time.Since(warm) > length/4 }, r.PerSubmit); err != nil {
		return nil, err
	}
	start, cpu, done = time.Now(), cpuMs(), 0
	if err := run(func() bool { return time.Since(start) > length }, r.PerSubmit); err != nil {
		return nil, err
	}
	r.rate(done, time.Since(start), s.Program())
	r.StepCPU = (cpuMs() - cpu) / float64(done)
	if profile {
		if err := printProfile(s.Program()); err != nil {
			return nil, err
		}
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	r.HeapMiB = float64(m.Sys) / (1 << 20)
	return r, nil
}

func ms(since time.Time) float64 { return float64(time.Since(since).Microseconds()) / 1000 }

func fatal(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
