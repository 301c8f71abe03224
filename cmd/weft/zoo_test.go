package main

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/weft-ml/weft/format/safetensors"
	"github.com/weft-ml/weft/nn"
	"github.com/weft-ml/weft/tensor"
	"github.com/weft-ml/weft/train"
	"github.com/weft-ml/weft/zoo"
)

func TestSummary(t *testing.T) {
	dir := t.TempDir()
	code, stdout, stderr := weft(t, dir, "summary", "resnet20", "--json", "--batch", "2")
	res := last(t, stdout)
	// 40.81 million are what the ResNet paper's table and other tools count for
	// an image, of the convolutions and the last layer.
	if code != 0 || res["parameters"] != 272474.0 || res["macs"] != 2*40813184.0 {
		t.Errorf("exit code %d, %v parameters, %v MACs", code, res["parameters"], res["macs"])
	}
	if f, _ := res["flops"].(float64); f < 2*2*40813184 || f > 2.2*2*40813184 {
		t.Errorf("%v FLOPs", res["flops"])
	}
	for _, want := range []string{"layer2.0.downsample.0  Conv2d     [2 32 16 16]  512", "layer3.2.bn2           BatchNorm  [2 64 8 8]    128", "fc                     Linear     [2 10]        650"} {
		if !strings.Contains(stderr, want) {
			t.Errorf("no %q in\n%s", want, stderr)
		}
	}
	code, stdout, _ = weft(t, dir, "summary", "squeezenet1-1", "--input", "3x64x80", "--classes", "7")
	if code != 0 || !strings.Contains(stdout, "input [1 3 64 80], output [1 7]") || !strings.Contains(stdout, "features.3.expand3x3") {
		t.Errorf("exit code %d\n%s", code, stdout)
	}
	code, stdout, _ = weft(t, dir, "summary", "mnist-cnn")
	if code != 0 || !strings.Contains(stdout, "87,850 parameters") {
		t.Errorf("exit code %d\n%s", code, stdout)
	}
	for _, c := range []struct {
		args string
		code int
	}{
		{"summary", exitUsage}, {"summary resnet19", exitFailure}, {"summary resnet20 --input 3x-1", exitUsage}, {"summary resnet20 --batch 0", exitUsage},
		{"summary resnet20 --classes -3", exitUsage}, {"summary resnet20 --input 4x32x32", exitFailure},
		{"import safetensors x", exitUsage}, {"import safetensors x --model nope -o y", exitUsage}, {"import safetensors none --model resnet20 -o y", exitFailure},
		{"import safetensors x --model cifar_fast -o y", exitUsage}, {"train resnet18", exitUsage}, {"train mnist-mlp --max-time -3s", exitUsage},
		{"train cifar-fast --val-last 5 --val-fraction 0.1", exitUsage}, {"train cifar-fast --flip up", exitUsage},
	} {
		code, _, stderr := weft(t, dir, strings.Fields(c.args)...)
		if lines := strings.Split(strings.TrimRight(stderr, "\n"), "\n"); code != c.code || len(lines) < 2 || strings.Contains(stderr, "goroutine") {
			t.Errorf("weft %s: exit code %d\n%s", c.args, code, stderr)
		}
	}
}

