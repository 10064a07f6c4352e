package reader

import (
	"math"
	"strings"

	"usher/client/preview"
	"usher/client/quantity"
	"usher/client/textdiff"
)

// mostDiffRows bounds the memory of a comparison on the screen.
const mostDiffRows = 400_000

// diffRows is a unified diff as lines of a text.
type diffRows struct {
	text   *preview.Text
	starts []int // rows in which a change begins
	note   string
}

// newDiffRows returns the lines of a diff. Each one begins with its sign, so that it can
// be read without colors.
func newDiffRows(d *textdiff.Diff) diffRows {
	all := func(s preview.Style) []preview.Span { return []preview.Span{{To: math.MaxInt, Style: s}} }
	styles := map[textdiff.Op][]preview.Span{textdiff.Remove: all(preview.Removed), textdiff.Add: all(preview.Added)}
	quiet, end := all(preview.Quiet), d.LineEnd()
	out := diffRows{text: &preview.Text{Title: "comparison"}}
	add := func(raw string, spans []preview.Span) {
		out.text.Lines = append(out.text.Lines, preview.Line{Raw: raw, Spans: spans})
	}
	for h := range d.Hunks() {
		add(h.Head(), quiet)
		before := textdiff.Equal
		for r := range h.Rows() {
			if len(out.text.Lines) >= mostDiffRows {
				out.note = "The comparison stops after " + quantity.Count(mostDiffRows) + " rows."
				return out
			}
			if before == textdiff.Equal && r.Op != textdiff.Equal {
				out.starts = append(out.starts, len(out.text.Lines))
			}
			before = r.Op
			for piece := range preview.Pieces(strings.TrimSuffix(strings.TrimSuffix(r.Line, end), "\n")) {
				add(string(r.Op)+piece, styles[r.Op])
			}
			if !strings.HasSuffix(r.Line, "\n") {
				add(textdiff.NoEnd, quiet)
			}
		}
	}
	return out
}
