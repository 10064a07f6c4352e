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

	"usher/backend/api"
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

// run returns the first message of a command: the result of a step, before the
// timer of slow calls.
func run(cmd tea.Cmd) tea.Msg {
	msg := cmd()
	if batch, ok := msg.(tea.BatchMsg); ok {
		return batch[0]()
	}
	return msg
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
		msg := run(cmd)
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

// While a completed sign-in is stored, esc has no effect: the tokens would be on the
// disk, behind a form for the password.
func TestEscWhileTheSignInIsStored(t *testing.T) {
	stored := 0
	p := page(t, func(d *signin.Deps) {
		d.User = "ada"
		d.Store = func(context.Context, session.Step) error { stored++; return nil }
	})
	typed(p, password)
	store := p.Handle(run(p.Key(tuitest.Key("enter"))))
	wants(t, p, "Signed in.")
	if p.Key(tuitest.Key("esc")) != nil {
		t.Error("esc does something")
	}
	wants(t, p, "Signed in.")
	if _, ok := run(p.Handle(run(store))).(signin.Done); !ok || stored != 1 {
		t.Errorf("stored %d times, and the page does not end", stored)
	}
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
	p.Handle(run(p.Key(tuitest.Key("enter"))))
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
	if next := p.Handle(run(cmd)); next != nil {
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
	for _, want := range []string{"enter sign in", "tab next", "account", "ctrl+c quit"} {
		if s := ansi.Strip(p.View(80, 23)); !strings.Contains(s, want) {
			t.Errorf("no %q in:\n%s", want, s)
		}
	}
	p.Key(tuitest.Key("enter"))
	p.Handle(run(p.Key(tuitest.Key("enter"))))
	for _, want := range []string{"enter save", "tab next", "esc start over"} {
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
	hint := p.Handle(run(p.Key(tuitest.Key("enter"))))
	if hint == nil {
		t.Fatal("no code is fetched")
	}
	p.Handle(hint())
	if s := ansi.Strip(p.View(100, 38)); !strings.Contains(s, "Demo: the code now is 123456") {
		t.Errorf("the frame:\n%s", s)
	}
}

// The rows below the fields are steps of tab and the arrow keys; letters are text.
func TestWaysAreRows(t *testing.T) {
	p := page(t, func(d *signin.Deps) { d.Ways = []api.Way{api.WayPassword, api.WayCode} })
	view := func() string { return ansi.Strip(p.View(80, 23)) }
	typed(p, "cf")
	if !strings.Contains(view(), "User        cf") {
		t.Errorf("letters are no text:\n%s", view())
	}
	p.Key(tuitest.Key("tab"))
	p.Key(tuitest.Key("tab"))
	if !strings.Contains(view(), "▌Sign in with a code by mail or SMS") || !strings.Contains(view(), "enter choose") {
		t.Errorf("the first row has no focus:\n%s", view())
	}
	p.Key(tuitest.Key("enter"))
	if !strings.Contains(view(), "Sign in with a code") || !strings.Contains(view(), "User        cf") {
		t.Errorf("the row opened nothing:\n%s", view())
	}
	p.Handle(run(p.Key(tuitest.Key("enter"))))
	if !strings.Contains(view(), "It was sent to a***@e***.") || !strings.Contains(view(), "Send a new code") {
		t.Errorf("the code:\n%s", view())
	}
	typed(p, "12345678")
	if !strings.Contains(view(), "12345678") {
		t.Errorf("eight digits cannot be typed:\n%s", view())
	}
	p.Key(tuitest.Key("esc"))
	p.Key(tuitest.Key("shift+tab"))
	p.Key(tuitest.Key("shift+tab"))
	if !strings.Contains(view(), "▌Forgot your password?") {
		t.Errorf("the last row has no focus:\n%s", view())
	}
	p.Key(tuitest.Key("enter"))
	p.Handle(run(p.Key(tuitest.Key("enter"))))
	for _, want := range []string{"Set a new password", "If this account exists", "At least 8 characters", "Send a new code"} {
		if !strings.Contains(strings.Join(strings.Fields(view()), " "), want) {
			t.Errorf("no %q in:\n%s", want, view())
		}
	}
}

// After three seconds the page names the host that it waits for, and esc stops
// the call.
func TestSlowCall(t *testing.T) {
	p := page(t, func(d *signin.Deps) { d.User, d.Service = "ada", "idp.example.com" })
	typed(p, password)
	cmd := p.Key(tuitest.Key("enter"))
	batch, ok := cmd().(tea.BatchMsg)
	if !ok || len(batch) != 2 {
		t.Fatalf("%T", batch)
	}
	p.Handle(batch[1]())
	const want = "Waiting for the sign-in service at idp.example.com to answer. esc stops it."
	if s := strings.Join(strings.Fields(ansi.Strip(p.View(80, 23))), " "); !strings.Contains(s, want) {
		t.Errorf("no %q in:\n%s", want, s)
	}
	p.Key(tuitest.Key("esc"))
	if next := p.Handle(batch[0]()); next != nil || strings.Contains(ansi.Strip(p.View(80, 23)), "Waiting") {
		t.Error("esc did not stop the call")
	}
}

// The pool remembers devices: the sign-in is stored before the question, and the
// default is no.
func TestRememberIsAsked(t *testing.T) {
	stored := 0
	p := page(t, func(d *signin.Deps) {
		d.User = "ada"
		d.New = func() (signin.Flow, error) {
			return rememberFlow{tuitest.Pool{"ada": {Password: password, First: session.Done}}.Flow()}, nil
		}
		d.Store = func(context.Context, session.Step) error { stored++; return nil }
	})
	typed(p, password)
	p.Handle(run(p.Handle(run(p.Key(tuitest.Key("enter"))))))
	if s := ansi.Strip(p.View(80, 23)); stored != 1 || !strings.Contains(s, "Remember this machine?") || !strings.Contains(s, "▌No, ") {
		t.Fatalf("stored %d:\n%s", stored, s)
	}
	if _, done := p.Key(tuitest.Key("enter"))().(signin.Done); !done {
		t.Error("no does not end the sign-in")
	}
}

// esc while the pool remembers the machine ends the page: the sign-in is stored.
func TestEscWhileRemembering(t *testing.T) {
	p := page(t, func(d *signin.Deps) {
		d.User = "ada"
		d.New = func() (signin.Flow, error) {
			return rememberFlow{tuitest.Pool{"ada": {Password: password, First: session.Done}}.Flow()}, nil
		}
		d.Store = func(context.Context, session.Step) error { return nil }
	})
	typed(p, password)
	p.Handle(run(p.Handle(run(p.Key(tuitest.Key("enter"))))))
	p.Key(tuitest.Key("tab"))
	remember := p.Key(tuitest.Key("enter"))
	p.Handle(signin.Waited(p))
	wants(t, p, "Waiting for the sign-in service", "esc no")
	cmd := p.Key(tuitest.Key("esc"))
	if cmd == nil {
		t.Fatal("the page has no end")
	}
	if _, done := cmd().(signin.Done); !done {
		t.Error("a stored sign-in leads back to the password")
	}
	if p.Handle(run(remember)) != nil {
		t.Error("the page ends twice")
	}
}

// rememberFlow is a flow of a pool that remembers devices.
type rememberFlow struct{ *tuitest.Flow }

func (f rememberFlow) Password(ctx context.Context, user string, password []byte) (session.Step, error) {
	step, err := f.Flow.Password(ctx, user, password)
	step.Remember = true
	return step, err
}
