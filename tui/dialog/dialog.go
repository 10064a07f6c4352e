// Package dialog draws dialogs over a page: boxes of at most 64 cells with a title,
// lines and keys of their own. One dialog is open at a time. The page behind it is
// dimmed and does not change.
//
// A dialog that opens without a key press ignores keys at first (Grace), so that a
// key for the page does not choose anything.
//
// The package leaves the effect of a choice to the page that opened the dialog.
package dialog

import (
	"slices"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"usher/client/cells"
	"usher/tui/format"
	"usher/tui/linear"
	"usher/tui/theme"
)

// Width is the largest width of a dialog in cells, its frame included.
const Width = 64

// Grace is the time for which a dialog with grace ignores keys.
const Grace = 500 * time.Millisecond

// Dialog is a dialog over a page.
type Dialog interface {
	// View draws the box for a window of w by h cells.
	View(t *theme.Theme, w, h int) string
	// Words describes the dialog for a program in lines.
	Words() linear.Words
	// Key handles every key press. It returns true when the dialog closes.
	Key(msg tea.KeyPressMsg) (over bool, cmd tea.Cmd)
	// Handle handles any other message.
	Handle(msg tea.Msg) tea.Cmd
	// Cursor returns the position of a text cursor in the box, or nil.
	Cursor() *tea.Cursor
}

// Show is a request to the root to open a dialog.
type Show struct{ Dialog Dialog }

// Hide is a request to the root to close a dialog, if it is the one that is open.
type Hide struct{ Dialog Dialog }

// Over draws a box over a page, at its Position.
func Over(t *theme.Theme, page, box string, w, h int) string {
	x, y := Position(box, w, h)
	rows := strings.Split(page, "\n")
	for i, line := range strings.Split(box, "\n") {
		for y+i >= len(rows) {
			rows = append(rows, "")
		}
		row := rows[y+i]
		right := max(0, cells.Width(row)-x-cells.Width(line))
		rows[y+i] = format.PadRight(cells.Truncate(row, x, ""), x) + line + format.PadLeft(cells.Last(row, right), right)
	}
	return strings.Join(rows, "\n")
}

// Position returns the cell of a box's upper left corner in a window of w by h.
func Position(box string, w, h int) (x, y int) {
	return max(0, (w-widest(box))/2), max(0, (h-strings.Count(box, "\n")-1)/3)
}

func widest(box string) int {
	n := 0
	for line := range strings.SplitSeq(box, "\n") {
		n = max(n, cells.Width(line))
	}
	return n
}

// Fit shortens a box to h lines. Its title and its last lines, which have the keys, stay.
// It returns the number of removed lines, which are those below the title.
func Fit(box string, h int) (string, int) {
	lines := strings.Split(box, "\n")
	over := len(lines) - h
	if over <= 0 || h <= 1 {
		return box, 0
	}
	return strings.Join(slices.Delete(lines, 1, 1+over), "\n"), over
}

// mostExcerpt is the largest width of an Excerpt, in cells: three lines of a dialog.
const mostExcerpt = 150

// Excerpt returns the two ends of a text that another person wrote. A longer text would
// leave no room for the other lines of a dialog.
func Excerpt(text, ellipsis string) string {
	if format.Width(text) <= mostExcerpt {
		return text
	}
	return format.End(text, mostExcerpt/2, "") + format.Start(text, mostExcerpt/2, ellipsis)
}

// Choice is an option of a Question.
type Choice struct {
	Keys  []string // the first is displayed
	Label string   // "" hides the choice
	Cmd   tea.Cmd  // may be nil
	Stay  bool     // the dialog stays open
}

// Question is a dialog with lines of text and choices. Esc closes it, unless a
// choice has esc.
type Question struct {
	Title   string
	Lines   []Line
	Choices []Choice
	Firm    bool // esc does not close it
	ready   bool
	graced  bool
}

// Line is a label with a value, or a sentence. Long texts are wrapped. All texts
// are safe to print.
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
type ready struct{ d *Question }

// WithGrace makes the dialog ignore keys for Grace. It returns the command that
// ends this.
func (a *Question) WithGrace() tea.Cmd {
	a.graced = true
	return tea.Tick(Grace, func(time.Time) tea.Msg { return ready{a} })
}

// Handle ends the grace.
func (a *Question) Handle(msg tea.Msg) tea.Cmd {
	if r, ok := msg.(ready); ok && r.d == a {
		a.ready = true
	}
	return nil
}

// Key runs the choice of a key.
func (a *Question) Key(msg tea.KeyPressMsg) (bool, tea.Cmd) {
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

// Cursor returns nil: the dialog has no text field.
func (a *Question) Cursor() *tea.Cursor { return nil }

// View draws the box.
func (a *Question) View(t *theme.Theme, w, h int) string {
	bw := min(Width, w-4)
	lines := append([]string{""}, Draw(t.On(theme.Panel), a.Lines, bw-6)...)
	var pairs [][2]string
	for _, c := range a.Choices {
		pairs = append(pairs, [2]string{c.Keys[0], c.Label})
	}
	lines = append(append(lines, ""), t.On(theme.Panel).KeyRows(bw-6, pairs...)...)
	return t.Box(a.Title, lines, bw)
}

// Draw returns lines painted with the tokens of p, in w cells.
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
