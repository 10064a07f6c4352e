package rig

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"usher/backend/api"
	"usher/backend/api/shape"
	"usher/backend/sandbox"
	"usher/backend/sandbox/cognito/hosted/hostedtest"
	"usher/session"
)

// oauthChecks lists the checks of oauth.mjs.
func oauthChecks() []string {
	return []string{
		"openid-client/signs in", "openid-client/company", "openid-client/browser session", "openid-client/code once", "openid-client/verifier",
		"openid-client/nonce", "openid-client/rotation", "openid-client/revocation", "openid-client/logout",
		"oauth4webapi/signs in", "Chromium/page",
	}
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().(*net.TCPAddr).Port
}

// browserSandbox starts a sandbox with one callback port and a page for the end of
// a sign-out.
func browserSandbox(t *testing.T) (box *sandbox.Sandbox, port int, signedOut string) {
	t.Helper()
	port = freePort(t)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = w.Write([]byte("<!DOCTYPE html><title>signed out</title>"))
	}))
	t.Cleanup(server.Close)
	box, err := sandbox.Start(t.Context(), sandbox.Options{Dir: t.TempDir(), Now: time.Now, Server: server.URL, CallbackPorts: []int{port}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := box.Close(); err != nil {
			t.Errorf("closing the sandbox: %v", err)
		}
	})
	return box, port, server.URL + shape.SignedOutPath
}

// openid-client and oauth4webapi, with Chromium as their browser, against the
// pages and endpoints of the sandbox's pool.
func TestOAuthClients(t *testing.T) {
	t.Parallel()
	chromium := findChromium(t)
	box, port, signedOut := browserSandbox(t)
	people := map[string]sandbox.Person{}
	for _, p := range box.People {
		people[p.Username] = p
	}
	judged(t, "oauth.mjs", map[string]any{
		"issuer": box.Issuer, "hosted_ui": box.HostedUI, "sso": box.SSOClientID, "provider": box.Provider, "people": people,
		"callback": shape.Callback(port), "signed_out": signedOut, "chromium": chromium, "data": t.TempDir(),
	}, oauthChecks())
}

// judged runs a program of checks, each of which must occur once and succeed.
func judged(t *testing.T, program string, input any, want []string) {
	t.Helper()
	in, err := json.Marshal(input)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "node", program)
	cmd.Stdin = bytes.NewReader(in)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		t.Errorf("%s: %v\n%s", program, err, errs.String())
	}
	report(t, program, lines[verdict](t, string(out)), want)
}

// The OAuth client of the Go project against the token endpoint.
func TestGoOAuth2(t *testing.T) {
	t.Parallel()
	box, port, _ := browserSandbox(t)
	c := oauth2.Config{ClientID: box.SSOClientID, RedirectURL: shape.Callback(port), Scopes: []string{"openid", "email"}, Endpoint: oauth2.Endpoint{
		AuthURL: box.HostedUI + "/oauth2/authorize", TokenURL: box.HostedUI + "/oauth2/token", AuthStyle: oauth2.AuthStyleInParams,
	}}
	b, err := hostedtest.New()
	if err != nil {
		t.Fatal(err)
	}
	b.Stop = func(u *url.URL) bool { return u.Path == shape.CallbackPath }
	verifier := oauth2.GenerateVerifier()
	password := ""
	for _, p := range box.People {
		if p.Username == "ada" {
			password = p.Password
		}
	}
	page, err := b.SignIn(t.Context(), c.AuthCodeURL("state", oauth2.S256ChallengeOption(verifier)), "ada", password)
	if err != nil {
		t.Fatal(err)
	}
	code := page.URL.Query().Get("code")
	var refused *oauth2.RetrieveError
	t.Run("signs in", func(t *testing.T) {
		token, err := c.Exchange(t.Context(), code, oauth2.VerifierOption(verifier))
		if err != nil || token.RefreshToken == "" || !token.Valid() {
			t.Fatalf("%v", err)
		}
		token.Expiry = time.Now().Add(-time.Minute)
		fresh, err := c.TokenSource(t.Context(), token).Token()
		if err != nil || fresh.AccessToken == token.AccessToken || fresh.RefreshToken == token.RefreshToken {
			t.Errorf("the renewal: %v", err)
		}
	})
	t.Run("code once", func(t *testing.T) {
		if _, err := c.Exchange(t.Context(), code, oauth2.VerifierOption(verifier)); !errors.As(err, &refused) || refused.ErrorCode != "invalid_grant" {
			t.Errorf("%v", err)
		}
	})
}

