package audit

import (
	"slices"
	"strings"

	tea "charm.land/bubbletea/v2"

	"usher/backend/safetext"
	"usher/client/cells"
	"usher/client/quantity"
	"usher/tui/format"
	"usher/tui/keys"
	"usher/tui/pane"
	"usher/tui/theme"
)

// The smallest heights of the page with the chart and with the details.
const (
	chartFrom   = 28
	detailsFrom = 37
)

// listHeight returns the number of lines of the table.
func (p *Pane) listHeight() int {
	h := p.h - 4 - len(p.mistake(p.w)) // filter, line below, head, names of columns
	if p.h >= chartFrom {
		h -= chartHeight + 1
	}
	if p.h >= detailsFrom {
		h -= detailsHeight + 1
	}
	return max(1, h)
}

// View draws the page: exactly h lines of at most w cells.
func (p *Pane) View(w, h int) string {
	if w != p.w {
		p.drawn = drawn{}
	}
	p.w, p.h, p.cols = w, h, layout(w)
	switch {
	case p.open != nil:
		return p.open.view(p, w, h)
	case p.export != nil:
		return p.export.view(p, w, h)
	case p.answer != nil:
		return p.answer.view(p, w, h)
	}
	height := p.listHeight()
	p.list.Resize(w, height)
	p.list.Focus(!p.typing)
	lines := []string{p.filterLine(w), p.below(w)}
	lines = append(lines, p.mistake(w)...)
	if h >= chartFrom {
		lines = append(lines, p.chart(w), "")
	}
	lines = append(lines, p.Env.Theme.Head("Events", p.note(), w, !p.typing))
	if len(p.lines) == 0 {
		lines = append(lines, p.blank(w, height+1))
	} else {
		lines = append(lines, p.header(w), p.list.View())
	}
	if h >= detailsFrom {
		lines = append(lines, p.details(w), "")
	}
	return strings.Join(strings.SplitN(strings.Join(lines, "\n"), "\n", h+1)[:h], "\n")
}

const promptW = 3 // " / "

// filterLine draws the filter, and the number of displayed events.
func (p *Pane) filterLine(w int) string {
	t := p.Env.Theme
	text := p.filter
	prompt := " " + t.Accent.Bold().Paint("/") + " "
	if p.typing {
		left, room := p.window(w)
		return prompt + cells.Cut(p.paint(p.field.Value()), left, left+room)
	}
	right := t.Muted.Paint(p.amount()) + " "
	room := w - promptW - format.Width(right) - 2
	if text == "" {
		return prompt + format.Ends(t.Muted.Paint("all events"), right, w-promptW, t.Glyphs.Ellipsis)
	}
	return prompt + format.PadRight(cells.Truncate(p.paint(text), max(1, room), t.Glyphs.Ellipsis), room+2) + right
}

// amount returns the number of displayed events and of all events in the log.
func (p *Pane) amount() string {
	if p.problem.text != "" && p.log.empty() || p.asked != nil && p.log.entries == nil || p.stale() {
		return ""
	}
	n := len(p.log.facts)
	s := quantity.Count(n)
	switch l := p.log; {
	case l.newer.end && l.older.end:
		if n == 1 && p.totals == nil {
			return "1 event"
		}
	case l.newer.end:
		s = "the newest " + s
	case l.older.end:
		s = "the oldest " + s
	default:
		s += " from the middle"
	}
	if p.totals != nil && p.totals.events >= int64(n) {
		return s + " of " + quantity.Plural(p.totals.events, "event", "events")
	}
	return s + " events"
}

// window returns the first visible cell of the text field, and the number of cells.
func (p *Pane) window(w int) (left, room int) {
	room = max(1, w-promptW-1)
	return pane.Window(p.cells(len(p.field.Before())), room), room
}

// cells returns the painted width of the first bytes of the text field.
func (p *Pane) cells(bytes int) int {
	v := p.field.Value()
	return format.Width(p.paint(v[:max(0, min(bytes, len(v)))]))
}

