package atomicfile

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestFolderKilled kills a process that replaces a folder again and again: the two
// files are always of one write, what others put there stays, and the next write
// removes what the kills left.
func TestFolderKilled(t *testing.T) {
	files := func(n int) []Content {
		s := fmt.Sprintf("%d\n", n)
		return []Content{{"weights", []byte(strings.Repeat(s, 3000))}, {"plan", []byte(s)}}
	}
	if dir := os.Getenv("ATOMICFILE_FOLDER"); dir != "" {
		for n := 1; ; n++ {
			if err := WriteFolder(dir, files(n), nil); err != nil {
				t.Fatal(err)
			}
		}
	}
	parent := t.TempDir()
	dir := filepath.Join(parent, "page")
	if err := errors.Join(WriteFolder(dir, files(0), nil), os.MkdirAll(filepath.Join(dir, "mine"), 0o755),
		os.WriteFile(filepath.Join(dir, "mine", "notes"), []byte("kept"), 0o600), os.WriteFile(filepath.Join(dir, "model.onnx"), nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	for i := range 15 {
		c := exec.Command(os.Args[0], "-test.run=^TestFolderKilled$")
		c.Env = append(os.Environ(), "ATOMICFILE_FOLDER="+dir)
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(20+7*i) * time.Millisecond)
		c.Process.Kill()
		c.Wait()
		plan, err := os.ReadFile(filepath.Join(dir, "plan"))
		if err != nil {
			t.Fatal(err)
		}
		weights, err := os.ReadFile(filepath.Join(dir, "weights"))
		if err != nil || string(weights) != strings.Repeat(string(plan), 3000) {
			t.Fatalf("the plan is %q, the weights begin with %.10q: %v", plan, weights, err)
		}
	}
	if err := WriteFolder(dir, files(7), []string{"model.onnx"}); err != nil {
		t.Fatal(err)
	}
	if entries, _ := os.ReadDir(parent); len(entries) != 1 {
		t.Errorf("left behind: %v", entries)
	}
	if b, err := os.ReadFile(filepath.Join(dir, "mine", "notes")); string(b) != "kept" {
		t.Errorf("what others put there: %q %v", b, err)
	}
	if _, err := os.Stat(filepath.Join(dir, "model.onnx")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file of the older state is left: %v", err)
	}
	// Between two renames, where names cannot be exchanged.
	if err := os.Rename(dir, temporary(dir)+oldMark+"12"); err != nil {
		t.Fatal(err)
	}
	recoverFolder(dir)
	if b, err := os.ReadFile(filepath.Join(dir, "plan")); string(b) != "7\n" {
		t.Errorf("%q %v", b, err)
	}
}
