// Package csp holds the Content-Security-Policy of the lab in one place: the
// server sends it as a header, and a site for hosts whose headers nobody can
// set carries it in its pages.
package csp

import "strings"

// Meta lets pages load what is part of the site and nothing else. WebAssembly
// needs a permission of its own; pictures may come from a canvas. No inline
// script, no inline style, no form.
const Meta = "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; connect-src 'self'; " +
	"img-src 'self' data: blob:; style-src 'self'; object-src 'none'; base-uri 'none'; form-action 'none'"

// Header adds what only a header can say: that no page may put this one into a
// frame.
const Header = Meta + "; frame-ancestors 'none'"

// Headers are what every answer carries, from weft serve and from the service
// worker on hosts where nobody can set headers.
func Headers() map[string]string {
	return map[string]string{
		"Content-Security-Policy": Header,
		"X-Content-Type-Options":  "nosniff",
		"Referrer-Policy":         "no-referrer",
		// Isolated, a page has fine timers and may share memory between threads.
		"Cross-Origin-Opener-Policy":   "same-origin",
		"Cross-Origin-Embedder-Policy": "require-corp",
		"Cross-Origin-Resource-Policy": "same-origin",
	}
}

// Download is for the one worker that fetches models from addresses that a
// visitor gives (web/src/lib/photo/download.worker.ts): a worker has a policy of
// its own. It may read from other sites and do nothing else; pages themselves
// reach their own site only.
const Download = "default-src 'none'; script-src 'self'; connect-src https: http:; frame-ancestors 'none'"

// IsDownload tells whether a path is that worker's.
func IsDownload(path string) bool {
	return strings.Contains(path, "/assets/download-") && strings.HasSuffix(path, ".js")
}
