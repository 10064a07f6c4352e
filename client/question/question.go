// Package question has the saved questions about an audit log: one list for the
// commands and the screen. A question reads pages of events or counts through a
// Source, so it is answered from a server or from a file alike.
//
// The package leaves the drawing of an answer to its callers.
package question

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"usher/backend/api"
	"usher/backend/event"
	"usher/client/groupsum"
)

// Source reads an audit log (*client.Client).
type Source interface {
	AuditQuery(ctx context.Context, in api.AuditQueryRequest) (api.AuditQueryResponse, error)
	AuditBy(ctx context.Context, in api.AuditByRequest) (api.AuditByResponse, error)
}

// DefaultRange is the term that a filter without since and until gets.
const DefaultRange = "since:30d"

// Question is a saved question.
type Question struct {
	Key     rune   // '1' to '9'; 0: none
	Name    string // a word for the command line
	Title   string // one line
	Columns []string

	terms string // of the events that it reads
	run   func(a *asking) ([]Row, error)
}

// All returns the questions in the order of their keys. Those without a key follow.
func All() []Question {
	return []Question{
		{'1', "denials", "Denied decisions by person", []string{"WHO", "DENIED", "FIRST (UTC)", "LAST (UTC)"}, "outcome:denied", denials},
		{'2', "volume", "Downloads by person: files and bytes, by the server and as the client reported", []string{"WHO", "FILES", "RELEASED", "REPORTED", "LAST (UTC)"}, "action:download action:completed", volume},
		{'3', "new-addresses", "Addresses of a person that were not seen before the range", []string{"WHO", "FROM", "EVENTS", "FIRST (UTC)", "LAST (UTC)"}, "", newAddresses},
		{'4', "sessions", "Sessions with their sign-in and their end", []string{"WHO", "SESSION", "START (UTC)", "END (UTC)", "STATE", "WAY", "FROM", "EVENTS", "FILES"}, "", sessions},
		{'5', "bulk", "More than 100 files by one person in an hour", []string{"WHO", "HOUR (UTC)", "FILES", "RELEASED"}, "action:download outcome:allowed", bulk},
		{'6', "dangling", "Released links without a reported end", []string{"TIME (UTC)", "WHO", "PURPOSE", "PATH", "SIZE", "FROM"}, "action:download action:completed", dangling},
		{'7', "night", "Events between 19:00 and 07:00 UTC by person", []string{"WHO", "EVENTS", "FILES", "DENIED", "LAST (UTC)"}, "hours:19-07", night},
		{'8', "changes", "Changes of grants and of group memberships", []string{"TIME (UTC)", "WHO", "ACTION", "DETAIL"}, "action:grants-changed action:membership-changed", changes},
		{'9', "readers", "Reads of the log and of access by auditors and admins", []string{"WHO", "EVENTS", "DENIED", "FIRST (UTC)", "LAST (UTC)"}, "action:audit-read action:explain", readers},
		{0, "refused", "Refused tokens and device sign-ins by address; failed passwords are in the logs of Cognito", []string{"FROM", "REFUSED", "EVENTS", "FIRST (UTC)", "LAST (UTC)"}, "action:token-refused action:device-refused", refusals},
		{0, "outside", "Events from addresses outside private networks, by person", []string{"WHO", "FROM", "EVENTS", "FILES", "DENIED", "FIRST (UTC)", "LAST (UTC)"}, outsideTerms, outside},
		{0, "uptime", "Starts, stops and gaps of the log", []string{"TIME (UTC)", "ACTION", "FROM (UTC)", "UNTIL (UTC)", "DETAIL"}, "action:service-start action:service-stop action:unclean-stop action:audit-gap action:log-restarted", uptime},
	}
}

// Find returns the question with a name or a key.
func Find(word string) (Question, bool) {
	all := All()
	i := slices.IndexFunc(all, func(q Question) bool { return q.Name == word || q.Key != 0 && string(q.Key) == word })
	if i < 0 {
		return Question{}, false
	}
	return all[i], true
}

// Row is one row of an answer. Fields without a meaning in the question are empty.
type Row struct {
	Question      string     `json:"question"`
	Sub           string     `json:"sub,omitempty"`
	Who           string     `json:"who,omitempty"`
	Session       string     `json:"session,omitempty"`
	IP            string     `json:"ip,omitempty"`
	Way           string     `json:"way,omitempty"` // of the sign-in
	State         string     `json:"state,omitempty"`
	Action        string     `json:"action,omitempty"`
	Purpose       string     `json:"purpose,omitempty"` // of the release
	Path          string     `json:"path,omitempty"`
	Detail        string     `json:"detail,omitempty"`
	Event         string     `json:"event,omitempty"`
	Events        int64      `json:"events,omitempty"`
	Files         int        `json:"files,omitempty"`
	Size          *int64     `json:"size,omitempty"`
	ReleasedBytes int64      `json:"released_bytes,omitempty"`
	ReportedBytes int64      `json:"reported_bytes,omitempty"`
	Denied        int64      `json:"denied,omitempty"`
	First         *time.Time `json:"first,omitempty"`
	Last          *time.Time `json:"last,omitempty"`
	Filter        string     `json:"filter"` // selects the events of the row; "" if no filter does

	cells []string
}

