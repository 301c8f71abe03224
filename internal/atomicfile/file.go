// Package atomicfile replaces a file as one step: a reader sees either the
// whole old file or the whole new one, also after a crash or a full disk.
//
// The new content goes to a temporary file in the same folder (a rename is
// atomic only within one file system), is flushed to the disk before the
// rename (otherwise a crash can leave the new name with no content), and the
// folder is flushed after it (otherwise a crash can undo the rename).
package atomicfile

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// bufferSize is large enough that a checkpoint of many small tensors does not
// cost one system call per tensor.
const bufferSize = 1 << 18

// Write replaces the file at path by what write puts into its writer, with the
// permission bits perm (a zero perm means 0o644). The folder must exist. On any
// error, also one returned by write, the temporary file is removed and the
// file that was at path before is untouched.
func Write(path string, perm os.FileMode, write func(io.Writer) error) error {
	if perm == 0 {
		perm = 0o644
	}
	dir := filepath.Dir(path)
	tmp, err := os.CreateTemp(dir, "."+filepath.Base(path)+".tmp-*")
	if err != nil {
		return fmt.Errorf("cannot write %s: %w; check that the folder %s exists and is writable", path, err, dir)
	}
	if err := fill(tmp, perm, write); err != nil {
		return fmt.Errorf("cannot write %s (what was there before is unchanged): %w", path, err)
	}
	if err := os.Rename(tmp.Name(), path); err != nil {
		os.Remove(tmp.Name())
		return fmt.Errorf("cannot write %s: %w; close the programs that hold it open", path, err)
	}
	if err := syncDir(dir); err != nil {
		return fmt.Errorf("wrote %s, but its folder could not be flushed to the disk: %w", path, err)
	}
	return nil
}

// fill writes, flushes and closes tmp; on error, and when write panics, it
// removes it.
func fill(tmp *os.File, perm os.FileMode, write func(io.Writer) error) (err error) {
	done := false
	defer func() {
		if !done {
			tmp.Close()
			os.Remove(tmp.Name())
		}
	}()
	buf := bufio.NewWriterSize(tmp, bufferSize)
	if err := write(buf); err != nil {
		return err
	}
	if err := buf.Flush(); err != nil {
		return err
	}
	// Windows has no permission bits beyond read-only and wasm hosts may have
	// none: content that is safe on the disk matters more than its mode.
	if err := tmp.Chmod(perm); err != nil && !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	if err := tmp.Sync(); err != nil {
		return err
	}
	if err := tmp.Close(); err != nil {
		return err
	}
	done = true
	return nil
}
