package signin

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	tea "charm.land/bubbletea/v2"

	"usher/backend/api"
	"usher/backend/safetext"
	"usher/client/cells"
	"usher/session"
	"usher/tui/format"
	"usher/tui/theme"
)

// Way is a way to sign in with a browser: a row of the first stage.
type Way struct {
	Way   api.Way
	Label string
	// Begin starts a sign-in for the user name in the form, which may be empty.
	// Only a command calls it.
	Begin func(ctx context.Context, user string) (Browser, error)
}

// Browser is a sign-in in a browser, on this machine (*session.BrowserSignIn, with
// an opener) or on another device (*session.DeviceSignIn).
type Browser interface {
	Show() Shown
	// Wait returns the step after the browser has returned: Done or NeedNumber.
	Wait(ctx context.Context) (session.Step, error)
	// Number sends the number of the browser's page. After
	// session.ErrDeviceNumber it can be called again.
	Number(ctx context.Context, number string) (session.Step, error)
	Close() // may take a second; only a command or a goroutine of its own calls it
}

// Shown is the page's content during a sign-in in a browser.
type Shown struct {
	Address string // for the browser
	Tunnel  string // over SSH: the command that connects the browser; "" otherwise
	Code    string // another device: to type at the address
	QR      string // another device: the address with the code
}

const numberDigits = 6

// visit is a sign-in in a browser that has begun.
type visit struct {
	Browser
	once  sync.Once
	ended chan struct{} // closed after Close
}

// close closes the browser once.
func (v *visit) close() {
	v.once.Do(func() {
		v.Close()
		close(v.ended)
	})
}

// begun is the result of a Begin.
type begun struct {
	gen     uint64
	ctx     context.Context // of the sign-in; ended by esc
	browser *visit
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
	return tea.Batch(func() tea.Msg {
		b, err := w.Begin(ctx, user)
		if err != nil {
			return begun{gen: gen, err: err}
		}
		return begun{gen, ctx, &visit{Browser: b, ended: make(chan struct{})}, b.Show(), nil}
	}, tea.Tick(slow, func(time.Time) tea.Msg { return waited{gen} }))
}

// begun shows the address and waits for the browser. A sign-in of a stage that
// was left is closed.
func (p *Page) begun(m begun) tea.Cmd {
	switch {
	case m.gen != p.gen && m.browser != nil:
		return closing(m.browser)
	case m.gen != p.gen:
		return nil
	case m.err != nil:
		return p.refused(stepped{gen: m.gen, err: m.err})
	}
	p.shown, p.browser = m.shown, m.browser
	gen := p.gen
	return func() tea.Msg {
		step, err := m.browser.Wait(m.ctx)
		if step.Kind != session.NeedNumber {
			m.browser.close()
		}
		return stepped{gen: gen, step: step, err: err}
	}
}

func closing(v *visit) tea.Cmd {
	return func() tea.Msg { v.close(); return nil }
}

// quitTime bounds the wait for the end of a sign-in in a browser at the end of the
// program.
const quitTime = 2 * time.Second

// Leave drops the attempt before the program ends. Its command returns when the
// server knows of the end, nil if it need not know.
func (p *Page) Leave() tea.Cmd {
	v := p.browser
	if v == nil {
		return nil
	}
	p.leave()
	closed := p.closed
	p.closed = nil
	return func() tea.Msg {
		if closed != nil {
			closed()
		}
		select {
		case <-v.ended: // by the command that waits for the browser
		case <-time.After(quitTime):
		}
		return nil
	}
}

// submitNumber sends the number of the browser's page.
func (p *Page) submitNumber() tea.Cmd {
	b, number := p.browser, p.code.Value()
	if len(number) != numberDigits {
		p.say = "The number has six digits."
		return nil
	}
	return p.call(func(ctx context.Context) (Flow, session.Step, error) {
		step, err := b.Number(ctx, number)
		return nil, step, err
	})
}

// native reports whether this page has a password.
func (p *Page) native() bool { return len(p.Ways) == 0 || slices.Contains(p.Ways, api.WayPassword) }

// company returns the way with a browser on this machine.
func (p *Page) company() (Way, bool) {
	i := slices.IndexFunc(p.Other, func(w Way) bool { return w.Way == api.WaySSO })
	if i < 0 {
		return Way{}, false
	}
	return p.Other[i], true
}

// deviceLines draws the stage of another device, beside a QR code if the terminal
// has colors.
func (p *Page) deviceLines(w int) []string {
	t := p.Env.Theme
	code, x := p.qr(p.shown.QR), 2
	open, enter := "Open this address in any browser:", "and enter this code there:"
	if code != nil {
		x = cells.Width(code[0]) + 4
		open, enter = "Scan this with your phone, or open this address in any browser:", "The code, to enter or to compare:"
	}
	side := w - x - 1
	var text []string
	add := func(style theme.Style, sentence string) {
		for _, l := range format.Wrap(sentence, side) {
			text = append(text, style.Paint(l))
		}
	}
	text = append(text, t.Text.Bold().Paint("Sign in on another device"), "")
	add(t.Text, open)
	text = append(text, "")
	for address := safetext.Line(p.shown.Address); address != ""; {
		n := min(len(address), max(1, side))
		text = append(text, t.Text.Bold().Paint(address[:n]))
		address = address[n:]
	}
	text = append(text, "")
	add(t.Text, enter)
	text = append(text, "", t.Accent.Bold().Paint(safetext.Line(p.shown.Code)), "")
	status := "Waiting for the browser, for 10 minutes at most."
	if p.copied {
		status = "The address is copied. " + status
	}
	add(t.Muted, status)
	text = append(text, "", t.Keys(side, [2]string{"c", "copy the address"}, [2]string{"esc", "start over"}))
	return beside(code, text, x)
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
	if p.browser == nil {
		status, style := "Contacting the server"+t.Glyphs.Ellipsis, t.Muted
		if p.late {
			status, style = "Waiting for "+safetext.Line(p.Server)+" to answer. esc stops it.", t.Warn
		}
		add(style.Paint, status)
		return append(lines, "", " "+t.Keys(w-4, [2]string{"esc", "start over"}))
	}
	lines = append(lines, " "+t.Text.Bold().Paint("Sign in with your browser"), "")
	if p.shown.Tunnel != "" {
		add(t.Text.Paint, "This is an SSH session. On the computer with your browser, run this first and leave it running:")
		lines = append(lines, " "+t.Accent.Paint(safetext.Line(p.shown.Tunnel)), "")
	}
	if p.shown.Address != "" {
		open := "Continue in your browser. If it did not open, use this address:"
		if p.shown.Tunnel != "" {
			open = "Then open this address in that browser:"
		}
		add(t.Text.Paint, open)
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
