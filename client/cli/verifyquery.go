package cli

import (
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"time"

	"usher/backend/api"

	"usher/backend/event"
)

// maxMatches bounds the events of a query in memory.
const maxMatches = 100_000

// late is the time by which an event can be recorded after its own time.
const late = 10 * time.Minute

// queryCheck runs a query over verified events, and compares the result with the
// server's answer.
type queryCheck struct {
	filter event.Filter
	events map[string]match // by id
	last   time.Time        // of the latest event of the log
	over   bool             // there are more than maxMatches
}

// match is an event that matches the query.
type match struct {
	record int64
	sum    [sha256.Size]byte
}

func newQueryCheck(query string, now time.Time) (*queryCheck, error) {
	f, err := event.ParseFilter(query, now)
	if err != nil {
		return nil, filterError(query, err)
	}
	return &queryCheck{filter: f, events: map[string]match{}}, nil
}

// take takes a verified event.
func (q *queryCheck) take(record int64, e event.Event) {
	if e.Time.After(q.last) {
		q.last = e.Time
	}
	if !q.filter.Match(e) {
		return
	}
	if q.over = q.over || len(q.events) == maxMatches; !q.over {
		q.events[e.ID] = match{record, sha256.Sum256(event.Canonical(e))}
	}
}

// compare reads the server's answer. Events that were recorded after the verified
// ones are no difference. It returns the number of matches, and a text for each
// difference.
func (q *queryCheck) compare(ctx context.Context, ask func(context.Context, api.AuditQueryRequest) (api.AuditQueryResponse, error)) (int, []string, error) {
	if q.over {
		return 0, nil, usagef("More than %d events match the query. Narrow it.", maxMatches)
	}
	matches := len(q.events)
	var wrong []string
	// The filter with absolute times: an age depends on the time of the request.
	for req := (api.AuditQueryRequest{Filter: q.filter.String(), Limit: api.MaxAuditPage}); ; {
		page, err := ask(ctx, req)
		if err != nil {
			return matches, nil, err
		}
		for _, e := range page.Events {
			known, ok := q.events[e.ID]
			switch {
			case ok && known.sum != sha256.Sum256(event.Canonical(e)):
				wrong = append(wrong, fmt.Sprintf("query: record %d: the server shows another event", known.record))
			case !ok && e.Time.Before(q.last.Add(-late)):
				wrong = append(wrong, fmt.Sprintf("query: the server shows an event that is not in the log: %s", e.ID))
			}
			delete(q.events, e.ID)
		}
		if req.Cursor = page.Cursor; req.Cursor == "" {
			break
		}
	}
	left := make([]int64, 0, len(q.events))
	for _, m := range q.events {
		left = append(left, m.record)
	}
	slices.Sort(left)
	for _, record := range left {
		wrong = append(wrong, fmt.Sprintf("query: record %d: the server leaves it out", record))
	}
	return matches, wrong, nil
}
