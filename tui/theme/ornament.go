package theme

import (
	"strings"

	"usher/client/cells"
)

// Head draws the first line of a pane, w cells wide: its title, a rule, and a note
// near the end. The pane with the focus has a heavy rule and the cursor symbol.
// Title and note are plain text, safe to print.
//
//	▌Files ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━ 34 rows ━
func (t *Theme) Head(title, note string, w int, focus bool) string {
	return t.HeadOf(title, w, focus, note)
}

// HeadOf is Head with the first note that has room beside the title.
func (t *Theme) HeadOf(title string, w int, focus bool, notes ...string) string {
	if w < 4 {
		return t.Pad("", w)
	}
	g, rule, label, line := " ", t.Rule, t.Muted, t.Glyphs.Light
	if focus {
		g, rule, label, line = t.Accent.Paint(t.Glyphs.Cursor), t.Accent, t.Text.Bold(), t.Glyphs.Heavy
	}
	title = cells.Truncate(title, w-3, t.Glyphs.Ellipsis)
	end := ""
	for _, note := range notes {
		if note != "" && cells.Width(title)+cells.Width(note)+7 <= w {
			end = " " + t.Muted.Paint(note) + " " + rule.Paint(line)
			break
		}
	}
	n := max(0, w-2-cells.Width(title)-cells.Width(end))
	return t.Pad(g+label.Paint(title)+" "+rule.Paint(strings.Repeat(line, n))+end, w)
}

// Bar draws a progress bar of w cells: share of them heavy in style s, the rest
// as rule. The share is clamped to 0..1.
func (t *Theme) Bar(w int, share float64, s Style) string {
	if w <= 0 {
		return ""
	}
	full := int(min(max(share, 0), 1) * float64(w))
	return s.Paint(strings.Repeat(t.Glyphs.Heavy, full)) + t.Rule.Paint(strings.Repeat(t.Glyphs.Light, w-full))
}

// Box draws a dialog around lines, w cells wide with its frame. The lines are
// painted with the tokens of the Panel ground. Longer lines are truncated.
func (t *Theme) Box(title string, lines []string, w int) string {
	p, inner := t.On(Panel), w-6
	side := p.Accent.Paint(t.Glyphs.Side)
	head := cells.Truncate(title, inner-2, t.Glyphs.Ellipsis)
	var b strings.Builder
	b.WriteString(p.Accent.Paint(t.Glyphs.TopLeft+t.Glyphs.Light) + p.Text.Bold().Paint(" "+head+" ") +
		p.Accent.Paint(strings.Repeat(t.Glyphs.Light, max(0, w-5-cells.Width(head)))+t.Glyphs.TopRight))
	for _, l := range lines {
		b.WriteString("\n" + side + p.Fill.Paint("  ") + p.Pad(l, inner) + p.Fill.Paint("  ") + side)
	}
	b.WriteString("\n" + p.Accent.Paint(t.Glyphs.LowLeft+strings.Repeat(t.Glyphs.Light, max(0, w-2))+t.Glyphs.LowRight))
	return b.String()
}

// Keys draws a key line: each key bold, its label muted, two cells between pairs.
// It ends before the first pair that does not fit into w cells. A pair without a
// label is omitted.
func (t *Theme) Keys(w int, pairs ...[2]string) string {
	line, _ := t.keys(w, pairs)
	return line
}

// KeyRows draws all pairs, on as many lines as needed. It is for dialogs, where no
// choice may be missing.
func (t *Theme) KeyRows(w int, pairs ...[2]string) []string {
	var lines []string
	for len(pairs) > 0 {
		line, n := t.keys(w, pairs)
		if n == 0 { // wider than the dialog: the box truncates it
			line, n = t.Text.Bold().Paint(pairs[0][0])+t.Muted.Paint(" "+pairs[0][1]), 1
		}
		if line != "" {
			lines = append(lines, line)
		}
		pairs = pairs[n:]
	}
	return lines
}

// keys draws the pairs that fit on one line, and returns the number of pairs used.
func (t *Theme) keys(w int, pairs [][2]string) (line string, taken int) {
	var b strings.Builder
	n := 0
	for i, p := range pairs {
		if p[1] == "" {
			continue
		}
		gap := 2
		if n == 0 {
			gap = 0
		}
		need := gap + cells.Width(p[0]) + 1 + cells.Width(p[1])
		if n+need > w {
			return b.String(), i
		}
		b.WriteString(t.Fill.Paint(strings.Repeat(" ", gap)) + t.Text.Bold().Paint(p[0]) + t.Muted.Paint(" "+p[1]))
		n += need
	}
	return b.String(), len(pairs)
}
