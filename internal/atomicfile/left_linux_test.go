package atomicfile

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestLeftovers kills a process in the middle of a write. What it leaves is
// removed by the next that writes the same file, but not as long as it lives,
// and nothing else is.
func TestLeftovers(t *testing.T) {
	if path := os.Getenv("ATOMICFILE_HANGS"); path != "" {
		Write(path, 0, func(w io.Writer) error {
			io.WriteString(w, strings.Repeat("x", 2*bufferSize))
			os.Stdout.WriteString("writing\n")
			select {}
		})
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "model")
	for _, name := range []string{".model.tmp-user", ".other.tmp-12", "model.tmp-12"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c := exec.Command(os.Args[0], "-test.run=^TestLeftovers$")
	c.Env = append(os.Environ(), "ATOMICFILE_HANGS="+path)
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "writing\n" {
		t.Fatal(line, err)
	}
	count := func() int {
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		return len(entries)
	}
	write := func() {
		looked.Clear() // As a new process.
		if err := Write(path, 0, text("new")); err != nil {
			t.Fatal(err)
		}
	}
	if write(); count() != 5 {
		t.Errorf("while the other process writes there are %d files, want 3 strange ones, its own and ours", count())
	}
	c.Process.Kill()
	c.Wait()
	if write(); count() != 4 {
		t.Errorf("%d files, want 3 strange ones and ours", count())
	}
}

func TestUmask(t *testing.T) {
	for _, c := range []struct{ mask, perm, want os.FileMode }{{0o022, 0, 0o644}, {0o077, 0, 0o600}, {0o002, 0, 0o664}, {0o077, 0o644, 0o600}, {0o022, 0o600, 0o600}} {
		path := filepath.Join(t.TempDir(), "model")
		old := syscall.Umask(int(c.mask))
		err := Write(path, c.perm, text("x"))
		syscall.Umask(old)
		if err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != c.want {
			t.Errorf("umask %v, mode %v asked for: %v, want %v", c.mask, c.perm, info.Mode().Perm(), c.want)
		}
	}
}
