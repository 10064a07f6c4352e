//go:build !nosandbox

package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
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

func (p *person) options() session.Options {
	return session.Options{Now: p.t.now.Now, Random: rand.Reader}
}

// player plays a person at the sign-in page, with sign-ins at the real pool.
type player struct {
	*person
	page  *signin.Page
	later chan tea.Msg // of timers
	ended bool         // the tokens are stored
	exits bool         // the page is back at its first stage after a failure
}

// startPage plays the sign-in page.
func (w *table) startPage(t *testing.T, p *person) {
	t.Helper()
	table, err := keys.New(keys.Default()...)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	p.stop, p.reached = cancel, cancel
	g := &player{person: p, later: make(chan tea.Msg, 64)}
	g.page, err = signin.New(signin.Deps{
		Env: &pane.Env{Theme: theme.New(theme.Options{Profile: colorprofile.ASCII, ASCII: true}), Keys: table, Zone: time.UTC, Me: &pane.Me{}},
		New: func() (signin.Flow, error) { return session.NewSignIn(p.folders, p.profile, p.options()) },
		Store: func(_ context.Context, step session.Step) error {
			s, err := session.Open(p.folders, p.profile, p.options())
			if err != nil {
				return err
			}
			return s.Adopt(step.Tokens)
		},
		Server: strings.TrimPrefix(w.Server, "http://"), Service: session.ServiceHost(p.profile), Ways: []api.Way{api.WayPassword, api.WayCode},
	})
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.done)
		if p.row.prepared {
			if p.failed = p.prepare(ctx); p.failed != nil {
				return
			}
		}
		p.failed = g.play(ctx)
		p.signedIn = p.stored()
		if p.failed == nil && !g.ended {
			p.exit = p.exitOfPage()
		}
	}()
}

// exitOfPage returns the exit code of a command that ended like the page, which has
// none of its own.
func (p *person) exitOfPage() int {
	saw := p.saw()
	switch {
	case p.when.wrong && strings.Contains(saw, p.row.refusal.Error()):
		return exitCode(p.row.refusal)
	case p.when.late && strings.Contains(saw, p.row.tooLate.Error()):
		return exitCode(p.row.tooLate)
	case strings.Contains(saw, session.ErrThrottled.Error()), strings.Contains(saw, "Can't reach "):
		return api.ExitUnavailable
	case strings.Contains(saw, "esc stops it"): // a slow call has this notice too
		return api.ExitInterrupted
	}
	return api.ExitBug
}

// shows returns the page on one line.
func (g *player) shows() string {
	return strings.Join(strings.Fields(ansi.Strip(g.page.View(80, 24))), " ")
}

// play answers the page until the tokens are stored or the row's call has failed.
func (g *player) play(ctx context.Context) error {
	g.sees(g.shows())
	for range 40 {
		q, err := g.form()
		if err != nil {
			return err
		}
		// After a failure of the connection the person is at the same form, or at
		// the first one.
		fault := g.when.fault != "" && g.when.fault != "two-packets"
		if g.answered && (fault || g.exits && (g.when.late || g.when.wrong && !g.row.again)) {
			return nil
		}
		if err := g.fill(ctx, q); err != nil || g.ended {
			return err
		}
		if ctx.Err() != nil {
			return nil
		}
	}
	return fmt.Errorf("the page does not end: %s", g.shows())
}

// form returns the question of each field of the page, or that of its rows.
func (g *player) form() ([]question, error) {
	page := g.shows()
	for _, row := range []struct {
		text string
		q    []question
	}{
		{"With it you set a new password.", []question{askUser}},
		{"verified mail address or phone number", []question{askUser}},
		{"Set a new password", []question{askCode, askNewPassword, askAgain}},
		{"Choose how to continue", []question{askChoice}},
		{"Set up codes by mail", []question{askMail}},
		{"Set up your second factor", []question{askCode}},
		{"Enter your password", []question{askPassword}},
		{"Enter the code", []question{askCode}},
		{"Remember this machine?", []question{askRemember}},
		{"Choose a new password", []question{askAttribute, askNewPassword, askAgain}},
		{"Password", []question{askUser, askPassword}},
	} {
		if strings.Contains(page, row.text) {
			return row.q, nil
		}
	}
	return nil, fmt.Errorf("an unknown form: %s", page)
}

