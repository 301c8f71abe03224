package conformance

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/weft-ml/weft/device"
)

// fixtureDir is WEFT_FIXTURES, or the set that comes with the repository.
func fixtureDir() (dir string, own bool) {
	if dir := os.Getenv("WEFT_FIXTURES"); dir != "" {
		if _, err := os.Stat(dir); err != nil && !filepath.IsAbs(dir) {
			dir = filepath.Join("..", dir) // as seen from the repository's root
		}
		return dir, true
	}
	return "../testdata/fixtures", false
}

// load reads a set. A folder of one's own need not hold all of them.
func load(t *testing.T, name string) *Set {
	t.Helper()
	dir, own := fixtureDir()
	if _, err := os.Stat(dir); err != nil {
		t.Fatalf("no fixtures: %v; point WEFT_FIXTURES to a folder of them", err)
	}
	s, err := Load(os.DirFS(dir), name)
	if own && errors.Is(err, fs.ErrNotExist) {
		t.Skipf("%s holds no %s: %v", dir, name, err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// devices are what there is to test: the CPU, the reference if that is
// another implementation, and WebGPU where it opens.
func devices(t *testing.T) map[string]*device.Device {
	t.Helper()
	ds := map[string]*device.Device{"cpu": device.CPU()}
	if r := device.Reference(); r.Name() != device.CPU().Name() {
		ds["reference"] = r
	}
	if d, err := device.Open("webgpu"); err == nil {
		ds["webgpu"] = d
		t.Cleanup(func() {
			if err := d.Close(); err != nil {
				t.Error(err)
			}
		})
	} else {
		t.Logf("not tested on webgpu: %v", err)
	}
	return ds
}

// eachDevice runs f on each device in a fixed order.
func eachDevice(t *testing.T, f func(t *testing.T, dev *device.Device)) {
	ds := devices(t)
	for _, name := range slices.Sorted(maps.Keys(ds)) {
		t.Run(name, func(t *testing.T) { f(t, ds[name]) })
	}
}

func runCases(t *testing.T, name string, needed bool) {
	s := load(t, name)
	eachDevice(t, func(t *testing.T, dev *device.Device) {
		unknown := map[string]int{}
		ran, failed, worst, where := 0, 0, 0.0, ""
		for _, c := range s.Cases {
			if _, ok := operators[c.Op]; !ok {
				unknown[c.Op]++
				continue
			}
			ran++
			t.Run(c.Name, func(t *testing.T) {
				excess, err := s.Run(dev, c)
				if err != nil {
					failed++
					t.Errorf("%s %v: %v", c.Op, c.Attrs, err)
				}
				if excess > worst {
					worst, where = excess, c.Name
				}
			})
		}
		t.Logf("%s on %s: %d of %d cases run, %d failed; greatest error %.2g of the tolerance (%s)",
			name, dev.Name(), ran, len(s.Cases), failed, worst, where)
		if len(unknown) > 0 {
			var list []string
			for _, op := range slices.Sorted(maps.Keys(unknown)) {
				list = append(list, fmt.Sprintf("%s (%d)", op, unknown[op]))
			}
			t.Logf("%s: operators that are not known: %s", name, strings.Join(list, ", "))
		}
		if _, own := fixtureDir(); needed && ran == 0 && !own {
			t.Errorf("no case of %s could be run", name)
		}
	})
}

func TestFixtureOps(t *testing.T)    { runCases(t, "ops", true) }
func TestFixtureLayers(t *testing.T) { runCases(t, "layers", false) }
func TestFixtureLosses(t *testing.T) { runCases(t, "losses", true) }

// report runs one trajectory and logs how near it came; an unknown one is
// named and passed over.
func report(t *testing.T, name string, run func() (float64, error)) (ran bool) {
	t.Run(name, func(t *testing.T) {
		worst, err := run()
		if errors.Is(err, ErrUnknown) {
			t.Log(err)
			return
		}
		ran = true
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		t.Logf("%s: greatest error %.2g of the tolerance", name, worst)
	})
	return ran
}

func TestFixtureOptim(t *testing.T) {
	s := load(t, "optim")
	o, err := s.Optim()
	if err != nil {
		t.Fatal(err)
	}
	ran := 0
	for _, c := range o.Schedules {
		if report(t, "schedule/"+c.Name, func() (float64, error) { return RunSchedule(c) }) {
			ran++
		}
	}
	t.Logf("%d of %d schedules run", ran, len(o.Schedules))
	eachDevice(t, func(t *testing.T, dev *device.Device) {
		ran := 0
		for _, c := range o.Optimizers {
			if report(t, c.Name, func() (float64, error) { return s.RunTraining(dev, c) }) {
				ran++
			}
		}
		report(t, "clip_grad_norm", func() (float64, error) { return s.RunClip(dev) })
		t.Logf("optim on %s: %d of %d optimizers run", dev.Name(), ran, len(o.Optimizers))
		if _, own := fixtureDir(); ran == 0 && !own {
			t.Error("no optimizer could be run")
		}
	})
}

// large models take minutes in the reference interpreter and on software GPUs.
// Of what is in between, the interpreter runs the first step only.
var (
	large = []string{"resnet18_cifar", "efficientnet_b0"}
	wide  = []string{"cnn_mnist"}
)

func TestFixtureModels(t *testing.T) {
	s := load(t, "models")
	models, err := s.Models()
	if err != nil {
		t.Fatal(err)
	}
	eachDevice(t, func(t *testing.T, dev *device.Device) {
		ran := 0
		for _, m := range models {
			if dev.Kind() != "cpu" && slices.Contains(large, m.Name) && os.Getenv("WEFT_LARGE") == "" {
				t.Logf("%s not run on %s, which may take minutes; WEFT_LARGE=1 runs it", m.Name, dev.Name())
				continue
			}
			if dev.Kind() == "reference" && slices.Contains(wide, m.Name) {
				m.Losses, m.Eval = m.Losses[:1], ""
			}
			if report(t, m.Name, func() (float64, error) { return s.RunModel(dev, m) }) {
				ran++
			}
		}
		t.Logf("models on %s: %d of %d run", dev.Name(), ran, len(models))
		if _, own := fixtureDir(); ran == 0 && !own {
			t.Error("no model could be run")
		}
	})
}

func TestUnknownOperatorIsReported(t *testing.T) {
	_, err := (&Set{}).Run(device.CPU(), Case{Op: "frobnicate"})
	if !errors.Is(err, ErrUnknown) || !strings.Contains(err.Error(), "frobnicate") {
		t.Error(err)
	}
}

func TestToleranceCatches(t *testing.T) {
	ref := []float32{1, 2, 0}
	for _, c := range []struct {
		tol  Tolerance
		out  []float32
		good bool
	}{
		{pointwise, []float32{1.00019, 2, 0}, true},
		{pointwise, []float32{1.00021, 2, 0}, false},
		{pointwise, []float32{1, 2, 0.00011}, false},
		{summed, []float32{1.00002, 2, 0}, true},
		{summed, []float32{1.00003, 2, 0}, false},
		{summed, []float32{1, 2}, false},
		{summed, []float32{1, 2, float32nan()}, false},
	} {
		if e := c.tol.Excess(c.out, ref); (e <= 1) != c.good {
			t.Errorf("%v for %v: %g of the tolerance", c.tol, c.out, e)
		}
	}
}

func float32nan() float32 {
	var zero float32
	return zero / zero
}
