package filelock

import (
	"errors"
	"os"

	"golang.org/x/sys/windows"
)

// far is where the locked byte is: nobody may read what is locked, and the
// number of the process at the beginning is for others.
const far = 1 << 30

func try(f *os.File) error {
	err := windows.LockFileEx(windows.Handle(f.Fd()), windows.LOCKFILE_EXCLUSIVE_LOCK|windows.LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0, &windows.Overlapped{Offset: far})
	if errors.Is(err, windows.ERROR_LOCK_VIOLATION) || errors.Is(err, windows.ERROR_IO_PENDING) {
		return ErrHeld
	}
	return err
}
