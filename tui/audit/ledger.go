package audit

import (
	"fmt"
	"slices"
	"time"

	"usher/backend/api"
	"usher/backend/event"
	"usher/backend/safetext"
)

// ledger holds the loaded events of one filter, and their rows. It is immutable: a
// further page makes a new one, so that commands and the page can share it.
type ledger struct {
	events  []event.Event // as the server sent them, for folding
	facts   []fact        // the same, safe to show
	entries []entry       // rows, the newest first
	next    string        // the server's cursor, "" at the end of the log
}

// Format keeps untrusted text out of all output.
func (l *ledger) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "%d events", len(l.facts)) }

// full reports whether the limit of events is reached.
func (l *ledger) full() bool { return len(l.facts) >= keepMost }

// with returns the ledger with one more page. It drops repeated events.
func (l *ledger) with(page api.AuditQueryResponse) *ledger {
	if l == nil {
		l = &ledger{}
	}
	n := &ledger{events: slices.Clip(l.events), facts: slices.Clip(l.facts), next: page.Cursor}
	have := make(map[string]bool, len(l.events))
	for _, e := range l.events {
		have[e.ID] = true
	}
	for _, e := range page.Events {
		if e.ID != "" && have[e.ID] {
			continue
		}
		have[e.ID] = true
		n.events = append(n.events, e)
		n.facts = append(n.facts, factOf(e))
	}
	n.fold()
	return n
}

// detail is a labeled fact of an event.
type detail struct {
	label string
	value safetext.Text
}

// fact is one event, safe to display.
type fact struct {
	id, sub, who, email, session    safetext.Text
	action, purpose, outcome        safetext.Text
	path, version, etag             safetext.Text
	reason, grant, continues        safetext.Text
	details                         []detail      // facts that only some actions have
	grants, grantsBefore            safetext.Text // versions of the grants
	terminal, browser, host         safetext.Text // of a device sign-in
	ip, agent, request, verified    safetext.Text
	at                              time.Time
	size, bytes                     *int64
	seconds                         *float64
	bound, count                    int
	grantsAdded, grantsRemoved      int
	named, folder, denied, released bool
	completed                       bool
}

func factOf(e event.Event) fact {
	s := safetext.New
	var details []detail
	for _, d := range event.Details(e) {
		details = append(details, detail{d.Label, s(d.Value)})
	}
	return fact{
		details: details,
		id:      s(e.ID), sub: s(e.User.Sub), who: s(e.User.Username), email: s(e.User.Email), session: s(e.Session),
		action: s(e.Action), purpose: s(e.Purpose), outcome: s(e.Outcome),
		path: s(e.Path()), version: s(e.Version), etag: s(e.ETag),
		reason: s(e.Reason), grant: s(e.Grant), continues: s(e.Continues),
		grants: s(e.GrantsVersion), grantsBefore: s(e.GrantsBefore), grantsAdded: e.GrantsAdded, grantsRemoved: e.GrantsRemoved,
		terminal: s(e.TerminalIP), browser: s(e.BrowserIP), host: s(e.ClaimedHost),
		ip: s(e.SourceIP), agent: s(e.UserAgent), request: s(e.RequestID), verified: s(e.Verified),
		at: e.Time.UTC(), size: e.Size, bytes: e.Bytes, seconds: e.Seconds, bound: e.Bound, count: e.Count,
		named:     e.Bucket != "",
		folder:    e.Action == event.List,
		denied:    e.Outcome == event.Denied,
		released:  e.Action == event.Download && e.Outcome == event.Allowed,
		completed: e.Action == event.Completed,
	}
}

// entry is a row: a chain of events, displayed as one.
type entry struct {
	members  []int // of the ledger's facts, the oldest first; never empty
	last     time.Time
	worst    int // the member with the worst outcome
	urls     int // released
	refused  int // denied
	reported int // the member with the client's newest report, -1 if there is none
}

// fold computes the rows.
func (l *ledger) fold() {
	made := event.Fold(l.events)
	l.entries = make([]entry, 0, len(made))
	for _, r := range made {
		e := entry{members: r.Members, last: r.Last.UTC(), urls: r.URLs, worst: r.Members[0], reported: -1}
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
