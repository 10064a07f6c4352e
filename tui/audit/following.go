package audit

import (
	"time"

	tea "charm.land/bubbletea/v2"

	"usher/backend/event"
	"usher/backend/safetext"
	"usher/tui/pane"
)

// countEvery is the number of polls after which the state of the log is read again.
const countEvery = 15

// followEvery is the interval between the queries of a page that follows the log.
const followEvery = 2 * time.Second

// follower is the state of following.
type follower struct {
	on  bool
	seq uint64 // of the timer
	n   int    // polls
}

// polls is the message of the timer.
type polls struct{ seq uint64 }

// toggleFollow turns following on or off. Each query of it is an event of the log, so
// the own reads are hidden.
func (p *Pane) toggleFollow() tea.Cmd {
	p.tail.on = !p.tail.on
	p.tail.seq++
	if !p.tail.on {
		return pane.Send(pane.Say{Text: safetext.New("Following is off.")})
	}
	say := "Following: new events appear at the top."
	if p.own == ownShown {
		p.setOwn(ownHidden)
		say += " Own reads are hidden."
	}
	cmds := []tea.Cmd{pane.Send(pane.Say{Text: safetext.New(say)}), after(followEvery, polls{p.tail.seq})}
	if !p.log.newer.end {
		p.toward = down
		cmds = append(cmds, p.ask(newest, false))
	}
	return tea.Batch(cmds...)
}

// poll reads the events after the newest one. A window that has dropped its newest
// events waits until the person returns to them.
func (p *Pane) poll(m polls) tea.Cmd {
	if !p.tail.on || m.seq != p.tail.seq {
		return nil
	}
	next := after(followEvery, polls{p.tail.seq})
	if p.tail.n++; p.tail.n%countEvery == 0 {
		next = tea.Batch(next, p.count())
	}
	switch {
	case p.asked != nil, !p.log.newer.end, p.problem.text != "":
		return next
	case p.log.empty():
		return tea.Batch(p.ask(newest, false), next)
	}
	return tea.Batch(p.ask(latest, false), next)
}

// slide shows new events. They appear at the top if the top of the list is visible.
func (p *Pane) slide(l *ledger) {
	top := p.list.Top() == 0
	p.keep(func() { p.log = l; p.arrange() })
	if top {
		p.list.SetTop(0)
	}
}

// setOwn shows or hides the own reads.
func (p *Pane) setOwn(to ownReads) {
	p.own = to
	p.keep(p.arrange)
}

// toggleOwn handles the key of the own reads.
func (p *Pane) toggleOwn() tea.Cmd {
	say := "Your own reads of the log are hidden."
	if p.own == ownHidden {
		p.setOwn(ownShown)
		say = "Your own reads of the log are shown."
	} else {
		p.setOwn(ownHidden)
	}
	return tea.Batch(p.more(), pane.Send(pane.Say{Text: safetext.New(say)}))
}

// mine reports whether a row is a read of the log by the person at the screen.
func (p *Pane) mine(e *entry) bool {
	f := &p.log.facts[e.members[0]]
	if f.action.Raw() != event.AuditRead || f.denied {
		return false
	}
	if me := p.Env.Me; !me.Sub.IsZero() {
		return f.sub.Equal(me.Sub)
	}
	return !p.Env.Me.Name.IsZero() && f.who.Equal(p.Env.Me.Name)
}
