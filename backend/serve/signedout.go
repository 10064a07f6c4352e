package serve

import (
	"io"
	"net/http"
	"slices"
	"strings"

	"usher/backend/api/shape"
)

// signedOutPage is the page after a sign-out in the browser. The domain of the
// pool redirects to it, because it redirects to registered addresses only.
const signedOutPage = `<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">` +
	`<title>usher: signed out</title></head><body><h1>You are signed out</h1><p>This browser is no longer signed in. You can close this page.</p></body></html>
`

// withSignedOut serves the page after a sign-out beside the backend.
func (s *Server) withSignedOut(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != shape.SignedOutPath || r.Method != http.MethodGet && r.Method != http.MethodHead {
			next.ServeHTTP(w, r)
			return
		}
		if !slices.Contains(s.live.Load().Hosts(), strings.ToLower(r.Host)) {
			http.Error(w, "", http.StatusMisdirectedRequest)
			return
		}
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'; base-uri 'none'")
		h.Set("Content-Type", "text/html; charset=utf-8")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		_, _ = io.WriteString(w, signedOutPage) // fails only if the browser is gone
	})
}
