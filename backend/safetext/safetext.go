package safetext

import (
	"fmt"
	"log/slog"
	"strconv"
	"strings"
)

// Text is untrusted text. It is safe with every verb of fmt; Raw alone returns
// the bytes, for the wire and for comparison. The zero Text is empty.
//
// Compare Texts with Equal: == compares pointers.
type Text struct{ raw *string } // a pointer, so that no fmt verb can reach the bytes

// New accepts any bytes.
func New(s string) Text { return Text{&s} }

// Raw returns the original bytes. They are for the wire and for comparison,
// never for a screen, a log or a file name.
func (t Text) Raw() string {
	if t.raw == nil {
		return ""
	}
	return *t.raw
}

// String returns the text with every unsafe character escaped.
func (t Text) String() string { return Line(t.Raw()) }

// Len returns the number of raw bytes.
func (t Text) Len() int { return len(t.Raw()) }

// IsZero reports whether the text is empty.
func (t Text) IsZero() bool { return t.Len() == 0 }

// Equal reports whether two texts have the same raw bytes.
func (t Text) Equal(u Text) bool { return t.Raw() == u.Raw() }

// Compare orders texts by their raw bytes, as S3 orders keys.
func (t Text) Compare(u Text) int { return strings.Compare(t.Raw(), u.Raw()) }

// Escaped reports whether String differs from Raw. A clipboard command needs it
// for its question before it copies raw bytes.
func (t Text) Escaped() bool { return !plain(t.Raw()) && t.String() != t.Raw() }

// GoString returns the form of %#v.
func (t Text) GoString() string { return "safetext.Text(" + strconv.Quote(t.String()) + ")" }

// LogValue returns the form for log/slog.
func (t Text) LogValue() slog.Value { return slog.StringValue(t.String()) }

// MarshalText returns the escaped form, so that a Text inside a value is safe in
// JSON or YAML, and not an empty object. There is no UnmarshalText: wire types
// hold plain strings, which become Text at the decoder.
func (t Text) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// Format prints the escaped form for every verb: %#v as GoString, %q quoted,
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