// fill completes a form.
func (g *player) fill(ctx context.Context, form []question) error {
	first := slices.Equal(form, []question{askUser, askPassword})
	switch {
	case first && g.row.flag == "--code":
		return g.choose(ctx, "Sign in with a code by mail or SMS")
	case first && g.row.flag == "--forgot":
		return g.choose(ctx, "Forgot your password?")
	case form[0] == askChoice:
		var choices []string
		for line := range strings.Lines(ansi.Strip(g.page.View(80, 24))) {
			if text := strings.Trim(line, " \n>"); strings.HasPrefix(text, "Code ") || text == "Password" {
				choices = append(choices, text)
			}
		}
		var at int
		if _, err := fmt.Sscan(g.reply(askChoice, choices), &at); err != nil || at > len(choices) {
			return fmt.Errorf("no choice %d of %q", at, choices)
		}
		return g.choose(ctx, choices[at-1])
	case form[0] == askRemember:
		g.reply(askRemember, nil)
		return g.choose(ctx, "No, ask for the second factor each time")
	}
	for i, q := range form {
		answer := g.reply(q, nil)
		if q == askCode && answer == "" {
			return g.choose(ctx, "Send a new code")
		}
		if i == 0 {
			g.press(ctx, "shift+tab", "tab") // the first field, wherever the focus was
			for g.focus() > 0 {
				g.press(ctx, "shift+tab")
			}
		} else {
			g.press(ctx, "tab")
		}
		g.press(ctx, "ctrl+u")
		before, _ := g.form()
		for _, r := range answer {
			if g.press(ctx, string(r)) { // the last digit of a code needs no enter
				return nil
			}
		}
		if after, _ := g.form(); !slices.Equal(before, after) {
			return errors.New("the form changed while it was filled")
		}
	}
	g.press(ctx, "enter")
	return nil
}

// focus returns the place of the focus among the fields of the page.
func (g *player) focus() int {
	n := 0
	for line := range strings.Lines(ansi.Strip(g.page.View(80, 24))) {
		text := strings.TrimLeft(line, " ")
		for _, label := range []string{"User", "Password", "New", "Again", "Code", "Mail", "First name"} {
			if strings.HasPrefix(strings.TrimPrefix(text, ">"), label+"  ") || strings.TrimSpace(strings.TrimPrefix(text, ">")) == label {
				if strings.HasPrefix(text, ">") {
					return n
				}
				n++
			}
		}
	}
	return 0
}

// choose chooses a row of the page.
func (g *player) choose(ctx context.Context, label string) error {
	for range 12 {
		if strings.Contains(ansi.Strip(g.page.View(80, 24)), ">"+label) {
			g.press(ctx, "enter")
			return nil
		}
		g.press(ctx, "tab")
	}
	return fmt.Errorf("no row %q: %s", label, g.shows())
}

// press presses keys, and runs their commands to the end. It reports whether there
// was a command.
func (g *player) press(ctx context.Context, names ...string) (ran bool) {
	for _, name := range names {
		cmd := g.page.Key(tuitest.Key(name))
		ran = ran || cmd != nil
		for cmd != nil {
			msg := g.run(ctx, cmd)
			if _, over := msg.(signin.Done); over {
				g.ended = true
				return true
			}
			if msg == nil { // esc
				g.page.Key(tuitest.Key("esc"))
				break
			}
			cmd = g.page.Handle(msg)
			g.sees(g.shows())
		}
	}
	q, _ := g.form()
	g.exits = g.answered && slices.Equal(q, []question{askUser, askPassword})
	return ran
}

// run runs a command. Its timer runs beside it, and shows the notice of a call that
// takes long. Nil means that the person pressed esc.
func (g *player) run(ctx context.Context, cmd tea.Cmd) tea.Msg {
	got := make(chan tea.Msg, 1)
	go func() {
		msg := cmd()
		if batch, ok := msg.(tea.BatchMsg); ok {
			for _, timer := range batch[1:] {
				go func() {
					select {
					case g.later <- timer():
					default:
					}
				}()
			}
			msg = batch[0]()
		}
		got <- msg
	}()
	for {
		select {
		case msg := <-got:
			return msg
		case msg := <-g.later:
			g.page.Handle(msg)
			g.sees(g.shows())
		case <-ctx.Done():
			return nil
		}
	}
}
