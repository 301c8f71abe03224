// What makes pages an app, on any host and on weft serve alike: a service worker,
// a manifest with icons, a policy in the page itself, a page for wrong addresses,
// and the list of data sets. Addresses are relative, so that the site works in
// any folder.

package main

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/weft-ml/weft/data/mnist"
	"github.com/weft-ml/weft/internal/site/csp"
)

//go:embed app/sw.js
var serviceWorker string

//go:embed app/register.js
var register []byte

//go:embed app/404.html
var notFound []byte

const (
	swFile       = "sw.js"
	registerFile = "register.js"
	manifestFile = "manifest.webmanifest"
)

// dataSets are the folders under data/.
var dataSets = []mnist.Variant{mnist.MNIST, mnist.Fashion}

// addData copies the sets in dir and lists them. The list is there even if it
// is empty, so that pages find out without provoking an error.
func (f files) addData(dir string) error {
	type entry struct {
		Files []string `json:"files"`
		Here  bool     `json:"here"`
	}
	index := map[string]entry{}
	for _, v := range dataSets {
		if dir == "" {
			break
		}
		e := entry{Here: true}
		for _, name := range v.Names() {
			name = v.String() + "/" + name + ".gz"
			b, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(name)))
			if errors.Is(err, fs.ErrNotExist) {
				break
			}
			if err != nil {
				return err
			}
			e.Files = append(e.Files, name)
			f["data/"+name] = b
		}
		switch len(e.Files) {
		case 4:
			index[v.String()] = e
		case 0:
		default:
			return fmt.Errorf("%s holds only %d of the 4 files of %s", dir, len(e.Files), v)
		}
	}
	models, err := f.addModels(dir)
	if err != nil {
		return err
	}
	if dir != "" && len(index)+len(models) == 0 {
		return fmt.Errorf("%s holds no data set; it needs %s.gz and its companions in mnist/ or fashion-mnist/, or exported networks in models/", dir, mnist.MNIST.Names()[0])
	}
	all := map[string]any{"sets": index}
	if len(models) > 0 {
		all["models"] = models
	}
	// What the service worker compares the files with.
	sums := map[string]string{}
	for name, b := range f {
		if name, ok := strings.CutPrefix(name, "data/"); ok {
			sums[name] = sum(b)
		}
	}
	if len(sums) > 0 {
		all["sums"] = sums
	}
	b, err := json.Marshal(all)
	f["data/index.json"] = b
	return err
}

// model is a network of the Photo view as data/index.json lists it: the list that
// weft serve makes of its data folder (internal/site/models.go).
type model struct {
	Name  string `json:"name"`
	Title string `json:"title"`
	Bytes int    `json:"bytes"`
}

// addModels copies what weft export web has written to dir/models/NAME.
func (f files) addModels(dir string) (list []model, err error) {
	plans, err := filepath.Glob(filepath.Join(dir, "models", "*", "plan.json"))
	if dir == "" || err != nil {
		return nil, err
	}
	for _, path := range plans {
		b, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		var plan struct {
			Format, Model string
			Weights       struct{ File string }
		}
		if json.Unmarshal(b, &plan) != nil || plan.Format != "weft-web" {
			continue // something else
		}
		from := filepath.Dir(path)
		m := model{Name: filepath.Base(from), Title: plan.Model, Bytes: len(b)}
		to := "data/models/" + m.Name + "/"
		f[to+"plan.json"] = b
		if plan.Weights.File != "weights.safetensors" {
			return nil, fmt.Errorf("%s: its weights are in %q, want weights.safetensors", path, plan.Weights.File)
		}
		if b, err = os.ReadFile(filepath.Join(from, plan.Weights.File)); err != nil {
			return nil, err
		}
		f[to+plan.Weights.File] = b
		m.Bytes += len(b)
		switch b, err = os.ReadFile(filepath.Join(from, "model.onnx")); {
		case err == nil:
			f[to+"model.onnx"] = b
		case !errors.Is(err, fs.ErrNotExist):
			return nil, err
		}
		list = append(list, m)
	}
	return list, nil
}

