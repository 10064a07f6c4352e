package preview

import (
	"context"
	"strings"
	"unicode/utf8"
)

// showMarkdown shows Markdown without its signs. Entities and HTML stay as they are
// written.
func showMarkdown(ctx context.Context, d *Doc, in input) error {
	text, ok := d.decode(in)
	if !ok {
		return damaged("it is not text")
	}
	m := markdown{out: &Text{Title: "page"}}
	shown := cut(text, mostColored)
	if len(shown) < len(text) {
		d.note("The page stops after %d bytes. The text has the rest.", mostColored)
	}
	lines := strings.Split(shown, "\n")
	for i := 0; i < len(lines); {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		i += m.block(lines[i:])
	}
	m.flush()
	d.add(m.out)
	d.add(d.lines("text", text))
	return nil
}

// markdown collects the lines of a page.
type markdown struct {
	out       *Text
	paragraph string
	mark      string // of the list item or the quotation
}

// block adds the first block of the lines, and returns the number of its lines.
func (m *markdown) block(lines []string) int {
	line := strings.TrimRight(lines[0], " \t\r")
	start := strings.TrimLeft(line, " ")
	switch {
	case start == "":
		m.flush()
		m.put("", nil)
		return 1
	case strings.HasPrefix(start, "```"), strings.HasPrefix(start, "~~~"):
		m.flush()
		return m.fence(lines, start[:3])
	case heading(start) > 0:
		m.flush()
		m.styled(strings.TrimSpace(strings.Trim(start, "#")), Heading)
		return 1
	case len(lines) > 1 && m.paragraph == "" && underline(lines[1]):
		m.styled(start, Heading)
		return 2
	case ruler(start):
		m.flush()
		m.styled(strings.Repeat("-", 40), Quiet)
		return 1
	case strings.Contains(start, "|") && len(lines) > 1 && tableRule(lines[1]):
		m.flush()
		return m.table(lines)
	}
	if mark := listMark(line); mark != "" {
		m.flush()
		m.mark, start = mark, line[len(mark):]
	} else if rest, quote := strings.CutPrefix(start, ">"); quote {
		m.flush()
		m.mark, start = "| ", strings.TrimSpace(rest)
	}
	if len(m.paragraph)+len(start) > mostLine {
		m.flush()
	}
	if m.paragraph != "" {
		m.paragraph += " "
	}
	m.paragraph += start
	return 1
}

// put adds a line, in pieces if it is long.
func (m *markdown) put(raw string, spans []Span) {
	if len(m.out.Lines) >= mostLines {
		return
	}
	if len(raw) > 2*mostLine {
		raw, spans = cut(raw, 2*mostLine), nil
	}
	m.out.Lines = append(m.out.Lines, Line{Number: len(m.out.Lines) + 1, Raw: raw, Spans: spans})
}

func (m *markdown) styled(raw string, s Style) { m.put(raw, []Span{{len(raw), s}}) }

// flush adds the open paragraph.
func (m *markdown) flush() {
	if m.paragraph == "" && m.mark == "" {
		return
	}
	var b inline
	b.emit(m.mark, Keyword)
	b.text(m.paragraph)
	m.put(b.raw.String(), b.spans)
	m.paragraph, m.mark = "", ""
}

// fence adds a block of code.
func (m *markdown) fence(lines []string, end string) int {
	for i, l := range lines[1:] {
		if strings.HasPrefix(strings.TrimSpace(l), end) {
			return i + 2
		}
		m.styled("    "+strings.TrimRight(l, "\r"), Code)
	}
	return len(lines)
}

func heading(s string) int {
	n := len(s) - len(strings.TrimLeft(s, "#"))
	if n > 6 || n == len(s) || s[n] != ' ' {
		return 0
	}
	return n
}

func underline(s string) bool {
	s = strings.TrimSpace(s)
	return len(s) > 2 && (strings.Trim(s, "=") == "" || strings.Trim(s, "-") == "")
}

