package paint

import (
	"strings"

	uv "github.com/charmbracelet/ultraviolet"
	"github.com/charmbracelet/x/ansi"

	"usher/client/cells"
)

// write puts a text into the next frame. Its widths are those of the layout, the
// larger of two measures (package cells).
func (p *Painter) write(text string) {
	p.next.Clear()
	parser := ansi.GetParser()
	defer ansi.PutParser(parser)
	var style uv.Style
	var link uv.Link
	last := -1 // column of the last character of this row
	for x, y := 0, 0; text != "" && y < p.h; {
		part, width, printed := cells.First(text)
		text = text[len(part):]
		switch {
		case printed && width > 0:
			if x+width <= p.w {
				p.next.SetCell(x, y, &uv.Cell{Content: part, Width: width, Style: style, Link: link})
				last = x
			}
			x += width
		case printed && last >= 0: // a mark after a sequence belongs to the character before it
			c := *p.next.CellAt(last, y)
			c.Content += part
			p.next.SetCell(last, y, &c)
		case part == "\n":
			x, y, last = 0, y+1, -1
		case strings.HasPrefix(part, "\x1b"):
			_, _, _, _ = ansi.DecodeSequence(part, ansi.NormalState, parser)
			switch {
			case ansi.HasCsiPrefix(part) && parser.Command() == 'm':
				uv.ReadStyle(parser.Params(), &style)
			case ansi.HasOscPrefix(part) && parser.Command() == 8:
				uv.ReadLink(parser.Data(), &link)
			}
		}
	}
}
