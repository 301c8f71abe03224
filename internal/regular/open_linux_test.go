package regular

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// soon fails the test when f waits, as it would at a pipe that nobody writes to.
func soon(t *testing.T, f func() error) error {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- f() }()
	select {
	case err := <-done:
		return err
	case <-time.After(20 * time.Second):
		t.Fatal("it waits for ever")
		return nil
	}
}

func TestOpen(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	if err := errors.Join(os.WriteFile(at("file"), []byte("abc"), 0o600), os.Symlink("file", at("link")), syscall.Mkfifo(at("pipe"), 0o600)); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"file", "link"} {
		f, info, err := Open(at(name))
		if err != nil {
			t.Fatal(err)
		}
		b, _ := io.ReadAll(f)
		f.Close()
		if string(b) != "abc" || info.Size() != 3 {
			t.Errorf("%s: %q, %d bytes", name, b, info.Size())
		}
	}
	for _, path := range []string{at("pipe"), dir, "/dev/zero"} {
		if err := soon(t, func() error { _, _, err := Open(path); return err }); !errors.Is(err, ErrKind) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func TestOpenIn(t *testing.T) {
	outside, dir := t.TempDir(), t.TempDir()
	secret := filepath.Join(outside, "secret")
	if err := errors.Join(os.WriteFile(secret, []byte("secret"), 0o600), os.WriteFile(filepath.Join(dir, "own"), []byte("own"), 0o600),
		os.Symlink(secret, filepath.Join(dir, "leak")), os.Symlink("own", filepath.Join(dir, "alias")), os.Symlink(outside, filepath.Join(dir, "folder")),
		syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o600)); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"own", "alias"} {
		f, _, err := OpenIn(dir, name)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		f.Close()
	}
	for _, name := range []string{"leak", "folder/secret", "../" + filepath.Base(outside) + "/secret", secret, "pipe", "."} {
		if err := soon(t, func() error { _, _, err := OpenIn(dir, name); return err }); err == nil {
			t.Errorf("%s was opened", name)
		}
	}
}

func TestReadFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x")
	if err := os.WriteFile(path, []byte("12345"), 0o600); err != nil {
		t.Fatal(err)
	}
	if b, err := ReadFile(path, 5); err != nil || string(b) != "12345" {
		t.Errorf("%q %v", b, err)
	}
	if _, err := ReadFile(path, 4); err == nil {
		t.Error("a file larger than the limit was read")
	}
}