func ruler(s string) bool {
	s = strings.ReplaceAll(s, " ", "")
	return len(s) > 2 && (strings.Trim(s, "-") == "" || strings.Trim(s, "*") == "" || strings.Trim(s, "_") == "")
}

// listMark returns the indentation and the mark of a list item, "" for none.
func listMark(s string) string {
	indent := len(s) - len(strings.TrimLeft(s, " "))
	rest := s[indent:]
	digits := len(rest) - len(strings.TrimLeft(rest, "0123456789"))
	switch {
	case digits > 0 && digits < 10 && len(rest) > digits+1 && strings.ContainsRune(".)", rune(rest[digits])) && rest[digits+1] == ' ':
		return s[:indent+digits+2]
	case len(rest) > 1 && strings.ContainsRune("-*+", rune(rest[0])) && rest[1] == ' ':
		return s[:indent+2]
	}
	return ""
}

func tableRule(s string) bool {
	s = strings.TrimSpace(s)
	return strings.Contains(s, "-") && strings.Trim(s, "|-: ") == ""
}

// table adds a table with aligned columns.
func (m *markdown) table(lines []string) int {
	const most = 500 // rows
	var rows [][]string
	n := 0
	for ; n < len(lines) && n < most && strings.Contains(lines[n], "|"); n++ {
		if n == 1 {
			continue
		}
		cells := strings.Split(strings.Trim(strings.TrimSpace(lines[n]), "|"), "|")
		rows = append(rows, cells[:min(len(cells), 50)])
	}
	var widths []int
	for _, r := range rows {
		for i, c := range r {
			r[i] = strings.TrimSpace(c)
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = min(max(widths[i], utf8.RuneCountInString(r[i])), 60)
		}
	}
	for i, r := range rows {
		var b inline
		for c, cell := range r {
			if i == 0 {
				b.emit(cell, Strong)
			} else {
				b.text(cell)
			}
			if c < len(r)-1 {
				b.emit(strings.Repeat(" ", max(0, widths[c]-utf8.RuneCountInString(cell))+2), Plain)
			}
		}
		m.put(b.raw.String(), b.spans)
	}
	return n
}

// inline builds a line with spans.
type inline struct {
	raw   strings.Builder
	spans []Span
}

func (b *inline) emit(s string, style Style) {
	if s == "" {
		return
	}
	b.raw.WriteString(s)
	b.spans = append(b.spans, Span{b.raw.Len(), style})
}

// text adds a text with its emphasis, code and links.
func (b *inline) text(s string) {
	plain := 0
	for i := 0; i < len(s); {
		n, shown, style := mark(s[i:])
		if n == 0 {
			i++
			continue
		}
		b.emit(s[plain:i], Plain)
		b.emit(shown, style)
		i += n
		plain = i
	}
	b.emit(s[plain:], Plain)
}

// mark returns the length of the marked text at the beginning of s, 0 for none.
func mark(s string) (n int, shown string, style Style) {
	for _, m := range []struct {
		sign  string
		style Style
	}{{"`", Code}, {"**", Strong}, {"__", Strong}, {"*", Emphasis}} {
		rest, ok := strings.CutPrefix(s, m.sign)
		if !ok {
			continue
		}
		end := strings.Index(rest, m.sign)
		if end <= 0 || rest[0] == ' ' {
			return 0, "", Plain
		}
		return end + 2*len(m.sign), rest[:end], m.style
	}
	link := strings.TrimPrefix(s, "!")
	if !strings.HasPrefix(link, "[") {
		return 0, "", Plain
	}
	mid := strings.Index(link, "](")
	if mid < 0 {
		return 0, "", Plain
	}
	end := strings.IndexByte(link[mid:], ')')
	if end < 0 {
		return 0, "", Plain
	}
	text, address := link[1:mid], link[mid+2:mid+end]
	if text == "" || text == address {
		return len(s) - len(link) + mid + end + 1, address, Link
	}
	return len(s) - len(link) + mid + end + 1, text + " (" + address + ")", Link
}