// Cursor returns the position of the text cursor.
func (p *Pane) Cursor() *tea.Cursor {
	if p.export != nil {
		return p.export.cursor(p.w)
	}
	if !p.typing || p.w == 0 {
		return nil
	}
	left, _ := p.window(p.w)
	return tea.NewCursor(promptW+p.cells(len(p.field.Before()))-left, 0)
}

// paint paints a filter: field names muted, values bold. Its result is safe for any
// filter.
func (p *Pane) paint(text string) string {
	t := p.Env.Theme
	const wide = 1 << 20
	piece := func(s theme.Style, text string) string {
		return pane.Name(t, s, safetext.New(text), wide, format.End)
	}
	var b strings.Builder
	for text != "" {
		n := 0 // blanks
		for n < len(text) && text[n] == ' ' {
			n++
		}
		b.WriteString(text[:n])
		text = text[n:]
		end := term(text)
		colon := strings.IndexByte(text[:end], ':')
		b.WriteString(piece(t.Muted, text[:colon+1]))
		b.WriteString(piece(t.Text.Bold(), text[colon+1:end]))
		text = text[end:]
	}
	return b.String()
}

// term returns the end of the first term of a filter: a space outside of quotes.
func term(text string) (end int) {
	for quoted := false; end < len(text) && (quoted || text[end] != ' '); end++ {
		switch c := text[end]; {
		case c == '\\' && quoted && end+1 < len(text):
			end++
		case c == '"':
			quoted = !quoted
		}
	}
	return end
}

// below draws the line below the filter: carets under a mistake, completions, or
// the counts in a window without the chart.
func (p *Pane) below(w int) string {
	t := p.Env.Theme
	switch {
	case p.typing && p.wrong != nil:
		left, room := p.window(w)
		from := min(max(p.cells(p.wrong.Offset)-left, 0), room-1)
		to := min(max(p.cells(p.wrong.Offset+p.wrong.Length)-left, from+1), room)
		return strings.Repeat(" ", promptW+from) + t.Bad.Bold().Paint(strings.Repeat("^", to-from))
	case p.typing:
		_, could := p.possible()
		say := joinWords(could, w-promptW-1, t.Glyphs.Ellipsis)
		if p.hidden && p.field.Value() == "" {
			say = "The current filter has characters that cannot be typed. esc keeps it."
		}
		return strings.Repeat(" ", promptW) + t.Muted.Paint(format.End(say, w-promptW-1, t.Glyphs.Ellipsis))
	case p.h < chartFrom:
		return " " + p.totalsLine(w-2)
	}
	return " " + p.joined(p.states(), w-2)
}

// joinWords joins as many whole words as fit in w cells.
func joinWords(words []string, w int, ellipsis string) string {
	all := strings.Join(words, "  ")
	for n := len(words); n > 0 && format.Width(all) > w; n-- {
		all = strings.Join(append(slices.Clone(words[:n-1]), ellipsis), "  ")
	}
	return all
}

// mistake draws the mistake in the filter as a sentence, with the possible values.
func (p *Pane) mistake(w int) []string {
	if !p.typing || p.wrong == nil || w == 0 {
		return nil
	}
	t := p.Env.Theme
	lines := []string{strings.Repeat(" ", promptW) + t.Bad.Paint(format.End(p.wrong.Problem, w-promptW-1, t.Glyphs.Ellipsis))}
	if len(p.wrong.Possible) == 0 {
		return lines
	}
	for _, l := range wrapWords("Possible:", p.wrong.Possible, w-promptW-1) {
		lines = append(lines, strings.Repeat(" ", promptW)+t.Text.Paint(l))
	}
	return lines
}

// wrapWords breaks a list into at most four lines of w cells, between words:
// "service-start" is one word.
func wrapWords(label string, words []string, w int) []string {
	lines := []string{label}
	for i, x := range words {
		if x = safetext.Line(x); i < len(words)-1 {
			x += ","
		}
		last := len(lines) - 1
		if format.Width(lines[last])+1+format.Width(x) > w {
			lines = append(lines, x)
		} else {
			lines[last] += " " + x
		}
	}
	lines = lines[:min(len(lines), 4)]
	for i := range lines {
		lines[i] = format.End(lines[i], w, "")
	}
	return lines
}

