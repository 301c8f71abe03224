// The data sets at /data/: data/index.json says what there is, and
// data/mnist/NAME.gz, data/fashion-mnist/NAME.gz are the official files, from
// WEFT_DATA or the cache, downloaded on the first request for one of them.
// Requests name one of these files or nothing: no path is ever made from one.

package site

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/weft-ml/weft/data/mnist"
	"github.com/weft-ml/weft/internal/regular"
)

const dataIndex = "/data/index.json"

type dataSets struct {
	offline bool
	logf    func(string, ...any)
	sets    []*dataSet
	files   map[string]dataFile // By the request's path.
}

// dataSet is looked for once, by the first who asks; a failure is tried again
// after a while, because the network may be back.
type dataSet struct {
	variant mnist.Variant

	mu     sync.Mutex
	paths  [4]string
	err    error
	failed time.Time
	packed [4][]byte // Of files that lie on the disk uncompressed.
}

type dataFile struct {
	set   *dataSet
	index int
}

// retryAfter spares a machine without a network a wait on every request.
const retryAfter = 30 * time.Second

func newDataSets(offline bool, logf func(string, ...any)) *dataSets {
	d := &dataSets{offline: offline, logf: logf, files: map[string]dataFile{}}
	for _, v := range []mnist.Variant{mnist.MNIST, mnist.Fashion} {
		set := &dataSet{variant: v}
		d.sets = append(d.sets, set)
		for i, name := range v.Names() {
			d.files["/data/"+v.String()+"/"+name+".gz"] = dataFile{set, i}
		}
	}
	return d
}

func (d *dataSets) has(urlPath string) bool {
	_, ok := d.files[urlPath]
	return ok || urlPath == dataIndex || strings.HasPrefix(urlPath, modelsPath)
}

func (d *dataSets) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == dataIndex {
		d.serveIndex(w, r)
		return
	}
	f, ok := d.files[r.URL.Path]
	if !ok {
		if serveModel(w, r) {
			return
		}
		http.Error(w, "there is no such data set or model", http.StatusNotFound)
		return
	}
	w.Header().Set("Cache-Control", "no-cache")
	paths, err := f.set.find(r.Context(), d.offline, d.logf)
	if err != nil {
		// A failure of this server's surroundings, which may pass.
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	file, _, err := regular.Open(paths[f.index])
	if err != nil {
		f.set.forget()
		http.Error(w, path.Base(r.URL.Path)+" is gone from the data folder; try again", http.StatusServiceUnavailable)
		return
	}
	defer file.Close()
	var body io.ReadSeeker = file
	modified := time.Time{}
	if strings.HasSuffix(paths[f.index], ".gz") {
		if info, err := file.Stat(); err == nil {
			modified = info.ModTime()
		}
	} else if body, err = f.set.pack(f.index, file); err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", contentType(".gz"))
	http.ServeContent(w, r, "", modified, body)
}

// serveIndex lists the sets that a request can be expected to get, so that a
// page need not provoke errors to find out.
func (d *dataSets) serveIndex(w http.ResponseWriter, r *http.Request) {
	type entry struct {
		Files []string `json:"files"` // Relative to the index.
		Here  bool     `json:"here"`  // No download is needed.
		Note  string   `json:"note,omitempty"`
	}
	index := map[string]entry{}
	for _, set := range d.sets {
		e := entry{}
		here, err := set.here(r.Context())
		if e.Here = here; !here && (d.offline || err != nil) {
			continue
		}
		for _, name := range set.variant.Names() {
			e.Files = append(e.Files, set.variant.String()+"/"+name+".gz")
		}
		if !here {
			e.Note = "is downloaded when it is asked for"
		}
		index[set.variant.String()] = e
	}
	all := map[string]any{"sets": index}
	if models := findModels(); len(models) > 0 {
		all["models"] = models
	}
	b, err := json.Marshal(all)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Content-Type", contentType(".json"))
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(b))
}

// here tells whether the set is on this machine, and the error of the last
// attempt to get it if that was not long ago.
func (s *dataSet) here(ctx context.Context) (bool, error) {
	if !s.mu.TryLock() {
		return false, nil // A download is under way.
	}
	defer s.mu.Unlock()
	if s.paths[0] != "" {
		return true, nil
	}
	if s.err != nil && time.Since(s.failed) < retryAfter {
		return false, s.err
	}
	paths, err := mnist.Files(ctx, mnist.Options{Variant: s.variant, Offline: true})
	if err == nil {
		s.paths = paths
	}
	return err == nil, nil
}

// find locates or downloads the files. One request does it, others wait.
func (s *dataSet) find(ctx context.Context, offline bool, logf func(string, ...any)) ([4]string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.paths[0] != "" {
		return s.paths, nil
	}
	if s.err != nil && time.Since(s.failed) < retryAfter {
		return s.paths, s.err
	}
	last := ""
	paths, err := mnist.Files(ctx, mnist.Options{Variant: s.variant, Offline: offline, Progress: func(file string, _, _ int64) {
		if file != last {
			last = file
			logf("downloading %s", file)
		}
	}})
	switch {
	case err == nil:
		s.paths, s.err = paths, nil
	case errors.Is(err, context.Canceled):
		// The client left; the next one begins anew, where the download stopped.
	default:
		s.err, s.failed = err, time.Now()
		logf("%v", err)
	}
	return paths, err
}

// forget makes the next request look again.
func (s *dataSet) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.paths, s.err, s.packed = [4]string{}, nil, [4][]byte{}
}

// pack compresses a file, once.
func (s *dataSet) pack(index int, file io.Reader) (io.ReadSeeker, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.packed[index] == nil {
		var out bytes.Buffer
		z, err := gzip.NewWriterLevel(&out, gzip.BestSpeed)
		if err != nil {
			return nil, err
		}
		if _, err := io.Copy(z, file); err != nil {
			return nil, err
		}
		if err := z.Close(); err != nil {
			return nil, err
		}
		s.packed[index] = out.Bytes()
	}
	return bytes.NewReader(s.packed[index]), nil
}
