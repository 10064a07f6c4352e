package cli

import (
	"fmt"
	"time"

	"github.com/charmbracelet/x/ansi"
)

// linesEvery is the interval between two lines of progress on a terminal whose lines
// are not changed.
const linesEvery = 10 * time.Second

// linear reports whether a terminal gets lines that are never changed: a screen reader
// reads them, and TERM=dumb has no cursor movement. reader is the setting.
func linear(reader string, getenv func(string) string) bool {
	return reader == "on" || reader == "1" || getenv("TERM") == "dumb"
}

// setLines applies the setting reader. A file of settings that cannot be read is the
// error of the command that needs it.
func (a *app) setLines() {
	s, _ := a.readSettings()
	a.lines = linear(a.setting(s, a.profileName(), "reader").Value, a.Getenv)
	if a.note != nil {
		a.note.lines = a.lines
	}
}

// paints reports whether stderr is a terminal on which a line may be changed. All
// progress is drawn by report, statusLine and waitNote, which depend on it.
func (a *app) paints() bool { return a.ErrTTY && !a.lines }

// statusLine is one line of progress on stderr, which the next output replaces. A
// terminal that is not painted gets a line at intervals, and no terminal gets none.
type statusLine struct {
	app   *app
	text  string    // on the screen
	next  time.Time // of a line on a terminal that is not painted
	shown bool      // the text is on the screen
}

// show replaces the line.
func (s *statusLine) show(text string) {
	switch {
	case !s.app.ErrTTY || s.app.json || s.app.quiet || s.shown && text == s.text:
	case s.app.paints():
		fmt.Fprint(s.app.Err, s.erase(), text)
		s.text, s.shown = text, true
	default:
		now := s.app.Now()
		if !s.next.IsZero() && !now.Before(s.next) {
			fmt.Fprintln(s.app.Err, text)
		}
		if s.next.IsZero() || !now.Before(s.next) {
			s.next = now.Add(linesEvery)
		}
	}
}

func (s *statusLine) erase() string {
	if !s.shown {
		return ""
	}
	return "\r" + ansi.EraseLineRight
}

// end removes the line, before other output.
func (s *statusLine) end() {
	if s.shown {
		fmt.Fprint(s.app.Err, s.erase())
		s.text, s.shown = "", false
	}
}
