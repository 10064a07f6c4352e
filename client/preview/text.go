package preview

import (
	"bytes"
	"iter"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/unicode"

	"usher/client/quantity"
)

// Text is lines of text.
type Text struct {
	Title string // "text", "source"
	Lines []Line
}

// Name implements View.
func (t *Text) Name() string { return t.Title }

// Line is a line, or a piece of a long one.
type Line struct {
	Number int    // from 1 on; 0: the line continues the one before it
	Raw    string // without the end of line
	Spans  []Span // nil: plain
}

// Span styles a part of a line, from the end of the span before it.
type Span struct {
	To    int // byte position
	Style Style
}

// Style is the role of a text.
type Style uint8

const (
	Plain Style = iota
	Comment
	Keyword
	String
	Number
	Heading
	Strong
	Emphasis
	Code
	Link
	Quiet
	Added
	Removed
)

// isText reports whether the beginning of a file is text: UTF-16 with a byte order
// mark, or bytes with few control characters and few bytes that are not UTF-8.
func isText(data []byte) bool {
	data = data[:min(len(data), int(First))]
	if isUTF16(data) {
		return len(data) > 2
	}
	controls, foreign := 0, 0
	for rest := data; len(rest) > 0; {
		r, n := utf8.DecodeRune(rest)
		switch {
		case r == 0:
			return false
		case r == utf8.RuneError && n == 1 && utf8.FullRune(rest):
			foreign++
		case r < ' ' && !strings.ContainsRune("\t\n\r\f\v\b\x1b", r):
			controls++
		}
		rest = rest[n:]
	}
	return controls <= len(data)/50 && foreign <= len(data)/4
}

// decode returns the text of an input in UTF-8, and reports whether it is text. Bytes
// that are not UTF-8 stay as they are; the screen escapes them.
func (d *Doc) decode(in input) (string, bool) {
	if !isText(in.data) {
		return "", false
	}
	data := in.data
	switch {
	case isUTF16(data):
		whole := in.complete
		if len(data) > mostUnpacked || len(data) == mostUnpacked && !in.complete && in.packed == "" {
			data, whole = data[:mostUnpacked], false
			d.note("The text stops after %s: of a text in UTF-16, no more is shown.", quantity.Size(mostUnpacked))
		}
		if !whole {
			data = wholeUnits(data)
		}
		out, err := unicode.UTF16(unicode.LittleEndian, unicode.UseBOM).NewDecoder().Bytes(data[:len(data)&^1])
		if err != nil {
			return "", false
		}
		d.note("The text is in UTF-16.")
		return string(out), true
	case bytes.HasPrefix(data, []byte("\xef\xbb\xbf")):
		data = data[3:]
	}
	if !in.complete {
		data = wholeRunes(data)
	}
	if !utf8.Valid(data) {
		d.note("Bytes that are not UTF-8 are shown as escapes.")
	}
	return string(data), true
}

// isUTF16 reports whether a text begins with a byte order mark of UTF-16.
func isUTF16(data []byte) bool {
	return bytes.HasPrefix(data, []byte("\xff\xfe")) || bytes.HasPrefix(data, []byte("\xfe\xff"))
}

// IsText reports whether a file is shown as text, by its first bytes. An empty file is.
func IsText(head []byte) bool { return isText(head) }

// WholeText returns the text of a whole file in UTF-8, and sentences about it, which
// hold no text of the file. It reports false for a file that is not text, and for a text
// in UTF-16 of more than 4 MiB.
func WholeText(data []byte) (text string, notes []string, ok bool) {
	if isUTF16(data) && len(data) > mostUnpacked {
		return "", nil, false
	}
	d := &Doc{}
	text, ok = d.decode(input{data: data, complete: true})
	return text, d.Notes, ok
}

// wholeUnits removes half a unit and the first half of a surrogate pair at the end of a
// text in UTF-16.
func wholeUnits(data []byte) []byte {
	data = data[:len(data)&^1]
	high := len(data) - 1 // its byte with the upper bits
	if data[0] == 0xfe {
		high--
	}
	if data[high]&0xfc == 0xd8 {
		return data[:len(data)-2]
	}
	return data
}

// wholeRunes removes an incomplete character at the end.
func wholeRunes(data []byte) []byte {
	for i := 1; i < utf8.UTFMax && i <= len(data); i++ {
		if c := data[len(data)-i]; utf8.RuneStart(c) {
			if !utf8.FullRune(data[len(data)-i:]) {
				return data[:len(data)-i]
			}
			return data
		}
	}
	return data
}

// lines splits a text. Lines of more than mostLine bytes are split into pieces.
func (d *Doc) lines(title, text string) *Text {
	t := &Text{Title: title, Lines: make([]Line, 0, min(strings.Count(text, "\n")+1, mostLines))}
	for number := 1; text != ""; number++ {
		line, rest, _ := strings.Cut(text, "\n")
		line, text = strings.TrimSuffix(line, "\r"), rest
		first := number
		for piece := range Pieces(line) {
			if len(t.Lines) == mostLines {
				d.note("The text stops after %d lines.", mostLines)
				return t
			}
			if first == 0 {
				d.note("Lines of more than %d bytes are shown in pieces.", mostLine)
			}
			t.Lines = append(t.Lines, Line{Number: first, Raw: piece})
			first = 0
		}
	}
	return t
}

// Pieces yields a line in pieces of at most 4,000 bytes, at least one. No character is
// split.
func Pieces(line string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for {
			piece := cut(line, mostLine)
			line = line[len(piece):]
			if !yield(piece) || line == "" {
				return
			}
		}
	}
}

// cut returns the first n bytes of a text, fewer so that no character is split.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for i := n; i > n-utf8.UTFMax; i-- {
		if utf8.RuneStart(s[i]) {
			return s[:i]
		}
	}
	return s[:n]
}

// Bytes is the beginning of a file as bytes.
type Bytes struct{ Data []byte }

// Name implements View.
func (*Bytes) Name() string { return "hex" }
