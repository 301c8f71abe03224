package train

import (
	"context"
	"encoding/csv"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"

	"github.com/weft-ml/weft/device"
)

// gpu opens WebGPU, on whatever adapter there is.
func gpu(t *testing.T) *device.Device {
	t.Helper()
	d, err := device.Open("webgpu")
	if err != nil {
		if os.Getenv("CI") == "true" || os.Getenv("WEFT_REQUIRE_GPU") == "1" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

// losses are the second column of the steps file.
func losses(t *testing.T, dir string) []float64 {
	t.Helper()
	f, err := os.Open(filepath.Join(dir, StepsFile))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var out []float64
	for _, r := range rows[1:] {
		v, err := strconv.ParseFloat(r[1], 64)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, v)
	}
	return out
}

// TestDevicesAgree trains on the CPU, on WebGPU, and on the reference: with
// dropout, augmentation, averages, clipping and accumulation the losses of all
// steps are the same up to rounding.
func TestDevicesAgree(t *testing.T) {
	change := func(c *Config) { c.Options.Accumulate = 2 }
	want := t.TempDir()
	cfg := testConfig(want)
	change(&cfg)
	cfg.Device = device.Reference()
	ref := run(t, cfg)
	for name, dev := range map[string]func(*testing.T) *device.Device{
		"cpu": func(*testing.T) *device.Device { return device.CPU() }, "webgpu": gpu,
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			cfg := testConfig(dir)
			change(&cfg)
			cfg.Device = dev(t)
			before := cfg.Device.Memory()
			res := run(t, cfg)
			// Less is no fault: what earlier tests left may have been collected.
			runtime.GC()
			if after := cfg.Device.Memory(); after > before {
				t.Errorf("%d bytes of device memory before the run, %d after", before, after)
			}
			a, b := losses(t, want), losses(t, dir)
			if len(a) != len(b) {
				t.Fatalf("%d steps, want %d", len(b), len(a))
			}
			for i := range a {
				if math.Abs(a[i]-b[i]) > 1e-3 {
					t.Fatalf("loss of step %d is %v, on the reference %v", i+1, b[i], a[i])
				}
			}
			if math.Abs(res.Test.Loss-ref.Test.Loss) > 1e-3 {
				t.Errorf("test loss %v, on the reference %v", res.Test.Loss, ref.Test.Loss)
			}
		})
	}
}

// TestMoveDevice goes on on another device than the run began on.
func TestMoveDevice(t *testing.T) {
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(context.Background())
	cfg := testConfig(dir)
	cfg.Device = gpu(t)
	cfg.Observer.Progress = func(p Progress) {
		if p.Step >= 10 {
			cancel()
		}
	}
	tr, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if _, err = tr.Run(ctx); err == nil {
		t.Fatal("not interrupted")
	}
	tr.Close()
	if res := resume(t, testConfig(dir)); res.Test.Accuracy < 0.9 {
		t.Errorf("test accuracy %v", res.Test.Accuracy)
	}
}
