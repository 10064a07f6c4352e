package reader

import (
	"fmt"
	"strconv"
	"strings"

	"usher/client/cells"
	"usher/client/preview"
	"usher/client/quantity"
	"usher/tui/format"
	"usher/tui/keys"
	"usher/tui/theme"
)

// textView shows lines. Long lines are cut and scrolled, or wrapped. A wrapped window
// begins at a row of a line, so that only lines on the screen are wrapped.
type textView struct {
	scroll
	text     *preview.Text
	wrapped  bool
	sub      int // rows of the first line above the window
	left     int // cells left of the window
	numbered bool
	least    int // largest line number
	widest   int // cells of the longest line
	w        int // cells of a row
	hit      int // row of the last match, plus 1
}

// newText measures the lines.
func newText(t *preview.Text, wrapped bool) *textView {
	v := &textView{text: t, wrapped: wrapped, least: leastNumber(t)}
	for i := range t.Lines {
		v.widest = max(v.widest, lineWidth(t.Lines[i].Raw))
	}
	return v
}

// lineWidth returns the cells of a raw line. Most lines are plain ASCII, which needs no
// measure.
func lineWidth(raw string) int {
	for _, b := range []byte(raw) {
		if b < ' ' || b > '~' || b == '\\' {
			return cells.Width(safe(raw))
		}
	}
	return len(raw)
}

func leastNumber(t *preview.Text) int {
	for i := len(t.Lines) - 1; i >= 0; i-- {
		if t.Lines[i].Number > 0 {
			return t.Lines[i].Number
		}
	}
	return 0
}

func (v *textView) name() string     { return v.text.Title }
func (v *textView) searchable() bool { return len(v.text.Lines) > 0 }
func (v *textView) row() int         { return v.top }

func (v *textView) offers(a keys.Action) bool {
	switch a {
	case keys.Enter:
		return !v.wrapped && v.left+v.w < v.widest
	case keys.Parent:
		return !v.wrapped && v.left > 0
	}
	return true
}

func (v *textView) position() string {
	v.rows = len(v.text.Lines)
	if v.rows == 0 {
		return "no lines"
	}
	return fmt.Sprintf("line %s of %s", quantity.Count(min(v.top+1, v.rows)), quantity.Count(v.rows))
}

func (v *textView) place(old view) {
	if o, ok := old.(*textView); ok {
		v.top, v.left, v.wrapped, v.numbered = o.top, o.left, o.wrapped, o.numbered
	}
}

func (v *textView) show(row int) {
	v.hit, v.sub = row+1, 0
	if v.wrapped {
		v.top = max(0, row-v.page/3)
		return
	}
	v.scroll.show(row)
}

const sideStep = 16 // cells

func (v *textView) do(a keys.Action) {
	switch a {
	case keys.WrapLines:
		v.wrapped, v.sub, v.left = !v.wrapped, 0, 0
	case keys.LineNumbers:
		v.numbered = !v.numbered
	case keys.Enter:
		if v.offers(a) {
			v.left += sideStep
		}
	case keys.Parent:
		v.left = max(0, v.left-sideStep)
	default:
		if v.wrapped {
			v.walk(a)
			return
		}
		v.scroll.do(a)
	}
}

// walk moves a wrapped window by rows.
func (v *textView) walk(a keys.Action) {
	switch a {
	case keys.First:
		v.top, v.sub = 0, 0
	case keys.Last:
		v.top, v.sub = len(v.text.Lines), 0
		v.by(-v.page)
	default:
		steps := map[keys.Action]int{keys.Down: 1, keys.Up: -1, keys.HalfDown: v.page / 2, keys.HalfUp: -v.page / 2, keys.PageDown: v.page, keys.PageUp: -v.page}
		v.by(steps[a])
	}
}

