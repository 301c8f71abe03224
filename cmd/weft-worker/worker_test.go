//go:build !js

package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// outcome is what drive.mjs prints.
type outcome struct {
	Init    struct{ Device, Note string }
	Model   struct{ Params int }
	Start   struct{ Kernels, Steps int }
	Paused  struct{ State string }
	Stepped struct {
		State string
		Step  int
	}
	Last struct {
		Step  int
		State string
	}
	Losses []float64
	Epochs []struct{ ValAccuracy float64 }
	View   []struct {
		Name                       string
		Activations, Weights, Bias int
	}
	Prediction struct {
		Probabilities []float64
		Activations   [][]any
	}
	Test struct {
		Accuracy         float64
		Mistakes, Pixels int
	}
	Loaded                     struct{ Steps int }
	BadFile, BadType, BadField any
	Stats                      struct{ WasmBytes, GoHeap int }
	Transferred                int
}

// drive runs the worker's WebAssembly in Node.js.
func drive(t *testing.T) (o outcome) {
	t.Helper()
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("no Node.js here")
	}
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Skip("no go command here")
	}
	wasm := filepath.Join(t.TempDir(), "weft.wasm")
	build := exec.Command("go", "build", "-o", wasm, ".")
	build.Env = append(os.Environ(), "GOOS=js", "GOARCH=wasm")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	cmd := exec.Command(node, "testdata/drive.mjs", wasm, filepath.Join(strings.TrimSpace(string(root)), "lib", "wasm", "wasm_exec.js"), "nowhere/")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, stderr.Bytes())
	}
	if err := json.Unmarshal(out, &o); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return o
}

// Messages reach the lab and its answers come back, typed arrays included.
func TestWorkerInNode(t *testing.T) {
	o := drive(t)
	if o.Init.Device != "cpu" || o.Init.Note == "" {
		t.Errorf("device %+v", o.Init)
	}
	if o.Model.Params != 784*32+32+320+10 || o.Start.Steps != 56 || o.Start.Kernels == 0 {
		t.Errorf("model %+v, start %+v", o.Model, o.Start)
	}
	if o.Paused.State != "paused" || o.Stepped.State != "paused" || o.Last.State != "done" || o.Last.Step != 56 || len(o.Losses) != 56 {
		t.Errorf("paused %+v, stepped %+v, last %+v, %d losses", o.Paused, o.Stepped, o.Last, len(o.Losses))
	}
	if o.Losses[55] >= o.Losses[0]/2 || len(o.Epochs) != 1 || !(o.Epochs[0].ValAccuracy > 0.4) {
		t.Errorf("losses from %v to %v, epochs %+v", o.Losses[0], o.Losses[55], o.Epochs)
	}
	if len(o.View) != 3 || o.View[0].Activations != 32 || o.View[0].Weights != 784*32 || o.View[2].Bias != 10 {
		t.Errorf("view %+v", o.View)
	}
	sum := 0.0
	for _, p := range o.Prediction.Probabilities {
		sum += p
	}
	if sum < 0.999 || sum > 1.001 || len(o.Prediction.Activations) != 3 {
		t.Errorf("prediction %+v", o.Prediction)
	}
	if o.Test.Accuracy < 0.4 || o.Test.Mistakes == 0 || o.Test.Pixels != 784 || o.Loaded.Steps != 56 {
		t.Errorf("test %+v, loaded %+v", o.Test, o.Loaded)
	}
	for what, got := range map[string]any{"file": o.BadFile, "type": o.BadType, "field": o.BadField} {
		if got == "no error" {
			t.Errorf("a bad %s was accepted", what)
		}
	}
	if o.Stats.WasmBytes == 0 || o.Stats.GoHeap == 0 || o.Transferred == 0 {
		t.Errorf("stats %+v, %d arrays transferred at most", o.Stats, o.Transferred)
	}
}
