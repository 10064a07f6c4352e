package main

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"usher/backend/api"
	"usher/backend/demo"
	"usher/backend/demo/demotest"
)

// gate is a server in front of another one. While it is closed, it answers no call. A
// status other than 0 is the whole answer.
type gate struct {
	closed atomic.Pointer[chan struct{}]
	status atomic.Int32
}

func (g *gate) close() (open func()) {
	c := make(chan struct{})
	g.closed.Store(&c)
	return func() { g.closed.Store(nil); close(c) }
}

func gateway(t *testing.T, server string) (*gate, string) {
	t.Helper()
	to, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	g := &gate{}
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(to) }}
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c := g.closed.Load(); c != nil {
			select {
			case <-*c:
			case <-r.Context().Done():
				return
			}
		}
		if status := g.status.Load(); status != 0 {
			w.WriteHeader(int(status))
			return
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(front.Close)
	return g, front.URL
}

// The browser has a page before the server has answered. It names the server, keeps the
// keys for the first page. Ctrl-C ends it, and so does a failure, which the terminal shows.
func TestStartPage(t *testing.T) {
	if testing.Short() {
		t.Skip("a pty")
	}
	t.Parallel()
	w := demotest.Start(t, demo.Options{})
	g, address := gateway(t, w.Server)
	cmd, _ := usher(t, nil, "configure", "--yes", address)
	s := start(t, cmd, 80, 24)
	s.quits()
	host := strings.TrimPrefix(address, "http://")

	open := g.close()
	s = s.reopen(80, 24)
	s.shows("Connecting to "+host, "ctrl+c ends usher")
	s.keys("grac")
	open()
	s.shows("Password", "grac")
	s.hides("Connecting")
	s.keys("e")
	s.shows("grace")
	s.keys("ctrl+c")
	if code := s.quits(); code != 0 {
		t.Errorf("exit code %d", code)
	}

	open = g.close()
	s = s.reopen(80, 24)
	s.shows("Connecting to " + host)
	s.keys("ctrl+c")
	if code := s.quits(); code != 0 {
		t.Errorf("exit code %d after Ctrl-C", code)
	}
	if left := s.text(); strings.Contains(left, "Connecting") {
		t.Errorf("the terminal is not restored:\n%s", left)
	}
	open()

	g.status.Store(http.StatusTeapot)
	s = s.reopen(80, 24)
	s.shows("does not answer like an usher server")
	if code := s.quits(); code != api.ExitUnavailable {
		t.Errorf("exit code %d without a connection", code)
	}
}
