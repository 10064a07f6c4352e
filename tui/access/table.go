package access

import (
	"strings"

	tea "charm.land/bubbletea/v2"

	"usher/backend/safetext"
	"usher/tui/format"
	"usher/tui/pane"
	"usher/tui/rows"
	"usher/tui/theme"
)

const (
	gutterW = 2
	readsW  = 11 // "all of it", with a sign for "disabled"
	effectW = 6
	whenW   = 16 // until 2026-12-31
	whenAt  = 78 // smallest width of the list with times
)

// source is the rows.Source of a view.
type source struct {
	p *Pane
	v *view
}

func (s source) Len() int                  { return len(s.v.lines) }
func (s source) Heading(i int) bool        { return s.v.lines[i].heading != "" }
func (s source) Need(from, to int) tea.Cmd { return nil }

// Draw draws a heading or a row.
func (s source) Draw(i, w int, st rows.State) string {
	l, t := s.v.lines[i], s.p.Env.Theme
	if l.heading != "" {
		style := t.Muted.Bold()
		if l.bad {
			style = t.Warn
		}
		return " " + style.Paint(format.End(l.heading, w-2, t.Glyphs.Ellipsis))
	}
	t, sign, _ := t.Row(st.Cursor, st.Focus)
	g := sign + t.Fill.Paint(strings.Repeat(" ", gutterW-1))
	return t.Pad(g+s.row(t, i, w-gutterW-1, st.Cursor), w)
}

// apart returns the function that truncates the path of line i, so that it differs
// from the paths near it.
func (s source) apart(i int) format.Cut {
	return format.Row{At: i, N: len(s.v.lines), Name: func(j int) string {
		switch l := s.v.lines[j]; {
		case l.grant != nil:
			return l.grant.at.Text().Distinct()
		case l.request != nil:
			return l.request.at.Text().Distinct()
		}
		return ""
	}}.Start
}

// row draws line i in w cells without its gutter.
func (s source) row(t *theme.Theme, i, w int, cursor bool) string {
	l, apart, strong := s.v.lines[i], s.apart(i), t.Text
	if cursor {
		strong = strong.Bold()
	}
	c := builder{t: t}
	switch s.v.kind {
	case requests:
		c.requestRow(strong, l.request, w, apart)
	case who:
		first := nameW(w)
		rest := w - first - readsW - 2
		if l.person != nil {
			c.name(strong, l.person.name, first, format.End)
			c.painted(reads(t, l.person.whole, l.person.enabled, s.v.folder()), readsW)
			c.name(t.Muted, together(l.person.groups), rest, format.End)
			break
		}
		if l.first {
			c.name(strong, l.group.name, first, format.End)
			c.painted(reads(t, l.group.whole, true, s.v.folder()), readsW)
		} else {
			c.painted("", first)
			c.painted("", readsW)
		}
		if l.grant != nil {
			c.painted(effect(t, l.grant)+t.Fill.Paint(" ")+pane.Name(t, t.Text, l.grant.at.Text(), rest-effectW, apart), rest)
		}
	case can:
		path, group, when := placesW(w)
		if l.except {
			c.painted(t.Fill.Paint("  ")+t.Bad.Paint("but not ")+pane.Name(t, t.Text, l.grant.at.Text(), path-10, apart), path)
		} else {
			c.name(strong, l.grant.at.Text(), path, apart)
		}
		c.name(t.Muted, l.grant.group, group, format.End)
		c.when(l.grant, when)
	default:
		path, group, when := placesW(w - effectW - 1)
		c.name(strong, l.grant.group, group, format.End)
		c.painted(effect(t, l.grant), effectW)
		c.name(t.Text, l.grant.at.Text(), path, apart)
		c.when(l.grant, when)
	}
	return c.b.String()
}

// nameW returns the width of the first column in a view of readers.
func nameW(w int) int { return min(max(w*3/10, 14), 36) }

// placesW returns the columns of a view of paths. A narrow view has no times.
func placesW(w int) (path, group, when int) {
	group = min(max(w*3/10, 17), 32)
	path = w - group - 1
	if w+gutterW+1 >= whenAt {
		when = whenW
		path -= when + 1
	}
	return max(8, path), group, when
}

// builder builds a row: columns separated by one space.
type builder struct {
	t *theme.Theme
	b strings.Builder
}

func (c *builder) painted(s string, w int) {
	if c.b.Len() > 0 {
		c.b.WriteString(c.t.Fill.Paint(" "))
	}
	c.b.WriteString(c.t.Pad(s, max(0, w)))
}

func (c *builder) name(s theme.Style, x safetext.Text, w int, cut format.Cut) {
	c.painted(pane.Name(c.t, s, x, max(0, w), cut), w)
}

func (c *builder) when(g *grant, w int) {
	if w > 0 {
		c.painted(g.short(c.t), w)
	}
}

// reads draws the part of a path that a person or a group can read.
func reads(t *theme.Theme, whole, enabled, folder bool) string {
	switch {
	case !enabled:
		return t.Bad.Paint(t.Glyphs.No + " disabled")
	case !folder:
		return t.OK.Paint("read")
	case whole:
		return t.OK.Paint("all of it")
	}
	return t.Text.Paint("parts")
}

// effect draws the effect of a grant.
func effect(t *theme.Theme, g *grant) string {
	if g.deny {
		return t.Bad.Paint("deny ")
	}
	return t.OK.Paint("allow")
}

// short draws the time window of a grant in at most whenW cells.
func (g *grant) short(t *theme.Theme) string {
	switch {
	case g.over:
		return t.Warn.Paint("ended " + format.Date(g.until))
	case g.early:
		return t.Warn.Paint("from " + format.Date(g.from))
	case !g.until.IsZero():
		return t.Muted.Paint("until " + format.Date(g.until))
	}
	return ""
}

// long returns the time window of a grant in words, "" without one.
func (g *grant) long() string {
	var parts []string
	switch {
	case g.early:
		parts = append(parts, "not before "+format.DateTime(g.from)+" UTC")
	case !g.from.IsZero():
		parts = append(parts, "since "+format.DateTime(g.from)+" UTC")
	}
	switch {
	case g.over:
		parts = append(parts, "ended "+format.DateTime(g.until)+" UTC")
	case !g.until.IsZero():
		parts = append(parts, "until "+format.DateTime(g.until)+" UTC")
	}
	return strings.Join(parts, ", ")
}

// header draws the line of column names.
func (p *Pane) header(v *view, w int) string {
	t := p.Env.Theme
	var b strings.Builder
	b.WriteString(strings.Repeat(" ", gutterW))
	cell := func(name string, w int) {
		b.WriteString(format.PadRight(format.End(name, w, ""), w) + " ")
	}
	inner := w - gutterW - 1
	switch v.kind {
	case requests:
		person, path, reason := requestW(inner)
		cell("Person", person)
		cell("Path", path)
		if reason > 0 {
			cell("Reason", reason)
		}
		cell("Since", dateW)
	case who:
		cell("Name", nameW(inner))
		cell("Reads", readsW)
		cell("Through", inner-nameW(inner)-readsW-2)
	case can:
		path, group, when := placesW(inner)
		cell("Path", path)
		cell("Through group", group)
		cell("Time", when)
	default:
		path, group, when := placesW(inner - effectW - 1)
		cell("Group", group)
		cell("Effect", effectW)
		cell("Path", path)
		cell("Time", when)
	}
	return t.Muted.Paint(format.End(strings.TrimRight(b.String(), " "), w, ""))
}