// usher's own client against oidc-provider, an authorization server by others on
// Cognito's paths: sign-in, rotation, and the end of a session. A replaced
// refresh token ends the whole session there.
func TestOIDCProvider(t *testing.T) {
	t.Parallel()
	port, callback := freePort(t), freePort(t)
	origin := "http://127.0.0.1:" + strconv.Itoa(port)
	const password = "Rig1-password"
	in, err := json.Marshal(map[string]any{
		"port": port, "issuer": origin, "client_id": "sso", "callback": shape.Callback(callback), "password": password,
	})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "node", "provider.mjs")
	cmd.Stdin = bytes.NewReader(append(in, '\n'))
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	ready := bufio.NewScanner(out)
	if !ready.Scan() || ready.Text() != "ready" {
		t.Fatalf("oidc-provider does not start: %s", errs.String())
	}
	config := api.Config{
		Organisation: "Rig", Region: region, UserPoolID: poolID, ClientID: clientID, Issuer: origin, CognitoEndpoint: origin,
		HostedUI: origin, S3Hosts: []string{"127.0.0.1:9000"},
		SignIn: api.SignIn{
			Ways: []api.Way{api.WaySSO}, Clients: api.Clients{Native: clientID, SSO: "sso"}, HostedUI: origin,
			CallbackPorts: []int{callback}, Password: api.DefaultPasswordRules(),
		},
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(config)
	}))
	t.Cleanup(server.Close)
	profile, err := session.NewProfile("rig", server.URL, config)
	if err != nil {
		t.Fatal(err)
	}
	ahead := time.Duration(0)
	options := session.Options{Now: func() time.Time { return time.Now().Add(ahead) }, Random: rand.Reader}
	dir := t.TempDir()
	open := func() *session.Session {
		s, err := session.Open(session.Folders{Config: filepath.Join(dir, "config"), State: filepath.Join(dir, "state")}, profile, options)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	signIn := func(word string) (session.Step, error) {
		b, err := session.NewBrowserSignIn(t.Context(), profile, options, session.BrowserOptions{})
		if err != nil {
			t.Fatal(err)
		}
		defer b.Close()
		browser, err := hostedtest.New()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := browser.SignIn(t.Context(), b.URL(), "ada", word); err != nil {
			t.Fatal(err)
		}
		return b.Wait(t.Context())
	}
	step, err := signIn(password)
	if err != nil {
		t.Fatalf("signing in: %v\n%s", err, errs.String())
	}
	s := open()
	if err := s.Adopt(step.Tokens); err != nil {
		t.Fatal(err)
	}
	first, err := s.Token(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Run("rotation", func(t *testing.T) {
		for range 3 {
			ahead += 10 * time.Minute
			next, err := open().Token(t.Context()) // each time another process
			if err != nil || next == first {
				t.Fatalf("the renewal: %v", err)
			}
			first = next
		}
	})
	t.Run("refused", func(t *testing.T) {
		_, err := signIn("wrong")
		var declined *session.DeclinedError
		if !errors.As(err, &declined) || !strings.Contains(err.Error(), "access_denied: wrong password") {
			t.Errorf("%v", err)
		}
	})
	t.Run("end", func(t *testing.T) {
		tokens := step.Tokens // of before the rotation
		if err := s.SignOut(t.Context(), session.Ending{}); err != nil {
			t.Errorf("signing out: %v", err)
		}
		if err := s.Adopt(tokens); err != nil {
			t.Fatal(err)
		}
		ahead += 10 * time.Minute
		if _, err := open().Token(t.Context()); !errors.Is(err, session.ErrSignedOut) {
			t.Errorf("a replaced refresh token: %v", err)
		}
	})
}
