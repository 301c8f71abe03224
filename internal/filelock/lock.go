// Package filelock keeps two programs from writing into one folder. The lock is
// the operating system's, on an open file: it ends with the process however
// that ends, so that a killed run leaves nothing that has to be tidied up by
// hand, and the file that may stay behind means nothing.
package filelock

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Name is the lock's file in the folder.
const Name = ".weft.lock"

// ErrHeld is in the error of a folder that another program has locked.
var ErrHeld = errors.New("in use")

// ErrUnsupported is in the error where the platform or the file system has no
// locks.
var ErrUnsupported = errors.ErrUnsupported

// Lock is a folder that is this program's until Unlock.
type Lock struct {
	path string
	file *os.File
}

// Take locks the folder dir, without waiting: an error with ErrHeld names the
// process that has it.
func Take(dir string) (*Lock, error) {
	path := filepath.Join(dir, Name)
	for range 100 {
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o666)
		if err != nil {
			return nil, fmt.Errorf("cannot lock the folder: %w", err)
		}
		if err := Try(f); err != nil {
			who := holder(path)
			f.Close()
			if errors.Is(err, ErrHeld) {
				return nil, fmt.Errorf("%s is %w by process %s", dir, ErrHeld, who)
			}
			return nil, fmt.Errorf("cannot lock %s: %w", path, err)
		}
		// Whoever had the lock removes the file when it is done: what was opened
		// may no longer be what others find there.
		here, err := f.Stat()
		if there, err2 := os.Stat(path); err != nil || err2 != nil || !os.SameFile(here, there) {
			f.Close()
			continue
		}
		// The number is for people; without it the lock is one all the same.
		f.Truncate(0)
		f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
		return &Lock{path, f}, nil
	}
	return nil, fmt.Errorf("cannot lock %s: other programs do so all the time", path)
}

// Try locks an open file until it is closed, without waiting: ErrHeld if another
// program has it, ErrUnsupported where there are no locks.
func Try(f *os.File) error { return try(f) }

// holder is who says to have the lock.
func holder(path string) string {
	b, _ := os.ReadFile(path)
	if n, err := strconv.Atoi(strings.TrimSpace(string(b))); err == nil {
		return strconv.Itoa(n)
	}
	return "(unknown)"
}

// Unlock gives the folder back. A nil Lock has none.
func (l *Lock) Unlock() {
	if l == nil || l.file == nil {
		return
	}
	os.Remove(l.path) // While it is still ours; where that cannot be, it stays.
	l.file.Close()
	l.file = nil
}
