package session_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"usher/backend/api"
	"usher/session"
)

func TestOrigin(t *testing.T) {
	for address, want := range map[string]string{
		"https://files.example.com":       "https://files.example.com",
		"https://Files.Example.COM/":      "https://files.example.com",
		"https://files.example.com:443":   "https://files.example.com",
		"https://files.example.com:8443/": "https://files.example.com:8443",
		"https://192.0.2.7":               "https://192.0.2.7",
		"https://[2001:db8::1]:8443":      "https://[2001:db8::1]:8443",
		"http://127.0.0.1:8080":           "http://127.0.0.1:8080",
		"http://localhost:80/":            "http://localhost",
		"http://[::1]:8080":               "http://[::1]:8080",
		"HTTPS://files.example.com":       "https://files.example.com",

		"":                                  "",
		"files.example.com":                 "",
		"http://files.example.com":          "",
		"http://127.0.0.1.example.com":      "",
		"http://127.0.0.2":                  "http://127.0.0.2",
		"http://localhost.example.com":      "",
		"http://0.0.0.0:8080":               "",
		"http://2130706433":                 "",
		"ftp://files.example.com":           "",
		"file:///etc/passwd":                "",
		"https:files.example.com":           "",
		"https://":                          "",
		"https://ada@files.example.com":     "",
		"https://ada:pw@files.example.com":  "",
		"https://files.example.com/v1":      "",
		"https://files.example.com//":       "",
		"https://files.example.com?x=1":     "",
		"https://files.example.com?":        "",
		"https://files.example.com#x":       "",
		"https://files.example.com#":        "",
		"https://files.example.com:":        "",
		"https://files.example.com:99999x":  "",
		"https://files example.com":         "",
		"https://files.example.com\x1b[2J":  "",
		"https://files.exämple.com":         "",
		"https://files.example.com%2e":      "",
		"https://[::1%25eth0]":              "",
		"http://127.0.0.1@evil.example.com": "",
	} {
		got, err := session.Origin(address)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("Origin(%q) = %q, %v; want %q", address, got, err, want)
		}
		if err != nil && strings.ContainsAny(err.Error(), "\x1b\n") {
			t.Errorf("the error for %q holds a control byte", address)
		}
	}
}

// Origin is idempotent, and its result names a host and holds no control
// characters.
func FuzzOrigin(f *testing.F) {
	for _, seed := range []string{"https://files.example.com:8443/", "http://[::1]:80", "http://localhost", "https://a@b", "https://x/%2e", "HTTPS://A:443"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, address string) {
		origin, err := session.Origin(address)
		if err != nil {
			return
		}
		if again, err := session.Origin(origin); err != nil || again != origin {
			t.Errorf("%q became %q, and that %q, %v", address, origin, again, err)
		}
		if strings.ContainsAny(origin, "@?#%\\ ") || strings.Count(origin, "/") != 2 {
			t.Errorf("%q became %q", address, origin)
		}
	})
}

