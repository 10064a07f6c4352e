package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/charmbracelet/x/ansi"

	"usher/backend/safetext"
	"usher/session"
)

// safe escapes untrusted text for one line.
func safe(s string) string { return safetext.Line(s) }

func hostOf(p session.Profile) string {
	u, err := url.Parse(p.Server)
	if err != nil {
		return safe(p.Server)
	}
	return u.Host
}

// bytesOf parses an amount such as 800k, 10M, 1.5G or 2MiB: k, M, G and T are
// decimal, ki, Mi, Gi and Ti binary, with an optional B at the end.
func bytesOf(s string) (int64, error) {
	text := strings.TrimSuffix(strings.TrimSpace(s), "B")
	digits := strings.TrimRight(text, "kKMGTi")
	n, err := strconv.ParseFloat(digits, 64)
	unit, ok := map[string]float64{
		"": 1, "k": 1e3, "K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12,
		"ki": 1 << 10, "Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30, "Ti": 1 << 40,
	}[text[len(digits):]]
	if err != nil || !ok || !(n*unit >= 1 && n*unit < 1<<62) {
		return 0, usagef("%s is not an amount of bytes. Write it like 800k, 10M or 2MiB.", safe(s))
	}
	return int64(n * unit), nil
}

// atLeast parses a whole number.
func atLeast(s string, least int) (int, error) {
	n, err := strconv.Atoi(s)
	if err != nil || n < least {
		return 0, fmt.Errorf("it is a whole number of at least %d", least)
	}
	return n, nil
}

// hint prints a line for a person on stderr, unless JSON or quiet output was
// requested.
func (a *app) hint(format string, args ...any) {
	if !a.json && !a.quiet {
		fmt.Fprintf(a.Err, format+"\n", args...)
	}
}

// message prints a line for the person on stderr.
func (a *app) message(format string, args ...any) {
	fmt.Fprintf(a.Err, "usher: "+format+"\n", args...)
}

// shellQuote quotes a word for a POSIX shell. Unprintable text is escaped, and a
// shell cannot read it back.
func shellQuote(s string) string {
	s = safe(s)
	if s == "" || strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-+=:@%") == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// table pads columns to the widest cell; the last column has no padding.
type table struct {
	rows   [][]string
	widest int // cells of a padded column at most; 0: no limit
}

func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

func (t *table) write(w io.Writer) {
	var widths []int
	for _, row := range t.rows {
		for i, cell := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			width := ansi.StringWidth(cell)
			if t.widest > 0 {
				width = min(width, t.widest)
			}
			widths[i] = max(widths[i], width)
		}
	}
	for _, row := range t.rows {
		var line strings.Builder
		for i, cell := range row {
			line.WriteString(cell)
			if i < len(row)-1 {
				line.WriteString(strings.Repeat(" ", max(widths[i]-ansi.StringWidth(cell), 0)+2))
			}
		}
		fmt.Fprintln(w, strings.TrimRight(line.String(), " "))
	}
}

// writeJSON writes one value on one line. Characters that a terminal may act on,
// and that encoding/json does not escape, become \u escapes. A JSON parser reads
// the same string.
func (a *app) writeJSON(w io.Writer, v any) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		a.debugf("writing JSON: %v", err)
		return
	}
	_, _ = w.Write(printableJSON(b.Bytes()))
}

func printableJSON(line []byte) []byte {
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

// lines escapes an error with several lines, such as one with an excerpt of a
// file, line by line.
func lines(err error) string {
	all := strings.Split(scrub(strings.TrimSpace(err.Error())), "\n")
	for i, l := range all {
		all[i] = safe(l)
	}
	return strings.Join(all, "\n")
}

// sortedKeys returns the keys of a map in order.
func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
