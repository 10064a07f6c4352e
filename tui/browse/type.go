package browse

import (
	"strings"

	tea "charm.land/bubbletea/v2"

	"usher/backend/api"
	"usher/backend/safetext"
	"usher/client/places"
	"usher/tui/copymenu"
	"usher/tui/keys"
)

// use of the text field.
type use int

const (
	notTyping use = iota
	filtering
	going
	searchingFor
	marking
	unmarking
	naming      // a name to jump to
	bookmarking // one letter
	leaping     // one letter
	watching    // patterns of objects to download
)

// prompt returns the text before the field.
func (u use) prompt() string {
	switch u {
	case filtering:
		return "/ "
	case going:
		return "go to: "
	case searchingFor:
		return "search: "
	case marking:
		return "mark: "
	case unmarking:
		return "unmark: "
	case naming:
		return "jump to the name: "
	case bookmarking:
		return "bookmark this folder: a letter"
	case watching:
		return "watch, and download new: "
	}
	return ""
}

// Typing is true while a path or a filter is typed.
func (p *Pane) Typing() bool { return p.typing != notTyping }

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
	case keys.Download, keys.Read, keys.OpenVersions, keys.Why, keys.Touched:
		if why := p.waits(); why != "" && !row && !(a == keys.Download && len(p.marks) > 0) {
			return why
		}
	}
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
	case keys.MarkBy, keys.UnmarkBy, keys.Range:
		if p.here.location.bucket == "" {
			return "Mark: open a bucket first."
		}
	case keys.WiderFolders, keys.NarrowerFolders, keys.WiderDetails, keys.NarrowerDetails, keys.ResetWidths:
		return p.whyNoWidth(a)
	case keys.Marks:
		return p.whyNoMarks()
	case keys.Watch:
		if p.here.location.bucket == "" || p.here.location.query != "" {
			return "Watch: open a folder first."
		}
	case keys.FindHere:
		if p.here.location.bucket == "" {
			return "Search subfolders: open a bucket first."
		}
	case keys.Read:
		switch {
		case !file:
			return "Read: move to a file."
		case p.Reads == nil || !p.Reads():
			return "Reading is not possible here."
		case e.Archived:
			return api.Lookup(api.ObjectArchived).Sentence
		}
	case keys.CopyPath, keys.CopyURI, keys.CopyLink, keys.CopyCurl, keys.CopySum, keys.CopyCommand, keys.CopyVersion:
		return copymenu.Why(a, p.copied())
	case keys.OpenVersions:
		if !file {
			return "Versions: move to a file."
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
	if p.focus != inTable && !p.beside(p.focus) {
		p.focus = inTable // the field is in its head
		p.refocus()
	}
	switch u {
	case filtering:
		p.field.History(p.memory.state.Filters)
	default:
		p.field.History(nil)
	}
	p.field.Open(value)
	if u == going {
		p.proposals = proposals{}
		p.propose()
	}
}

// Key handles a key press in the text field.
func (p *Pane) Key(msg tea.KeyPressMsg) tea.Cmd {
	if p.typing == bookmarking || p.typing == leaping {
		return p.letter(msg.String())
	}
	switch msg.String() {
	case "esc":
		was := p.typing
		p.typing = notTyping
		if was == filtering && p.filter != "" {
			p.filter = ""
			return p.refilter()
		}
		return nil
	case "enter":
		switch p.typing {
		case filtering:
			p.typing = notTyping
			if strings.TrimSpace(p.filter) == "" {
				return nil
			}
			return p.remember(places.Change{Filters: []string{p.filter}})
		case searchingFor:
			return p.search(p.field.Value())
		case marking, unmarking:
			return p.markBy(p.field.Value(), p.typing == marking)
		case watching:
			cmd, ok := p.startWatch(p.field.Value())
			if ok {
				p.typing = notTyping
			}
			return cmd
		case naming:
			return p.jump(p.field.Value())
		}
		return p.goThere()
	case "tab":
		if p.typing == going {
			return p.complete()
		}
	case "ctrl+r":
		if p.typing == going {
			typed := p.field.Value()
			p.typing = notTyping
			return p.requestAccess(typed)
		}
	case "up", "down":
		if p.typing == going {
			p.choose(map[string]int{"up": -1, "down": 1}[msg.String()])
			return nil
		}
		move, earlier := keys.Down, msg.String() == "up"
		if earlier {
			move = keys.Up
		}
		// Up in an empty filter, and both keys in a recalled text, are for the history.
		if p.field.Recalling() || p.typing == filtering && earlier && p.field.Value() == "" {
			p.field.Recall(earlier)
			return p.typed()
		}
		p.table.Move(move)
		return p.moved()
	}
	p.field.Take(msg)
	return p.typed()
}

// typed handles a change of the text field.
func (p *Pane) typed() tea.Cmd {
	if p.typing == going {
		p.propose()
		return nil
	}
	if p.typing != filtering || p.filter == p.field.Value() {
		return nil
	}
	p.filter = p.field.Value()
	p.here.top = 0
	return tea.Batch(p.refilter(), p.seek())
}
