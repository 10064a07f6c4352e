// Package history is the page of the ended downloads of this and earlier runs: each
// with its end, its time and the checksum that verified the file, newest first.
//
// The list is kept by client/history, and the root opens the folder of a file.
package history

import (
	"errors"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"usher/backend/safetext"
	"usher/client/history"
	"usher/client/quantity"
	"usher/tui/format"
	"usher/tui/keys"
	"usher/tui/pane"
	"usher/tui/rows"
	"usher/tui/theme"
)

// Page shows the history. See New.
type Page struct {
	pane.NoField
	env    *pane.Env
	load   func() history.State
	state  history.State
	loaded bool
	list   *rows.List
	pathW  int // cells
	timeW  int
}

// New returns the page. Commands call load, which reads the stored history.
func New(env *pane.Env, load func() history.State) (*Page, error) {
	if env == nil || load == nil {
		return nil, errors.New("history: no environment, or nothing to read")
	}
	p := &Page{env: env, load: load}
	p.list = rows.New(source{p}, rows.Config{Jump: env.Jump})
	p.list.Focus(true)
	return p, nil
}

// loaded is the message with the history. It has a page to which it belongs.
type loaded struct {
	of    *Page
	state history.State
}

// String keeps raw names out of all output.
func (loaded) String() string { return "history" }

// Opened returns the command that reads the history.
func (p *Page) Opened() tea.Cmd {
	load := p.load
	return func() tea.Msg { return loaded{p, load()} }
}

// at returns the entry of row i: the newest one is first.
func (p *Page) at(i int) history.Entry { return p.state.Entries[len(p.state.Entries)-1-i] }

func path(e history.Entry) safetext.Text { return safetext.New(e.Bucket + "/" + e.Key) }

// source is the rows.Source of the page.
type source struct{ p *Page }

func (s source) Len() int { return len(s.p.state.Entries) }

func (s source) Need(int, int) tea.Cmd { return nil }

func (s source) Draw(i, w int, st rows.State) string {
	p, e, t := s.p, s.p.at(i), s.p.env.Theme
	t, mark, name := t.Row(st.Cursor, st.Focus)
	size := ""
	if e.Size >= 0 {
		size = quantity.Size(e.Size)
	}
	how, style := state(t, e)
	cut := format.Row{At: i, N: len(p.state.Entries), Name: func(j int) string { return path(p.at(j)).Distinct() }}.Start
	var b strings.Builder
	b.WriteString(mark + t.Fill.Paint(" "))
	b.WriteString(t.Muted.Paint(format.PadRight(p.when(e.At), p.timeW)) + t.Fill.Paint("  "))
	b.WriteString(t.Pad(pane.Name(t, name, path(e), p.pathW, cut), p.pathW))
	b.WriteString(t.Muted.Paint(format.PadLeft(size, 1+quantity.SizeWidth)) + t.Fill.Paint("  "))
	b.WriteString(style.Paint(format.PadRight(format.End(how, endWidth, t.Glyphs.Ellipsis), endWidth)))
	return t.Pad(b.String(), w)
}

const (
	gutter   = 2
	endWidth = 20
	wide     = 100 // from this width, the time of the day is shown
)

// when formats the time of an end.
func (p *Page) when(at time.Time) string {
	if p.timeW < 16 {
		return format.Date(at.In(p.env.Zone))
	}
	return format.DateTime(at.In(p.env.Zone))
}

// end returns the end of a download in words, with the checksum that verified it.
func end(e history.Entry) string {
	switch {
	case e.End == history.Denied:
		return "denied"
	case e.End == history.Failed:
		return "failed"
	case e.Verified == "" || e.Verified == "size":
		return "by size only"
	}
	return "verified " + safetext.Line(e.Verified)
}

// state returns the end of a download with its symbol and style.
func state(t *theme.Theme, e history.Entry) (string, theme.Style) {
	switch {
	case e.End == history.Denied || e.End == history.Failed:
		return t.Glyphs.No + " " + end(e), t.Bad
	case e.Verified == "" || e.Verified == "size":
		return t.Glyphs.Yes + " " + end(e), t.Warn
	}
	return t.Glyphs.Yes + " " + end(e), t.OK
}

