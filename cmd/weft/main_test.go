package main

import (
	"bytes"
	"context"
	"encoding/json"
	"image/png"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"github.com/weft-ml/weft/data/synthetic"
	"github.com/weft-ml/weft/train"
)

// weft runs a command line in a folder of its own, with no data on the machine
// and none to be had.
func weft(t *testing.T, dir string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	t.Chdir(dir)
	t.Setenv("WEFT_DATA", "")
	t.Setenv("WEFT_CACHE", filepath.Join(dir, "cache"))
	// Downloads fail at once, on any machine.
	t.Setenv("HTTP_PROXY", "http://127.0.0.1:1")
	t.Setenv("HTTPS_PROXY", "http://127.0.0.1:1")
	var out, errs bytes.Buffer
	code = run(context.Background(), args, &out, &errs)
	return code, out.String(), errs.String()
}

// last is the JSON object in the last line.
func last(t *testing.T, stdout string) map[string]any {
	t.Helper()
	lines := strings.Split(strings.TrimRight(stdout, "\n"), "\n")
	var v map[string]any
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &v); err != nil {
		t.Fatalf("the last line is no JSON object: %v\n%s", err, stdout)
	}
	return v
}

func TestUsageErrors(t *testing.T) {
	dir := t.TempDir()
	for _, args := range []string{
		"nonsense", "train", "train nope", "train mnist-mlp --lrr 1", "train mnist-mlp --lr x", "train mnist-mlp --lr -1",
		"train mnist-mlp --batch 0", "train mnist-mlp --precision half", "train mnist-mlp --preset nope", "train mnist-mlp --save-every often", "train a b",
		"train mnist-mlp --data nope", "eval", "predict", "data show", "data nope", "data show synthetic --rows 0", "bench more",
		"train mnist-mlp --batch 3 --accumulate 6148914691236517206",
		"train mnist-mlp --accumulate 9223372036854775807 --epochs 4", "train mnist-mlp --epochs 2000000000", "train mnist-mlp --lr NaN",
		"train mnist-mlp --save-every -5", "train mnist-mlp --save-every 99999999999", "train mnist-mlp --max-time -1s", "bench --seconds NaN", "bench --seconds -1",
		"data show synthetic --rows 4294967296 --cols 4294967296", "summary resnet20 --batch 9223372036854775807", "summary resnet20 --batch 0",
		"inspect mnist-mlp --batch -1", "inspect mnist-mlp --precision int8", "export onnx mnist-mlp --batch -1", "export web mnist-mlp --batch 0",
		"import safetensors x --model resnet18 -o y --classes -1", "predict x.png --top -1",
	} {
		code, _, stderr := weft(t, dir, strings.Fields(args)...)
		lines := strings.Split(strings.TrimRight(stderr, "\n"), "\n")
		if code != exitUsage || len(lines) != 2 || !strings.HasPrefix(lines[0], "weft: ") {
			t.Errorf("weft %s: exit code %d\n%s", args, code, stderr)
		}
	}
}

// TestSenselessOptions: what needs the data's size to be refused, and several
// mistakes at once.
func TestSenselessOptions(t *testing.T) {
	for args, want := range map[string]string{
		"--crop 1000":   "want at most 27",
		"--cutout 28":   "want at most 27",
		"--batch 70000": "fewer than the 70000 of one update",
		"--batch 4294967296 --accumulate 4294967296": "accumulate: 4294967296, want 1 to",
		"--epochs 1000000 --batch 1":                 "want at most 2147483647 updates",
	} {
		dir := t.TempDir()
		code, _, stderr := weft(t, dir, strings.Fields("train mnist-mlp --data synthetic --device cpu "+args)...)
		if entries, _ := os.ReadDir(filepath.Join(dir, "runs")); code != exitUsage || !strings.Contains(stderr, want) || len(entries) > 0 {
			t.Errorf("%s: exit code %d, %d run folders\n%s", args, code, len(entries), stderr)
		}
	}
}