// by moves the window by n rows.
func (v *textView) by(n int) {
	for ; n > 0; n-- {
		if v.top >= len(v.text.Lines)-1 && v.sub >= v.height(v.top)-1 {
			return
		}
		if v.sub++; v.sub >= v.height(v.top) {
			v.top, v.sub = v.top+1, 0
		}
	}
	for ; n < 0; n++ {
		if v.sub--; v.sub >= 0 {
			continue
		}
		if v.top == 0 {
			v.sub = 0
			return
		}
		v.top--
		v.sub = v.height(v.top) - 1
	}
}

const mostRows = 1000 // of one wrapped line

// height returns the rows of a wrapped line.
func (v *textView) height(i int) int {
	if i < 0 || i >= len(v.text.Lines) || v.w < 1 {
		return 1
	}
	return len(wrap([]segment{{safe(v.text.Lines[i].Raw), theme.Style{}}}, v.w, mostRows))
}

func (v *textView) draw(t *theme.Theme, w, h int, query string) []string {
	v.rows = len(v.text.Lines)
	gutter := 1
	if v.numbered {
		gutter = len(strconv.Itoa(v.least)) + 3
	}
	v.w = max(1, w-gutter-1)
	if v.wrapped {
		v.page = max(1, h)
		v.top = max(0, min(v.top, v.rows-1))
	} else {
		v.fit(h)
	}
	var out []string
	for i := v.top; i < v.rows && len(out) < h; i++ {
		l := v.text.Lines[i]
		if !v.wrapped {
			all := mark(segments(t, l, (v.left+v.w)*8+64), query)
			out = append(out, v.gutter(t, l, i, gutter)+line(all, v.left, v.w))
			continue
		}
		for n, row := range wrap(mark(segments(t, l, len(l.Raw)), query), v.w, mostRows) {
			if i == v.top && n < v.sub {
				continue
			}
			if n > 0 {
				l.Number = 0
			}
			out = append(out, v.gutter(t, l, i, gutter)+line(row, 0, v.w))
		}
	}
	return out[:min(len(out), h)]
}

// gutter draws the number of a line, and the sign of the last match.
func (v *textView) gutter(t *theme.Theme, l preview.Line, i, w int) string {
	sign := " "
	if i == v.hit-1 {
		sign = t.Accent.Paint(t.Glyphs.Cursor)
	}
	if !v.numbered {
		return sign
	}
	n := ""
	if l.Number > 0 {
		n = strconv.Itoa(l.Number)
	}
	return sign + t.Muted.Paint(format.PadLeft(n, w-3)) + "  "
}

const hexRow = 16 // bytes

// hexView shows bytes.
type hexView struct {
	scroll
	data []byte
	hit  int
}

func (v *hexView) name() string            { return "hex" }
func (v *hexView) offers(keys.Action) bool { return false }
func (v *hexView) searchable() bool        { return len(v.data) > 0 }
func (v *hexView) row() int                { return v.top }
func (v *hexView) position() string        { return v.scroll.position("row of 16 bytes", "rows of 16 bytes") }

func (v *hexView) show(row int) {
	v.hit = row + 1
	v.scroll.show(row)
}

func (v *hexView) place(old view) {
	if o, ok := old.(*hexView); ok {
		v.top = o.top
	}
}

func (v *hexView) draw(t *theme.Theme, w, h int, _ string) []string {
	v.rows = (len(v.data) + hexRow - 1) / hexRow
	v.fit(h)
	var out []string
	for i := v.top; i < v.rows && len(out) < h; i++ {
		row := v.data[i*hexRow : min(len(v.data), (i+1)*hexRow)]
		var hex, text strings.Builder
		for k, b := range row {
			if k == hexRow/2 {
				hex.WriteByte(' ')
			}
			fmt.Fprintf(&hex, "%02x ", b)
			if b < ' ' || b > '~' {
				b = '.'
			}
			text.WriteByte(b)
		}
		sign := " "
		if i == v.hit-1 {
			sign = t.Accent.Paint(t.Glyphs.Cursor)
		}
		l := sign + t.Muted.Paint(fmt.Sprintf("%08x", i*hexRow)) + "  " + t.Text.Paint(fmt.Sprintf("%-49s %s", hex.String(), text.String()))
		out = append(out, cells.Truncate(l, w, ""))
	}
	return out
}