// note returns the right end of the table's head.
func (p *Pane) note() string {
	n, rows := len(p.log.facts), len(p.log.entries)
	switch {
	case p.asked != nil && p.slow && p.asked.reading != latest:
		return "reading the log" + p.Env.Theme.Glyphs.Ellipsis
	case p.asked != nil && rows == 0, p.stale():
		return ""
	case p.tail.on && p.log.newer.end:
		return "following, newest first"
	case p.tail.on:
		return "following waits, " + p.Env.Keys.Shown(keys.Audit, keys.First) + " shows the newest"
	case p.own == ownHidden:
		return "own reads hidden, newest first"
	case n > rows && p.w >= 110:
		return quantity.Plural(n, "event", "events") + " in " + quantity.Plural(rows, "row", "rows") + ", newest first"
	}
	return "newest first"
}

// emptyList returns the reason of an empty table, and the keys for it.
func (p *Pane) emptyList() (say string, hints [][2]string) {
	t := p.Env.Theme
	hint := func(a keys.Action, label string) [2]string { return p.Env.Keys.Hint(keys.Audit, a, label) }
	switch {
	case p.asked != nil && !p.slow:
	case p.asked != nil:
		say = "Reading the log" + t.Glyphs.Ellipsis
	case p.problem.text != "":
		say = p.problem.text
		hints = [][2]string{hint(keys.Reload, "try again"), hint(keys.Filter, "filter"), hint(keys.Back, "back")}
	case p.paused():
		say = "No match in the part of the log that was read so far. A time in the filter shortens the search."
		if at := p.log.older.reached; !at.IsZero() {
			say = "No match from now back to " + p.zoned(at).Format("2 January 2006 15:04") + "."
		}
		hints = [][2]string{hint(keys.Reload, "read on"), hint(keys.Filter, "change the filter"), hint(keys.Back, "back")}
	case p.filter != "" && len(p.log.entries) == 0:
		say = "No event matches this filter."
		hints = [][2]string{hint(keys.Filter, "change the filter"), hint(keys.Back, "back")}
	case len(p.log.entries) > 0:
		say = "The only events here are your own reads of the log."
		hints = [][2]string{hint(keys.OwnReads, "show them"), hint(keys.Back, "back")}
	default:
		say = "The log has no events."
	}
	return say, hints
}

// blank draws the reason of an empty table, in the middle.
func (p *Pane) blank(w, h int) string {
	t := p.Env.Theme
	say, hints := p.emptyList()
	var out []string
	for _, l := range format.Wrap(say, max(1, min(60, w-4))) {
		out = append(out, t.Text.Bold().Paint(l))
	}
	if len(hints) > 0 {
		out = append(out, "", t.Keys(w-4, hints...))
	}
	return strings.Join(pane.Center(out, w, h), "\n")
}

// FieldKeys returns the keys of the filter and of the file of an export.
func (p *Pane) FieldKeys() [][2]string {
	if p.typing {
		return [][2]string{{"enter", "apply"}, {"tab", "complete"}, {"up", "earlier filters"}, {"esc", "cancel"}, {"ctrl+u", "empty"}}
	}
	return [][2]string{{"enter", "export"}, {"tab", "whole range: on or off"}, {"esc", "cancel"}, {"ctrl+u", "empty"}}
}

// Status returns the title of a choice of keys, the columns of an answer without room,
// or a failure.
func (p *Pane) Status(w int) (left, right string) {
	t := p.Env.Theme
	switch {
	case p.grouping:
		return t.Text.Paint("Count the events by"), ""
	case p.open != nil, p.export != nil, p.typing:
		return "", ""
	case p.answer != nil:
		return t.Muted.Paint(p.answer.unseen(w)), ""
	case p.problem.text != "" && len(p.lines) > 0:
		return t.Warn.Paint(t.Glyphs.Offline + " " + p.problem.text), t.Muted.Paint(p.Env.Keys.Shown(keys.Audit, keys.Reload) + " try again")
	case len(p.lines) > 0:
		return t.Muted.Paint(p.searched()), ""
	}
	return "", ""
}
