package paint

import (
	"strings"

	uv "github.com/charmbracelet/ultraviolet"
	"github.com/charmbracelet/x/ansi"

	"usher/client/cells"
)

// printed is a row of a frame.
type printed struct {
	source string
	closed bool // the source begins and ends without attributes: the cells depend on it alone
	cells  uv.Line
}

// layout returns the rows of a text. Its widths are those of the layout, the larger of
// two measures (package cells). Rows of the frame before are used again.
func (p *Painter) layout(text string) []printed {
	parser := ansi.GetParser()
	defer ansi.PutParser(parser)
	rows := make([]printed, p.h)
	at := attributes{parser: parser}
	for y := range rows {
		source, rest, _ := strings.Cut(text, "\n")
		text = rest
		bare := at.bare()
		if old := p.old[y]; bare && old.closed && old.source == source {
			rows[y] = old
			continue
		}
		line := at.print(source, p.w)
		strip(line)
		rows[y] = printed{source, bare && at.bare(), line}
	}
	return rows
}

// attributes are those of the next character of a text.
type attributes struct {
	parser *ansi.Parser
	style  uv.Style
	link   uv.Link
}

func (a *attributes) bare() bool { return a.style.IsZero() && a.link.IsZero() }

// print returns a text without line breaks as w cells.
func (a *attributes) print(text string, w int) uv.Line {
	line := uv.NewLine(w)
	last := -1 // column of the last character
	for x := 0; text != ""; {
		part, width, printed := cells.First(text)
		text = text[len(part):]
		switch {
		case printed && width > 0:
			if x+width <= w {
				line.Set(x, &uv.Cell{Content: part, Width: width, Style: a.style, Link: a.link})
				last = x
			}
			x += width
		case printed && last >= 0: // a mark after a sequence belongs to the character before it
			c := *line.At(last)
			c.Content += part
			line.Set(last, &c)
		case strings.HasPrefix(part, "\x1b"):
			_, _, _, _ = ansi.DecodeSequence(part, ansi.NormalState, a.parser)
			switch {
			case ansi.HasCsiPrefix(part) && a.parser.Command() == 'm':
				uv.ReadStyle(a.parser.Params(), &a.style)
			case ansi.HasOscPrefix(part) && a.parser.Command() == 8:
				uv.ReadLink(a.parser.Data(), &a.link)
			}
		}
	}
	return line
}