// TestImport goes the way of somebody who comes with a state dict.
func TestImport(t *testing.T) {
	dir := t.TempDir()
	net := zoo.ResNet20(nn.NewRNG(3), 10)
	var half, other []safetensors.Tensor
	for _, p := range nn.Params(net) {
		if p.Value.DType() != tensor.Float32 {
			continue // old files lack the counters
		}
		v := p.Value.Floats()
		half = append(half, safetensors.Float16("module."+p.Name, p.Value.Shape(), v))
		if p.Name == "fc.weight" {
			other = append(other, safetensors.Float32(p.Name, []int{5, 64}, v[:320]))
		} else if p.Name != "fc.bias" {
			other = append(other, safetensors.Float32(p.Name, p.Value.Shape(), v))
		}
	}
	other = append(other, safetensors.Float32("head.bias", []int{1}, []float32{1}))
	for name, ts := range map[string][]safetensors.Tensor{"half.safetensors": half, "other.safetensors": other} {
		var b bytes.Buffer
		if err := safetensors.Write(&b, ts, nil); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	code, stdout, stderr := weft(t, dir, "import", "safetensors", "half.safetensors", "--model", "resnet20", "-o", "mine.safetensors", "--json")
	if res := last(t, stdout); code != 0 || res["loaded"] != float64(len(half)) || res["prefix"] != "module." {
		t.Fatalf("exit code %d: %s\n%s", code, stdout, stderr)
	}
	m, info, err := train.LoadModel(filepath.Join(dir, "mine.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	if info.Classes[3] != "cat" || info.Preprocessing.Height != 32 || info.Preprocessing.Mean[0] != 0.4914 {
		t.Errorf("%v, %+v", info.Classes, info.Preprocessing)
	}
	for i, p := range nn.Params(m) {
		if p.Value.DType() != tensor.Float32 {
			continue
		}
		want := nn.Params(net)[i].Value.Floats()
		for j, v := range p.Value.Floats() {
			if math.Abs(float64(v-want[j])) > 1e-3*(1e-3+math.Abs(float64(want[j]))) {
				t.Fatalf("%s[%d] is %v, want %v", p.Name, j, v, want[j])
			}
		}
	}
	if code, stdout, _ := weft(t, dir, "summary", "mine.safetensors"); code != 0 || !strings.Contains(stdout, "272,474 parameters") {
		t.Errorf("exit code %d\n%s", code, stdout)
	}
	code, stdout, stderr = weft(t, dir, "import", "safetensors", "other.safetensors", "--model", "resnet20", "-o", "no.safetensors")
	if code != exitFailure || !strings.Contains(stderr, "--partial") {
		t.Errorf("exit code %d\n%s", code, stderr)
	}
	for _, want := range []string{"1 missing in the file: fc.bias", "1 unexpected in the file: head.bias", "fc.weight is F32[5 64], want f32[10 64]"} {
		if !strings.Contains(stdout, want) {
			t.Errorf("no %q in\n%s", want, stdout)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "no.safetensors")); err == nil {
		t.Error("a model was written although the weights do not fit")
	}
	os.WriteFile(filepath.Join(dir, "names.txt"), []byte("a\nb\nc\n\n"), 0o644)
	code, _, stderr = weft(t, dir, "import", "safetensors", "other.safetensors", "--model", "resnet20", "-o", "part.safetensors", "--partial", "--class-names", "names.txt")
	if code != 0 {
		t.Fatalf("exit code %d\n%s", code, stderr)
	}
	if _, info, err = train.LoadModel(filepath.Join(dir, "part.safetensors")); err != nil || !slices.Equal(info.Classes, []string{"a", "b", "c"}) {
		t.Errorf("%v: %v", err, info)
	}
}

// TestMaxTime trains in pieces.
func TestMaxTime(t *testing.T) {
	dir := t.TempDir()
	code, _, stderr := weft(t, dir, "train", "mnist-mlp", "--device", "cpu", "--data", "synthetic", "--epochs", "500", "--max-time", "6s")
	if code != exitResume || !strings.Contains(stderr, "all of it saved") || !strings.Contains(stderr, "go on with: weft train --resume runs/") {
		t.Fatalf("exit code %d\n%s", code, stderr)
	}
	runs, _ := filepath.Glob(filepath.Join(dir, "runs", "*"))
	before, err := train.ReadInfo(filepath.Join(runs[0], train.LastFile))
	if err != nil {
		t.Fatal(err)
	}
	if code, _, stderr := weft(t, dir, "train", "--resume", runs[0], "--device", "cpu", "--max-time", "6s"); code != exitResume {
		t.Fatalf("exit code %d\n%s", code, stderr)
	}
	after, err := train.ReadInfo(filepath.Join(runs[0], train.LastFile))
	if err != nil || after.State.Step < before.State.Step {
		t.Errorf("%v: step %d after %d", err, after.State.Step, before.State.Step)
	}
}

// TestNoCIFAR10 asks for CIFAR-10 where there is none.
func TestNoCIFAR10(t *testing.T) {
	code, _, stderr := weft(t, t.TempDir(), "data", "cifar10")
	if code != exitFailure || !strings.Contains(stderr, "cifar-10-python.tar.gz") || !strings.Contains(stderr, "--data shapes") {
		t.Errorf("exit code %d\n%s", code, stderr)
	}
	dir := t.TempDir()
	if code, _, stderr := weft(t, dir, "data", "show", "shapes", "--rows", "2"); code != 0 {
		t.Errorf("exit code %d\n%s", code, stderr)
	}
	if st, err := os.Stat(filepath.Join(dir, "shapes.png")); err != nil || st.Size() < 10000 {
		t.Errorf("%v, %v", st, err)
	}
}
