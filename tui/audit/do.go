package audit

import (
	"context"
	"slices"
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
		p.keep(p.arrange)
		p.dirty()
		return nil
	case keys.CopyPath:
		return pane.Send(pane.Copy{Text: p.chosen().path})
	case keys.Touched:
		return p.touched()
	case keys.Person:
		return p.narrow(p.chosen().personTerm(), "person")
	case keys.OneLogin:
		return p.narrow(event.Term{Field: event.BySession, Value: p.chosen().session.Raw()}, "session")
	case keys.OpenProof:
		return pane.Send(pane.Open{Page: keys.OpenProof})
	}
	if cmd, done := p.doAnswers(a); done {
		return cmd
	}
	if p.open != nil {
		switch a {
		case keys.Back, keys.Quit, keys.Parent:
			p.open = nil
		case keys.Next:
			return p.turn(keys.Down)
		case keys.Previous:
			return p.turn(keys.Up)
		default:
			pane.Scroll(&p.open.port, a)
		}
		return nil
	}
	if cmd, moved := p.move(a); moved {
		return cmd
	}
	switch a {
	case keys.Enter:
		p.follow()
		return p.openRow()
	case keys.Follow:
		return p.toggleFollow()
	case keys.OwnReads:
		return p.toggleOwn()
	case keys.Chart:
		return p.nextSpan()
	case keys.SaveLog:
		return p.openExport()
	case keys.Filter:
		p.edit()
	case keys.Reload:
		return p.reload()
	case keys.Back, keys.Quit:
		return p.leave()
	}
	return nil
}

// Click implements pane.Clicks for the rows of events.
func (p *Pane) Click(_, y int) (tea.Cmd, bool) {
	if p.open != nil || p.export != nil || p.answer != nil || len(p.lines) == 0 {
		return nil, false
	}
	top := 4 + len(p.mistake(p.w)) // filter, line below, head, names of columns
	if p.h >= chartFrom {
		top += chartHeight + 1
	}
	again, ok := p.list.Click(y - top)
	if !ok {
		return nil, false
	}
	return p.moved(p.toward), again
}

// doAnswers runs the actions of answers, and the menu of b. It returns false for all
// others.
func (p *Pane) doAnswers(a keys.Action) (tea.Cmd, bool) {
	if by, ok := byOf(a); ok {
		return p.groupBy(by), true
	}
	if q, ok := savedOf(a); ok {
		return p.askSaved(q), true
	}
	if a == keys.Questions {
		return p.listQuestions(), true
	}
	switch {
	case p.grouping:
		p.grouping = false
		return nil, true
	case p.export != nil:
		return p.doExport(a), true
	case p.answer != nil && p.open == nil:
		return p.doAnswer(a), true
	case a == keys.GroupBy:
		p.grouping = true
		return nil, true
	}
	return nil, false
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
	if why := fileWhy(a); p.File && why != "" {
		return safetext.New(why)
	}
	switch a {
	case keys.SaveLog:
		if p.Exporter == nil {
			return safetext.New("This program cannot export the log.")
		}
	case keys.Enter, keys.Touched, keys.CopyPath, keys.Person, keys.OneLogin:
		if p.answer != nil && p.open == nil {
			return p.answer.why()
		}
		f := p.chosen()
		switch {
		case f == nil && p.asked != nil, p.open == nil && p.stale():
			return safetext.New("The log is still being read. The key works once its events are here.")
		case f == nil:
			return safetext.New("There is no event here.")
		case (a == keys.Touched || a == keys.CopyPath) && !f.named:
			return safetext.New("This event names no file.")
		case a == keys.Person && f.person().IsZero():
			return safetext.New("This event names no person.")
		case a == keys.OneLogin && f.session.IsZero():
			return safetext.New("This event has no session.")
		}
	}
	return safetext.Text{}
}

// fileWhy returns the reason that an action is not possible for a log in a file.
func fileWhy(a keys.Action) string {
	switch a {
	case keys.SaveLog:
		return "This log is a file. An export is made from the log of a server."
	case keys.OpenProof:
		return "This log is a file. All facts: usher audit verify FILE (the result is above)."
	case keys.Follow:
		return "This log is a file, so no events follow."
	case keys.OwnReads:
		return "This log is a file, and reading it leaves no events."
	}
	return ""
}

// openRow opens the row under the cursor in full.
func (p *Pane) openRow() tea.Cmd {
	p.open = p.fullOf(p.current())
	return p.lookUp(&p.open.members[0])
}

// turn opens the row above or below the open one.
func (p *Pane) turn(to keys.Action) tea.Cmd {
	at := p.list.Cursor()
	cmd, _ := p.move(to)
	if p.list.Cursor() == at {
		say := "This is the last event that was read."
		if to == keys.Up {
			say = "This is the newest event that was read."
		}
		return tea.Batch(cmd, pane.Send(pane.Say{Text: safetext.New(say)}))
	}
	return tea.Batch(cmd, p.openRow())
}

// personTerm returns the condition for the events of the same person.
func (f *fact) personTerm() event.Term {
	if f.who.IsZero() {
		return event.Term{Field: event.ByWho, Value: f.sub.Raw()}
	}
	return event.Term{Field: event.ByWho, Value: f.who.Raw()}
}

