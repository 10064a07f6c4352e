package signin

import (
	"context"
	"strings"

	tea "charm.land/bubbletea/v2"

	"usher/backend/safetext"
	"usher/session"
	"usher/tui/format"
)

// Way is a way to sign in with a browser: a row of the first stage.
type Way struct {
	Label string
	// Begin starts a sign-in for the user name in the form, which may be empty.
	// Only a command calls it.
	Begin func(ctx context.Context, user string) (Browser, error)
}

// Browser is a sign-in in a browser (*session.BrowserSignIn, with an opener).
type Browser interface {
	Show() Shown
	// Wait returns the Done step, after the browser has returned.
	Wait(ctx context.Context) (session.Step, error)
	Close()
}

// Shown is the page's content during a sign-in in a browser.
type Shown struct {
	Address string // for the browser
	Tunnel  string // over SSH: the command that connects the browser; "" otherwise
}

// begun is the result of a Begin.
type begun struct {
	gen     uint64
	ctx     context.Context // of the sign-in; ended by esc
	browser Browser
	shown   Shown
	err     error
}

// String and GoString keep an attempt out of all output.
func (begun) String() string   { return "sign-in in a browser" }
func (begun) GoString() string { return "sign-in in a browser" }

// begin opens the stage of a browser.
func (p *Page) begin(w Way) tea.Cmd {
	user := p.user.Value()
	p.leave()
	p.say = ""
	p.open(askBrowser)
	ctx, cancel := context.WithCancel(context.Background()) // the sign-in has its own limit
	p.cancel, p.busy = cancel, true
	gen := p.gen
	return func() tea.Msg {
		b, err := w.Begin(ctx, user)
		if err != nil {
			return begun{gen: gen, err: err}
		}
		return begun{gen, ctx, b, b.Show(), nil}
	}
}

// begun shows the address and waits for the browser. A sign-in of a stage that
// was left is closed.
func (p *Page) begun(m begun) tea.Cmd {
	switch {
	case m.gen != p.gen && m.browser != nil:
		return func() tea.Msg { m.browser.Close(); return nil }
	case m.gen != p.gen:
		return nil
	case m.err != nil:
		return p.refused(stepped{gen: m.gen, err: m.err})
	}
	p.shown = m.shown
	gen := p.gen
	return func() tea.Msg {
		defer m.browser.Close()
		step, err := m.browser.Wait(m.ctx)
		return stepped{gen: gen, step: step, err: err}
	}
}

// browserKey handles a key of the stage.
func (p *Page) browserKey(key string) tea.Cmd {
	if key != "c" || p.shown.Address == "" {
		return nil
	}
	p.copied = true
	return tea.SetClipboard(p.shown.Address)
}

// browserLines draws the stage over the whole width: an address has no spaces at
// which it could be wrapped.
func (p *Page) browserLines(w int) []string {
	t := p.Env.Theme
	lines := p.header(w - 4)
	add := func(paint func(string) string, text string) {
		for _, l := range format.Wrap(text, w-4) {
			lines = append(lines, " "+paint(l))
		}
	}
	lines = append(lines, " "+t.Text.Bold().Paint("Sign in with your browser"), "")
	if p.shown.Tunnel != "" {
		add(t.Text.Paint, "This is an SSH session. On the computer with your browser, run this first and leave it running:")
		lines = append(lines, " "+t.Accent.Paint(safetext.Line(p.shown.Tunnel)), "")
	}
	if p.shown.Address != "" {
		add(t.Text.Paint, "Continue in your browser. If it did not open, use this address:")
		lines = append(lines, "")
		for address := safetext.Line(p.shown.Address); address != ""; {
			n := min(len(address), max(1, w-4))
			lines = append(lines, " "+t.Muted.Paint(address[:n]))
			address = address[n:]
		}
	}
	status := "Waiting for the browser, for 5 minutes at most."
	switch {
	case p.good:
		status = p.say
	case p.copied:
		status = "The address is copied. " + status
	}
	lines = append(lines, "", " "+t.Muted.Paint(status), "")
	return append(lines, " "+t.Keys(w-4, [2]string{"c", "copy the address"}, [2]string{"esc", "start over"}))
}

// header draws the names of usher, the server and the organization.
func (p *Page) header(w int) []string {
	t := p.Env.Theme
	host := t.Accent.Bold().Paint("usher") + "  " + t.Muted.Paint(safetext.Line(p.Server))
	if !p.Organisation.IsZero() {
		host += "  " + t.Muted.Paint(p.Organisation.String())
	}
	return []string{" " + host, " " + t.Rule.Paint(strings.Repeat(t.Glyphs.Light, w)), ""}
}
