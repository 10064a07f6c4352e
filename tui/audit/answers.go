package audit

import (
	"context"

	tea "charm.land/bubbletea/v2"

	"usher/backend/api"
	"usher/backend/safetext"
	"usher/tui/keys"
	"usher/tui/pane"
)

// reading is the part of the log that a query reads.
type reading uint8

const (
	newest reading = iota // the newest events: a new window
	oldest                // the first events of the log: a new window
	older                 // the page below the window
	newer                 // the page above the window
	latest                // the page above the window, for following
)

// ascends reports whether the events come in ascending order.
func (k reading) ascends() bool { return k == oldest || k == newer || k == latest }

// replaces reports whether a new window replaces the present one.
func (k reading) replaces() bool { return k == newest || k == oldest }

// query is one call to the log. Its address identifies its response.
type query struct {
	reading reading
	filter  safetext.Text
	cursor  safetext.Text
	fresh   bool // the filter differs from the one on the screen
}

// problem is the failure of a query.
type problem struct {
	text    string
	reading reading
}

// ask requests a page of events, and cancels the pending query.
func (p *Pane) ask(k reading, fresh bool) tea.Cmd {
	p.stop()
	if k == older && p.log.older.cursor == "" && p.log.empty() {
		k = newest
	}
	in := api.AuditQueryRequest{Filter: p.filter, Limit: pageSize}
	switch k {
	case oldest:
		in.Oldest = true
	case older:
		if in.Cursor = p.log.older.cursor; in.Cursor == "" {
			in.Before = p.log.last()
		}
	case newer, latest:
		if in.Cursor = p.log.newer.cursor; in.Cursor == "" {
			in.After = p.log.anchor()
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), askLimit)
	q := &query{reading: k, filter: safetext.New(p.filter), cursor: safetext.New(in.Cursor), fresh: fresh}
	p.asked, p.cancel = q, cancel
	before, backend := p.log, p.Backend
	return tea.Batch(after(grace, waited{q}), func() tea.Msg {
		defer cancel()
		r, err := backend.AuditQuery(ctx, in)
		if err != nil {
			return answered{of: q, err: err}
		}
		return answered{of: q, log: before.with(k, r)}
	})
}

// stop cancels the pending query. Its response will be dropped.
func (p *Pane) stop() {
	if p.cancel != nil {
		p.cancel()
	}
	p.asked, p.cancel, p.slow, p.problem = nil, nil, false, problem{}
}

func (p *Pane) answered(m answered) tea.Cmd {
	if p.asked == nil || m.of != p.asked {
		return nil
	}
	p.stop()
	if m.err != nil {
		return p.failed(m)
	}
	switch k := m.of.reading; {
	case k.replaces():
		p.empty = 0
		if m.log.empty() && !m.log.older.end {
			p.empty = 1
		}
		p.show(m.log)
		if k == oldest {
			p.list.SetCursor(len(p.lines) - 1)
			p.follow()
		}
	case k == latest:
		p.slide(m.log)
	default:
		was := p.farthest(k)
		p.keep(func() { p.log = m.log; p.arrange() })
		if p.empty++; p.farthest(k) != was {
			p.empty = 0
		}
	}
	return tea.Batch(p.more(), pane.Send(pane.Answered{}))
}

// farthest returns the ID of the last row in the direction of a reading.
func (p *Pane) farthest(k reading) string {
	at := len(p.lines) - 1
	if k.ascends() {
		for at = 0; at < len(p.lines)-1 && p.entry(at) == nil; at++ {
		}
	} else {
		for at > 0 && p.entry(at) == nil {
			at--
		}
	}
	if ids := p.ids(at); len(ids) > 0 {
		return ids[0]
	}
	return ""
}

