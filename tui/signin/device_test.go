package signin_test

import (
	"strings"
	"testing"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/colorprofile"
	"github.com/charmbracelet/x/ansi"

	"usher/backend/api"
	"usher/session"
	"usher/tui/signin"
	"usher/tui/theme"
	"usher/tui/tuitest"
)

func otherDevice() *fakeBrowser {
	return &fakeBrowser{step: session.Step{Kind: session.NeedNumber}, shown: signin.Shown{
		Address: "https://files.example.com/d", Code: "BCDF-GHJK", QR: "HTTPS://FILES.EXAMPLE.COM/D/BCDFGHJK",
	}}
}

func wants(t *testing.T, p *signin.Page, texts ...string) {
	t.Helper()
	s := ansi.Strip(p.View(80, 23))
	for _, text := range texts {
		if !strings.Contains(s, text) {
			t.Errorf("the page lacks %q:\n%s", text, s)
		}
	}
}

// waitFor chooses the row and returns the command that waits for the browser.
func waitFor(t *testing.T, p *signin.Page) tea.Cmd {
	t.Helper()
	wait := p.Handle(run(choose(t, p)))
	if wait == nil {
		t.Fatalf("nothing waits for the browser:\n%s", ansi.Strip(p.View(80, 23)))
	}
	return wait
}

// A person signs in on another device: QR code, code, a wrong and the right
// number.
func TestSignInOnAnotherDevice(t *testing.T) {
	b := otherDevice()
	p, _ := browserPage(t, b, nil)
	wait := waitFor(t, p)
	wants(t, p, "https://files.example.com/d", "BCDF-GHJK", "█▀▀▀▀▀█", "Waiting for the browser", "esc start over")
	p.Handle(wait())
	wants(t, p, "Enter the number on the page")
	typed(p, "12345a") // letters are no digits
	cmd := p.Key(tuitest.Key("0"))
	if cmd == nil {
		t.Fatal("the sixth digit sends nothing")
	}
	p.Handle(run(cmd))
	wants(t, p, "That is not the number on the page.", "Enter the number on the page")
	typed(p, "12345")
	store := p.Handle(run(p.Key(tuitest.Key("6"))))
	if store == nil {
		t.Fatalf("the right number ends nothing:\n%s", ansi.Strip(p.View(80, 23)))
	}
	if _, ok := run(p.Handle(run(store))).(signin.Done); !ok {
		t.Error("the sign-in does not end")
	}
}

// esc on the number ends the sign-in, at the server too.
func TestEscOnTheNumber(t *testing.T) {
	b := otherDevice()
	p, _ := browserPage(t, b, nil)
	p.Handle(waitFor(t, p)())
	left := p.Key(tuitest.Key("esc"))
	wants(t, p, "Password")
	if b.closed != 0 || left == nil {
		t.Fatalf("closed %d times during the key press, which then has command %t", b.closed, left != nil)
	}
	tuitest.Drive(p.Handle, left)
	if b.closed != 1 {
		t.Errorf("closed %d times", b.closed)
	}
}

// The end of the program ends a sign-in in a browser, at the code and at the
// number, before the process does.
func TestQuitDuringADeviceSignIn(t *testing.T) {
	b := otherDevice()
	p, _ := browserPage(t, b, nil)
	if p.Leave() != nil {
		t.Error("there is nothing to end")
	}
	p.Handle(waitFor(t, p)())
	left := p.Leave()
	if left == nil {
		t.Fatal("the number's sign-in stays at the server")
	}
	left()
	if b.closed != 1 {
		t.Errorf("closed %d times", b.closed)
	}
	b = otherDevice()
	p, _ = browserPage(t, b, nil)
	wait := waitFor(t, p)
	left = p.Leave()
	done := make(chan struct{})
	go func() { left(); close(done) }()
	wait() // ends with its context
	<-done
	if b.closed != 1 || !b.ended {
		t.Errorf("closed %d times, ended %t", b.closed, b.ended)
	}
}

// After a trouble of the server the number can be sent again.
func TestNumberAgain(t *testing.T) {
	b := otherDevice()
	p, _ := browserPage(t, b, nil)
	p.Handle(waitFor(t, p)())
	b.numberErr = session.ErrDeviceDown
	typed(p, "12345")
	p.Handle(run(p.Key(tuitest.Key("6"))))
	wants(t, p, "The server cannot continue this sign-in now.", "Enter the number on the page")
	b.numberErr = session.ErrDeviceNumbers
	typed(p, "12345")
	tuitest.Drive(p.Handle, p.Handle(run(p.Key(tuitest.Key("6")))))
	wants(t, p, "The number was wrong three times", "Password")
	if b.closed != 1 {
		t.Errorf("closed %d times", b.closed)
	}
}

// A failure leads back to the start, with its sentence.
func TestDeviceFailures(t *testing.T) {
	for _, err := range []error{session.ErrDeviceDenied, session.ErrDeviceTime, session.ErrDeviceNetwork, session.ErrDeviceLost, session.ErrDeviceOrigin, session.ErrGarbled} {
		b := otherDevice()
		b.step, b.err = session.Step{}, err
		p, _ := browserPage(t, b, nil)
		p.Handle(waitFor(t, p)())
		wants(t, p, "Password", strings.Join(strings.Fields(err.Error())[:4], " "))
	}
}

// Without colors there is no QR code, and the address is text.
func TestDeviceWithoutColors(t *testing.T) {
	p, _ := browserPage(t, otherDevice(), func(d *signin.Deps) {
		d.Env.Theme = theme.New(theme.Options{Profile: colorprofile.ASCII, ASCII: true})
	})
	waitFor(t, p)
	wants(t, p, "https://files.example.com/d", "BCDF-GHJK")
	if s := p.View(80, 23); strings.Contains(s, "█") || strings.Contains(s, "Scan") {
		t.Errorf("a QR code without colors:\n%s", s)
	}
}

// A server without passwords has only rows. The way of the last sign-in has the
// focus.
func TestOnlyBrowsers(t *testing.T) {
	p, _ := browserPage(t, otherDevice(), func(d *signin.Deps) { d.Ways = []api.Way{api.WayDevice} })
	if s := ansi.Strip(p.View(80, 23)); strings.Contains(s, "Password") || strings.Contains(s, "Forgot") || !strings.Contains(s, "▌Sign in with Example") {
		t.Errorf("the page:\n%s", s)
	}
	p, _ = browserPage(t, otherDevice(), func(d *signin.Deps) {
		d.Other[0].Way, d.First = api.WayDevice, api.WayDevice
	})
	if s := ansi.Strip(p.View(80, 23)); !strings.Contains(s, "▌Sign in with Example") {
		t.Errorf("the page:\n%s", s)
	}
}
