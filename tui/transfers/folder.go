package transfers

import (
	"path/filepath"
	"strings"

	tea "charm.land/bubbletea/v2"

	"usher/backend/safetext"
	"usher/tui/format"
	"usher/tui/pane"
	"usher/tui/theme"
)

// Moved is the message to the root that downloads go to another folder from now on.
type Moved struct{}

// typeFolder opens the field for another folder.
func (a *Ask) typeFolder() {
	a.typing, a.wrong = true, ""
	a.field.Open(a.p.short(a.root))
	if safetext.New(a.root).Escaped() {
		a.field.Open(a.root)
	}
}

// typed takes a key press of the field. The folder that is chosen holds for
// the session.
func (a *Ask) typed(msg tea.KeyPressMsg) tea.Cmd {
	switch msg.String() {
	case "esc":
		a.typing, a.wrong = false, ""
		return nil
	case "enter":
		dir, wrong := a.p.folder(a.field.Value())
		if a.wrong = wrong; wrong != "" {
			return nil
		}
		a.typing = false
		a.root = dir
		a.putBack() // there may be room for it
		for i := range a.files {
			a.files[i].Dir = dir
		}
		cmds := []tea.Cmd{a.p.moveTo(dir)}
		if !a.counting { // the end of counting looks at the disk itself
			cmds = append(cmds, a.check())
		}
		return tea.Batch(cmds...)
	}
	a.field.Take(msg)
	a.wrong = ""
	return nil
}

// folder reads a folder as it was typed: a whole path, or one that begins at
// home; else it returns a sentence with the right form.
func (p *Pane) folder(typed string) (dir, wrong string) {
	dir = strings.TrimSpace(typed)
	if rest, ok := strings.CutPrefix(dir, "~"); ok && (rest == "" || strings.ContainsRune(`/`+string(filepath.Separator), rune(rest[0]))) && p.Home != "" {
		dir = p.Home + rest
	}
	if !filepath.IsAbs(dir) {
		if p.Home != "" {
			return "", "Type a full path that begins with / or ~/."
		}
		return "", "Type a full path, from the root."
	}
	return filepath.Clean(dir), ""
}

// moveTo lets downloads go to another folder from now on.
func (p *Pane) moveTo(dir string) tea.Cmd {
	if dir == p.Dir {
		return nil
	}
	p.Dir, p.free = dir, -1
	return tea.Batch(p.space(), pane.Send(Moved{}))
}

// fieldLine draws the field and notes the position of its cursor.
func (a *Ask) fieldLine(p *theme.Theme, label, w int) string {
	before, after := safetext.Line(a.field.Before()), safetext.Line(a.field.After())
	room := w - label - 1
	before = format.Start(before, room, p.Glyphs.Ellipsis)
	after = format.End(after, room-format.Width(before), p.Glyphs.Ellipsis)
	a.x = 3 + label + format.Width(before)
	return p.Accent.Bold().Paint(format.PadRight("To", label)) + p.Text.Underline().Paint(format.PadRight(before+after, w-label))
}

// Cursor is where the next letter goes, while a folder is typed.
func (a *Ask) Cursor() *tea.Cursor {
	if !a.typing {
		return nil
	}
	return tea.NewCursor(a.x, a.y)
}
