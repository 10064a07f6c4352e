package paint

import (
	"slices"
	"strings"

	uv "github.com/charmbracelet/ultraviolet"
	"github.com/charmbracelet/x/ansi"
)

// shift returns the sequence that scrolls the largest block of rows that moved by the
// same number of rows, and the rows after it; "" if there is none.
func (p *Painter) shift(next []printed) (rows []printed, seq string) {
	if !p.scroll {
		return nil, ""
	}
	by := p.distance(next)
	if by == 0 {
		return nil, ""
	}
	from, to := p.block(next, by)
	if from >= to {
		return nil, ""
	}
	top, bottom := from, to-1 // of the scrolling region
	start := bottom           // of the cursor
	if by > 0 {
		bottom += by
		start, seq = bottom, strings.Repeat("\n", by)
	} else {
		top += by
		start, seq = top, strings.Repeat(ansi.ReverseIndex, -by)
	}
	seq = ansi.SetTopBottomMargins(top+1, bottom+1) + ansi.CursorPosition(1, start+1) + seq + "\x1b[r"
	rows = slices.Clone(p.old)
	for y := top; y <= bottom; y++ {
		if from := y + by; from >= top && from <= bottom {
			rows[y] = p.old[from]
		} else {
			rows[y] = empty(p.w)
		}
	}
	return rows, seq
}

// distance returns the number of rows by which most of the changed rows moved up,
// negative for down; 0 for none.
func (p *Painter) distance(next []printed) int {
	was := make(map[string]int, len(p.old)) // -1: several
	for y, l := range p.old {
		if _, twice := was[l.source]; twice {
			y = -1
		}
		was[l.source] = y
	}
	votes := make(map[int]int)
	best := 0
	for y, l := range next {
		old, found := was[l.source]
		if !found || old < 0 || old == y {
			continue
		}
		by := old - y
		if votes[by]++; votes[by] > votes[best] {
			best = by
		}
	}
	if votes[best] < 2 {
		return 0
	}
	return best
}

// block returns the longest block of rows [from, to) that moved up by a number of rows.
func (p *Painter) block(next []printed, by int) (from, to int) {
	start := 0
	for y := 0; y <= p.h; y++ {
		if y < p.h && y+by >= 0 && y+by < p.h && equal(next[y].cells, p.old[y+by].cells) {
			continue
		}
		if y-start > to-from {
			from, to = start, y
		}
		start = y + 1
	}
	return from, to
}

func equal(a, b uv.Line) bool {
	first, _ := differ(a, b)
	return first < 0
}
