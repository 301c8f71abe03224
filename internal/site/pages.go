// Files of the built site. A file NAME may lie there as it is, as NAME.br and
// as NAME.gz, in any combination that is not empty; the client gets the
// smallest that it accepts. Paths come from the request unchanged into an
// fs.FS, which has no "..", and are refused unless they are clean.

package site

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"path"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"
)

// hashed names are those that the bundler, or internal/site/pack, derives from
// the content.
var hashed = regexp.MustCompile(`^(assets/.*[-.][A-Za-z0-9_-]{8,}\.[a-z0-9]+|parts/[0-9a-f]{16}/.*)$`)

// types are fixed here because the system's table differs between machines,
// and a wrong one stops WebAssembly and modules under nosniff.
var types = map[string]string{
	".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8",
	".mjs": "text/javascript; charset=utf-8", ".json": "application/json", ".map": "application/json",
	".webmanifest": "application/manifest+json", ".wasm": "application/wasm", ".svg": "image/svg+xml", ".png": "image/png",
	".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".webp": "image/webp", ".ico": "image/x-icon", ".woff2": "font/woff2",
	".txt": "text/plain; charset=utf-8", ".md": "text/plain; charset=utf-8", ".wgsl": "text/plain; charset=utf-8",
	".gz": "application/gzip", ".safetensors": "application/octet-stream", ".onnx": "application/octet-stream",
}

func contentType(name string) string {
	if t, ok := types[strings.ToLower(path.Ext(name))]; ok {
		return t
	}
	return "application/octet-stream"
}

// pages serves a site. Small as its files are, they stay in memory once read.
type pages struct {
	site fs.FS

	mu    sync.Mutex
	cache map[string]*blob // By the path in the site, suffix included.
}

// blob is one stored file, read.
type blob struct {
	data []byte
	etag string
	mod  time.Time
	size int64
}

func newPages(site fs.FS) *pages { return &pages{site: site, cache: map[string]*blob{}} }

// file is the path in the site for a request's path, "" if there cannot be one.
func file(urlPath string) string {
	name := strings.TrimPrefix(urlPath, "/")
	if name == "" || strings.HasSuffix(name, "/") {
		name += "index.html"
	}
	if !fs.ValidPath(name) || strings.ContainsAny(name, "\\\x00:") {
		return ""
	}
	for part := range strings.SplitSeq(name, "/") {
		if strings.HasPrefix(part, ".") {
			return ""
		}
	}
	return name
}

func (p *pages) has(urlPath string) bool {
	name := file(urlPath)
	if name == "" {
		return false
	}
	for _, suffix := range []string{"", ".br", ".gz"} {
		if info, err := fs.Stat(p.site, name+suffix); err == nil && info.Mode().IsRegular() {
			return true
		}
	}
	return false
}

func (p *pages) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := file(r.URL.Path)
	status := http.StatusOK
	if name == "index.html" && !p.has("/") && p.has("/placeholder.html") {
		name = "placeholder.html"
	}
	if name == "" || !p.has("/"+name) {
		status = http.StatusNotFound
		if name = "404.html"; !p.has("/404.html") {
			w.Header().Set("Cache-Control", "no-cache")
			http.Error(w, "there is no such page", status)
			return
		}
	}
	encoding, b, err := p.choose(name, r.Header)
	if err != nil {
		http.Error(w, "the site's file "+name+" cannot be read", http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", contentType(name))
	h.Add("Vary", "Accept-Encoding")
	if hashed.MatchString(name) && status == http.StatusOK {
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	} else {
		// Kept, but asked about each time: 304 if it is still the same.
		h.Set("Cache-Control", "no-cache")
	}
	if status != http.StatusOK {
		b.whole(w, r, encoding, status)
		return
	}
	h.Set("ETag", b.etag)
	if encoding == "" {
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(b.data))
		return
	}
	if matches(r.Header.Get("If-None-Match"), b.etag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	b.whole(w, r, encoding, status)
}

// whole answers with all bytes and their number, which http.ServeContent leaves
// out of encoded answers and which a progress bar wants.
func (b *blob) whole(w http.ResponseWriter, r *http.Request, encoding string, status int) {
	if encoding != "" {
		w.Header().Set("Content-Encoding", encoding)
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(b.data)))
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(b.data) // A client that left is no failure.
	}
}

// choose finds the variant to send. Parts of a file are parts of it as it is,
// so a request with a Range gets no encoding.
func (p *pages) choose(name string, h http.Header) (encoding string, b *blob, err error) {
	if h.Get("Range") == "" {
		accepted := h.Values("Accept-Encoding")
		for _, e := range []struct{ encoding, suffix string }{{"br", ".br"}, {"gzip", ".gz"}} {
			if !accepts(accepted, e.encoding) {
				continue
			}
			if b, err := p.read(name + e.suffix); err == nil {
				return e.encoding, b, nil
			}
		}
	}
	if b, err = p.read(name); !errors.Is(err, fs.ErrNotExist) {
		return "", b, err
	}
	b, err = p.unpacked(name)
	return "", b, err
}

// read returns a stored file, read again when it has changed.
func (p *pages) read(name string) (*blob, error) {
	info, err := fs.Stat(p.site, name)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if b := p.cache[name]; b != nil && b.mod.Equal(info.ModTime()) && b.size == info.Size() {
		return b, nil
	}
	data, err := fs.ReadFile(p.site, name)
	if err != nil {
		return nil, err
	}
	b := newBlob(data, info)
	p.cache[name] = b
	return b, nil
}

// unpacked decompresses a file that is stored only compressed.
func (p *pages) unpacked(name string) (*blob, error) {
	packed, err := p.read(name + ".gz")
	if err != nil {
		return nil, err
	}
	key := name + "\x00plain"
	p.mu.Lock()
	defer p.mu.Unlock()
	if b := p.cache[key]; b != nil && b.mod.Equal(packed.mod) && b.size == packed.size {
		return b, nil
	}
	z, err := gzip.NewReader(bytes.NewReader(packed.data))
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(z)
	if err != nil {
		return nil, err
	}
	b := &blob{data: data, etag: tag(data), mod: packed.mod, size: packed.size}
	p.cache[key] = b
	return b, nil
}

func newBlob(data []byte, info fs.FileInfo) *blob {
	return &blob{data: data, etag: tag(data), mod: info.ModTime(), size: info.Size()}
}

// tag differs between the encodings of a file, as it must, because their bytes
// do.
func tag(data []byte) string {
	sum := sha256.Sum256(data)
	return `"` + base64.RawURLEncoding.EncodeToString(sum[:15]) + `"`
}

// matches tells whether an If-None-Match header names a tag.
func matches(header, etag string) bool {
	for candidate := range strings.SplitSeq(header, ",") {
		candidate = strings.TrimSpace(candidate)
		if candidate == "*" || strings.TrimPrefix(candidate, "W/") == etag {
			return true
		}
	}
	return false
}

// accepts reads Accept-Encoding (RFC 9110, 12.5.3): a coding is welcome if it is
// listed, or "*" is and it is not, with a weight that is not zero.
func accepts(headers []string, coding string) bool {
	star := false
	for _, header := range headers {
		for item := range strings.SplitSeq(header, ",") {
			name, params, _ := strings.Cut(item, ";")
			name = strings.ToLower(strings.TrimSpace(name))
			if name != coding && name != "*" {
				continue
			}
			ok := true
			if key, value, found := strings.Cut(params, "="); found && strings.EqualFold(strings.TrimSpace(key), "q") {
				q, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
				ok = err == nil && q > 0
			}
			if name == coding {
				return ok
			}
			star = ok
		}
	}
	return star
}
