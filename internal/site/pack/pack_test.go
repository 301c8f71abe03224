package main

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"image/png"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/andybalholm/brotli"

	"github.com/weft-ml/weft/internal/site/csp"
)

const index = "<!doctype html><html><head>\n    <meta charset=\"utf-8\" />\n<title>Lab</title></head></html>"

// parts writes what the bundler would have and returns a configuration.
func parts(t *testing.T) config {
	t.Helper()
	dir := t.TempDir()
	c := config{from: filepath.Join(dir, "dist"), out: filepath.Join(dir, "out"), cache: filepath.Join(dir, "cache")}
	put(t, c.from, "index.html", index)
	put(t, c.from, "assets/main-12345678.js", strings.Repeat("let x = 1;\n", 1000))
	put(t, c.from, "models/mlp.safetensors", strings.Repeat("w", 1000))
	put(t, c.from, ".DS_Store", "junk")
	put(t, dir, "built.wasm", strings.Repeat("\x00asm", 1000))
	c.add = []string{"weft.wasm=" + filepath.Join(dir, "built.wasm")}
	return c
}

func put(t *testing.T, dir, name, data string) {
	t.Helper()
	path := filepath.Join(dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(data), 0o644); err != nil {
		t.Fatal(err)
	}
}

// tree is a folder's files, of which hidden ones are left out.
func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := fs.WalkDir(os.DirFS(dir), ".", func(p string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() && p != record && p != former {
			b, rerr := os.ReadFile(filepath.Join(dir, p))
			all[partName(p)], err = string(b), rerr // wherever its version has it
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestEmbedded(t *testing.T) {
	c := parts(t)
	put(t, c.out, "placeholder.html", "stays")
	if err := pack(c, io.Discard); err != nil {
		t.Fatal(err)
	}
	have := tree(t, c.out)
	want := []string{"index.html.br", "index.html.gz", "assets/main-12345678.js.br", "assets/main-12345678.js.gz", "weft.wasm.br", "weft.wasm.gz", "models/mlp.safetensors",
		modelsFile, exportFile + ".br", exportFile + ".gz", "placeholder.html", "sw.js.br", "sw.js.gz", "register.js.br", "register.js.gz",
		"manifest.webmanifest.br", "manifest.webmanifest.gz", "icon-180.png", "icon-192.png", "icon-512.png", "icon-mask-512.png"}
	for _, name := range want {
		if _, ok := have[name]; !ok {
			t.Errorf("%s is missing", name)
		}
	}
	if len(have) != len(want) {
		t.Errorf("%d files, want %d", len(have), len(want))
	}
	plain, err := io.ReadAll(brotli.NewReader(strings.NewReader(have["weft.wasm.br"])))
	if err != nil || string(plain) != strings.Repeat("\x00asm", 1000) {
		t.Errorf("brotli: %v", err)
	}
	z, err := gzip.NewReader(strings.NewReader(have["weft.wasm.gz"]))
	if err != nil {
		t.Fatal(err)
	}
	if plain, err = io.ReadAll(z); err != nil || string(plain) != strings.Repeat("\x00asm", 1000) {
		t.Errorf("gzip: %v", err)
	}
}

// TestAgain builds over an older build: files of the older one go, others stay,
// and what has not changed is not written.
func TestAgain(t *testing.T) {
	c := parts(t)
	put(t, c.out, "CNAME", "lab.example")
	put(t, c.from, "old/thing.js", "let old")
	if err := pack(c, io.Discard); err != nil {
		t.Fatal(err)
	}
	// In a folder of its version, of which there is one at a time.
	model := func() fs.FileInfo {
		t.Helper()
		found, err := filepath.Glob(filepath.Join(c.out, "parts", "*", "models", "mlp.safetensors"))
		if err != nil || len(found) != 1 {
			t.Fatalf("%q, %v", found, err)
		}
		info, err := os.Stat(found[0])
		if err != nil {
			t.Fatal(err)
		}
		return info
	}
	before := model()
	put(t, c.from, "index.html", index+"<!-- changed -->")
	if err := pack(c, io.Discard); err != nil {
		t.Fatal(err)
	}
	have := tree(t, c.out)
	if have["CNAME"] != "lab.example" || have["index.html.br"] == "" {
		t.Errorf("%q", have)
	}
	if after := model(); !after.ModTime().Equal(before.ModTime()) {
		t.Error("written again")
	}
	if err := os.RemoveAll(filepath.Join(c.from, "old")); err != nil {
		t.Fatal(err)
	}
	if err := pack(c, io.Discard); err != nil {
		t.Fatal(err)
	}
	if model(); tree(t, c.out)["old/thing.js"] != "" {
		t.Error("a file of the older build, or its folder, is still there")
	}
}

// TestFormer: a static site keeps what tabs of the version before may ask for,
// and nothing older.
func TestFormer(t *testing.T) {
	c := parts(t)
	c.static = true
	var folders []string
	for i := range 4 {
		put(t, c.from, "models/mlp.safetensors", fmt.Sprint("weights ", max(i, 1)))
		put(t, c.from, "gone.txt", fmt.Sprint(max(i, 1)))
		if err := pack(c, io.Discard); err != nil {
			t.Fatal(err)
		}
		_, rest, _ := strings.Cut(tree(t, c.out)["index.html"], `name="weft-parts" content="`)
		folder, _, _ := strings.Cut(rest, `"`)
		folders = append(folders, folder)
		found, err := filepath.Glob(filepath.Join(c.out, "parts", "*"))
		if want := []int{1, 1, 2, 2}[i]; err != nil || len(found) != want { // the second is the first again
			t.Errorf("version %d: %q, want %d folders: %v", i, found, want, err)
		}
		for _, old := range folders[max(0, i-1):] {
			if _, err := os.Stat(filepath.Join(c.out, filepath.FromSlash(old), "models/mlp.safetensors")); err != nil {
				t.Error(err)
			}
		}
	}
	if folders[0] != folders[1] || folders[1] == folders[2] || folders[2] == folders[3] {
		t.Errorf("%q", folders)
	}
}

func TestStatic(t *testing.T) {
	c := parts(t)
	c.static = true
	if err := pack(c, io.Discard); err != nil {
		t.Fatal(err)
	}
	have := tree(t, c.out)
	for _, name := range []string{"weft.wasm", "weft.wasm.gz", "weft.wasm.br", "404.html", "sw.js", "register.js", "manifest.webmanifest", ".nojekyll"} {
		if _, ok := have[name]; !ok {
			t.Errorf("%s is missing", name)
		}
	}
	page := have["index.html"]
	if !strings.Contains(strings.ReplaceAll(page, "&#39;", "'"), csp.Meta) || strings.Index(page, "Content-Security-Policy") > strings.Index(page, "<script") {
		t.Errorf("no policy before the first script: %s", page)
	}
	for _, m := range regexp.MustCompile(`(?:href|src)="([^"]*)"`).FindAllStringSubmatch(page, -1) {
		if !strings.HasPrefix(m[1], "./") {
			t.Errorf("%s is not relative", m[1])
		} else if _, ok := have[m[1][2:]]; !ok {
			t.Errorf("%s is not there", m[1])
		}
	}
	if have["data/index.json"] != `{"sets":{}}` {
		t.Errorf("data/index.json: %s", have["data/index.json"])
	}
	var manifest struct {
		Icons []struct{ Src, Sizes, Type string }
	}
	if err := json.Unmarshal([]byte(have["manifest.webmanifest"]), &manifest); err != nil || len(manifest.Icons) != 4 {
		t.Fatalf("manifest: %v", err)
	}
	for _, i := range manifest.Icons {
		if i.Type != "image/png" {
			continue
		}
		m, err := png.Decode(strings.NewReader(have[strings.TrimPrefix(i.Src, "./")]))
		if err != nil {
			t.Errorf("%s: %v", i.Src, err)
			continue
		}
		if side, _, _ := strings.Cut(i.Sizes, "x"); side != "192" && side != "512" || m.Bounds().Dx() != map[string]int{"192": 192, "512": 512}[side] {
			t.Errorf("%s is %v, not %s", i.Src, m.Bounds(), i.Sizes)
		}
	}
}

// TestStaticModels: networks for the Photo view go with a static site, where they
// are what weft export web has written.
func TestStaticModels(t *testing.T) {
	c := parts(t)
	c.static, c.data = true, t.TempDir()
	const plan = `{"format":"weft-web","version":1,"model":"A model","weights":{"file":"weights.safetensors","bytes":7}}`
	put(t, c.data, "models/a b/plan.json", plan)
	put(t, c.data, "models/a b/weights.safetensors", "weights")
	put(t, c.data, "models/a b/model.onnx", "graph")
	put(t, c.data, "models/a b/secret.txt", "no")
	put(t, c.data, "models/other/plan.json", "not JSON")
	if err := pack(c, io.Discard); err != nil {
		t.Fatal(err)
	}
	have := tree(t, c.out)
	want := fmt.Sprintf(`{"models":[{"name":"a b","title":"A model","bytes":%d}],"sets":{},"sums":{"models/a b/model.onnx":%q,"models/a b/plan.json":%q,"models/a b/weights.safetensors":%q}}`,
		len(plan)+7, sum([]byte("graph")), sum([]byte(plan)), sum([]byte("weights")))
	if have["data/index.json"] != want {
		t.Errorf("data/index.json: %s, want %s", have["data/index.json"], want)
	}
	for name, text := range map[string]string{"plan.json": plan, "weights.safetensors": "weights", "model.onnx": "graph"} {
		if have["data/models/a b/"+name] != text {
			t.Errorf("%s is %q", name, have["data/models/a b/"+name])
		}
	}
	for name := range have {
		if strings.Contains(name, "secret") || strings.Contains(name, "models/other") {
			t.Errorf("%s was copied", name)
		}
	}
	if err := os.Remove(filepath.Join(c.data, "models/a b/weights.safetensors")); err != nil {
		t.Fatal(err)
	}
	if err := pack(c, io.Discard); err == nil || !strings.Contains(err.Error(), "weights.safetensors") {
		t.Errorf("weights that are gone: %v", err)
	}
}

// shell is the list in a service worker.
func shell(t *testing.T, sw string) map[string]string {
	t.Helper()
	m := regexp.MustCompile(`const SHELL = (\[.*\]);`).FindStringSubmatch(sw)
	if m == nil {
		t.Fatal("no list in sw.js")
	}
	var list [][2]string
	if err := json.Unmarshal([]byte(m[1]), &list); err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, e := range list {
		all[partName(e[0])] = e[1]
	}
	return all
}

// TestServiceWorker: the list holds what the lab needs, and nothing that is
// large and optional; a changed file changes its own hash only.
func TestServiceWorker(t *testing.T) {
	c := parts(t)
	c.static, c.data = true, t.TempDir()
	put(t, c.from, "assets/late/runtime-12345678.wasm", "runtime")
	put(t, c.from, "weft-import.wasm", "importer")
	for _, name := range []string{"train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1"} {
		put(t, c.data, "mnist/"+name+"-ubyte.gz", name)
	}
	if err := pack(c, io.Discard); err != nil {
		t.Fatal(err)
	}
	have := tree(t, c.out)
	if !strings.Contains(have["data/index.json"], "mnist/t10k-labels-idx1-ubyte.gz") || have["data/mnist/t10k-labels-idx1-ubyte.gz"] != "t10k-labels-idx1" {
		t.Errorf("data/index.json: %s", have["data/index.json"])
	}
	one := shell(t, have["sw.js"])
	for _, name := range []string{"", "weft.wasm", "assets/main-12345678.js", "models/mlp.safetensors", "register.js", "manifest.webmanifest"} {
		if one[name] == "" {
			t.Errorf("%q is not kept", name)
		}
	}
	for name := range one {
		if strings.HasPrefix(name, "data/") || strings.HasSuffix(name, ".br") || strings.HasSuffix(name, ".gz") || name == "sw.js" || name == "index.html" {
			t.Errorf("%q is kept", name)
		}
	}
	for _, name := range []string{"assets/late/runtime-12345678.wasm", "weft-import.wasm"} {
		if one[name] != "" || !strings.Contains(have["sw.js"], name+`","`) {
			t.Errorf("%q is to be kept only once it was used", name)
		}
	}
	put(t, c.from, "models/mlp.safetensors", "other weights")
	if err := pack(c, io.Discard); err != nil {
		t.Fatal(err)
	}
	two := shell(t, tree(t, c.out)["sw.js"])
	for name := range two {
		// The page names the folder of its parts.
		if (one[name] != two[name]) != (name == "models/mlp.safetensors" || name == "") {
			t.Errorf("%q: %s, then %s", name, one[name], two[name])
		}
	}
}

func TestBounds(t *testing.T) {
	c := parts(t)
	var log bytes.Buffer
	c.maxWASM, c.maxCode = 2000, 6000
	if err := pack(c, &log); err != nil || !strings.Contains(log.String(), "WebAssembly                    4000") {
		t.Errorf("%v\n%s", err, &log)
	}
	for _, c := range []config{{maxWASM: 5}, {maxCode: 5}} {
		full := parts(t)
		full.maxWASM, full.maxCode = c.maxWASM, c.maxCode
		if err := pack(full, io.Discard); err == nil || !strings.Contains(err.Error(), "5 are allowed") {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

func TestMistakes(t *testing.T) {
	for name, change := range map[string]func(*config){
		"-out":        func(c *config) { c.out = "" },
		"npm run":     func(c *config) { c.from = t.TempDir() },
		"no such":     func(c *config) { c.from = filepath.Join(c.from, "none") },
		"NAME=FILE":   func(c *config) { c.add = []string{"../x=y"} },
		"built.none":  func(c *config) { c.add = []string{"weft.wasm=built.none"} },
		"no data set": func(c *config) { c.static, c.data = true, t.TempDir() },
		"only 1 of the 4": func(c *config) {
			c.static, c.data = true, t.TempDir()
			put(t, c.data, "mnist/train-images-idx3-ubyte.gz", "x")
		},
		"charset": func(c *config) {
			c.static = true
			put(t, c.from, "index.html", "<title></title>")
		},
	} {
		c := parts(t)
		change(&c)
		if err := pack(c, io.Discard); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
