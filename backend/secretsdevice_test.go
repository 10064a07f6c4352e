package backend_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"usher/backend/api"
	"usher/backend/demo"
	"usher/backend/demo/demotest"
	"usher/session"
	"usher/session/device"
)

// bodies passes each request's and response's body to a function.
type bodies func([]byte)

func (b bodies) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		raw, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		b(raw)
		r.Body = io.NopCloser(bytes.NewReader(raw))
	}
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	raw, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	resp.Body = io.NopCloser(bytes.NewReader(raw))
	b(raw)
	return resp, err
}

// deviceSecrets signs a person in on another device, with a wrong number first,
// and returns the secrets and the number.
func deviceSecrets(t *testing.T, d *demotest.Demo, username string) (secrets map[string]string, number string) {
	t.Helper()
	var code string
	issued := regexp.MustCompile(`"device_code":"([^"]+)"`)
	web := &http.Client{Transport: bodies(func(raw []byte) {
		if m := issued.FindSubmatch(raw); m != nil {
			code = string(m[1])
		}
	})}
	r, err := device.Begin(t.Context(), device.Config{
		HTTP: web, Server: d.Server, ClientID: d.DeviceClientID, Random: rand.Reader, Now: time.Now,
		Wait: func(ctx context.Context, _ time.Duration) error { return ctx.Err() },
	})
	if err != nil {
		t.Fatal(err)
	}
	approved, err := d.Browse(t.Context(), terminal{r}, username)
	if err != nil {
		t.Fatal(err)
	}
	wrong := "000000"
	if approved.Number == wrong {
		wrong = "000001"
	}
	if _, _, err := r.Confirm(t.Context(), wrong); err == nil {
		t.Fatal("a wrong number is accepted")
	}
	g, _, err := r.Confirm(t.Context(), approved.Number)
	if err != nil || g.Code != approved.Code {
		t.Fatalf("the number: %v", err)
	}
	resp, err := http.PostForm(d.HostedUI+"/oauth2/token", url.Values{
		"grant_type": {"authorization_code"}, "client_id": {d.DeviceClientID}, "code": {g.Code}, "redirect_uri": {g.RedirectURI}, "code_verifier": {g.Verifier},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	var tokens struct {
		rawTokens
		Refresh string `json:"refresh_token"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&tokens); err != nil || tokens.Refresh == "" {
		t.Fatalf("tokens: %d %v", resp.StatusCode, err)
	}
	for _, id := range []string{tokens.ID + "x", tokens.ID} { // refused, then accepted
		status := call(t, d, api.VerbDeviceDone, tokens.Access, api.DeviceDoneRequest{IDToken: id})
		if (status == http.StatusOK) != (id == tokens.ID) {
			t.Fatalf("device/done: %d", status)
		}
	}
	if err := r.Cancel(t.Context()); err != nil { // of an open session: without effect
		t.Fatal(err)
	}
	request, random, _ := strings.Cut(approved.State, ".")
	user := r.UserCode
	secrets = map[string]string{
		"device code": code, "user code": user, "user code without hyphen": strings.ReplaceAll(user, "-", ""),
		"authorization code": approved.Code, "state": random, "request's HMAC": request, "verifier": g.Verifier, "nonce": g.Nonce,
		"access token": tokens.Access[len(tokens.Access)-60:], "ID token": tokens.ID[len(tokens.ID)-60:],
		"refresh token": tokens.Refresh[len(tokens.Refresh)/2:],
	}
	for i, cookie := range approved.Cookies {
		secrets[fmt.Sprint("cookie ", i)] = cookie
	}
	if len(approved.Cookies) == 0 {
		t.Error("the browser has no cookie")
	}
	return secrets, approved.Number
}

// Sign-ins on another device, with refusals, leave none of their secrets in the
// server's files.
func TestNoDeviceSecretIsWritten(t *testing.T) {
	dir := t.TempDir()
	d := demotest.Start(t, demo.Options{Dir: dir})
	katherine, first := deviceSecrets(t, d, "katherine")
	ada, second := deviceSecrets(t, d, "ada")
	// Requests that are refused, with a secret at each place.
	for _, code := range []string{katherine["device code"], ada["user code"]} {
		for _, address := range []string{"/d/" + code, "/d?code=" + code, "/d/callback?state=" + ada["request's HMAC"] + "." + ada["state"] + "&error=" + code + "&error_description=" + ada["authorization code"], "/d/decide"} {
			resp, err := http.Get(d.Server + address)
			if err != nil {
				t.Fatal(err)
			}
			_ = resp.Body.Close()
		}
		for _, path := range []string{"/v1/device/token", "/v1/device/authorize", "/v1/device/cancel", "/d", "/d/decide"} {
			resp, err := http.PostForm(d.Server+path, url.Values{"device_code": {code}, "code": {code}, "host": {code}, "client_id": {d.DeviceClientID}, "confirmation": {first}, "grant_type": {code}})
			if err != nil {
				t.Fatal(err)
			}
			_ = resp.Body.Close()
		}
	}
	if started := d.Events(t, "action:session-start who:ada outcome:allowed"); len(started) != 1 {
		t.Errorf("session-start events: %d", len(started))
	}
	for _, secrets := range []map[string]string{katherine, ada} {
		for name, value := range secrets {
			if len(value) < 8 {
				t.Fatalf("the %s is %q: too short to search for", name, value)
			}
		}
	}
	looked := map[string]bool{}
	numbers := regexp.MustCompile(`\b(` + first + `|` + second + `)\b`)
	found := search(t, dir, func(path string, content []byte) []string {
		name := filepath.Base(path)
		looked[name] = true
		if name == "sandbox.json" || name == "pool.json" {
			return nil // the sandbox's own state
		}
		names := append(holds(content, katherine), holds(content, ada)...)
		// Six digits can occur by chance, but not both numbers.
		seen := map[string]bool{}
		for _, m := range numbers.FindAll(content, -1) {
			seen[string(m)] = true
		}
		if len(seen) == 2 {
			names = append(names, "the numbers")
		}
		return names
	})
	if len(found) > 0 {
		t.Errorf("secrets are in files: %q", found)
	}
	// Negative controls: the files of the log were read, and planted secrets
	// are found.
	if !looked["backend.log"] || !looked["audit.db"] {
		t.Errorf("the files are %v", looked)
	}
	planted := ""
	for _, value := range ada {
		planted += "?x=" + url.QueryEscape(value)
	}
	if got := holds([]byte(planted), ada); len(got) != len(ada) {
		t.Errorf("of %d planted secrets, the search finds %q", len(ada), got)
	}
	if !numbers.MatchString(`{"number":"`+first+`"}`) || !numbers.MatchString(second) {
		t.Error("a planted number is not found")
	}
}

// A session of another device keeps only tokens in its folders, and prints none
// of the sign-in's secrets.
func TestDeviceSignInKeepsNoSecret(t *testing.T) {
	d := demotest.Start(t, demo.Options{})
	in := d.BeginDevice(t)
	approved, err := d.Browse(t.Context(), in, "katherine")
	if err != nil {
		t.Fatal(err)
	}
	step, err := in.Number(t.Context(), approved.Number)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	s, err := session.Open(session.Folders{Config: dir, State: dir}, d.Profile, session.Options{Now: time.Now, Random: rand.Reader})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Adopt(step.Tokens); err != nil {
		t.Fatal(err)
	}
	request, random, _ := strings.Cut(approved.State, ".")
	secrets := map[string]string{
		"authorization code": approved.Code, "state": random, "request's HMAC": request,
		"user code": in.UserCode(), "user code without hyphen": strings.ReplaceAll(in.UserCode(), "-", ""),
	}
	tokens := map[string]string{"refresh token": step.Tokens.Refresh.Reveal()}
	stored := 0
	found := search(t, dir, func(_ string, content []byte) []string {
		stored += len(holds(content, tokens))
		return holds(content, secrets)
	})
	if len(found) > 0 {
		t.Errorf("secrets are in files: %q", found)
	}
	if stored == 0 {
		t.Error("the search does not find the stored session")
	}
}
