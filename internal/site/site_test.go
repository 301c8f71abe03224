package site

import (
	"bytes"
	"compress/gzip"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
)

func zip(t *testing.T, b string) []byte {
	t.Helper()
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	if _, err := z.Write([]byte(b)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

const page = "<!doctype html><p>the lab"

// built is a site: the wasm lies there only compressed.
func built(t *testing.T) fstest.MapFS {
	return fstest.MapFS{
		"index.html":                {Data: []byte(page)},
		"index.html.br":             {Data: []byte("page in brotli")},
		"index.html.gz":             {Data: zip(t, page)},
		"assets/main-Dx1_bQ-9.js":   {Data: []byte("let x")},
		"assets/plain.js":           {Data: []byte("let y")},
		"weft.wasm.br":              {Data: []byte("wasm in brotli")},
		"weft.wasm.gz":              {Data: zip(t, "\x00asm and more")},
		"404.html":                  {Data: []byte("nothing here")},
		"manifest.webmanifest":      {Data: []byte("{}")},
		".secret":                   {Data: []byte("secret")},
		"models/mlp.safetensors":    {Data: []byte("weights")},
		"models/.hidden/x.html":     {Data: []byte("secret")},
		"data/mnist/own-set.txt":    {Data: []byte("own")},
		"assets/icon-12345678.webp": {Data: []byte("RIFF")},
	}
}

type request struct {
	method, path, host string
	header             map[string]string
}

func ask(h http.Handler, r request) *http.Response {
	if r.method == "" {
		r.method = http.MethodGet
	}
	req := httptest.NewRequest(r.method, "http://localhost:8080/", nil)
	// As it came over the wire, not as a client would have cleaned it.
	req.URL.Path = r.path
	if r.host != "" {
		req.Host = r.host
	}
	for k, v := range r.header {
		req.Header.Set(k, v)
	}
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, req)
	return rec.Result()
}

func body(t *testing.T, res *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestFilesAndTypes(t *testing.T) {
	h := Handler(Options{Site: built(t), Offline: true})
	for _, c := range []struct{ path, kind, cache, want string }{
		{"/", "text/html; charset=utf-8", "no-cache", page},
		{"/index.html", "text/html; charset=utf-8", "no-cache", page},
		{"/assets/main-Dx1_bQ-9.js", "text/javascript; charset=utf-8", "public, max-age=31536000, immutable", "let x"},
		{"/assets/icon-12345678.webp", "image/webp", "public, max-age=31536000, immutable", "RIFF"},
		{"/assets/plain.js", "text/javascript; charset=utf-8", "no-cache", "let y"},
		{"/weft.wasm", "application/wasm", "no-cache", "\x00asm and more"},
		{"/manifest.webmanifest", "application/manifest+json", "no-cache", "{}"},
		{"/models/mlp.safetensors", "application/octet-stream", "no-cache", "weights"},
	} {
		res := ask(h, request{path: c.path})
		if b := body(t, res); res.StatusCode != 200 || b != c.want {
			t.Errorf("%s: %s %q", c.path, res.Status, b)
		}
		if g := res.Header.Get("Content-Type"); g != c.kind {
			t.Errorf("%s: type %q", c.path, g)
		}
		if g := res.Header.Get("Cache-Control"); g != c.cache {
			t.Errorf("%s: cache %q", c.path, g)
		}
	}
}

func TestHeaders(t *testing.T) {
	h := Handler(Options{Site: built(t), Offline: true})
	for _, r := range []request{{path: "/"}, {path: "/none"}, {path: "/", method: "POST"}, {path: "/", host: "evil.example"}, {path: "/data/index.json"}} {
		res := ask(h, r)
		csp := res.Header.Get("Content-Security-Policy")
		for _, part := range []string{"default-src 'self'", "script-src 'self' 'wasm-unsafe-eval'", "style-src 'self'", "object-src 'none'", "base-uri 'none'", "frame-ancestors 'none'"} {
			if !strings.Contains(csp+";", part+";") {
				t.Errorf("%v: policy %q lacks %q", r, csp, part)
			}
		}
		if strings.Contains(csp, "unsafe-inline") || strings.Contains(csp, "'unsafe-eval'") {
			t.Errorf("%v: policy %q", r, csp)
		}
		for k, v := range map[string]string{"X-Content-Type-Options": "nosniff", "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp"} {
			if res.Header.Get(k) != v {
				t.Errorf("%v: %s is %q", r, k, res.Header.Get(k))
			}
		}
	}
}

func TestEncodings(t *testing.T) {
	h := Handler(Options{Site: built(t), Offline: true})
	tags := map[string]bool{}
	for _, c := range []struct{ path, accept, encoding, want string }{
		{"/", "gzip, deflate, br, zstd", "br", "page in brotli"},
		{"/", "gzip", "gzip", string(zip(t, page))},
		{"/", "br;q=0, gzip;q=0.5", "gzip", string(zip(t, page))},
		{"/", "*", "br", "page in brotli"},
		{"/", "*;q=0", "", page},
		{"/", "identity, brotli", "", page},
		{"/", "GZIP", "gzip", string(zip(t, page))},
		{"/weft.wasm", "br", "br", "wasm in brotli"},
		{"/weft.wasm", "", "", "\x00asm and more"},
		{"/assets/plain.js", "br, gzip", "", "let y"},
	} {
		r := request{path: c.path, header: map[string]string{"Accept-Encoding": c.accept}}
		res := ask(h, r)
		if b := body(t, res); b != c.want || res.Header.Get("Content-Encoding") != c.encoding {
			t.Errorf("%s accepting %q: %s, encoding %q, %q", c.path, c.accept, res.Status, res.Header.Get("Content-Encoding"), b)
		}
		if res.ContentLength != int64(len(c.want)) {
			t.Errorf("%s accepting %q: length %d of %d", c.path, c.accept, res.ContentLength, len(c.want))
		}
		if res.Header.Get("Vary") != "Accept-Encoding" {
			t.Errorf("%s: Vary %q", c.path, res.Header.Get("Vary"))
		}
		etag := res.Header.Get("ETag")
		tags[c.path+" "+c.encoding+" "+etag] = true
		r.header["If-None-Match"] = `"other", W/` + etag
		again := ask(h, r)
		if b := body(t, again); again.StatusCode != http.StatusNotModified || b != "" {
			t.Errorf("%s accepting %q again: %s %q", c.path, c.accept, again.Status, b)
		}
	}
	if len(tags) != 6 {
		t.Errorf("each of 6 variants has its own tag, always the same: %v", tags)
	}
}

func TestHeadAndRange(t *testing.T) {
	h := Handler(Options{Site: built(t), Offline: true})
	for accept, length := range map[string]int{"br": len("page in brotli"), "": len(page)} {
		res := ask(h, request{path: "/", method: "HEAD", header: map[string]string{"Accept-Encoding": accept}})
		if b := body(t, res); res.StatusCode != 200 || b != "" || res.ContentLength != int64(length) {
			t.Errorf("HEAD accepting %q: %s, length %d, %q", accept, res.Status, res.ContentLength, b)
		}
	}
	res := ask(h, request{path: "/weft.wasm", header: map[string]string{"Accept-Encoding": "br", "Range": "bytes=1-3"}})
	if b := body(t, res); res.StatusCode != http.StatusPartialContent || b != "asm" || res.Header.Get("Content-Encoding") != "" {
		t.Errorf("Range: %s %q", res.Status, b)
	}
	res = ask(h, request{path: "/weft.wasm", header: map[string]string{"Range": "bytes=100-"}})
	if res.StatusCode != http.StatusRequestedRangeNotSatisfiable {
		t.Errorf("Range beyond the end: %s", res.Status)
	}
	res = ask(h, request{path: "/", method: "DELETE"})
	if res.StatusCode != http.StatusMethodNotAllowed || res.Header.Get("Allow") != "GET, HEAD" {
		t.Errorf("DELETE: %s", res.Status)
	}
}

// TestNothingElse asks for what must not be had, of a folder on the disk, with
// files beside it and links out of it.
func TestNothingElse(t *testing.T) {
	top := t.TempDir()
	dir := filepath.Join(top, "site")
	for name, data := range map[string]string{
		"secret.html": "secret", "site/index.html": page, "site/.git/config": "secret", "site/sub/index.html": "sub",
	} {
		path := filepath.Join(top, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(data), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, link := range [][2]string{{"../secret.html", "out.html"}, {top, "up"}, {filepath.Join(top, "secret.html"), "abs.html"}} {
		if err := os.Symlink(link[0], filepath.Join(dir, link[1])); err != nil {
			t.Skip(err)
		}
	}
	files, err := Dir(dir)
	if err != nil {
		t.Fatal(err)
	}
	h := Handler(Options{Site: files, Offline: true})
	for _, path := range []string{
		"/../secret.html", "/sub/../../secret.html", "/..", "/sub/..", "//secret.html", "/./index.html", `/..\secret.html`, "/sub/..%2f..%2fsecret.html",
		"/out.html", "/up/secret.html", "/abs.html", "/.git/config", "/sub", "/index.html/", "/index.html\x00.js", "/C:/secret.html", "", "/data/../index.html",
		"/data/", "/data/mnist/", "/data/mnist/../mnist/train-images-idx3-ubyte.gz", "/data/mnist/LICENSE", "/placeholder.html", "/.gitignore",
	} {
		res := ask(h, request{path: path})
		b := body(t, res)
		if path == "" {
			// The same as "/".
			if b != page {
				t.Errorf("empty path: %s %q", res.Status, b)
			}
			continue
		}
		if res.StatusCode != http.StatusNotFound || strings.Contains(b, "secret") || b == page {
			t.Errorf("%q: %s %q", path, res.Status, b)
		}
	}
	if b := body(t, ask(h, request{path: "/sub/"})); b != "sub" {
		t.Errorf("/sub/: %q", b)
	}
	// The embedded site, whatever it holds.
	for _, path := range []string{"/.gitignore", "/dist/placeholder.html", "/../site.go"} {
		if res := ask(Handler(Options{Offline: true}), request{path: path}); res.StatusCode != http.StatusNotFound {
			t.Errorf("embedded %s: %s", path, res.Status)
		}
	}
}

func TestHosts(t *testing.T) {
	h := Handler(Options{Site: built(t), Hosts: []string{"Lab.Example"}, Offline: true})
	for host, ok := range map[string]bool{
		"localhost": true, "localhost:8080": true, "LOCALHOST:1": true, "127.0.0.1:8080": true, "127.0.0.1": true, "[::1]:8080": true, "192.168.1.7:8080": true,
		"lab.example:8080": true, "weft.localhost": true, "lab.example.": true,
		"evil.example": false, "evil.example:8080": false, "localhost.evil.example": false, "127.0.0.1.evil.example": false, "notlocalhost": false, "other.lab.example": false,
	} {
		res := ask(h, request{path: "/", host: host})
		if (res.StatusCode == 200) != ok {
			t.Errorf("Host %s: %s", host, res.Status)
		}
		if b := body(t, res); !ok && !strings.Contains(b, "weft serve --host NAME") {
			t.Errorf("Host %s: %q does not say what to do", host, b)
		}
	}
}

func TestFallbacks(t *testing.T) {
	h := Handler(Options{Site: built(t), Offline: true})
	res := ask(h, request{path: "/nowhere"})
	if b := body(t, res); res.StatusCode != 404 || b != "nothing here" || res.Header.Get("Cache-Control") != "no-cache" || res.Header.Get("ETag") != "" {
		t.Errorf("%s %q", res.Status, b)
	}
	empty := fstest.MapFS{"placeholder.html": {Data: []byte("make lab")}}
	if b := body(t, ask(Handler(Options{Site: empty, Offline: true}), request{path: "/"})); b != "make lab" || Built(empty) {
		t.Errorf("an empty site serves %q", b)
	}
	if !Built(built(t)) || !Built(fstest.MapFS{"index.html.gz": {}}) {
		t.Error("a built site is not seen as one")
	}
	if b, err := fs.ReadFile(Embedded(), "placeholder.html"); err != nil || !bytes.Contains(b, []byte("make lab")) {
		t.Errorf("the placeholder is not embedded: %v", err)
	}
}

// TestChange edits a file of a site in a folder, as people do who work on it.
func TestChange(t *testing.T) {
	site := built(t)
	h := Handler(Options{Site: site, Offline: true})
	before := ask(h, request{path: "/assets/plain.js"})
	site["assets/plain.js"] = &fstest.MapFile{Data: []byte("let z = 1")}
	after := ask(h, request{path: "/assets/plain.js"})
	if b := body(t, after); b != "let z = 1" || after.Header.Get("ETag") == before.Header.Get("ETag") {
		t.Errorf("still %q", b)
	}
}
