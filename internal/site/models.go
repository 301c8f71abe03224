// Exported models of the data folder at /data/models/: NAME/plan.json and its
// companions, in the folder models of $WEFT_DATA or of the cache, as weft export
// web writes them. data/index.json lists them. A request is compared with the
// names that were found; no path is ever made from one.

package site

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/weft-ml/weft/format/web"
	"github.com/weft-ml/weft/format/web/webonnx"
	"github.com/weft-ml/weft/internal/fetch"
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

	dir string
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
			dir := filepath.Join(root, "models", e.Name())
			if len(all) == mostModels || strings.HasPrefix(e.Name(), ".") || slices.ContainsFunc(all, func(m served) bool { return m.Name == e.Name() }) {
				continue
			}
			if m, ok := modelIn(dir); ok {
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

// modelIn reads what the list says of a model, if dir holds one.
func modelIn(dir string) (served, bool) {
	path := filepath.Join(dir, web.PlanFile)
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() || info.Size() > mostPlan {
		return served{}, false
	}
	b, err := os.ReadFile(path)
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
	return served{Title: p.Model, Bytes: int64(p.Weights.Bytes) + info.Size(), dir: dir}, true
}

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
	f, err := os.Open(filepath.Join(models[i].dir, file))
	if err != nil {
		return false
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return false
	}
	w.Header().Set("Cache-Control", "no-cache")
	w.Header().Set("Content-Type", contentType(file))
	http.ServeContent(w, r, "", info.ModTime(), f)
	return true
}
