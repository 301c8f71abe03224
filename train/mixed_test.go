package train

import (
	"context"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/weft-ml/weft/device"
	"github.com/weft-ml/weft/nn"
)

// The networks of tests are small; what they store counts as large.
func init() {
	mixedElems = 32
	Register(Recipe{
		Name:    "test-conv",
		Options: testOptions(),
		Build: func(s Spec) (nn.Module, error) {
			rng := nn.NewRNG(s.Seed)
			return nn.Sequential{
				nn.NewConv2d(rng, s.Channels, 8, 3, nn.ConvOptions{Padding: 1}), nn.NewBatchNorm(8, nn.BatchNormOptions{}), nn.ReLU{},
				nn.NewConv2d(rng, 8, 8, 3, nn.ConvOptions{Padding: 1}), nn.ReLU{}, nn.MaxPool2d{Kernel: 2},
				nn.Flatten{}, nn.NewLinear(rng, 72, s.Classes, nn.LinearOptions{}),
			}, nil
		},
	})
}

func mixedConfig(dir string) Config {
	cfg := testConfig(dir)
	cfg.Recipe, _ = Find("test-conv")
	cfg.Options.Precision = "mixed"
	return cfg
}

// The losses of mixed precision are nearly those of float32, on each device and
// with accumulation.
func TestMixedFollowsFloat32(t *testing.T) {
	for name, change := range map[string]func(*testing.T, *Config){
		"cpu":        func(*testing.T, *Config) {},
		"accumulate": func(_ *testing.T, c *Config) { c.Options.Accumulate = 2 },
		"gpu": func(t *testing.T, c *Config) {
			c.Device = gpu(t)
			if !c.Device.Float16() {
				t.Skipf("%s has no shader-f16", c.Device.Name())
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			plain, mixed := t.TempDir(), t.TempDir()
			cfg := mixedConfig(mixed)
			change(t, &cfg)
			tr, err := New(cfg)
			if err != nil {
				t.Fatal(err)
			}
			if text := tr.Program().Plan(); strings.Count(text, ": temp   f16[") < 4 {
				t.Errorf("hardly anything is float16:\n%s", text)
			}
			tr.Close()
			run(t, cfg)
			cfg.Dir, cfg.Device, cfg.Options.Precision = plain, nil, ""
			run(t, cfg)
			got, want := losses(t, mixed), losses(t, plain)
			if len(got) != len(want) || len(want) < 15 {
				t.Fatalf("%d and %d steps", len(got), len(want))
			}
			for i := range want {
				if d := math.Abs(got[i] - want[i]); !(d < 0.02) {
					t.Errorf("step %d: loss %v, in float32 %v", i, got[i], want[i])
				}
			}
			if slices.Equal(got, want) {
				t.Error("the losses are equal: nothing was rounded")
			}
		})
	}
}

// A step whose gradients overflow changes nothing but the scale, which is halved
// until they do not.
func TestOverflowIsSkipped(t *testing.T) {
	for _, dev := range []string{"cpu", "webgpu"} {
		t.Run(dev, func(t *testing.T) {
			cfg := mixedConfig("")
			if dev == "webgpu" {
				if cfg.Device = gpu(t); !cfg.Device.Float16() {
					t.Skipf("%s has no shader-f16", cfg.Device.Name())
				}
			} else {
				cfg.Device = device.CPU()
			}
			cfg.Options.Optimizer, cfg.Options.LR, cfg.Options.Accumulate, cfg.Options.Batch = "adamw", 0.01, 2, 4
			tr, err := New(cfg)
			if err != nil {
				t.Fatal(err)
			}
			defer tr.Close()
			s := tr.step
			const scale = 0x1p40
			if err := s.scaler.Scale().Set([]float32{scale}); err != nil {
				t.Fatal(err)
			}
			read := func() map[string][]float32 {
				all := map[string][]float32{}
				for _, v := range s.variables() {
					x, err := v.Value.Read()
					if err != nil {
						t.Fatal(err)
					}
					all[v.Name] = x
				}
				return all
			}
			step := func(update int) {
				tr.loop.update, tr.loop.at = update, 2*update
				for program := range 2 {
					if err := tr.loop.submit(program, 1); err != nil {
						t.Fatal(err)
					}
					tr.loop.at++
				}
				if err := tr.loop.drain(); err != nil {
					t.Fatal(err)
				}
			}
			if err := s.order.SetInts(tr.order); err != nil {
				t.Fatal(err)
			}
			before := read()
			const name = optimizerPrefix + "loss_scale"
			step(0)
			after := read()
			if got := after[name][0]; got != scale/2 {
				t.Errorf("scale %g after an overflow at %g", got, float64(scale))
			}
			for n, v := range after {
				changed := !slices.Equal(v, before[n])
				running := strings.Contains(n, "running") || strings.Contains(n, "batches")
				switch {
				case strings.HasPrefix(n, name):
				case running && !strings.HasPrefix(n, averagePrefix):
					// The first batch of the two counted before anybody knew.
				case changed:
					t.Errorf("%s changed in a step that overflowed", n)
				}
			}
			steps := 1
			for ; steps < 60 && slices.Equal(read()["0.weight"], before["0.weight"]); steps++ {
				step(steps)
			}
			after = read()
			if steps == 60 || after[name][0] != scale/float32(math.Exp2(float64(steps-1))) {
				t.Fatalf("scale %g after %d steps", after[name][0], steps)
			}
			for n, v := range after {
				for _, x := range v {
					if x-x != 0 {
						t.Fatalf("%s is not finite any more", n)
					}
				}
			}
		})
	}
}

// With a batch of its own, running statistics do not change either.
func TestOverflowKeepsStatistics(t *testing.T) {
	tr, err := New(mixedConfig(""))
	if err != nil {
		t.Fatal(err)
	}
	defer tr.Close()
	s := tr.step
	s.scaler.Scale().Set([]float32{0x1p60})
	s.order.SetInts(tr.order)
	var before [][]float32
	for _, v := range nn.Params(s.model) {
		x, _ := v.Value.Read()
		before = append(before, x)
	}
	if err := tr.loop.submit(1, 1); err != nil {
		t.Fatal(err)
	}
	if err := tr.loop.drain(); err != nil {
		t.Fatal(err)
	}
	for i, v := range nn.Params(s.model) {
		if x, _ := v.Value.Read(); !slices.Equal(x, before[i]) {
			t.Errorf("%s changed in a step that overflowed", v.Name)
		}
	}
}

func TestPrecisionOption(t *testing.T) {
	cfg := testConfig("")
	cfg.Options.Precision = "half"
	if _, err := New(cfg); err == nil || !strings.Contains(err.Error(), "none of float32, mixed") {
		t.Errorf("precision half: %v", err)
	}
	cfg.Options.Precision = "float32"
	tr, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer tr.Close()
	if _, err := tr.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	cfg.Options.Precision = ""
	plain, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	if tr.Program().Plan() != plain.Program().Plan() {
		t.Error("float32 is another step than the default")
	}
}
