package dialog_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	tea "charm.land/bubbletea/v2"
	"charm.land/lipgloss/v2"
	"github.com/charmbracelet/colorprofile"
	"github.com/charmbracelet/x/ansi"

	"usher/tui/dialog"
	"usher/tui/theme"
)

func plain() *theme.Theme { return theme.New(theme.Options{Profile: colorprofile.ASCII, ASCII: true}) }

type answer string

// question is a dialog with a choice that closes it, and one that does not.
func question() *dialog.Question {
	send := func(a answer) tea.Cmd { return func() tea.Msg { return a } }
	return &dialog.Question{
		Title: "Remove",
		Lines: []dialog.Line{{Text: "The partial file is deleted."}, {}, {Label: "File", Text: "report.pdf"}},
		Choices: []dialog.Choice{
			{Keys: []string{"enter", "y"}, Label: "remove", Cmd: send("removed")},
			{Keys: []string{"?"}, Label: "more", Cmd: send("more"), Stay: true},
			{Keys: []string{"esc"}, Label: "keep"},
		},
	}
}

func press(name string) tea.KeyPressMsg {
	if name == "enter" {
		return tea.KeyPressMsg{Code: tea.KeyEnter}
	}
	if name == "esc" {
		return tea.KeyPressMsg{Code: tea.KeyEscape}
	}
	return tea.KeyPressMsg{Code: rune(name[0]), Text: name}
}

func ExampleQuestion() {
	a := question()
	for _, l := range strings.Split(ansi.Strip(a.View(plain(), 60, 20)), "\n") {
		fmt.Println(strings.TrimRight(l, " "))
	}
	// Output:
	// +- Remove ---------------------------------------------+
	// |                                                      |
	// |  The partial file is deleted.                        |
	// |                                                      |
	// |  File  report.pdf                                    |
	// |                                                      |
	// |  enter remove  ? more  esc keep                      |
	// +------------------------------------------------------+
}

func TestChoices(t *testing.T) {
	for _, row := range []struct {
		key  string
		over bool
		sent tea.Msg
	}{
		{"enter", true, answer("removed")},
		{"y", true, answer("removed")},
		{"?", false, answer("more")},
		{"esc", true, nil},
		{"z", false, nil},
	} {
		over, cmd := question().Key(press(row.key))
		var sent tea.Msg
		if cmd != nil {
			sent = cmd()
		}
		if over != row.over || sent != row.sent {
			t.Errorf("%s: over %v, sent %v", row.key, over, sent)
		}
	}
}

// Esc closes a question without a choice for esc, unless it is firm.
func TestFirm(t *testing.T) {
	for _, firm := range []bool{false, true} {
		a := &dialog.Question{Firm: firm}
		if over, _ := a.Key(press("esc")); over == firm {
			t.Errorf("firm %v: over %v", firm, over)
		}
	}
}

// A dialog with grace ignores keys until the grace ends.
func TestGrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := question()
		end := a.WithGrace()
		if over, cmd := a.Key(press("enter")); over || cmd != nil {
			t.Error("a key counts at once")
		}
		other := question()
		msg := end()
		other.Handle(msg) // of another dialog: nothing
		a.Handle(msg)
		if over, cmd := a.Key(press("enter")); !over || cmd == nil {
			t.Error("no key counts after the grace")
		}
	})
}

// The box fits into a window of any size, and long texts are wrapped.
func TestBoxFits(t *testing.T) {
	a := question()
	a.Lines = append(a.Lines, dialog.Line{Label: "Path", Text: strings.Repeat("long-word ", 30)}, dialog.Line{Tone: dialog.Rule})
	for _, size := range [][2]int{{72, 18}, {80, 24}, {200, 50}} {
		box := a.View(plain(), size[0], size[1])
		if w := lipgloss.Width(box); w > min(dialog.Width, size[0]-4) {
			t.Errorf("%v: the box has %d cells", size, w)
		}
		x, y := dialog.Position(box, size[0], size[1])
		if x < 0 || y < 0 || x+lipgloss.Width(box) > size[0] {
			t.Errorf("%v: the box is at %d, %d", size, x, y)
		}
	}
}

// Over draws the box over the page and does not change the rest.
func TestOver(t *testing.T) {
	page := strings.TrimSuffix(strings.Repeat(strings.Repeat(".", 80)+"\n", 24), "\n")
	got := ansi.Strip(dialog.Over(plain(), page, question().View(plain(), 80, 24), 80, 24))
	lines := strings.Split(got, "\n")
	if len(lines) != 24 || !strings.HasPrefix(lines[0], "....") || !strings.Contains(got, "report.pdf") {
		t.Errorf("%d lines:\n%s", len(lines), got)
	}
}
