package main

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// output is a buffer that may be read while the command writes.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// TestServe serves a folder and ends it as Ctrl-C does.
func TestServe(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "index.html"), []byte("<p>here"), 0o644); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var stdout, stderr output
	code := make(chan int, 1)
	go func() {
		code <- run(ctx, []string{"serve", "--addr", "127.0.0.1:0", "--site", dir, "--offline"}, &stdout, &stderr)
	}()
	address := ""
	for deadline := time.Now().Add(20 * time.Second); address == ""; {
		if time.Now().After(deadline) {
			t.Fatalf("no address in %q, %q", &stdout, &stderr)
		}
		if _, after, ok := strings.Cut(stdout.String(), "at "); ok && strings.HasSuffix(after, "\n") {
			address = strings.TrimSpace(after)
		} else {
			time.Sleep(time.Millisecond)
		}
	}
	res, err := http.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(res.Body)
	res.Body.Close()
	if string(body) != "<p>here" || res.Header.Get("Content-Security-Policy") == "" {
		t.Errorf("%s: %q", res.Status, body)
	}
	cancel()
	select {
	case c := <-code:
		if c != 0 {
			t.Errorf("exit code %d after Ctrl-C\n%s", c, &stderr)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("Ctrl-C does not end the server")
	}
}

func TestServeFailures(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	dir := t.TempDir()
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"serve", "--addr", l.Addr().String()}, exitFailure, "take another port: weft serve --addr 127.0.0.1:"},
		{[]string{"serve", "--site", filepath.Join(dir, "none")}, exitFailure, "make site"},
		{[]string{"serve", "--site", dir}, exitFailure, "no index.html"},
		{[]string{"serve", "--addr", "nonsense"}, exitUsage, "HOST:PORT"},
	} {
		code, _, stderr := weft(t, dir, c.args...)
		if code != c.code || !strings.Contains(stderr, c.want) {
			t.Errorf("weft %v: exit code %d\n%s", c.args, code, stderr)
		}
	}
}

func TestServerURL(t *testing.T) {
	for addr, want := range map[string]string{
		"127.0.0.1:8080": "http://127.0.0.1:8080/", "[::]:80": "http://localhost:80/", "[::1]:9": "http://[::1]:9/", "0.0.0.0:1": "http://localhost:1/",
	} {
		tcp, err := net.ResolveTCPAddr("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		if got := serverURL(tcp); got != want {
			t.Errorf("%s: %s, want %s", addr, got, want)
		}
	}
}
