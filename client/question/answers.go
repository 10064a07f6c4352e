package question

import (
	"slices"
	"strconv"
	"time"

	"usher/backend/api"
	"usher/backend/event"
	"usher/client/quantity"
)

// bulkFiles is the number of files in an hour above which a download is a bulk one.
const bulkFiles = 100

const layout = "2006-01-02 15:04:05"

func clock(t time.Time) string { return t.UTC().Format(layout) }

// of returns the row of a group, with its drill-down.
func (a *asking) of(g event.Group, by ...event.By) Row {
	first, last := g.First, g.Last
	r := Row{
		Who: g.Name, Events: g.Events, Files: g.Files, ReleasedBytes: g.ReleasedBytes, ReportedBytes: g.ReportedBytes,
		Denied: g.Denied, First: &first, Last: &last, Filter: event.Drill(a.filter, by, g.Keys),
	}
	for i, b := range by {
		switch b {
		case event.PerWho:
			r.Sub = g.Keys[i]
		case event.PerIP:
			r.IP = g.Keys[i]
		case event.PerSession:
			r.Session = g.Keys[i]
		}
	}
	return r
}

// table returns a row for each group.
func (a *asking) table(groups []event.Group, err error, cells func(r Row, g event.Group, c Cells) []string, by ...event.By) ([]Row, error) {
	if err != nil {
		return nil, err
	}
	columns := event.ColumnsOf(a.selected, by)
	var rows []Row
	for _, g := range groups {
		r := a.of(g, by...)
		if r.cells = cells(r, g, CellsOf(columns.Of(g), g)); r.cells != nil {
			rows = append(rows, r)
		}
	}
	return rows, nil
}

func denials(a *asking) ([]Row, error) {
	groups, err := a.groups(event.SortDenied, event.PerWho)
	return a.table(groups, err, func(r Row, g event.Group, c Cells) []string {
		return []string{r.Who, c.Denied, clock(g.First), clock(g.Last)}
	}, event.PerWho)
}

func volume(a *asking) ([]Row, error) {
	groups, err := a.groups(event.SortBytes, event.PerWho)
	return a.table(groups, err, func(r Row, g event.Group, c Cells) []string {
		if g.Files == 0 && g.Reported == 0 {
			return nil // denied downloads only
		}
		return []string{r.Who, c.Files, c.Released, c.Reported, clock(g.Last)}
	}, event.PerWho)
}

func bulk(a *asking) ([]Row, error) {
	groups, err := a.groups(event.SortFiles, event.PerWho, event.PerHour)
	return a.table(groups, err, func(r Row, g event.Group, c Cells) []string {
		if g.Files <= bulkFiles {
			return nil
		}
		return []string{r.Who, g.Keys[1], c.Files, c.Released}
	}, event.PerWho, event.PerHour)
}

func night(a *asking) ([]Row, error) {
	groups, err := a.groups(event.SortEvents, event.PerWho)
	return a.table(groups, err, func(r Row, g event.Group, c Cells) []string {
		return []string{r.Who, quantity.Count(g.Events), c.Files, c.Denied, clock(g.Last)}
	}, event.PerWho)
}

func readers(a *asking) ([]Row, error) {
	groups, err := a.groups(event.SortEvents, event.PerWho)
	return a.table(groups, err, func(r Row, g event.Group, c Cells) []string {
		return []string{r.Who, quantity.Count(g.Events), c.Denied, clock(g.First), clock(g.Last)}
	}, event.PerWho)
}

// newAddresses looks for an event of each person and address before the range.
func newAddresses(a *asking) ([]Row, error) {
	groups, err := a.groups(event.SortLast, event.PerWho, event.PerIP)
	if err != nil {
		return nil, err
	}
	groups = slices.DeleteFunc(groups, func(g event.Group) bool { return g.Keys[0] == "" || g.Keys[1] == "" })
	var fresh []event.Group
	for _, g := range groups {
		a.progress.report(&g.Last)
		known, err := a.before(event.GroupTerms([]event.By{event.PerWho, event.PerIP}, g.Keys))
		if err != nil {
			return nil, err
		}
		if !known {
			fresh = append(fresh, g)
		}
	}
	return a.table(fresh, nil, func(r Row, g event.Group, c Cells) []string {
		return []string{r.Who, r.IP, quantity.Count(g.Events), clock(g.First), clock(g.Last)}
	}, event.PerWho, event.PerIP)
}

// before reports whether the log has an event of these terms before the range. A
// range without a beginning has none before it.
func (a *asking) before(terms string) (bool, error) {
	if a.since.IsZero() {
		return false, nil
	}
	until := event.Filter{Terms: []event.Term{{Field: event.ByUntil, Time: a.since}}}
	in := api.AuditQueryRequest{Filter: join(terms, until.String()), Limit: 1}
	for {
		page, err := a.source.AuditQuery(a.ctx, in)
		if err != nil || len(page.Events) > 0 {
			return len(page.Events) > 0, err
		}
		if in.Cursor = page.Cursor; in.Cursor == "" {
			return false, nil
		}
	}
}

// States of a session.
const (
	signedOut    = "signed out"
	signedOutAll = "signed out everywhere"
	lastSeen     = "last event" // no end is recorded
)

