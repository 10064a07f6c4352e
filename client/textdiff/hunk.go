package textdiff

import (
	"bufio"
	"fmt"
	"io"
	"iter"
	"strings"
)

// Context is the number of equal lines around a change.
const Context = 3

// Op is the first character of a row of a unified diff.
type Op byte

const (
	Equal  Op = ' '
	Remove Op = '-'
	Add    Op = '+'
)

// Row is a line of a hunk, with its end.
type Row struct {
	Op   Op
	Line string
}

// Hunk is changes that are near each other, with the equal lines around them. The
// ranges are indexes of lines.
type Hunk struct {
	Change
	changes []Change
	of      *Diff
}

// Hunks returns the hunks in the order of the lines.
func (d *Diff) Hunks() iter.Seq[Hunk] {
	return func(yield func(Hunk) bool) {
		for from := 0; from < len(d.Changes); {
			to := from + 1
			for to < len(d.Changes) && d.Changes[to].OldFrom-d.Changes[to-1].OldTo <= 2*Context {
				to++
			}
			first, last := d.Changes[from], d.Changes[to-1]
			before := min(Context, first.OldFrom)
			after := min(Context, len(d.Old)-last.OldTo)
			h := Hunk{Change{first.OldFrom - before, last.OldTo + after, first.NewFrom - before, last.NewTo + after}, d.Changes[from:to], d}
			if !yield(h) {
				return
			}
			from = to
		}
	}
}

// Rows returns the lines of a hunk.
func (h Hunk) Rows() iter.Seq[Row] {
	return func(yield func(Row) bool) {
		lines := func(op Op, all []string) bool {
			for _, l := range all {
				if !yield(Row{op, l}) {
					return false
				}
			}
			return true
		}
		at := h.OldFrom
		for _, c := range h.changes {
			if !lines(Equal, h.of.Old[at:c.OldFrom]) || !lines(Remove, h.of.Old[c.OldFrom:c.OldTo]) || !lines(Add, h.of.New[c.NewFrom:c.NewTo]) {
				return
			}
			at = c.OldTo
		}
		lines(Equal, h.of.Old[at:h.OldTo])
	}
}

// Head returns the first line of a hunk: "@@ -12,7 +12,9 @@".
func (h Hunk) Head() string {
	return "@@ -" + span(h.OldFrom, h.OldTo) + " +" + span(h.NewFrom, h.NewTo) + " @@"
}

// span returns a range of lines in the form of a unified diff. An empty range has the
// number of the line before it.
func span(from, to int) string {
	switch n := to - from; n {
	case 0:
		return fmt.Sprintf("%d,0", from)
	case 1:
		return fmt.Sprint(from + 1)
	default:
		return fmt.Sprintf("%d,%d", from+1, n)
	}
}

// LineEnd returns the end of a line that needs no sign on a screen: "\r\n" if all lines
// of both texts end so, else "\n".
func (d *Diff) LineEnd() string {
	for _, lines := range [][]string{d.Old, d.New} {
		for _, l := range lines {
			if strings.HasSuffix(l, "\n") && !strings.HasSuffix(l, "\r\n") {
				return "\n"
			}
		}
	}
	return "\r\n"
}

// NoEnd is the row after a last line without an end.
const NoEnd = `\ No newline at end of file`

// Write writes a unified diff, which patch(1) accepts. It writes nothing for equal
// texts.
func (d *Diff) Write(w io.Writer, oldName, newName string) error {
	if len(d.Changes) == 0 {
		return nil
	}
	out := bufio.NewWriter(w)
	fmt.Fprintf(out, "--- %s\n+++ %s\n", oldName, newName)
	for h := range d.Hunks() {
		fmt.Fprintln(out, h.Head())
		for r := range h.Rows() {
			_ = out.WriteByte(byte(r.Op)) // Flush returns the error
			_, _ = out.WriteString(r.Line)
			if !strings.HasSuffix(r.Line, "\n") {
				_, _ = out.WriteString("\n" + NoEnd + "\n")
			}
		}
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("writing the comparison: %w", err)
	}
	return nil
}
