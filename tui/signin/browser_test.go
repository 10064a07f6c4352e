package signin_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"usher/backend/api"
	"usher/session"
	"usher/tui/signin"
	"usher/tui/tuitest"
)

// fakeBrowser is a sign-in in a browser that a test ends.
type fakeBrowser struct {
	shown  signin.Shown
	step   session.Step
	err    error
	closed int
	ended  bool // its context ended first

	numberErr error
}

func (b *fakeBrowser) Number(_ context.Context, number string) (session.Step, error) {
	if b.numberErr != nil {
		return session.Step{}, b.numberErr
	}
	if number != "123456" {
		return session.Step{}, session.ErrDeviceNumber
	}
	return session.Step{Kind: session.Done}, nil
}

func (b *fakeBrowser) Show() signin.Shown { return b.shown }
func (b *fakeBrowser) Close()             { b.closed++ }
func (b *fakeBrowser) Wait(ctx context.Context) (session.Step, error) {
	if ctx.Err() != nil {
		b.ended = true
		return session.Step{}, ctx.Err()
	}
	return b.step, b.err
}

const address = "https://sign-in.example.com/oauth2/authorize?client_id=2example34567890&code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&state=abc"

func browserPage(t *testing.T, b *fakeBrowser, change func(*signin.Deps)) (*signin.Page, *string) {
	t.Helper()
	user := new(string)
	return page(t, func(d *signin.Deps) {
		d.Other = []signin.Way{{Way: api.WaySSO, Label: "Sign in with Example", Begin: func(_ context.Context, name string) (signin.Browser, error) {
			*user = name
			if b == nil {
				return nil, errors.New("no port")
			}
			return b, nil
		}}}
		if change != nil {
			change(d)
		}
	}), user
}

// choose moves to the row of the browser and chooses it.
func choose(t *testing.T, p *signin.Page) tea.Cmd {
	t.Helper()
	for range 2 {
		p.Key(tuitest.Key("tab"))
	}
	cmd := p.Key(tuitest.Key("enter"))
	if cmd == nil {
		t.Fatalf("the row does nothing:\n%s", ansi.Strip(p.View(80, 23)))
	}
	return cmd
}

func TestBrowser(t *testing.T) {
	b := &fakeBrowser{shown: signin.Shown{Address: address, Tunnel: "ssh -N -L 17851:127.0.0.1:17851 ada@192.0.2.2"}, step: session.Step{Kind: session.Done}}
	p, user := browserPage(t, b, nil)
	typed(p, "ada")
	cmd := choose(t, p)
	cmd = p.Handle(run(cmd))
	screen := ansi.Strip(p.View(80, 23))
	var joined strings.Builder
	for line := range strings.Lines(screen) {
		joined.WriteString(strings.TrimSpace(line))
	}
	for _, want := range []string{"Sign in with your browser", "ssh -N -L 17851:127.0.0.1:17851 ada@192.0.2.2", "Waiting for the browser", "esc start over", "c copy"} {
		if !strings.Contains(screen, want) {
			t.Errorf("no %q in:\n%s", want, screen)
		}
	}
	if !strings.Contains(joined.String(), address) {
		t.Errorf("the address is not whole:\n%s", screen)
	}
	if *user != "ada" {
		t.Errorf("the user name is %q", *user)
	}
	if p.Key(tuitest.Key("c")) == nil || !strings.Contains(ansi.Strip(p.View(80, 23)), "The address is copied.") {
		t.Error("c does not copy the address")
	}
	sent := tuitest.Drive(p.Handle, cmd)
	if _, ok := sent[len(sent)-1].(signin.Done); !ok || b.closed != 1 {
		t.Errorf("the sign-in ends with %T, closed %d times", sent[len(sent)-1], b.closed)
	}
}

// esc ends the sign-in and frees its port, before and after the address is shown.
func TestBrowserIsLeft(t *testing.T) {
	for _, early := range []bool{true, false} {
		b := &fakeBrowser{shown: signin.Shown{Address: address}}
		p, _ := browserPage(t, b, nil)
		cmd := choose(t, p)
		msg := run(cmd)
		if early {
			p.Key(tuitest.Key("esc"))
			cmd = p.Handle(msg)
		} else {
			cmd = p.Handle(msg)
			p.Key(tuitest.Key("esc"))
		}
		if cmd == nil {
			t.Fatal("nothing frees the port")
		}
		if late := cmd(); late != nil && p.Handle(late) != nil {
			t.Error("a canceled sign-in continued")
		}
		if b.closed != 1 || !early && !b.ended || !strings.Contains(ansi.Strip(p.View(80, 23)), "Password") {
			t.Errorf("early %t: closed %d times, ended %t:\n%s", early, b.closed, b.ended, ansi.Strip(p.View(80, 23)))
		}
	}
}

func TestBrowserFails(t *testing.T) {
	p, _ := browserPage(t, &fakeBrowser{err: session.ErrBrowserTime}, nil)
	p.Handle(p.Handle(run(choose(t, p)))())
	if s := ansi.Strip(p.View(80, 23)); !strings.Contains(s, "did not come back within 5 minutes") || !strings.Contains(s, "Password") {
		t.Errorf("the frame:\n%s", s)
	}
	p, _ = browserPage(t, nil, nil)
	p.Handle(run(choose(t, p)))
	if s := ansi.Strip(p.View(80, 23)); !strings.Contains(s, "Password") || strings.Contains(s, "Waiting for the browser") {
		t.Errorf("the frame:\n%s", s)
	}
}

// A demo account of the company opens the browser.
func TestDemoAccountOfTheCompany(t *testing.T) {
	p, user := browserPage(t, &fakeBrowser{shown: signin.Shown{Address: address}}, func(d *signin.Deps) {
		d.Demo = []signin.Account{{User: "barbara", Password: password, Browser: true}}
	})
	p.Key(tuitest.Key("enter"))
	cmd := p.Key(tuitest.Key("enter"))
	if cmd == nil {
		t.Fatal("nothing was sent")
	}
	p.Handle(run(cmd))
	if *user != "barbara" || !strings.Contains(ansi.Strip(p.View(80, 23)), "Waiting for the browser") {
		t.Errorf("user %q:\n%s", *user, ansi.Strip(p.View(80, 23)))
	}
}

// Before the server has answered, the page shows no address to copy, and after
// three seconds the name of the server.
func TestBrowserBegins(t *testing.T) {
	p, _ := browserPage(t, otherDevice(), nil)
	choose(t, p)
	wants(t, p, "Contacting the server", "esc start over")
	if s := ansi.Strip(p.View(80, 23)); strings.Contains(s, "copy") || strings.Contains(s, "minutes") {
		t.Errorf("an address before the answer:\n%s", s)
	}
	p.Handle(signin.Waited(p))
	wants(t, p, "to answer. esc stops it.")
}
