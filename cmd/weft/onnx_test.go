package main

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weft-ml/weft/data/synthetic"
	"github.com/weft-ml/weft/format/onnx"
	"github.com/weft-ml/weft/nn"
	"github.com/weft-ml/weft/tensor"
	"github.com/weft-ml/weft/train"
)

// writeCNN writes a model file of the recipe mnist-cnn with fresh weights.
func writeCNN(t *testing.T, path string) {
	t.Helper()
	r, err := train.Find("mnist-cnn")
	if err != nil {
		t.Fatal(err)
	}
	var classes []string
	for i := range 10 {
		classes = append(classes, fmt.Sprint(i))
	}
	pre := train.Preprocessing{Channels: 1, Height: 28, Width: 28, Scale: 1.0 / 255, Mean: []float32{0.13}, Std: []float32{0.31}}
	m, err := r.Build(train.Spec{Channels: 1, Height: 28, Width: 28, Classes: 10, Options: r.Options, Seed: 3})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range nn.Params(m) { // batch norm that does something
		if strings.HasSuffix(p.Name, "running_var") {
			if err := p.Value.Set(nn.NewRNG(1).Uniform(p.Value.Len(), 0.5, 2)); err != nil {
				t.Fatal(err)
			}
		}
	}
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	info := train.Info{Recipe: r.Name, Options: r.Options, Preprocessing: pre, Classes: classes}
	if err := train.WriteModel(f, m, info); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// A network leaves as ONNX, comes back, and leaves again, with each option.
func TestONNXThereAndBack(t *testing.T) {
	dir := t.TempDir()
	writeCNN(t, filepath.Join(dir, "cnn.safetensors"))
	for _, line := range []string{
		"export onnx mnist-mlp --verify",
		"export onnx cnn.safetensors -o cnn.onnx --verify",
		"export onnx cnn.safetensors -o small.onnx --fold-bn --f16 --external --verify",
		"export onnx cnn.safetensors -o bytes.onnx --preprocess --layout nhwc --softmax --verify",
		"export onnx cnn.safetensors -o two.onnx --batch 2 --input-name digits --output-name scores --verify",
		"import onnx cnn.onnx -o back.safetensors",
		"export onnx back.safetensors -o again.onnx --verify",
		"export safetensors back.safetensors -o weights.safetensors --verify",
		"inspect back.safetensors --plan --forward --batch 1",
	} {
		code, stdout, stderr := weft(t, dir, append(strings.Fields(line), "--json")...)
		if code != 0 {
			t.Fatalf("weft %s: exit code %d\n%s", line, code, stderr)
		}
		v := last(t, stdout)
		switch {
		case strings.Contains(line, "--verify") && !(v["difference"].(float64) < 1e-5):
			t.Errorf("weft %s: %v", line, v)
		case strings.HasPrefix(line, "import") && (v["parameters"] != 87850.0 || v["classes"] != 10.0):
			t.Errorf("weft %s: %v", line, v)
		}
		if strings.Contains(line, "again.onnx") {
			if ops := v["operators"].(map[string]any); ops["BatchNormalization"] != 2.0 || ops["MaxPool"] != 2.0 || ops["Conv"] != 4.0 {
				t.Errorf("after coming back: %v", ops)
			}
		}
	}
	a, err := os.Stat(filepath.Join(dir, "small.onnx"))
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.Stat(filepath.Join(dir, "small.onnx.data"))
	if err != nil {
		t.Fatal(err)
	}
	if a.Size() > 20_000 || b.Size() > 190_000 {
		t.Errorf("%d and %d bytes", a.Size(), b.Size())
	}
}

// A model that takes bytes, and returns probabilities, answers as the one that it
// was made of.
func TestPredictImportedBytes(t *testing.T) {
	dir := t.TempDir()
	writePNG(t, filepath.Join(dir, "digit.png"), synthetic.Digits(1, 4).Image(0))
	for _, line := range []string{
		"export onnx mnist-cnn -o plain.onnx", "import onnx plain.onnx",
		"export onnx mnist-cnn -o bytes.onnx --preprocess --softmax", "import onnx bytes.onnx",
		"export onnx mnist-cnn -o two.onnx --batch 2", "import onnx two.onnx",
	} {
		code, _, stderr := weft(t, dir, strings.Fields(line)...)
		if code != 0 || strings.Contains(line, "import onnx two") != strings.Contains(stderr, "exactly 2 samples") {
			t.Fatalf("weft %s: exit code %d\n%s", line, code, stderr)
		}
	}
	var want []any
	for _, name := range []string{"plain", "bytes"} {
		code, stdout, stderr := weft(t, dir, "predict", "digit.png", "--device", "cpu", "--json", "--model", name+".weft.safetensors")
		if code != 0 {
			t.Fatalf("%s: exit code %d\n%s", name, code, stderr)
		}
		probs := last(t, stdout)["probabilities"].([]any)
		for i, p := range want {
			if d := p.(float64) - probs[i].(float64); d > 1e-4 || d < -1e-4 {
				t.Errorf("%s: %v, want %v", name, probs, want)
			}
		}
		want = probs
	}
	code, _, stderr := weft(t, dir, "predict", "digit.png", "--device", "cpu", "--model", "two.weft.safetensors")
	if code != exitFailure || strings.Contains(stderr, ".go:") || !strings.Contains(stderr, "takes [2 1 28 28]") {
		t.Errorf("exit code %d\n%s", code, stderr)
	}
}

// reader reads eight tokens with one head of causal attention.
type reader struct {
	Tokens *tensor.Tensor
	Head   *nn.Linear
}

func (r *reader) Forward(x *tensor.Tensor) *tensor.Tensor {
	y := r.Tokens.Embedding(x)
	scores := y.MatMul(y.Transpose(1, 2))
	seen := tensor.Full(1, 8, 8).Tril(0).EqScalar(1)
	y = tensor.Where(seen, scores, tensor.Scalar(math.Inf(-1))).Softmax(-1).MatMul(y)
	return r.Head.Forward(y.Mean(1))
}

// A network that reads no pictures goes through the same commands.
func TestImportTokens(t *testing.T) {
	dir := t.TempDir()
	rng := nn.NewRNG(1)
	m := &reader{tensor.NewVariable("tokens", rng.Normal(20*4, 0, 1), 20, 4), nn.NewLinear(rng, 4, 3, nn.LinearOptions{})}
	file, err := onnx.Export(func(_ *tensor.Trace, in []*tensor.Tensor) []*tensor.Tensor { return []*tensor.Tensor{m.Forward(in[0])} }, onnx.ExportOptions{
		Inputs: []onnx.Input{{Name: "tokens", Shape: []int{onnx.Batch, 8}, DType: tensor.Int32}}, Params: nn.Params(m),
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := file.WriteFile(filepath.Join(dir, "reader.onnx"), false); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		"import onnx reader.onnx", "summary reader.weft.safetensors", "inspect reader.weft.safetensors", "inspect reader.weft.safetensors --plan",
		"export onnx reader.weft.safetensors -o again.onnx --verify", "export safetensors reader.weft.safetensors -o weights.safetensors --verify",
		"export web reader.weft.safetensors -o web",
	} {
		code, stdout, stderr := weft(t, dir, append(strings.Fields(line), "--json")...)
		if code != 0 {
			t.Fatalf("weft %s: exit code %d\n%s", line, code, stderr)
		}
		if v := last(t, stdout); strings.HasPrefix(line, "summary") && v["parameters"] != 95.0 {
			t.Errorf("weft %s: %v", line, v)
		}
	}
}

// What came in as ONNX is trained on, and the result is tested and leaves in every
// form, as a run's of a network of our own.
func TestFineTuneImported(t *testing.T) {
	dir := t.TempDir()
	weftLine := func(line string) map[string]any {
		t.Helper()
		code, stdout, stderr := weft(t, dir, append(strings.Fields(line), "--json")...)
		if code != 0 {
			t.Fatalf("weft %s: exit code %d\n%s", line, code, stderr)
		}
		return last(t, stdout)
	}
	weftLine("export onnx mnist-mlp -o mlp.onnx")
	weftLine("import onnx mlp.onnx")
	// The built-in network has not seen the synthetic digits.
	before := weftLine("eval mlp.weft.safetensors --data synthetic --device cpu")["test_accuracy"].(float64)
	res := weftLine("train --from mlp.weft.safetensors --data synthetic --batch 128 --device cpu")
	after := res["test_accuracy"].(float64)
	if !(after > before+0.01) {
		t.Errorf("accuracy %v before, %v after", before, after)
	}
	run := res["run"].(string)
	// A finished run that is resumed tests the weights of its checkpoint.
	if again := weftLine("train --device cpu --resume " + run)["test_accuracy"]; again != after {
		t.Errorf("accuracy %v when resumed, was %v", again, after)
	}
	for _, line := range []string{"export onnx " + run + " -o again.onnx --verify", "export safetensors " + run + " -o weights.safetensors --verify", "export web " + run + " -o web --no-page"} {
		if v := weftLine(line); strings.HasPrefix(line, "export onnx") && !(v["difference"].(float64) < 1e-5) {
			t.Errorf("weft %s: %v", line, v)
		}
	}
	for _, c := range []struct {
		line, says string
		code       int
	}{
		{"train --from mlp.weft.safetensors --resume " + run, "exclude each other", exitUsage},
		{"train mnist-cnn --from mlp.weft.safetensors", "knows its network", exitUsage},
		{"train --from none", "--from takes", exitFailure},
		{"train --from weights.safetensors", "weft import safetensors", exitFailure},
	} {
		code, _, stderr := weft(t, dir, strings.Fields(c.line)...)
		if code != c.code || !strings.Contains(stderr, c.says) {
			t.Errorf("weft %s: exit code %d\n%s", c.line, code, stderr)
		}
	}
	weftLine("export onnx mnist-mlp --softmax -o soft.onnx")
	weftLine("import onnx soft.onnx")
	if code, _, stderr := weft(t, dir, "train", "--from", "soft.weft.safetensors", "--data", "synthetic", "--device", "cpu"); code != exitFailure || !strings.Contains(stderr, "ends with Softmax") {
		t.Errorf("exit code %d\n%s", code, stderr)
	}
}

// A network that was put together in the lab is trained further by the command.
func TestFineTuneLayers(t *testing.T) {
	dir := t.TempDir()
	r, err := train.Find("layers")
	if err != nil {
		t.Fatal(err)
	}
	set := synthetic.Digits(10, 1)
	info := train.Info{Recipe: r.Name, Options: r.Options, Preprocessing: train.PreprocessingOf(set), Classes: set.Classes,
		Layers: []train.Layer{{Type: "linear", Units: 12}, {Type: "tanh"}, {Type: "linear", Units: 10}}}
	m, err := r.Build(train.Spec{Channels: 1, Height: 28, Width: 28, Classes: 10, Layers: info.Layers})
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(filepath.Join(dir, "lab.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(train.WriteModel(f, m, info), f.Close()); err != nil {
		t.Fatal(err)
	}
	code, stdout, stderr := weft(t, dir, strings.Fields("train --from lab.safetensors --data synthetic --device cpu --epochs 1 --batch 128 --lr 0.1 --json")...)
	if code != 0 || !strings.Contains(stderr, "beginning with the weights of lab.safetensors") {
		t.Fatalf("exit code %d\n%s", code, stderr)
	}
	res := last(t, stdout)
	if acc := res["test_accuracy"].(float64); acc < 0.7 {
		t.Errorf("test accuracy %v", acc)
	}
	code, stdout, stderr = weft(t, dir, "train", "--resume", res["run"].(string), "--device", "cpu", "--json")
	if code != 0 || last(t, stdout)["test_accuracy"] != res["test_accuracy"] {
		t.Errorf("exit code %d, %s\n%s", code, stdout, stderr)
	}
}

func TestONNXFailures(t *testing.T) {
	dir := t.TempDir()
	os.WriteFile(filepath.Join(dir, "text.onnx"), []byte("this is no model"), 0o644)
	for _, c := range []struct {
		line, says string
		code       int
	}{
		{"export onnx nothing", "no file", exitFailure},
		{"export onnx mnist-mlp --layout nhwc", "--preprocess", exitUsage},
		{"export onnx mnist-mlp --layout chw", "nchw or nhwc", exitUsage},
		{"export onnx mnist-mlp --batch -1", "batch", exitUsage},
		{"export onnx mnist-mlp -o no/such/folder/x.onnx", "-o", exitFailure},
		{"import onnx text.onnx", "not a valid ONNX model", exitFailure},
		{"import onnx nothing.onnx", "no such file", exitFailure},
		{"import onnx text.onnx --input x=1,2,a", "is no size", exitUsage},
		{"import caffe x", "no format", exitUsage},
	} {
		code, _, stderr := weft(t, dir, strings.Fields(c.line)...)
		if lines := strings.Split(strings.TrimRight(stderr, "\n"), "\n"); code != c.code || !strings.Contains(stderr, c.says) || len(lines) > 2 {
			t.Errorf("weft %s: exit code %d\n%s", c.line, code, stderr)
		}
	}
}
