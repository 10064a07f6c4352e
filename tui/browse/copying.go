package browse

import (
	tea "charm.land/bubbletea/v2"

	"usher/client/quantity"
	"usher/tui/copymenu"
	"usher/tui/keys"
	"usher/tui/pane"
)

// copied returns the files that the copy menu is for: the marked ones, or the row
// under the cursor. In the tree, and in an empty folder, it is the open folder.
func (p *Pane) copied() []copymenu.File {
	var out []copymenu.File
	if p.focus != inTree {
		for _, e := range p.chosen() {
			out = append(out, copymenu.File{Bucket: e.Bucket, Key: e.Key, Folder: !e.isFile()})
		}
	}
	if len(out) == 0 {
		at := p.Target()
		out = []copymenu.File{{Bucket: at.Bucket, Key: at.Key, Folder: true}}
	}
	return out
}

// copyTitle names the menu.
func (p *Pane) copyTitle() string {
	if n := len(p.marks); n > 0 && p.focus != inTree {
		return "Copy of " + quantity.Count(n) + " marked"
	}
	return "Copy"
}

// copy requests a text of the copy menu. The root makes it.
func (p *Pane) copy(a keys.Action) tea.Cmd {
	p.copying = false
	if why := p.Why(a); !why.IsZero() {
		return pane.Send(pane.Say{Text: why, Tone: pane.Warning})
	}
	return pane.Send(copymenu.Request{Action: a, Files: p.copied(), Listed: p.now().request})
}