// sessions joins the counts of each session with its sign-in and its end. A session
// that began before the range has no way of its sign-in.
func sessions(a *asking) ([]Row, error) {
	groups, err := a.groups(event.SortLast, event.PerSession, event.PerWho)
	if err != nil {
		return nil, err
	}
	started, ended, everywhere := map[string]event.Event{}, map[string]event.Event{}, map[string][]time.Time{}
	err = a.each(join("action:session-start action:sign-out action:sign-out-everywhere outcome:allowed", a.user), func(e event.Event) {
		switch e.Action {
		case event.SessionStart:
			started[e.Session] = e
		case event.SignOut:
			ended[e.Session] = e
		case event.SignOutAll:
			everywhere[e.User.Sub] = append(everywhere[e.User.Sub], e.Time)
		}
	})
	if err != nil {
		return nil, err
	}
	columns := event.ColumnsOf(a.selected, nil)
	var rows []Row
	for _, g := range groups {
		r := a.of(g, event.PerSession, event.PerWho)
		if r.Session == "" {
			continue
		}
		r.State = lastSeen
		if s, ok := started[r.Session]; ok {
			r.Way, r.IP, r.First, r.Event = s.Way, s.SourceIP, &s.Time, s.ID
		}
		for _, at := range everywhere[r.Sub] {
			if !at.Before(g.Last) {
				r.State, r.Last = signedOutAll, &at
			}
		}
		if e, ok := ended[r.Session]; ok {
			r.State, r.Last = signedOut, &e.Time
		}
		r.cells = []string{r.Who, r.Session, clock(*r.First), clock(*r.Last), r.State, r.Way, r.IP, quantity.Count(g.Events), CellsOf(columns, g).Files}
		rows = append(rows, r)
	}
	return rows, nil
}

// dangling joins releases and reports. The newest events come first, so a report is
// known before its release. The client reports downloads: links and previews are
// always listed, with their purpose.
func dangling(a *asking) ([]Row, error) {
	reported := map[string]bool{} // ids of releases, and of the first ones of their chains
	var rows []Row
	err := a.each(a.filter, func(e event.Event) {
		switch {
		case e.Action == event.Completed:
			reported[e.Continues] = true
		case e.Outcome != event.Allowed:
		case reported[e.ID]:
			reported[e.Continues] = true
		case e.Releases() == 1:
			at, size, purpose := e.Time, "?", e.Purpose
			if purpose == "" {
				purpose = event.PurposeDownload
			}
			if e.Size != nil {
				size = quantity.Size(*e.Size)
			}
			rows = append(rows, Row{
				Sub: e.User.Sub, Who: e.User.Username, Session: e.Session, IP: e.SourceIP, Purpose: purpose, Path: e.Path(), Event: e.ID, Size: e.Size, First: &at,
				Filter: "id:" + e.ID, cells: []string{clock(at), e.User.Username, purpose, e.Path(), size, e.SourceIP},
			})
		}
	})
	return rows, err
}

// refusals sums the refused requests of each address; one event can have many of them.
func refusals(a *asking) ([]Row, error) {
	groups, err := a.groups(event.SortLast, event.PerIP)
	if err != nil {
		return nil, err
	}
	refused := map[string]int64{}
	err = a.each(a.filter, func(e event.Event) { refused[e.SourceIP] += max(1, int64(e.Count)) })
	return a.table(groups, err, func(r Row, g event.Group, c Cells) []string {
		return []string{r.IP, quantity.Count(refused[r.IP]), quantity.Count(g.Events), clock(g.First), clock(g.Last)}
	}, event.PerIP)
}

// outsideTerms exclude the private networks (RFC 1918, RFC 4193) and the addresses
// within one machine or link. A filter can exclude the networks of an organization too.
const outsideTerms = "-ip:10.0.0.0/8 -ip:172.16.0.0/12 -ip:192.168.0.0/16 -ip:127.0.0.0/8 -ip:169.254.0.0/16 -ip:fc00::/7 -ip:fe80::/10 -ip:::1"

func outside(a *asking) ([]Row, error) {
	groups, err := a.groups(event.SortEvents, event.PerWho, event.PerIP)
	return a.table(groups, err, func(r Row, g event.Group, c Cells) []string {
		if r.IP == "" {
			return nil // an event of the service itself
		}
		return []string{r.Who, r.IP, quantity.Count(g.Events), c.Files, c.Denied, clock(g.First), clock(g.Last)}
	}, event.PerWho, event.PerIP)
}

// uptime lists the events about the service and the log themselves.
func uptime(a *asking) ([]Row, error) {
	var rows []Row
	instant := func(t *time.Time) string {
		if t == nil {
			return ""
		}
		return clock(*t)
	}
	err := a.each(a.filter, func(e event.Event) {
		at, detail := e.Time, e.Reason
		if e.Count > 0 {
			detail = quantity.Plural(e.Count, "refused record", "refused records")
		}
		rows = append(rows, Row{
			Action: e.Action, Detail: detail, Event: e.ID, First: &at, Filter: "id:" + e.ID,
			cells: []string{clock(at), e.Action, instant(e.From), instant(e.Until), detail},
		})
	})
	return rows, err
}

func changes(a *asking) ([]Row, error) {
	var rows []Row
	err := a.each(a.filter, func(e event.Event) {
		at, detail := e.Time, event.Summary(e)
		if e.Action == event.GrantsChanged {
			detail = "+" + strconv.Itoa(e.GrantsAdded) + " -" + strconv.Itoa(e.GrantsRemoved)
			for _, line := range e.GrantsDiff {
				detail += "; " + line
			}
		}
		rows = append(rows, Row{
			Sub: e.User.Sub, Who: e.User.Username, Action: e.Action, Detail: detail, Event: e.ID, First: &at,
			Filter: "id:" + e.ID, cells: []string{clock(at), e.User.Username, e.Action, detail},
		})
	})
	return rows, err
}
