// What holds for every answer: who may ask, how, and what a page that came
// from here may do.

package site

import (
	"net"
	"net/http"
	"net/netip"
	"strings"

	"github.com/weft-ml/weft/internal/site/csp"
)

// secure wraps the whole server.
func secure(hosts []string, next http.Handler) http.Handler {
	allowed := map[string]bool{"localhost": true}
	for _, h := range hosts {
		allowed[strings.ToLower(strings.TrimSuffix(h, "."))] = true
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		for name, value := range csp.Headers() {
			h.Set(name, value)
		}
		if csp.IsDownload(r.URL.Path) {
			h.Set("Content-Security-Policy", csp.Download)
		}
		if !mayAsk(allowed, r.Host) {
			http.Error(w, "this server does not answer to the name "+strings.ToValidUTF8(r.Host, "?")+
				"; use its address, or allow the name: weft serve --host NAME", http.StatusMisdirectedRequest)
			return
		}
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			h.Set("Allow", "GET, HEAD")
			http.Error(w, "only GET and HEAD", http.StatusMethodNotAllowed)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// mayAsk tells whether a Host header names this server. DNS rebinding lets a
// hostile page's own name resolve to 127.0.0.1, so names must be known; an
// address cannot be rebound.
func mayAsk(allowed map[string]bool, host string) bool {
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	name = strings.TrimSuffix(strings.TrimPrefix(name, "["), "]")
	if _, err := netip.ParseAddr(name); err == nil {
		return true
	}
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	return allowed[name] || strings.HasSuffix(name, ".localhost")
}
