package fetch

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

var content = func() []byte {
	b := make([]byte, 300_000)
	for i := range b {
		b[i] = byte(i * 7 >> 4)
	}
	return b
}()

func sum(b []byte) string {
	s := sha256.Sum256(b)
	return hex.EncodeToString(s[:])
}

// serve starts a loopback server and counts its requests.
func serve(t *testing.T, handler http.HandlerFunc) (url string, requests *atomic.Int32) {
	requests = new(atomic.Int32)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		handler(w, r)
	}))
	t.Cleanup(s.Close)
	return s.URL, requests
}

// whole serves content with Range support.
func whole(w http.ResponseWriter, r *http.Request) {
	http.ServeContent(w, r, "x.bin", time.Time{}, bytes.NewReader(content))
}

func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

func options(t *testing.T) Options {
	return Options{Dir: t.TempDir(), Backoff: time.Millisecond}
}

// want checks the path and content, and that no .part is left.
func want(t *testing.T, path string, err error, content []byte) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(got, content) {
		t.Fatalf("%s: %d bytes, %v; want %d", path, len(got), err, len(content))
	}
	if parts, _ := filepath.Glob(path + ".*.part"); len(parts) > 0 {
		t.Errorf("left over: %v", parts)
	}
}

func TestGetAndCache(t *testing.T) {
	url, requests := serve(t, whole)
	opts := options(t)
	var last, total int64
	opts.Progress = func(d, n int64) {
		if d < last {
			t.Errorf("progress went from %d to %d", last, d)
		}
		last, total = d, n
	}
	file := File{Name: "set/x.bin", URLs: []string{url}, SHA256: sum(content)}
	path, err := Get(context.Background(), file, opts)
	want(t, path, err, content)
	if last != int64(len(content)) || total != last {
		t.Errorf("progress ended at %d of %d", last, total)
	}
	opts.Offline = true
	path, err = Get(context.Background(), file, opts)
	want(t, path, err, content)
	if requests.Load() != 1 {
		t.Errorf("%d requests, want 1", requests.Load())
	}
}

func TestCorruptCacheIsReplaced(t *testing.T) {
	url, _ := serve(t, whole)
	opts := options(t)
	if err := os.WriteFile(filepath.Join(opts.Dir, "x.bin"), []byte("corrupt"), 0o644); err != nil {
		t.Fatal(err)
	}
	path, err := Get(context.Background(), File{Name: "x.bin", URLs: []string{url}, SHA256: sum(content)}, opts)
	want(t, path, err, content)
}

func TestResumeAfterCutConnection(t *testing.T) {
	const cut = 100_000
	var ranges []string
	url, requests := serve(t, func(w http.ResponseWriter, r *http.Request) {
		ranges = append(ranges, r.Header.Get("Range"))
		if len(ranges) == 1 {
			w.Header().Set("Content-Length", fmt.Sprint(len(content)))
			_, _ = w.Write(content[:cut])
			return // Fewer bytes than announced: the server cuts the connection.
		}
		whole(w, r)
	})
	path, err := Get(context.Background(), File{Name: "x.bin", URLs: []string{url}, SHA256: sum(content)}, options(t))
	want(t, path, err, content)
	if requests.Load() != 2 || ranges[1] != fmt.Sprintf("bytes=%d-", cut) {
		t.Errorf("%d requests with ranges %q", requests.Load(), ranges)
	}
}

func TestServerWithoutRange(t *testing.T) {
	url, _ := serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(content) })
	opts := options(t)
	stale := partPath(filepath.Join(opts.Dir, "x.bin"), url)
	if err := os.WriteFile(stale, bytes.Repeat([]byte("s"), len(content)+5), 0o644); err != nil {
		t.Fatal(err)
	}
	path, err := Get(context.Background(), File{Name: "x.bin", URLs: []string{url}, SHA256: sum(content)}, opts)
	want(t, path, err, content)
}

// TestStalePart: a beginning from another version is found out by the
// verification and fetched anew from the same mirror; one longer than the file
// by the server's 416; a complete one needs no data.
func TestStalePart(t *testing.T) {
	for name, stale := range map[string][]byte{
		"other version": bytes.Repeat([]byte("s"), 1000),
		"too long":      make([]byte, len(content)+1),
		"complete":      content,
	} {
		url, requests := serve(t, whole)
		opts := options(t)
		part := partPath(filepath.Join(opts.Dir, "x.bin"), url)
		if err := os.WriteFile(part, stale, 0o644); err != nil {
			t.Fatal(err)
		}
		path, err := Get(context.Background(), File{Name: "x.bin", URLs: []string{url}, SHA256: sum(content)}, opts)
		want(t, path, err, content)
		if name == "complete" && requests.Load() != 1 {
			t.Errorf("%s: %d requests", name, requests.Load())
		}
	}
}

func TestWrongChecksumTriesNextMirror(t *testing.T) {
	wrong, asked := serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>login</html>")) })
	right, _ := serve(t, whole)
	path, err := Get(context.Background(), File{Name: "x.bin", URLs: []string{wrong, right}, SHA256: sum(content)}, options(t))
	want(t, path, err, content)
	if asked.Load() != 1 {
		t.Errorf("the wrong mirror was asked %d times", asked.Load())
	}
}

