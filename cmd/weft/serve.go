package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"net"
	"net/http"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/weft-ml/weft/internal/site"
)

func (a *app) serveCommand() *cobra.Command {
	var addr, dir string
	var hosts []string
	var open, offline bool
	c := &cobra.Command{
		Use:   "serve",
		Short: "Serve the lab: train, draw and look inside, in a browser",
		Long: `Serve the lab on this machine, with the data sets of $WEFT_DATA and the cache.
Only this machine can reach it, unless --addr says otherwise.`,
		Example: "  weft serve --open\n  weft serve --addr 127.0.0.1:9000\n  weft serve --site site",
		Args:    exactly(0, ""),
		RunE: func(c *cobra.Command, _ []string) error {
			files := site.Embedded()
			if dir != "" {
				var err error
				if files, err = site.Dir(dir); err != nil {
					return hint(err, "--site takes the folder of a built site; make site writes one")
				}
				if !site.Built(files) {
					return hint(fmt.Errorf("%s holds no index.html", dir), "--site takes the folder of a built site; make site writes one")
				}
			}
			return a.serve(c.Context(), files, addr, hosts, open, offline)
		},
	}
	c.Flags().StringVar(&addr, "addr", "127.0.0.1:8080", "address and port; port 0 takes any free one, :8080 lets the network in")
	c.Flags().StringVar(&dir, "site", "", "serve the site in this folder instead of the built-in one")
	c.Flags().StringSliceVar(&hosts, "host", nil, "names, beside localhost and addresses, that browsers may use for this server")
	c.Flags().BoolVar(&open, "open", false, "open the lab in the browser")
	c.Flags().BoolVar(&offline, "offline", false, "download no data sets")
	return c
}

// serve runs until ctx ends.
func (a *app) serve(ctx context.Context, files fs.FS, addr string, hosts []string, open, offline bool) error {
	listener, err := net.Listen("tcp", addr)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return hint(fmt.Errorf("%s is in use by another program", addr), "take another port: weft serve --addr %s", otherPort(addr))
	case errors.Is(err, syscall.EACCES):
		return hint(fmt.Errorf("may not listen on %s: %w", addr, err), "ports below 1024 are for administrators; take another: weft serve --addr %s", otherPort(addr))
	case err != nil:
		return usage(err, "--addr takes HOST:PORT, such as 127.0.0.1:8080")
	}
	address := serverURL(listener.Addr())
	if !site.Built(files) {
		a.notef("this program was built without the lab's pages: run make lab in a checkout, or give a built site with --site")
	}
	server := &http.Server{
		Handler: site.Handler(site.Options{Site: files, Hosts: hosts, Offline: offline, Logf: a.notef}),
		// Downloads of data may take long, headers may not.
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		ErrorLog:          log.New(io.Discard, "", 0),
		BaseContext:       func(net.Listener) context.Context { return ctx },
	}
	a.printf("the lab is at %s\n", address)
	a.notef("Ctrl-C ends it")
	if err := a.result(map[string]any{"url": address}); err != nil {
		return err
	}
	if open {
		if err := openBrowser(address); err != nil {
			a.notef("could not open a browser: %v", err)
		}
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	// The cancelled context has ended downloads; what is left is short.
	grace, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	if server.Shutdown(grace) != nil {
		_ = server.Close()
	}
	return nil
}

// serverURL is what people type; 0.0.0.0 and :: are not.
func serverURL(addr net.Addr) string {
	host, port, err := net.SplitHostPort(addr.String())
	if err != nil {
		return "http://" + addr.String() + "/"
	}
	if ip := net.ParseIP(host); ip == nil || ip.IsUnspecified() {
		host = "localhost"
	}
	return "http://" + net.JoinHostPort(host, port) + "/"
}

// otherPort asks the system for a free port on the same host.
func otherPort(addr string) string {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		host = "127.0.0.1"
	}
	l, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		return net.JoinHostPort(host, "0")
	}
	defer l.Close()
	return l.Addr().String()
}

// openBrowser starts the system's opener and does not wait for it.
func openBrowser(address string) error {
	var opener []string
	switch runtime.GOOS {
	case "darwin":
		opener = []string{"open"}
	case "windows":
		opener = []string{"rundll32", "url.dll,FileProtocolHandler"}
	default:
		opener = []string{"xdg-open"}
	}
	cmd := exec.Command(opener[0], append(opener[1:], address)...)
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("%s: %w", strings.Join(opener, " "), err)
	}
	go func() { _ = cmd.Wait() }()
	return nil
}
