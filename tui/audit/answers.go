package audit

import (
	"context"

	tea "charm.land/bubbletea/v2"

	"usher/backend/api"
	"usher/backend/safetext"
	"usher/tui/pane"
)

// ask requests a page of events, and cancels the pending query.
func (p *Pane) ask(fresh bool, cursor string) tea.Cmd {
	p.stop()
	ctx, cancel := context.WithTimeout(context.Background(), askLimit)
	q := &query{filter: safetext.New(p.filter), cursor: safetext.New(cursor), fresh: fresh}
	p.asked, p.cancel = q, cancel
	var before *ledger
	if cursor != "" {
		before = p.log
	}
	backend := p.Backend
	return tea.Batch(after(grace, waited{q}), func() tea.Msg {
		defer cancel()
		r, err := backend.AuditQuery(ctx, api.AuditQueryRequest{Filter: q.filter.Raw(), Cursor: q.cursor.Raw(), Limit: pageSize})
		if err != nil {
			return answered{of: q, err: err}
		}
		return answered{of: q, log: before.with(r)}
	})
}

// stop cancels the pending query. Its response will be dropped.
func (p *Pane) stop() {
	if p.cancel != nil {
		p.cancel()
	}
	p.asked, p.cancel, p.slow, p.problem = nil, nil, false, problem{}
}

// count requests the counts of the last day.
func (p *Pane) count() tea.Cmd {
	if p.stopCount != nil {
		p.stopCount()
	}
	ctx, cancel := context.WithTimeout(context.Background(), askLimit)
	q := &query{}
	p.counting, p.stopCount = q, cancel
	backend := p.Backend
	return func() tea.Msg {
		defer cancel()
		r, err := backend.AuditSummary(ctx, api.AuditSummaryRequest{Hours: chartSpan})
		if err != nil {
			return counted{of: q, err: err}
		}
		return counted{of: q, counts: newCounts(r)}
	}
}

func (p *Pane) answered(m answered) tea.Cmd {
	if p.asked == nil || m.of != p.asked {
		return nil
	}
	p.stop()
	if m.err != nil {
		if m.of.fresh {
			p.show(&ledger{})
		}
		p.problem = problem{text: p.sentence(m.err, m.of), code: pane.Code(m.err), next: !m.of.cursor.IsZero()}
		return pane.Send(pane.Failed{Err: m.err})
	}
	if m.of.cursor.IsZero() || len(m.log.facts) > len(p.log.facts) {
		p.empty = 0
	} else {
		p.empty++
	}
	at, top := p.newest(p.list.Cursor()), p.list.Top()
	p.show(m.log)
	if !m.of.cursor.IsZero() { // a further page does not move the cursor
		p.list.SetTop(top)
		p.list.SetCursor(p.find(at))
		p.follow()
	}
	return tea.Batch(p.more(), pane.Send(pane.Answered{}))
}

// more requests the next page if the cursor is near the end or the window is not
// full.
func (p *Pane) more() tea.Cmd {
	switch {
	case p.log.next == "", p.asked != nil, p.problem.text != "", p.empty >= emptyMost, p.log.full():
		return nil
	case p.list.Cursor() >= len(p.lines)-near, len(p.lines) < p.listHeight():
		return p.ask(false, p.log.next)
	}
	return nil
}

// show shows a ledger, with the cursor on its first row.
func (p *Pane) show(l *ledger) {
	p.log = l
	p.arrange()
	p.list.SetTop(0)
	p.list.SetCursor(0)
	p.follow()
}

func (p *Pane) counted(m counted) tea.Cmd {
	if p.counting == nil || m.of != p.counting {
		return nil
	}
	p.counting, p.stopCount = nil, nil
	p.drawn = drawn{}
	if m.err != nil {
		p.countsWrong = p.sentence(m.err, m.of)
		return pane.Send(pane.Failed{Err: m.err})
	}
	p.counts, p.countsWrong = m.counts, ""
	return nil
}

// sentence returns the text of an error for the person.
func (p *Pane) sentence(err error, of *query) string {
	switch pane.Code(err) {
	case api.NotFound: // for others than auditors the log does not exist
		if !p.Group.IsZero() {
			return "The audit log needs group " + p.Group.String() + ". Ask your administrator."
		}
		return "The audit log is not open to you. Ask your administrator."
	case api.BadCursor:
		return "This page of the log has expired. Press ctrl+r to read the log again."
	}
	return pane.Sentence(err, p.Server).String()
}
