package browse

import (
	tea "charm.land/bubbletea/v2"

	"usher/backend/api"
	"usher/backend/safetext"
	"usher/client/places"
	"usher/tui/keys"
	"usher/tui/pane"
)

// inline is the largest number of rows that Update arranges; a command arranges
// more.
const inline = 4000

// arrange filters and sorts the whole listing. The cursor stays on its row.
func (p *Pane) arrange() tea.Cmd {
	p.savePosition()
	p.arrGen++
	p.busy = false
	p.arr.words = words(p.filter)
	p.arr.sums = nil
	if p.arr.order == bySize {
		p.arr.sums = p.sums()
	}
	l, a, gen := *p.now(), p.arr, p.arrGen
	if len(l.rows) <= inline {
		p.setView(l.arrange(a))
		return p.moved()
	}
	if p.view == nil {
		l.rows = l.rows[:inline]
		p.setView(l.pick(nil, 0, a))
		l = *p.now()
	}
	p.busy = true
	return func() tea.Msg { return arranged{gen, l.arrange(a)} }
}

// rowsAdded shows the new rows of a listing, from index from on.
func (p *Pane) rowsAdded(from int) tea.Cmd {
	l := p.now()
	if from == 0 || l.complete || p.busy || p.arr.order != byName || p.arr.reverse {
		return p.arrange()
	}
	p.view = l.pick(p.view, from, p.arr)
	p.table.Changed()
	return p.moved()
}

// setView shows rows, with the cursor on the row of the same name as before.
func (p *Pane) setView(view []int32) {
	l, at := p.now(), 0
	p.view = view
	p.findSpan()
	if p.here.cursor != "" {
		for i, r := range view {
			if l.name(r) == p.here.cursor {
				at = i
				break
			}
		}
	}
	p.table.Changed()
	p.table.SetCursor(at)
	p.table.SetTop(p.here.top)
	p.details.drawn = ""
}

// seek loads further pages while they are needed: for a requested name, a filter,
// or an order that needs all rows.
func (p *Pane) seek() tea.Cmd {
	l := p.now()
	if w := p.here.want; w != "" {
		for i := range l.rows {
			name := l.name(int32(i))
			switch {
			case name == w:
				p.here.want = ""
				p.filter, p.view, p.here.cursor = "", nil, w
				return p.arrange()
			case name == w+"/" && l.rows[i].kind == folderRow, l.rows[i].kind == bucketRow && name == w:
				p.here.want = ""
				return p.enter(visit{location: l.location.child(name, api.KindFolder)})
			}
		}
		if l.complete {
			p.here.want = ""
			return tea.Batch(p.correct(), pane.Send(pane.Say{Text: safetext.New(api.Lookup(api.NotFound).Sentence), Tone: pane.Warning}))
		}
		return p.more()
	}
	if p.picking != nil {
		return p.pick()
	}
	if p.toEnd {
		p.table.Move(keys.Last)
		p.toEnd = !l.complete || p.busy
		return tea.Batch(p.moved(), p.more())
	}
	if far := p.here.far; far != "" {
		if !l.complete && len(l.pages) < mostFar && l.lastName() < far {
			return p.more()
		}
		p.here.far = ""
		if !p.shows(far) {
			p.here.cursor = far
			p.view = nil
			return p.arrange()
		}
	}
	if p.filter != "" || p.arr.order != byName || p.arr.reverse || l.location.query != "" {
		return p.more()
	}
	return p.table.Need()
}

// more requests the next page, unless a call is pending or all pages are loaded.
func (p *Pane) more() tea.Cmd {
	l := p.now()
	if p.loading || l.next == "" {
		return nil
	}
	return p.list(l.location, l.next)
}

// sortBy changes the order, or reverses it if it is the present one. The cursor
// stays on its row.
func (p *Pane) sortBy(o order) tea.Cmd {
	p.sorting = false
	p.arr.reverse = p.arr.order == o && !p.arr.reverse
	p.arr.order = o
	p.savePosition()
	p.view = nil
	return tea.Batch(p.arrange(), p.orderKept(), p.seek())
}

// orderKept keeps the order of the rows for the next run.
func (p *Pane) orderKept() tea.Cmd {
	return p.remember(places.Change{Order: &places.Order{By: orderWords[p.arr.order], Reverse: p.arr.reverse, Hidden: p.arr.hidden}})
}
