package grant

import (
	"fmt"
	"strconv"
)

// Bounds of a difference. The whole text of both versions is kept apart from it.
const (
	maxDiffLines = 100
	maxDiffBytes = 16 << 10
)

// DiffLines returns the difference of two sets as lines, removed grants first, in the
// canonical order:
//
//   - allow finance-team company-reports/quarterly/
//   - "audit 2026" allow auditors company-reports/
//
// A quoted reason precedes its grant. A long difference ends with the number of
// omitted lines.
func DiffLines(before, after *Set) []string {
	removed, added := before.without(after), after.without(before)
	var lines []string
	size := 0
	add := func(sign string, all []Grant) {
		for _, g := range all {
			line := sign
			if g.Reason != "" {
				line += strconv.Quote(g.Reason) + " "
			}
			line += g.String()
			if size += len(line); len(lines) < maxDiffLines && size <= maxDiffBytes {
				lines = append(lines, line)
			}
		}
	}
	add("- ", removed)
	add("+ ", added)
	if left := len(removed) + len(added) - len(lines); left > 0 {
		lines = append(lines, fmt.Sprintf("… %d more", left))
	}
	return lines
}

// without returns the grants that are not in another set.
func (s *Set) without(other *Set) (all []Grant) {
	in := make(map[Grant]bool, len(other.grants))
	for _, g := range other.grants {
		in[g] = true
	}
	for _, g := range s.grants {
		if !in[g] {
			all = append(all, g)
		}
	}
	return all
}