func TestDiscover(t *testing.T) {
	r := newRig(t, nil)
	config, err := session.Discover(ctx, r.server.URL+"/")
	if err != nil || !reflect.DeepEqual(config, r.config) {
		t.Fatalf("%+v, %v", config, err)
	}
	good, err := json.Marshal(r.config)
	if err != nil {
		t.Fatal(err)
	}
	with := func(change func(*api.Config)) string {
		c := r.config
		change(&c)
		data, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	for name, c := range map[string]struct {
		status  int
		body    string
		problem string
	}{
		"negative control":    {200, string(good), ""},
		"not found":           {404, string(good), "status 404"},
		"redirect":            {302, string(good), "does not follow"},
		"page":                {200, "<html>", "not a configuration"},
		"nothing":             {200, "", "not a configuration"},
		"wrong types":         {200, `{"organisation":7}`, "not a configuration"},
		"too long":            {200, string(good) + strings.Repeat(" ", 64<<10), "too long"},
		"trailing":            {200, string(good) + "{}", "not a configuration"},
		"no organization":     {200, with(func(c *api.Config) { c.Organisation = "" }), "organization"},
		"region is a host":    {200, with(func(c *api.Config) { c.Region = "evil.example.com/" }), "region"},
		"region of another":   {200, with(func(c *api.Config) { c.Region = "us-east-1" }), "user pool"},
		"pool without region": {200, with(func(c *api.Config) { c.UserPoolID = "TestPool1" }), "user pool"},
		"pool with a path":    {200, with(func(c *api.Config) { c.UserPoolID = "eu-central-1_a/../b" }), "user pool"},
		"client":              {200, with(func(c *api.Config) { c.ClientID = "a b" }), "client"},
		"foreign sign-in":     {200, with(func(c *api.Config) { c.CognitoEndpoint = "https://cognito.example.com" }), "not on this machine"},
		"no download hosts":   {200, with(func(c *api.Config) { c.S3Hosts = nil }), "download host"},
		"strange download":    {200, with(func(c *api.Config) { c.S3Hosts = []string{"a/b"} }), "download host"},
		"no client of a way": {200, with(func(c *api.Config) {
			c.SignIn = c.Offer()
			c.SignIn.Ways = append(c.SignIn.Ways, api.WaySSO)
		}), "no client ID"},
		"a company without page": {200, with(func(c *api.Config) {
			c.SignIn = c.Offer()
			c.SignIn.Ways, c.SignIn.Clients.SSO = append(c.SignIn.Ways, api.WaySSO), "x"
		}), "no usable address"},
		"another native client": {200, with(func(c *api.Config) { c.SignIn = c.Offer(); c.SignIn.Clients.Native = "x" }), "contradict"},
		"another company":       {200, with(func(c *api.Config) { c.SignIn = c.Offer(); c.SignIn.HostedUI = "https://x" }), "contradict"},
		"a privileged port":     {200, with(func(c *api.Config) { c.SignIn = c.Offer(); c.SignIn.CallbackPorts = []int{80} }), "port"},
		"rules of nothing":      {200, with(func(c *api.Config) { c.SignIn = c.Offer(); c.SignIn.Password.Length = 0 }), "rules"},
		"a company by no name":  {200, with(func(c *api.Config) { c.SignIn = c.Offer(); c.SignIn.Providers = []api.Provider{{}} }), "company"},
		"region without pools": {200, with(func(c *api.Config) {
			c.Region, c.UserPoolID = "xx-nowhere-1", "xx-nowhere-1_a"
			c.CognitoEndpoint = "x"
		}), "not on this machine"},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Location", r.server.URL+"/v1/config")
				w.WriteHeader(c.status)
				io.WriteString(w, c.body)
			}))
			defer server.Close()
			_, err := session.Discover(ctx, server.URL)
			var refused *session.ConfigError
			switch {
			case c.problem == "" && err != nil:
				t.Error(err)
			case c.problem != "" && (!errors.As(err, &refused) || !strings.Contains(err.Error(), c.problem)):
				t.Errorf("got %v, want %q", err, c.problem)
			}
		})
	}
}

// A server that is busy is called again, and is not a wrong address.
func TestDiscoverIsPatient(t *testing.T) {
	r := newRig(t, nil)
	good, err := json.Marshal(r.config)
	if err != nil {
		t.Fatal(err)
	}
	for _, status := range []int{429, 502, 503, 504, 500} {
		for _, failures := range []int32{2, 1000} {
			t.Run(fmt.Sprintf("%d, %d times", status, failures), func(t *testing.T) {
				t.Parallel()
				var calls atomic.Int32
				server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
					if calls.Add(1) <= failures {
						w.WriteHeader(status)
					}
					_, _ = w.Write(good)
				}))
				defer server.Close()
				_, err := session.Discover(ctx, server.URL)
				var refused *session.ConfigError
				switch {
				case status == 500:
					if calls.Load() != 1 || !errors.As(err, &refused) || refused.Busy {
						t.Errorf("%d calls, %v", calls.Load(), err)
					}
				case failures == 2:
					if err != nil || calls.Load() != 3 {
						t.Errorf("%d calls, %v", calls.Load(), err)
					}
				case calls.Load() < 3 || !errors.As(err, &refused) || !refused.Busy:
					t.Errorf("%d calls, %v", calls.Load(), err)
				}
			})
		}
	}
}

