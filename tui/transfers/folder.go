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

// FolderChanged is the message to the root that the download folder has changed.
type FolderChanged struct{}

// typeFolder opens the text field for another folder.
func (a *Confirm) typeFolder() {
	a.typing, a.wrong = true, ""
	a.field.Open(a.p.short(a.root))
	if safetext.New(a.root).Escaped() {
		a.field.Open(a.root)
	}
}

// typed handles a key press in the text field. The chosen folder is used for the
// rest of the session.
func (a *Confirm) typed(msg tea.KeyPressMsg) tea.Cmd {
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
		a.restoreLeftOut() // they may fit there
		for i := range a.files {
			a.files[i].Dir = dir
		}
		cmds := []tea.Cmd{a.p.setFolder(dir)}
		if !a.counting { // the disk is checked after the counting
			cmds = append(cmds, a.check())
		}
		return tea.Batch(cmds...)
	}
	a.field.Take(msg)
	a.wrong = ""
	return nil
}

// folder parses a typed folder: a full path, or one that begins with ~. For any
// other text it returns a sentence with the right form.
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

// setFolder changes the download folder.
func (p *Pane) setFolder(dir string) tea.Cmd {
	if dir == p.Dir {
		return nil
	}
	p.Dir, p.free = dir, -1
	return tea.Batch(p.space(), pane.Send(FolderChanged{}))
}

// fieldLine draws the text field and stores the position of its cursor.
func (a *Confirm) fieldLine(p *theme.Theme, label, w int) string {
	before, after := safetext.Line(a.field.Before()), safetext.Line(a.field.After())
	room := w - label - 1
	before = format.Start(before, room, p.Glyphs.Ellipsis)
	after = format.End(after, room-format.Width(before), p.Glyphs.Ellipsis)
	a.x = 3 + label + format.Width(before)
	return p.Accent.Bold().Paint(format.PadRight("To", label)) + p.Text.Underline().Paint(format.PadRight(before+after, w-label))
}

// Cursor returns the position of the text cursor while a folder is typed.
func (a *Confirm) Cursor() *tea.Cursor {
	if !a.typing {
		return nil
	}
	return tea.NewCursor(a.x, a.y)
}