// Title returns the path for row 0.
func (p *Page) Title() []string { return []string{"Transfers", "History"} }

// Context returns the bindings of the page.
func (p *Page) Context() keys.Context { return keys.History }

// View draws the history, h lines of w cells.
func (p *Page) View(w, h int) string {
	t := p.env.Theme
	if p.timeW = 16; w < wide {
		p.timeW = 10
	}
	p.pathW = max(4, w-gutter-p.timeW-2-1-quantity.SizeWidth-2-endWidth-1)
	p.list.Resize(w, h-2)
	head := t.Head("Downloads, newest first", p.total(), w, true)
	if len(p.state.Entries) == 0 {
		say := "No download has ended yet."
		if !p.loaded {
			say = ""
		}
		return head + "\n" + strings.Join(pane.Center([]string{t.Text.Bold().Paint(say), "", t.Keys(w-4, p.env.Keys.Hint(keys.Everywhere, keys.Back, "back"))}, w, h-1), "\n")
	}
	columns := strings.Repeat(" ", gutter) + format.PadRight("Ended", p.timeW) + "  " + format.PadRight("Path", p.pathW) +
		format.PadLeft("Size", 1+quantity.SizeWidth) + "  " + format.PadRight("Checked by", endWidth)
	return head + "\n" + t.Pad(t.Muted.Paint(columns), w) + "\n" + p.list.View()
}

// total returns the number and the bytes of all downloads.
func (p *Page) total() string {
	s := p.state
	if s.Since.IsZero() {
		return ""
	}
	return quantity.Plural(s.Files, "file", "files") + ", " + quantity.Size(s.Bytes) + " since " + format.Date(s.Since.In(p.env.Zone))
}

// Status returns the audit event of the row under the cursor.
func (p *Page) Status(int) (left, right string) {
	i, t := p.list.Cursor(), p.env.Theme
	if i < 0 || i >= len(p.state.Entries) {
		return "", ""
	}
	if id := p.at(i).Event; id != "" {
		left = t.Muted.Paint("audit event ") + t.Text.Paint(safetext.Line(id))
	}
	if n := p.state.Files; n > len(p.state.Entries) {
		right = t.Muted.Paint("the last " + quantity.Count(len(p.state.Entries)) + " are kept")
	}
	return left, right
}

// Hints returns the keys for the key line.
func (p *Page) Hints() []keys.Action {
	return []keys.Action{keys.Enter, keys.CopyPath, keys.Reload, keys.Back, keys.Help}
}

// Click implements pane.Clicks.
func (p *Page) Click(_, y int) (tea.Cmd, bool) {
	again, _ := p.list.Click(y - 2) // below head and columns
	return nil, again
}

// Do runs an action.
func (p *Page) Do(a keys.Action) tea.Cmd {
	if p.list.Move(a) {
		return nil
	}
	switch a {
	case keys.Back, keys.Quit:
		return pane.Send(pane.Close{})
	case keys.Reload:
		return p.Opened()
	}
	if why := p.Why(a); !why.IsZero() {
		return pane.Send(pane.Say{Text: why, Tone: pane.Warning})
	}
	e := p.at(p.list.Cursor())
	switch a {
	case keys.Enter:
		return pane.Send(pane.GoTo{Target: pane.Target{Bucket: safetext.New(e.Bucket), Key: safetext.New(e.Key)}})
	case keys.CopyPath:
		return pane.Send(pane.Copy{Text: path(e)})
	}
	return nil
}

// Why returns the reason that an action is not possible now.
func (p *Page) Why(a keys.Action) safetext.Text {
	if (a == keys.Enter || a == keys.CopyPath) && len(p.state.Entries) == 0 {
		return safetext.New("The history is empty.")
	}
	return safetext.Text{}
}

// Handle handles the page's messages.
func (p *Page) Handle(msg tea.Msg) tea.Cmd {
	switch m := msg.(type) {
	case loaded:
		if m.of == p {
			p.state, p.loaded = m.state, true
			p.list.Changed()
		}
	case pane.Restyled:
		p.list.Changed()
	}
	return nil
}

var _ pane.Pane = (*Page)(nil)
