// Package atomicfile replaces a file as one step: a reader sees either the
// whole old file or the whole new one, also after a crash or a full disk.
//
// The new content goes to a temporary file in the same folder (a rename is
// atomic only within one file system), is flushed to the disk before the
// rename (otherwise a crash can leave the new name with no content), and the
// folder is flushed after it (otherwise a crash can undo the rename).
//
// A process that is killed leaves its temporary file. The next one that writes
// the same file removes it: it is locked as long as it is being written, so
// that what can be locked is nobody's.
package atomicfile

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/weft-ml/weft/internal/filelock"
)

// bufferSize is large enough that a checkpoint of many small tensors does not
// cost one system call per tensor.
const bufferSize = 1 << 18

// Write replaces the file at path by what write puts into its writer, with the
// permission bits perm less the umask (a zero perm means 0o666, as of files
// that any program makes). The folder must exist. On any error, also one
// returned by write, the temporary file is removed and the file that was at
// path before is untouched.
func Write(path string, perm os.FileMode, write func(io.Writer) error) error {
	return replace(path, "", perm, write)
}

// WriteKeeping is Write that keeps the file that was at path before as kept, a
// name in the same folder. At any time one of the two is whole.
func WriteKeeping(path, kept string, perm os.FileMode, write func(io.Writer) error) error {
	return replace(path, kept, perm, write)
}

func replace(path, kept string, perm os.FileMode, write func(io.Writer) error) error {
	if perm == 0 {
		perm = 0o666
	}
	dir := filepath.Dir(path)
	removeLeftovers(path)
	tmp, err := create(path, perm)
	if err != nil {
		return fmt.Errorf("cannot write %s: %w; check that the folder %s exists and is writable", path, err, dir)
	}
	done := false
	defer func() { // Also when write panics.
		tmp.Close()
		if !done {
			os.Remove(tmp.Name())
		}
	}()
	unchanged := func(err error) error {
		return fmt.Errorf("cannot write %s (what was there before is unchanged): %w", path, err)
	}
	if err := fill(tmp, write); err != nil {
		return unchanged(err)
	}
	if kept != "" {
		if err := keep(path, filepath.Join(dir, kept)); err != nil {
			return unchanged(err)
		}
	}
	if !renameOpen {
		if err := tmp.Close(); err != nil {
			return unchanged(err)
		}
	}
	if err := os.Rename(tmp.Name(), path); err != nil {
		return fmt.Errorf("cannot write %s: %w; close the programs that hold it open", path, err)
	}
	done = true
	if err := syncDir(dir); err != nil {
		return fmt.Errorf("wrote %s, but its folder could not be flushed to the disk: %w", path, err)
	}
	return nil
}

const mark = ".tmp-"

// temporary begins the names of the temporary files of path.
func temporary(path string) string {
	return filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+mark)
}

// create makes a temporary file for path, locked where that is possible.
// os.CreateTemp would not ask the umask.
func create(path string, perm os.FileMode) (*os.File, error) {
	for try := 0; ; try++ {
		f, err := os.OpenFile(fmt.Sprintf("%s%d", temporary(path), rand.Uint32()), os.O_RDWR|os.O_CREATE|os.O_EXCL, perm|0o200)
		if errors.Is(err, fs.ErrExist) && try < 1000 {
			continue
		}
		if err == nil {
			filelock.Try(f) // Without a lock it is known by its age.
		}
		return f, err
	}
}

// fill writes and flushes tmp.
func fill(tmp *os.File, write func(io.Writer) error) error {
	buf := bufio.NewWriterSize(tmp, bufferSize)
	if err := write(buf); err != nil {
		return err
	}
	if err := buf.Flush(); err != nil {
		return err
	}
	return tmp.Sync()
}

// keep gives the file at path, if there is one, the second name kept. Where the
// file system has no second names it is copied.
func keep(path, kept string) error {
	if _, err := os.Lstat(path); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	}
	link := fmt.Sprintf("%s%d", temporary(kept), rand.Uint32())
	if err := os.Link(path, link); err != nil {
		return Write(kept, 0, func(w io.Writer) error {
			f, err := os.Open(path)
			if err != nil {
				return err
			}
			defer f.Close()
			_, err = io.Copy(w, f)
			return err
		})
	}
	if err := os.Rename(link, kept); err != nil {
		os.Remove(link)
		return err
	}
	// Two names of one file are nothing that renaming would change.
	os.Remove(link)
	return nil
}

// abandoned is how old a temporary file must be where locks do not tell whether
// somebody is writing it.
const abandoned = 24 * time.Hour

// looked are the paths whose leftovers this process has removed.
var looked sync.Map

func removeLeftovers(path string) {
	prefix := temporary(path)
	if _, again := looked.LoadOrStore(prefix, true); again {
		return
	}
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		return // Writing will say so.
	}
	for _, e := range entries {
		name := filepath.Join(filepath.Dir(path), e.Name())
		rest, ok := strings.CutPrefix(name, prefix)
		if !ok || strings.Trim(rest, "0123456789") != "" || !e.Type().IsRegular() {
			continue
		}
		if free(name) {
			os.Remove(name)
		}
	}
}

// free reports whether nobody is writing the temporary file name.
func free(name string) bool {
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		return false
	}
	defer f.Close()
	err = filelock.Try(f)
	if err == nil && renameOpen {
		return true
	}
	info, err2 := f.Stat()
	return !errors.Is(err, filelock.ErrHeld) && err2 == nil && time.Since(info.ModTime()) > abandoned
}
