// Package dialog is a question over a page: a box at most 64 cells wide with
// a title, lines and its own keys. There is one at a time; the page behind is
// drawn dimmed, and only the dialog changes.
//
// A dialog that opens by itself does not answer for its first moment, so that
// a key that was meant for the page is not taken for an answer.
package dialog

import (
	"slices"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"
	"charm.land/lipgloss/v2"

	"usher/tui/format"
	"usher/tui/theme"
)

// Width is the most cells that a dialog takes, its frame included.
const Width = 64

// Grace is how long a dialog that opened by itself takes no key.
const Grace = 500 * time.Millisecond

// Dialog is one question.
type Dialog interface {
	// View draws the box for a window of w by h cells.
	View(t *theme.Theme, w, h int) string
	// Key takes every key press. It reports true when the dialog is over.
	Key(msg tea.KeyPressMsg) (over bool, cmd tea.Cmd)
	// Handle takes any other message.
	Handle(msg tea.Msg) tea.Cmd
	// Cursor is the position of a text cursor in the box, or nil.
	Cursor() *tea.Cursor
}

// Show is a request to the root to open a dialog.
type Show struct{ Dialog Dialog }

// Hide is a request to the root to close a dialog, if it is the one that is open.
type Hide struct{ Dialog Dialog }

// Over draws a box in the middle of a page.
func Over(t *theme.Theme, page, box string, w, h int) string {
	x, y := Place(box, w, h)
	return lipgloss.NewCompositor(
		lipgloss.NewLayer(page),
		lipgloss.NewLayer(box).X(x).Y(y).Z(1),
	).Render()
}

// Place is where Over puts a box.
func Place(box string, w, h int) (x, y int) {
	return max(0, (w-lipgloss.Width(box))/2), max(0, (h-lipgloss.Height(box))/3)
}

// Choice is a key of a question and its effect.
type Choice struct {
	Keys  []string // the first is shown
	Label string   // "" is not shown
	Cmd   tea.Cmd  // may be nil
	Stay  bool     // the dialog stays open
}

// Ask is a question with lines of text and some choices. Esc closes it unless
// a choice takes esc.
type Ask struct {
	Title   string
	Lines   []Line
	Choices []Choice
	Firm    bool // esc does not close it
	ready   bool
	graced  bool
}

// Line is a row of a question: a label with a value, or a sentence, which is
// wrapped. The texts are safe to print.
type Line struct {
	Label string
	Text  string
	Tone  Tone
}

// Tone of a line.
type Tone int

const (
	Plain Tone = iota
	Quiet
	Warning
	Bad
	Rule // a line across
)

// ready ends the grace of one dialog.
type ready struct{ d *Ask }

// WithGrace makes an Ask that takes no key at first, and the command that ends
// that.
func (a *Ask) WithGrace() tea.Cmd {
	a.graced = true
	return tea.Tick(Grace, func(time.Time) tea.Msg { return ready{a} })
}

// Handle ends the grace.
func (a *Ask) Handle(msg tea.Msg) tea.Cmd {
	if r, ok := msg.(ready); ok && r.d == a {
		a.ready = true
	}
	return nil
}

// Key looks for a choice.
func (a *Ask) Key(msg tea.KeyPressMsg) (bool, tea.Cmd) {
	if a.graced && !a.ready {
		return false, nil
	}
	for _, c := range a.Choices {
		if slices.Contains(c.Keys, msg.String()) {
			return !c.Stay, c.Cmd
		}
	}
	return msg.String() == "esc" && !a.Firm, nil
}

// Cursor is nil: nothing is typed.
func (a *Ask) Cursor() *tea.Cursor { return nil }

// View draws the box.
func (a *Ask) View(t *theme.Theme, w, h int) string {
	bw := min(Width, w-4)
	lines := append([]string{""}, Draw(t.On(theme.Panel), a.Lines, bw-6)...)
	var pairs [][2]string
	for _, c := range a.Choices {
		pairs = append(pairs, [2]string{c.Keys[0], c.Label})
	}
	lines = append(append(lines, ""), t.On(theme.Panel).KeyRows(bw-6, pairs...)...)
	return t.Box(a.Title, lines, bw)
}

// Draw lays lines out in w cells with the tokens of p.
func Draw(p *theme.Theme, lines []Line, w int) []string {
	label := 0
	for _, l := range lines {
		if l.Label != "" {
			label = max(label, format.Width(l.Label)+2)
		}
	}
	var out []string
	for _, l := range lines {
		s := p.Text
		switch l.Tone {
		case Quiet:
			s = p.Muted
		case Warning:
			s = p.Warn
		case Bad:
			s = p.Bad
		case Rule:
			out = append(out, p.Rule.Paint(strings.Repeat(p.Glyphs.Light, w)))
			continue
		}
		if l.Label == "" {
			for _, part := range format.Wrap(l.Text, w) {
				out = append(out, s.Paint(part))
			}
			continue
		}
		for i, part := range format.Wrap(l.Text, max(8, w-label)) {
			name := ""
			if i == 0 {
				name = l.Label
			}
			out = append(out, p.Muted.Paint(format.PadRight(name, label))+s.Paint(part))
		}
	}
	return out
}
