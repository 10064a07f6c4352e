package backend_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"usher/backend/api"
	"usher/backend/demo"
	"usher/backend/demo/demotest"
	"usher/backend/event"
	"usher/session"
	"usher/session/device"
)

// A person signs in on another device and lists a folder. The one session-start
// event names the browser and the host.
func TestDeviceSignIn(t *testing.T) {
	d := demotest.Start(t, demo.Options{})
	katherine := d.SignInByDevice(t, "katherine")
	for range 2 {
		if _, err := katherine.Whoami(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	starts := d.Events(t, "who:katherine action:"+event.SessionStart)
	if len(starts) != 1 || starts[0].BrowserIP != "127.0.0.1" || starts[0].SourceIP != "127.0.0.1" || starts[0].Outcome != event.Allowed {
		t.Errorf("session-start events: %+v", starts)
	}
	if err := katherine.Session.SignOut(t.Context(), session.Ending{}); err != nil {
		t.Fatal(err)
	}
}

// rawTokens are tokens of the device client whose session is not open yet.
type rawTokens struct {
	Access string `json:"access_token"`
	ID     string `json:"id_token"`
}

// redeem signs a person in on another device up to the tokens.
func redeem(t *testing.T, d *demotest.Demo, username string) rawTokens {
	t.Helper()
	r, err := device.Begin(t.Context(), device.Config{
		HTTP: http.DefaultClient, Server: d.Server, ClientID: d.DeviceClientID, Random: rand.Reader, Now: time.Now,
		Wait: func(ctx context.Context, _ time.Duration) error { return ctx.Err() },
	})
	if err != nil {
		t.Fatal(err)
	}
	number, err := d.Approve(t.Context(), terminal{r}, username)
	if err != nil {
		t.Fatal(err)
	}
	g, _, err := r.Confirm(t.Context(), number)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.PostForm(d.HostedUI+"/oauth2/token", url.Values{
		"grant_type": {"authorization_code"}, "client_id": {d.DeviceClientID}, "code": {g.Code}, "redirect_uri": {g.RedirectURI}, "code_verifier": {g.Verifier},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	var out rawTokens
	if raw, err := io.ReadAll(resp.Body); err != nil || json.Unmarshal(raw, &out) != nil || out.ID == "" {
		t.Fatalf("tokens: %d %s %v", resp.StatusCode, raw, err)
	}
	return out
}

type terminal struct{ r *device.Request }

func (t terminal) Address() string  { return t.r.Address }
func (t terminal) UserCode() string { return t.r.UserCode }

// call calls a verb with an access token and returns the status.
func call(t *testing.T, d *demotest.Demo, verb api.Verb, access string, body any) int {
	t.Helper()
	raw, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, d.Server+verb.Path(), strings.NewReader(string(raw)))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+access)
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	return resp.StatusCode
}

// Tokens of the device client open nothing before device/done, and device/done
// needs the ID token of the same sign-in.
func TestDeviceTokensNeedDone(t *testing.T) {
	d := demotest.Start(t, demo.Options{})
	katherine, ada := redeem(t, d, "katherine"), redeem(t, d, "ada")
	done := func(access, id string) int {
		return call(t, d, api.VerbDeviceDone, access, api.DeviceDoneRequest{IDToken: id})
	}
	for _, verb := range []api.Verb{api.VerbWhoami, api.VerbList, api.VerbRelease, api.VerbSignout, api.VerbAuditQuery} {
		if status := call(t, d, verb, katherine.Access, struct{}{}); status != http.StatusUnauthorized {
			t.Errorf("%s before device/done: %d", verb, status)
		}
	}
	native := d.SignIn(t, "grace")
	token, err := native.Session.Token(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for name, pair := range map[string][2]string{
		"another person's ID token":   {katherine.Access, ada.ID},
		"an access token":             {katherine.Access, katherine.Access},
		"no token":                    {katherine.Access, ""},
		"an ID token as access":       {katherine.ID, katherine.ID},
		"a changed ID token":          {katherine.Access, katherine.ID[:len(katherine.ID)-4] + "AAAA"},
		"a session of another client": {token, katherine.ID},
	} {
		if status := done(pair[0], pair[1]); status == http.StatusOK {
			t.Errorf("%s opened a session", name)
		}
	}
	if status := call(t, d, api.VerbWhoami, katherine.Access, struct{}{}); status != http.StatusUnauthorized {
		t.Errorf("after refused attempts: %d", status)
	}
	for range 2 { // the first response may be lost
		if status := done(katherine.Access, katherine.ID); status != http.StatusOK {
			t.Fatalf("device/done: %d", status)
		}
	}
	if status := call(t, d, api.VerbWhoami, katherine.Access, struct{}{}); status != http.StatusOK {
		t.Errorf("an open session: %d", status)
	}
	if n := len(d.Events(t, "who:katherine action:session-start")); n != 1 {
		t.Errorf("%d session-start events", n)
	}
}

// After a restart of the server the log still knows the opened sessions.
func TestDeviceSessionSurvivesARestart(t *testing.T) {
	dir := t.TempDir()
	start := func() *demotest.Demo { return demotest.Start(t, demo.Options{Dir: dir, KeepPort: true}) }
	d := start()
	katherine := d.SignInByDevice(t, "katherine")
	pending := redeem(t, d, "ada")
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	d = start()
	if _, err := katherine.Whoami(t.Context()); err != nil {
		t.Errorf("an open session after a restart: %v", err)
	}
	if status := call(t, d, api.VerbWhoami, pending.Access, struct{}{}); status != http.StatusUnauthorized {
		t.Errorf("a session that was not open: %d", status)
	}
	if status := call(t, d, api.VerbDeviceDone, pending.Access, api.DeviceDoneRequest{IDToken: pending.ID}); status != http.StatusUnauthorized {
		t.Errorf("device/done for a lost request: %d", status)
	}
	if denied := d.Events(t, "who:ada action:session-start outcome:denied"); len(denied) != 1 {
		t.Errorf("events of the refusal: %+v", denied)
	}
}

// Three wrong numbers end a sign-in, with an event.
func TestDeviceWrongNumbers(t *testing.T) {
	d := demotest.Start(t, demo.Options{})
	in := d.BeginDevice(t)
	right, err := d.Approve(t.Context(), in, "katherine")
	if err != nil {
		t.Fatal(err)
	}
	wrong := "000000"
	if wrong == right {
		wrong = "000001"
	}
	for range 2 {
		if _, err := in.Number(t.Context(), wrong); !errors.Is(err, session.ErrDeviceNumber) {
			t.Fatal(err)
		}
	}
	if _, err := in.Number(t.Context(), wrong); !errors.Is(err, session.ErrDeviceNumbers) {
		t.Fatal(err)
	}
	if _, err := in.Number(t.Context(), right); !errors.Is(err, session.ErrDeviceNumbers) {
		t.Fatal(err)
	}
	if refused := d.Events(t, "action:"+event.DeviceRefused); len(refused) != 1 {
		t.Errorf("events: %+v", refused)
	}
}

// A server whose trusted configuration changed while the person was at the page: the
// code is not redeemed, and no session opens.
func TestConfigurationChangesDuringADeviceSignIn(t *testing.T) {
	d := demotest.Start(t, demo.Options{})
	trusted := d.Profile
	trusted.Config.Organisation = "Another organization" // the server's is pinned
	in, err := session.NewDeviceSignIn(t.Context(), trusted, session.Options{Now: time.Now, Random: rand.Reader})
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	number, err := d.Approve(t.Context(), in, "ada")
	if err != nil {
		t.Fatal(err)
	}
	var changed *session.PinError
	if step, err := in.Number(t.Context(), number); !errors.As(err, &changed) || !step.Tokens.Access.IsZero() {
		t.Errorf("%v, step %d", err, step.Kind)
	}
	if started := d.Events(t, "who:ada action:session-start"); len(started) != 0 {
		t.Errorf("%d sessions", len(started))
	}
}
