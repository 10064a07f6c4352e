package reader

import (
	"fmt"
	"strconv"

	"usher/client/preview"
	"usher/client/quantity"
	"usher/tui/format"
	"usher/tui/keys"
	"usher/tui/theme"
)

const (
	widestCell = 48  // cells of a column
	measured   = 500 // rows whose widths are measured
)

// tableView shows a table with a fixed head.
type tableView struct {
	scroll
	table    *preview.Table
	widths   []int
	first    int // column at the left
	shown    int // columns on the screen
	numbered bool
	hit      int
}

// newTable measures the columns of the first rows.
func newTable(t *preview.Table) *tableView {
	v := &tableView{table: t, widths: make([]int, len(t.Head))}
	for c, name := range t.Head {
		v.widths[c] = max(1, min(widestCell, format.Width(safe(name))))
	}
	for _, r := range t.Rows[:min(len(t.Rows), measured)] {
		for c, cell := range r {
			if c < len(v.widths) && v.widths[c] < widestCell {
				v.widths[c] = min(widestCell, max(v.widths[c], format.Width(safe(cell))))
			}
		}
	}
	return v
}

func (v *tableView) name() string     { return v.table.Title }
func (v *tableView) searchable() bool { return len(v.table.Rows) > 0 }
func (v *tableView) row() int         { return v.top }

func (v *tableView) offers(a keys.Action) bool {
	switch a {
	case keys.Enter:
		return v.first+v.shown < len(v.widths)
	case keys.Parent:
		return v.first > 0
	}
	return a == keys.LineNumbers
}

func (v *tableView) position() string {
	s := v.scroll.position("row", "rows")
	if v.first > 0 || v.shown < len(v.widths) {
		s += fmt.Sprintf(", columns %d-%d of %s", v.first+1, min(len(v.widths), v.first+max(1, v.shown)), quantity.Count(len(v.widths)))
	}
	return s
}

func (v *tableView) place(old view) {
	if o, ok := old.(*tableView); ok {
		v.top, v.first, v.numbered = o.top, min(o.first, max(0, len(v.widths)-1)), o.numbered
	}
}

func (v *tableView) show(row int) {
	v.hit = row + 1
	v.scroll.show(row)
}

func (v *tableView) do(a keys.Action) {
	switch a {
	case keys.Enter:
		if v.offers(a) {
			v.first++
		}
	case keys.Parent:
		v.first = max(0, v.first-1)
	case keys.LineNumbers:
		v.numbered = !v.numbered
	default:
		v.scroll.do(a)
	}
}

func (v *tableView) draw(t *theme.Theme, w, h int, query string) []string {
	v.rows = len(v.table.Rows)
	v.fit(h - 1)
	gutter := 1
	if v.numbered {
		gutter = len(strconv.Itoa(v.rows)) + 3
	}
	room := w - gutter - 1
	v.shown = 0
	for used := 0; v.first+v.shown < len(v.widths); v.shown++ {
		if used += v.widths[v.first+v.shown]; used > room && v.shown > 0 {
			break
		}
		used += 2
	}
	head := line([]segment{{format.PadRight("", gutter), t.Text}}, 0, gutter)
	out := []string{head + line(v.cells(t.Accent.Bold(), v.table.Head, t.Glyphs.Ellipsis), 0, room)}
	for i := v.top; i < v.rows && len(out) < h; i++ {
		sign, number := " ", ""
		if i == v.hit-1 {
			sign = t.Accent.Paint(t.Glyphs.Cursor)
		}
		if v.numbered {
			number = t.Muted.Paint(format.PadLeft(strconv.Itoa(i+1), gutter-3)) + "  "
		}
		out = append(out, sign+number+line(mark(v.cells(t.Text, v.table.Rows[i], t.Glyphs.Ellipsis), query), 0, room))
	}
	return out
}

// cells returns the visible cells of a row.
func (v *tableView) cells(s theme.Style, row []string, ellipsis string) []segment {
	var out []segment
	for c := v.first; c < v.first+max(1, v.shown) && c < len(v.widths); c++ {
		text := ""
		if c < len(row) {
			text = format.End(safe(row[c]), v.widths[c], ellipsis)
		}
		if c < len(v.table.Right) && v.table.Right[c] {
			text = format.PadLeft(text, v.widths[c])
		} else {
			text = format.PadRight(text, v.widths[c])
		}
		out = append(out, segment{text + "  ", s})
	}
	return out
}