// failed shows the failure of a query. A page whose cursor has expired is read by the
// ID of the event before it.
func (p *Pane) failed(m answered) tea.Cmd {
	if pane.Code(m.err) == api.BadCursor && !m.of.cursor.IsZero() {
		n := *p.log
		n.older.cursor, n.newer.cursor = "", ""
		p.log = &n
		return p.ask(m.of.reading, false)
	}
	if m.of.fresh {
		p.show(&ledger{})
	}
	text := p.sentence(m.err)
	if m.of.reading == latest {
		p.tail.on = false
		return tea.Batch(pane.Send(pane.Say{Text: safetext.New("Following has stopped. " + text + " " + p.Env.Keys.Shown(keys.Audit, keys.Follow) + " follows again."), Tone: pane.Warning}),
			pane.Send(pane.Failed{Err: m.err}))
	}
	p.problem = problem{text: text, reading: m.of.reading}
	return pane.Send(pane.Failed{Err: m.err})
}

// more requests the next page if the cursor is near the end of the window in the
// direction of its last movement, or if the window does not fill the screen.
func (p *Pane) more() tea.Cmd {
	at := p.list.Cursor()
	switch {
	case p.asked != nil, p.problem.text != "", p.empty >= emptyMost:
		return nil
	case p.toward == down && !p.log.older.end && (at >= len(p.lines)-near || len(p.lines) < p.listHeight()):
		return p.ask(older, false)
	case p.toward == up && !p.log.newer.end && at < near:
		return p.ask(newer, false)
	}
	return nil
}

// move runs a movement of the cursor. The first and the last row are those of the
// log, which a window in its middle does not have.
func (p *Pane) move(a keys.Action) (tea.Cmd, bool) {
	switch {
	case a == keys.First && !p.log.newer.end && !p.log.empty():
		p.toward = down
		return p.ask(newest, false), true
	case a == keys.Last && !p.log.older.end:
		p.toward = up
		return p.ask(oldest, false), true
	case !p.list.Move(a):
		return nil, false
	}
	to := down
	if a == keys.Up || a == keys.HalfUp || a == keys.PageUp {
		to = up
	}
	return p.moved(to), true
}

// paused reports whether the search stopped before the end of the log, after
// emptyMost pages without a row.
func (p *Pane) paused() bool { return p.empty >= emptyMost && !p.log.older.end }

// again repeats the calls that failed.
func (p *Pane) again() tea.Cmd {
	var cmds []tea.Cmd
	if p.problem.text != "" {
		cmds = append(cmds, p.ask(p.problem.reading, false))
	}
	if p.countsWrong != "" {
		cmds = append(cmds, p.count())
	}
	return tea.Batch(cmds...)
}

// reload handles ctrl+r: it repeats the failed calls, or all. It continues a paused
// search that has found nothing yet.
func (p *Pane) reload() tea.Cmd {
	switch {
	case p.paused() && len(p.lines) == 0 && p.problem.text == "" && p.asked == nil:
		p.empty = 0
		return p.ask(older, false)
	case p.problem.text != "" && !p.problem.reading.replaces():
		return p.again()
	}
	p.toward = down
	return tea.Batch(p.ask(newest, false), p.count())
}

// show shows a ledger, with the cursor on its first row.
func (p *Pane) show(l *ledger) {
	p.log, p.rowsOf = l, p.filter
	p.arrange()
	p.list.SetTop(0)
	p.list.SetCursor(0)
	p.follow()
}

// stale reports whether the rows are those of the filter before.
func (p *Pane) stale() bool {
	return p.asked != nil && p.asked.reading.replaces() && p.rowsOf != p.filter
}

// sentence returns the text of an error for the person.
func (p *Pane) sentence(err error) string {
	if pane.Code(err) != api.NotFound { // for others than auditors the log does not exist
		return pane.Sentence(err, p.Server).String()
	}
	if !p.Group.IsZero() {
		return "The audit log needs group " + p.Group.String() + ". Ask your administrator."
	}
	return "The audit log is not open to you. Ask your administrator."
}
