package player

import (
	"bytes"
	"regexp"
	"strings"
	"testing"

	"github.com/andybalholm/brotli"
)

// TestModule: one file that loads nothing from anywhere, with types for all
// that it exports.
func TestModule(t *testing.T) {
	files := Export(true)
	for _, name := range []string{ModuleFile, TypesFile, "index.html", "page.js", "opened.js", "page.css"} {
		if len(files[name]) == 0 {
			t.Errorf("no %s", name)
		}
	}
	if n := len(Export(false)); n != 2 {
		t.Errorf("%d files without a page", n)
	}
	module := string(files[ModuleFile])
	if regexp.MustCompile(`(?m)^\s*import |import\(|https?://`).MatchString(module) {
		t.Error("the module loads something")
	}
	for _, name := range []string{"load", "WebGPUUnavailableError", "ModelFileError", "FetchError", "InputError", "DeviceLostError", "CompileError", "WeftError"} {
		if !regexp.MustCompile(`(?m)^export .*\b` + name + `\b`).MatchString(module) {
			t.Errorf("the module does not export %s", name)
		}
		if !regexp.MustCompile(`(?m)^export .*\b` + name + `\b`).Match(files[TypesFile]) {
			t.Errorf("%s has no type", name)
		}
	}
	if strings.Contains(module, "/**") {
		t.Error("comments")
	}
	// The page keeps its own policy: no script or style in the text.
	if regexp.MustCompile(`<script(>|[^>]*>[^<])|<style|style=|onclick=`).Match(files["index.html"]) {
		t.Error("the page has code or style in its text")
	}
}

// TestWeight holds the JavaScript of an export to 12.5 KB, of which named tensors are half a KB.
func TestWeight(t *testing.T) {
	total := 0
	for _, name := range []string{ModuleFile, "page.js"} {
		text := Export(true)[name]
		var b bytes.Buffer
		w := brotli.NewWriterLevel(&b, brotli.BestCompression)
		if _, err := w.Write(text); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		t.Logf("%s: %d bytes, %d compressed", name, len(text), b.Len())
		total += b.Len()
	}
	if total > 12500 {
		t.Errorf("%d bytes of compressed JavaScript", total)
	}
}
