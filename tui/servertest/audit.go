package servertest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"usher/backend/api"
	"usher/backend/event"
)

// read reads the events of the filter in pages of limit events.
func (b AuditBed) read(ctx context.Context, limit int) ([]event.Event, error) {
	in := api.AuditQueryRequest{Filter: b.Filter, Limit: limit}
	var all []event.Event
	for calls := 0; calls < 100; calls++ {
		page, err := b.Log.AuditQuery(ctx, in)
		if err != nil {
			return nil, err
		}
		if limit > 0 && len(page.Events) > limit {
			return nil, fmt.Errorf("a page of %d events, asked for %d", len(page.Events), limit)
		}
		all = append(all, page.Events...)
		if in.Cursor = page.Cursor; in.Cursor == "" {
			return all, nil
		}
	}
	return nil, errors.New("the pages do not end")
}

func ids(events []event.Event) []string {
	out := make([]string, len(events))
	for i, e := range events {
		out[i] = e.ID
	}
	return out
}

func auditPages(ctx context.Context, b AuditBed) error {
	const n = 7
	if err := b.Record(n); err != nil {
		return err
	}
	want, err := b.read(ctx, 0) // the limit of the server
	if err != nil {
		return err
	}
	if len(want) != n {
		return fmt.Errorf("%d events, want %d", len(want), n)
	}
	if !slices.IsSortedFunc(want, func(x, y event.Event) int { return y.Time.Compare(x.Time) }) {
		return fmt.Errorf("not newest first: %q", ids(want))
	}
	for _, limit := range []int{1, 3, n} {
		got, err := b.read(ctx, limit)
		if err != nil {
			return fmt.Errorf("%d at a time: %w", limit, err)
		}
		if !slices.Equal(ids(got), ids(want)) {
			return fmt.Errorf("%d at a time gives %q, want %q", limit, ids(got), ids(want))
		}
	}
	return nil
}

func bothEnds(ctx context.Context, b AuditBed) error {
	const n = 5
	if err := b.Record(n); err != nil {
		return err
	}
	want, err := b.read(ctx, 0)
	if err != nil {
		return err
	}
	before, err := b.Log.AuditQuery(ctx, api.AuditQueryRequest{Filter: b.Filter, Before: want[1].ID})
	if err != nil || !slices.Equal(ids(before.Events), ids(want[2:])) {
		return fmt.Errorf("before an event: %q, want %q, error %v", ids(before.Events), ids(want[2:]), err)
	}
	slices.Reverse(want)
	first, err := b.Log.AuditQuery(ctx, api.AuditQueryRequest{Filter: b.Filter, Oldest: true, Limit: 2})
	if err != nil || !slices.Equal(ids(first.Events), ids(want[:2])) || first.Cursor == "" {
		return fmt.Errorf("from the first event: %q, want %q, error %v", ids(first.Events), ids(want[:2]), err)
	}
	later, err := b.Log.AuditQuery(ctx, api.AuditQueryRequest{Filter: b.Filter, After: want[1].ID})
	if err != nil || !slices.Equal(ids(later.Events), ids(want[2:])) {
		return fmt.Errorf("after an event: %q, want %q, error %v", ids(later.Events), ids(want[2:]), err)
	}
	return nil
}

func nothing(ctx context.Context, b AuditBed) error {
	if err := b.Record(1); err != nil {
		return err
	}
	page, err := b.Log.AuditQuery(ctx, api.AuditQueryRequest{Filter: "who:nobody-of-this-name"})
	if err != nil || len(page.Events) != 0 || page.Cursor != "" {
		return fmt.Errorf("%d events, cursor %q, error %v", len(page.Events), page.Cursor, err)
	}
	return nil
}

func unreadable(ctx context.Context, b AuditBed) error {
	_, err := b.Log.AuditQuery(ctx, api.AuditQueryRequest{Filter: "ouctome:denied"})
	return code(err, api.BadRequest)
}

func auditCursors(ctx context.Context, b AuditBed) error {
	if err := b.Record(3); err != nil {
		return err
	}
	page, err := b.Log.AuditQuery(ctx, api.AuditQueryRequest{Filter: b.Filter, Limit: 1})
	if err != nil {
		return err
	}
	if page.Cursor == "" {
		return errors.New("a page of 1 of 3 events has no cursor")
	}
	for name, other := range map[string]api.AuditQueryRequest{
		"made up":           {Filter: b.Filter, Cursor: "1"},
		"of another filter": {Filter: "outcome:denied", Cursor: page.Cursor},
	} {
		_, err := b.Log.AuditQuery(ctx, other)
		if err := code(err, api.BadCursor); err != nil {
			return fmt.Errorf("a cursor that is %s: %w", name, err)
		}
	}
	return nil
}

func summary(ctx context.Context, b AuditBed) error {
	if err := b.Record(2); err != nil {
		return err
	}
	s, err := b.Log.AuditSummary(ctx, api.AuditSummaryRequest{Hours: 24})
	if err != nil {
		return err
	}
	if len(s.Hours) != 24 || s.Events < 2 || s.People < 1 {
		return fmt.Errorf("%d hours, %d events, %d people", len(s.Hours), s.Events, s.People)
	}
	for i, h := range s.Hours {
		if h.Start.Truncate(time.Hour) != h.Start || i > 0 && h.Start.Sub(s.Hours[i-1].Start) != time.Hour {
			return fmt.Errorf("hour %d begins at %s", i, h.Start)
		}
		if h.Denied > h.Events {
			return fmt.Errorf("hour %d has %d events, %d of them denied", i, h.Events, h.Denied)
		}
	}
	return nil
}
