package client_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"usher/backend/api"
	"usher/client"
)

// TestRedirect: a server that sends the client elsewhere is a failure, and the
// token goes nowhere else, not even to another path of the same server.
func TestRedirect(t *testing.T) {
	for _, status := range []int{301, 302, 303, 307, 308} {
		var visited atomic.Int64
		elsewhere := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			visited.Add(1)
			_, _ = rw.Write([]byte(`{"entries":[]}`))
		}))
		t.Cleanup(elsewhere.Close)
		for _, to := range []string{elsewhere.URL + "/v1/list", "/other"} {
			srv := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/other" {
					visited.Add(1)
				}
				http.Redirect(rw, r, to, status)
			}))
			t.Cleanup(srv.Close)
			c, err := client.New(client.Config{Server: srv.URL, Tokens: &bearer{}})
			if err != nil {
				t.Fatal(err)
			}
			_, err = c.List(t.Context(), api.ListRequest{})
			var misspoken *api.Unreachable
			if !errors.As(err, &misspoken) || visited.Load() != 0 {
				t.Errorf("%d to %s: %v, followed %d times", status, to, err, visited.Load())
			}
		}
	}
}

// TestEndlessAnswer: an answer without an end is given up after a bound.
func TestEndlessAnswer(t *testing.T) {
	const most = 64 << 20
	var sent atomic.Int64
	srv := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		sent.Store(0)
		_, _ = rw.Write([]byte(`{"entries":[],"x":"`))
		piece := []byte(strings.Repeat("x", 1<<16))
		for sent.Load() < 4*most {
			n, err := rw.Write(piece)
			if sent.Add(int64(n)); err != nil {
				return
			}
		}
		_, _ = rw.Write([]byte(`"}`)) // without the bound it would be taken
	}))
	t.Cleanup(srv.Close)
	c, err := client.New(client.Config{Server: srv.URL, Tokens: &bearer{}})
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.List(t.Context(), api.ListRequest{})
	var misspoken *api.Unreachable
	if !errors.As(err, &misspoken) || sent.Load() > most {
		t.Errorf("%v after %d bytes", err, sent.Load())
	}
}

// TestBrokenAnswerLeavesNothing checks that a repeated call returns its own answer
// alone, after one that broke off in the middle.
func TestBrokenAnswerLeavesNothing(t *testing.T) {
	var calls atomic.Int64
	srv := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if calls.Add(1) == 1 {
			rw.Header().Set("Content-Length", "1000")
			_, _ = rw.Write([]byte(`{"cursor":"c","omitted":3,"entries":[{"name":"a","kind":"object","etag":"e"},`))
			_ = http.NewResponseController(rw).Flush() // the client gets the part
			panic(http.ErrAbortHandler)
		}
		_, _ = rw.Write([]byte(`{"entries":[{"name":"b","kind":"object"}]}`))
	}))
	t.Cleanup(srv.Close)
	c, err := client.New(client.Config{Server: srv.URL, Tokens: &bearer{}})
	if err != nil {
		t.Fatal(err)
	}
	got, err := c.List(t.Context(), api.ListRequest{})
	if err != nil || calls.Load() != 2 {
		t.Fatalf("%v after %d calls", err, calls.Load())
	}
	if got.Cursor != "" || got.Omitted != 0 || len(got.Entries) != 1 || got.Entries[0].Name != "b" || got.Entries[0].ETag != "" {
		t.Errorf("the answer holds parts of the broken one: %+v", got)
	}
}