// Cells returns the row for a table, one cell for each column. The cells have
// untrusted text.
func (r Row) Cells() []string { return r.cells }

// Answer has the rows of an answer.
type Answer struct {
	Question Question
	Filter   string // of the events that were read
	Rows     []Row
	Lag      time.Duration // events of this last time may be missing
}

// Progress receives the instant up to which a search has come.
type Progress func(reached *time.Time)

// asking is one answer in the making.
type asking struct {
	ctx      context.Context
	source   Source
	question Question
	user     string       // the filter of the person, with a range
	filter   string       // of the events to read
	selected event.Filter // of filter
	since    time.Time
	progress Progress
	lag      int // seconds
}

// ErrSameField is returned for a filter with a term of a field that the question
// sets itself: terms of one field are alternatives, so the question would be wider.
var ErrSameField = errors.New("the question chooses this field itself")

// Run answers a question about the events that a filter selects.
func Run(ctx context.Context, source Source, q Question, filter string, now time.Time, progress Progress) (Answer, error) {
	mine, err := event.ParseFilter(filter, now)
	if err != nil {
		return Answer{}, err
	}
	own, err := event.ParseFilter(q.terms, now)
	if err != nil {
		return Answer{}, fmt.Errorf("the question %s: %w", q.Name, err)
	}
	ranged := false
	for _, t := range mine.Terms {
		ranged = ranged || t.Field == event.BySince || t.Field == event.ByUntil
		for _, o := range own.Terms {
			if o.Field == t.Field && !t.Not {
				return Answer{}, fmt.Errorf("%w: %s", ErrSameField, t.Field)
			}
		}
	}
	if !ranged {
		add, err := event.ParseFilter(DefaultRange, now)
		if err != nil {
			return Answer{}, err
		}
		mine.Terms = append(mine.Terms, add.Terms...)
	}
	a := &asking{ctx: ctx, source: source, question: q, user: mine.String(), progress: progress}
	a.filter, a.selected = join(q.terms, a.user), event.Filter{Terms: slices.Concat(own.Terms, mine.Terms)}
	for _, t := range mine.Terms {
		if t.Field == event.BySince && t.Time.After(a.since) {
			a.since = t.Time
		}
	}
	rows, err := q.run(a)
	for i := range rows {
		rows[i].Question = q.Name
	}
	return Answer{Question: q, Filter: a.filter, Rows: rows, Lag: time.Duration(a.lag) * time.Second}, err
}

// join joins texts of filters.
func join(texts ...string) string {
	out := ""
	for _, t := range texts {
		if t != "" && out != "" {
			out += " "
		}
		out += t
	}
	return out
}

// By counts all events that a filter selects in groups, page by page. The caller closes
// the count.
func By(ctx context.Context, source Source, by []event.By, filter string, progress Progress) (_ *groupsum.Count, lag int, err error) {
	count := groupsum.New(by, groupsum.DefaultMost)
	defer func() {
		if err != nil {
			_ = count.Close()
		}
	}()
	in := api.AuditByRequest{By: ByText(by), Filter: filter}
	for {
		page, err := source.AuditBy(ctx, in)
		if err != nil {
			return nil, lag, err
		}
		if err := count.Merge(page.Groups); err != nil {
			return nil, lag, err
		}
		lag = max(lag, page.LagSeconds)
		if in.Cursor = page.Cursor; in.Cursor == "" {
			return count, lag, nil
		}
		progress.report(page.Reached)
	}
}

// ByText returns the text of properties, as event.ParseBy parses it.
func ByText(by []event.By) string {
	text := ""
	for i, b := range by {
		if i > 0 {
			text += ","
		}
		text += string(b)
	}
	return text
}

func (p Progress) report(reached *time.Time) {
	if p != nil {
		p(reached)
	}
}

// groups counts the events of the question.
func (a *asking) groups(order event.Sort, by ...event.By) ([]event.Group, error) {
	count, lag, err := By(a.ctx, a.source, by, a.filter, a.progress)
	if err != nil {
		return nil, err
	}
	a.lag = max(a.lag, lag)
	return count.List(a.ctx, order)
}

// each calls yield with all events that a filter selects, the newest first.
func (a *asking) each(filter string, yield func(event.Event)) error {
	in := api.AuditQueryRequest{Filter: filter, Limit: api.MaxAuditPage}
	for {
		page, err := a.source.AuditQuery(a.ctx, in)
		if err != nil {
			return err
		}
		for _, e := range page.Events {
			yield(e)
		}
		a.lag = max(a.lag, page.LagSeconds)
		if in.Cursor = page.Cursor; in.Cursor == "" {
			return nil
		}
		a.progress.report(page.Reached)
	}
}
