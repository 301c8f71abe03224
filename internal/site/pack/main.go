// Command pack puts the lab together from its parts: the bundler's output, the
// worker's WebAssembly, and whatever else a site is to hold. It writes either
// the folder that is embedded in cmd/weft or a static site for any host.
//
// It is a program of its own, and not a script with tools, so that a build needs
// Go and Node.js alone. Compressing the WebAssembly at the highest level takes
// half a minute; results are therefore kept by the content's hash, and files
// that have not changed are not written again, which keeps what depends on them
// from being built again.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/weft-ml/weft/web/player"
)

// config is what the flags say.
type config struct {
	from   string // The bundler's output.
	out    string
	cache  string // Of compressed files.
	add    []string
	static bool   // A site for any host, not one to embed.
	data   string // A folder with data sets for a static site.

	maxWASM, maxCode int // Bounds of the compressed sizes in bytes; 0: none.
}

func main() {
	var c config
	flag.StringVar(&c.from, "from", "web/dist", "folder of the bundled pages")
	flag.StringVar(&c.out, "out", "", "folder to write")
	flag.StringVar(&c.cache, "cache", "bin/packed", "folder that keeps compressed files")
	flag.BoolVar(&c.static, "static", false, "write a site for any web server: with a service worker, and every file also uncompressed")
	flag.StringVar(&c.data, "data", "", "folder with mnist/, fashion-mnist/ or models/, to become part of a static site")
	flag.IntVar(&c.maxWASM, "max-wasm", 0, "fail if the compressed WebAssembly is larger, in bytes")
	flag.IntVar(&c.maxCode, "max-code", 0, "fail if all other code, compressed, is larger, in bytes")
	flag.Func("add", "NAME=FILE: add a file under a name", func(s string) error {
		c.add = append(c.add, s)
		return nil
	})
	flag.Parse()
	if err := pack(c, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "pack:", err)
		os.Exit(1)
	}
}

// exportFile holds the code of exported models, for the lab's Export button; its
// name is lab.CodeFile.
const exportFile = "export.json"

// modelsFile lists the networks that come with the lab.
const modelsFile = "models/models.json"

// files is a site in memory, by slash-separated path.
type files map[string][]byte

func pack(c config, log io.Writer) error {
	if c.out == "" || flag.NArg() > 0 {
		return errors.New("say with -out which folder to write")
	}
	site := files{}
	if err := site.folder(c.from, ""); err != nil {
		return fmt.Errorf("%w; build the pages first: npm run build", err)
	}
	if site["index.html"] == nil {
		return fmt.Errorf("%s holds no index.html; build the pages first: npm run build", c.from)
	}
	for _, a := range c.add {
		name, file, ok := strings.Cut(a, "=")
		if !ok || !fs.ValidPath(name) {
			return fmt.Errorf("-add %q: want NAME=FILE", a)
		}
		b, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		site[name] = b
	}
	if err := site.addExport(); err != nil {
		return err
	}
	// A site without built-in models says so, instead of lacking the list.
	if site[modelsFile] == nil {
		site[modelsFile] = []byte("[]\n")
	}
	if c.static {
		if err := site.addData(c.data); err != nil {
			return err
		}
	}
	if err := site.makeApp(!c.static); err != nil {
		return err
	}
	sizes, err := site.compress(c.cache, !c.static)
	if err != nil {
		return err
	}
	if err := site.write(c.out, c.static); err != nil {
		return err
	}
	return sizes.report(c, log)
}

// folder adds the files of dir under prefix. Names that begin with a dot are no
// part of a site.
func (f files) folder(dir, prefix string) error {
	return filepath.WalkDir(dir, func(p string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if p != dir && strings.HasPrefix(e.Name(), ".") {
			if e.IsDir() {
				return filepath.SkipDir
			}
			return nil
		}
		if e.IsDir() {
			return nil
		}
		rel, err := filepath.Rel(dir, p)
		if err != nil {
			return err
		}
		b, err := os.ReadFile(p)
		f[path.Join(prefix, filepath.ToSlash(rel))] = b
		return err
	})
}

// addExport adds the code of exported models, for the lab's Export button.
func (f files) addExport() error {
	texts := map[string]string{}
	for name, b := range player.Export(true) {
		texts[name] = string(b)
	}
	b, err := json.Marshal(texts)
	f[exportFile] = b
	return err
}

// names are the paths in order.
func (f files) names() []string {
	names := make([]string, 0, len(f))
	for n := range f {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

// record lists what pack has written into a folder. Only that is ever deleted:
// the folder may hold files of other origin, a CNAME say.
const record = ".packed"

// former lists what is left of the version before, which tabs that are open may
// still ask for; the version after this one removes it.
const former = ".packed-former"

// write brings the folder to the state of f. With keep, what has an address of
// its own version stays for one version more.
func (f files) write(out string, keep bool) error {
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	old, err := recorded(filepath.Join(out, record))
	if err != nil {
		return err
	}
	older, err := recorded(filepath.Join(out, former))
	if err != nil {
		return err
	}
	var kept []string
	switch {
	case slices.Equal(old, f.names()): // the same version once more
		kept, older = older, nil
	case keep:
		for _, name := range old {
			if _, ok := f[name]; !ok && (strings.HasPrefix(name, "assets/") || strings.HasPrefix(name, "parts/")) {
				kept = append(kept, name)
			}
		}
	}
	for _, name := range f.names() {
		file := filepath.Join(out, filepath.FromSlash(name))
		if have, err := os.ReadFile(file); err == nil && string(have) == string(f[name]) {
			continue
		}
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(file, f[name], 0o644); err != nil {
			return err
		}
	}
	for _, name := range slices.Concat(old, older) {
		if _, ok := f[name]; ok || slices.Contains(kept, name) || !fs.ValidPath(name) {
			continue
		}
		file := filepath.Join(out, filepath.FromSlash(name))
		if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		for dir := filepath.Dir(file); dir != filepath.Clean(out); dir = filepath.Dir(dir) {
			if os.Remove(dir) != nil {
				break // Not empty.
			}
		}
	}
	for file, names := range map[string][]string{record: f.names(), former: kept} {
		if err := os.WriteFile(filepath.Join(out, file), []byte(strings.Join(names, "\n")+"\n"), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// recorded reads a list of names; none is there before the first time.
func recorded(file string) ([]string, error) {
	b, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return slices.DeleteFunc(strings.Split(string(b), "\n"), func(name string) bool { return name == "" }), nil
}
