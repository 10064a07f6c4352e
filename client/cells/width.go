package cells

import (
	"strings"
	"unicode/utf8"

	"github.com/charmbracelet/x/ansi"
)

// Width returns the number of cells that a plain or painted text has at most.
func Width(s string) int {
	n := 0
	for s != "" {
		p := next(s)
		n += p.width
		s = s[len(p.text):]
	}
	return n
}

// First returns the first character of a text that is not empty, with its marks and
// its cells, or its first sequence, which is not printed.
func First(s string) (text string, width int, printed bool) {
	p := next(s)
	return p.text, p.width, p.print
}

// piece is the beginning of a text: one character with its marks, or one sequence.
type piece struct {
	text  string
	width int  // cells; 0 for a sequence
	print bool // no sequence and no control character
}

// next returns the first piece of a text that is not empty.
func next(s string) piece {
	if c := s[0]; c >= 0x20 && c < 0x7f && (len(s) == 1 || s[1] < 0xc0) {
		return piece{text: s[:1], width: 1, print: true}
	}
	var text string
	var whole int
	if s[0] >= 0x20 && s[0] != 0x7f && (s[0] < 0x80 || s[0] >= 0xc0) {
		text, whole = ansi.FirstGraphemeCluster(s, ansi.GraphemeWidth)
	} else {
		var n int
		if text, whole, n, _ = ansi.DecodeSequence(s, ansi.NormalState, nil); n == 0 {
			text = s[:1]
		}
		return piece{text: text, width: whole}
	}
	if whole == 1 && narrow(text) {
		return piece{text: text, width: 1, print: true}
	}
	return piece{text: text, width: max(whole, ansi.StringWidthWc(text)), print: true}
}

// narrow reports whether a text is one character of a few blocks that has one cell by
// both measures. The measure of code points builds a table of 1.1 MB when it is first
// used, which the first frame does without: the program's own glyphs are of these blocks.
func narrow(text string) bool {
	r, n := utf8.DecodeRuneInString(text)
	if n != len(text) {
		return false
	}
	switch {
	case r > 0xad && r < 0x300: // Latin
	case r >= 0x390 && r < 0x483: // Greek, Cyrillic
	case r >= 0x2010 && r < 0x2028, r >= 0x2030 && r < 0x203c: // punctuation
	case r >= 0x2190 && r < 0x219a, r >= 0x2500 && r < 0x25fd, r >= 0x2800 && r < 0x2900: // arrows, boxes, Braille
	default:
		return false
	}
	return true
}

// Truncate cuts a plain or painted text at its end to w cells, tail included. It keeps
// all sequences.
func Truncate(s string, w int, tail string) string {
	if Width(s) <= w {
		return s
	}
	room := w - Width(tail)
	if room < 0 {
		return ""
	}
	var b strings.Builder
	for full := false; s != ""; {
		p := next(s)
		s = s[len(p.text):]
		if p.width > room && !full {
			full = true
			b.WriteString(tail)
		}
		if p.print && full {
			continue
		}
		room -= p.width
		b.WriteString(p.text)
	}
	return b.String()
}

// TruncateLeft removes the first n cells of a plain or painted text. A wide character
// that begins before this cell and ends after it remains. All sequences remain.
func TruncateLeft(s string, n int) string {
	if n <= 0 {
		return s
	}
	var b strings.Builder
	for at := 0; s != ""; {
		p := next(s)
		s = s[len(p.text):]
		at += p.width
		if !p.print || at > n {
			b.WriteString(p.text)
		}
	}
	return b.String()
}

// Last returns the longest end of a text that has at most w cells.
func Last(s string, w int) string {
	over := Width(s) - w
	tail := TruncateLeft(s, over)
	for Width(tail) > w && over < Width(s) { // a wide character is at the cut
		over++
		tail = TruncateLeft(s, over)
	}
	return tail
}

// Cut returns the cells [left, right) of a plain or painted text.
func Cut(s string, left, right int) string {
	return TruncateLeft(Truncate(s, right, ""), left)
}

// Shortest is the smallest width of the last line of a sentence, in cells: a piece of
// punctuation has no line of its own.
const Shortest = 3

// Wrap breaks a text into lines of at most w cells, at spaces where possible. A last line
// that is too short begins one word earlier.
func Wrap(s string, w int) []string {
	var out []string
	for paragraph := range strings.SplitSeq(s, "\n") {
		lines := strings.Split(ansi.Wrap(paragraph, max(1, w), " "), "\n")
		for _, line := range lengthened(paragraph, lines, w) {
			out = append(out, split(line, max(1, w))...)
		}
	}
	return out
}

// lengthened moves the word before the last line of a paragraph onto this line, if the
// line is too short and has room.
func lengthened(paragraph string, lines []string, w int) []string {
	n := len(lines)
	last := strings.TrimRight(lines[n-1], " ")
	if n < 2 || last == "" || Width(last) >= Shortest {
		return lines
	}
	before := strings.TrimRight(lines[n-2], " ")
	at := strings.LastIndexByte(before, ' ') + 1
	word := before[at:]
	if strings.HasSuffix(strings.TrimRight(paragraph, " "), " "+last) { // else the break is in a word
		word += " "
	}
	if head := strings.TrimRight(before[:at], " "); head != "" && Width(word+last) <= w {
		lines[n-2], lines[n-1] = head, word+last
	}
	return lines
}

// Hardwrap breaks a text into lines of at most w cells, also within a word. It loses
// no space.
func Hardwrap(s string, w int) []string {
	var out []string
	for _, line := range strings.Split(s, "\n") {
		out = append(out, split(line, max(1, w))...)
	}
	return out
}

// split breaks one line. A character that is wider than w has a line of its own.
func split(s string, w int) []string {
	var out []string
	var b strings.Builder
	for used := 0; s != ""; {
		p := next(s)
		s = s[len(p.text):]
		if used > 0 && used+p.width > w {
			out = append(out, b.String())
			b.Reset()
			used = 0
		}
		used += p.width
		b.WriteString(p.text)
	}
	return append(out, b.String())
}
