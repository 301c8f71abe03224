package main

import (
	"image"
	"image/color"
	"image/jpeg"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	format "github.com/weft-ml/weft/format/web"
	"github.com/weft-ml/weft/nn"
	"github.com/weft-ml/weft/train"
	"github.com/weft-ml/weft/zoo"
)

// writeModel writes a model's file.
func writeModel(t *testing.T, path string, m nn.Module, info train.Info) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := train.WriteModel(f, m, info); err != nil {
		t.Fatal(err)
	}
}

// writeColour writes a JPEG picture of one colour.
func writeColour(t *testing.T, path string, c color.Color) {
	t.Helper()
	img := image.NewRGBA(image.Rect(0, 0, 90, 60))
	for i := range 90 * 60 {
		img.Set(i%90, i/90, c)
	}
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := jpeg.Encode(f, img, nil); err != nil {
		t.Fatal(err)
	}
}

// TestPredictPhoto asks a network that knows colours: each class is the mean of a
// channel of its input.
func TestPredictPhoto(t *testing.T) {
	dir := t.TempDir()
	layers := []train.Layer{{Type: "avgpool", Kernel: 8}, {Type: "flatten"}, {Type: "linear", Units: 3}}
	m, err := train.BuildLayers(train.Spec{Channels: 3, Height: 8, Width: 8, Classes: 3, Layers: layers})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range nn.Params(m) {
		v := make([]float32, p.Value.Len())
		if p.Value.Dims() == 2 {
			v[0], v[4], v[8] = 4, 4, 4
		}
		if err := p.Value.Set(v); err != nil {
			t.Fatal(err)
		}
	}
	r, err := train.Find("layers")
	if err != nil {
		t.Fatal(err)
	}
	writeModel(t, filepath.Join(dir, "colours.safetensors"), m, train.Info{
		Recipe: r.Name, Options: r.Options, Layers: layers, Classes: []string{"red", "green", "blue"},
		Preprocessing: train.Preprocessing{Channels: 3, Height: 8, Width: 8, Scale: 1.0 / 255, Mean: []float32{0.5, 0.5, 0.5}, Std: []float32{0.5, 0.5, 0.5}, Resize: 10},
	})
	writeColour(t, filepath.Join(dir, "photo.jpg"), color.RGBA{0, 255, 1, 255})
	code, stdout, stderr := weft(t, dir, "predict", "photo.jpg", "--model", "colours.safetensors", "--device", "cpu", "--json", "--top", "2")
	if code != 0 {
		t.Fatalf("exit code %d\n%s", code, stderr)
	}
	res := last(t, stdout)
	// Inputs are -1, 1, -1: the softmax of -4, 4, -4.
	want := 1 / (1 + 2*math.Exp(-8))
	if p := res["probability"].(float64); res["class"] != "green" || math.Abs(p-want) > 1e-4 || len(res["top"].([]any)) != 2 {
		t.Errorf("%v, want probability %g", res, want)
	}
	if !strings.Contains(stderr, "the middle 8x8 of the picture resized to 10") {
		t.Errorf("what became of the picture is not said:\n%s", stderr)
	}
	// Where the picture is resized to is part of the model wherever it goes.
	for _, line := range []string{
		"export web colours.safetensors -o page", "export onnx colours.safetensors -o colours.onnx",
		"import onnx colours.onnx", "export web colours.weft.safetensors -o page2", "export web colours.safetensors -o page3 --resize 12",
	} {
		if code, _, stderr := weft(t, dir, strings.Fields(line)...); code != 0 {
			t.Fatalf("weft %s: exit code %d\n%s", line, code, stderr)
		}
	}
	for folder, want := range map[string]int{"page": 10, "page2": 10, "page3": 12} {
		b, err := os.ReadFile(filepath.Join(dir, folder, format.PlanFile))
		if err != nil {
			t.Fatal(err)
		}
		if p, err := format.ReadPlan(b); err != nil || p.Input.Resize != want {
			t.Errorf("%s: %v, %+v", folder, err, p.Input)
		}
	}
	for _, c := range []struct {
		line, says string
		code       int
	}{
		{"export web colours.safetensors -o page4 --resize 5", "--resize takes", exitUsage},
		{"export safetensors colours.safetensors -o colours.safetensors", "would be overwritten", exitUsage},
		{"export onnx colours.safetensors -o colours.safetensors", "would be overwritten", exitUsage},
		{"eval colours.safetensors", "--data", exitUsage},
		{"inspect colours.onnx", "weft import onnx colours.onnx", exitFailure},
		{"predict photo.jpg --model colours.onnx", "weft import onnx colours.onnx", exitFailure},
		{"predict . --model colours.safetensors", "PNG, JPEG or WebP", exitFailure},
		{"predict photo.jpg --model colours.safetensors --top -1", "1 or more", exitUsage},
		{"import onnx colours.safetensors", "weft import safetensors", exitFailure},
		{"import onnx colours.onnx --normalize grey", "imagenet, unit", exitUsage},
		{"import onnx colours.onnx --resize 3 -o x.safetensors", "--resize takes", exitUsage},
		{"import safetensors colours.onnx --model resnet20 -o x.safetensors", "weft import onnx", exitFailure},
		{"train layers", "recipes: ", exitUsage},
		{"train onnx", "recipes: ", exitUsage},
	} {
		code, _, stderr := weft(t, dir, strings.Fields(c.line)...)
		if lines := strings.Count(stderr, "\n"); code != c.code || !strings.Contains(stderr, c.says) || lines > 2 {
			t.Errorf("weft %s: exit code %d\n%s", c.line, code, stderr)
		}
	}
	if code, _, stderr := weft(t, dir, "export", "safetensors", "colours.safetensors", "-o", "bare.safetensors"); code != 0 {
		t.Fatal(stderr)
	}
	if code, _, stderr := weft(t, dir, "predict", "photo.jpg", "--model", "bare.safetensors"); code != exitFailure || !strings.Contains(stderr, "weft import safetensors bare.safetensors") {
		t.Errorf("exit code %d\n%s", code, stderr)
	}
}

