package audit

import (
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"usher/backend/event"
	"usher/backend/safetext"
	"usher/client/quantity"
	"usher/tui/format"
	"usher/tui/keys"
	"usher/tui/pane"
	"usher/tui/rows"
	"usher/tui/theme"
)

// line of the table: a day, or a row.
type line struct {
	day   string
	entry int // of the ledger, -1 for a day
}

// arrange computes the lines: each day, followed by its rows.
func (p *Pane) arrange() {
	p.lines = p.lines[:0]
	day := ""
	for i := range p.log.entries {
		e := &p.log.entries[i]
		if p.own == ownHidden && p.mine(e) {
			continue
		}
		if d := p.zoned(e.at).Format("Mon 2006-01-02"); d != day {
			day = d
			p.lines = append(p.lines, line{day: d, entry: -1})
		}
		p.lines = append(p.lines, line{entry: i})
	}
	p.list.Changed()
}

// searched names the end of the part of the log that was searched, if it is visible
// and no full page ends there.
func (p *Pane) searched() string {
	at := p.log.older.reached
	if _, to := p.list.Window(); at.IsZero() || to < len(p.lines) {
		return ""
	}
	if p.asked != nil && p.slow {
		return "Searching. " + p.zoned(at).Format("2 January 2006 15:04") + " is reached."
	}
	return "Searched back to " + p.zoned(at).Format("2 January 2006 15:04") + ". " + p.Env.Keys.Shown(keys.Audit, keys.Down) + " continues the search."
}

// zoned converts a time to the displayed zone.
func (p *Pane) zoned(t time.Time) time.Time {
	if p.local && p.Env.Zone != nil {
		return t.In(p.Env.Zone)
	}
	return t.UTC()
}

// columns are the widths of the table's columns in cells; 0 hides a column. The layout of
// the time has the width of its column.
type columns struct {
	gap, who, path, then, from int
	time                       string
}

const (
	gutterW  = 2
	actionW  = 19 // sign-out-everywhere, the longest action
	outcomeW = 9  // sign and word
)

// The times of a row. A narrow window has no room for milliseconds beside whole actions.
const (
	seconds      = "15:04:05"
	milliseconds = "15:04:05.000"
)

func layout(w int) columns {
	c := columns{gap: 1, who: 10, time: seconds}
	switch {
	case w >= 170:
		c = columns{gap: 2, who: 20, then: 26, from: 30, time: milliseconds}
	case w >= 110:
		c = columns{gap: 2, who: 13, from: 15, time: milliseconds}
	}
	c.path = w - gutterW - len(c.time) - c.gap - c.who - c.gap - actionW - c.gap - outcomeW - c.gap
	for _, more := range []int{c.then, c.from} {
		if more > 0 {
			c.path -= c.gap + more
		}
	}
	c.path = max(8, c.path)
	return c
}

// source makes the lines a rows.Source.
type source struct{ p *Pane }

func (s source) Len() int                  { return len(s.p.lines) }
func (s source) Heading(i int) bool        { return s.p.lines[i].entry < 0 }
func (s source) Need(from, to int) tea.Cmd { return nil }

// Draw draws a day or a row.
func (s source) Draw(i, w int, st rows.State) string {
	p, l := s.p, s.p.lines[i]
	t := p.Env.Theme
	if l.entry < 0 {
		return "  " + t.Muted.Bold().Paint(l.day)
	}
	if st.Cursor {
		t = t.On(theme.Cursor(st.Focus))
	}
	g := t.Fill.Paint(strings.Repeat(" ", gutterW))
	if st.Cursor {
		sign := t.Glyphs.CursorDim
		if st.Focus {
			sign = t.Glyphs.Cursor
		}
		g = t.Accent.Paint(sign) + t.Fill.Paint(" ")
	}
	return t.Pad(g+p.row(t, i, st.Cursor), w)
}

// row draws the row of line i without its gutter.
func (p *Pane) row(t *theme.Theme, i int, cursor bool) string {
	e := p.entry(i)
	c, first := p.cols, &p.log.facts[e.members[0]]
	strong := t.Text
	if cursor {
		strong = strong.Bold()
	}
	gap := t.Fill.Paint(strings.Repeat(" ", c.gap))
	var b strings.Builder
	cell := func(painted string, w int) {
		b.WriteString(gap + t.Pad(painted, w))
	}
	b.WriteString(t.Muted.Paint(p.zoned(e.at).Format(c.time)))
	cell(pane.Name(t, strong, first.who, c.who, format.End), c.who)
	cell(pane.Name(t, t.Text, act(first), actionW, format.End), actionW)
	cell(p.outcome(t, &p.log.facts[e.worst]), outcomeW)
	cell(p.pathCell(t, strong, first, c.path, p.apart(i)), c.path)
	if c.then > 0 {
		cell(pane.Name(t, t.Muted, p.then(e), c.then, format.End), c.then)
	}
	if c.from > 0 {
		cell(pane.Name(t, t.Muted, first.ip, c.from, format.End), c.from)
	}
	return b.String()
}

