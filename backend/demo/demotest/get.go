package demotest

import (
	"io"
	"net/http"
	"testing"

	"usher/backend/api"
)

// Answer is a response with its whole body.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// Get sends the GET of a released URL, modified by change, which may be nil.
func Get(t testing.TB, item api.ReleaseItem, change func(*http.Request)) Answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, item.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	for k, v := range item.Headers {
		req.Header.Set(k, v)
	}
	if change != nil {
		change(req)
	}
	return Do(t, req)
}

// Do sends a request.
func Do(t testing.TB, req *http.Request) Answer {
	t.Helper()
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return Answer{res.StatusCode, res.Header, body}
}
