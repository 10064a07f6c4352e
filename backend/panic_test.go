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

// crashing panics at the first question and answers the ones after it.
type crashing struct {
	backend.Grants
	crashed bool
}

func (c *crashing) Current(ctx context.Context) (*grant.Set, error) {
	if !c.crashed {
		c.crashed = true
		panic("a bug that quotes Bearer eyJhbGciOi")
	}
	return c.Grants.Current(ctx)
}

// A bug in one request is one answer with the code for bugs, and the next
// request is served.
func TestAPanicEndsItsRequestAlone(t *testing.T) {
	w := demotest.Start(t, demo.Options{})
	server, _ := rebuilt(t, w, time.Now, func(o *backend.Config) { o.Grants = &crashing{Grants: o.Grants} })
	token, err := w.SignIn(t, "ada").Session.Token(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	const question = `{"bucket":"company-reports","prefix":""}`
	if status, code := bearer(t, server, "/v1/list", token, question); status != http.StatusInternalServerError || code != api.Internal {
		t.Errorf("the request with the bug: %d %s", status, code)
	}
	if status, code := bearer(t, server, "/v1/list", token, question); status != http.StatusOK {
		t.Errorf("the next request: %d %s", status, code)
	}
}
