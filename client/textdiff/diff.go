package textdiff

import (
	"strings"

	"github.com/aymanbagabas/go-udiff/lcs"
)

// MostLines is the largest number of lines of a compared text. It bounds the memory.
const MostLines = 400_000

const (
	// mostDepth bounds the divisions of a part of the texts.
	mostDepth = 16
	// exact is the number of changed lines up to which lcs finds the shortest comparison.
	exact = 100
)

// Change is the replacement of lines of the old text by lines of the new one. Positions
// are indexes of lines; the ends are not part of it.
type Change struct {
	OldFrom, OldTo int
	NewFrom, NewTo int
}

// Diff is the difference of two texts. See Compare.
type Diff struct {
	Old, New       []string // lines with their ends
	Changes        []Change // in the order of the lines, with equal lines between them
	Removed, Added int      // lines of all changes
	Coarse         bool     // a change has a line on both sides
}

// Compare returns the difference of two texts. It returns nil if one has more than
// MostLines lines.
func Compare(old, next string) *Diff {
	d := &Diff{Old: split(old), New: split(next)}
	if d.Old == nil || d.New == nil {
		return nil
	}
	a, b := intern(d.Old, d.New)
	c := comparison{old: a, next: b}
	c.part(0, len(a), 0, len(b), 0)
	d.Changes = c.changes
	seen := make(map[rune]int) // line → number of the change with it
	for n, ch := range d.Changes {
		d.Removed += ch.OldTo - ch.OldFrom
		d.Added += ch.NewTo - ch.NewFrom
		if d.Coarse || ch.OldFrom == ch.OldTo || ch.NewFrom == ch.NewTo {
			continue
		}
		for _, line := range a[ch.OldFrom:ch.OldTo] {
			seen[line] = n + 1
		}
		for _, line := range b[ch.NewFrom:ch.NewTo] {
			d.Coarse = d.Coarse || seen[line] == n+1
		}
	}
	return d
}

// split returns the lines of a text, each with its end, nil for more than MostLines.
func split(text string) []string {
	n := strings.Count(text, "\n")
	if text != "" && !strings.HasSuffix(text, "\n") {
		n++
	}
	if n > MostLines {
		return nil
	}
	lines := make([]string, 0, n)
	for text != "" {
		end := strings.IndexByte(text, '\n') + 1
		if end == 0 {
			end = len(text)
		}
		lines, text = append(lines, text[:end]), text[end:]
	}
	return lines
}

// intern returns a number for each line, the same for equal lines.
func intern(old, next []string) (a, b []rune) {
	known := make(map[string]rune, len(old))
	number := func(lines []string) []rune {
		out := make([]rune, len(lines))
		for i, l := range lines {
			n, ok := known[l]
			if !ok {
				n = rune(len(known))
				known[l] = n
			}
			out[i] = n
		}
		return out
	}
	return number(old), number(next)
}

// comparison collects the changes between two sequences of numbered lines.
type comparison struct {
	old, next []rune
	changes   []Change
}

// part compares the lines of two ranges.
func (c *comparison) part(oldFrom, oldTo, newFrom, newTo, depth int) {
	for oldFrom < oldTo && newFrom < newTo && c.old[oldFrom] == c.next[newFrom] {
		oldFrom, newFrom = oldFrom+1, newFrom+1
	}
	for oldFrom < oldTo && newFrom < newTo && c.old[oldTo-1] == c.next[newTo-1] {
		oldTo, newTo = oldTo-1, newTo-1
	}
	if oldFrom == oldTo || newFrom == newTo {
		c.add(Change{oldFrom, oldTo, newFrom, newTo})
		return
	}
	a, b := c.old[oldFrom:oldTo], c.next[newFrom:newTo]
	if depth < mostDepth && c.divide(anchors(a, b, 1), oldFrom, oldTo, newFrom, newTo, depth) {
		return
	}
	diffs, size := lcs.DiffRunes(a, b), 0
	for _, d := range diffs {
		size += d.End - d.Start + d.ReplEnd - d.ReplStart
	}
	if size > exact && depth < mostDepth && c.divide(anchors(a, b, len(a)), oldFrom, oldTo, newFrom, newTo, depth) {
		return
	}
	for _, d := range diffs {
		c.add(Change{oldFrom + d.Start, oldFrom + d.End, newFrom + d.ReplStart, newFrom + d.ReplEnd})
	}
}

// divide compares the lines between anchors. It reports false if there is no anchor.
func (c *comparison) divide(at []anchor, oldFrom, oldTo, newFrom, newTo, depth int) bool {
	fromOld, fromNew := oldFrom, newFrom
	for _, a := range at {
		c.part(fromOld, oldFrom+a.old, fromNew, newFrom+a.next, depth+1)
		fromOld, fromNew = oldFrom+a.old, newFrom+a.next
	}
	if len(at) > 0 {
		c.part(fromOld, oldTo, fromNew, newTo, depth+1)
	}
	return len(at) > 0
}

// add appends a change, or extends the last one.
func (c *comparison) add(ch Change) {
	if ch.OldFrom == ch.OldTo && ch.NewFrom == ch.NewTo {
		return
	}
	if n := len(c.changes); n > 0 && c.changes[n-1].OldTo == ch.OldFrom && c.changes[n-1].NewTo == ch.NewFrom {
		c.changes[n-1].OldTo, c.changes[n-1].NewTo = ch.OldTo, ch.NewTo
		return
	}
	c.changes = append(c.changes, ch)
}
