package site

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"

	"github.com/weft-ml/weft/internal/site/csp"
)

func TestModels(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("WEFT_DATA", "")
	t.Setenv("WEFT_CACHE", dir)
	write := func(name, text string) {
		t.Helper()
		path := filepath.Join(dir, "models", filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	const plan = `{"format":"weft-web","version":1,"model":"A model","weights":{"file":"weights.safetensors","bytes":7}}`
	h := Handler(Options{Site: fstest.MapFS{}, Offline: true})
	list := func() (found []served) {
		t.Helper()
		var v struct{ Models []served }
		if err := json.Unmarshal([]byte(body(t, ask(h, request{path: "/data/index.json"}))), &v); err != nil {
			t.Fatal(err)
		}
		return v.Models
	}
	if got := list(); len(got) != 0 {
		t.Errorf("without a folder: %v", got)
	}
	write("a b/plan.json", plan)
	write("a b/weights.safetensors", "weights")
	write("a b/secret.txt", "no")
	write("other/plan.json", "not JSON")
	write("else/plan.json", `{"format":"something"}`)
	write(".hidden/plan.json", plan)
	write("readme.txt", "no folder")
	got := list()
	if len(got) != 1 || got[0].Name != "a b" || got[0].Title != "A model" || got[0].Bytes != int64(7+len(plan)) {
		t.Fatalf("%+v", got)
	}
	for path, want := range map[string]int{
		"/data/models/a b/plan.json":                     http.StatusOK,
		"/data/models/a b/weights.safetensors":           http.StatusOK,
		"/data/models/a b/model.onnx":                    http.StatusNotFound,
		"/data/models/a b/secret.txt":                    http.StatusNotFound,
		"/data/models/.hidden/plan.json":                 http.StatusNotFound,
		"/data/models/other/plan.json":                   http.StatusNotFound,
		"/data/models/a b":                               http.StatusNotFound,
		"/data/models/../models/a b/weights.safetensors": http.StatusNotFound,
		"/data/models/../plan.json":                      http.StatusNotFound,
	} {
		res := ask(h, request{path: path})
		if res.StatusCode != want {
			t.Errorf("%s: %s", path, res.Status)
		}
		if b := body(t, res); want == http.StatusOK && path == "/data/models/a b/weights.safetensors" && b != "weights" {
			t.Errorf("%q", b)
		}
	}
}

// TestDownloadPolicy: one worker may read from other sites, and nothing else may.
func TestDownloadPolicy(t *testing.T) {
	h := Handler(Options{Site: fstest.MapFS{"assets/download-12345678.js": {Data: []byte("let x")}, "index.html": {Data: []byte("<p>")}, "assets/main-12345678.js": {Data: []byte("let y")}}})
	for path, want := range map[string]string{
		"/": csp.Header, "/assets/main-12345678.js": csp.Header, "/assets/download-12345678.css": csp.Header,
		"/assets/download-12345678.js": csp.Download, "/lab/assets/download-12345678.js": csp.Download,
	} {
		if got := ask(h, request{path: path}).Header.Get("Content-Security-Policy"); got != want {
			t.Errorf("%s: %q", path, got)
		}
	}
}