// Networks for ImageNet resize to 256, whichever way their weights came.
func TestImportedResize(t *testing.T) {
	dir := t.TempDir()
	writeModel(t, filepath.Join(dir, "squeeze.safetensors"), zoo.SqueezeNet1_1(nn.NewRNG(1), 4), train.Info{
		Recipe: "squeezenet1_1", Options: mustFind(t, "squeezenet1_1").Options, Classes: []string{"a", "b", "c", "d"},
		Preprocessing: train.Preprocessing{Channels: 3, Height: 224, Width: 224, Scale: 1, Mean: make([]float32, 3), Std: []float32{1, 1, 1}},
	})
	for _, line := range []string{
		"export safetensors squeeze.safetensors -o weights.safetensors",
		"import safetensors weights.safetensors --model squeezenet1_1 --classes 4 -o a.safetensors",
		"export onnx squeeze.safetensors -o squeeze.onnx",
		"import onnx squeeze.onnx --normalize imagenet -o b.safetensors",
		"import onnx squeeze.onnx -o c.safetensors",
		"import onnx squeeze.onnx --resize 0 --normalize unit -o d.safetensors",
	} {
		if code, _, stderr := weft(t, dir, strings.Fields(line)...); code != 0 {
			t.Fatalf("weft %s: exit code %d\n%s", line, code, stderr)
		}
	}
	for name, want := range map[string]int{"a": 256, "b": 256, "c": 0, "d": 0} {
		info, err := train.ReadInfo(filepath.Join(dir, name+".safetensors"))
		if err != nil || info.Preprocessing.Resize != want {
			t.Errorf("%s: %v, %+v", name, err, info)
		}
	}
}

func mustFind(t *testing.T, recipe string) *train.Recipe {
	t.Helper()
	r, err := train.Find(recipe)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestSoftmax(t *testing.T) {
	for _, c := range []struct {
		scores []float32
		want   []float64
	}{
		{[]float32{0, 0}, []float64{0.5, 0.5}},
		{[]float32{1000, 1000 + float32(math.Log(3))}, []float64{0.25, 0.75}},
		{[]float32{0.25, 0.75}, []float64{0.25, 0.75}}, // a network that ends with softmax
		{[]float32{-0.5, 1.5}, []float64{1 / (1 + math.E*math.E), 1 / (1 + math.Exp(-2))}},
	} {
		for i, p := range softmax(c.scores) {
			if math.Abs(p-c.want[i]) > 1e-4 {
				t.Errorf("%v: %g of class %d, want %g", c.scores, p, i, c.want[i])
			}
		}
	}
}
