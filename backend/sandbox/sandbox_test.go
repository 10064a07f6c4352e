//go:build !nosandbox

package sandbox_test

import (
	"net/http"
	"testing"
	"time"

	"usher/backend/sandbox"
)

// A web page elsewhere cannot reach the services, neither with a host name of
// its own that resolves to loopback, nor with a script.
func TestForeignHostsAndOriginsAreRefused(t *testing.T) {
	s, err := sandbox.Start(t.Context(), sandbox.Options{Dir: t.TempDir(), Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	status := func(change func(*http.Request)) int {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.Issuer+"/.well-known/jwks.json", nil)
		if err != nil {
			t.Fatal(err)
		}
		change(req)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		return resp.StatusCode
	}
	if got := status(func(*http.Request) {}); got != http.StatusOK {
		t.Errorf("an ordinary request: %d, want 200", got)
	}
	if got := status(func(r *http.Request) { r.Host = "attacker.example" }); got != http.StatusMisdirectedRequest {
		t.Errorf("another host: %d, want 421", got)
	}
	if got := status(func(r *http.Request) { r.Header.Set("Origin", "http://attacker.example") }); got != http.StatusMisdirectedRequest {
		t.Errorf("an origin: %d, want 421", got)
	}
}
