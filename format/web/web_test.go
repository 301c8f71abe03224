package web

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"flag"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/weft-ml/weft/format/safetensors"
	"github.com/weft-ml/weft/nn"
	"github.com/weft-ml/weft/tensor"
	"github.com/weft-ml/weft/train"
	"github.com/weft-ml/weft/zoo"
)

var update = flag.Bool("update", false, "write testdata/*.json")

func digits(side int) train.Preprocessing {
	return train.Preprocessing{Channels: 1, Height: side, Width: side, Scale: 1.0 / 255, Mean: []float32{0.5}, Std: []float32{0.25}}
}

func small() Model {
	rng := nn.NewRNG(1)
	return Model{Title: "small", Preprocessing: digits(2), Classes: []string{"no", "yes"}, Net: nn.Sequential{
		nn.Flatten{}, nn.NewLinear(rng, 4, 3, nn.LinearOptions{}), nn.ReLU{}, nn.NewLinear(rng, 3, 2, nn.LinearOptions{}),
	}}
}

func write(t *testing.T, m Model, opt Options) (map[string][]byte, *Plan) {
	t.Helper()
	files, err := Write(m, opt)
	if err != nil {
		t.Fatal(err)
	}
	byName := map[string][]byte{}
	for _, f := range files {
		byName[f.Name] = f.Data
	}
	p, err := ReadPlan(byName[PlanFile])
	if err != nil {
		t.Fatal(err)
	}
	return byName, p
}

// TestSnapshot keeps the format as it is documented: a change of it is a change
// of Version. Update the file with go test ./format/web -update.
func TestSnapshot(t *testing.T) {
	files, _ := write(t, small(), Options{Batch: 1})
	var b bytes.Buffer
	if err := json.Indent(&b, files[PlanFile], "", "  "); err != nil {
		t.Fatal(err)
	}
	// Kernels have their own snapshots.
	got := regexp.MustCompile(`"@group[^\n]*"`).ReplaceAll(b.Bytes(), []byte(`"(WGSL)"`))
	got = regexp.MustCompile(`"[0-9a-f]{64}"`).ReplaceAll(got, []byte(`"(SHA-256)"`))
	path := filepath.Join("testdata", "small.json")
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("the plan has changed:\n%s", got)
	}
}

func TestFilesAreTheSameEachTime(t *testing.T) {
	files, _ := write(t, small(), Options{})
	again, _ := write(t, small(), Options{})
	for name, b := range files {
		if !bytes.Equal(b, again[name]) {
			t.Errorf("%s is different each time", name)
		}
	}
}

// TestPlan checks that what a plan names is there, and stays within the limits
// that every device has.
func TestPlan(t *testing.T) {
	for _, c := range []struct {
		name     string
		m        Model
		programs int
	}{
		{"mlp", Model{Net: zoo.MNISTMLP(nn.NewRNG(1)), Preprocessing: digits(28)}, 4},
		{"cnn", Model{Net: zoo.MNISTCNN(nn.NewRNG(1)), Preprocessing: digits(28)}, 4},
		{"resnet18", Model{Net: zoo.ResNet18CIFAR(nn.NewRNG(1), 10), Preprocessing: train.Preprocessing{
			Channels: 3, Height: 32, Width: 32, Scale: 1, Mean: make([]float32, 3), Std: []float32{1, 1, 1}}}, 4},
	} {
		if c.name == "mlp" {
			c.m.Net = append(nn.Sequential{nn.Flatten{}}, c.m.Net.(nn.Sequential)...)
		}
		files, p := write(t, c.m, Options{})
		f, err := safetensors.Parse(bytes.NewReader(files[WeightsFile]), int64(len(files[WeightsFile])))
		if err != nil {
			t.Fatal(err)
		}
		gpu := p.Kernels.WebGPU
		if len(gpu.Programs) != c.programs {
			t.Errorf("%s: %d programs", c.name, len(gpu.Programs))
		}
		used := 0
		for _, b := range gpu.Buffers {
			if b.Tensor == "" {
				continue
			}
			used++
			if info, ok := f.Info(b.Tensor); !ok || int(info.Bytes()) > b.Size || b.Size-int(info.Bytes()) > 15 {
				t.Errorf("%s: tensor %q in a buffer of %d bytes", c.name, b.Tensor, b.Size)
			}
		}
		if used != len(f.Names()) {
			t.Errorf("%s: %d of %d tensors are used", c.name, used, len(f.Names()))
		}
		for _, s := range gpu.Shaders {
			if strings.Contains(s, "enable ") || strings.Contains(s, "subgroup") {
				t.Errorf("%s: a kernel wants an optional feature:\n%s", c.name, s)
			}
		}
		for _, prog := range gpu.Programs {
			if len(prog.Groups) != len(prog.Kernels) || len(prog.Steps) != len(prog.Kernels) {
				t.Errorf("%s: %d kernels, %d groups, %d steps", c.name, len(prog.Kernels), len(prog.Groups), len(prog.Steps))
			}
			for i, k := range prog.Kernels {
				if k.Shader >= len(gpu.Shaders) || len(k.Bindings) > 8 || len(k.Bindings) != len(prog.Groups[i].Entries) {
					t.Errorf("%s: kernel %q", c.name, k.Label)
				}
			}
			for _, g := range prog.Groups {
				for _, e := range g.Entries {
					if b := gpu.Buffers[e[0]]; e[1]%256 != 0 || e[2] > 128<<20 || e[1]+e[2] > b.Size {
						t.Errorf("%s: entry %v of a buffer of %d", c.name, e, b.Size)
					}
				}
			}
			for _, s := range prog.Steps {
				for _, n := range s.Size {
					if n < 1 || n > 65535 {
						t.Errorf("%s: %v workgroups", c.name, s.Size)
					}
				}
			}
		}
	}
}

