package tui

import (
	"context"
	"errors"
	"io"
	"os"
	"runtime"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/colorprofile"

	"usher/tui/linear"
	"usher/tui/paint"
)

// Terminal is the terminal of a program.
type Terminal struct {
	In, Out *os.File
	Lines   bool // print lines for a screen reader (package linear)
}

// errGone ends a program without a terminal.
var errGone = errors.New("the terminal is gone")

// Run runs a program until it ends or ctx does, and restores the terminal. It also ends
// when the terminal is gone, even if the process ignores SIGHUP (nohup).
func Run(ctx context.Context, p linear.Program, t Terminal) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	if t.Lines {
		out := linear.NewOutput(t.Out)
		// Bubble Tea's own output, such as queries of the terminal, goes nowhere.
		options := append(optionsOf(ctx, cancel, t), tea.WithOutput(io.Discard), tea.WithColorProfile(colorprofile.NoTTY), tea.WithFPS(1))
		_, err := tea.NewProgram(linear.New(p, out), options...).Run()
		out.End("usher has ended.")
		return ended(ctx, err)
	}
	painter, program := painted(ctx, cancel, p, t)
	defer painter.Close()
	_, err := program.Run()
	return ended(ctx, err)
}

// painted returns the program of a model on the screen, and its painter.
func painted(ctx context.Context, cancel context.CancelCauseFunc, m tea.Model, t Terminal) (*paint.Painter, *tea.Program) {
	// Windows Terminal misplaces the cursor in a scrolling region:
	// https://github.com/microsoft/terminal/issues/19016
	painter := paint.New(t.Out, runtime.GOOS != "windows")
	return painter, painter.Program(m, optionsOf(ctx, cancel, t)...)
}

func optionsOf(ctx context.Context, cancel context.CancelCauseFunc, t Terminal) []tea.ProgramOption {
	options := []tea.ProgramOption{tea.WithContext(ctx), tea.WithoutSignalHandler()} // a signal cancels ctx (client/cli)
	if runtime.GOOS != "windows" {
		options = append(options, tea.WithInput(&input{File: t.In, gone: func() { cancel(errGone) }}))
	}
	return options
}

// ended returns the error of a program.
func ended(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil && errors.Is(cause, errGone) {
		return cause
	}
	return err
}

// input is a terminal whose end ends the program. Bubble Tea ignores the end of its
// input, which in raw mode is the end of the terminal.
type input struct {
	*os.File
	gone   func()
	pasted pasted
	rest   []byte // for the next Read
}

// Read implements io.Reader.
func (i *input) Read(b []byte) (int, error) {
	n := len(b)
	if n > len(pasteEnd) {
		n -= len(pasteEnd) // a part of a mark can join the bytes of one read
	}
	n, err := i.File.Read(b[:n])
	if err != nil {
		i.gone()
	}
	i.rest = i.pasted.appendTo(i.rest, b[:n])
	n = copy(b, i.rest)
	i.rest = append(i.rest[:0], i.rest[n:]...)
	return n, err
}
