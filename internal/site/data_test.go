package site

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/weft-ml/weft/data/mnist"
)

// index is what data/index.json says.
func index(t *testing.T, h http.Handler) map[string]struct {
	Files []string
	Here  bool
} {
	t.Helper()
	var v struct {
		Sets map[string]struct {
			Files []string
			Here  bool
		}
	}
	res := ask(h, request{path: "/data/index.json"})
	if b := body(t, res); res.StatusCode != 200 || json.Unmarshal([]byte(b), &v) != nil {
		t.Fatalf("%s %q", res.Status, b)
	}
	return v.Sets
}

func TestNoData(t *testing.T) {
	t.Setenv("WEFT_DATA", "")
	t.Setenv("WEFT_CACHE", t.TempDir())
	h := Handler(Options{Site: fstest.MapFS{}, Offline: true})
	if sets := index(t, h); len(sets) != 0 {
		t.Errorf("offline, with no data: %v", sets)
	}
	res := ask(h, request{path: "/data/mnist/train-images-idx3-ubyte.gz"})
	if b := body(t, res); res.StatusCode != http.StatusServiceUnavailable || !strings.Contains(b, "WEFT_DATA") {
		t.Errorf("%s %q", res.Status, b)
	}
	// With a network the sets are promised.
	if sets := index(t, Handler(Options{Site: fstest.MapFS{}})); len(sets) != 2 || sets["mnist"].Here || len(sets["mnist"].Files) != 4 {
		t.Errorf("online, with no data: %v", sets)
	}
}

// TestServeData puts paths into a set as if they had been found.
func TestServeData(t *testing.T) {
	dir := t.TempDir()
	packed, plain := filepath.Join(dir, "a.gz"), filepath.Join(dir, "b")
	if err := errors.Join(os.WriteFile(packed, zip(t, "images"), 0o644), os.WriteFile(plain, []byte("labels"), 0o644)); err != nil {
		t.Fatal(err)
	}
	d := newDataSets(true, t.Logf)
	d.sets[0].paths = [4]string{packed, plain, packed, plain}
	h := secure(nil, d)
	if sets := index(t, h); !sets["mnist"].Here || sets["mnist"].Files[1] != "mnist/train-labels-idx1-ubyte.gz" {
		t.Errorf("index: %v", sets)
	}
	for name, want := range map[string]string{"train-images-idx3-ubyte": "images", "train-labels-idx1-ubyte": "labels"} {
		res := ask(h, request{path: "/data/mnist/" + name + ".gz", header: map[string]string{"Accept-Encoding": "br, gzip"}})
		if res.Header.Get("Content-Type") != "application/gzip" || res.Header.Get("Content-Encoding") != "" || res.ContentLength <= 0 {
			t.Errorf("%s: %v", name, res.Header)
		}
		z, err := gzip.NewReader(bytes.NewReader([]byte(body(t, res))))
		if err != nil {
			t.Fatal(err)
		}
		if b, err := io.ReadAll(z); err != nil || string(b) != want {
			t.Errorf("%s: %q, %v", name, b, err)
		}
	}
	part := ask(h, request{path: "/data/mnist/train-images-idx3-ubyte.gz", header: map[string]string{"Range": "bytes=0-1"}})
	if b := body(t, part); part.StatusCode != http.StatusPartialContent || b != "\x1f\x8b" {
		t.Errorf("Range: %s %q", part.Status, b)
	}
	if err := os.Remove(packed); err != nil {
		t.Fatal(err)
	}
	if res := ask(h, request{path: "/data/mnist/train-images-idx3-ubyte.gz"}); res.StatusCode != http.StatusServiceUnavailable || d.sets[0].paths[0] != "" {
		t.Errorf("a file that is gone: %s", res.Status)
	}
}

// TestSiteData: a site with a data folder serves its own files.
func TestSiteData(t *testing.T) {
	h := Handler(Options{Site: fstest.MapFS{"data/index.json": {Data: []byte("own")}}, Offline: true})
	if b := body(t, ask(h, request{path: "/data/index.json"})); b != "own" {
		t.Errorf("%q", b)
	}
}

// TestFailureIsRemembered: not every request waits for a network that is not
// there, but later ones try again.
func TestFailureIsRemembered(t *testing.T) {
	t.Setenv("WEFT_DATA", "")
	t.Setenv("WEFT_CACHE", t.TempDir())
	s := &dataSet{variant: mnist.MNIST, err: errors.New("no route"), failed: time.Now()}
	if _, err := s.find(t.Context(), true, t.Logf); err == nil || err.Error() != "no route" {
		t.Errorf("tried again at once: %v", err)
	}
	s.failed = time.Now().Add(-2 * retryAfter)
	if _, err := s.find(t.Context(), true, t.Logf); !errors.Is(err, mnist.ErrUnavailable) {
		t.Errorf("not tried again: %v", err)
	}
}

// TestRealData serves MNIST where it is on the machine.
func TestRealData(t *testing.T) {
	if _, err := mnist.Files(t.Context(), mnist.Options{Offline: true}); err != nil {
		t.Skip("no MNIST on this machine")
	}
	h := Handler(Options{Site: fstest.MapFS{}, Offline: true})
	if !index(t, h)["mnist"].Here {
		t.Error("not in the index")
	}
	for _, name := range mnist.MNIST.Names() {
		if res := ask(h, request{path: "/data/mnist/" + name + ".gz", method: "HEAD"}); res.StatusCode != 200 || res.ContentLength < 1000 {
			t.Errorf("%s: %s, %d bytes", name, res.Status, res.ContentLength)
		}
	}
}
