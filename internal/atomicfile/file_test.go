package atomicfile

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// only checks that the folder of path holds nothing but path, with content.
func only(t *testing.T, path, content string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != 1 || entries[0].Name() != filepath.Base(path) {
		t.Errorf("folder holds %v, want only %s", entries, filepath.Base(path))
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != content {
		t.Errorf("content is %d bytes %.20q, want %d bytes %.20q", len(got), got, len(content), content)
	}
}

func text(s string) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := io.WriteString(w, s)
		return err
	}
}

func TestWriteCreatesAndReplaces(t *testing.T) {
	path := filepath.Join(t.TempDir(), "model")
	if err := Write(path, 0o600, text("first")); err != nil {
		t.Fatal(err)
	}
	only(t, path, "first")
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if os.PathSeparator == '/' && info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, want 0600", info.Mode())
	}
	large := strings.Repeat("x", 3*bufferSize+17)
	if err := Write(path, 0, text(large)); err != nil {
		t.Fatal(err)
	}
	only(t, path, large)
}

func TestWriteErrorKeepsOldFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "model")
	if err := Write(path, 0, text("old")); err != nil {
		t.Fatal(err)
	}
	injected := errors.New("injected")
	err := Write(path, 0, func(w io.Writer) error {
		if _, err := w.Write(bytes.Repeat([]byte("n"), 2*bufferSize)); err != nil {
			return err
		}
		return injected
	})
	if !errors.Is(err, injected) {
		t.Errorf("error %v does not wrap the writer's", err)
	}
	if !strings.Contains(err.Error(), path) {
		t.Errorf("error %q does not name the file", err)
	}
	only(t, path, "old")
}

func TestWritePanicRemovesTemporaryFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "model")
	if err := Write(path, 0, text("old")); err != nil {
		t.Fatal(err)
	}
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic was swallowed")
			}
		}()
		_ = Write(path, 0, func(io.Writer) error { panic("boom") })
	}()
	only(t, path, "old")
}

func TestWriteMissingFolder(t *testing.T) {
	path := filepath.Join(t.TempDir(), "no", "such", "model")
	err := Write(path, 0, text("x"))
	if !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v, want os.ErrNotExist", err)
	}
}

func TestWriteOntoFolder(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "model")
	if err := os.Mkdir(path, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := Write(path, 0, text("x")); err == nil {
		t.Error("replacing a folder succeeded")
	}
	entries, _ := os.ReadDir(dir)
	if len(entries) != 1 {
		t.Errorf("temporary file left: %v", entries)
	}
}

func TestWriteKeeping(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "last")
	read := func(name string) string {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
		return string(b)
	}
	for i, want := range []string{"", "1", "2", "3"} {
		if err := WriteKeeping(path, "previous", 0, text(string(rune('1'+i)))); err != nil {
			t.Fatal(err)
		}
		if read("last") != string(rune('1'+i)) || read("previous") != want {
			t.Errorf("write %d: last %q, previous %q", i+1, read("last"), read("previous"))
		}
	}
	// A write that fails changes neither.
	injected := errors.New("injected")
	if err := WriteKeeping(path, "previous", 0, func(io.Writer) error { return injected }); !errors.Is(err, injected) {
		t.Error(err)
	}
	if entries, _ := os.ReadDir(dir); read("last") != "4" || read("previous") != "3" || len(entries) != 2 {
		t.Errorf("last %q, previous %q, %d files", read("last"), read("previous"), len(entries))
	}
}
