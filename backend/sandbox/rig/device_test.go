package rig

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"usher/backend/demo"
	"usher/backend/demo/demotest"
	"usher/backend/sandbox/cognito/hosted/hostedtest"
	"usher/session"
)

// deviceChecks lists the checks of device.mjs.
func deviceChecks() []string {
	return []string{
		"openid-client/access_denied", "openid-client/slow_down", "openid-client/expired_token", "openid-client/token type",
		"oauth4webapi/access_denied", "oauth4webapi/expired_token", "oauth4webapi/signs in",
		"openid-client/plain", "oauth4webapi/plain",
		"Chromium/without scripts", "Chromium/policy", "Chromium/framing",
	}
}

func findChromium(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Fatal("the rig requires Chromium; on Debian: apt-get install chromium")
	return ""
}

// clock is the real time plus jumps.
type clock struct{ ahead atomic.Int64 }

func (c *clock) now() time.Time           { return time.Now().Add(time.Duration(c.ahead.Load())) }
func (c *clock) advance(by time.Duration) { c.ahead.Add(int64(by)) }

// openid-client and oauth4webapi as terminals, and Chromium as the other device.
// usher's terminal finishes with the numbers that Chromium shows.
func TestDeviceClients(t *testing.T) {
	t.Parallel()
	chromium := findChromium(t)
	// The lookups of codes are limited for each server, hence several.
	first, pages, third := demotest.Start(t, demo.Options{}), demotest.Start(t, demo.Options{}), demotest.Start(t, demo.Options{})
	var hurried clock
	expiring, plain := demotest.Start(t, demo.Options{Now: hurried.now}), demotest.Start(t, demo.Options{PlainDevice: true})
	terminals := []*session.DeviceSignIn{pages.BeginDevice(t), pages.BeginDevice(t)}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /later", func(http.ResponseWriter, *http.Request) { hurried.advance(11 * time.Minute) })
	mux.HandleFunc("GET /number/{terminal}/{number}", func(w http.ResponseWriter, r *http.Request) {
		at, err := strconv.Atoi(r.PathValue("terminal"))
		if err != nil || at >= len(terminals) {
			http.Error(w, "no such terminal", http.StatusNotFound)
			return
		}
		if step, err := terminals[at].Number(r.Context(), r.PathValue("number")); err != nil || step.Kind != session.Done {
			http.Error(w, "the terminal: "+err.Error(), http.StatusConflict)
		}
	})
	controls := httptest.NewServer(mux)
	t.Cleanup(controls.Close)
	input := map[string]any{
		"client": first.DeviceClientID, "chromium": chromium, "data": t.TempDir(),
		"codes": []string{terminals[0].UserCode(), terminals[1].UserCode()},
		"later": controls.URL + "/later", "number": controls.URL + "/number",
	}
	for name, d := range map[string]*demotest.Demo{"first": first, "pages": pages, "third": third, "expiring": expiring, "plain": plain} {
		input[name] = map[string]string{"origin": d.Server, "hosted_ui": d.HostedUI, "password": passwordOf(t, d, "ada")}
	}
	judged(t, "device.mjs", input, deviceChecks())
}

func passwordOf(t *testing.T, d *demotest.Demo, username string) string {
	t.Helper()
	for _, p := range d.People {
		if p.Username == username {
			return p.Password
		}
	}
	t.Fatalf("the demo has no %s", username)
	return ""
}

// goTerminal is a terminal of Go's OAuth client.
type goTerminal struct{ r *oauth2.DeviceAuthResponse }

func (g goTerminal) Address() string  { return g.r.VerificationURI }
func (g goTerminal) UserCode() string { return g.r.UserCode }

