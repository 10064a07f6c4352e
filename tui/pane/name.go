package pane

import (
	"strings"

	"usher/backend/safetext"
	"usher/client/cells"
	"usher/tui/theme"
)

// Name paints an untrusted text, truncated to w cells by cut: format.Middle for
// file names, format.Start for paths, format.End for people. Characters that make
// two names look the same are escaped. Escapes have the style of a warning, so that
// no name can imitate them.
func Name(t *theme.Theme, s theme.Style, text safetext.Text, w int, cut func(string, int, string) string) string {
	full := text.Distinct()
	shown := cut(full, w, t.Glyphs.Ellipsis)
	if full == text.Raw() {
		return s.Paint(shown)
	}
	return Ranges(s, t.Warn, shown, safetext.Escapes(shown))
}

// Ranges paints a safe string in style s, and some byte ranges of it in style
// marked. The ranges are in order and do not overlap.
func Ranges(s, marked theme.Style, text string, ranges [][]int) string {
	var b strings.Builder
	at := 0
	for _, r := range ranges {
		b.WriteString(s.Paint(text[at:r[0]]))
		b.WriteString(marked.Paint(text[r[0]:r[1]]))
		at = r[1]
	}
	b.WriteString(s.Paint(text[at:]))
	return b.String()
}

// Wrap breaks a text after every w cells, also within a word. It loses no space.
func Wrap(t *theme.Theme, s theme.Style, text safetext.Text, w int) []string {
	var lines []string
	var b strings.Builder
	used := 0
	for _, span := range text.DistinctSpans() {
		style := s
		if span.Escaped {
			style = t.Warn
		}
		for rest := span.Text; rest != ""; {
			head := cells.Truncate(rest, w-used, "")
			b.WriteString(style.Paint(head))
			used += cells.Width(head)
			rest = rest[len(head):]
			if rest == "" {
				break
			}
			if used == 0 {
				return append(lines, b.String()) // one character is wider than the line
			}
			lines = append(lines, b.String())
			b.Reset()
			used = 0
		}
	}
	if b.Len() > 0 {
		lines = append(lines, b.String())
	}
	return lines
}