func TestVerifyFunction(t *testing.T) {
	url, _ := serve(t, whole)
	injected := errors.New("injected")
	_, err := Get(context.Background(), File{Name: "x.bin", URLs: []string{url}, Verify: func(string) error { return injected }}, options(t))
	if !errors.Is(err, injected) || !errors.Is(err, ErrChecksum) {
		t.Errorf("got %v", err)
	}
}

func TestNotFoundIsNotRetried(t *testing.T) {
	missing, asked := serve(t, status(http.StatusNotFound))
	broken, retried := serve(t, status(http.StatusBadGateway))
	opts := options(t)
	opts.Retries = 2
	_, err := Get(context.Background(), File{Name: "x.bin", URLs: []string{missing, broken}}, opts)
	var all *Error
	if !errors.As(err, &all) || len(all.Attempts) != 2 {
		t.Fatalf("got %v", err)
	}
	for _, says := range []string{"x.bin", missing, broken, "404", "502"} {
		if !strings.Contains(err.Error(), says) {
			t.Errorf("%q does not say %q", err, says)
		}
	}
	if left, _ := os.ReadDir(opts.Dir); len(left) > 0 {
		t.Errorf("left over: %v", left)
	}
	if asked.Load() != 1 || retried.Load() != 3 {
		t.Errorf("404 was asked %d times, 502 %d times; want 1 and 3", asked.Load(), retried.Load())
	}
}

func TestUnreachable(t *testing.T) {
	s := httptest.NewServer(nil)
	s.Close()
	opts := options(t)
	opts.Retries = -1
	_, err := Get(context.Background(), File{Name: "x.bin", URLs: []string{s.URL}}, opts)
	if err == nil || strings.Count(err.Error(), s.URL) != 1 {
		t.Errorf("got %v", err)
	}
}

func TestOffline(t *testing.T) {
	url, requests := serve(t, whole)
	opts := options(t)
	opts.Offline = true
	_, err := Get(context.Background(), File{Name: "x.bin", URLs: []string{url}}, opts)
	if !errors.Is(err, ErrOffline) || requests.Load() != 0 {
		t.Errorf("got %v after %d requests", err, requests.Load())
	}
}

func TestCancellationKeepsPart(t *testing.T) {
	const sent = 50_000
	ctx, cancel := context.WithCancel(context.Background())
	var resumed atomic.Bool
	url, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Range") != "" {
			resumed.Store(true)
			whole(w, r)
			return
		}
		w.Header().Set("Content-Length", fmt.Sprint(len(content)))
		_, _ = w.Write(content[:sent])
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	})
	opts := options(t)
	opts.Progress = func(done, _ int64) {
		if done == sent {
			cancel()
		}
	}
	file := File{Name: "x.bin", URLs: []string{url, url + "/other"}, SHA256: sum(content)}
	_, err := Get(ctx, file, opts)
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v", err)
	}
	part, err := os.ReadFile(partPath(filepath.Join(opts.Dir, "x.bin"), url))
	if err != nil || !bytes.Equal(part, content[:sent]) {
		t.Fatalf("the part has %d bytes, %v", len(part), err)
	}
	opts.Progress = nil
	path, err := Get(context.Background(), file, opts)
	want(t, path, err, content)
	if !resumed.Load() {
		t.Error("the second call did not resume")
	}
}

func TestStallIsRetried(t *testing.T) {
	first := true
	url, requests := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if first {
			first = false
			<-r.Context().Done()
			return
		}
		whole(w, r)
	})
	opts := options(t)
	opts.Stall = 50 * time.Millisecond
	path, err := Get(context.Background(), File{Name: "x.bin", URLs: []string{url}, SHA256: sum(content)}, opts)
	want(t, path, err, content)
	if requests.Load() != 2 {
		t.Errorf("%d requests", requests.Load())
	}
}

func TestMaxBytes(t *testing.T) {
	announced, _ := serve(t, whole)
	endless, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			if _, err := w.Write(content); err != nil {
				return
			}
		}
	})
	opts := options(t)
	for _, url := range []string{announced, endless} {
		if _, err := Get(context.Background(), File{Name: "x.bin", URLs: []string{url}, MaxBytes: 200_000}, opts); err == nil || !strings.Contains(err.Error(), "200000") {
			t.Errorf("got %v", err)
		}
	}
	if left, _ := os.ReadDir(opts.Dir); len(left) > 0 {
		t.Errorf("left over: %v", left)
	}
}

func TestNameStaysInside(t *testing.T) {
	for _, name := range []string{"../x", "/x", ""} {
		if _, err := Get(context.Background(), File{Name: name}, options(t)); err == nil {
			t.Errorf("%q was accepted", name)
		}
	}
}

func TestCacheDir(t *testing.T) {
	t.Setenv("WEFT_CACHE", "here")
	if dir, err := CacheDir(); dir != "here" || err != nil {
		t.Errorf("%s %v", dir, err)
	}
}
