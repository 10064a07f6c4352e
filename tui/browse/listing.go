package browse

import (
	"context"
	"errors"
	"time"

	tea "charm.land/bubbletea/v2"

	"usher/backend/api"
	"usher/backend/safetext"
	"usher/client"
	"usher/tui/pane"
)

// list requests a page of a folder, at a place in it.
func (p *Pane) list(at location, from where) tea.Cmd {
	ctx, cancel := context.WithTimeout(context.Background(), listLimit)
	if p.cancel != nil {
		old := p.cancel
		p.cancel = func() { old(); cancel() }
	} else {
		p.cancel = cancel
	}
	p.loading, p.pause = true, ""
	pauses := pane.NewPauses()
	ctx = pauses.Context(ctx)
	gen, backend, now := p.gen, p.Backend, p.Now
	if at.query != "" {
		return tea.Batch(p.find(ctx, at, from, pauses), nextPause(gen, pauses))
	}
	req := api.ListRequest{Bucket: at.bucket, Prefix: at.prefix, Start: from.start, Cursor: from.cursor, Limit: api.MaxList}
	call := func() tea.Msg {
		defer pauses.Done()
		r, err := backend.List(ctx, req)
		m := listed{gen: gen, location: at, where: from, at: now(), err: err}
		if err == nil {
			m.pages, m.next, m.version, m.request, m.left = pack(r.Entries), r.Cursor, r.GrantsVersion, r.RequestID, r.Omitted
		}
		return m
	}
	return tea.Batch(call, nextPause(gen, pauses))
}

// nextPause waits for the next pause of a listing.
func nextPause(gen uint64, pauses pane.Pauses) tea.Cmd {
	return pauses.Next(func(w client.Wait) tea.Msg { return paused{gen, pane.Pause(w), pauses} })
}

// patience returns the timers of a call for which the person waits.
func (p *Pane) patience() tea.Cmd {
	return tea.Batch(after(grace, graceOver{p.gen}), after(moment, momentOver{p.gen}))
}

func after(d time.Duration, m tea.Msg) tea.Cmd {
	return tea.Tick(d, func(time.Time) tea.Msg { return m })
}

// listed adds a page to the store and shows it.
func (p *Pane) listed(m listed) tea.Cmd {
	if m.gen != p.gen {
		return nil
	}
	p.loading, p.long, p.pause = false, p.long && p.toEnd, ""
	if m.err != nil {
		return p.failed(m)
	}
	p.problem, p.stale = problem{}, false
	l := p.store[m.location]
	if l == nil && m.where != (where{}) {
		return p.again()
	}
	if m.where == (where{}) {
		clear(p.looked) // the listed content may differ from the content on the disk
		if p.asked == nil && m.location == p.here.location {
			p.savePosition()
			p.view = nil
		}
		l = &listing{location: m.location, at: m.at, version: m.version, request: m.request}
		p.store[m.location] = l
	}
	if m.where.start != "" && len(m.pages) == 0 && m.next != "" {
		return p.list(m.location, where{start: m.where.start, cursor: m.next})
	}
	from := len(l.pages)
	if !l.add(m.pages, m.where, m.next) {
		return nil
	}
	l.left, l.jumped = l.left+m.left, l.jumped || m.where.start != ""
	l.found.add(m.found)
	p.tree.stale = true
	var cmd tea.Cmd
	if p.jumping != "" {
		return tea.Batch(p.land(), pane.Send(pane.Answered{}))
	}
	if p.asked != nil {
		cmd = p.show(*p.asked)
	} else {
		cmd = p.rowsAdded(from)
	}
	if only := p.onlyFolder(l); only != nil {
		return tea.Batch(cmd, only, pane.Send(pane.Answered{}))
	}
	return tea.Batch(cmd, p.seek(), pane.Send(pane.Answered{}))
}

