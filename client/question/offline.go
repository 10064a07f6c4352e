package question

import (
	"context"
	"time"

	"usher/backend/api"
	"usher/backend/event"
)

// Pages reads the events of a log that is a file.
type Pages interface {
	AuditQuery(ctx context.Context, in api.AuditQueryRequest) (api.AuditQueryResponse, error)
}

// Offline answers the calls of a server about a log from its pages alone.
type Offline struct {
	Pages
	Now   func() time.Time // the end of the hours of a summary
	Count int64            // events in the file; 0: the number of the newest one
}

// AuditBy counts one page of events in groups.
func (o Offline) AuditBy(ctx context.Context, in api.AuditByRequest) (out api.AuditByResponse, err error) {
	by, err := event.ParseBy(in.By)
	if err != nil {
		return out, err
	}
	page, err := o.AuditQuery(ctx, api.AuditQueryRequest{Filter: in.Filter, Limit: api.MaxAuditPage, Cursor: in.Cursor})
	if err != nil {
		return out, err
	}
	sums := event.NewSums(by)
	for _, e := range page.Events {
		sums.Add(e)
	}
	return api.AuditByResponse{Groups: sums.Groups(event.SortKey), Events: len(page.Events), Cursor: page.Cursor, Reached: page.Reached, LagSeconds: page.LagSeconds}, nil
}

// AuditSummary counts the events of the last hours. It knows no receivers and no
// reviews.
func (o Offline) AuditSummary(ctx context.Context, in api.AuditSummaryRequest) (out api.AuditSummaryResponse, err error) {
	last, err := o.AuditQuery(ctx, api.AuditQueryRequest{Limit: 1})
	if err != nil {
		return out, err
	}
	if out.Events = o.Count; out.Events == 0 && len(last.Records) > 0 {
		out.Events = last.Records[0]
	}
	end := o.Now().UTC().Truncate(time.Hour)
	first := end.Add(-time.Duration(in.Hours-1) * time.Hour)
	span := event.Filter{Terms: []event.Term{{Field: event.BySince, Time: first}}}
	count, _, err := By(ctx, o, []event.By{event.PerWho, event.PerHour}, span.String(), nil)
	if err != nil {
		return out, err
	}
	groups, err := count.List(ctx, event.SortKey)
	if err != nil {
		return out, err
	}
	hours, people := map[string]*api.AuditHour{}, map[string]bool{}
	out.Hours = make([]api.AuditHour, in.Hours)
	for i := range out.Hours {
		h := &out.Hours[i]
		h.Start = first.Add(time.Duration(i) * time.Hour)
		hours[event.PerHour.Key(event.Event{Time: h.Start})] = h
	}
	for _, g := range groups {
		h := hours[g.Keys[1]]
		if h == nil {
			continue // after the end
		}
		if g.Keys[0] != "" {
			people[g.Keys[0]] = true
		}
		h.Events += int(g.Events)
		h.Denied += int(g.Denied)
		out.Denied += int(g.Denied)
		out.Downloads += int(g.Releases)
	}
	out.People = len(people)
	return out, nil
}
