package backend_test

import (
	"testing"
	"time"

	"usher/backend"
	"usher/backend/api"
	"usher/backend/demo"
	"usher/backend/demo/demotest"
)

// A verb without a body limit, a budget, a live check or an audit action does
// not start. Each error is the control of the row that has all parts.
func TestARouteHasAllItsParts(t *testing.T) {
	w := demotest.Start(t, demo.Options{})
	_, b := rebuilt(t, w, time.Now, nil)
	for part, err := range b.WithoutPart() {
		if (err == nil) != (part == "nothing") {
			t.Errorf("a route without its %s: %v", part, err)
		}
	}
}

// A backend with a part missing does not start, and the error names the part.
func TestABackendHasAllItsParts(t *testing.T) {
	w := demotest.Start(t, demo.Options{})
	var whole backend.Config
	rebuilt(t, w, time.Now, func(c *backend.Config) { whole = *c })
	for part, spoil := range map[string]func(c *backend.Config){
		"the public configuration": func(c *backend.Config) { c.Public = api.Config{} },
		"the token verifier":       func(c *backend.Config) { c.Verifier = nil },
		"the user directory":       func(c *backend.Config) { c.Directory = nil },
		"the grants":               func(c *backend.Config) { c.Grants = nil },
		"the object storage":       func(c *backend.Config) { c.Objects = nil },
		"the URL signer":           func(c *backend.Config) { c.Signer = nil },
		"the comparison of clocks": func(c *backend.Config) { c.Clock = nil },
		"the audit log":            func(c *backend.Config) { c.Audit = nil },
		"the access questions":     func(c *backend.Config) { c.Access = nil },
		"the cursor sealer":        func(c *backend.Config) { c.Cursors = nil },
		"the life of URLs":         func(c *backend.Config) { c.URLLife = 0 },
		"the host names":           func(c *backend.Config) { c.Hosts = nil },
		"the clock":                func(c *backend.Config) { c.Now = nil },
		"the source of event ids":  func(c *backend.Config) { c.NewID = nil },
		"the server's log":         func(c *backend.Config) { c.Log = nil },
	} {
		c := whole
		spoil(&c)
		if _, err := backend.New(c); err == nil || err.Error() != "backend: "+part+" is missing" {
			t.Errorf("without %s: %v", part, err)
		}
	}
}
