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
