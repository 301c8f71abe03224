// Compression, once for each content: brotli at its highest level for browsers,
// gzip at its highest for whoever does not know brotli.

package main

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"

	"github.com/andybalholm/brotli"
)

// packable are the types that shrink. Weights hardly do, and pictures and data
// are compressed already.
var packable = []string{".html", ".js", ".mjs", ".css", ".json", ".webmanifest", ".svg", ".wasm", ".wgsl", ".txt", ".map", ".ico"}

// Below that, headers cost more than compression saves.
const leastBytes = 512

// codecs in the order of preference. The version is part of the cache's key.
var codecs = []struct {
	suffix, version string
	pack            func(w io.Writer) (io.WriteCloser, error)
}{
	{".br", "brotli-11", func(w io.Writer) (io.WriteCloser, error) {
		return brotli.NewWriterOptions(w, brotli.WriterOptions{Quality: brotli.BestCompression, LGWin: 24}), nil
	}},
	{".gz", "gzip-9", func(w io.Writer) (io.WriteCloser, error) { return gzip.NewWriterLevel(w, gzip.BestCompression) }},
}

// size is what one file weighs.
type size struct {
	name      string
	plain     int
	br, gz    int // 0 if not compressed.
	compacted int // What a browser gets.
}

type sizes []size

// compress adds the compressed variants; alone drops what has some.
func (f files) compress(cache string, alone bool) (sizes, error) {
	var all sizes
	for _, name := range f.names() {
		b := f[name]
		s := size{name: name, plain: len(b), compacted: len(b)}
		if slices.Contains(packable, path.Ext(name)) && len(b) >= leastBytes {
			var packed [2][]byte
			for i := range codecs {
				var err error
				if packed[i], err = cached(cache, i, b); err != nil {
					return nil, err
				}
				f[name+codecs[i].suffix] = packed[i]
			}
			s.br, s.gz = len(packed[0]), len(packed[1])
			s.compacted = s.br
			if alone {
				delete(f, name)
			}
		}
		all = append(all, s)
	}
	return all, nil
}

// cached compresses, unless the same bytes have been before.
func cached(cache string, codec int, b []byte) ([]byte, error) {
	c := codecs[codec]
	sum := sha256.Sum256(append([]byte(c.version+"\x00"), b...))
	file := filepath.Join(cache, hex.EncodeToString(sum[:16])+c.suffix)
	if have, err := os.ReadFile(file); err == nil {
		return have, nil
	}
	var out bytes.Buffer
	w, err := c.pack(&out)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(b); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return nil, err
	}
	// Under another name until it is whole, because the build may be interrupted.
	if err := os.WriteFile(file+".part", out.Bytes(), 0o644); err != nil {
		return nil, err
	}
	return out.Bytes(), os.Rename(file+".part", file)
}

// code is what a browser has to load and parse before anything works.
var code = []string{".html", ".js", ".mjs", ".css"}

// report prints what the parts weigh and checks the bounds.
func (all sizes) report(c config, w io.Writer) error {
	var wasm, other, rest, late size
	for _, s := range all {
		into := &rest
		switch ext := path.Ext(s.name); {
		case isLate(s.name):
			into = &late
		case ext == ".wasm":
			into = &wasm
		case slices.Contains(code, ext):
			into = &other
		}
		into.plain += s.plain
		into.br += s.compacted
		into.gz += s.gz
		if s.gz == 0 {
			into.gz += s.plain
		}
	}
	fmt.Fprintf(w, "%s:\n%-22s %12s %12s %12s\n", c.out, "", "bytes", "gzip", "brotli")
	for _, line := range []struct {
		what string
		size
	}{{"WebAssembly", wasm}, {"HTML, CSS, JavaScript", other}, {"models, icons, data", rest}, {"loaded by few, late", late}} {
		fmt.Fprintf(w, "%-22s %12d %12d %12d\n", line.what, line.plain, line.gz, line.br)
	}
	for _, bound := range []struct {
		what      string
		have, max int
	}{{"the WebAssembly", wasm.br, c.maxWASM}, {"the other code", other.br, c.maxCode}} {
		if bound.max > 0 && bound.have > bound.max {
			return fmt.Errorf("%s has %d bytes compressed, %d are allowed", bound.what, bound.have, bound.max)
		}
	}
	return nil
}
