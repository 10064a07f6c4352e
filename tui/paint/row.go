package paint

import (
	"unicode/utf8"

	uv "github.com/charmbracelet/ultraviolet"
	"github.com/charmbracelet/x/ansi"

	"usher/client/cells"
)

// row writes the differences of a row.
func (p *Painter) row(y int, old, next uv.Line) {
	if uneven(old) || uneven(next) {
		p.repaint(y, old, next)
		return
	}
	first, last := differ(old, next)
	if first < 0 {
		return
	}
	end := len(next)
	for end > 0 && next[end-1].Equal(&uv.EmptyCell) {
		end--
	}
	erase := max(first, end)
	if last-erase < len(ansi.EraseLineRight) {
		erase = -1
	} else {
		last = erase - 1
	}
	for x := first; x <= last; x++ {
		if n := p.skip(old, next, x, last); n > 0 {
			x += n - 1
			continue
		}
		if n := gap(next, x, last); n > 0 {
			p.pen.move(x, y)
			p.pen.use(p.pen.want(&next[x]), next[x].Link)
			p.pen.WriteString(ansi.EraseCharacter(n))
			x += n - 1
			continue
		}
		p.cell(x, y, next)
	}
	if erase >= 0 {
		p.pen.move(erase, y)
		p.pen.plain()
		p.pen.WriteString(ansi.EraseLineRight)
	}
}

// cell writes one cell. The lower right one is written without a line break after it:
// some terminals scroll.
func (p *Painter) cell(x, y int, line uv.Line) {
	p.pen.move(x, y)
	corner := x == len(line)-1 && y == p.h-1
	if corner {
		p.pen.WriteString(ansi.ResetModeAutoWrap)
	}
	p.pen.put(&line[x], len(line))
	if corner {
		p.pen.WriteString(ansi.SetModeAutoWrap)
	}
}

// skip returns the number of equal cells from x on, or 0 if it takes fewer bytes to
// write them than to move over them.
func (p *Painter) skip(old, next uv.Line, x, last int) int {
	n, cost, free := 0, 0, p.pen.x == x
	for i := x; i <= last && old[i].Equal(&next[i]); i++ {
		n++
		cost += len(next[i].Content)
		free = free && p.pen.has(&next[i])
	}
	if n > 0 && free && cost <= len(ansi.CursorForward(n)) {
		return 0
	}
	return n
}

// gap returns the number of empty cells from x on, or 0 if it takes fewer bytes to write
// them than to erase them and to move to the next cell.
func gap(line uv.Line, x, last int) int {
	n := 0
	for x+n <= last && line[x+n].Equal(&uv.EmptyCell) {
		n++
	}
	cost := len(ansi.EraseCharacter(n))
	if x+n <= last {
		cost += len(ansi.CursorForward(n))
	}
	if n <= cost {
		return 0
	}
	return n
}

// differ returns the first and the last differing cell, -1 if there is none.
func differ(old, next uv.Line) (first, last int) {
	first, last = 0, len(next)-1
	for first < len(next) && old[first].Equal(&next[first]) {
		first++
	}
	if first == len(next) {
		return -1, -1
	}
	for old[last].Equal(&next[last]) {
		last--
	}
	return first, last
}

// repaint erases a row with wide or disputed characters and writes it from its first
// column on. The word after one with a disputed character is at an absolute column, so
// that such a character has no effect on the place of the others. A line break at the
// margin is off meanwhile.
func (p *Painter) repaint(y int, old, next uv.Line) {
	if first, _ := differ(old, next); first < 0 {
		return
	}
	pen := &p.pen
	pen.move(0, y)
	pen.plain()
	pen.WriteString(ansi.EraseLineRight)
	end, doubt := 0, false
	for x := range next {
		if c := &next[x]; c.Width > 0 && !c.Equal(&uv.EmptyCell) && x+c.Width <= len(next) {
			end = x + 1
			doubt = doubt || disputed(c)
		}
	}
	if doubt || end >= len(next)-1 {
		pen.WriteString(ansi.ResetModeAutoWrap)
		defer pen.WriteString(ansi.SetModeAutoWrap)
	}
	loose := false // the place in the terminal can differ from the pen's
	for x := 0; x < end; x++ {
		c := &next[x]
		if c.Width == 0 {
			continue
		}
		if loose && anchor(next, x) {
			pen.lost()
			loose = false
		}
		if pen.x != x || pen.y != y {
			pen.move(x, y)
		}
		if !loose && disputed(c) {
			loose = true
			ground(pen, next, x, end)
		}
		pen.put(c, len(next))
	}
	pen.lost()
}

// anchor reports whether a cell begins at an absolute column after a word of uncertain
// width: it is the first of a word or of a background, or part of a line.
func anchor(line uv.Line, x int) bool {
	before := x - 1
	for before > 0 && line[before].Width == 0 {
		before--
	}
	c, b := &line[x], &line[max(before, 0)]
	r, _ := utf8.DecodeRuneInString(c.Content)
	return b.Content == " " && c.Content != " " || c.Style.Bg != b.Style.Bg || r >= 0x2500 && r < 0x25a0
}

// ground writes the background of the cells up to the next anchor. A word can be
// narrower than its cells.
func ground(pen *pen, line uv.Line, x, end int) {
	if line[x].Style.Bg == nil {
		return
	}
	to := x + line[x].Width
	for to < end && (line[to].Width == 0 || !anchor(line, to)) {
		to++
	}
	pen.use(pen.want(&line[x]), line[x].Link)
	pen.WriteString(ansi.EraseCharacter(to - x))
}

// uneven reports whether a row has a character that is not one cell wide in every
// terminal.
func uneven(line uv.Line) bool {
	for x := range line {
		if c := &line[x]; len(c.Content) != 1 && (c.Width != 1 || !cells.Narrow(c.Content)) {
			return true
		}
	}
	return false
}

// disputed reports whether terminals differ in the width of a character.
func disputed(c *uv.Cell) bool {
	return len(c.Content) != 1 && !cells.Narrow(c.Content) && !(c.Width == 2 && cells.Wide(c.Content))
}
