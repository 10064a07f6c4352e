package audit

import (
	"time"

	"usher/backend/event"
	"usher/backend/safetext"
)

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
	asked                           safetext.Text // the query of an export, a review or an alert
	groups                          safetext.Text // hash of the groups that decided
	details                         []detail      // facts that only some actions have
	grants, grantsBefore            safetext.Text // versions of the grants
	terminal, browser, host         safetext.Text // of a device sign-in
	ip, agent, request, verified    safetext.Text
	at                              time.Time
	record                          int64 // number in the log, from 1; 0: not known
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
		path: s(e.Path()), version: s(e.Version), etag: s(e.ETag), groups: s(e.Groups),
		asked:  s(e.Asked()),
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