// TestOptionsHaveFlags: what a checkpoint says of a run can be said on a command
// line.
func TestOptionsHaveFlags(t *testing.T) {
	f := trainFlags{}
	s := pflag.NewFlagSet("", pflag.ContinueOnError)
	f.optionFlags(s)
	names := map[string]bool{}
	var collect func(typ reflect.Type)
	collect = func(typ reflect.Type) {
		for i := range typ.NumField() {
			if field := typ.Field(i); field.Type.Kind() == reflect.Struct {
				collect(field.Type)
			} else {
				name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
				names[strings.ReplaceAll(name, "_", "-")] = true
			}
		}
	}
	collect(reflect.TypeFor[train.Options]())
	for name := range names {
		if s.Lookup(name) == nil {
			t.Errorf("no --%s", name)
		}
	}
	s.VisitAll(func(p *pflag.Flag) {
		if !names[p.Name] {
			t.Errorf("--%s is no option", p.Name)
		}
	})
}

func TestFailures(t *testing.T) {
	dir := t.TempDir()
	os.WriteFile(filepath.Join(dir, "text.png"), []byte("this is no picture"), 0o644)
	os.WriteFile(filepath.Join(dir, "bad.safetensors"), []byte("{}"), 0o644)
	for _, c := range []struct{ args, want string }{
		{"predict none.png", "none.png"},
		{"predict text.png", "PNG, JPEG or WebP"},
		{"eval none", "none"},
		{"eval bad.safetensors", "bad.safetensors"},
		{"inspect none", "recipe"},
		{"summary resnet20 --input 4x32x32", "does not take inputs of [4 32 32]"},
		{"train --resume none", "cannot resume"},
		{"train mnist-mlp --device cpu --data synthetic --out text.png/sub", "--out"},
		{"train mnist-mlp --device abacus --data synthetic", "abacus"},
		{"train mnist-mlp --device cpu:9 --data synthetic", "only webgpu takes a name"},
	} {
		code, _, stderr := weft(t, dir, strings.Fields(c.args)...)
		if code != exitFailure || !strings.Contains(stderr, c.want) || strings.Contains(stderr, "Usage:") {
			t.Errorf("weft %s: exit code %d, want %q in\n%s", c.args, code, c.want, stderr)
		}
	}
}

// TestNoMNIST asks for MNIST where there is none.
func TestNoMNIST(t *testing.T) {
	code, _, stderr := weft(t, t.TempDir(), "train", "mnist-mlp", "--data", "mnist")
	if code != exitFailure || !strings.Contains(stderr, "WEFT_DATA") || !strings.Contains(stderr, "--data synthetic") {
		t.Errorf("exit code %d\n%s", code, stderr)
	}
}

// TestTrain goes through the commands as a user would, where MNIST can not be
// had.
func TestTrain(t *testing.T) {
	dir := t.TempDir()
	code, stdout, stderr := weft(t, dir, "train", "mnist-mlp", "--device", "cpu", "--epochs", "1", "--batch", "256", "--shift", "0", "--rotate", "0", "--scale", "0", "--json")
	if code != 0 {
		t.Fatalf("exit code %d\n%s", code, stderr)
	}
	if !strings.Contains(stderr, "going on with synthetic digits") {
		t.Errorf("not said that the data is synthetic:\n%s", stderr)
	}
	if n := strings.Count(stdout, "\n"); n != 1 {
		t.Errorf("%d lines beside the JSON object", n-1)
	}
	res := last(t, stdout)
	runDir, _ := res["run"].(string)
	if acc, _ := res["test_accuracy"].(float64); acc < 0.8 {
		t.Errorf("test accuracy %v", res["test_accuracy"])
	}
	if s, _ := res["steps_per_s"].(float64); s <= 0 {
		t.Errorf("steps_per_s %v", res["steps_per_s"])
	}
	for _, name := range []string{
		train.ModelFile, train.LastFile, train.ConfigFile, train.EpochsFile, train.EpochsCSVFile, train.StepsFile,
		"loss.svg", "loss.png", "accuracy.svg", "accuracy.png", "confusion.csv", "confusion.txt",
	} {
		if st, err := os.Stat(filepath.Join(runDir, name)); err != nil || st.Size() == 0 {
			t.Errorf("%s: %v", name, err)
		}
	}

	code, stdout, stderr = weft(t, dir, "eval", runDir, "--device", "cpu", "--json")
	if e := last(t, stdout); code != 0 || e["test_accuracy"] != res["test_accuracy"] {
		t.Errorf("eval: exit code %d, accuracy %v, want %v\n%s", code, e["test_accuracy"], res["test_accuracy"], stderr)
	}

	// A picture of a digit: black on white, as one would draw it.
	digits := synthetic.Digits(8, 77)
	writePNG(t, filepath.Join(dir, "seven.png"), digits.Image(7))
	code, stdout, stderr = weft(t, dir, "predict", "seven.png", "--device", "cpu", "--json")
	p := last(t, stdout)
	if code != 0 || p["class"] != "7" {
		t.Errorf("predict: exit code %d, %v\n%s", code, p, stderr)
	}
	if probs, _ := p["probabilities"].([]any); len(probs) != 10 {
		t.Errorf("%d probabilities", len(probs))
	}

	code, stdout, _ = weft(t, dir, "inspect", runDir)
	if code != 0 || !strings.Contains(stdout, "1.weight") || !strings.Contains(stdout, "synthetic") {
		t.Errorf("inspect: exit code %d\n%s", code, stdout)
	}
	// A finished run can be resumed, which does nothing but test again.
	code, stdout, stderr = weft(t, dir, "train", "--resume", runDir, "--device", "cpu", "--json")
	if r := last(t, stdout); code != 0 || r["test_accuracy"] != res["test_accuracy"] {
		t.Errorf("resume: exit code %d, %v\n%s", code, r, stderr)
	}
	code, _, stderr = weft(t, dir, "train", "--resume", runDir, "--lr", "1")
	if code != exitUsage || !strings.Contains(stderr, "--lr") {
		t.Errorf("resume with other options: exit code %d\n%s", code, stderr)
	}
}

