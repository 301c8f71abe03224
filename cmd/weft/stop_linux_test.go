package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/weft-ml/weft/train"
)

// TestMain makes the tests' own program a weft, for those that need a process.
func TestMain(m *testing.M) {
	if args := os.Getenv("WEFT_CHILD"); args != "" {
		os.Exit(run(stopSignals(), strings.Fields(args), os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}

// child starts weft in a process, with its standard error to read from.
func child(t *testing.T, dir, args string) (*exec.Cmd, io.ReadCloser) {
	t.Helper()
	c := exec.Command(os.Args[0])
	c.Dir = dir
	c.Env = append(os.Environ(), "WEFT_CHILD="+args)
	stderr, err := c.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Process.Kill() })
	return c, stderr
}

// TestSignals: whatever ends training saves it, with the exit code that says what
// it was, and training goes on from there.
func TestSignals(t *testing.T) {
	const args = "train mnist-mlp --data synthetic --device cpu --epochs 900 --save-every 0"
	for _, s := range []struct {
		name string
		end  func(c *exec.Cmd, stderr io.Closer)
		code int
	}{
		{"SIGINT", func(c *exec.Cmd, _ io.Closer) { c.Process.Signal(syscall.SIGINT) }, 130},
		{"SIGTERM", func(c *exec.Cmd, _ io.Closer) { c.Process.Signal(syscall.SIGTERM) }, 143},
		{"SIGHUP twice", func(c *exec.Cmd, _ io.Closer) { c.Process.Signal(syscall.SIGHUP); c.Process.Signal(syscall.SIGHUP) }, 129},
		{"closed pipe", func(_ *exec.Cmd, stderr io.Closer) { stderr.Close() }, 141},
	} {
		t.Run(s.name, func(t *testing.T) {
			dir := t.TempDir()
			c, stderr := child(t, dir, args)
			lines := bufio.NewScanner(stderr)
			for lines.Scan() && !strings.HasPrefix(lines.Text(), "epoch   1") {
			}
			go func() {
				s.end(c, stderr)
				if s.code != 141 {
					io.Copy(io.Discard, stderr)
				}
			}()
			c.Wait()
			if got := c.ProcessState.ExitCode(); got != s.code {
				t.Errorf("exit code %d, want %d", got, s.code)
			}
			runs, _ := filepath.Glob(filepath.Join(dir, "runs", "*", train.LastFile))
			if len(runs) != 1 {
				t.Fatalf("checkpoints: %v", runs)
			}
			info, err := train.ReadInfo(runs[0])
			if err != nil || info.State.Step == 0 {
				t.Errorf("%+v %v", info, err)
			}
			if left, _ := filepath.Glob(filepath.Join(dir, "runs", "*", ".*")); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

// TestSecondResume: two programs in one run folder.
func TestSecondResume(t *testing.T) {
	dir := t.TempDir()
	c, stderr := child(t, dir, "train mnist-mlp --data synthetic --device cpu --epochs 900")
	lines := bufio.NewScanner(stderr)
	for lines.Scan() && !strings.HasPrefix(lines.Text(), "epoch   1") {
	}
	go io.Copy(io.Discard, stderr)
	runs, _ := filepath.Glob(filepath.Join(dir, "runs", "*"))
	if len(runs) != 1 {
		t.Fatal(runs)
	}
	code, _, text := weft(t, dir, "train", "--resume", runs[0], "--device", "cpu")
	if code != exitFailure || !strings.Contains(text, fmt.Sprintf("in use by process %d", c.Process.Pid)) {
		t.Errorf("exit code %d\n%s", code, text)
	}
	c.Process.Kill()
	c.Wait()
	// A killed one leaves no lock.
	code, _, text = weft(t, dir, "train", "--resume", runs[0], "--device", "cpu", "--max-time", "3s")
	if code != exitResume {
		t.Errorf("exit code %d\n%s", code, text)
	}
}

func TestFullDevice(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip(err)
	}
	defer full.Close()
	var errs bytes.Buffer
	if code := run(context.Background(), []string{"summary", "resnet20"}, full, &errs); code != exitFailure || !strings.Contains(errs.String(), "no space") {
		t.Errorf("exit code %d\n%s", code, errs.String())
	}
}

// TestControlCharacters writes them in every way that a terminal would obey.
func TestControlCharacters(t *testing.T) {
	var b bytes.Buffer
	s := &stream{w: &b}
	for _, part := range []string{"a\x1b]0;pwned\x07 \u009b31m \u202edlrow\r\n", "gr\xc3", "\xbcn \xff\t日本\n"} {
		if n, err := io.WriteString(s, part); n != len(part) || err != nil {
			t.Fatal(n, err)
		}
	}
	if want := `a\u001b]0;pwned\u0007 \u009b31m \u202edlrow` + "\r\ngrün \ufffd\t日本\n"; b.String() != want {
		t.Errorf("%q, want %q", b.String(), want)
	}
	if err := (&stopped{}); !errors.Is(err, context.Canceled) {
		t.Error("a stop is no interruption")
	}
}
