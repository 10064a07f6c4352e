package browse

import (
	"time"

	tea "charm.land/bubbletea/v2"

	"usher/tui/pane"
)

// Messages to the pane from its own commands. Each carries the generation.
type (
	// listed is a page of a folder.
	listed struct {
		gen      uint64
		location location
		where    where
		pages    []*page
		next     string
		version  string
		left     int // names that are not valid keys
		found    search
		request  string // ID
		at       time.Time
		err      error
	}
	cacheHit struct {
		gen uint64
		old bool
	}
	// paused is a pause within a listing.
	paused struct {
		gen    uint64
		say    string
		pauses pane.Pauses
	}
	graceOver  struct{ gen uint64 }
	momentOver struct{ gen uint64 }
	settleDone struct {
		seq uint64
		at  time.Time
	}
	released struct{ press uint64 }
	// arranged is a view that was too large to sort between two frames.
	arranged struct {
		gen  uint64
		view []int32
	}
)

// Handle handles the pane's own messages and ignores all others.
func (p *Pane) Handle(msg tea.Msg) tea.Cmd {
	switch m := msg.(type) {
	case listed:
		return p.listed(m)
	case cacheHit:
		if m.gen != p.gen || p.asked == nil {
			return nil
		}
		cmd := p.show(*p.asked)
		if m.old {
			return tea.Batch(cmd, p.again())
		}
		return tea.Batch(cmd, p.seek())
	case paused:
		if m.gen == p.gen && p.loading {
			p.pause = m.say
		}
		return nextPause(m.gen, m.pauses)
	case momentOver:
		p.long = p.long || m.gen == p.gen && p.loading
	case graceOver:
		if m.gen == p.gen {
			p.slow = true
			if p.asked != nil && p.wanted == "" { // a typed path that is not there opens nothing
				return p.show(*p.asked)
			}
			p.dirty()
		}
	case arranged:
		if m.gen == p.arrGen {
			p.busy = false
			p.setView(m.view)
			if p.grew {
				return p.arrange()
			}
			if p.toEnd || p.picking != nil {
				return p.seek()
			}
			return p.moved()
		}
	case settleDone:
		if m.seq == p.settled {
			p.clock = m.at
			p.details.show(p)
			return p.tree.grown()
		}
	case completed:
		return p.completed(m)
	case branched:
		return p.tree.branched(m)
	case released:
		if m.press == p.press.n {
			p.press.recent = false
		}
	case picking:
		if m.gen == p.gen {
			p.picking = &m
			return p.seek()
		}
	case countPage:
		return p.counted(m)
	case storeNow:
		return p.StorePlaces()
	case setLoaded:
		return p.setLoaded(m)
	case placesKept:
		return p.placesKept(m.err)
	case localDone:
		return p.localDone(m)
	case statDone:
		return p.detailed(msg)
	case pane.Restyled:
		p.dirty()
	case pane.Retry:
		return tea.Batch(p.again(), p.watchSigned())
	case watched:
		return p.watched(m)
	case watchDue:
		if m.seq == p.watch.seq && p.watch.on != (location{}) {
			return p.lookForNew()
		}
	case pane.GoTo:
		p.typing = notTyping
		return p.goTo(m.Target)
	case pane.Typed:
		p.typeInto(going, m.Text)
		if m.Complete {
			return p.complete()
		}
		p.proposals.at = -1
		return p.goThere()
	case tea.PasteMsg:
		if p.typing != notTyping && p.typing != bookmarking && p.typing != leaping {
			p.field.Take(m)
			return p.typed()
		}
	}
	return nil
}