// narrow shows the events of one person or one session. Times of the present filter
// remain.
func (p *Pane) narrow(t event.Term, of string) tea.Cmd {
	to := strings.TrimSpace(event.Filter{Terms: []event.Term{t}}.String() + " " + times(p.filter))
	p.open = nil
	if to == p.filter {
		return pane.Send(pane.Say{Text: safetext.New("These are the events of this " + of + ". " + p.Env.Keys.Shown(keys.Audit, keys.Back) + " goes back.")})
	}
	p.back = append(p.back, step{filter: p.filter})
	return p.use(to)
}

// times returns the terms of a filter that limit its time.
func times(filter string) string {
	var kept []string
	for _, w := range words(filter) {
		if strings.HasPrefix(w, string(event.BySince)+":") || strings.HasPrefix(w, string(event.ByUntil)+":") {
			kept = append(kept, w)
		}
	}
	return strings.Join(kept, " ")
}

// words splits a filter into its terms.
func words(text string) (all []string) {
	for text = strings.TrimLeft(text, " "); text != ""; text = strings.TrimLeft(text, " ") {
		end := term(text)
		all = append(all, text[:end])
		text = text[end:]
	}
	return all
}

// touched shows the events of the same path.
func (p *Pane) touched() tea.Cmd {
	bucket, key, _ := strings.Cut(p.chosen().path.Raw(), "/")
	to := strings.TrimSpace(filterFor(bucket, key) + " " + times(p.filter))
	p.open = nil
	if to == p.filter {
		return pane.Send(pane.Say{Text: safetext.New("These are the events of this path. " + p.Env.Keys.Shown(keys.Audit, keys.Back) + " goes back.")})
	}
	p.back = append(p.back, step{filter: p.filter})
	return p.use(to)
}

// leave goes back by one step: to the previous filter, to the first filter of the
// page, or to the page below.
func (p *Pane) leave() tea.Cmd {
	if n := len(p.back); n > 0 {
		to := p.back[n-1]
		p.back = p.back[:n-1]
		p.answer = to.answer
		return p.use(to.filter)
	}
	if p.filter != p.start {
		return p.use(p.start)
	}
	p.stop()
	p.tail = follower{seq: p.tail.seq + 1}
	for _, stop := range []context.CancelFunc{p.stopCount, p.stopChart} {
		if stop != nil {
			stop()
		}
	}
	return pane.Send(pane.Close{})
}

// use requests the events of a filter.
func (p *Pane) use(filter string) tea.Cmd {
	p.filter = filter
	p.toward = down
	p.list.Changed()
	return tea.Batch(p.ask(newest, true), p.chartNow())
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
func (p *Pane) Typing() bool { return p.typing || p.export != nil && p.export.typing() }

// Key handles a key press in the text field.
func (p *Pane) Key(msg tea.KeyPressMsg) tea.Cmd {
	if p.export != nil {
		return p.exportKey(msg)
	}
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
	if plain(text) {
		text = event.Filter{Terms: []event.Term{{Field: event.ByPath, Value: "*" + strings.Trim(text, "*") + "*"}}}.String()
	}
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

// plain reports whether a typed text is one word without a field: a part of a path.
// The name of a field is the beginning of a term.
func plain(text string) bool {
	return strings.Trim(text, "*") != "" && text[0] != '-' && !strings.ContainsAny(text, ":\"\\ ") && !slices.Contains(event.Fields(), event.Field(text))
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
		return []string{"Audit log", p.open.members[0].title()}
	}
	if p.export != nil {
		return []string{"Audit log", "Export"}
	}
	if p.answer != nil {
		return []string{"Audit log", "Answer"}
	}
	return []string{"Audit log"}
}

// Label implements pane.Labels.
func (p *Pane) Label(a keys.Action) string {
	if a == keys.Enter && p.open == nil && p.answer != nil && p.answer.opens() {
		return "answer it"
	}
	return ""
}

// Hints returns the keys for the key line, most useful first.
func (p *Pane) Hints() []keys.Action {
	switch {
	case p.typing:
		return nil
	case p.export != nil:
		return []keys.Action{keys.Back}
	case p.grouping:
		return []keys.Action{keys.GroupWho, keys.GroupFile, keys.GroupFolder, keys.GroupIP, keys.GroupSession, keys.GroupGrant, keys.GroupAgent, keys.GroupDay, keys.GroupHour, keys.Back}
	case p.answer != nil && p.open == nil:
		all := []keys.Action{keys.GroupBy, keys.Reload, keys.Back, keys.Help}
		if len(p.answer.rows) > 0 {
			all = append([]keys.Action{keys.Enter}, all...)
		}
		return all
	case p.open != nil:
		all := []keys.Action{keys.Next, keys.Previous, keys.Person, keys.Touched, keys.OneLogin, keys.CopyPath, keys.Zone}
		if p.w < 110 {
			all = all[:3]
		}
		return append(all, keys.Back, keys.Help)
	}
	all := []keys.Action{keys.Filter, keys.Enter, keys.Follow, keys.GroupBy, keys.SaveLog, keys.OpenProof, keys.Person, keys.OneLogin, keys.Touched,
		keys.OwnReads, keys.Chart, keys.Zone, keys.CopyPath}
	if p.File {
		all = slices.DeleteFunc(all, func(a keys.Action) bool { return fileWhy(a) != "" })
	}
	switch {
	case p.w < 110:
		all = all[:5]
	case p.w < 170:
		all = all[:min(8, len(all))]
	}
	if p.File { // the only page
		return append(all, keys.Quit, keys.Help)
	}
	return append(all, keys.Back, keys.Help)
}
