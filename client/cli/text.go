package cli

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/charmbracelet/x/ansi"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	jsonv1 "github.com/go-json-experiment/json/v1"
	"golang.org/x/term"

	"usher/backend/api/shape"
	"usher/backend/safetext"
	"usher/client/cells"
	"usher/client/cli/render"
	"usher/client/link"
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

// bytesOf parses an amount of at least one byte (shape.Bytes).
func bytesOf(s string) (int64, error) {
	n, ok := shape.Bytes(strings.TrimSpace(s))
	if !ok || n < 1 || n >= 1<<62 {
		return 0, usagef("%s is not an amount of bytes. Write it like 800k, 10M or 2MiB.", safe(s))
	}
	return int64(n), nil
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

// shellQuote quotes a word for a POSIX shell.
func shellQuote(s string) string { return link.Quote(s) }

// table pads columns to the widest cell; the last column has no padding.
type table struct {
	rows   [][]string
	widest int   // cells of a padded column at most; 0: no limit
	widths []int // of the columns, at least; measure sets them
	screen int   // cells of the terminal: a column after text of uncertain width begins at its absolute position; 0: no terminal
}

// terminalWidth returns the cells of a line of the terminal that w writes to; 0 without one.
func terminalWidth(w io.Writer) int {
	if f, ok := w.(interface{ Fd() uintptr }); ok {
		if cells, _, err := term.GetSize(int(f.Fd())); err == nil {
			return cells
		}
	}
	return 0
}

// placing returns the cells of the terminal for a table on stdout; 0 if stdout is no
// terminal, or one for which lines are not painted.
func (a *app) placing() int {
	if !a.OutTTY || a.lines {
		return 0
	}
	return terminalWidth(a.Out)
}

// writeTable prints a table on stdout.
func (a *app) writeTable(t *table) {
	t.screen = a.placing()
	t.write(a.Out)
}

func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

func (t *table) write(w io.Writer) {
	for _, row := range t.rows {
		t.measure(row)
	}
	for _, row := range t.rows {
		_ = t.writeRow(w, row) // output keeps the error
	}
}

// measure widens the columns for a row.
func (t *table) measure(row []string) {
	for i, cell := range row {
		if i == len(t.widths) {
			t.widths = append(t.widths, 0)
		}
		width := cells.Width(cell)
		if t.widest > 0 {
			width = min(width, t.widest)
		}
		t.widths[i] = max(t.widths[i], width)
	}
}

// writeRow writes a row of measured columns.
func (t *table) writeRow(w io.Writer, row []string) error {
	var line strings.Builder
	column := 1
	for i, cell := range row {
		line.WriteString(cell)
		if i == len(row)-1 {
			break
		}
		line.WriteString(strings.Repeat(" ", max(t.widths[i]-cells.Width(cell), 0)+2))
		column += max(t.widths[i], cells.Width(cell)) + 2
		if column <= t.screen && cells.Uncertain(cell) {
			line.WriteString(ansi.CursorHorizontalAbsolute(column))
		}
	}
	_, err := fmt.Fprintln(w, strings.TrimRight(line.String(), " "))
	return err
}

// writeJSON writes one value on one line, or in the form of --format or --jq.
// Times have milliseconds and are UTC. Characters that a terminal may act on, and
// that JSON does not escape, become \u escapes. A JSON parser reads the same string.
func (a *app) writeJSON(w io.Writer, v any) {
	line, err := encodeJSON(v)
	if err != nil {
		a.debugf("writing JSON: %v", err)
		return
	}
	if a.shape != nil && w != a.Err {
		a.shape.render(w, line)
		return
	}
	_, _ = w.Write(append(render.Printable(line), '\n'))
}

// millis is the form of all times in JSON.
const millis = "2006-01-02T15:04:05.000Z"

func encodeJSON(v any) ([]byte, error) {
	return json.Marshal(v, jsonv1.DefaultOptionsV1(), jsontext.EscapeForHTML(false), json.WithMarshalers(json.MarshalToFunc(
		func(e *jsontext.Encoder, t time.Time) error {
			return e.WriteToken(jsontext.String(t.UTC().Format(millis)))
		})))
}

// shaped is the form of --format or --jq. It keeps the first failure.
type shaped struct {
	by  render.Renderer
	mu  sync.Mutex
	err error
}

func (s *shaped) render(w io.Writer, line []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		s.err = s.by.Render(w, line)
	}
}

// failure returns the first failure of the expression, or nil. One of stdout is
// reported by output.
func (s *shaped) failure(ctx context.Context) error {
	switch {
	case s == nil || s.err == nil:
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx)
	}
	return usagef("--format or --jq does not fit this output: %s. docs/json.md has the names.", strings.TrimRight(safe(s.err.Error()), "."))
}

// setShape compiles --format or --jq. Both imply the values of --json; errors stay
// sentences. command has the words after usher.
func (a *app) setShape(ctx context.Context, command, format, jq string) error {
	var by render.Renderer
	var err error
	switch {
	case format != "" && jq != "":
		return usagef("Use only one of --format and --jq.")
	case format != "":
		by, err = render.NewTemplate(format, printed(command)...)
	case jq != "":
		by, err = render.NewJQ(ctx, jq)
	default:
		return nil
	}
	if err != nil {
		return usagef("--format or --jq can't be read: %s.", strings.TrimRight(safe(err.Error()), "."))
	}
	a.json, a.shape = true, &shaped{by: by}
	return nil
}

// jsonErrors reports whether failures are lines of JSON.
func (a *app) jsonErrors() bool { return a.json && a.shape == nil }

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
