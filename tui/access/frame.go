package access

import (
	"slices"
	"strings"

	tea "charm.land/bubbletea/v2"

	"usher/client/cells"
	"usher/tui/format"
	"usher/tui/keys"
	"usher/tui/pane"
)

const (
	besideFrom = 110 // smallest width with list and explanation side by side
	promptW    = 3   // " / "
)

// drawn is the cached explanation beside the list.
type drawn struct {
	of   *view
	row  int
	w    int
	text []string
}

// View draws the page: exactly h lines of at most w cells.
func (p *Pane) View(w, h int) string {
	p.w, p.h = w, h
	var lines []string
	switch v := p.top(); {
	case v == nil:
	case v.list == nil:
		lines = p.sheetView(v, w, h)
	case w >= besideFrom && len(v.lines) > 0:
		lines = p.besides(v, w, h)
	default:
		lines = p.listView(v, w, h)
	}
	for len(lines) < h {
		lines = append(lines, "")
	}
	if p.typing && h >= 2 {
		lines[0], lines[1] = p.fieldLine(w), p.hint(w)
	}
	return strings.Join(lines[:h], "\n")
}

// listView draws a list with its head.
func (p *Pane) listView(v *view, w, h int) []string {
	title, note := p.headline(v)
	lines := []string{p.Env.Theme.Head(title, note, w, !p.typing)}
	if len(v.lines) == 0 {
		return append(lines, p.blank(v, w, h-1)...)
	}
	v.list.Resize(w, max(1, h-2))
	lines = append(lines, p.header(v, w))
	return append(lines, strings.Split(v.list.View(), "\n")...)
}

// besides draws the list, and beside it the explanation of the row under the cursor.
func (p *Pane) besides(v *view, w, h int) []string {
	t := p.Env.Theme
	left := w * 11 / 20
	right := w - left - 1
	lines := p.listView(v, left, h)
	if p.drawn.of != v || p.drawn.row != v.list.Cursor() || p.drawn.w != right {
		l := v.current()
		p.drawn = drawn{v, v.list.Cursor(), right, append([]string{t.Head(p.rowTitle(v, l), "", right, false), ""}, p.reached(v, l, right)...)}
	}
	for i := range lines {
		lines[i] = t.Pad(lines[i], left)
		if i > 0 {
			lines[i] += t.Rule.Paint(t.Glyphs.Between)
		} else {
			lines[i] += " "
		}
		if i < len(p.drawn.text) {
			lines[i] += cells.Truncate(p.drawn.text[i], right, "")
		}
	}
	return lines
}

// sheetView draws an explanation in full.
func (p *Pane) sheetView(v *view, w, h int) []string {
	title, note := p.headline(v)
	lines := []string{p.Env.Theme.Head(title, note, w, !p.typing)}
	if v.ans == nil {
		return append(lines, p.blank(v, w, h-1)...)
	}
	v.port.SetWidth(w)
	v.port.SetHeight(max(1, h-1))
	if v.portW != w {
		v.portW = w
		text := p.explainedOrReached(v, w)
		for i := range text {
			text[i] = cells.Truncate(text[i], w, "")
		}
		v.port.SetContentLines(append([]string{""}, text...))
	}
	if !v.port.AtBottom() {
		lines[0] = p.Env.Theme.Head(title, "more below "+p.Env.Theme.Glyphs.Down, w, !p.typing)
	}
	return append(lines, strings.Split(v.port.View(), "\n")...)
}

func (p *Pane) explainedOrReached(v *view, w int) []string {
	if v.kind == why {
		return p.explained(v, w)
	}
	return p.reached(v, v.of, w)
}

// empty returns the reason of an empty view, and the keys for it.
func (p *Pane) empty(v *view) (say string, hints [][2]string) {
	t := p.Env.Theme
	hint := func(a keys.Action, label string) [2]string { return p.Env.Keys.Hint(keys.Access, a, label) }
	asked := p.asked != nil && p.asked.view == v
	elsewhere := [][2]string{hint(keys.Filter, "find something else"), hint(keys.Grants, "all grants"), hint(keys.Back, "back")}
	if !p.Env.Me.In(p.Group) {
		elsewhere = slices.Delete(elsewhere, 1, 2)
	}
	switch {
	case asked && p.slow:
		say = "Waiting for the server" + t.Glyphs.Ellipsis
	case v.problem != "":
		say, hints = v.problem, [][2]string{hint(keys.Reload, "try again"), hint(keys.Filter, "find something else"), hint(keys.Back, "back")}
	case asked:
	case v.kind == who:
		say, hints = "No group can read anything there.", elsewhere
	case v.kind == can:
		say, hints = v.user.String()+" can see nothing.", elsewhere
	case v.kind == requests:
		say, hints = "There are no open requests.", [][2]string{hint(keys.Reload, "refresh"), hint(keys.Grants, "all grants"), hint(keys.Back, "back")}
	default:
		say = "There are no grants: nobody can see anything."
	}
	return say, hints
}

