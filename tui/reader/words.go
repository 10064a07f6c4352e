package reader

import (
	"strings"

	"usher/backend/safetext"
	"usher/client/quantity"
	"usher/tui/linear"
	"usher/tui/theme"
)

// spoken is a view whose window is read as lines.
type spoken interface {
	lines(t *theme.Theme) linear.Lines
}

// Words describes the file: the lines of the window, or the value under the cursor.
func (p *Pane) Words() linear.Words {
	w := linear.Words{Title: "Contents of " + p.On.Text().Distinct(), Text: linear.PlainLines(p.notes(linear.Width))}
	if p.finding {
		w.Field = linear.Field{Label: "Find", Value: safetext.Line(p.field.Value())}
	}
	if p.doc == nil {
		if p.cancel != nil {
			w.State = "Reading. The read is recorded in the audit log."
		}
		return w
	}
	v := p.now()
	right := ""
	if p.cancel == nil {
		right, _ = p.Status(linear.Width)
	}
	w.Info = linear.Infos(p.doc.Kind, v.name(), p.matches(), right)
	w.Place = linear.Plain(v.position())
	switch v := v.(type) {
	case spoken:
		w.Lines = v.lines(p.Env.Theme)
	case *treeView:
		if len(v.visible) > 0 {
			drawn := v.draw(p.Env.Theme, linear.Width, linear.Height, "")
			i := min(v.cursor-v.top, len(drawn)-1)
			w.Row = linear.Row{ID: quantity.Count(v.visible[v.cursor]), Text: linear.Position("value", v.cursor+1, len(v.visible), linear.Plain(drawn[i]))}
		}
	}
	return w
}

func (v *textView) lines(t *theme.Theme) linear.Lines {
	return linear.Lines{From: v.top, Text: plain(v.draw(t, linear.Width, max(1, v.page), ""))}
}

func (v *hexView) lines(t *theme.Theme) linear.Lines {
	return linear.Lines{From: v.top, Text: plain(v.draw(t, linear.Width, max(1, v.page), ""))}
}

// lines are the rows of the window. Each cell follows the name of its column.
func (v *tableView) lines(*theme.Theme) linear.Lines {
	out := linear.Lines{From: v.top}
	for i := v.top; i < min(len(v.table.Rows), v.top+v.page); i++ {
		var cells []string
		for c := v.first; c < len(v.table.Rows[i]); c++ {
			name := ""
			if c < len(v.table.Head) {
				name = safe(v.table.Head[c])
			}
			cells = append(cells, strings.TrimSpace(name+" "+safe(v.table.Rows[i][c])))
		}
		out.Text = append(out.Text, linear.Position("row", i+1, len(v.table.Rows), cells...))
	}
	return out
}

// plain keeps an empty line as "blank", so that each line is read.
func plain(lines []string) []string {
	for i, l := range lines {
		if lines[i] = linear.Plain(l); lines[i] == "" {
			lines[i] = "blank"
		}
	}
	return lines
}
