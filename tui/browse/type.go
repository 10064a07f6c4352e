package browse

import (
	tea "charm.land/bubbletea/v2"

	"usher/backend/api"
	"usher/backend/safetext"
	"usher/tui/keys"
	"usher/tui/pane"
)

// Why returns the reason that an action is not possible now, if it is not.
func (p *Pane) Why(a keys.Action) safetext.Text {
	if a == keys.Touched && p.Touched != nil && !p.Touched().IsZero() {
		return p.Touched()
	}
	return safetext.New(p.whyNot(a))
}

// whyNot is a reason that the pane itself knows, "" without one.
func (p *Pane) whyNot(a keys.Action) string {
	e, row := p.at(p.table.Cursor())
	file := row && e.isFile()
	switch a {
	case keys.Download:
		if len(p.marks) == 0 && !row {
			return "Download: mark a file or move to one."
		}
	case keys.Whole:
		switch {
		case p.here.location.bucket == "":
			return "Download: open a bucket first."
		case p.here.location.query != "" && len(p.view) == 0:
			return "Download: the search has found no file."
		}
	case keys.FindHere:
		if p.here.location.bucket == "" {
			return "Search subfolders: open a bucket first."
		}
	case keys.Read:
		switch {
		case !file:
			return "Read: move to a file."
		case p.Read == nil:
			return "Reading is not possible here."
		case e.Archived:
			return api.Lookup(api.ObjectArchived).Sentence
		}
	case keys.CopySum:
		if !file {
			return "Copy the checksum: move to a file."
		}
	case keys.Why:
		if !file {
			return "Why can I see this: move to a file."
		}
	case keys.Touched:
		switch {
		case p.Touched == nil:
			return "There is no audit log here."
		case !row:
			return "Who accessed this: move to a file."
		}
	case keys.Visited:
		if len(p.back) == 0 {
			return "There is no folder to go back to."
		}
	case keys.Forward:
		if len(p.ahead) == 0 {
			return "There is no folder to go forward to."
		}
	}
	return ""
}

// typeInto opens the text field.
func (p *Pane) typeInto(u use, value string) {
	p.typing = u
	p.field.Open(value)
}

// Key handles a key press in the text field.
func (p *Pane) Key(msg tea.KeyPressMsg) tea.Cmd {
	switch msg.String() {
	case "esc":
		p.typing = notTyping
		if p.filter != "" {
			p.filter = ""
			return p.arrange()
		}
		return nil
	case "enter":
		switch p.typing {
		case filtering:
			p.typing = notTyping
			return nil
		case searchingFor:
			return p.search(p.field.Value())
		}
		where, err := api.ParsePath(p.field.Value())
		if err != nil { // the text stays, to be corrected
			return pane.Send(pane.Say{Text: pane.Sentence(err, p.Server), Tone: pane.Bad})
		}
		p.typing = notTyping
		cmd := p.goTo(pane.At(where))
		p.wanted = p.field.Value()
		return cmd
	case "down":
		p.table.Move(keys.Down)
		return p.moved()
	case "up":
		p.table.Move(keys.Up)
		return p.moved()
	}
	p.field.Take(msg)
	return p.typed()
}

// typed handles a change of the text field.
func (p *Pane) typed() tea.Cmd {
	if p.typing != filtering || p.filter == p.field.Value() {
		return nil
	}
	p.filter = p.field.Value()
	p.here.top = 0
	return tea.Batch(p.arrange(), p.seek())
}
