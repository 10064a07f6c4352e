package format

import (
	"strings"

	"github.com/charmbracelet/x/ansi"
)

// Width returns the number of cells of a plain or painted text.
func Width(s string) int { return ansi.StringWidth(s) }

// Middle truncates a file name in the middle to w cells. It keeps the extension
// and five cells before it: "2025-consolidated…edger.parquet". An extension longer
// than half of w counts as part of the name.
func Middle(s string, w int, ellipsis string) string {
	if Width(s) <= w {
		return s
	}
	if w <= Width(ellipsis) {
		return ansi.Truncate(s, max(w, 0), "")
	}
	keep := 5
	if dot := strings.LastIndexByte(s, '.'); dot > 0 {
		if e := Width(s[dot:]); e <= w/2 {
			keep += e
		}
	}
	keep = min(keep, (w-Width(ellipsis))/2)
	tail := last(s, keep)
	return ansi.Truncate(s, w-Width(ellipsis)-Width(tail), "") + ellipsis + tail
}

// Start truncates a path at its start to w cells: "…udited/2025-annual-report.pdf".
func Start(s string, w int, ellipsis string) string {
	if Width(s) <= w {
		return s
	}
	if w <= Width(ellipsis) {
		return ansi.Truncate(s, max(w, 0), "")
	}
	return ellipsis + last(s, w-Width(ellipsis))
}

// End truncates a person, group or sentence at its end to w cells.
func End(s string, w int, ellipsis string) string {
	if w <= Width(ellipsis) {
		return ansi.Truncate(s, max(w, 0), "")
	}
	return ansi.Truncate(s, w, ellipsis)
}

// last returns the longest end of s that fits into w cells.
func last(s string, w int) string {
	over := Width(s) - w
	if over <= 0 {
		return s
	}
	tail := ansi.TruncateLeft(s, over, "")
	for Width(tail) > w { // a wide character is at the cut
		over++
		tail = ansi.TruncateLeft(s, over, "")
	}
	return tail
}

// PadLeft pads plain or painted text with spaces on the left to w cells.
func PadLeft(s string, w int) string {
	if n := Width(s); n < w {
		return strings.Repeat(" ", w-n) + s
	}
	return s
}

// PadRight pads plain or painted text with spaces on the right to w cells.
func PadRight(s string, w int) string {
	if n := Width(s); n < w {
		return s + strings.Repeat(" ", w-n)
	}
	return s
}

// Wrap breaks a sentence into lines of at most w cells, at spaces where possible.
func Wrap(s string, w int) []string {
	if w < 1 {
		w = 1
	}
	return strings.Split(ansi.Wrap(s, w, " "), "\n")
}

// Ends places left and right at the two ends of w cells. If both do not fit, it
// drops the right one and truncates the left.
func Ends(left, right string, w int, ellipsis string) string {
	l, r := Width(left), Width(right)
	if right == "" || l+2+r > w {
		return PadRight(ansi.Truncate(left, w, ellipsis), w)
	}
	return left + strings.Repeat(" ", w-l-r) + right
}

// Fit returns the first form that fits into w cells, or the last one. Forms are
// versions of one text, longest first.
func Fit(w int, forms ...string) string {
	for _, f := range forms {
		if Width(f) <= w {
			return f
		}
	}
	if len(forms) == 0 {
		return ""
	}
	return forms[len(forms)-1]
}
