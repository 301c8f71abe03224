//go:build !js

package browser

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// ErrNone is in the error of a machine without a browser.
var ErrNone = errors.New("no Chromium, Chrome or Edge was found")

// Options of a run. The zero value is a good choice.
type Options struct {
	// Path is the browser's program; "" is $CHROMIUM or the first one found.
	Path string
	// Software runs WebGPU on the processor, which works on any machine.
	Software bool
}

// patience ends a page that never answers.
const patience = 10 * time.Minute

// programs are browsers that speak the protocol, by the names they have.
var programs = []string{
	"chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "msedge", "microsoft-edge",
	"/Applications/Chromium.app/Contents/MacOS/Chromium", "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
	`C:\Program Files\Google\Chrome\Application\chrome.exe`, `C:\Program Files (x86)\Microsoft\Edge\Application\msedge.exe`,
}

// Find returns the browser that Run would start for Options.Path. The error
// wraps ErrNone.
func Find(path string) (string, error) {
	if path == "" {
		path = os.Getenv("CHROMIUM")
	}
	if path != "" {
		found, err := exec.LookPath(path)
		if err != nil {
			return "", fmt.Errorf("%w: %w", ErrNone, err)
		}
		return found, nil
	}
	for _, name := range programs {
		if found, err := exec.LookPath(name); err == nil {
			return found, nil
		}
	}
	return "", ErrNone
}

// Result is what became of a page.
type Result struct {
	// Complaints are console errors, exceptions, refusals by a policy, and
	// requests to anybody but the handler.
	Complaints []string
}

// Run serves handler on the loopback address, opens its root in a browser, and
// evaluates script there: the promise it gives is awaited, and its value
// decoded into out. The error of a script that throws has its message.
func Run[T any](ctx context.Context, handler http.Handler, script string, out *T, opt Options) (*Result, error) {
	path, err := Find(opt.Path)
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = server.Serve(listener) }() // It ends with Close.
	defer server.Close()

	flags := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path),
		chromedp.Flag("enable-unsafe-webgpu", true),
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-component-update", true),
		// Nothing is resolved but the address of the server.
		chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"),
	)
	if opt.Software {
		flags = append(flags, chromedp.Flag("use-webgpu-adapter", "swiftshader"))
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	ctx, stop := chromedp.NewExecAllocator(ctx, flags...)
	defer stop()
	address := "http://" + listener.Addr().String() + "/"
	var r Result
	var mu sync.Mutex
	ctx, end := chromedp.NewContext(ctx, chromedp.WithListener(func(event any) {
		mu.Lock()
		defer mu.Unlock()
		switch e := event.(type) {
		case *network.EventRequestWillBeSent:
			if !strings.HasPrefix(e.Request.URL, address) {
				r.Complaints = append(r.Complaints, "the page asked for "+e.Request.URL)
			}
		case *runtime.EventExceptionThrown:
			r.Complaints = append(r.Complaints, firstLine(e.ExceptionDetails))
		case *log.EventEntryAdded:
			if e.Entry.Level == log.EntryLevelError {
				r.Complaints = append(r.Complaints, strings.TrimSpace(e.Entry.Text+" "+e.Entry.URL))
			}
		}
	}))
	defer end()
	if err = chromedp.Do(ctx, chromedp.Navigate(address)); err == nil {
		*out, err = chromedp.Run(ctx, chromedp.Evaluate[T](script, chromedp.EvalAwaitPromise))
	}
	var thrown *chromedp.ExceptionError
	switch {
	case errors.As(err, &thrown):
		return nil, fmt.Errorf("the page threw %s", firstLine(thrown.ExceptionDetails))
	case err != nil:
		return nil, fmt.Errorf("the browser: %w", err)
	}
	mu.Lock()
	defer mu.Unlock()
	return &r, nil
}

// firstLine is an exception without its stack.
func firstLine(e *runtime.ExceptionDetails) string {
	text := e.Text
	if e.Exception != nil && e.Exception.Description != "" {
		text = e.Exception.Description
	}
	text, _, _ = strings.Cut(text, "\n")
	return text
}
