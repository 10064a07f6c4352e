package browse

import (
	tea "charm.land/bubbletea/v2"

	"usher/backend/api"
	"usher/backend/safetext"
	"usher/tui/pane"
)

// inline is how many rows are arranged between two frames; more are arranged
// by a command.
const inline = 4000

// arrange lays out the whole listing; the cursor stays on its row.
func (p *Pane) arrange() tea.Cmd {
	p.keepPlace()
	p.arrGen++
	p.busy = false
	p.arr.words = words(p.filter)
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

// grown shows rows that came after those from index from on.
func (p *Pane) grown(from int) tea.Cmd {
	l := p.now()
	if from == 0 || l.complete || p.busy || p.arr.order != byName {
		return p.arrange()
	}
	p.view = l.pick(p.view, from, p.arr)
	p.table.Changed()
	return p.moved()
}

// setView shows rows, with the cursor on the row it was on by name.
func (p *Pane) setView(view []int32) {
	l, at := p.now(), 0
	p.view = view
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

// seek goes on loading while something is looked for: a name that was asked
// for, a filter, or an order that needs all rows.
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
				return p.enter(visit{spot: l.spot.child(name, api.KindFolder)})
			}
		}
		if l.complete {
			p.here.want = ""
			return pane.Send(pane.Say{Text: safetext.New(api.Lookup(api.NotFound).Sentence), Tone: pane.Warning})
		}
		return p.more()
	}
	if p.filter != "" || p.arr.order != byName || l.spot.deep {
		return p.more()
	}
	return p.table.Need()
}

// more requests the next page, unless one is on its way or all are there.
func (p *Pane) more() tea.Cmd {
	l := p.now()
	if p.loading || l.next == "" {
		return nil
	}
	return p.list(l.spot, l.next)
}

// sortBy changes the order; the same order again goes back to names.
func (p *Pane) sortBy(o order) tea.Cmd {
	p.sorting = false
	p.arr.order = o
	p.view, p.here.cursor, p.here.top = nil, "", 0
	return tea.Batch(p.arrange(), p.seek())
}
