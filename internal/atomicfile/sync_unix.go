//go:build unix

// Flushing a folder is a Unix matter: there a rename is a change of the
// folder, which has its own dirty pages.

package atomicfile

import (
	"errors"
	"os"
	"syscall"
)

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		// A folder that may be written but not read (mode 0300) cannot be
		// opened for flushing; the rename itself has succeeded.
		if errors.Is(err, os.ErrPermission) {
			return nil
		}
		return err
	}
	defer d.Close()
	// Some file systems (FUSE, network shares) refuse to flush a folder.
	if err := d.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) && !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	return nil
}
