package backend

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"usher/backend/api"
	"usher/backend/audit"
	"usher/backend/cursor"
	"usher/backend/event"
)

const (
	auditPage = 200 // events in a page, for a request without a limit
	ascending = "+" // prefix of a cursor's token, for pages that begin with the oldest event
)

// auditor admits members of the auditors' group. Others get "not found". A read
// of the log is an event too, like any other access.
func (r *request) auditor(e *event.Event) error {
	person, err := r.listing()
	if err != nil {
		return err
	}
	e.User.Email = person.Email
	if !slices.Contains(person.Groups, r.b.c.Public.AuditorsGroup) {
		e.Reason = "not in the auditors' group"
		return r.deny(*e)
	}
	e.Outcome = event.Allowed
	return nil
}

// logRead is one recorded page of a reading of the log.
type logRead struct {
	r     *request
	at    cursor.Cursor
	event string // id of the first page's event
	token string // of the cursor; "" for the first page
}

// readLog records a page of a reading. query identifies the question in cursors, and
// reason describes it in the event.
func (r *request) readLog(sealed, reason string, query ...string) (*logRead, error) {
	p := &logRead{r: r, at: cursor.Cursor{Verb: r.verb, Sub: r.claims.Sub, Hash: cursor.Hash(query...)}}
	e := r.event(event.AuditRead, "", "")
	e.Reason = reason
	if sealed != "" {
		have, err := r.b.c.Cursors.Open(sealed, p.at, r.now)
		if err != nil {
			return nil, fail(api.BadCursor, err)
		}
		p.token, e.Continues = have.Token, have.Event
	}
	if err := r.auditor(&e); err != nil {
		return nil, err
	}
	if err := r.record(e); err != nil {
		return nil, err
	}
	p.event = first(e)
	return p, nil
}

// next returns the cursor of the next page.
func (p *logRead) next(token string) (string, error) {
	p.at.Token, p.at.Event, p.at.Expires = token, p.event, p.r.now.Add(cursor.Life)
	sealed, err := p.r.b.c.Cursors.Seal(p.at)
	if err != nil {
		return "", fail(api.Internal, err)
	}
	return sealed, nil
}

// auditBy counts one page of events in groups.
func (b *Backend) auditBy(r *request) (any, error) {
	var in api.AuditByRequest
	if err := r.decode(&in); err != nil {
		return nil, err
	}
	filter, err := event.ParseFilter(in.Filter, r.now)
	by, berr := event.ParseBy(in.By)
	if err != nil || berr != nil {
		return nil, fail(api.BadRequest, errors.New("by"))
	}
	read, err := r.readLog(in.Cursor, strings.TrimSpace("by "+in.By+": "+in.Filter), in.By, in.Filter)
	if err != nil {
		return nil, err
	}
	var found audit.Tally
	err = r.search(func() (err error) {
		found, err = b.c.Audit.Tally(r.ctx, by, filter, read.token)
		return err
	})
	if err != nil {
		return nil, err
	}
	out := api.AuditByResponse{Groups: found.Groups, Events: found.Events, LagSeconds: int(math.Ceil(found.Lag.Seconds()))}
	if found.Position != "" {
		out.Reached = &found.Reached
		out.Cursor, err = read.next(found.Position)
	}
	return out, err
}

func (b *Backend) auditQuery(r *request) (any, error) {
	var in api.AuditQueryRequest
	if err := r.decode(&in); err != nil {
		return nil, err
	}
	if in.Limit == 0 {
		in.Limit = auditPage
	}
	filter, ferr := event.ParseFilter(in.Filter, r.now)
	page, ok := pageOf(in)
	if ferr != nil || !ok {
		return nil, fail(api.BadRequest, errors.New("query"))
	}
	read, err := r.readLog(in.Cursor, in.Filter, in.Filter)
	if err != nil {
		return nil, err
	}
	if in.Cursor != "" {
		page.Position, page.Ascending = strings.CutPrefix(read.token, ascending)
	}
	var found audit.Result
	err = r.search(func() (err error) {
		found, err = b.c.Audit.Query(r.ctx, filter, page)
		return err
	})
	if err != nil {
		return nil, err
	}
	out := api.AuditQueryResponse{Events: found.Events, Records: found.Records, LagSeconds: int(math.Ceil(found.Lag.Seconds()))}
	if out.Events == nil {
		out.Events = []event.Event{}
	}
	if found.Position != "" {
		out.Reached = &found.Reached
		token := found.Position
		if page.Ascending {
			token = ascending + token
		}
		if out.Cursor, err = read.next(token); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// pageOf returns the page of a query, and false for an invalid one. A cursor sets
// the position later.
func pageOf(in api.AuditQueryRequest) (audit.Page, bool) {
	starts := 0
	for _, set := range []bool{in.Cursor != "", in.Before != "", in.After != "", in.Oldest} {
		if set {
			starts++
		}
	}
	id := in.Before + in.After
	return audit.Page{Limit: in.Limit, After: id, Ascending: in.After != "" || in.Oldest},
		starts <= 1 && in.Limit >= 1 && in.Limit <= api.MaxAuditPage && (id == "" || idShape.Matches(id))
}

// search runs a search of the log in one of the person's slots.
func (r *request) search(run func() error) error {
	done, err := r.b.queries.Take(r.ctx, r.claims.Sub)
	if err != nil {
		return fail(api.RateLimited, fmt.Errorf("waiting to search the log: %w", err))
	}
	defer done()
	switch err := run(); {
	case err == nil:
		return nil
	case errors.Is(err, audit.ErrBadPosition):
		return fail(api.BadCursor, err)
	case errors.Is(err, audit.ErrTooSlow):
		return fail(api.SlowQuery, err)
	default:
		return fail(api.AuditUnavailable, err)
	}
}

// first returns the id of an event's chain: the id of its first event.
func first(e event.Event) string {
	if e.Continues != "" {
		return e.Continues
	}
	return e.ID
}

func (b *Backend) auditSummary(r *request) (any, error) {
	var in api.AuditSummaryRequest
	if err := r.decode(&in); err != nil {
		return nil, err
	}
	if in.Hours < 1 || in.Hours > audit.MaxHours {
		return nil, fail(api.BadRequest, errors.New("hours"))
	}
	e := r.event(event.AuditRead, "", "")
	e.Reason = "counts per hour"
	if err := r.auditor(&e); err != nil {
		return nil, err
	}
	if err := r.record(e); err != nil {
		return nil, err
	}
	var sum audit.Summary
	err := r.search(func() (err error) {
		sum, err = b.c.Audit.Summary(r.ctx, in.Hours)
		return err
	})
	if err != nil {
		return nil, err
	}
	out := api.AuditSummaryResponse{
		People: sum.People, Downloads: sum.Downloads, Denied: sum.Denied, Events: sum.Events,
		Hours: make([]api.AuditHour, len(sum.Hours)),
	}
	if b.c.Sinks != nil {
		out.Sinks = b.c.Sinks.Sinks(r.ctx)
	}
	if b.c.Principal != nil {
		out.Signer, out.SignerPerPerson = b.c.Principal.Principal(r.ctx)
	}
	if out.Reviews, err = b.reviews(r); err != nil {
		return nil, err
	}
	for i, h := range sum.Hours {
		out.Hours[i] = api.AuditHour{Start: h.Start.UTC().Truncate(time.Hour), Events: h.Events, Denied: h.Denied}
	}
	return out, nil
}
