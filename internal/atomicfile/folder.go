// Several files that only make sense together are replaced as a folder: the new
// one is made beside the old one, and the two change places in one step. Where
// the system cannot exchange two names, it takes two renames, and what a kill
// between them leaves is put right by the next write.

package atomicfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"

	"github.com/weft-ml/weft/internal/filelock"
)

// Content is one file of a folder.
type Content struct {
	Name string
	Data []byte
}

// WriteFolder replaces the folder dir by one with the given files. What else is
// in dir stays, except the names that stale lists: they are of an older state
// that the new files are not part of. The parent of dir must exist.
func WriteFolder(dir string, files []Content, stale []string) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	fail := func(err error) error {
		return fmt.Errorf("cannot write the folder %s (what was there before is unchanged): %w", dir, err)
	}
	recoverFolder(dir)
	fresh := fmt.Sprintf("%s%d", temporary(dir), rand.Uint32())
	if err := os.Mkdir(fresh, 0o777); err != nil {
		return fail(err)
	}
	defer os.RemoveAll(fresh) // Afterwards it is the old one.
	lock, err := filelock.Take(fresh)
	if err != nil && !errors.Is(err, filelock.ErrUnsupported) {
		return fail(err)
	}
	defer lock.Unlock()
	own := map[string]bool{filelock.Name: true}
	for _, name := range stale {
		own[name] = true
	}
	for _, f := range files {
		own[f.Name] = true
		err := Write(filepath.Join(fresh, f.Name), 0, func(w io.Writer) error { _, err := w.Write(f.Data); return err })
		if err != nil {
			return fail(err)
		}
	}
	_, err = os.Stat(dir)
	there := err == nil
	if there {
		if err := copyOthers(dir, fresh, own); err != nil {
			return fail(err)
		}
	}
	lock.Unlock()
	if !there {
		if err := os.Rename(fresh, dir); err != nil {
			return fail(err)
		}
	} else if err := exchange(fresh, dir); err != nil {
		old := fmt.Sprintf("%s%d", temporary(dir)+oldMark, rand.Uint32())
		if err := os.Rename(dir, old); err != nil {
			return fail(fmt.Errorf("%w; it must not be a program's working folder or a disk", err))
		}
		if err := os.Rename(fresh, dir); err != nil {
			os.Rename(old, dir)
			return fail(err)
		}
		os.RemoveAll(old)
	}
	return syncDir(filepath.Dir(dir))
}

const oldMark = "old-"

// recoverFolder gives back the name of a folder that a kill left without it, and
// removes what other kills left.
func recoverFolder(dir string) {
	entries, err := os.ReadDir(filepath.Dir(dir))
	if err != nil {
		return
	}
	for _, e := range entries {
		name := filepath.Join(filepath.Dir(dir), e.Name())
		rest, ok := strings.CutPrefix(name, temporary(dir))
		number, old := strings.CutPrefix(rest, oldMark)
		if !ok || !e.IsDir() || strings.Trim(number, "0123456789") != "" {
			continue
		}
		if _, err := os.Stat(dir); old && errors.Is(err, fs.ErrNotExist) {
			os.Rename(name, dir)
			continue
		}
		lock, err := filelock.Take(name)
		if err == nil {
			os.RemoveAll(name)
			lock.Unlock()
		}
	}
}

// copyOthers gives what is in dir, but not own, a second name in fresh; files on
// systems without second names are copied.
func copyOthers(dir, fresh string, own map[string]bool) error {
	return filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil || rel == "." || own[rel] {
			return err
		}
		to := filepath.Join(fresh, rel)
		switch {
		case e.IsDir():
			return os.MkdirAll(to, 0o777)
		case e.Type() == fs.ModeSymlink:
			target, err := os.Readlink(path)
			if err != nil {
				return err
			}
			return os.Symlink(target, to)
		case !e.Type().IsRegular():
			return nil
		}
		if strings.Contains(filepath.Base(rel), mark) && strings.HasPrefix(filepath.Base(rel), ".") {
			return nil // left by a kill
		}
		if err := os.Link(path, to); err == nil || errors.Is(err, fs.ErrExist) {
			return nil
		}
		in, err := os.Open(path)
		if err != nil {
			return err
		}
		defer in.Close()
		return Write(to, 0, func(w io.Writer) error { _, err := io.Copy(w, in); return err })
	})
}
