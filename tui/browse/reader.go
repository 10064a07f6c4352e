package browse

import (
	"bytes"
	"fmt"
	"strings"
	"unicode/utf8"

	"charm.land/bubbles/v2/viewport"

	"usher/backend/safetext"
	"usher/client/quantity"
	"usher/tui/format"
	"usher/tui/keys"
	"usher/tui/pane"
)

// reader shows the beginning of a file, as lines of text or as hexadecimal bytes.
// The data is passed to newReader.
type reader struct {
	entry Entry
	note  string
	port  viewport.Model
}

func newReader(e Entry, data []byte, env *pane.Env) *reader {
	r := &reader{entry: e, port: viewport.New()}
	r.note = "all " + quantity.Plural(len(data), "byte", "bytes")
	if int64(len(data)) < e.Size {
		r.note = "the first " + quantity.Size(int64(len(data))) + " of " + quantity.Size(e.Size)
	}
	lines := textLines(data)
	if lines == nil {
		r.note += ", not text"
		lines = hexLines(data[:min(len(data), 4096)])
	}
	for i, l := range lines {
		lines[i] = " " + env.Theme.Text.Paint(l)
	}
	r.port.SetContentLines(lines)
	return r
}

// textLines returns the lines of a text, each safe to print, or nil for bytes that
// are not UTF-8 text. An incomplete character at the end is dropped.
func textLines(data []byte) []string {
	for n := 0; n < utf8.UTFMax && len(data) > 0 && !utf8.Valid(data); n++ {
		data = data[:len(data)-1]
	}
	if !utf8.Valid(data) || bytes.IndexByte(data, 0) >= 0 {
		return nil
	}
	text := strings.ReplaceAll(strings.TrimSuffix(string(data), "\n"), "\r\n", "\n")
	lines := strings.Split(text, "\n")
	for i, l := range lines {
		lines[i] = safetext.Line(strings.ReplaceAll(l, "\t", "    "))
	}
	return lines
}

func hexLines(data []byte) []string {
	var lines []string
	for at := 0; at < len(data); at += 16 {
		row := data[at:min(at+16, len(data))]
		var hex, text strings.Builder
		for i, b := range row {
			if i == 8 {
				hex.WriteByte(' ')
			}
			fmt.Fprintf(&hex, "%02x ", b)
			if b < ' ' || b > '~' {
				b = '.'
			}
			text.WriteByte(b)
		}
		lines = append(lines, fmt.Sprintf("%08x  %-49s %s", at, hex.String(), text.String()))
	}
	return lines
}

// typing is false: a reader has no text field. The reader may be nil.
func (r *reader) typing() bool { return false }

func (r *reader) do(a keys.Action) { pane.Scroll(&r.port, a) }

func (r *reader) view(env *pane.Env, w, h int) string {
	r.port.SetWidth(w)
	r.port.SetHeight(h - 1)
	name := format.Middle(r.entry.Name.Distinct(), max(8, w-30), env.Theme.Glyphs.Ellipsis)
	return env.Theme.Head(name, r.note, w, true) + "\n" + r.port.View()
}