func TestFit(t *testing.T) {
	m := small()
	if _, p := write(t, m, Options{}); p.Input.Fit != FitCrop {
		t.Error("2x2 pixels are no digit of MNIST's form")
	}
	m = Model{Net: append(nn.Sequential{nn.Flatten{}}, zoo.MNISTMLP(nn.NewRNG(1))...), Preprocessing: digits(28)}
	if _, p := write(t, m, Options{}); p.Input.Fit != FitDigit {
		t.Error("28x28 pixels are")
	}
}

func TestF16(t *testing.T) {
	m := small()
	w := nn.Params(m.Net)[0].Value
	if err := w.Set([]float32{1.0 / 3, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}); err != nil {
		t.Fatal(err)
	}
	big := nn.Params(m.Net)[2].Value
	if err := big.Set([]float32{1e6, 1, 1, 1, 1, 1}); err != nil {
		t.Fatal(err)
	}
	files, _ := write(t, m, Options{F16: true})
	f, err := safetensors.Parse(bytes.NewReader(files[WeightsFile]), int64(len(files[WeightsFile])))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]safetensors.DType{"1.weight": safetensors.F16, "1.bias": safetensors.F32, "3.weight": safetensors.F32} {
		if info, _ := f.Info(name); info.DType != want {
			t.Errorf("%s is %s, want %s", name, info.DType, want)
		}
	}
	x, _, err := f.ReadF32("1.weight")
	if err != nil || x[0] != safetensors.F16Value(safetensors.F16Bits(1.0/3)) {
		t.Errorf("%v %v", x, err)
	}
}

// TestLargeBatch: what needs too much memory for a batch gets a smaller one.
func TestLargeBatch(t *testing.T) {
	wide := func(n int) Model {
		m := small()
		m.Net = nn.Func(func(x *tensor.Tensor) *tensor.Tensor {
			return x.Flatten(1).Mean(1).Reshape(-1, 1).Mul(tensor.Full(2, 1, n))
		})
		return m
	}
	_, p := write(t, wide(1<<16), Options{Batch: 1024})
	if last := p.Kernels.WebGPU.Programs[len(p.Kernels.WebGPU.Programs)-1]; last.Batch != 512 {
		t.Errorf("a batch of %d", last.Batch)
	}
	if _, err := Write(wide(1<<26), Options{}); err == nil || !strings.Contains(err.Error(), "larger buffers") {
		t.Error(err)
	}
}

func TestWhatCannotBeExported(t *testing.T) {
	counter := tensor.NewVariable("counter", []float32{0}, 1)
	for want, f := range map[string]func(x *tensor.Tensor) *tensor.Tensor{
		"changes its variable": func(x *tensor.Tensor) *tensor.Tensor {
			return x.Flatten(1).Add(x.Trace().Assign(counter, counter.AddScalar(1)))
		},
		"random":           func(x *tensor.Tensor) *tensor.Tensor { return x.Flatten(1).Add(x.Trace().Uniform(4)) },
		"a row for":        func(x *tensor.Tensor) *tensor.Tensor { return x.Sum() },
		"inner dimensions": func(x *tensor.Tensor) *tensor.Tensor { return x.MatMul(tensor.Zeros(7, 7)) },
	} {
		m := small()
		m.Net = nn.Func(f)
		if _, err := Write(m, Options{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", want, err)
		}
	}
	for _, batch := range []int{-1, 5000} {
		if _, err := Write(small(), Options{Batch: batch}); err == nil {
			t.Errorf("a batch of %d", batch)
		}
	}
}

func TestSum(t *testing.T) {
	b := make([]byte, 300)
	for i := range b {
		b[i] = byte(i * i)
		if plainSum(b[:i]) != sha256.Sum256(b[:i]) {
			t.Fatalf("%d bytes", i)
		}
	}
}

func TestZip(t *testing.T) {
	files, err := Write(small(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	b, err := Zip(files)
	if err != nil {
		t.Fatal(err)
	}
	r, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil || len(r.File) != len(files) {
		t.Fatalf("%v, %d files", err, len(r.File))
	}
	for i, f := range r.File {
		in, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(in) // compares the sum as well
		if err != nil || f.Name != files[i].Name || !bytes.Equal(got, files[i].Data) {
			t.Errorf("%s: %v", f.Name, err)
		}
	}
}

func FuzzReadPlan(f *testing.F) {
	// Whole plans are so long that the fuzzer does nothing but shorten them.
	f.Add([]byte(`{"format":"weft-web","version":1,"input":{"shape":[1,2,2]},"output":{"shape":[2]},"kernels":{"webgpu":{"programs":[{"batch":1}]}}}`))
	f.Add([]byte("{}"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if p, err := ReadPlan(b); err == nil && (p.Version != Version || p.Kernels.WebGPU == nil) {
			t.Error("accepted")
		}
	})
}