// The OAuth client of the Go project as a terminal.
func TestGoOAuth2Device(t *testing.T) {
	t.Parallel()
	var hurried clock
	d, expiring := demotest.Start(t, demo.Options{}), demotest.Start(t, demo.Options{Now: hurried.now})
	config := func(d *demotest.Demo) *oauth2.Config {
		return &oauth2.Config{ClientID: d.DeviceClientID, RedirectURL: d.Server + "/d/callback", Scopes: []string{"openid", "email"}, Endpoint: oauth2.Endpoint{
			DeviceAuthURL: d.Server + "/v1/device/authorize", TokenURL: d.Server + "/v1/device/token", AuthStyle: oauth2.AuthStyleInParams,
		}}
	}
	begin := func(t *testing.T, c *oauth2.Config) (*oauth2.DeviceAuthResponse, string) {
		t.Helper()
		verifier := oauth2.GenerateVerifier()
		begun, err := c.DeviceAuth(t.Context(), oauth2.S256ChallengeOption(verifier))
		if err != nil {
			t.Fatal(err)
		}
		return begun, verifier
	}
	fails := func(t *testing.T, err error, code string) {
		t.Helper()
		var refused *oauth2.RetrieveError
		if !errors.As(err, &refused) || refused.ErrorCode != code {
			t.Errorf("%v, want %s", err, code)
		}
	}
	t.Run("signs in", func(t *testing.T) {
		t.Parallel()
		c := config(d)
		begun, verifier := begin(t, c)
		number, err := d.Approve(t.Context(), goTerminal{begun}, "ada")
		if err != nil {
			t.Fatal(err)
		}
		token, err := c.DeviceAccessToken(t.Context(), begun, oauth2.SetAuthURLParam("confirmation", number))
		if err != nil || token.TokenType != "N_A" || token.Extra("issued_token_type") != "urn:usher:token-type:authorization-code" {
			t.Fatalf("the code: %v", err)
		}
		c.Endpoint.TokenURL = d.HostedUI + "/oauth2/token"
		tokens, err := c.Exchange(t.Context(), token.AccessToken, oauth2.VerifierOption(verifier))
		if err != nil || tokens.RefreshToken == "" || !tokens.Valid() {
			t.Fatalf("the tokens: %v", err)
		}
	})
	t.Run("plain", func(t *testing.T) {
		t.Parallel()
		plain := demotest.Start(t, demo.Options{PlainDevice: true})
		c := config(plain)
		begun, verifier := begin(t, c)
		if number, err := plain.Approve(t.Context(), goTerminal{begun}, "ada"); err != nil || number != "" {
			t.Fatalf("number %q, %v", number, err)
		}
		token, err := c.DeviceAccessToken(t.Context(), begun)
		if err != nil || token.TokenType != "N_A" {
			t.Fatalf("the code: %v", err)
		}
		c.Endpoint.TokenURL = plain.HostedUI + "/oauth2/token"
		if tokens, err := c.Exchange(t.Context(), token.AccessToken, oauth2.VerifierOption(verifier)); err != nil || !tokens.Valid() {
			t.Fatalf("the tokens: %v", err)
		}
	})
	t.Run("slow_down", func(t *testing.T) {
		t.Parallel()
		c := config(d)
		begun, _ := begin(t, c)
		begun.Interval = 1 // below that of the server
		var errs []string
		var at []time.Time
		ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
		defer cancel()
		seen := &http.Client{Transport: observed(func(raw []byte) {
			var body struct{ Error string }
			_ = json.Unmarshal(raw, &body)
			errs, at = append(errs, body.Error), append(at, time.Now())
		})}
		_, err := c.DeviceAccessToken(context.WithValue(ctx, oauth2.HTTPClient, seen), begun)
		if !errors.Is(err, context.DeadlineExceeded) || len(errs) < 3 || errs[0] != "authorization_pending" || errs[1] != "slow_down" {
			t.Fatalf("%v %q", err, errs)
		}
		if at[2].Sub(at[1]) < 5*time.Second {
			t.Errorf("after slow_down the client waits %v", at[2].Sub(at[1]))
		}
	})
	t.Run("access_denied", func(t *testing.T) {
		t.Parallel()
		c := config(d)
		begun, _ := begin(t, c)
		if err := refuse(t.Context(), begun.VerificationURIComplete); err != nil {
			t.Fatal(err)
		}
		_, err := c.DeviceAccessToken(t.Context(), begun)
		fails(t, err, "access_denied")
	})
	t.Run("expired_token", func(t *testing.T) {
		t.Parallel()
		c := config(expiring)
		begun, _ := begin(t, c)
		hurried.advance(11 * time.Minute)
		_, err := c.DeviceAccessToken(t.Context(), begun)
		fails(t, err, "expired_token")
	})
}

// refuse plays a browser whose person chooses "Not mine".
func refuse(ctx context.Context, address string) error {
	b, err := hostedtest.New()
	if err != nil {
		return err
	}
	p, err := b.Visit(ctx, address)
	if err != nil {
		return err
	}
	_, err = b.Submit(ctx, p, "answer", "deny")
	return err
}

// observed passes each response's body to a function.
type observed func([]byte)

func (o observed) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	raw, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	resp.Body = io.NopCloser(bytes.NewReader(raw))
	o(raw)
	return resp, err
}