func TestDiscoverWithoutNetwork(t *testing.T) {
	silent := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) { <-req.Context().Done() }))
	defer silent.Close()
	short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	_, err := session.Discover(short, silent.URL)
	var network *api.Unreachable
	if !errors.As(err, &network) || network.Reason != "it took too long" {
		t.Errorf("silent server: %v", err)
	}
	tls := httptest.NewUnstartedServer(http.NotFoundHandler())
	tls.Config.ErrorLog = log.New(io.Discard, "", 0)
	tls.StartTLS()
	defer tls.Close()
	_, err = session.Discover(ctx, tls.URL)
	if !errors.As(err, &network) || !strings.Contains(err.Error(), "certificate is not trusted") {
		t.Errorf("unknown certificate: %v", err)
	}
	_, err = session.Discover(ctx, strings.Replace(tls.URL, "https", "http", 1))
	if err == nil {
		t.Error("plain HTTP to a TLS server succeeded")
	}
}

// Each pinned value is changed in turn. The values that may change are the
// negative control.
func TestCheckPinned(t *testing.T) {
	trusted := api.Config{
		Organisation: "Example", Region: "eu-central-1", UserPoolID: "eu-central-1_a", ClientID: "c", Issuer: "https://i",
		CognitoEndpoint: "", HostedUI: "https://h", S3Hosts: []string{"a.example.com", "b.example.com"},
	}
	now := trusted
	now.URLSeconds, now.BoundSeconds, now.AuditorsGroup, now.OldestClient = 30, 35, "x", "9"
	now.S3Hosts = []string{"b.example.com", "a.example.com"}
	if err := session.CheckPinned(trusted, now); err != nil {
		t.Errorf("what may change is refused: %v", err)
	}
	for what, change := range map[string]func(*api.Config){
		"organization":                        func(c *api.Config) { c.Organisation = "Evil\x1b[2J" },
		"region":                              func(c *api.Config) { c.Region = "evil" },
		"user pool":                           func(c *api.Config) { c.UserPoolID = "evil" },
		"client ID":                           func(c *api.Config) { c.ClientID = "evil" },
		"issuer":                              func(c *api.Config) { c.Issuer = "evil" },
		"sign-in address":                     func(c *api.Config) { c.CognitoEndpoint = "evil" },
		"company sign-in":                     func(c *api.Config) { c.HostedUI = "evil" },
		"ways to sign in":                     func(c *api.Config) { c.SignIn = c.Offer(); c.SignIn.Ways = []api.Way{"evil"} },
		"client ID of the company":            func(c *api.Config) { c.SignIn = c.Offer(); c.SignIn.Clients.SSO = "evil" },
		"client ID of the sign-in on another": func(c *api.Config) { c.SignIn = c.Offer(); c.SignIn.Clients.Device = "evil" },
		"list of companies": func(c *api.Config) {
			c.SignIn = c.Offer()
			c.SignIn.Providers = []api.Provider{{Name: "evil\x1b[2J", Label: "x"}}
		},
		"download hosts": func(c *api.Config) { c.S3Hosts = append(c.S3Hosts[:1:1], "evil.example.com") },
	} {
		now := trusted
		change(&now)
		err := session.CheckPinned(trusted, now)
		var pin *session.PinError
		if !errors.As(err, &pin) || len(pin.Changes) != 1 || !strings.Contains(err.Error(), what) ||
			!strings.Contains(strings.ToLower(err.Error()), "evil") || strings.Contains(err.Error(), "\x1b") {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// The pin changes with each pinned value and with no other. A server with the
// default ways has the pin of a server that does not name them.
func TestPin(t *testing.T) {
	trusted := api.Config{
		Organisation: "Example", Region: "eu-central-1", UserPoolID: "eu-central-1_a", ClientID: "c", Issuer: "https://i",
		HostedUI: "https://h", S3Hosts: []string{"a.example.com", "b.example.com"},
	}
	same := trusted
	same.SignIn, same.IdleMinutes, same.URLSeconds, same.S3Hosts = trusted.Offer(), 5, 30, []string{"b.example.com", "a.example.com"}
	if len(trusted.Pin()) != 26 || trusted.Pin() != same.Pin() {
		t.Errorf("%s and %s", trusted.Pin(), same.Pin())
	}
	seen := map[string]string{trusted.Pin(): "the trusted one"}
	for name, change := range map[string]func(*api.Config){
		"organization": func(c *api.Config) { c.Organisation = "Other" },
		"pool":         func(c *api.Config) { c.UserPoolID = "eu-central-1_b" },
		"hosts":        func(c *api.Config) { c.S3Hosts = []string{"a.example.com"} },
		"ways":         func(c *api.Config) { c.SignIn.Ways = []api.Way{api.WayPassword, api.WayCode} },
		"order":        func(c *api.Config) { c.SignIn.Ways = []api.Way{api.WayCode, api.WayPassword} },
		"sso":          func(c *api.Config) { c.SignIn.Clients.SSO = "d" },
		"device":       func(c *api.Config) { c.SignIn.Clients.Device = "d" },
		"provider":     func(c *api.Config) { c.SignIn.Providers = []api.Provider{{Name: "a", Label: "b"}} },
		"label":        func(c *api.Config) { c.SignIn.Providers = []api.Provider{{Name: "a", Label: "c"}} },
		"ports":        func(c *api.Config) { c.SignIn.CallbackPorts = []int{41871} },
		"rules":        func(c *api.Config) { c.SignIn.Password.Length = 6 },
	} {
		now := same
		change(&now)
		if other, ok := seen[now.Pin()]; ok {
			t.Errorf("%s has the pin of %s", name, other)
		}
		seen[now.Pin()] = name
	}
}

func TestRecheck(t *testing.T) {
	r := newRig(t, nil)
	p := r.profile()
	r.config.URLSeconds = 30
	if now, err := p.Recheck(ctx, http.DefaultTransport); err != nil || now.URLSeconds != 30 {
		t.Fatalf("%v, %v", now, err)
	}
	r.config.ClientID = "another"
	_, err := p.Recheck(ctx, http.DefaultTransport)
	if err == nil || !strings.Contains(err.Error(), "is now another") || !strings.Contains(err.Error(), "usher configure "+r.server.URL) {
		t.Errorf("got %v", err)
	}
}

func TestProfiles(t *testing.T) {
	r := newRig(t, nil)
	f := r.folders
	var missing *session.ProfileError
	if _, err := f.LoadProfile("test"); !errors.As(err, &missing) {
		t.Errorf("no profile: %v", err)
	}
	if names, err := f.Profiles(); err != nil || names != nil || f.Default() != "" {
		t.Errorf("%v, %v", names, err)
	}
	first := r.profile()
	second := first
	second.Name = "work"
	for _, p := range []session.Profile{first, second} {
		if err := f.SaveProfile(p); err != nil {
			t.Fatal(err)
		}
		if got, err := f.LoadProfile(p.Name); err != nil || !reflect.DeepEqual(got, p) {
			t.Errorf("%+v, %v", got, err)
		}
	}
	if names, _ := f.Profiles(); strings.Join(names, " ") != "test work" || f.Default() != "test" {
		t.Errorf("%v, default %q", names, f.Default())
	}
	if err := f.SetDefault("work"); err != nil || f.Default() != "work" {
		t.Errorf("default %q, %v", f.Default(), err)
	}
	for _, name := range []string{"", "..", "../x", "a/b", "-x", "A", "x\x1b", strings.Repeat("x", 101)} {
		bad := first
		bad.Name = name
		if name == "" {
			continue
		}
		if f.SaveProfile(bad) == nil || f.SetDefault(name) == nil {
			t.Errorf("the name %q was accepted", name)
		}
		if _, err := f.LoadProfile(name); err == nil {
			t.Errorf("the name %q was loaded", name)
		}
	}
	if err := os.WriteFile(filepath.Join(f.Config, "profiles", "work.json"), []byte(`{"name":"work","server":"https://x.example.com"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := f.LoadProfile("work"); !errors.As(err, &missing) || !strings.Contains(err.Error(), "configure") {
		t.Errorf("a broken profile: %v", err)
	}
}
