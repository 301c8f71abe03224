// A full disk is the case that an injected error cannot stand for: the error
// then comes from the kernel, perhaps as late as the flush. The child process
// of this test lowers its own file size limit, which needs no privileges and
// makes write(2) fail as on a full disk.

package atomicfile

import (
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"
)

func TestWriteDiskFull(t *testing.T) {
	if path := os.Getenv("ATOMICFILE_CHILD"); path != "" {
		signal.Ignore(syscall.SIGXFSZ)
		limit := syscall.Rlimit{Cur: 100_000, Max: 100_000}
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
			t.Fatal(err)
		}
		err := Write(path, 0, func(w io.Writer) error {
			_, err := w.Write(make([]byte, 150_000)) // Fits the buffer: fails in the flush.
			return err
		})
		if err == nil {
			t.Fatal("writing past the limit succeeded")
		}
		return
	}
	path := filepath.Join(t.TempDir(), "model")
	if err := Write(path, 0, text("old")); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestWriteDiskFull$")
	cmd.Env = append(os.Environ(), "ATOMICFILE_CHILD="+path)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	only(t, path, "old")
}

// TestWriteTmpfsFull fills a real file system; mounting one needs root.
func TestWriteTmpfsFull(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("weft", dir, "tmpfs", 0, "size=256k"); err != nil {
		t.Skipf("cannot mount a small tmpfs here: %v", err)
	}
	defer syscall.Unmount(dir, 0)
	path := filepath.Join(dir, "model")
	if err := Write(path, 0, text("old")); err != nil {
		t.Fatal(err)
	}
	err := Write(path, 0, func(w io.Writer) error {
		_, err := w.Write(make([]byte, 1<<20))
		return err
	})
	if err == nil {
		t.Fatal("writing 1 MiB to a 256 KiB disk succeeded")
	}
	only(t, path, "old")
}
