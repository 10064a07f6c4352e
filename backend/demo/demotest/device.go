package demotest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"html"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"usher/backend/sandbox/cognito/hosted/hostedtest"
	"usher/client"
	"usher/session"
)

var (
	refresh = regexp.MustCompile(`<a href="([^"]*)"`)
	number  = regexp.MustCompile(`class="number"[^>]*>(\d{3}) (\d{3})<`)
)

// BeginDevice begins a device sign-in as a terminal does.
func (d *Demo) BeginDevice(t testing.TB) *session.DeviceSignIn {
	t.Helper()
	in, err := session.NewDeviceSignIn(t.Context(), d.Profile, session.Options{Now: time.Now, Random: rand.Reader})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(in.Close)
	return in
}

// SignInByDevice signs in one of the demo's people through a browser on another
// device.
func (d *Demo) SignInByDevice(t testing.TB, username string) Actor {
	t.Helper()
	in := d.BeginDevice(t)
	number, err := d.Approve(t.Context(), in, username)
	if err != nil {
		t.Fatal(err)
	}
	step, err := in.Number(t.Context(), number)
	if err != nil || step.Kind != session.Done {
		t.Fatalf("the number: step %d, %v", step.Kind, err)
	}
	dir := t.TempDir()
	s, err := session.Open(session.Folders{Config: dir, State: dir}, d.Profile, session.Options{Now: time.Now, Random: rand.Reader})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Adopt(step.Tokens); err != nil {
		t.Fatal(err)
	}
	c, err := client.New(client.Config{Server: d.Server, Tokens: s, UserAgent: "usher-test/1 (device " + username + ")"})
	if err != nil {
		t.Fatal(err)
	}
	return Actor{c, s}
}

// Terminal is a pending device sign-in.
type Terminal interface {
	Address() string
	UserCode() string
}

// Approval is the browser's half of a device sign-in.
type Approval struct {
	Number      string // on the last page; "" from a server without numbers
	State, Code string // of the return from the hosted UI
	Cookies     []string
	Titles      []string // of the pages
}

// Approve plays the browser of a device sign-in, and returns the number of the
// last page.
func (d *Demo) Approve(ctx context.Context, in Terminal, username string) (string, error) {
	a, err := d.Browse(ctx, in, username)
	return a.Number, err
}

// Browse plays the browser of a device sign-in: the page of the code, the hosted
// UI, and the page of the number.
func (d *Demo) Browse(ctx context.Context, in Terminal, username string) (Approval, error) {
	b, err := hostedtest.New()
	if err != nil {
		return Approval{}, err
	}
	if d.Roots != nil {
		b.Trust(d.Roots)
	}
	p, err := b.Visit(ctx, in.Address()+"/"+strings.ReplaceAll(in.UserCode(), "-", ""))
	if err != nil {
		return Approval{}, err
	}
	if p, err = b.Submit(ctx, p, "answer", "continue"); err != nil {
		return Approval{}, err
	}
	link := refresh.FindStringSubmatch(p.Body)
	if link == nil {
		return Approval{}, fmt.Errorf("the page leads nowhere: %d %s", p.Status, p.Body)
	}
	target, err := url.Parse(html.UnescapeString(link[1]))
	if err != nil {
		return Approval{}, err
	}
	if p, err = b.SignIn(ctx, target.String(), username, d.passwordOf(username)); err != nil {
		return Approval{}, err
	}
	if strings.Contains(p.Body, `name="code"`) && p.URL.Path == "/login" {
		if p, err = b.Submit(ctx, p, "code", d.Sandbox.CodeNow(username)); err != nil {
			return Approval{}, err
		}
	}
	m := number.FindStringSubmatch(p.Body)
	switch {
	case m == nil && strings.Contains(p.Body, "You are signed in. Go back to your terminal."): // a server without numbers
		m = []string{"", "", ""}
	case m == nil:
		return Approval{}, errors.New("no number on the page: " + p.Body)
	}
	return Approval{Number: m[1] + m[2], State: p.URL.Query().Get("state"), Code: p.URL.Query().Get("code"), Cookies: b.Cookies(p.URL), Titles: b.Titles}, nil
}