func TestInspectPlan(t *testing.T) {
	for _, c := range []struct {
		args    string
		kernels float64
	}{{"inspect mnist-mlp --preset seed --plan --json", 12}, {"inspect mnist-mlp --preset seed --forward --json", 4}} {
		code, stdout, stderr := weft(t, t.TempDir(), strings.Fields(c.args)...)
		v := last(t, stdout)
		if n, _ := v["kernels"].(float64); code != 0 || n < 1 || n > c.kernels {
			t.Errorf("%s: exit code %d, %v kernels, want at most %v", c.args, code, v["kernels"], c.kernels)
		}
		for _, want := range []string{"plan:", "kernel 0", "buffer 0", "peak"} {
			if !strings.Contains(stderr, want) {
				t.Errorf("%s: no %q", c.args, want)
			}
		}
		if v["parameters"] != 101770.0 {
			t.Errorf("%v parameters", v["parameters"])
		}
	}
}

func TestInspectMixedPlan(t *testing.T) {
	for _, c := range []struct {
		precision string
		halves    bool
	}{{"float32", false}, {"mixed", true}} {
		code, stdout, _ := weft(t, t.TempDir(), strings.Fields("inspect mnist-cnn --plan --batch 64 --precision "+c.precision)...)
		if got := strings.Contains(stdout, "temp   f16["); code != 0 || got != c.halves {
			t.Errorf("%s: exit code %d, float16 temporaries %v", c.precision, code, got)
		}
	}
}

func TestDataShow(t *testing.T) {
	dir := t.TempDir()
	code, stdout, stderr := weft(t, dir, "data", "show", "synthetic", "--rows", "2", "--cols", "5", "--json")
	if code != 0 {
		t.Fatalf("exit code %d\n%s", code, stderr)
	}
	f, err := os.Open(filepath.Join(dir, last(t, stdout)["file"].(string)))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := png.DecodeConfig(f); err != nil {
		t.Error(err)
	}
}

// TestInterrupted ends before it begins, as after an early Ctrl-C.
func TestInterrupted(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	var out, errs bytes.Buffer
	code := run(ctx, []string{"train", "mnist-mlp", "--data", "synthetic", "--device", "cpu"}, &out, &errs)
	if code != exitInterrupted || !strings.Contains(errs.String(), "weft train --resume runs/") {
		t.Errorf("exit code %d\n%s", code, errs.String())
	}
	if strings.Contains(errs.String(), "Usage:") {
		t.Error("the usage was printed")
	}
}

func TestHelp(t *testing.T) {
	for _, c := range (&app{}).root().Commands() {
		if c.Example == "" && c.Name() != "help" && c.Name() != "completion" {
			t.Errorf("weft %s --help has no examples", c.Name())
		}
	}
}
