package filelock

import (
	"bufio"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// TestKilled locks a folder in a process that is then killed: the folder is
// refused as long as it lives, with its number, and free at once after.
func TestKilled(t *testing.T) {
	if dir := os.Getenv("FILELOCK_CHILD"); dir != "" {
		if _, err := Take(dir); err != nil {
			t.Fatal(err)
		}
		os.Stdout.WriteString("locked\n")
		select {}
	}
	dir := t.TempDir()
	c := exec.Command(os.Args[0], "-test.run=^TestKilled$")
	c.Env = append(os.Environ(), "FILELOCK_CHILD="+dir)
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "locked\n" {
		t.Fatal(line, err)
	}
	if _, err := Take(dir); !errors.Is(err, ErrHeld) || !strings.Contains(err.Error(), strconv.Itoa(c.Process.Pid)) {
		t.Errorf("while process %d has it: %v", c.Process.Pid, err)
	}
	c.Process.Kill()
	c.Wait()
	l, err := Take(dir)
	if err != nil {
		t.Fatalf("after its end: %v", err)
	}
	l.Unlock()
	l.Unlock()
	if _, err := os.Stat(filepath.Join(dir, Name)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the lock's file is left: %v", err)
	}
}

// TestOnlyOne lets many try at once, again and again: never two have it.
func TestOnlyOne(t *testing.T) {
	dir := t.TempDir()
	holders := make(chan int, 1)
	done := make(chan error)
	for range 8 {
		go func() {
			for range 200 {
				l, err := Take(dir)
				if errors.Is(err, ErrHeld) {
					continue
				}
				if err != nil {
					done <- err
					return
				}
				select {
				case holders <- 1:
				default:
					done <- errors.New("two have the lock")
					return
				}
				<-holders
				l.Unlock()
			}
			done <- nil
		}()
	}
	for range 8 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}
