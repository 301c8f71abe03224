package onnx

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestExternalLinks puts a link out of the model's folder, and a pipe, in the place
// of its weights.
func TestExternalLinks(t *testing.T) {
	dir, outside := t.TempDir(), t.TempDir()
	w := &tensorProto{Name: "w", DataType: 1, Dims: []int64{2}, DataLocation: 1, External: []*entryProto{{"location", "w.data"}, {"length", "8"}}}
	load := func() error {
		again := *w
		done := make(chan error, 1)
		go func() { done <- loadExternal(&graphProto{Initializer: []*tensorProto{&again}}, dir, false) }()
		select {
		case err := <-done:
			return err
		case <-time.After(20 * time.Second):
			t.Fatal("it waits for ever")
			return nil
		}
	}
	data := filepath.Join(dir, "w.data")
	if err := errors.Join(os.WriteFile(filepath.Join(outside, "w"), make([]byte, 8), 0o600), os.Symlink(filepath.Join(outside, "w"), data)); err != nil {
		t.Fatal(err)
	}
	if err := load(); err == nil || !strings.Contains(err.Error(), "not a link to it") {
		t.Errorf("a link out of the folder: %v", err)
	}
	os.Remove(data)
	if err := syscall.Mkfifo(data, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := load(); err == nil || !strings.Contains(err.Error(), "a pipe") {
		t.Errorf("a pipe: %v", err)
	}
	if _, err := Open(data); err == nil {
		t.Error("a pipe is a model")
	}
	os.Remove(data)
	if err := os.WriteFile(data, make([]byte, 8), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := load(); err != nil {
		t.Error(err)
	}
}

// TestExternalReplaced writes a model with its weights beside it over another, and
// stops between the two files: the old model still has its own weights.
func TestExternalReplaced(t *testing.T) {
	path := filepath.Join(t.TempDir(), "m.onnx")
	model := func(v byte) *Model {
		raw := make([]byte, 4096)
		raw[5] = v
		return &Model{Metadata: map[string]string{}, opset: opsetVersion, proto: &modelProto{IRVersion: irVersion, OpsetImport: []*opsetProto{{Version: opsetVersion}},
			Graph: &graphProto{Name: "g", Initializer: []*tensorProto{{Name: "w", DataType: 1, Dims: []int64{1024}, RawData: raw}},
				Node: []*nodeProto{{OpType: "Identity", Input: []string{"w"}, Output: []string{"y"}}}}}}
	}
	weight := func() byte {
		m, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		return m.proto.Graph.Initializer[0].RawData[5]
	}
	for v := byte(1); v < 5; v++ {
		old, _ := os.ReadFile(path)
		if err := model(v).WriteFile(path, true); err != nil {
			t.Fatal(err)
		}
		if got := weight(); got != v {
			t.Errorf("model %d has the weights of %d", v, got)
		}
		if entries, _ := os.ReadDir(filepath.Dir(path)); len(entries) != 2 {
			t.Errorf("model %d: %v", v, entries)
		}
		if v == 1 {
			continue
		}
		// The weights of the next were written, the model was not.
		now, _ := os.ReadFile(path)
		if strings.Contains(string(old), filepath.Base(ExternalFile(path))) {
			t.Errorf("models %d and %d have their weights in one file", v-1, v)
		}
		os.WriteFile(path, now, 0o600)
	}
}