// show displays an entered folder.
func (p *Pane) show(v visit) tea.Cmd {
	if !v.quiet && p.here.location != v.location && (p.here != visit{}) {
		p.back, p.ahead = append(p.back, p.here), nil
		if len(p.back) > 100 {
			p.back = p.back[1:]
		}
	}
	v.quiet, v.resumed = false, false
	p.here, p.asked, p.view = v, nil, nil
	if v.want == "" {
		p.wanted = ""
	}
	p.problem, p.stale = problem{}, false
	if p.store[v.location] == nil {
		p.store[v.location] = &listing{location: v.location}
	}
	p.tree.follow(v.location)
	return tea.Batch(p.visited(v.location), p.arrange())
}

// again lists the open folder again. Its rows stay until the response.
func (p *Pane) again() tea.Cmd {
	v := p.here
	if p.asked != nil {
		v = *p.asked
	}
	p.savePosition()
	p.stop()
	if v.location != p.here.location {
		p.asked = &v
	}
	return tea.Batch(p.list(v.location, where{}), p.patience())
}

// AccessChanged drops all listings except the open one, which is listed again.
func (p *Pane) AccessChanged() tea.Cmd {
	p.forgetSizes()
	for s := range p.store {
		if s != p.here.location {
			delete(p.store, s)
		}
	}
	p.tree.stale = true
	p.tree.prune()
	return p.again()
}

// failed handles a failed listing. If the folder is not found, its nearest existing
// parent opens.
func (p *Pane) failed(m listed) tea.Cmd {
	report := pane.Send(pane.Failed{Err: m.err, On: m.location.text()})
	if errors.Is(m.err, context.Canceled) {
		return nil
	}
	if pane.Code(m.err) == api.BadCursor && m.where.cursor != "" {
		return p.again()
	}
	if pane.Code(m.err) == api.NotFound && m.where.jump() { // nothing from there on
		m.err = nil
		return p.listed(m)
	}
	if pane.Code(m.err) == api.NotFound && m.location.bucket != "" {
		return tea.Batch(report, p.gone(m.location, p.asked != nil && p.asked.location == m.location && p.here.location != m.location, m.err))
	}
	if api.SignedOut(m.err) && p.now().n > 0 {
		p.asked = nil // the root opens the sign-in; the rows stay
		return report
	}
	if p.asked != nil {
		p.show(*p.asked)
	}
	p.problem = problem{err: m.err, text: pane.Sentence(m.err, p.Server).String()}
	p.stale = p.now().n > 0
	p.dirty()
	return report
}

// gone handles a folder that is not found. The open folder closes; a folder that
// the person tried to enter does not open.
func (p *Pane) gone(at location, tried bool, err error) tea.Cmd {
	delete(p.store, at)
	if at == p.here.location { // hides its rows before the parent is listed
		p.view = []int32{}
		p.dirty()
	}
	p.tree.forget(at)
	if p.asked != nil && tried && (p.store[p.here.location] != nil && p.now().loaded()) {
		p.asked = nil
		p.miss(at)
		return tea.Batch(pane.Send(pane.Say{Text: p.absent(err), Tone: pane.Warning}), p.correct())
	}
	if p.asked != nil && p.asked.resumed {
		text := safetext.New(at.path() + ", your last folder, is no longer available: it was removed, or your access to it ended." + p.offer())
		first := p.enter(visit{})
		p.miss(at)
		return tea.Batch(pane.Send(pane.Say{Text: text, Tone: pane.Warning}), first)
	}
	closing := p.closing
	if !closing {
		p.miss(at)
	}
	up, name := at.parent()
	p.stop()
	p.asked, p.closing = &visit{location: up, cursor: name, quiet: true}, true
	next := tea.Batch(p.list(up, where{}), p.patience())
	if closing {
		return next // a sentence has named the first missing folder
	}
	say := pane.Say{Text: safetext.New(at.name() + " is no longer available: it was removed, or your access to it ended." + p.offer()), Tone: pane.Warning}
	if tried {
		say.Text = p.absent(err)
	}
	return tea.Batch(pane.Send(say), next)
}
