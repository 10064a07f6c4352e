package paint

import (
	tea "charm.land/bubbletea/v2"
	uv "github.com/charmbracelet/ultraviolet"
	"github.com/charmbracelet/x/ansi"
)

// atomic is the size of a frame in bytes above which synchronized output is of use. A
// smaller one arrives as one packet.
const atomic = 1000

// draw returns the bytes that change the screen to a view.
func (p *Painter) draw(v tea.View) []byte {
	p.pen.begin(p.profile)
	p.pen.WriteString(p.mode)
	p.mode = ""
	if p.erase || len(p.old) != p.h || len(p.old[0].cells) != p.w {
		p.pen.WriteString(ansi.CursorHomePosition + ansi.EraseEntireScreen)
		p.blank()
		p.erase = false
	}
	start := p.pen.String()
	p.pen.Reset()
	next := p.layout(v.Content)
	best := p.rows(p.old, next)
	if moved, scroll := p.shift(next); scroll != "" {
		p.pen.begin(p.profile)
		p.pen.WriteString(scroll)
		if with := p.rows(moved, next); len(with) < len(best) {
			best = with
		}
	}
	p.old = next
	return p.finish(start+best, v.Cursor)
}

// rows returns the bytes that change rows on the screen to the next ones.
func (p *Painter) rows(old, next []printed) string {
	for y := range next {
		if &old[y].cells[0] != &next[y].cells[0] {
			p.row(y, old[y].cells, next[y].cells)
		}
	}
	p.pen.plain()
	p.pen.lost()
	defer p.pen.Reset()
	return p.pen.String()
}

// strip removes the attributes of spaces that nobody can see.
func strip(line uv.Line) {
	for x := range line {
		if c := &line[x]; blank(c) {
			c.Style.Fg = nil
			c.Style.Attrs &^= invisible
		}
	}
}

// invisible are the attributes that do not change a space.
const invisible = uv.AttrBold | uv.AttrFaint | uv.AttrItalic

// blank reports whether the color of the text and the invisible attributes have no
// effect on a cell.
func blank(c *uv.Cell) bool {
	return c.Content == " " && c.Style.Underline == uv.UnderlineNone && c.Style.Attrs&^invisible == 0
}

// finish adds the text cursor, which is hidden while a frame is drawn, and the marks of
// a synchronized frame.
func (p *Painter) finish(frame string, c *tea.Cursor) []byte {
	sync := p.sync && len(frame) > atomic
	hide := p.visible && (c == nil || frame != "" && !sync)
	before, after := "", ""
	if sync {
		before = ansi.SetModeSynchronizedOutput
	}
	if hide {
		before += ansi.ResetModeTextCursorEnable
	}
	if c != nil {
		if frame != "" || !p.visible || c.Position != p.shown {
			after = ansi.CursorPosition(c.X+1, c.Y+1)
		}
		if shape := shapeOf(c); shape != p.shape {
			after += ansi.SetCursorStyle(shape)
			p.shape = shape
		}
		if hide || !p.visible {
			after += ansi.SetModeTextCursorEnable
		}
		p.shown = c.Position
	}
	p.visible = c != nil
	if sync {
		after += ansi.ResetModeSynchronizedOutput
	}
	return []byte(before + frame + after)
}

// shapeOf returns the parameter of DECSCUSR: 0 for the terminal's cursor.
func shapeOf(c *tea.Cursor) int {
	n := int(c.Shape)*2 + 1
	if !c.Blink {
		n++
	}
	if n == 1 {
		return 0
	}
	return n
}
