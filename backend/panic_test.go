package backend_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"usher/backend"
	"usher/backend/api"
	"usher/backend/demo"
	"usher/backend/demo/demotest"
	"usher/backend/grant"
)

// panicking is a source of grants that panics on the first call.
type panicking struct {
	backend.Grants
	done bool
}

func (c *panicking) Current(ctx context.Context) (*grant.Set, error) {
	if !c.done {
		c.done = true
		panic("a bug that quotes Bearer eyJhbGciOi")
	}
	return c.Grants.Current(ctx)
}

// A panic in one request is one internal error. The next request is served.
func TestPanicEndsOneRequestOnly(t *testing.T) {
	w := demotest.Start(t, demo.Options{})
	server, _ := rebuilt(t, w, time.Now, func(o *backend.Config) { o.Grants = &panicking{Grants: o.Grants} })
	token, err := w.SignIn(t, "ada").Session.Token(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	const body = `{"bucket":"company-reports","prefix":""}`
	if status, code := bearer(t, server, "/v1/list", token, body); status != http.StatusInternalServerError || code != api.Internal {
		t.Errorf("the request with the bug: %d %s", status, code)
	}
	if status, code := bearer(t, server, "/v1/list", token, body); status != http.StatusOK {
		t.Errorf("the next request: %d %s", status, code)
	}
}
