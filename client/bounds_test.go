package client_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"usher/client"
)

// constant is a sign-in whose token never changes.
type constant struct{}

func (constant) Token(context.Context) (string, error) { return "token", nil }
func (constant) Refused(string)                        {}

// A redirect would change the trusted server: the client follows none, and no
// token reaches another address.
func TestRedirectsAreNotFollowed(t *testing.T) {
	var visits atomic.Int64
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		visits.Add(1)
		_, _ = io.WriteString(w, "{}")
	}))
	t.Cleanup(elsewhere.Close)
	for _, status := range []int{http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere.URL+r.URL.Path, status)
		}))
		c, err := client.New(client.Config{Server: server.URL, Tokens: constant{}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Whoami(t.Context()); err == nil {
			t.Errorf("status %d: the answer of another server is accepted", status)
		}
		server.Close()
	}
	if n := visits.Load(); n != 0 {
		t.Errorf("another server received %d requests", n)
	}
}

// An answer is bounded in memory, whatever its length header is.
func TestLongAnswersAreRefused(t *testing.T) {
	const most = 16 << 20 // bytes of one answer
	for name, c := range map[string]struct {
		padding int
		taken   bool
	}{"the longest": {most - 2, true}, "one byte longer": {most - 1, false}} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "{}"+strings.Repeat(" ", c.padding))
		}))
		person, err := client.New(client.Config{Server: server.URL, Tokens: constant{}})
		if err != nil {
			t.Fatal(err)
		}
		_, err = person.Whoami(t.Context())
		if taken := err == nil; taken != c.taken || !taken && !strings.Contains(err.Error(), "too long") {
			t.Errorf("%s: %v", name, err)
		}
		server.Close()
	}
}

// Tokens are sent only to an origin, over https or on loopback.
func TestAddresses(t *testing.T) {
	for address, taken := range map[string]bool{
		"https://files.example.com": true, "https://files.example.com:8443/": true, "http://127.0.0.1:8080": true, "http://localhost:8080": true, "http://[::1]:8080": true,
		"http://files.example.com": false, "http://127.0.0.1.example.com": false, "http://10.0.0.1:8080": false, "ftp://files.example.com": false, "files.example.com": false,
		"https://ada@files.example.com": false, "https://files.example.com/?x=1": false, "https://files.example.com/x": false, "https://files.example.com/#x": false, "": false,
	} {
		if _, err := client.New(client.Config{Server: address, Tokens: constant{}}); (err == nil) != taken {
			t.Errorf("%q: %v", address, err)
		}
	}
}
