package session_test

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	mrand "math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"usher/backend/api"
	"usher/backend/api/shape"
	"usher/backend/sandbox/cognito"
	"usher/backend/sandbox/cognito/hosted"
	"usher/backend/sandbox/cognito/hosted/hostedtest"
	"usher/session"
)

const (
	ssoClient   = "2sso0client0of0the0tests"
	remote      = "3device0client0of0the0tests"
	tokenPath   = "/oauth2/token"
	revokePath  = "/oauth2/revoke"
	refusedText = "\x1b]0;owned\x07Company Error"
)

// lastPort is the last port of freePorts in this process.
var lastPort atomic.Int64

// freePorts returns ports that were free a moment ago. Operating systems assign
// none of them to a socket without a port, such as those of other tests.
func freePorts(t testing.TB, n int) []int {
	t.Helper()
	lastPort.CompareAndSwap(0, int64(20000+mrand.IntN(8000)))
	var ports []int
	for len(ports) < n {
		port := int(lastPort.Add(1))
		if port > 32000 {
			t.Fatal("no free ports")
		}
		l, err := net.Listen("tcp4", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err != nil {
			continue
		}
		l.Close()
		ports = append(ports, port)
	}
	return ports
}

// newBrowserRig is a rig whose pool has a domain, an app client for browsers and
// a company with barbara.
func newBrowserRig(t testing.TB, change func(*cognito.Config)) (*rig, *hosted.Company) {
	t.Helper()
	ports := freePorts(t, 8)
	var callbacks []string
	for _, p := range ports {
		callbacks = append(callbacks, shape.Callback(p))
	}
	r := newRig(t, func(c *cognito.Config) {
		c.Clients = []cognito.AppClient{
			{ID: ssoClient, Callbacks: callbacks, Scopes: []string{"openid", "email"}},
			{ID: remote, Callbacks: []string{"https://files.example.com/d/callback"}, Scopes: []string{"openid", "email"}},
		}
		if change != nil {
			change(c)
		}
	})
	company := &hosted.Company{Name: "Company"}
	company.Put(hosted.Employee{Username: "barbara", Password: password, Email: "barbara@example.com"})
	if _, err := r.pool.AddUser(cognito.User{Username: "barbara", External: true}); err != nil {
		t.Fatal(err)
	}
	var err error
	if r.pages, err = hosted.New(hosted.Config{Pool: r.pool, Now: r.poolClock.now, Rand: rand.Reader, Company: company}); err != nil {
		t.Fatal(err)
	}
	r.config.HostedUI = r.server.URL
	r.config.SignIn = api.SignIn{
		Ways: []api.Way{api.WayPassword, api.WaySSO, api.WayDevice}, Clients: api.Clients{Native: clientID, SSO: ssoClient, Device: remote},
		HostedUI: r.server.URL, CallbackPorts: ports, Password: api.DefaultPasswordRules(),
	}
	return r, company
}

func (r *rig) browserSignIn(o session.BrowserOptions) *session.BrowserSignIn {
	r.t.Helper()
	b, err := session.NewBrowserSignIn(ctx, r.profile(), r.options(), o)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(b.Close)
	return b
}

// browse plays the browser.
func (r *rig) browse(b *session.BrowserSignIn, username string) hostedtest.Page {
	r.t.Helper()
	browser, err := hostedtest.New()
	if err != nil {
		r.t.Fatal(err)
	}
	p, err := browser.SignIn(ctx, b.URL(), username, password)
	if err != nil {
		r.t.Fatal(err)
	}
	return p
}

// signedInByBrowser returns a session with the tokens of a browser.
func (r *rig) signedInByBrowser(username string) *session.Session {
	r.t.Helper()
	b := r.browserSignIn(session.BrowserOptions{})
	r.browse(b, username)
	step, err := b.Wait(ctx)
	if err != nil || step.Kind != session.Done || step.Tokens.Way != api.WaySSO {
		r.t.Fatalf("signing in: %v, kind %d, way %q", err, step.Kind, step.Tokens.Way)
	}
	b.Close()
	s := r.open()
	if err := s.Adopt(step.Tokens); err != nil {
		r.t.Fatal(err)
	}
	return s
}

func TestBrowserSignIn(t *testing.T) {
	t.Parallel()
	r, _ := newBrowserRig(t, nil)
	s := r.signedInByBrowser("ada")
	if person, _, ok := s.Person(); !ok || person.Username != "ada" || person.Email != "ada@example.com" {
		t.Errorf("the person is %+v", person)
	}
	first := r.token(s)
	r.inject(nil)
	r.pass(10 * time.Minute)
	again := r.open() // another process
	if got := r.token(again); got == first {
		t.Error("an expired token is used")
	}
	if r.count(tokenPath) != 1 || r.count("GetTokensFromRefreshToken") != 0 || r.count("InitiateAuth") != 0 {
		t.Errorf("the renewal made %v", r.calls)
	}
	if err := again.SignOut(ctx, session.Ending{}); err != nil {
		t.Error(err)
	}
	if r.count(revokePath) != 1 || r.count("RevokeToken") != 0 {
		t.Errorf("the sign-out made %v", r.calls)
	}
}

// barbara has no password in the pool; the only provider of the offer skips the
// pool's form.
func TestBrowserSignInAtTheCompany(t *testing.T) {
	t.Parallel()
	r, company := newBrowserRig(t, nil)
	r.config.SignIn.Providers = []api.Provider{{Name: "Company", Label: "Example"}}
	if _, err := r.signIn().Password(ctx, "barbara", []byte(password)); !errors.Is(err, session.ErrWrongPassword) {
		t.Errorf("her password at the pool: %v", err)
	}
	s := r.signedInByBrowser("barbara")
	if person, _, ok := s.Person(); !ok || person.Username != "barbara" {
		t.Errorf("the person is %+v", person)
	}
	company.Fail(refusedText)
	b := r.browserSignIn(session.BrowserOptions{User: "barbara"})
	r.browse(b, "barbara")
	_, err := b.Wait(ctx)
	var declined *session.DeclinedError
	if !errors.As(err, &declined) || declined.Exit() != api.ExitSignedOut || !strings.Contains(err.Error(), "Company Error") || strings.ContainsAny(err.Error(), "\x1b\x07") {
		t.Errorf("the company's refusal: %q", err)
	}
}

// A clock that is wrong by a day does not end a sign-in or a session.
func TestBrowserSignInWithAWrongClock(t *testing.T) {
	t.Parallel()
	for _, off := range []time.Duration{24 * time.Hour, -24 * time.Hour} {
		r, _ := newBrowserRig(t, nil)
		r.localClock.add(off)
		s := r.signedInByBrowser("ada")
		first := r.token(s)
		r.pass(10 * time.Minute)
		if got := r.token(s); got == first {
			t.Errorf("with a clock off by %v, the token is not renewed", off)
		}
	}
}

// The configuration is compared again before the code leaves this machine.
func TestConfigurationChangesDuringABrowserSignIn(t *testing.T) {
	t.Parallel()
	r, _ := newBrowserRig(t, nil)
	b := r.browserSignIn(session.BrowserOptions{})
	r.browse(b, "ada")
	r.inject(nil)
	r.config.SignIn.Clients.SSO = "another0client"
	var pin *session.PinError
	if _, err := b.Wait(ctx); !errors.As(err, &pin) {
		t.Errorf("%v", err)
	}
	if r.count(tokenPath) != 0 {
		t.Error("the code was sent")
	}
}

func TestBrowserPorts(t *testing.T) {
	t.Parallel()
	r, _ := newBrowserRig(t, nil)
	all := r.config.SignIn.CallbackPorts
	b := r.browserSignIn(session.BrowserOptions{Port: all[3]})
	if b.Port() != all[3] || !strings.Contains(b.URL(), url.QueryEscape(shape.Callback(all[3]))) {
		t.Errorf("port %d, %s", b.Port(), b.URL())
	}
	var taken *session.PortError
	if _, err := session.NewBrowserSignIn(ctx, r.profile(), r.options(), session.BrowserOptions{Port: all[3]}); !errors.As(err, &taken) || taken.Exit() != api.ExitUnavailable {
		t.Errorf("a taken port: %v", err)
	}
	var unknown *session.UnregisteredPortError
	if _, err := session.NewBrowserSignIn(ctx, r.profile(), r.options(), session.BrowserOptions{Port: 1}); !errors.As(err, &unknown) || unknown.Exit() != api.ExitUsage {
		t.Errorf("another port: %v", err)
	}
	var open []*session.BrowserSignIn
	for range 7 {
		open = append(open, r.browserSignIn(session.BrowserOptions{}))
	}
	_, err := session.NewBrowserSignIn(ctx, r.profile(), r.options(), session.BrowserOptions{})
	if !errors.As(err, &taken) || !strings.Contains(err.Error(), "All ports") {
		t.Errorf("with all ports taken: %v", err)
	}
	open[0].Close()
	if next := r.browserSignIn(session.BrowserOptions{}); next.Port() != open[0].Port() {
		t.Errorf("port %d, want %d", next.Port(), open[0].Port())
	}
}

// Each failure has its own sentence, an exit code, and no text of the server.
func TestBrowserFailures(t *testing.T) {
	t.Parallel()
	r, _ := newBrowserRig(t, nil)
	forge := func(change func(map[string]any)) fault {
		return func(op string, _ int, w http.ResponseWriter, req *http.Request, pool http.Handler) bool {
			if op != tokenPath {
				return false
			}
			var answer map[string]any
			record := &recorder{header: http.Header{}}
			pool.ServeHTTP(record, req)
			if json.Unmarshal(record.body, &answer) != nil || answer["id_token"] == nil {
				t.Errorf("the pool answers %s", record.body)
				return false
			}
			claims := map[string]any{}
			raw, err := base64.RawURLEncoding.DecodeString(strings.Split(answer["id_token"].(string), ".")[1])
			if err != nil || json.Unmarshal(raw, &claims) != nil {
				t.Error("no ID token")
				return false
			}
			change(claims)
			if answer["id_token"], err = r.pool.SignAccess(claims); err != nil {
				t.Error(err)
			}
			w.Header().Set("Content-Type", "application/json")
			json.NewEncoder(w).Encode(answer)
			return true
		}
	}
	reply := func(status int, body string) fault {
		return func(op string, _ int, w http.ResponseWriter, _ *http.Request, _ http.Handler) bool {
			if op != tokenPath {
				return false
			}
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(status)
			io.WriteString(w, body)
			return true
		}
	}
	seen := map[string]string{}
	for name, row := range map[string]struct {
		fault fault
		exit  int
	}{
		"nonce":    {forge(func(c map[string]any) { c["nonce"] = "x" }), api.ExitIntegrity},
		"issuer":   {forge(func(c map[string]any) { c["iss"] = "https://evil.example.com" }), api.ExitIntegrity},
		"audience": {forge(func(c map[string]any) { c["aud"] = clientID }), api.ExitIntegrity},
		"subject":  {forge(func(c map[string]any) { c["sub"] = "x" }), api.ExitIntegrity},
		"code":     {reply(400, `{"error":"invalid_grant","error_description":"sesame"}`), api.ExitSignedOut},
		"client":   {reply(400, `{"error":"unauthorized_client"}`), api.ExitUnavailable},
		"busy":     {reply(429, `sesame`), api.ExitUnavailable},
		"down":     {reply(500, `sesame`), api.ExitUnavailable},
		"garbled":  {reply(200, `<html>sesame`), api.ExitUnavailable},
		"cut": {func(op string, _ int, w http.ResponseWriter, _ *http.Request, _ http.Handler) bool {
			if op == tokenPath {
				cut(w)
			}
			return op == tokenPath
		}, api.ExitUnavailable},
	} {
		b := r.browserSignIn(session.BrowserOptions{})
		r.browse(b, "ada")
		r.inject(row.fault)
		step, err := b.Wait(ctx)
		r.inject(nil)
		b.Close()
		var failing api.Failing
		if !errors.As(err, &failing) || failing.Exit() != row.exit || !step.Tokens.Access.IsZero() {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if other := seen[err.Error()]; other != "" || strings.Contains(err.Error(), "sesame") {
			t.Errorf("%s reads like %s: %v", name, other, err)
		}
		seen[err.Error()] = name
	}
}

// recorder keeps a response.
type recorder struct {
	header http.Header
	body   []byte
}

func (r *recorder) Header() http.Header         { return r.header }
func (r *recorder) WriteHeader(int)             {}
func (r *recorder) Write(p []byte) (int, error) { r.body = append(r.body, p...); return len(p), nil }

func TestServerWithoutABrowserWay(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	var way *session.WayError
	if _, err := session.NewBrowserSignIn(ctx, r.profile(), r.options(), session.BrowserOptions{}); !errors.As(err, &way) || way.Exit() != api.ExitUsage {
		t.Errorf("%v", err)
	}
}

// A canceled sign-in frees its port.
func TestCanceledBrowserSignIn(t *testing.T) {
	t.Parallel()
	r, _ := newBrowserRig(t, nil)
	b := r.browserSignIn(session.BrowserOptions{})
	canceled, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := b.Wait(canceled); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	b.Close()
	if next := r.browserSignIn(session.BrowserOptions{}); !slices.Contains(r.config.SignIn.CallbackPorts, next.Port()) || next.Port() != b.Port() {
		t.Errorf("port %d, want %d", next.Port(), b.Port())
	}
}
