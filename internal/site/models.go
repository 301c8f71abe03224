// Exported models of the data folder at /data/models/: NAME/plan.json and its
// companions, in the folder models of $WEFT_DATA or of the cache, as weft export
// web writes them. data/index.json lists them. A request is compared with the
// names that were found; no path is ever made from one.

package site

import (
	"encoding/json"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/weft-ml/weft/format/web"
	"github.com/weft-ml/weft/format/web/webonnx"
	"github.com/weft-ml/weft/internal/fetch"
	"github.com/weft-ml/weft/internal/regular"
)

// Bounds of what is looked at: a folder of anything may be called models.
const (
	mostModels = 200
	mostPlan   = 64 << 20
)

// served is a model as data/index.json lists it.
type served struct {
	Name  string `json:"name"`
	Title string `json:"title"`
	Bytes int64  `json:"bytes"`

	root, dir string // a data folder, and the model's in it
}

// modelFiles are what a page may ask for.
var modelFiles = []string{web.PlanFile, web.WeightsFile, webonnx.File}

// findModels looks anew each time, so that a model is there once it is exported.
func findModels() []served {
	var all []served
	for _, root := range dataFolders() {
		entries, err := os.ReadDir(filepath.Join(root, "models"))
		if err != nil {
			continue // Most have none.
		}
		for _, e := range entries {
			dir := path.Join("models", e.Name())
			if len(all) == mostModels || strings.HasPrefix(e.Name(), ".") || slices.ContainsFunc(all, func(m served) bool { return m.Name == e.Name() }) {
				continue
			}
			if m, ok := modelIn(root, dir); ok {
				m.Name = e.Name()
				all = append(all, m)
			}
		}
	}
	return all
}

func dataFolders() []string {
	var roots []string
	if dir := os.Getenv("WEFT_DATA"); dir != "" {
		roots = append(roots, dir)
	}
	if dir, err := fetch.CacheDir(); err == nil {
		roots = append(roots, dir)
	}
	return roots
}

// known are the models that plans were found to be of, which a plan of megabytes
// is not parsed for again as long as its file is the same.
var known sync.Map // of knownPlan, by path

type knownPlan struct {
	info  fs.FileInfo
	model served
	ok    bool
}

// modelIn reads what the list says of a model, if dir in root holds one. Links
// that lead out of root are not followed.
func modelIn(root, dir string) (served, bool) {
	f, info, err := regular.OpenIn(root, path.Join(dir, web.PlanFile))
	if err != nil {
		return served{}, false
	}
	defer f.Close()
	if info.Size() > mostPlan {
		return served{}, false
	}
	key := filepath.Join(root, dir)
	if v, ok := known.Load(key); ok {
		k := v.(knownPlan)
		if os.SameFile(k.info, info) && k.info.Size() == info.Size() && k.info.ModTime().Equal(info.ModTime()) {
			return k.model, k.ok
		}
	}
	m, ok := readPlan(f, info)
	m.root, m.dir = root, dir
	known.Store(key, knownPlan{info, m, ok})
	return m, ok
}

func readPlan(f io.Reader, info fs.FileInfo) (served, bool) {
	parsed.Add(1)
	b, err := io.ReadAll(io.LimitReader(f, mostPlan))
	if err != nil {
		return served{}, false
	}
	// Of a plan of megabytes only these are needed.
	var p struct {
		Format  string
		Model   string
		Weights web.Weights
	}
	if json.Unmarshal(b, &p) != nil || p.Format != "weft-web" || p.Weights.File != web.WeightsFile {
		return served{}, false
	}
	return served{Title: p.Model, Bytes: int64(p.Weights.Bytes) + info.Size()}, true
}

// parsed counts plans that were read, for a test.
var parsed atomic.Int64

const modelsPath = "/data/models/"

// serveModel answers for one file of one model, if the address names one.
func serveModel(w http.ResponseWriter, r *http.Request) bool {
	rest, ok := strings.CutPrefix(r.URL.Path, modelsPath)
	if !ok {
		return false
	}
	name, file, _ := strings.Cut(rest, "/")
	if !slices.Contains(modelFiles, file) {
		return false
	}
	models := findModels()
	i := slices.IndexFunc(models, func(m served) bool { return m.Name == name })
	if i < 0 {
		return false
	}
	f, info, err := regular.OpenIn(models[i].root, path.Join(models[i].dir, file))
	if err != nil {
		return false
	}
	defer f.Close()
	w.Header().Set("Cache-Control", "no-cache")
	w.Header().Set("Content-Type", contentType(file))
	http.ServeContent(w, r, "", info.ModTime(), f)
	return true
}