// blank draws the reason of an empty view, in the middle.
func (p *Pane) blank(v *view, w, h int) []string {
	t := p.Env.Theme
	say, hints := p.empty(v)
	var out []string
	for _, l := range format.Wrap(say, max(1, min(60, w-4))) {
		out = append(out, t.Text.Bold().Paint(l))
	}
	if v.kind == can && v.ans != nil && len(v.ans.in) > 0 {
		out = append(out, t.Muted.Paint("In ")+pane.Name(t, t.Muted, together(v.ans.in), max(1, min(57, w-7)), format.End))
	}
	if len(hints) > 0 {
		out = append(out, "", t.Keys(w-4, hints...))
	}
	return pane.Center(out, w, h)
}

// window returns the first visible cell of the text field, and the number of cells.
func (p *Pane) window(w int) (left, room int) {
	room = max(1, w-promptW-1)
	return pane.Window(p.field.Cells(), room), room
}

func (p *Pane) fieldLine(w int) string {
	t := p.Env.Theme
	left, room := p.window(w)
	return " " + t.Accent.Bold().Paint("/") + " " + cells.Cut(t.Text.Bold().Paint(p.field.Shown()), left, left+room)
}

// hint draws the forms of a query, or the mistake in the typed one.
func (p *Pane) hint(w int) string {
	t := p.Env.Theme
	text, style := "person: what they can see   bucket/path: who can read it   person bucket/path: why", t.Muted
	if p.wrong != "" {
		text, style = p.wrong, t.Bad
	}
	return strings.Repeat(" ", promptW) + style.Paint(format.End(text, w-promptW-1, t.Glyphs.Ellipsis))
}

// Cursor returns the position of the text cursor.
func (p *Pane) Cursor() *tea.Cursor {
	if !p.typing || p.w == 0 {
		return nil
	}
	left, room := p.window(p.w)
	return tea.NewCursor(promptW+min(p.field.Cells()-left, room-1), 0)
}

// FieldKeys implements pane.Fields.
func (p *Pane) FieldKeys() [][2]string {
	return [][2]string{{"enter", "find"}, {"up", "earlier entries"}, {"esc", "cancel"}, {"ctrl+u", "empty"}}
}

// Status returns a failure, or more of the row.
func (p *Pane) Status(w int) (left, right string) {
	t, v := p.Env.Theme, p.top()
	note := t.Muted.Paint("Each query is recorded in the audit log.")
	switch {
	case p.typing:
		return note, ""
	case v == nil:
		return "", ""
	case v.problem != "" && v.ans != nil:
		return t.Warn.Paint(t.Glyphs.Offline + " " + v.problem), t.Muted.Paint(p.Env.Keys.Shown(keys.Access, keys.Reload) + " try again")
	case v.missing():
		return t.Warn.Paint(v.user.String() + " is not among the people who can read this."), ""
	case v.kind == can && v.ans != nil && len(v.ans.in) > 0:
		return t.Muted.Paint("In ") + pane.Name(t, t.Text, together(v.ans.in), max(1, w-6), format.End), ""
	}
	if r := v.current().request; r != nil && v.kind == requests && w < besideFrom {
		return p.requestStatus(r, w-2), ""
	}
	if g := v.current().grant; g != nil && w < besideFrom {
		if s := v.more(p, g, w-2); s != "" {
			return s, ""
		}
	}
	return note, ""
}

// more draws the properties that do not fit into a narrow list.
func (v *view) more(p *Pane, g *grant, w int) string {
	t := p.Env.Theme
	when := g.long()
	if when != "" && !g.reason.IsZero() {
		when += ", "
	}
	when = format.End(when, w, t.Glyphs.Ellipsis)
	return t.Muted.Paint(when) + pane.Name(t, t.Text, g.reason, max(0, w-format.Width(when)), format.End)
}
