// Package site serves the lab: the built pages, which are embedded in the
// program, and the data sets of this machine's cache.
//
// The server is meant for one person's own machine and yet trusts nobody: a
// page of any other site can send requests to localhost, so nothing here
// changes anything, a name that is not this machine's is refused (DNS
// rebinding), and what is served is the site and eight files of known names.
// The pages run under a Content-Security-Policy that allows no code, style,
// connection or frame from elsewhere.
package site

import (
	"embed"
	"github.com/weft-ml/weft/internal/regular"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
)

// The folder holds nothing but a placeholder until `make lab` has filled it.
// Files that compress well are there only as .br and .gz, which halves the
// program; the rare client that takes neither gets them decompressed.
//
//go:embed dist
var dist embed.FS

// Embedded is the built site in this program.
func Embedded() fs.FS {
	sub, err := fs.Sub(dist, "dist")
	if err != nil {
		panic(err) // The name is fixed.
	}
	return sub
}

// Built tells whether a site holds the pages or only the placeholder.
func Built(site fs.FS) bool {
	for _, suffix := range []string{"", ".gz"} {
		if _, err := fs.Stat(site, "index.html"+suffix); err == nil {
			return true
		}
	}
	return false
}

// Dir is a built site in a folder. Links that lead out of the folder are not
// followed.
func Dir(path string) (fs.FS, error) {
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, err
	}
	return folder(path), root.Close()
}

// folder is a folder by its path: an export that replaces it as a whole is
// served from then on.
type folder string

func (f folder) Open(name string) (fs.File, error) {
	file, _, err := regular.OpenIn(string(f), name)
	return file, err
}

func (f folder) Stat(name string) (fs.FileInfo, error) {
	root, err := os.OpenRoot(string(f))
	if err != nil {
		return nil, err
	}
	defer root.Close()
	return root.Stat(filepath.FromSlash(name))
}

// Options of a server. The zero value serves the embedded site and data that
// may be downloaded.
type Options struct {
	// Site is what is served; nil means Embedded.
	Site fs.FS
	// Hosts are names, beside localhost and IP addresses, by which this server
	// may be called.
	Hosts []string
	// Offline forbids downloads of data sets.
	Offline bool
	// Logf is told of downloads and failures; nil means silence.
	Logf func(format string, args ...any)
}

// Handler serves the site at / and data sets at /data/.
func Handler(opts Options) http.Handler {
	if opts.Site == nil {
		opts.Site = Embedded()
	}
	if opts.Logf == nil {
		opts.Logf = func(string, ...any) {}
	}
	pages := newPages(opts.Site)
	sets := newDataSets(opts.Offline, opts.Logf)
	return secure(opts.Hosts, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// A site that brings data of its own serves that.
		if sets.has(r.URL.Path) && !pages.has(r.URL.Path) {
			sets.ServeHTTP(w, r)
			return
		}
		pages.ServeHTTP(w, r)
	}))
}
