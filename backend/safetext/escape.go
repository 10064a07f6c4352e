package safetext

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxMarks is the largest number of combining marks on one letter. Vietnamese
// needs two, Thai and pointed Hebrew three; more than four leave their row.
const maxMarks = 4

// Span is a piece of a safe text. An escaped piece replaces characters that
// cannot be displayed; its style is one that no name can imitate.
type Span struct {
	Text    string
	Escaped bool
}

// Spans returns String in pieces, with neighbors of one kind joined. The result
// is empty for an empty text.
func (t Text) Spans() []Span {
	s := t.Raw()
	if s == "" {
		return nil
	}
	if plain(s) {
		return []Span{{Text: s}}
	}
	return split(s)
}

// plain reports whether s is printable ASCII without a backslash. Most names are,
// and need no allocation.
func plain(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '\\' {
			return false
		}
	}
	return true
}

// split escapes s. Backslashes are doubled only where the result could be read
// as an escape: if any character is escaped, or if s itself looks like escaped
// text. So C:\dir is unchanged, and a text with the characters \u{1b} differs
// from a text with an escape character.
func split(s string) []Span { return splitAlso(s, nil) }

// splitAlso is split with further characters to escape, by their byte positions.
func splitAlso(s string, also map[int]bool) []Span {
	spans, escaped := pieces(s, looksEscaped(s), also)
	if escaped {
		spans, _ = pieces(s, true, also)
	}
	return spans
}

// looksEscaped reports whether s holds the beginning of an escape. Line and
// Unescape both use it, which makes the pair reversible: escaped text always
// holds such a beginning, and unescaped text never does.
func looksEscaped(s string) bool {
	return strings.Contains(s, `\\`) || strings.Contains(s, `\x`) || strings.Contains(s, `\u{`)
}

// pieces cuts s into spans, and reports whether any of them is escaped.
func pieces(s string, double bool, also map[int]bool) (spans []Span, escaped bool) {
	out := make([]byte, 0, len(s)+16)
	var ends []int          // where each span ends in out; the kinds alternate
	marks, base := 0, false // combining marks so far, and whether they have a letter
	was := false            // whether the span being written is escaped
	for i, size := 0, 0; i < len(s); i += size {
		r, n := utf8.DecodeRuneInString(s[i:])
		size = n
		mark := unicode.Is(unicode.M, r)
		bad := r == utf8.RuneError && n == 1
		esc := bad || !unicode.IsPrint(r) || invisible(r) || mark && (!base || marks == maxMarks) || r == '\\' && double || also[i]
		if esc != was {
			ends, was = append(ends, len(out)), esc
		}
		switch {
		case !esc:
			out = append(out, s[i:i+n]...)
		case bad:
			out = fmt.Appendf(out, `\x%02x`, s[i])
		case r == '\\':
			out = append(out, `\\`...)
		default:
			out = fmt.Appendf(out, `\u{%x}`, r)
		}
		switch {
		case !mark:
			marks, base = 0, !esc
		case !esc:
			marks++
		}
	}
	ends = append(ends, len(out))
	text, start := string(out), 0
	for k, end := range ends {
		if start < end {
			spans = append(spans, Span{Text: text[start:end], Escaped: k%2 == 1})
		}
		start = end
	}
	return spans, len(ends) > 1
}

// invisible reports characters that Unicode calls printable and that have no
// visible form: fillers, joiners and variation selectors.
func invisible(r rune) bool {
	switch r {
	case '\u2800', '\U0001d159', '\U00016fe4': // blank braille, null notehead, Khitan filler
		return true
	}
	return unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
}

// errNotEscaped is the error of Unescape for a text that Line never returns.
var errNotEscaped = errors.New("this is not text that usher printed")

// Unescape returns the bytes that Line escaped. It refuses any text that Line
// does not return, so that every text has one escaped form.
func Unescape(s string) (string, error) {
	raw, err := unescape(s)
	if err != nil || Line(raw) != s {
		return "", errNotEscaped
	}
	return raw, nil
}

func unescape(s string) (string, error) {
	if !looksEscaped(s) {
		return s, nil
	}
	var b strings.Builder
	for s != "" {
		plain, rest, found := strings.Cut(s, `\`)
		b.WriteString(plain)
		if !found {
			break
		}
		switch {
		case strings.HasPrefix(rest, `\`):
			b.WriteByte('\\')
			s = rest[1:]
		case strings.HasPrefix(rest, "x") && len(rest) >= 3:
			n, err := strconv.ParseUint(rest[1:3], 16, 8)
			if err != nil {
				return "", errNotEscaped
			}
			b.WriteByte(byte(n))
			s = rest[3:]
		case strings.HasPrefix(rest, "u{"):
			digits, after, closed := strings.Cut(rest[2:], "}")
			n, err := strconv.ParseUint(digits, 16, 21)
			if !closed || err != nil {
				return "", errNotEscaped
			}
			b.WriteRune(rune(n))
			s = after
		default:
			return "", errNotEscaped
		}
	}
	return b.String(), nil
}
