package render

import (
	"fmt"
	"unicode/utf8"

	"usher/backend/safetext"
)

// Printable returns a line of JSON in which the characters that a terminal may act
// on, and that encoding/json does not escape, are \u escapes. A JSON parser reads
// the same text.
func Printable(line []byte) []byte {
	plain := true
	for _, c := range line {
		plain = plain && c < 0x7f
	}
	if plain {
		return line
	}
	out := make([]byte, 0, len(line)+16)
	for len(line) > 0 {
		r, n := utf8.DecodeRune(line)
		switch {
		case r < 0x7f || r > 0x7f && safetext.Line(string(r)) == string(r):
			out = append(out, line[:n]...)
		case r <= 0xffff:
			out = fmt.Appendf(out, `\u%04x`, r)
		default: // a surrogate pair, RFC 8259 §7
			out = fmt.Appendf(out, `\u%04x\u%04x`, 0xd800+(r-0x10000)>>10, 0xdc00+(r-0x10000)&0x3ff)
		}
		line = line[n:]
	}
	return out
}
