// Package safetext is the one way for text that others wrote (object names,
// error bodies, audit fields, server replies) to reach a terminal, a log, a
// CSV file or a local file name.
//
// It promises that what it returns is valid UTF-8 on one line, holds no
// control, bidirectional, zero-width or otherwise invisible character, and
// reads back to the very bytes it came from: two different inputs never print
// the same. (Stripping would not do: it makes two names look like one.)
//
//	a byte that is not UTF-8                     \xNN
//	a character that does not print, or prints
//	as nothing, newline and tab included         \u{1b}
//	a combining mark without a letter before it,
//	or the fifth and later ones on one letter    \u{301}
//	a backslash, where it could be mistaken      \\
//
// Everything else stays as it is, also letters that look alike in two
// scripts, and the two Unicode spellings of é: what is printed differs, even
// where a font shows the same picture.
//
// The package leaves to others how wide a text is and where to cut it.
package safetext

import (
	"fmt"
	"log/slog"
	"strconv"
	"strings"
)

// Text is something a bucket, a token or a person wrote. Printing it with any
// verb is always safe; only Raw gives the bytes, for the wire and for
// comparison. The zero Text is empty.
//
// Compare Texts with Equal: == asks whether two were made by the same New.
type Text struct{ raw *string } // a pointer, so that no fmt verb can reach the bytes

// New takes any bytes at all.
func New(s string) Text { return Text{&s} }

// Raw gives the bytes as they came. They are for the wire and for comparison,
// never for a screen, a log or a file name.
func (t Text) Raw() string {
	if t.raw == nil {
		return ""
	}
	return *t.raw
}

// String is the text with everything unsafe escaped.
func (t Text) String() string { return Line(t.Raw()) }

// Len is the number of raw bytes.
func (t Text) Len() int { return len(t.Raw()) }

// IsZero says whether the text is empty.
func (t Text) IsZero() bool { return t.Len() == 0 }

// Equal says whether two texts have the same raw bytes.
func (t Text) Equal(u Text) bool { return t.Raw() == u.Raw() }

// Compare orders texts by their raw bytes, as S3 orders keys.
func (t Text) Compare(u Text) int { return strings.Compare(t.Raw(), u.Raw()) }

// Escaped says whether String differs from Raw, so that a person can be asked
// before the raw bytes go to a clipboard.
func (t Text) Escaped() bool { return !plain(t.Raw()) && t.String() != t.Raw() }

// GoString is what %#v prints.
func (t Text) GoString() string { return "safetext.Text(" + strconv.Quote(t.String()) + ")" }

// LogValue is what log/slog writes.
func (t Text) LogValue() slog.Value { return slog.StringValue(t.String()) }

// MarshalText gives the escaped form, so that a Text inside a value that is
// logged or printed as JSON or YAML is safe and not a silent {}. There is no
// UnmarshalText: wire types hold plain strings, which become Text where they
// are decoded.
func (t Text) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// Format answers every verb from the escaped form: %#v as GoString, %q quoted,
// %x and %X in hexadecimal, and all others as %s. Width, precision and the
// minus flag count.
func (t Text) Format(f fmt.State, verb rune) {
	s := t.String()
	switch {
	case verb == 'v' && f.Flag('#'):
		s = t.GoString()
	case verb == 'q':
		s = strconv.Quote(s)
	case verb == 'x':
		s = fmt.Sprintf("%x", s)
	case verb == 'X':
		s = fmt.Sprintf("%X", s)
	}
	format := "%"
	if f.Flag('-') {
		format += "-"
	}
	if w, ok := f.Width(); ok {
		format += strconv.Itoa(w)
	}
	if p, ok := f.Precision(); ok {
		format += "." + strconv.Itoa(p)
	}
	fmt.Fprintf(f, format+"s", s)
}

// Line escapes s for a line of a log or of a terminal: the same as
// New(s).String().
func Line(s string) string {
	if plain(s) {
		return s
	}
	spans := split(s)
	if len(spans) == 1 && !spans[0].Escaped {
		return s
	}
	var b strings.Builder
	for _, span := range spans {
		b.WriteString(span.Text)
	}
	return b.String()
}

// CSV escapes s for a cell that a spreadsheet will open, so that no cell is
// taken for a formula: what begins like one, or with an apostrophe, gets an
// apostrophe in front. Quoting commas and quotes is left to encoding/csv.
//
// SPEC: OWASP, CSV Injection: = + - @, tab and carriage return, and the
// full-width forms of the four; tab and carriage return are escaped by Line.
func CSV(s string) string {
	line := Line(s)
	first := strings.TrimLeft(line, " ")
	if first == "" {
		return line
	}
	if strings.ContainsAny(string([]rune(first)[0]), "=+-@'\uff1d\uff0b\uff0d\uff20") {
		return "'" + line
	}
	return line
}
