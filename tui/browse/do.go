package browse

import (
	"slices"

	tea "charm.land/bubbletea/v2"

	"usher/backend/api"
	"usher/backend/safetext"
	"usher/tui/keys"
	"usher/tui/pane"
)

// Download is a message to the root that starts the download of files or folders.
type Download struct{ Entries []Entry }

// Compare is a message to the root that compares a folder with its local copy.
type Compare struct{ Folder api.Path }

// String keeps raw names out of all output.
func (Compare) String() string { return "compare" }

// ShowVersions is a message to the root that opens the versions of a file.
type ShowVersions struct{ File Entry }

func (e Entry) isFile() bool { return e.Kind == api.KindObject }

// Do runs an action of the pane's context.
func (p *Pane) Do(a keys.Action) tea.Cmd {
	p.sole = 0
	if cmd, done := p.adjust(a); done {
		return cmd
	}
	switch p.focus {
	case inTree:
		if p.tree.list.Move(a) {
			return nil
		}
	case inTable:
		if pressed := p.moving(); p.table.Move(a) {
			if why := p.waits(); why != "" && a != keys.Last {
				return p.refuse(why)
			}
			p.here.far = ""
			if p.span != nil {
				p.table.Changed()
			}
			if p.toEnd = a == keys.Last && !p.now().complete(); p.toEnd {
				return tea.Batch(p.seek(), after(moment, momentOver{p.gen}))
			}
			return tea.Batch(p.moved(), pressed)
		}
	}
	if p.span != nil && p.endSpan(a) {
		return nil
	}
	if cmd, done := p.walk(a); done {
		return cmd
	}
	if cmd, done := p.mark(a); done {
		return cmd
	}
	return p.act(a)
}

// walk runs an action that moves between folders or parts of the pane.
func (p *Pane) walk(a keys.Action) (tea.Cmd, bool) {
	switch a { // a click can come while a field is open
	case keys.Enter, keys.Parent, keys.Visited, keys.Forward, keys.Buckets:
		p.typing = notTyping
	}
	switch a {
	case keys.Enter:
		return p.open(), true
	case keys.Parent:
		return p.leave(), true
	case keys.Back:
		return p.esc(), true
	case keys.NextPane, keys.PrevPane:
		p.cycle(a == keys.NextPane)
		return p.tree.grown(), true
	case keys.Visited:
		return p.history(&p.back, &p.ahead), true
	case keys.Forward:
		return p.history(&p.ahead, &p.back), true
	case keys.Buckets:
		return p.enter(visit{}), true
	case keys.Reload:
		p.tree.prune()
		return p.again(), true
	case keys.Filter:
		p.typeInto(filtering, p.filter)
	case keys.GoTo:
		p.typeInto(going, "")
	case keys.Request:
		return p.requestAccess(""), true
	case keys.SetMark:
		if p.here.location.bucket == "" || p.here.location.query != "" {
			return pane.Send(pane.Say{Text: safetext.New("Bookmark: open a folder first."), Tone: pane.Warning}), true
		}
		p.typeInto(bookmarking, "")
	case keys.ToMark:
		p.typeInto(leaping, "")
	case keys.JumpTo:
		if p.here.location.query != "" {
			return pane.Send(pane.Say{Text: safetext.New("Jump to a name: leave the search first."), Tone: pane.Warning}), true
		}
		p.typeInto(naming, "")
	case keys.FindHere:
		if why := p.Why(a); !why.IsZero() {
			return pane.Send(pane.Say{Text: why, Tone: pane.Warning}), true
		}
		p.typeInto(searchingFor, p.here.location.query)
	default:
		return nil, false
	}
	return nil, true
}

// open enters the folder under the cursor, or requests the details of a file.
func (p *Pane) open() tea.Cmd {
	if p.focus == inTree {
		p.focus = inTable
		p.refocus()
		return p.tree.enter()
	}
	if s, ok := p.onGap(); ok {
		return p.fill(s)
	}
	e, ok := p.at(p.table.Cursor())
	switch {
	case !ok:
		return p.refuse(p.waits())
	case e.isFile():
		if !p.beside(inDetails) {
			p.focus = inDetails
			p.refocus()
		}
		return p.ask(e)
	}
	return p.enter(visit{location: p.here.location.child(e.Name.Raw(), e.Kind)})
}

// leave opens the parent folder, with the cursor on the folder before.
func (p *Pane) leave() tea.Cmd {
	switch p.focus {
	case inTree:
		p.tree.up()
		return nil
	case inDetails:
		p.focus = inTable
		p.refocus()
		return nil
	}
	if p.here.location == (location{}) {
		return nil
	}
	up, name := p.here.location.parent()
	return p.enter(visit{location: up, cursor: name})
}

