package browse

import (
	"maps"
	"unicode/utf8"

	tea "charm.land/bubbletea/v2"

	"usher/backend/api"
	"usher/backend/safetext"
	"usher/client/places"
	"usher/client/quantity"
	"usher/tui/keys"
	"usher/tui/pane"
)

// inline is the largest number of rows that Update arranges; a command arranges
// more.
const inline = 4000

// arrange filters and sorts the whole listing. The cursor stays on its row.
func (p *Pane) arrange() tea.Cmd {
	p.learn()
	return p.refilter()
}

// learn updates the facts of the order. They stay the same while nothing has changed:
// with other facts, all rows are sorted again.
func (p *Pane) learn() {
	var now facts
	if p.arr.needs(byLocal) {
		now.local = p.localRanks()
	}
	if p.arr.needs(bySize) {
		now.sums = p.sums()
	}
	old := p.arr.facts
	if old == nil || !maps.Equal(old.local, now.local) || !maps.Equal(old.sums, now.sums) {
		p.arr.facts = &now
	}
}

// refilter shows the listing after a change of the filter only.
func (p *Pane) refilter() tea.Cmd {
	p.savePosition()
	p.arrGen++
	p.busy, p.grew = false, false
	p.arr.words = words(p.filter)
	l, a, gen := p.now(), p.arr, p.arrGen
	if l.n <= inline {
		p.setView(l.arrange(a))
		return p.moved()
	}
	if p.view == nil {
		p.setView(l.head(inline).arrange(a))
	}
	p.busy = true
	c := l.copied()
	return func() tea.Msg { return arranged{gen, c.arrange(a)} }
}

// rowsAdded shows the new rows of a listing, from a page on. While a command arranges
// rows, those that follow wait for its end.
func (p *Pane) rowsAdded(from int) tea.Cmd {
	l := p.now()
	switch {
	case p.busy && !l.complete():
		p.grew = true
		return nil
	case from == 0 || l.complete() || !p.arr.byPage() || len(l.segments) > 1:
		return p.arrange()
	}
	for i := from; i < len(l.pages); i++ {
		p.view = l.pick(p.view, int32(i), p.arr)
	}
	p.table.Changed()
	return p.moved()
}

// setView shows rows, with the cursor on the row of the same name as before.
func (p *Pane) setView(view []int32) {
	l, at, found := p.now(), 0, false
	p.view = view
	p.localDue = p.arr.needs(byLocal)
	p.findSpan()
	if p.here.cursor != "" {
		if i := l.indexIn(view, p.here.cursor); i >= 0 {
			at, found = i, true
		}
	}
	p.table.Changed()
	p.table.SetCursor(at)
	if p.landed && found {
		p.landed, p.here.top = false, at-2
	}
	p.table.SetTop(p.here.top)
	p.details.drawn = ""
}

// seek loads further pages while they are needed: for a requested name, a filter,
// or an order that needs all rows.
func (p *Pane) seek() tea.Cmd {
	l := p.now()
	if p.here.want != "" {
		return p.seekWanted()
	}
	if p.picking != nil {
		return p.pick()
	}
	if p.toEnd && l.loaded() {
		p.table.Move(keys.Last)
		last := l.segments[len(l.segments)-1].next
		p.toEnd = last != (where{}) || p.busy
		return tea.Batch(p.moved(), p.request(last))
	}
	if far := p.here.far; far != "" {
		if !l.complete() && len(l.pages) < mostFar && l.lastName() < far {
			return p.more()
		}
		p.here.far = ""
		if !p.shows(far) {
			p.here.cursor = far
			p.view = nil
			return p.arrange()
		}
	}
	if p.filter != "" || !p.arr.byPage() || l.location.query != "" {
		return p.more()
	}
	return p.table.Need()
}

// seekWanted looks for a requested name: a file, or a folder that it enters. A place
// that is not loaded is requested.
func (p *Pane) seekWanted() tea.Cmd {
	l, w := p.now(), p.here.want
	if i, ok := l.has(w); ok && l.row(i).kind == object {
		p.here.want = ""
		p.filter, p.view, p.here.cursor = "", nil, w
		return p.arrange()
	}
	if i, ok := l.has(w + "/"); ok && l.row(i).kind == folderRow {
		p.here.want = ""
		return p.enter(visit{location: l.location.child(w+"/", api.KindFolder)})
	}
	for _, name := range []string{w, w + "/"} {
		if !l.covers(name) {
			return p.request(where{start: before(name)})
		}
	}
	p.here.want = ""
	p.miss(location{bucket: l.location.bucket, prefix: l.location.prefix + w})
	return tea.Batch(p.correct(), pane.Send(pane.Say{Text: safetext.New(api.Lookup(api.NotFound).Sentence), Tone: pane.Warning}))
}

// more requests the next page, unless a call is pending or all pages are loaded.
func (p *Pane) more() tea.Cmd { return p.request(p.now().next()) }

// request requests a page at a place of the open folder, unless a call is pending.
func (p *Pane) request(at where) tea.Cmd {
	if p.loading || at == (where{}) {
		return nil
	}
	to := p.now().location
	for len(to.prefix)+len(at.start) > api.MaxKey { // the server takes no longer name
		_, n := utf8.DecodeLastRuneInString(at.start)
		at.start = at.start[:len(at.start)-n]
	}
	return p.list(to, at)
}

// sortBy changes the order, or reverses it if it is the present one. The order before
// becomes the second key. The cursor stays on its row.
func (p *Pane) sortBy(o order) tea.Cmd {
	p.sorting = false
	p.arr.by, p.arr.then = p.arr.chosen(o)
	p.savePosition()
	p.view = nil
	var say tea.Cmd
	if o == byLocal && p.now().n > mostLocal {
		say = pane.Send(pane.Say{Text: safetext.New("Only the first " + quantity.Count(mostLocal) + " rows are checked on this machine."), Tone: pane.Warning})
	}
	return tea.Batch(p.arrange(), p.orderKept(), p.seek(), say)
}

// orderKept keeps the order of the rows for the next run.
func (p *Pane) orderKept() tea.Cmd {
	a := p.arr
	order := places.Order{By: orderWords[a.by.order], Reverse: a.by.reverse, Hidden: a.hidden}
	if a.then.order != byName {
		order.Then, order.ThenReverse = orderWords[a.then.order], a.then.reverse
	}
	return p.remember(places.Change{Order: &order})
}
