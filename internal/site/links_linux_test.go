package site

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"testing/fstest"
)

// TestModelLinks: what lies outside of the data folder is not served, a pipe does
// not make a request wait, and plans are parsed once.
func TestModelLinks(t *testing.T) {
	dir, outside := t.TempDir(), t.TempDir()
	t.Setenv("WEFT_DATA", "")
	t.Setenv("WEFT_CACHE", dir)
	const plan = `{"format":"weft-web","version":1,"model":"A model","weights":{"file":"weights.safetensors","bytes":7}}`
	at := func(name string) string { return filepath.Join(dir, "models", name) }
	if err := errors.Join(os.MkdirAll(at("x"), 0o755), os.MkdirAll(at("p"), 0o755), os.WriteFile(at("x/plan.json"), []byte(plan), 0o600),
		os.WriteFile(filepath.Join(outside, "secret"), []byte("secret"), 0o600), os.WriteFile(filepath.Join(outside, "plan.json"), []byte(plan), 0o600),
		os.Symlink(filepath.Join(outside, "secret"), at("x/weights.safetensors")), os.Symlink(outside, at("out")), syscall.Mkfifo(at("p/plan.json"), 0o600)); err != nil {
		t.Fatal(err)
	}
	h := Handler(Options{Site: fstest.MapFS{}, Offline: true})
	before := parsed.Load()
	for range 3 {
		for path, want := range map[string]int{
			"/data/models/x/plan.json": http.StatusOK, "/data/models/x/weights.safetensors": http.StatusNotFound,
			"/data/models/out/plan.json": http.StatusNotFound, "/data/models/p/plan.json": http.StatusNotFound,
		} {
			if got := ask(h, request{path: path}).StatusCode; got != want {
				t.Errorf("%s: %d, want %d", path, got, want)
			}
		}
	}
	if n := parsed.Load() - before; n != 1 {
		t.Errorf("the plan was parsed %d times", n)
	}
}

// TestDirReplaced serves a folder that is replaced by another of its name.
func TestDirReplaced(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "page")
	write := func(dir, text string) {
		if err := errors.Join(os.Mkdir(dir, 0o755), os.WriteFile(filepath.Join(dir, "index.html"), []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	write(dir, "old")
	files, err := Dir(dir)
	if err != nil {
		t.Fatal(err)
	}
	h := Handler(Options{Site: files, Offline: true})
	if got := string(body(t, ask(h, request{path: "/"}))); got != "old" {
		t.Errorf("%q", got)
	}
	write(dir+"2", "newer")
	if err := errors.Join(os.Rename(dir, dir+"1"), os.Rename(dir+"2", dir)); err != nil {
		t.Fatal(err)
	}
	if got := string(body(t, ask(h, request{path: "/"}))); got != "newer" {
		t.Errorf("%q", got)
	}
}
