// Package safetexttest holds a corpus of hostile texts and the check of rendered
// output. Each payload is one class of attack on a terminal or on the reader's
// eye. No payload may reach a screen, a log or a file name unescaped.
package safetexttest

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Payload is one class of hostile text.
type Payload struct {
	Name string
	Text string
}

// Payloads returns all classes: control characters, terminal sequences in
// their 7-bit, 8-bit and UTF-8 forms, reordering and invisible characters,
// bytes that are not UTF-8, and rows that are too wide or too tall.
func Payloads() []Payload {
	return []Payload{
		{"NUL", "a\x00b"},
		{"BEL", "a\ab"},
		{"backspace overprint", "evil\b\b\b\bgood"},
		{"tab", "a\tb"},
		{"newline", "a\nb"},
		{"vertical tab and form feed", "a\v\fb"},
		{"carriage return spoof", "invoice.pdf\rpayroll.pdf"},
		{"shift out, shift in", "\x0eabc\x0f"},
		{"bare ESC", "a\x1bb"},
		{"DEL", "a\x7fb"},
		{"CSI cursor move", "\x1b[10;10Hx"},
		{"CSI clear screen", "\x1b[2J\x1b[3J"},
		{"CSI as byte 9B", "\x9b2J"},
		{"CSI as U+009B", "\u009b2J"},
		{"device status report", "\x1b[6n"},
		{"device attributes", "\x1b[c"},
		{"title report", "\x1b[21t"},
		{"alternate screen", "\x1b[?1049h"},
		{"modifyOtherKeys", "\x1b[>4;2m"},
		{"bracketed paste spoof", "\x1b[200~rm -rf .\n\x1b[201~"},
		{"color", "\x1b[31mred\x1b[0m"},
		{"OSC title", "\x1b]0;owned\a"},
		{"OSC color query", "\x1b]11;?\x1b\\"},
		{"OSC working directory", "\x1b]7;file:///etc\a"},
		{"OSC link", "\x1b]8;;https://evil.example\x1b\\click\x1b]8;;\x1b\\"},
		{"OSC notify", "\x1b]9;hi\a\x1b]777;notify;a;b\a"},
		{"OSC clipboard write", "\x1b]52;c;cm0gLXJmIC4K\a"},
		{"OSC clipboard read", "\x1b]52;c;?\a"},
		{"OSC shell marks and inline file", "\x1b]133;A\a\x1b]1337;File=inline=1:AA==\a"},
		{"OSC as U+009D", "\u009d0;owned\u009c"},
		{"OSC unterminated", "\x1b]0;swallows the screen"},
		{"DCS", "\x1bP$qm\x1b\\\u0090q\u009c"},
		{"APC, PM, SOS", "\x1b_Gf=24;AAAA\x1b\\\x1b^x\x1b\\\x1bXx\x1b\\"},
		{"reset", "\x1bc"},
		{"DECALN and charset", "\x1b#8\x1b(0lqqk"},
		{"right-to-left override", "report\u202efdp.exe"},
		{"bidirectional isolates", "a\u2066b\u2067c\u2068d\u2069"},
		{"direction marks", "a\u200eb\u200fc\u061cd"},
		{"zero-width", "a\u200bb\u200cc\u200dd\ufeffe\u2060f"},
		{"soft hyphen", "in\u00advoice"},
		{"line and paragraph separators, next line", "a\u2028b\u2029c\u0085d"},
		{"tags and variation selectors", "a\U000e0041\U000e0042\ufe0f\U000e0100\u180b"},
		{"invisible but printable", "a\u3164b\u115fc\uffa0d\u2800e\u1160f\u034f"},
		{"spaces that are not a space", "a\u00a0b\u2003c\u3000d\u202fe"},
		{"stacked combining marks", "a" + strings.Repeat("\u0301", 40)},
		{"not UTF-8", "a\xff\xfe\xc0\xaf\xed\xa0\x80b\xf4\x90\x80\x80"},
	}
}

// Leaks returns the parts of a rendered text that could act on a terminal or
// mislead the reader. It is nil if every payload is escaped. A newline is a leak
// too; a caller that prints rows splits the text first.
func Leaks(s string) error {
	marks := 0
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			return fmt.Errorf("byte %d: %#x is not UTF-8", i, s[i])
		case !unicode.IsPrint(r):
			return fmt.Errorf("byte %d: %U does not print", i, r)
		case unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector) || r == '\u2800':
			return fmt.Errorf("byte %d: %U is invisible", i, r)
		}
		if unicode.Is(unicode.M, r) {
			if marks++; marks > 4 || i == 0 {
				return fmt.Errorf("byte %d: %U is one combining mark too many", i, r)
			}
		} else {
			marks = 0
		}
		i += n
	}
	return nil
}
