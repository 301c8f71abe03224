// Package csp holds the Content-Security-Policy of the lab in one place: the
// server sends it as a header, and a site for hosts whose headers nobody can
// set carries it in its pages.
package csp

// Meta lets pages load what is part of the site and nothing else. WebAssembly
// needs a permission of its own; pictures may come from a canvas. No inline
// script, no inline style, no form.
const Meta = "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; connect-src 'self'; " +
	"img-src 'self' data: blob:; style-src 'self'; object-src 'none'; base-uri 'none'; form-action 'none'"

// Header adds what only a header can say: that no page may put this one into a
// frame.
const Header = Meta + "; frame-ancestors 'none'"
