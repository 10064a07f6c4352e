package browse

import (
	"math"
	"slices"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"usher/backend/safetext"
	"usher/client/quantity"
	"usher/tui/format"
	"usher/tui/pane"
	"usher/tui/rows"
	"usher/tui/theme"
)

// columns are the widths of the table's columns in cells; 0 hides a column. Without
// modified, the name is the only column.
type columns struct{ name, modified, kind, local int }

const gutter = 3

// layout returns the columns of a table w cells wide. The size has one cell before
// it, the others two.
func layout(w int) columns {
	c := columns{modified: 16, local: 6}
	switch {
	case w >= 96:
		c.kind = 8
	case w < 72:
		c.modified = 10
	}
	rest := gutter + 1 + quantity.SizeWidth
	for _, n := range []int{c.modified, c.kind, c.local} {
		if n > 0 {
			rest += 2 + n
		}
	}
	c.name = max(4, w-rest)
	return c
}

// onlyNames is the layout of rows that have nothing but a name: buckets before a count.
func onlyNames(w int) columns { return columns{name: max(4, w-gutter)} }

// source is the rows.Source of the table.
type source struct{ p *Pane }

func (s source) Len() int { return len(s.p.view) }

// Need requests the next page when the window comes near the last row, and checks
// the local files of the visible rows.
func (s source) Need(from, to int) tea.Cmd {
	p := s.p
	if p.localDue { // the order needs the states of all files
		p.localDue = false
		return tea.Batch(p.need(to), p.checkLocal(0, max(to, mostLocal)))
	}
	return tea.Batch(p.need(to), p.checkLocal(from, to))
}

func (s source) Draw(i, w int, st rows.State) string {
	p := s.p
	t := p.Env.Theme
	if st.Cursor {
		t = t.On(theme.Cursor(st.Focus))
	}
	if p.view[i] < 0 {
		return p.drawGap(t, st, w)
	}
	r := p.now().row(p.view[i])
	e := p.now().entry(p.view[i])
	_, marked := p.marks[keyOf(e)]
	marked = marked || p.inSpan(i)
	name := t.Text
	switch {
	case marked:
		name = t.Mark
	case r.kind != object:
		name = t.Accent
	}
	if st.Cursor {
		name = name.Bold()
	}
	var b strings.Builder
	b.WriteString(p.gutter(t, st, marked))
	b.WriteString(t.Pad(p.paintName(t, name, e, p.apart(i)), p.cols.name))
	if p.cols.modified == 0 {
		return t.Pad(b.String(), w)
	}
	size, mod := "", ""
	if r.kind == object && !e.Unsized() {
		size = quantity.Size(e.Size)
	}
	c := p.sizeOf(e)
	if c != nil {
		size = quantity.Size(c.sum.Bytes)
	}
	if c != nil && c.sum.Newest.Name != "" && !c.running {
		mod = when(c.sum.Newest.Modified.In(p.Env.Zone), p.cols.modified)
	}
	if r.mod != math.MinInt64 {
		mod = when(e.Modified.In(p.Env.Zone), p.cols.modified)
	}
	size = format.PadLeft(size, 1+quantity.SizeWidth)
	if c != nil && c.running {
		b.WriteString(t.Warn.Paint(size))
		size = ""
	}
	b.WriteString(t.Muted.Paint(size + "  " + format.PadRight(mod, p.cols.modified)))
	if p.cols.kind > 0 {
		b.WriteString(t.Muted.Paint("  " + format.PadRight(kindOfEntry(e), p.cols.kind)))
	}
	state, style := p.localState(e, t)
	b.WriteString(t.Fill.Paint("  ") + t.Pad(style.Paint(state), p.cols.local))
	return t.Pad(b.String(), w)
}

func when(t time.Time, w int) string {
	if w < 16 {
		return format.Date(t)
	}
	return format.DateTime(t)
}

func (p *Pane) gutter(t *theme.Theme, st rows.State, marked bool) string {
	g := t.Fill.Paint(" ")
	if st.Cursor {
		g = t.Muted.Paint(t.Glyphs.CursorDim)
		if st.Focus {
			g = t.Accent.Paint(t.Glyphs.Cursor)
		}
	}
	m := t.Fill.Paint(" ")
	if marked {
		m = t.Mark.Paint(t.Glyphs.Mark)
	}
	return g + m + t.Fill.Paint(" ")
}

// apart returns the function that truncates the name of visible row i, so that it
// differs from the rows near it.
func (p *Pane) apart(i int) format.Cut {
	return format.Row{At: i, N: len(p.view), Name: func(j int) string {
		if p.view[j] < 0 {
			return ""
		}
		return safetext.New(p.now().name(p.view[j])).Distinct()
	}}.Apart
}

// paintName draws a name, truncated by cut, with the matches of the filter
// underlined.
func (p *Pane) paintName(t *theme.Theme, s theme.Style, e Entry, cut format.Cut) string {
	if e.Name.IsZero() { // an object with content whose key is the folder's prefix
		return pane.Name(t, s, safetext.New("./"), p.cols.name, format.Middle)
	}
	if len(p.arr.words) == 0 {
		return pane.Name(t, s, e.Name, p.cols.name, cut)
	}
	shown := cut(e.Name.Distinct(), p.cols.name, t.Glyphs.Ellipsis)
	var found [][]int
	for _, w := range p.arr.words {
		if from, to := w.find(shown); from >= 0 {
			found = append(found, []int{from, to})
		}
	}
	return pane.Ranges(s, s.Bold().Underline(), shown, mergeRanges(found))
}

// mergeRanges sorts ranges and joins adjacent ones.
func mergeRanges(ranges [][]int) [][]int {
	slices.SortFunc(ranges, func(a, b []int) int { return a[0] - b[0] })
	var out [][]int
	for _, r := range ranges {
		if n := len(out); n > 0 && r[0] <= out[n-1][1] {
			out[n-1][1] = max(out[n-1][1], r[1])
			continue
		}
		out = append(out, r)
	}
	return out
}

// header draws the line of column names.
func (p *Pane) header(w int) string {
	t, g := p.Env.Theme, p.Env.Theme.Glyphs
	loading := len(p.view) > 0 && !p.now().complete()
	sign := func(o order, usual string) string {
		key, second := p.arr.by, ""
		if o != byName && p.arr.then.order == o {
			key, second = p.arr.then, "2"
		}
		switch {
		case key.order != o:
			return ""
		case key.reverse && usual == g.Up:
			usual = g.Down
		case key.reverse:
			usual = g.Up
		}
		usual += second
		if loading {
			return " " + usual + g.Ellipsis // of the rows so far
		}
		return " " + usual
	}
	name := "Name" + sign(byName, g.Up)
	if loading && p.arr.byPage() {
		name = "Name"
	}
	if p.cols.modified == 0 {
		return t.Pad(t.Muted.Paint(strings.Repeat(" ", gutter)+name), w)
	}
	line := strings.Repeat(" ", gutter) + format.PadRight(name, p.cols.name) +
		format.PadLeft("Size"+sign(bySize, g.Down), 1+quantity.SizeWidth) + "  " +
		format.PadRight("Modified"+sign(byModified, g.Down), p.cols.modified)
	if p.cols.kind > 0 {
		line += "  " + format.PadRight("Kind"+sign(byKind, g.Up), p.cols.kind)
	}
	local := "Local" + strings.TrimSuffix(strings.TrimPrefix(sign(byLocal, g.Up), " "), g.Ellipsis) // the column has 6 cells
	return t.Pad(t.Muted.Paint(line+strings.Repeat(" ", max(1, 8-max(6, format.Width(local))))+local), w)
}