// esc closes one menu, filter or part with each press. It never quits.
func (p *Pane) esc() tea.Cmd {
	switch {
	case p.sorting, p.copying:
		p.sorting, p.copying = false, false
	case p.picking != nil:
		p.picking = nil
	case p.counting > 0:
		p.stopCounts()
		return pane.Send(pane.Say{Text: safetext.New("Counting has stopped.")})
	case p.filter != "":
		p.filter = ""
		return p.arrange()
	case p.focus != inTable:
		p.focus = inTable
		p.refocus()
	case p.searching():
		return p.stopSearch()
	case p.here.location.query != "":
		return p.leave()
	}
	return nil
}

func (p *Pane) cycle(next bool) {
	order := []part{inTree, inTable, inDetails}
	i := slices.Index(order, p.focus)
	if next {
		i++
	} else {
		i += len(order) - 1
	}
	p.focus = order[i%len(order)]
	p.refocus()
}

func (p *Pane) refocus() {
	p.table.Focus(p.focus == inTable)
	p.tree.list.Focus(p.focus == inTree)
	if p.focus == inTree {
		p.tree.build()
		p.tree.reveal()
	}
	p.details.show(p)
	p.details.drawn = ""
}

func (p *Pane) history(from, to *[]visit) tea.Cmd {
	n := len(*from)
	if n == 0 {
		return nil
	}
	v := (*from)[n-1]
	p.savePosition()
	*from, *to = (*from)[:n-1], append(*to, p.here)
	v.quiet = true
	return p.enter(v)
}

// act runs all other actions.
func (p *Pane) act(a keys.Action) tea.Cmd {
	switch a {
	case keys.Watch:
		if why := p.Why(a); !why.IsZero() {
			return pane.Send(pane.Say{Text: why, Tone: pane.Warning})
		}
		return p.toggleWatch()
	case keys.SortMenu:
		p.sorting = true
	case keys.CopyMenu:
		p.copying = true
	case keys.Compare:
		of := p.sized()
		if of.bucket == "" {
			return pane.Send(pane.Say{Text: safetext.New("Compare: open a bucket first."), Tone: pane.Warning})
		}
		return pane.Send(Compare{api.Path{Bucket: of.bucket, Key: of.prefix}})
	case keys.CountSizes:
		return p.countSizes()
	case keys.CopyPath, keys.CopyURI, keys.CopyLink, keys.CopyCurl, keys.CopySum, keys.CopyCommand, keys.CopyVersion, keys.CopyAdmin:
		return p.copy(a)
	case keys.ByName, keys.BySize, keys.ByModified, keys.ByKind, keys.ByLocal:
		return p.sortBy(orders[a])
	case keys.Hidden:
		p.arr.hidden = !p.arr.hidden
		say := "Names that begin with a dot are shown."
		if p.arr.hidden {
			say = "Names that begin with a dot are hidden."
		}
		return tea.Batch(p.arrange(), p.orderKept(), pane.Send(pane.Say{Text: safetext.New(say)}))
	}
	if why := p.Why(a); !why.IsZero() {
		return pane.Send(pane.Say{Text: why, Tone: pane.Warning})
	}
	e, _ := p.at(p.table.Cursor())
	switch a {
	case keys.Download:
		return pane.Send(Download{p.chosen()})
	case keys.Whole:
		s := p.here.location
		if s.query != "" {
			return pane.Send(Download{p.results()})
		}
		name := safetext.New(s.name())
		return pane.Send(Download{[]Entry{{Bucket: safetext.New(s.bucket), Key: safetext.New(s.prefix), Name: name, Kind: api.KindFolder}}})
	case keys.Read:
		p.missed = ""
		return pane.Send(pane.Open{Page: keys.Read, On: pane.Target{Bucket: e.Bucket, Key: e.Key}})
	case keys.OpenVersions:
		p.missed = ""
		return pane.Send(ShowVersions{e})
	case keys.Touched:
		return pane.Send(pane.Open{Page: keys.OpenAudit, On: pane.Target{Bucket: e.Bucket, Key: e.Key}})
	case keys.Why:
		if p.Explain != nil && p.Explain() {
			return pane.Send(pane.Open{Page: keys.Why, On: pane.Target{Bucket: e.Bucket, Key: e.Key}})
		}
		if e.isFile() {
			p.focus = inDetails
			p.refocus()
			return p.ask(e)
		}
	}
	return nil
}

// folder returns the parent of an object or a folder.
func (s location) folder() (up location, name string) {
	if n := len(s.prefix); n > 0 && s.prefix[n-1] != '/' {
		return location{bucket: s.bucket, prefix: s.prefix + "/"}.parent()
	}
	return s.parent()
}
