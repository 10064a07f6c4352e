package reader

import (
	"strings"

	tea "charm.land/bubbletea/v2"

	"usher/backend/safetext"
	"usher/client/preview"
	"usher/client/quantity"
	"usher/client/textdiff"
	"usher/tui/format"
	"usher/tui/keys"
	"usher/tui/linear"
	"usher/tui/theme"
)

// Title returns the path for row 0.
func (p *Diff) Title() []string { return append(pathOf(p.On), "comparison") }

// Context returns the bindings of the page.
func (p *Diff) Context() keys.Context { return keys.Diff }

// Hints returns the keys for the key line: those with an effect.
func (p *Diff) Hints() []keys.Action {
	var out []keys.Action
	for _, a := range []keys.Action{keys.NextChange, keys.Filter, keys.LoadMore, keys.Back, keys.Enter, keys.Parent, keys.WrapLines, keys.CopyPath} {
		if p.whyNot(a) == "" {
			out = append(out, a)
		}
	}
	return append(out, keys.Help)
}

// Omits implements pane.Omits.
func (p *Diff) Omits(a keys.Action) bool { return sideways(a) && p.whyNot(a) != "" }

// Label names the effect of keys after a search.
func (p *Diff) Label(a keys.Action) string {
	if a == keys.NextChange && len(p.found.hits) > 0 {
		return "next match"
	}
	return ""
}

// Status returns the fetched part of the versions, and the place in the comparison.
func (p *Diff) Status(w int) (left, right string) {
	place := ""
	if p.view != nil {
		place = linear.Join(p.matches(), p.position(), p.view.position())
	}
	if p.cancel != nil {
		return status(p.Env.Theme, w, place, reading(p.Env.Theme, "Each version is recorded in the audit log.")...)
	}
	return status(p.Env.Theme, w, place, p.read.forms()...)
}

// position is the number of the chosen change.
func (p *Diff) position() string {
	if p.change < 0 || len(p.found.hits) > 0 {
		return ""
	}
	return "change " + quantity.Count(p.change+1) + " of " + quantity.Count(len(p.starts))
}

// Cursor returns the position of the text cursor.
func (p *Diff) Cursor() *tea.Cursor { return p.cursor(p.w, p.h) }

// View draws exactly h lines of at most w cells.
func (p *Diff) View(w, h int) string {
	if p.drawn != "" && p.w == w && p.h == h {
		return p.drawn
	}
	p.w, p.h = w, h
	t := p.Env.Theme
	long, short := p.total()
	title := pathOf(p.On)
	name := format.Middle(title[len(title)-1], max(8, w-10-format.Width(short)), t.Glyphs.Ellipsis)
	lines := append([]string{t.HeadOf(name, w, true, long, short)}, p.about(w)...)
	end := 0
	if p.finding {
		end = 1
	}
	if room := h - len(lines) - end; p.view != nil && room > 0 {
		lines = append(lines, p.view.draw(t, w, room, lower(p.query(p.view)))...)
	}
	p.drawn = p.frame(t, lines, w, h)
	return p.drawn
}

// total returns the numbers of lines and changes, in two lengths.
func (p *Diff) total() (long, short string) {
	if p.result == nil || p.result.Diff == nil {
		return "", ""
	}
	d := p.result.Diff
	short = quantity.Count(d.Added) + " added, " + quantity.Count(d.Removed) + " removed"
	return short + ", " + quantity.Plural(len(d.Changes), "change", "changes"), short
}

// about draws the two versions, the sentences about them, and an error.
func (p *Diff) about(w int) []string {
	t := p.Env.Theme
	var lines []string
	if p.result != nil {
		for i, style := range []theme.Style{paint(t, preview.Removed), paint(t, preview.Added)} {
			lines = append(lines, " "+style.Paint(format.End(p.version(i), max(1, w-2), t.Glyphs.Ellipsis)))
		}
	}
	return append(lines, p.notes(w)...)
}

// notes draws the sentences about the versions, and an error.
func (p *Diff) notes(w int) []string {
	t := p.Env.Theme
	lines := wrapped(t.Bad, p.wrong.String(), w)
	if p.result != nil {
		style := t.Muted
		if p.view == nil {
			style = t.Text.Bold()
		}
		lines = append(lines, wrapped(style, p.sentence(), w)...)
		lines = append(lines, wrapped(t.Muted, strings.TrimSpace(strings.Join(p.result.Notes, " ")+" "+p.note), w)...)
	}
	return lines[:min(len(lines), mostNotes)]
}

// version describes the old or the new version, with the sign of its lines.
func (p *Diff) version(i int) string {
	s, id := p.sides[i], []safetext.Text{p.On.Base, p.On.Version}[i]
	parts := []string{[]string{"-", "+"}[i]}
	if at := s.modified; !at.IsZero() {
		at = at.In(p.Env.Zone)
		parts = append(parts, format.Date(at)+" "+format.Clock(at)+" ")
	}
	parts = append(parts, quantity.Size(s.size)+" ")
	if o := p.result.Outcome; s.sum != "" && (o == textdiff.Same || o == textdiff.NotText || o == textdiff.Unknown) {
		parts = append(parts, safetext.Line(s.sum)+" ")
	}
	if id.IsZero() {
		return strings.Join(append(parts, "current content"), " ")
	}
	return strings.Join(append(parts, "version "+id.Distinct()), " ")
}

// Words describes the comparison: the lines of the window.
func (p *Diff) Words() linear.Words {
	w := linear.Words{Title: "Comparison of two versions of " + p.On.Text().Distinct(), Text: linear.PlainLines(p.notes(linear.Width))}
	if p.finding {
		w.Field = linear.Field{Label: "Find", Value: safetext.Line(p.field.Value())}
	}
	if p.result == nil {
		if p.cancel != nil {
			w.State = "Reading. Each version is recorded in the audit log."
		}
		return w
	}
	total, _ := p.total()
	read := ""
	if p.cancel == nil {
		read = p.read.sentence()
	}
	w.Info = linear.Infos(total, "old "+p.version(0), "new "+p.version(1), p.matches(), read)
	if p.view == nil {
		return w
	}
	w.Place = linear.Plain(linear.Join(p.position(), p.view.position()))
	w.Lines = linear.Lines{From: p.view.top}
	for _, l := range p.view.text.Lines[p.view.top:min(len(p.view.text.Lines), p.view.top+max(1, p.view.page))] {
		w.Lines.Text = append(w.Lines.Text, signed(l.Raw))
	}
	if at := p.position(); at != "" { // a change in the same window has no new lines
		w.Row = linear.Row{ID: at, Text: linear.Join(at, signed(p.view.text.Lines[p.starts[p.change]].Raw))}
	}
	return w
}

// signed is a row of a diff with its sign as a word, which every screen reader reads.
func signed(raw string) string {
	word := ""
	switch textdiff.Op(raw[0]) {
	case textdiff.Remove:
		word, raw = "removed: ", raw[1:]
	case textdiff.Add:
		word, raw = "added: ", raw[1:]
	}
	if raw = linear.Plain(safe(raw)); raw == "" {
		raw = "blank"
	}
	return word + raw
}
