package pane

import (
	"strings"

	"usher/backend/safetext"
	"usher/client/cells"
	"usher/tui/format"
	"usher/tui/theme"
)

// Name paints an untrusted text, truncated to w cells by cut: format.Middle for
// file names, format.Start for paths, format.End for people. Characters that make
// two names look the same are escaped. Escapes have the style of a warning, so that
// no name can imitate them.
func Name(t *theme.Theme, s theme.Style, text safetext.Text, w int, cut format.Cut) string {
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

// Wrap breaks a text into lines of at most w cells: after a space or a slash in the
// second half of a line, else within a word. It loses no space. A last line that is too
// short (cells.Shortest) begins one word earlier.
func Wrap(t *theme.Theme, s theme.Style, text safetext.Text, w int) []string {
	var full strings.Builder
	var escapes [][]int
	for _, span := range text.DistinctSpans() {
		if span.Escaped {
			escapes = append(escapes, []int{full.Len(), full.Len() + len(span.Text)})
		}
		full.WriteString(span.Text)
	}
	var lines []string
	for from, rest := 0, full.String(); rest != ""; {
		head := cells.Truncate(rest, w, "")
		if head == "" {
			return lines // one character is wider than the line
		}
		if at := strings.LastIndexAny(head, " /") + 1; len(head) < len(rest) && 2*cells.Width(head[:at]) > w {
			head = head[:at]
			if last := rest[at:]; cells.Width(last) < cells.Shortest {
				at = strings.LastIndexAny(head[:at-1], " /") + 1
				if 2*cells.Width(head[:at]) > w {
					head = head[:at]
				}
			}
		}
		lines = append(lines, Ranges(s, t.Warn, head, within(escapes, from, from+len(head))))
		from, rest = from+len(head), rest[len(head):]
	}
	return lines
}

// within returns the parts of ranges that are in [from, to), relative to from.
func within(ranges [][]int, from, to int) [][]int {
	var out [][]int
	for _, r := range ranges {
		if a, b := max(r[0], from), min(r[1], to); a < b {
			out = append(out, []int{a - from, b - from})
		}
	}
	return out
}
