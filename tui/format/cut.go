package format

import (
	"strings"
	"unicode/utf8"

	"usher/backend/safetext"
	"usher/client/cells"
)

// Width returns the number of cells of a plain or painted text.
func Width(s string) int { return cells.Width(s) }

// Middle truncates a file name in the middle to w cells. It keeps the extension
// and five cells before it: "2025-consolidated…edger.parquet". An extension longer
// than half of w counts as part of the name.
func Middle(s string, w int, ellipsis string) string {
	return strings.Join(middle(s, w, ellipsis), ellipsis)
}

// middle returns the parts of s that Middle keeps.
func middle(s string, w int, ellipsis string) []string {
	if Width(s) <= w {
		return []string{s}
	}
	if w <= Width(ellipsis) {
		return []string{first(s, w)}
	}
	keep := 5
	if dot := strings.LastIndexByte(s, '.'); dot > 0 {
		if e := Width(s[dot:]); e <= w/2 {
			keep += e
		}
	}
	keep = min(keep, (w-Width(ellipsis))/2)
	tail := last(s, keep)
	return []string{first(s, w-Width(ellipsis)-Width(tail)), tail}
}

// Cut truncates a text to w cells, as Start, Middle and End do.
type Cut func(s string, w int, ellipsis string) string

// Row is the place of a name in a list: row At of N. Name returns the name of another
// row, or "" for a row without one.
type Row struct {
	At, N int
	Name  func(i int) string
}

// neighbors is the number of rows before and after a name with which it is compared:
// the rows of a page.
const neighbors = 50

// Apart truncates the name of this row to w cells, apart from the names of the rows
// near it.
func (r Row) Apart(s string, w int, ellipsis string) string {
	if Width(s) <= w {
		return s
	}
	return Apart(s, w, ellipsis, r.others())
}

// Start truncates the path of this row at its start to w cells. If the path of a row
// near it has the same end, the part in which they differ stays visible.
func (r Row) Start(s string, w int, ellipsis string) string {
	e := Width(ellipsis)
	if Width(s) <= w || w <= e {
		return Start(s, w, ellipsis)
	}
	kept := apart(s, w, e, []string{"", last(s, w-e)}, r.others(), alike)
	return strings.Join(kept, ellipsis)
}

// others returns the names of the rows near this one.
func (r Row) others() []string {
	var names []string
	for i := max(0, r.At-neighbors); i < min(r.N, r.At+neighbors+1); i++ {
		if i != r.At {
			names = append(names, r.Name(i))
		}
	}
	return names
}

// Apart truncates a file name to w cells as Middle does, unless one of the other
// names would then look the same. The part in which they differ stays visible, and
// the part that they share is cut: "usher_1.0.0_…_amd64.tar.gz" is
// "…_darwin_amd64.tar.gz". If the differing part is longer than w cells, its end is
// cut.
func Apart(s string, w int, ellipsis string, others []string) string {
	plain := middle(s, w, ellipsis)
	if len(plain) < 2 {
		return plain[0]
	}
	e := Width(ellipsis)
	ext := s[max(0, strings.LastIndexByte(s, '.')):]
	sibling := func(o string, kept []string) bool {
		return strings.HasPrefix(o, plain[0]) && strings.HasSuffix(o, ext) || alike(o, kept)
	}
	if kept := apart(s, w, e, plain, others, sibling); kept[0] != "" || len(kept) < 3 {
		return strings.Join(kept, ellipsis)
	}
	return strings.Join(apart(s, w, e, plain, others, alike), ellipsis)
}

// apart returns the parts of s to keep, so that the bytes are visible in which s
// differs from the other names that are near it.
func apart(s string, w, e int, kept, others []string, near func(o string, kept []string) bool) []string {
	from, to := len(s), 0
	for range len(others) + 1 {
		grown := false
		for _, o := range others {
			if o == s || !near(o, kept) {
				continue
			}
			f, t := differs(s, o)
			grown = grown || f < from || t > to
			from, to = min(from, f), max(to, t)
		}
		if !grown {
			break
		}
		kept = around(s, w, e, from, to)
	}
	return kept
}

