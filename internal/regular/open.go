// Package regular opens files that programs are given by name: regular ones
// only. A pipe or a device would make a reader wait for ever or give it other
// bytes each time, and a link out of a folder could hand out what is not the
// folder's.
package regular

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// ErrKind is in the error of what is no regular file.
var ErrKind = errors.New("not a regular file")

// Open opens the file at path, which may be a link, without waiting for
// anybody who would write to it.
func Open(path string) (*os.File, fs.FileInfo, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|noWait, 0)
	if err != nil {
		return nil, nil, err
	}
	return check(path, f)
}

// OpenIn opens the file name of the folder dir; links that lead out of the
// folder are errors.
func OpenIn(dir, name string) (*os.File, fs.FileInfo, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, nil, err
	}
	defer root.Close()
	f, err := root.OpenFile(filepath.FromSlash(name), os.O_RDONLY|noWait, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", dir, err)
	}
	return check(filepath.Join(dir, name), f)
}

// ReadFile is os.ReadFile for regular files of at most the given size.
func ReadFile(path string, most int64) ([]byte, error) {
	f, info, err := Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return read(path, f, info, most)
}

func read(path string, f *os.File, info fs.FileInfo, most int64) ([]byte, error) {
	if info.Size() > most {
		return nil, fmt.Errorf("%s has %d bytes, more than the %d that are read", path, info.Size(), most)
	}
	b := make([]byte, info.Size())
	n, err := f.ReadAt(b, 0)
	if n < len(b) {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return b, nil
}

func check(path string, f *os.File) (*os.File, fs.FileInfo, error) {
	info, err := f.Stat()
	if err == nil {
		switch {
		case info.IsDir():
			err = fmt.Errorf("%w: %s is a folder", ErrKind, path)
		case !info.Mode().IsRegular():
			err = fmt.Errorf("%w: %s is a pipe, a socket or a device", ErrKind, path)
		}
	}
	if err != nil {
		f.Close()
		return nil, nil, err
	}
	return f, info, nil
}