// makeApp adds the rest and works the references into the page. local says that
// the pages are for weft serve, which has data and an answer to wrong addresses
// of its own.
func (f files) makeApp(local bool) error {
	folder := f.moveParts()
	const head = "</title>"
	page := f["index.html"]
	if bytes.Count(page, []byte(head)) != 1 {
		return fmt.Errorf("index.html: want one %s to insert the app's references after", head)
	}
	lines := []string{
		head,
		`<meta name="weft-parts" content="` + folder + `">`,
		`<link rel="manifest" href="./` + manifestFile + `">`,
		`<link rel="apple-touch-icon" href="./icon-180.png">`,
		`<script type="module" src="./` + registerFile + `"></script>`,
	}
	page = bytes.Replace(page, []byte(head), []byte(strings.Join(lines, "\n    ")), 1)
	// The policy holds for what comes after it, so it is first, but the
	// character set is before anything that has characters.
	const charset = `<meta charset="utf-8" />`
	if bytes.Count(page, []byte(charset)) != 1 {
		return fmt.Errorf("index.html: want one %s to insert the policy after", charset)
	}
	policy := charset + "\n    " + `<meta http-equiv="Content-Security-Policy" content="` + html.EscapeString(csp.Meta) + `">`
	f["index.html"] = bytes.Replace(page, []byte(charset), []byte(policy), 1)

	manifest, err := json.Marshal(map[string]any{
		"name": "Weft Lab", "short_name": "Weft", "description": "Train a neural network in this tab, and look inside while it learns.",
		"id": "./", "start_url": "./", "scope": "./", "display": "standalone", "background_color": "#14161a", "theme_color": "#14161a",
		"icons": []map[string]string{
			{"src": "./favicon.svg", "sizes": "any", "type": "image/svg+xml"},
			{"src": "./icon-192.png", "sizes": "192x192", "type": "image/png"},
			{"src": "./icon-512.png", "sizes": "512x512", "type": "image/png"},
			{"src": "./icon-mask-512.png", "sizes": "512x512", "type": "image/png", "purpose": "maskable"},
		},
	})
	if err != nil {
		return err
	}
	f[manifestFile] = manifest
	f[registerFile] = register
	if !local {
		f["404.html"] = notFound
		f[".nojekyll"] = nil // GitHub Pages would leave out what it takes for its own.
	}
	for name, icon := range icons {
		if f[name], err = icon.png(); err != nil {
			return err
		}
	}
	return f.addServiceWorker(folder, local)
}

// atRoot are the files that pages name themselves or browsers ask for, beside the
// bundler's, whose names change with their content.
var atRoot = []string{"index.html", "theme.js", "favicon.svg"}

// moveParts puts all other files, which programs ask for by name, into a folder
// that is named after their content, and returns it: so no two versions have an
// address in common at which they differ. web/src/lib/site.ts reads the folder
// from the page.
func (f files) moveParts() (folder string) {
	var names []string
	h := sha256.New()
	for _, name := range f.names() {
		if slices.Contains(atRoot, name) || strings.HasPrefix(name, "assets/") || strings.HasPrefix(name, "data/") {
			continue
		}
		names = append(names, name)
		fmt.Fprintf(h, "%q %x\n", name, sha256.Sum256(f[name]))
	}
	folder = "parts/" + hex.EncodeToString(h.Sum(nil)[:8]) + "/"
	for _, name := range names {
		f[folder+name] = f[name]
		delete(f, name)
	}
	return folder
}

// partName is a file's name without the folder that moveParts put it into.
func partName(name string) string {
	if rest, ok := strings.CutPrefix(name, "parts/"); ok {
		_, rest, _ = strings.Cut(rest, "/")
		return rest
	}
	return name
}

// isLate tells what few visitors load, and late: other programs, and the Check
// view's values. An offline copy has it once it was used.
func isLate(name string) bool {
	part := partName(name)
	return strings.HasPrefix(name, "assets/late/") || part == "weft-import.wasm" || part == "weft-check.wasm" || strings.HasPrefix(part, "fixtures/")
}

func sum(b []byte) string {
	s := sha256.Sum256(b)
	return hex.EncodeToString(s[:])
}

// addServiceWorker writes the list of what works without a network into the
// worker. A change of any file changes the worker, and that is what makes
// browsers install it anew.
func (f files) addServiceWorker(folder string, local bool) error {
	shell, late := [][2]string{}, [][2]string{}
	for _, name := range f.names() {
		if strings.HasPrefix(name, "data/") || strings.HasPrefix(name, ".") || name == "404.html" || path.Ext(name) == ".map" {
			continue
		}
		address := name
		if name == "index.html" {
			address = "" // The folder; hosts may redirect the file's name to it.
		}
		into := &shell
		if isLate(name) {
			into = &late
		}
		*into = append(*into, [2]string{address, sum(f[name])})
	}
	text := serviceWorker
	for _, part := range []struct {
		mark  string
		value any
	}{
		{"/* the version */ ''", path.Base(folder)}, {"/* the list */ []", shell}, {"/* the late */ []", late}, {"/* one's own server */ false", local},
		{"/* the headers */ {}", csp.Headers()}, {"/* the policy of downloads */ ''", csp.Download},
	} {
		value, err := json.Marshal(part.value)
		if err != nil {
			return err
		}
		if strings.Count(text, part.mark) != 1 {
			return fmt.Errorf("sw.js: the place for %s is missing", part.mark)
		}
		text = strings.Replace(text, part.mark, string(value), 1)
	}
	f[swFile] = []byte(text)
	return nil
}
