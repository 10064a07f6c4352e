package cells

import "unicode/utf8"

// Narrow reports whether a character has one cell in every terminal: one code point of
// European letters, signs, lines and blocks.
func Narrow(s string) bool {
	r, n := utf8.DecodeRuneInString(s)
	return n == len(s) && (r >= ' ' && r < 0x300 && (r < 0x7f || r >= 0xa0) && r != 0xad || r >= 0x370 && r < 0x483 || r >= 0x48a && r < 0x530 ||
		r >= 0x2010 && r < 0x2028 || r >= 0x2030 && r < 0x205f || r >= 0x2190 && r < 0x231a || r >= 0x2500 && r < 0x25fd || r == 0x2713 || r == 0x2717)
}

// Wide reports whether a character has two cells in every terminal: one code point of
// Chinese, Japanese or Korean.
func Wide(s string) bool {
	r, n := utf8.DecodeRuneInString(s)
	return n == len(s) &&
		(r >= 0x3041 && r <= 0x3096 || r >= 0x30a0 && r < 0x3100 || r >= 0x3400 && r < 0x4dc0 || r >= 0x4e00 && r < 0xa000 || r >= 0xac00 && r < 0xd7a4)
}

// Uncertain reports whether terminals may differ in the width of a plain text.
func Uncertain(s string) bool {
	for s != "" {
		text, width, printed := First(s)
		if printed && !Narrow(text) && !(width == 2 && Wide(text)) {
			return true
		}
		s = s[len(text):]
	}
	return false
}
