package backend_test

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"usher/backend"
	"usher/backend/api"
	"usher/backend/demo"
	"usher/backend/demo/demotest"
)

// A route without a body limit, a budget, a live check or an audit action is
// refused.
func TestRouteNeedsAllParts(t *testing.T) {
	w := demotest.Start(t, demo.Options{})
	_, b := rebuilt(t, w, time.Now, nil)
	for part, err := range b.WithoutPart() {
		if (err == nil) != (part == "nothing") {
			t.Errorf("a route without its %s: %v", part, err)
		}
	}
}

// A backend with a missing part does not start, and the error names the part.
func TestBackendNeedsAllParts(t *testing.T) {
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
		"the access reports":       func(c *backend.Config) { c.Access = nil },
		"the requests for access":  func(c *backend.Config) { c.Requests = nil },
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

// Every text of the public configuration must be printable. The test covers all
// fields by reflection. The unchanged configuration is the control.
func TestPublicConfigurationIsPlainText(t *testing.T) {
	w := demotest.Start(t, demo.Options{})
	var whole backend.Config
	rebuilt(t, w, time.Now, func(c *backend.Config) { whole = *c })
	if _, err := backend.New(whole); err != nil {
		t.Fatal(err)
	}
	fields := reflect.TypeOf(api.Config{})
	walked := 0
	for i := range fields.NumField() {
		for _, bad := range []string{"a\x1b[2Jb", "a\nb", "a\u202eb", "a\u200bb", "a\x9bb", strings.Repeat("x", 300)} {
			c := whole
			switch f := reflect.ValueOf(&c.Public).Elem().Field(i); f.Kind() {
			case reflect.String:
				f.SetString(bad)
			case reflect.Slice:
				f.Set(reflect.ValueOf([]string{"good.example.com", bad}))
			default:
				continue
			}
			walked++
			if _, err := backend.New(c); err == nil {
				t.Errorf("%s = %.20q is served", fields.Field(i).Name, bad)
			}
		}
	}
	if walked < 60 {
		t.Errorf("only %d texts tried", walked)
	}
}
