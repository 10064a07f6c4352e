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

// list requests a page of a folder.
func (p *Pane) list(at spot, cursor string) tea.Cmd {
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
	req := api.ListRequest{Bucket: at.bucket, Prefix: at.prefix, Recursive: at.deep, Cursor: cursor, Limit: api.MaxList}
	call := func() tea.Msg {
		defer pauses.Done()
		r, err := backend.List(ctx, req)
		m := listed{gen: gen, spot: at, first: cursor == "", at: now(), err: err}
		if err == nil {
			m.page, m.next, m.version = pack(r.Entries), r.Cursor, r.GrantsVersion
		}
		return m
	}
	return tea.Batch(call, nextPause(gen, pauses))
}

// nextPause waits for the next pause of a listing.
func nextPause(gen uint64, pauses pane.Pauses) tea.Cmd {
	return pauses.Next(func(w client.Wait) tea.Msg { return paused{gen, pane.Pause(w), pauses} })
}

func after(d time.Duration, m tea.Msg) tea.Cmd {
	return tea.Tick(d, func(time.Time) tea.Msg { return m })
}

// listed takes a page into the store and shows it.
func (p *Pane) listed(m listed) tea.Cmd {
	if m.gen != p.gen {
		return nil
	}
	p.loading, p.pause = false, ""
	if m.err != nil {
		return p.failed(m)
	}
	p.problem, p.stale = problem{}, false
	l := p.store[m.spot]
	if m.first || l == nil {
		clear(p.looked) // the listed content may differ from the content on the disk
		if p.asked == nil && m.spot == p.here.spot {
			p.keepPlace()
			p.view = nil
		}
		l = &listing{spot: m.spot, at: m.at, version: m.version}
		p.store[m.spot] = l
	}
	from := len(l.rows)
	l.add(m.page, m.next)
	p.tree.stale = true
	var cmd tea.Cmd
	if p.asked != nil {
		cmd = p.show(*p.asked)
	} else {
		cmd = p.grown(from)
	}
	return tea.Batch(cmd, p.seek(), pane.Send(pane.Answered{}))
}

// show makes an entered folder the one on the screen.
func (p *Pane) show(v visit) tea.Cmd {
	if !v.quiet && p.here.spot != v.spot && (p.here != visit{}) {
		p.back, p.ahead = append(p.back, p.here), nil
		if len(p.back) > 100 {
			p.back = p.back[1:]
		}
	}
	v.quiet = false
	p.here, p.asked, p.view = v, nil, nil
	p.problem = problem{}
	if p.store[v.spot] == nil {
		p.store[v.spot] = &listing{spot: v.spot}
	}
	p.tree.follow(v.spot)
	return p.arrange()
}

// again lists the open folder once more and keeps its rows until the answer.
func (p *Pane) again() tea.Cmd {
	v := p.here
	if p.asked != nil {
		v = *p.asked
	}
	p.keepPlace()
	p.stop()
	if v.spot != p.here.spot {
		p.asked = &v
	}
	return tea.Batch(p.list(v.spot, ""), after(grace, waited{p.gen}))
}

// AccessChanged forgets every listing but the open one, which is listed again.
func (p *Pane) AccessChanged() tea.Cmd {
	for s := range p.store {
		if s != p.here.spot {
			delete(p.store, s)
		}
	}
	p.tree.stale = true
	return p.again()
}

// failed shows the reason for a failed listing. A folder that is not there for the
// person closes to the nearest one that is.
func (p *Pane) failed(m listed) tea.Cmd {
	report := pane.Send(pane.Failed{Err: m.err})
	if errors.Is(m.err, context.Canceled) {
		return nil
	}
	if pane.Code(m.err) == api.BadCursor && !m.first {
		return p.again()
	}
	if pane.Code(m.err) == api.NotFound && m.spot.bucket != "" {
		return p.gone(m.spot, p.asked != nil && p.asked.spot == m.spot && p.here.spot != m.spot, m.err)
	}
	if api.SignedOut(m.err) && len(p.now().rows) > 0 {
		p.asked = nil // the root opens a new sign-in; the rows stay
		return report
	}
	if p.asked != nil {
		p.show(*p.asked)
	}
	p.problem = problem{err: m.err, text: pane.Sentence(m.err, p.Server).String()}
	p.stale = len(p.now().rows) > 0
	p.dirty()
	return report
}

// gone closes a folder that answers not_found. One that the person only tried
// to enter leaves them where they are.
func (p *Pane) gone(at spot, tried bool, err error) tea.Cmd {
	delete(p.store, at)
	if at == p.here.spot { // its rows are gone before the folder above is listed
		p.view = []int32{}
		p.dirty()
	}
	p.tree.forget(at)
	if p.asked != nil && tried && (p.store[p.here.spot] != nil && len(p.now().pages) > 0) {
		p.asked = nil
		return pane.Send(pane.Say{Text: pane.Sentence(err, p.Server), Tone: pane.Warning})
	}
	climbing := p.climbing
	up, name := at.parent()
	p.stop()
	p.asked, p.climbing = &visit{spot: up, cursor: name, quiet: true}, true
	next := tea.Batch(p.list(up, ""), after(grace, waited{p.gen}))
	if climbing {
		return next // the folder that was lost has been named already
	}
	say := pane.Say{Text: safetext.New(at.name() + " is no longer available: it was removed, or your access to it ended."), Tone: pane.Warning}
	if tried {
		say.Text = pane.Sentence(err, p.Server)
	}
	return tea.Batch(pane.Send(say), next)
}
