package audit

import (
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"usher/backend/event"
	"usher/backend/safetext"
	"usher/tui/keys"
	"usher/tui/pane"
)

// Do runs an action of the page's context.
func (p *Pane) Do(a keys.Action) tea.Cmd {
	if why := p.Why(a); !why.IsZero() {
		return pane.Send(pane.Say{Text: why, Tone: pane.Warning})
	}
	switch a {
	case keys.Zone:
		p.local = !p.local
		at := p.newest(p.list.Cursor())
		p.arrange()
		p.list.SetCursor(p.find(at))
		p.dirty()
		p.follow()
		return nil
	case keys.CopyPath:
		return pane.Send(pane.Copy{Text: p.chosen().path})
	case keys.Touched:
		return p.touched()
	case keys.OpenProof:
		return pane.Send(pane.Open{Page: keys.OpenProof})
	}
	if p.open != nil {
		switch a {
		case keys.Back, keys.Quit, keys.Parent:
			p.open = nil
		default:
			pane.Scroll(&p.open.port, a)
		}
		return nil
	}
	if p.list.Move(a) {
		return p.moved()
	}
	switch a {
	case keys.Enter:
		p.follow()
		p.open = p.fullOf(p.current())
	case keys.Filter:
		p.edit()
	case keys.Reload:
		return p.reload()
	case keys.Back, keys.Quit:
		return p.leave()
	}
	return nil
}

// chosen returns the event for the keys: the open one, or the first of the row under
// the cursor; nil without one.
func (p *Pane) chosen() *fact {
	if p.open != nil {
		return &p.open.members[0]
	}
	if e := p.current(); e != nil {
		return &p.log.facts[e.members[0]]
	}
	return nil
}

// Why returns the reason that an action is not possible now, if it is not.
func (p *Pane) Why(a keys.Action) safetext.Text {
	switch a {
	case keys.Enter, keys.Touched, keys.CopyPath:
		f := p.chosen()
		switch {
		case f == nil:
			return safetext.New("There is no event here.")
		case a != keys.Enter && !f.named:
			return safetext.New("This event names no file.")
		}
	}
	return safetext.Text{}
}

// touched shows the events of the same path.
func (p *Pane) touched() tea.Cmd {
	bucket, key, _ := strings.Cut(p.chosen().path.Raw(), "/")
	to := filterFor(bucket, key)
	p.open = nil
	if to == p.filter {
		return pane.Send(pane.Say{Text: safetext.New("These are the events of this path. esc goes back.")})
	}
	p.back = append(p.back, p.filter)
	return p.use(to)
}

// leave goes back by one step: to the previous filter, to the first filter of the
// page, or to the page below.
func (p *Pane) leave() tea.Cmd {
	if n := len(p.back); n > 0 {
		to := p.back[n-1]
		p.back = p.back[:n-1]
		return p.use(to)
	}
	if p.filter != p.start {
		return p.use(p.start)
	}
	p.stop()
	if p.stopCount != nil {
		p.stopCount()
	}
	return pane.Send(pane.Close{})
}

// use requests the events of a filter.
func (p *Pane) use(filter string) tea.Cmd {
	p.filter = filter
	p.list.Changed()
	return p.ask(true, "")
}

// edit opens the text field with the present filter.
func (p *Pane) edit() {
	p.typing, p.wrong = true, nil
	p.field.Open(p.filter)
	// A path from the log may have characters that a text field drops. A query for
	// the rest would return a wrong result.
	p.hidden = p.field.Value() != p.filter
	if p.hidden {
		p.field.Set("")
	}
}

// Typing is true while a filter is typed.
func (p *Pane) Typing() bool { return p.typing }

// Key handles a key press in the text field.
func (p *Pane) Key(msg tea.KeyPressMsg) tea.Cmd {
	switch msg.String() {
	case "esc":
		p.typing, p.wrong = false, nil
		return nil
	case "enter":
		return p.submit()
	case "up", "down":
		p.field.Recall(msg.String() == "up")
	case "tab":
		p.complete()
	case "ctrl+u": // clears also the text behind the cursor
		p.field.Set("")
	default:
		p.field.Take(msg)
	}
	p.typed()
	return nil
}

// typed handles a change of the text field. It checks a shown mistake again.
func (p *Pane) typed() {
	if p.wrong != nil {
		p.wrong = check(p.field.Value())
	}
}

// check returns the mistake in a filter, or nil.
func check(text string) *event.FilterError {
	// Ages are relative to the time of the server. Their form does not depend on it,
	// so any time is good for the check.
	_, err := event.ParseFilter(text, time.Unix(0, 0))
	wrong, _ := err.(*event.FilterError) // ParseFilter returns no other type
	return wrong
}

// submit sends the typed filter, or shows the mistake in it.
func (p *Pane) submit() tea.Cmd {
	text := strings.TrimSpace(p.field.Value())
	p.field.Set(text)
	if p.wrong = check(text); p.wrong != nil {
		p.field.MoveTo(p.wrong.Offset + p.wrong.Length)
		return nil
	}
	p.typing = false
	if text != "" {
		p.field.Keep()
	}
	p.back = nil
	return p.use(text)
}

// complete extends the word at the cursor by the common prefix of all completions.
func (p *Pane) complete() {
	word, could := p.possible()
	if len(could) == 0 {
		return
	}
	sure := could[0]
	for _, c := range could[1:] {
		for !strings.HasPrefix(c, sure) {
			sure = sure[:len(sure)-1]
		}
	}
	if len(sure) > len(word) {
		p.field.Insert(sure[len(word):])
	}
}

// possible returns the typed part of the word at the cursor, and its completions.
func (p *Pane) possible() (word string, could []string) {
	before := p.field.Before()
	word = before[strings.LastIndexByte(before, ' ')+1:]
	word = strings.TrimPrefix(word, "-")
	var all []string
	switch field, value, typed := strings.Cut(word, ":"); {
	case !typed:
		for _, f := range event.Fields() {
			all = append(all, string(f)+":")
		}
	case field == string(event.ByAction):
		word, all = value, event.Actions()
	case field == string(event.ByOutcome):
		word, all = value, event.Outcomes()
	}
	for _, a := range all {
		if strings.HasPrefix(a, word) {
			could = append(could, a)
		}
	}
	return word, could
}

// Title returns the path for row 0.
func (p *Pane) Title() []string {
	if p.open != nil {
		return []string{"Audit log", "Event " + p.open.members[0].id.String()}
	}
	return []string{"Audit log"}
}

// Hints returns the keys for the key line, most useful first.
func (p *Pane) Hints() []keys.Action {
	switch {
	case p.typing:
		return nil
	case p.open != nil:
		return []keys.Action{keys.Down, keys.Up, keys.Touched, keys.CopyPath, keys.Back, keys.Help}
	case p.w < 110:
		return []keys.Action{keys.Filter, keys.Enter, keys.Touched, keys.CopyPath, keys.Back, keys.Help}
	}
	return []keys.Action{keys.Filter, keys.Enter, keys.Touched, keys.CopyPath, keys.Zone, keys.OpenProof, keys.Back, keys.Palette, keys.Help}
}