// alike reports whether a name has the kept parts of another one, in their order.
func alike(name string, kept []string) bool {
	head, tail := kept[0], kept[len(kept)-1]
	if len(name) < len(head)+len(tail) || !strings.HasPrefix(name, head) || !strings.HasSuffix(name, tail) {
		return false
	}
	return len(kept) < 3 || strings.Contains(name[len(head):len(name)-len(tail)], kept[1])
}

// around returns the parts of s to keep in w cells, so that its bytes [from, to) are
// visible. An ellipsis of e cells is between two parts.
func around(s string, w, e, from, to int) []string {
	from = len(first(s, Width(s[:start(s, from)]))) // boundaries of whole characters
	to = end(s, len(cells.Truncate(s, Width(s[:end(s, to)]), "")))
	room := w - e
	if f, t := number(s, from, to); Width(s[f:t]) <= room-e {
		from, to = f, t
	}
	head, part, tail := s[:from], s[from:to], s[to:]
	switch {
	case Width(part+tail) <= room: // a cut in the shared beginning
		return []string{first(head, room-Width(part+tail)), part + tail}
	case Width(head+part) <= room: // a cut in the shared end
		return []string{head + part, last(tail, room-Width(head+part))}
	case Width(part) <= room-e:
		return []string{"", part, last(tail, room-e-Width(part))}
	default:
		return []string{"", first(part, room-e), ""}
	}
}

// number extends a range of s to the whole of a number in which it begins or ends.
func number(s string, from, to int) (int, int) {
	digit := func(i int) bool { return i >= 0 && i < len(s) && '0' <= s[i] && s[i] <= '9' }
	for digit(from) && digit(from-1) {
		from--
	}
	for digit(to-1) && digit(to) {
		to++
	}
	return from, to
}

// differs returns the byte range of s outside of which s and o are the same. A
// repeated part that only one of them has is in the range, with its neighbors.
func differs(s, o string) (from, to int) {
	least := min(len(s), len(o))
	before, after := 0, 0
	for before < least && s[before] == o[before] {
		before++
	}
	for after < least && s[len(s)-1-after] == o[len(o)-1-after] {
		after++
	}
	from, to = min(before, len(s)-after), max(before, len(s)-after)
	if len(s) != len(o) {
		from, to = max(0, from-1), min(len(s), to+1)
	}
	return from, to
}

// Start truncates a path at its start to w cells: "…udited/2025-annual-report.pdf".
func Start(s string, w int, ellipsis string) string {
	if Width(s) <= w {
		return s
	}
	if w <= Width(ellipsis) {
		return first(s, w)
	}
	return ellipsis + last(s, w-Width(ellipsis))
}

// End truncates a person, group or sentence at its end to w cells.
func End(s string, w int, ellipsis string) string {
	switch {
	case Width(s) <= w:
		return s
	case w <= Width(ellipsis):
		return first(s, w)
	}
	return first(s, w-Width(ellipsis)) + ellipsis
}

// first returns the longest beginning of s that fits into w cells.
func first(s string, w int) string {
	return s[:start(s, len(cells.Truncate(s, max(w, 0), "")))]
}

// last returns the longest end of s that fits into w cells.
func last(s string, w int) string {
	tail := cells.Last(s, w)
	return s[end(s, len(s)-len(tail)):]
}

// start moves a position within a character or an escape to its start. A part of one
// escape can look like part of another.
func start(s string, at int) int {
	for at > 0 && at < len(s) && !utf8.RuneStart(s[at]) {
		at--
	}
	from, _ := escapeAround(s, at)
	return from
}

// end moves a position within a character or an escape to its end.
func end(s string, at int) int {
	for at < len(s) && !utf8.RuneStart(s[at]) {
		at++
	}
	_, to := escapeAround(s, at)
	return to
}

// escapeAround returns the range of the escape that a position is in, else the
// position twice.
func escapeAround(s string, at int) (from, to int) {
	for _, e := range safetext.Escapes(s) {
		if e[0] < at && at < e[1] {
			return e[0], e[1]
		}
	}
	return at, at
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
	return cells.Wrap(s, w)
}

// Ends places left and right at the two ends of w cells. If both do not fit, it
// drops the right one and truncates the left.
func Ends(left, right string, w int, ellipsis string) string {
	l, r := Width(left), Width(right)
	if right == "" || l+2+r > w {
		return PadRight(cells.Truncate(left, w, ellipsis), w)
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
