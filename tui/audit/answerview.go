package audit

import (
	"strings"

	tea "charm.land/bubbletea/v2"

	"usher/client/quantity"
	"usher/tui/format"
	"usher/tui/keys"
	"usher/tui/pane"
	"usher/tui/rows"
)

// answerSource makes the rows of an answer a rows.Source.
type answerSource struct {
	p *Pane
	a *answer
}

func (s answerSource) Len() int                  { return len(s.a.rows) }
func (s answerSource) Need(from, to int) tea.Cmd { return nil }

// Draw draws a row.
func (s answerSource) Draw(i, w int, st rows.State) string {
	t := s.p.Env.Theme
	t, sign, _ := t.Row(st.Cursor, st.Focus)
	g := sign + t.Fill.Paint(strings.Repeat(" ", gutterW-1))
	var b strings.Builder
	for c, cw := range s.a.widths(w) {
		if cw == 0 || c >= len(s.a.rows[i].cells) {
			continue
		}
		text, style := s.a.rows[i].cells[c], t.Text
		if c == 0 && st.Cursor {
			style = style.Bold()
		}
		cut := format.End
		if strings.Contains(text.String(), "/") {
			cut = s.a.apart(i, c)
		}
		cell := pane.Name(t, style, text, cw, cut)
		if s.a.columns[c].right {
			cell = t.Fill.Paint(strings.Repeat(" ", max(0, cw-format.Width(cell)))) + cell
		}
		b.WriteString(t.Pad(cell, cw) + t.Fill.Paint("  "))
	}
	return t.Pad(g+b.String(), w)
}

// apart returns the function that truncates the path of row i in column c, so that it
// differs from the paths near it.
func (a *answer) apart(i, c int) format.Cut {
	return format.Row{At: i, N: len(a.rows), Name: func(j int) string {
		if c >= len(a.rows[j].cells) {
			return ""
		}
		return a.rows[j].cells[c].Distinct()
	}}.Start
}

// widths returns the width of each column in w cells; 0 hides it. The widest column
// is cut. Columns from the right are hidden if the first ones would be too narrow.
func (a *answer) widths(w int) []int {
	out := make([]int, len(a.columns))
	for c, col := range a.columns {
		out[c] = format.Width(col.title)
	}
	from, to := a.list.Window()
	for i := from; i < to && i < len(a.rows); i++ {
		for c, cell := range a.rows[i].cells {
			if c < len(out) {
				out[c] = max(out[c], format.Width(cell.String()))
			}
		}
	}
	least := max(20, w/4) // a time is whole
	for last := len(out) - 1; ; {
		total, widest := gutterW, 0
		for c, n := range out {
			if n > 0 {
				total += n + 2
			}
			if n > out[widest] {
				widest = c
			}
		}
		switch over := total - w; {
		case over <= 0:
			return out
		case out[widest] > least:
			out[widest] = max(least, out[widest]-over)
		case last > 0:
			out[last] = 0
			last--
		default:
			return out
		}
	}
}

// unseen describes the columns without room, for the row under the cursor.
func (a *answer) unseen(w int) string {
	i := a.list.Cursor()
	if i < 0 || i >= len(a.rows) {
		return ""
	}
	var parts []string
	for c, cw := range a.widths(w) {
		if cells := a.rows[i].cells; cw == 0 && c < len(cells) && !cells[c].IsZero() {
			parts = append(parts, a.columns[c].title+" "+cells[c].String())
		}
	}
	return strings.Join(parts, "  ")
}

// view draws the answer: exactly h lines of at most w cells.
func (a *answer) view(p *Pane, w, h int) string {
	t := p.Env.Theme
	a.list.Resize(w, max(1, h-5))
	note := quantity.Plural(len(a.rows), "row", "rows")
	if a.left > 0 {
		note = "the first " + note
	}
	if a.cancel != nil {
		note = p.searching(a)
	}
	lines := []string{p.filterLine(w), " " + p.joined(p.states(), w-2), t.Head(a.title, note, w, true)}
	if len(a.rows) == 0 {
		lines = append(lines, a.blank(p, w, h-len(lines)))
	} else {
		var head strings.Builder
		head.WriteString(strings.Repeat(" ", gutterW))
		for c, cw := range a.widths(w) {
			if cw == 0 {
				continue
			}
			title := format.End(a.columns[c].title, cw, t.Glyphs.Ellipsis)
			if a.columns[c].right {
				title = format.PadLeft(title, cw)
			}
			head.WriteString(format.PadRight(title, cw) + "  ")
		}
		lines = append(lines, t.Muted.Paint(strings.TrimRight(head.String(), " ")), a.list.View(), "")
	}
	return strings.Join(strings.SplitN(strings.Join(lines, "\n"), "\n", h+1)[:h], "\n")
}

// searching describes the search of an answer under way.
func (p *Pane) searching(a *answer) string {
	if at := a.reached.Load(); at != nil {
		return "reading, back to " + p.zoned(*at).Format("2 January 2006 15:04")
	}
	return "reading the log" + p.Env.Theme.Glyphs.Ellipsis
}

// empty returns the reason of an empty table, and the keys for it.
func (a *answer) empty(p *Pane) (say string, hints [][2]string) {
	hint := func(a keys.Action, label string) [2]string { return p.Env.Keys.Hint(keys.Answer, a, label) }
	switch {
	case a.cancel != nil:
		say, hints = p.searching(a), [][2]string{hint(keys.Back, "cancel")}
	case a.problem != "":
		say, hints = a.problem, [][2]string{hint(keys.Reload, "try again"), hint(keys.Back, "back")}
	default:
		say, hints = "No event of the filter is of this kind.", [][2]string{hint(keys.Back, "back")}
	}
	return say, hints
}

// blank draws the reason of an empty table.
func (a *answer) blank(p *Pane, w, h int) string {
	t := p.Env.Theme
	say, hints := a.empty(p)
	var out []string
	for _, l := range format.Wrap(say, max(1, min(60, w-4))) {
		out = append(out, t.Text.Bold().Paint(l))
	}
	return strings.Join(pane.Center(append(out, "", t.Keys(w-4, hints...)), w, h), "\n")
}
