package reader

import (
	"strings"

	"usher/backend/safetext"
	"usher/client/cells"
	"usher/client/preview"
	"usher/tui/theme"
)

// segment is a part of a line that is safe to print, in one style.
type segment struct {
	text  string
	style theme.Style
}

// safe returns a raw text of a file, safe to print. It is the only way of such a text
// to the screen.
func safe(raw string) string {
	return safetext.Line(strings.ReplaceAll(raw, "\t", "    "))
}

// paint returns the style of a role.
func paint(t *theme.Theme, s preview.Style) theme.Style {
	switch s {
	case preview.Comment, preview.Quiet:
		return t.Muted
	case preview.Keyword, preview.Link:
		return t.Accent
	case preview.String, preview.Added:
		return t.OK
	case preview.Number:
		return t.Mark
	case preview.Heading:
		return t.Accent.Bold()
	case preview.Strong:
		return t.Text.Bold()
	case preview.Emphasis:
		return t.Text.Underline()
	case preview.Code:
		return t.Warn
	case preview.Removed:
		return t.Bad
	}
	return t.Text
}

// segments returns the parts of a line, of which at most the first bytes are drawn.
func segments(t *theme.Theme, l preview.Line, bytes int) []segment {
	raw := l.Raw[:min(len(l.Raw), bytes)]
	if l.Spans == nil {
		return []segment{{safe(raw), t.Text}}
	}
	var out []segment
	from := 0
	for _, s := range l.Spans {
		to := min(s.To, len(raw))
		if to > from {
			out = append(out, segment{safe(raw[from:to]), paint(t, s.Style)})
			from = to
		}
	}
	if from < len(raw) {
		out = append(out, segment{safe(raw[from:]), t.Text})
	}
	return out
}

// mark underlines the matches of a text in lower case.
func mark(all []segment, query string) []segment {
	if query == "" {
		return all
	}
	var out []segment
	for _, s := range all {
		lower := strings.ToLower(s.text)
		if len(lower) != len(s.text) {
			out = append(out, s)
			continue
		}
		from := 0
		for {
			i := strings.Index(lower[from:], query)
			if i < 0 {
				break
			}
			out = append(out, segment{s.text[from : from+i], s.style}, segment{s.text[from+i : from+i+len(query)], s.style.Bold().Underline()})
			from += i + len(query)
		}
		out = append(out, segment{s.text[from:], s.style})
	}
	return out
}

// line draws the segments from cell skip on, in at most w cells.
func line(all []segment, skip, w int) string {
	var b strings.Builder
	for _, s := range all {
		if w <= 0 {
			break
		}
		text := s.text
		if skip > 0 {
			n := cells.Width(text)
			if n <= skip {
				skip -= n
				continue
			}
			text = cells.TruncateLeft(text, skip)
			skip = 0
		}
		text = cells.Truncate(text, w, "")
		w -= cells.Width(text)
		b.WriteString(s.style.Paint(text))
	}
	return b.String()
}

// wrap splits the segments into rows of at most w cells, at most most rows. A row ends
// at a space where it has one.
func wrap(all []segment, w, most int) [][]segment {
	var joined strings.Builder
	for _, s := range all {
		joined.WriteString(s.text)
	}
	var rows [][]segment
	from := 0
	for _, end := range breaks(joined.String(), w, most) {
		rows = append(rows, part(all, from, end))
		from = end
	}
	return rows
}

// breaks returns the byte positions at which rows end. There is at least one.
func breaks(s string, w, most int) []int {
	var ends []int
	for at := 0; ; {
		head := cells.Truncate(s[at:], w, "")
		end := at + len(head)
		switch {
		case end >= len(s):
			return append(ends, len(s))
		case head == "": // one character is wider than the row
			return append(ends, at)
		case s[end] == ' ':
			end++ // the space is beyond the edge
		default:
			if i := strings.LastIndexByte(head, ' '); i > 0 {
				end = at + i + 1
			}
		}
		if ends = append(ends, end); len(ends) == most || end == len(s) {
			return ends
		}
		at = end
	}
}

// part returns the segments from byte position from to end.
func part(all []segment, from, end int) []segment {
	var out []segment
	at := 0
	for _, s := range all {
		lo, hi := max(from-at, 0), min(end-at, len(s.text))
		if lo < hi {
			out = append(out, segment{s.text[lo:hi], s.style})
		}
		at += len(s.text)
	}
	return out
}
