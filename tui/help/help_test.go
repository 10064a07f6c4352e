package help_test

import (
	"fmt"
	"strings"
	"testing"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/colorprofile"
	"github.com/charmbracelet/x/ansi"

	"usher/backend/safetext"
	"usher/tui/help"
	"usher/tui/keys"
	"usher/tui/pane"
	"usher/tui/theme"
)

func plain() *theme.Theme { return theme.New(theme.Options{Profile: colorprofile.ASCII, ASCII: true}) }

// box is the interface of both dialogs of the package.
type box interface {
	View(t *theme.Theme, w, h int) string
	Key(tea.KeyPressMsg) (bool, tea.Cmd)
}

func screen(d box) string { return ansi.Strip(d.View(plain(), 120, 40)) }

// write types a text.
func write(d box, text string) {
	for _, r := range text {
		d.Key(tea.KeyPressMsg{Code: r, Text: string(r)})
	}
}

func enter() tea.KeyPressMsg { return tea.KeyPressMsg{Code: tea.KeyEnter} }

func table(t *testing.T) keys.Map {
	t.Helper()
	m, err := keys.New(keys.Default()...)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// The help shows the whole label of every binding of every context, except omitted
// ones.
func TestKeysShowEveryBinding(t *testing.T) {
	m := table(t)
	for _, c := range m.Contexts() {
		h := help.NewKeys("Keys", m, c, func(a keys.Action) bool { return a == keys.OpenAudit })
		for _, w := range []int{72, 80, 120, 200} {
			got := ansi.Strip(h.View(plain(), w, 100))
			for _, b := range m.All(c) {
				if b.Action != keys.OpenAudit && !strings.Contains(got, b.Label) {
					t.Errorf("%s, %d cells: %q is missing", c, w, b.Label)
				}
			}
			if strings.Contains(got, "audit log") {
				t.Errorf("%s, %d cells: an omitted action is shown", c, w)
			}
		}
	}
}

func TestKeysFind(t *testing.T) {
	h := help.NewKeys("Keys", table(t), keys.Browser, nil)
	write(h, "/checksum")
	if got := screen(h); !strings.Contains(got, "copy checksum") || strings.Contains(got, "unmark") {
		t.Errorf("found:\n%s", got)
	}
	write(h, "zzz")
	if got := screen(h); !strings.Contains(got, "No key matches.") {
		t.Errorf("found:\n%s", got)
	}
	if over, _ := h.Key(tea.KeyPressMsg{Code: tea.KeyEscape}); over {
		t.Error("esc closes the help while it clears the text")
	}
	if over, _ := h.Key(tea.KeyPressMsg{Code: tea.KeyEscape}); !over {
		t.Error("esc does not close the help")
	}
}

// ran is the message of a command of the palette.
type ran string

func palette() *help.Palette {
	send := func(r ran) tea.Cmd { return pane.Send(r) }
	return help.NewPalette([]help.Command{
		{Name: "Audit log", Key: "A", Off: safetext.New("The audit log needs group auditors."), Run: send("audit")},
		{Name: "Download marked files", Key: "d", Run: send("download")},
		{Name: "Unmark all", Key: "u", Run: send("unmark")},
		{Name: "builds/nightly/", Key: "folder", Place: true, Run: send("open nightly")},
	}, help.Path{
		Open:     func(path string) tea.Cmd { return send(ran("go to " + path)) },
		Complete: func(path string) tea.Cmd { return send(ran("complete " + path)) },
	})
}

// The palette runs the found command. An impossible one is last, with the reason.
func TestPalette(t *testing.T) {
	for _, row := range []struct {
		typed string
		want  tea.Msg
	}{
		{"", ran("download")},
		{"unm", ran("unmark")},
		{"night", ran("open nightly")},
		{"dmf", ran("download")},
		{"audit", pane.Say{Text: safetext.New("Audit log: The audit log needs group auditors."), Tone: pane.Warning}},
		{"reports/2025/", ran("go to reports/2025/")},
	} {
		p := palette()
		write(p, row.typed)
		over, cmd := p.Key(enter())
		if !over || cmd == nil {
			t.Errorf("%q: over %v", row.typed, over)
			continue
		}
		if got := cmd(); fmt.Sprint(got) != fmt.Sprint(row.want) {
			t.Errorf("%q runs %v, want %v", row.typed, got, row.want)
		}
	}
}

// Folders are found by a query only. Tab completes a typed path.
func TestPaletteOfFolders(t *testing.T) {
	p := palette()
	if got := screen(p); strings.Contains(got, "nightly") || !strings.Contains(got, "3 of 3") {
		t.Errorf("without a query:\n%s", got)
	}
	write(p, "builds/n")
	if over, cmd := p.Key(tea.KeyPressMsg{Code: tea.KeyTab}); !over || cmd() != ran("complete builds/n") {
		t.Errorf("tab closes the palette: %v", over)
	}
}

func TestPaletteFindsNothing(t *testing.T) {
	p := palette()
	write(p, "zzz")
	if got := screen(p); !strings.Contains(got, "No command matches.") || !strings.Contains(got, "0 of 4") {
		t.Errorf("found:\n%s", got)
	}
	if over, cmd := p.Key(enter()); over || cmd != nil {
		t.Error("enter runs something that was not found")
	}
}

// The cursor of the text field is behind the typed text.
func TestCursor(t *testing.T) {
	p := palette()
	before := p.Cursor().X
	write(p, "äb")
	if got := p.Cursor().X; got != before+2 {
		t.Errorf("the cursor moved from %d to %d", before, got)
	}
	h := help.NewKeys("Keys", table(t), keys.Browser, nil)
	if h.Cursor() != nil {
		t.Error("a cursor without a text field")
	}
	write(h, "/ab")
	h.Key(tea.KeyPressMsg{Code: tea.KeyLeft})
	if got := h.Cursor().X; got != before+1 {
		t.Errorf("the cursor is at %d, want %d", got, before+1)
	}
}

// The best match is first, also if the command is impossible now. Its reason is
// whole, and the number of commands below the window is shown.
func TestPaletteOrder(t *testing.T) {
	all := []help.Command{
		{Name: "Transfers: unfinished ones from an earlier time", Run: pane.Send(ran("unfinished"))},
		{Name: "Audit log", Off: safetext.New("The audit log needs group usher-auditors. Ask your administrator for a membership."), Run: pane.Send(ran("audit"))},
	}
	for i := range 30 {
		all = append(all, help.Command{Name: fmt.Sprint("Command ", i), Run: pane.Send(ran("x"))})
	}
	p := help.NewPalette(all, help.Path{})
	th := plain()
	if view := ansi.Strip(p.View(th, 80, 24)); !strings.Contains(view, " more") {
		t.Errorf("no number of further commands:\n%s", view)
	}
	write(p, "audit")
	view := ansi.Strip(p.View(th, 80, 24))
	first, reason := strings.Index(view, "Audit log"), strings.Index(view, "Ask your administrator for")
	if other := strings.Index(view, "Transfers:"); first < 0 || reason < 0 || other >= 0 && other < first {
		t.Errorf("the first match and its reason:\n%s", view)
	}
}
