package paint

import (
	"bytes"

	"github.com/charmbracelet/colorprofile"
	uv "github.com/charmbracelet/ultraviolet"
	"github.com/charmbracelet/x/ansi"
)

// pen is the place of the next cell and its attributes, as the terminal has them.
type pen struct {
	bytes.Buffer
	x, y    int // -1: unknown
	style   uv.Style
	link    uv.Link
	profile colorprofile.Profile
}

// begin starts a frame. Between frames the attributes are reset and the place is
// unknown.
func (p *pen) begin(profile colorprofile.Profile) {
	p.Reset()
	p.profile = profile
	p.style, p.link = uv.Style{}, uv.Link{}
	p.lost()
}

// lost records that the place is unknown.
func (p *pen) lost() { p.x, p.y = -1, -1 }

// use changes the attributes: from the present ones or from none, whichever is shorter.
func (p *pen) use(s uv.Style, l uv.Link) {
	s = uv.ConvertStyle(s, p.profile)
	if !s.Equal(&p.style) {
		seq := s.Diff(&p.style)
		if full := s.String(); !s.IsZero() && len(full)+2 < len(seq) {
			seq = "\x1b[0;" + full[2:]
		}
		p.WriteString(seq)
		p.style = s
	}
	if l = uv.ConvertLink(l, p.profile); !l.Equal(&p.link) {
		p.WriteString(ansi.SetHyperlink(l.URL, l.Params))
		p.link = l
	}
}

// want returns the attributes of a cell. A space keeps the present color of the text.
func (p *pen) want(c *uv.Cell) uv.Style {
	s := uv.ConvertStyle(c.Style, p.profile)
	if blank(c) && p.style.Underline == uv.UnderlineNone && p.style.Attrs&^invisible == 0 {
		s.Fg, s.Attrs = p.style.Fg, p.style.Attrs
	}
	return s
}

// has reports whether the attributes are those of a cell.
func (p *pen) has(c *uv.Cell) bool {
	s, l := p.want(c), uv.ConvertLink(c.Link, p.profile)
	return s.Equal(&p.style) && l.Equal(&p.link)
}

// plain resets the attributes.
func (p *pen) plain() { p.use(uv.Style{}, uv.Link{}) }

// move moves to a cell by the shortest sequence.
func (p *pen) move(x, y int) {
	if x == p.x && y == p.y {
		return
	}
	best := ansi.CursorPosition(x+1, y+1)
	consider := func(seq string) {
		if len(seq) < len(best) {
			best = seq
		}
	}
	switch {
	case p.x < 0:
	case y == p.y && x > p.x:
		consider(ansi.CursorForward(x - p.x))
		fallthrough
	case y == p.y:
		consider(ansi.CursorHorizontalAbsolute(x + 1))
	case y == p.y+1 && x == 0:
		consider("\r\n")
	case y == p.y+1:
		consider("\r\n" + ansi.CursorForward(x))
		fallthrough
	default:
		if x == p.x {
			consider(ansi.VerticalPositionAbsolute(y + 1))
		}
	}
	p.WriteString(best)
	p.x, p.y = x, y
}

// put writes a cell. After the last column the place is unknown: terminals differ in
// the time of the line break.
func (p *pen) put(c *uv.Cell, width int) {
	p.use(p.want(c), c.Link)
	p.WriteString(c.Content)
	if p.x += c.Width; p.x >= width {
		p.lost()
	}
}
