package audit

import (
	"fmt"
	"slices"
	"time"

	"usher/backend/api"
	"usher/backend/event"
)

// ledger is a window of the events of one filter, and their rows. It has at most
// keepMost events: the far end is dropped and read again later, so that the memory
// does not depend on the length of the log. A ledger is immutable: a further page
// makes a new one, which commands and the page share.
type ledger struct {
	events  []event.Event // the newest first, as the server sent them, for folding
	facts   []fact        // the same, safe to show
	entries []entry       // rows, the newest first
	groups  map[string][]string
	newer   edge
	older   edge
	lag     time.Duration // by which events of other servers may be late
}

// edge is the state of one end of the window.
type edge struct {
	end     bool      // no further event matches
	cursor  string    // of the server; "": the next page begins at the last event of this end
	reached time.Time // the search has tested all events up to this time; zero: all of them, or not known
}

// Format keeps untrusted text out of all output.
func (l *ledger) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "%d events", len(l.facts)) }

// empty reports whether the ledger has no event.
func (l *ledger) empty() bool { return len(l.facts) == 0 }

// with returns the ledger with one more page, of a read of the given kind. Repeated
// events are dropped.
func (l *ledger) with(k reading, page api.AuditQueryResponse) *ledger {
	if l == nil || k == newest || k == oldest {
		l = &ledger{}
		switch k {
		case newest:
			l.newer.end = true
		case oldest:
			l.older.end = true
		}
	}
	n := &ledger{events: slices.Clip(l.events), facts: slices.Clip(l.facts), newer: l.newer, older: l.older, lag: l.lag}
	if lag := time.Duration(page.LagSeconds) * time.Second; lag > 0 {
		n.lag = lag
	}
	at := edge{end: page.Cursor == "", cursor: page.Cursor}
	if page.Reached != nil && !at.end {
		at.reached = page.Reached.UTC()
	}
	if k.ascends() {
		n.newer = at
	} else {
		n.older = at
	}
	n.merge(page)
	n.trim(k.ascends())
	n.fold()
	return n
}

// merge adds the events of a page that are not known yet, in the order of the log.
func (l *ledger) merge(page api.AuditQueryResponse) {
	have := make(map[string]bool, len(l.events))
	for i := range l.events {
		have[l.events[i].ID] = true
	}
	var events []event.Event
	var facts []fact
	for i, e := range page.Events {
		if e.ID != "" && have[e.ID] {
			continue
		}
		have[e.ID] = true
		f := factOf(e)
		if i < len(page.Records) {
			f.record = page.Records[i]
		}
		events, facts = append(events, e), append(facts, f)
	}
	n := len(events)
	if n == 0 {
		return
	}
	if n > 1 && event.Compare(events[0], events[n-1]) < 0 {
		slices.Reverse(events)
		slices.Reverse(facts)
	}
	switch old := len(l.events); {
	case old == 0 || event.Compare(l.events[old-1], events[0]) > 0:
		l.events, l.facts = append(l.events, events...), append(l.facts, facts...)
	case event.Compare(events[n-1], l.events[0]) > 0:
		l.events, l.facts = append(events, l.events...), append(facts, l.facts...)
	default: // late events of another server
		l.events, l.facts = append(events, l.events...), append(facts, l.facts...)
		l.sort()
	}
}

// sort restores the order of the log.
func (l *ledger) sort() {
	order := make([]int, len(l.events))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return event.Compare(l.events[b], l.events[a]) })
	events, facts := make([]event.Event, len(order)), make([]fact, len(order))
	for i, at := range order {
		events[i], facts[i] = l.events[at], l.facts[at]
	}
	l.events, l.facts = events, facts
}

// trim drops the events beyond keepMost at the end opposite to the last read.
func (l *ledger) trim(ascending bool) {
	over := len(l.events) - keepMost
	if over <= 0 {
		return
	}
	if ascending {
		l.events, l.facts = slices.Clone(l.events[:keepMost]), slices.Clone(l.facts[:keepMost])
		l.older = edge{}
		return
	}
	l.events, l.facts = slices.Clone(l.events[over:]), slices.Clone(l.facts[over:])
	l.newer = edge{}
}

// anchor returns the ID of the event after which newer events are read. It is older
// than the lag, so that a late event of another server is read too.
func (l *ledger) anchor() string {
	if l.empty() {
		return ""
	}
	edge := l.facts[0].at.Add(-l.lag)
	for i := range l.facts {
		if !l.facts[i].at.After(edge) {
			return l.events[i].ID
		}
	}
	return l.events[len(l.events)-1].ID
}

// last returns the ID of the oldest event.
func (l *ledger) last() string {
	if l.empty() {
		return ""
	}
	return l.events[len(l.events)-1].ID
}

// entry is a row: a chain of events, displayed as one.
type entry struct {
	members  []int     // of the ledger's facts, the oldest first; never empty
	at       time.Time // of the first event: a filter without the later ones shows the same time
	worst    int       // the member with the worst outcome
	urls     int       // released
	refused  int       // denied
	reported int       // the member with the client's newest report, -1 if there is none
}

// fold computes the rows in the order of their first events, and the names of the groups
// whose hash is known.
func (l *ledger) fold() {
	made := event.Fold(l.events)
	slices.SortStableFunc(made, func(a, b event.Row) int { return event.Compare(b.Event, a.Event) })
	l.entries = make([]entry, 0, len(made))
	for _, r := range made {
		e := entry{members: r.Members, at: r.Event.Time.UTC(), urls: r.URLs, worst: r.Members[0], reported: -1}
		for _, m := range e.members {
			f := &l.facts[m]
			if f.denied {
				e.refused++
			}
			// The outcome in a client's report does not count.
			if f.completed {
				e.reported = m
			} else if severity(f) > severity(&l.facts[e.worst]) {
				e.worst = m
			}
		}
		l.entries = append(l.entries, e)
	}
	l.groups = namesOf(l.events)
}

// namesOf returns the names of the groups in the events, by the hash that other
// events have.
func namesOf(events []event.Event) map[string][]string {
	names := map[string][]string{}
	for i := range events {
		if e := &events[i]; len(e.GroupNames) > 0 {
			names[event.HashGroups(e.GroupNames)] = e.GroupNames
			if len(e.GroupNamesBefore) > 0 {
				names[event.HashGroups(e.GroupNamesBefore)] = e.GroupNamesBefore
			}
		}
	}
	return names
}

// severity orders outcomes: an allowed event must not hide a denial.
func severity(f *fact) int {
	switch f.outcome.Raw() {
	case event.Denied:
		return 2
	case event.Failed:
		return 1
	}
	return 0
}
