package paint

import (
	"io"

	"github.com/charmbracelet/x/term"
)

// output returns the painter as a writer. If its output is a file, Bubble Tea gets a
// file too: it sets the modes of a terminal, and reads its size.
func (p *Painter) output() io.Writer {
	if f, ok := p.out.(term.File); ok {
		return file{f, p}
	}
	return p
}

// file is a terminal whose writes pass a painter.
type file struct {
	f term.File
	*Painter
}

func (f file) Read(b []byte) (int, error) { return f.f.Read(b) }
func (f file) Fd() uintptr                { return f.f.Fd() }
func (f file) Close() error               { return f.f.Close() }