// act returns the action as in a filter, with the purpose of a release that was not
// for a download.
func act(f *fact) safetext.Text {
	if p := f.purpose; !p.IsZero() && p.Raw() != event.Download && !f.completed {
		return safetext.New(f.action.Raw() + " " + p.Raw())
	}
	return f.action
}

// outcome draws an outcome as a symbol and a word.
func (p *Pane) outcome(t *theme.Theme, f *fact) string {
	sign, style := t.Glyphs.Yes, t.OK
	switch f.outcome.Raw() {
	case event.Denied:
		sign, style = t.Glyphs.No, t.Bad
	case event.Failed:
		sign, style = t.Glyphs.No, t.Warn
	case event.Allowed:
	default:
		sign, style = " ", t.Text // an outcome of a newer server
	}
	return style.Paint(sign+" ") + pane.Name(t, style, f.outcome, outcomeW-2, format.End)
}

// apart returns the function that truncates the path of line i, so that it differs
// from the paths near it.
func (p *Pane) apart(i int) format.Cut {
	return format.Row{At: i, N: len(p.lines), Name: func(j int) string {
		e := p.entry(j)
		if e == nil || !p.log.facts[e.members[0]].named {
			return ""
		}
		return p.log.facts[e.members[0]].path.Distinct()
	}}.Start
}

// pathCell draws the path, truncated by cut, or the subject of an event without a
// path.
func (p *Pane) pathCell(t *theme.Theme, style theme.Style, f *fact, w int, cut format.Cut) string {
	switch {
	case f.named:
		return pane.Name(t, style, f.path, w, cut)
	case f.action.Raw() == event.List:
		return t.Muted.Paint(format.End("all buckets", w, t.Glyphs.Ellipsis))
	case f.action.Raw() == event.AuditRead && f.reason.IsZero():
		return t.Muted.Paint(format.End("all events", w, t.Glyphs.Ellipsis))
	case !f.asked.IsZero():
		return pane.Name(t, t.Muted, f.asked, w, format.End)
	case f.action.Raw() == event.Suppressed:
		return t.Muted.Paint(format.End(countText(f)+" over the event budget", w, t.Glyphs.Ellipsis))
	}
	return pane.Name(t, t.Muted, f.reason, w, format.End)
}

// then summarizes the later events of a row.
func (p *Pane) then(e *entry) safetext.Text {
	var parts []string
	if e.urls > 1 {
		parts = append(parts, quantity.Count(e.urls)+" URLs")
	}
	first := &p.log.facts[e.members[0]]
	if n := len(e.members); first.action.Raw() == event.List && n > 1 {
		parts = append(parts, quantity.Count(n)+" pages")
	}
	if e.refused > 0 && len(e.members) > 1 {
		parts = append(parts, quantity.Count(e.refused)+" denied")
	}
	if e.reported >= 0 {
		f := &p.log.facts[e.reported]
		s := f.reason.Raw()
		if f.bytes != nil {
			s += " " + quantity.Size(*f.bytes)
		}
		parts = append(parts, s)
	}
	return safetext.New(strings.Join(parts, ", "))
}

// header draws the line of column names.
func (p *Pane) header(w int) string {
	t, c := p.Env.Theme, p.cols
	zones := []string{"Time (UTC)", "UTC"}
	if p.local {
		zones = []string{"Local time", "Local"}
	}
	s := strings.Repeat(" ", gutterW) + format.PadRight(format.Fit(len(c.time)-1, zones...), len(c.time)-1) + t.Glyphs.Down
	cell := func(name string, w int) {
		s += strings.Repeat(" ", c.gap) + format.PadRight(format.End(name, w, t.Glyphs.Ellipsis), w)
	}
	cell("Who", c.who)
	cell("Action", actionW)
	cell("Outcome", outcomeW)
	cell("Path", c.path)
	if c.then > 0 {
		cell("Then", c.then)
	}
	if c.from > 0 {
		cell("From", c.from)
	}
	return t.Muted.Paint(format.End(strings.TrimRight(s, " "), w, ""))
}
