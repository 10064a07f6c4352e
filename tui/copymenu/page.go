package copymenu

import (
	"strings"
	"time"

	"charm.land/bubbles/v2/viewport"
	tea "charm.land/bubbletea/v2"

	"usher/backend/safetext"
	"usher/client/cells"
	"usher/tui/format"
	"usher/tui/keys"
	"usher/tui/pane"
)

// MaxClipboard is the longest text that is sent to the clipboard, in bytes. Terminals
// drop a longer one: xterm and tmux read at most 100,000 characters of base64.
const MaxClipboard = 74_994

// Page shows a copied text from the first cell of each line on, so that a terminal
// without OSC 52 can select it. A text with links is removed when their life ends.
type Page struct {
	pane.NoField
	env  *pane.Env
	now  func() time.Time
	r    Result
	port viewport.Model
	w    int
	gone bool
}

// expired is the end of the life of the links on a page.
type expired struct{ page *Page }

// NewPage returns the page of a result.
func NewPage(env *pane.Env, now func() time.Time, r Result) *Page {
	p := &Page{env: env, now: now, r: r, port: viewport.New()}
	return p
}

// Opened returns the command that removes links at the end of their life.
func (p *Page) Opened() tea.Cmd {
	if p.r.Until.IsZero() {
		return nil
	}
	until, now := p.r.Until, p.now
	return func() tea.Msg {
		time.Sleep(until.Sub(now()))
		return expired{p}
	}
}

// Title returns the path for row 0.
func (p *Page) Title() []string { return []string{"Copied"} }

// Context returns the bindings of scrolled text.
func (p *Page) Context() keys.Context { return keys.Reader }

// View draws the notes and the text.
func (p *Page) View(w, h int) string {
	t := p.env.Theme
	title := p.r.Title
	head := t.Head(title, p.note(), w, true)
	if w != p.w {
		p.w = w
		p.port.SetContent(p.content(w))
	}
	p.port.SetWidth(w)
	p.port.SetHeight(max(0, h-1))
	return head + "\n" + p.port.View()
}

func (p *Page) note() string {
	switch {
	case p.gone:
		return "expired"
	case !p.r.Until.IsZero():
		return "until " + format.Clock(p.r.Until.In(p.env.Zone))
	}
	return ""
}

func (p *Page) content(w int) string {
	t := p.env.Theme
	var out []string
	for _, n := range p.r.Notes {
		for _, l := range format.Wrap(n.Distinct(), w-2) {
			out = append(out, " "+t.Warn.Paint(l))
		}
	}
	if len(out) > 0 {
		out = append(out, "")
	}
	if p.gone {
		return strings.Join(append(out, " "+t.Text.Paint("The text is no longer shown: its links have expired. "+p.env.Keys.Shown(p.Context(), keys.Reload)+" makes new ones.")), "\n")
	}
	for _, l := range strings.Split(p.r.text, "\n") {
		out = append(out, cells.Hardwrap(l, w)...)
	}
	return strings.Join(out, "\n")
}

// Status returns the fallback for a terminal that ignores OSC 52.
func (p *Page) Status(int) (left, right string) {
	t := p.env.Theme
	switch {
	case p.gone:
		return "", ""
	case len(p.r.text) > MaxClipboard:
		return t.Warn.Paint("The text is too long for the clipboard of a terminal. Select it here."), ""
	}
	return t.Text.Paint("Sent to the clipboard. If your terminal did not take it, select the text here."), ""
}

// Hints returns the keys for the key line.
func (p *Page) Hints() []keys.Action {
	return []keys.Action{keys.Back, keys.Reload, keys.Down, keys.Up, keys.PageDown, keys.First, keys.Last, keys.Help}
}

// Do scrolls, closes the page, or makes the text again.
func (p *Page) Do(a keys.Action) tea.Cmd {
	switch a {
	case keys.Back:
		return pane.Send(pane.Close{})
	case keys.Reload: // new links for expired ones
		return tea.Sequence(pane.Send(pane.Close{}), pane.Send(p.r.From))
	}
	pane.Scroll(&p.port, a)
	return nil
}

// Why returns the zero Text: all actions are possible.
func (p *Page) Why(keys.Action) safetext.Text { return safetext.Text{} }

// Handle removes expired links, and draws again after a change of the theme.
func (p *Page) Handle(msg tea.Msg) tea.Cmd {
	switch m := msg.(type) {
	case expired:
		if m.page == p {
			p.gone, p.w, p.r.text = true, 0, ""
		}
	case pane.Restyled:
		p.w = 0
	}
	return nil
}

var _ pane.Pane = (*Page)(nil)
