package signin_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/colorprofile"
	"github.com/charmbracelet/x/ansi"

	"usher/session"
	"usher/tui/keys"
	"usher/tui/pane"
	"usher/tui/signin"
	"usher/tui/theme"
	"usher/tui/tuitest"
)

const password = "Analytical-42"

func page(t *testing.T, change func(*signin.Deps)) *signin.Page {
	t.Helper()
	table, err := keys.New(keys.Default()...)
	if err != nil {
		t.Fatal(err)
	}
	pool := tuitest.Pool{"ada": {Password: password, First: session.Done}, "new": {Password: password, First: session.NeedNewPassword}}
	d := signin.Deps{
		Env:   &pane.Env{Theme: theme.New(theme.Options{Profile: colorprofile.TrueColor, Dark: true}), Keys: table, Zone: time.UTC, Me: &pane.Me{}},
		New:   func() (signin.Flow, error) { return pool.Flow(), nil },
		Store: func(context.Context, session.Step) error { return nil }, Server: "files.example.com",
	}
	if change != nil {
		change(&d)
	}
	p, err := signin.New(d)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func typed(p *signin.Page, text string) {
	for _, r := range text {
		p.Key(tuitest.Key(string(r)))
	}
}

// No message, no output of the page and no frame shows the hidden text, and the
// page does not hold it after it was sent.
func TestPasswordIsInNoMessage(t *testing.T) {
	p := page(t, nil)
	typed(p, "ada")
	p.Key(tuitest.Key("enter"))
	typed(p, password)
	if s := ansi.Strip(p.View(80, 23)); strings.Contains(s, password) || !strings.Contains(s, strings.Repeat("•", len(password))) {
		t.Errorf("the frame:\n%s", s)
	}
	cmd := p.Key(tuitest.Key("enter"))
	if cmd == nil {
		t.Fatal("nothing was sent")
	}
	for range 3 {
		msg := cmd()
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
			if s := fmt.Sprintf(verb, msg); strings.Contains(s, password) || strings.Contains(s, fmt.Sprintf("%x", password)) {
				t.Errorf("%T holds the password: %s", msg, s)
			}
		}
		if _, ok := msg.(signin.Done); ok {
			bytes := strings.Trim(fmt.Sprint([]byte(password)), "[]") // how fmt prints a buffer
			if s := fmt.Sprintf("%v %+v", p, p); strings.Contains(s, password) || strings.Contains(s, bytes) {
				t.Error("the page still holds the password")
			}
			return
		}
		if cmd = p.Handle(msg); cmd == nil {
			t.Fatalf("the sign-in stops after %T", msg)
		}
	}
	t.Error("the sign-in does not end")
}

func TestPastedPasswordIsHidden(t *testing.T) {
	p := page(t, func(d *signin.Deps) { d.User = "ada" })
	p.Handle(tea.PasteMsg{Content: password + "\n"})
	if s := ansi.Strip(p.View(80, 23)); strings.Contains(s, password) || !strings.Contains(s, strings.Repeat("•", len(password))) {
		t.Errorf("the frame:\n%s", s)
	}
}

func TestNewPasswordIsTypedTwice(t *testing.T) {
	p := page(t, func(d *signin.Deps) { d.User = "new" })
	typed(p, password)
	p.Handle(p.Key(tuitest.Key("enter"))())
	typed(p, "Longer-than-8")
	p.Key(tuitest.Key("enter"))
	typed(p, "Longer-than-9")
	if cmd := p.Key(tuitest.Key("enter")); cmd != nil {
		t.Error("two different passwords were sent")
	}
	if s := ansi.Strip(p.View(80, 23)); !strings.Contains(s, "The two passwords differ.") {
		t.Errorf("the frame:\n%s", s)
	}
}

// The result of a canceled attempt changes nothing.
func TestLateAnswerIsDropped(t *testing.T) {
	p := page(t, func(d *signin.Deps) { d.User = "ada" })
	typed(p, password)
	cmd := p.Key(tuitest.Key("enter"))
	p.Key(tuitest.Key("esc"))
	if next := p.Handle(cmd()); next != nil {
		t.Error("a canceled attempt continued")
	}
}

// In the demo, enter on an empty form chooses the first account, and enter
// again signs in with it.
func TestEnterChoosesTheFirstDemoAccount(t *testing.T) {
	p := page(t, func(d *signin.Deps) {
		d.Demo = []signin.Account{{User: "ada", Password: password}, {User: "new", Password: password}}
	})
	if cmd := p.Key(tuitest.Key("enter")); cmd != nil || p.User() != "ada" {
		t.Fatalf("enter chose %q and sent %t, want ada, nothing sent", p.User(), cmd != nil)
	}
	if cmd := p.Key(tuitest.Key("enter")); cmd == nil {
		t.Error("the second enter sent nothing")
	}
	without := page(t, nil)
	if without.Key(tuitest.Key("enter")); !strings.Contains(ansi.Strip(without.View(80, 23)), "Type your user name") {
		t.Error("without demo accounts the form does not name the missing input")
	}
}

// No key is missing from the key line of a stage.
func TestKeyLineIsWhole(t *testing.T) {
	p := page(t, func(d *signin.Deps) {
		d.Demo = []signin.Account{{User: "new", Password: password}}
	})
	for _, want := range []string{"enter sign in", "tab next field", "account", "ctrl+c quit"} {
		if s := ansi.Strip(p.View(80, 23)); !strings.Contains(s, want) {
			t.Errorf("no %q in:\n%s", want, s)
		}
	}
	p.Key(tuitest.Key("enter"))
	p.Handle(p.Key(tuitest.Key("enter"))())
	for _, want := range []string{"enter save", "tab next field", "esc start over"} {
		if s := ansi.Strip(p.View(80, 23)); !strings.Contains(s, want) {
			t.Errorf("no %q in:\n%s", want, s)
		}
	}
}

// The demo shows the code for an account that sets up an authenticator.
func TestDemoShowsTheCodeOfASetUp(t *testing.T) {
	p := page(t, func(d *signin.Deps) {
		pool := tuitest.Pool{"katherine": {Password: password, First: session.SetUpCode}}
		d.New = func() (signin.Flow, error) { return pool.Flow(), nil }
		d.Demo = []signin.Account{{User: "katherine", Password: password, Code: func() string { return "123456" }}}
	})
	p.Key(tuitest.Key("enter"))
	hint := p.Handle(p.Key(tuitest.Key("enter"))())
	if hint == nil {
		t.Fatal("no code is fetched")
	}
	p.Handle(hint())
	if s := ansi.Strip(p.View(100, 38)); !strings.Contains(s, "Demo: the code now is 123456") {
		t.Errorf("the frame:\n%s", s)
	}
}
