package dynamo

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/oklog/ulid/v2"
	"golang.org/x/sync/errgroup"

	"usher/backend/audit"
	"usher/backend/dynamo"
	"usher/backend/event"
)

// Bounds of the work for one page, beside the deadline.
const (
	pageItems = 4000 // items of the log
	pageCalls = 400  // calls, up to 16 at once
	fetched   = 50   // items in one BatchGetItem, whose response has up to 16 MB
)

// Query implements audit.Store. A page is read in up to two parts: from the index
// before its mark, and from the log itself after it.
func (s *Store) Query(ctx context.Context, filter event.Filter, page audit.Page) (audit.Result, error) {
	result := audit.Result{Lag: Lag}
	if err := ctx.Err(); err != nil {
		return result, err
	}
	w, err := s.windowOf(ctx, filter, page)
	if err != nil {
		return result, err
	}
	q := &query{store: s, filter: filter, limit: page.Limit, window: w, result: &result, stop: stopAt(ctx)}
	if ids := idsOf(filter); ids != nil {
		return result, q.byID(ctx, ids)
	}
	mark, err := s.index.complete(ctx)
	if err != nil {
		return result, err
	}
	before, after := w, w
	before.high, after.low = min(w.high, least(mark)), max(w.low, least(mark))
	parts := []func() error{
		func() error { return q.fromLog(ctx, after, after.hours()) },
		func() error { return q.fromIndex(ctx, before) },
	}
	if w.ascending {
		slices.Reverse(parts)
	}
	for _, part := range parts {
		err := part()
		if err != nil && q.done != "" && errors.Is(ctx.Err(), context.DeadlineExceeded) {
			q.end(q.done) // the calls were too slow for the rest of the page
			return result, nil
		}
		if err != nil || q.full {
			return result, err
		}
	}
	return result, nil
}

// stopAt returns the time at which a page ends short, before the deadline.
func stopAt(ctx context.Context) time.Time {
	deadline, ok := ctx.Deadline()
	if !ok {
		return time.Time{}
	}
	return time.Now().Add(time.Until(deadline) * 2 / 3)
}

// windowOf returns the range of ids of a page.
func (s *Store) windowOf(ctx context.Context, filter event.Filter, page audit.Page) (window, error) {
	now := s.now()
	w := window{low: least(time.UnixMilli(0)), high: least(now.Add(ahead)), ascending: page.Ascending}
	if page.Ascending {
		w.high = least(now.Add(-Lag))
	}
	for _, t := range filter.Terms {
		switch t.Field {
		case event.BySince:
			w.low = max(w.low, least(t.Time))
		case event.ByUntil:
			w.high = min(w.high, least(t.Time.Add(time.Millisecond-time.Nanosecond)))
		}
	}
	at := page.Position
	if at == "" && page.After != "" {
		known, err := s.Get(ctx, []string{page.After})
		if err != nil {
			return w, err
		}
		if at = page.After; len(known) == 0 {
			return w, audit.ErrBadPosition
		}
	}
	if at == "" {
		return w, nil
	}
	if _, ok := timeOf(at); !ok {
		return w, audit.ErrBadPosition
	}
	if page.Ascending {
		w.low = max(w.low, successor(at))
	} else {
		w.high = min(w.high, at)
	}
	return w, nil
}

// successor returns the next id in the order of ids.
func successor(id string) string {
	digits := []byte(id)
	for i := len(digits) - 1; i >= 0; i-- {
		n := strings.IndexByte(ulid.Encoding, digits[i])
		if n+1 < len(ulid.Encoding) {
			digits[i] = ulid.Encoding[n+1]
			return string(digits)
		}
		digits[i] = ulid.Encoding[0]
	}
	return id // the greatest one
}

// idsOf returns the ids that a filter names, or nil.
func idsOf(f event.Filter) []string {
	var ids []string
	for _, t := range f.Terms {
		if t.Field == event.ByID && !t.Not {
			ids = append(ids, t.Value)
		}
	}
	return ids
}

// query collects one page.
type query struct {
	store  *Store
	filter event.Filter
	limit  int
	window window
	stop   time.Time
	result *audit.Result

	items, calls int
	full         bool   // the page ends at result.Position
	done         string // all events up to this position are read; "": none
}

// add takes the matching events of the items of one millisecond.
func (q *query) add(items []Item) {
	events := merged(items)
	if !q.window.ascending {
		slices.Reverse(events)
	}
	for _, e := range events {
		if e.ID < q.window.low || e.ID >= q.window.high || !q.filter.Match(e) {
			continue
		}
		if len(q.result.Events) == q.limit {
			q.end(q.result.Events[q.limit-1].ID)
			return
		}
		q.result.Events = append(q.result.Events, e)
	}
}

// end ends the page. The next one begins after an id.
func (q *query) end(position string) {
	q.full, q.result.Position = true, position
	q.result.Reached, _ = timeOf(position)
}

// exhausted reports whether the page has had its share of work.
func (q *query) exhausted() bool {
	return q.items >= pageItems || q.calls >= pageCalls || !q.stop.IsZero() && time.Now().After(q.stop)
}

// passed returns the position behind a whole millisecond.
func (q *query) passed(id string) string {
	if q.window.ascending {
		return id[:msLength] + strings.Repeat("Z", idLength-msLength)
	}
	return id[:msLength] + strings.Repeat("0", idLength-msLength)
}

// byID answers a filter that names ids.
func (q *query) byID(ctx context.Context, ids []string) error {
	events, err := q.store.get(ctx, ids)
	if err != nil {
		return err
	}
	slices.SortFunc(events, func(a, b event.Event) int {
		if !q.window.ascending {
			a, b = b, a
		}
		return cmp.Compare(a.ID, b.ID)
	})
	for _, e := range events {
		q.add([]Item{{ID: e.ID, Events: []event.Event{e}}})
		if q.full {
			return nil
		}
	}
	return nil
}

// fromLog reads hours of the log in the order of reading.
func (q *query) fromLog(ctx context.Context, w window, hours []time.Time) error {
	for i, hour := range hours {
		m := q.store.shardsOf(hour, w)
		err := q.each(ctx, m, func(rows []map[string]types.AttributeValue) ([]Item, error) {
			var items []Item
			for _, row := range rows {
				item, ok, err := q.store.unexpired(row)
				if err != nil {
					return nil, err
				}
				if ok {
					items = append(items, item)
				}
			}
			return items, nil
		})
		if err != nil || q.full {
			return err
		}
		edge := least(hour)
		if w.ascending {
			edge = least(hour.Add(time.Hour - time.Millisecond))
		}
		if q.done = q.passed(edge); q.exhausted() && i+1 < len(hours) {
			q.end(q.done)
			return nil
		}
	}
	return nil
}

// fromIndex reads the part before the mark: by the rows of the filter's most
// selective terms, or the hours that have events.
func (q *query) fromIndex(ctx context.Context, w window) error {
	if w.empty() {
		return nil
	}
	all := choices(q.filter)
	if len(all) == 0 {
		hours, err := q.store.index.hoursWithEvents(ctx, w)
		if err != nil {
			return err
		}
		return q.fromLog(ctx, w, hours)
	}
	m, err := q.choose(ctx, all, w)
	if err != nil {
		return err
	}
	return q.each(ctx, m, func(rows []map[string]types.AttributeValue) ([]Item, error) {
		var items []Item
		ids := make([]string, len(rows))
		for i, row := range rows {
			ids[i] = dynamo.TextOf(row, dynamo.SK)
		}
		for some := range slices.Chunk(ids, fetched) {
			q.calls++
			part, err := q.store.items(ctx, some)
			if err != nil {
				return nil, err
			}
			items = append(items, part...)
		}
		return items, nil
	})
}

// choose reads the first rows of all choices at once, and returns the one whose
// rows reach furthest: it has the fewest items in the window.
func (q *query) choose(ctx context.Context, all [][]string, w window) (*merge, error) {
	merges := make([]*merge, len(all))
	group, gctx := errgroup.WithContext(ctx)
	for i, set := range all {
		m := &merge{ascending: w.ascending}
		for _, pk := range set {
			m.streams = append(m.streams, &stream{store: q.store, table: q.store.index.table, pk: pk, window: w})
		}
		merges[i] = m
		group.Go(func() error { return m.fill(gctx) })
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	best := merges[0]
	for _, m := range merges[1:] {
		if a, b := m.reach(), best.reach(); a != b && (a > b) == w.ascending {
			best = m
		}
	}
	return best, nil
}

// reach returns the key up to which all rows were read. Streams at their end
// reach beyond every key.
func (m *merge) reach() string {
	end := ""
	if m.ascending {
		end = "~"
	}
	for _, t := range m.streams {
		if t.done || len(t.rows) == 0 {
			continue
		}
		last := dynamo.TextOf(t.rows[len(t.rows)-1], dynamo.SK)
		if m.ascending {
			end = min(end, last)
		} else {
			end = max(end, last)
		}
	}
	return end
}

// each reads rows until the page is full or its work is done. items returns the
// items of rows, which are whole milliseconds in the order of reading.
func (q *query) each(ctx context.Context, m *merge, items func([]map[string]types.AttributeValue) ([]Item, error)) error {
	next, err := m.take(ctx)
	defer func() { q.calls += m.calls }()
	for err == nil && next != nil && !q.full {
		var rows []map[string]types.AttributeValue
		last := dynamo.TextOf(next, dynamo.SK)
		for err == nil && next != nil {
			sk := dynamo.TextOf(next, dynamo.SK)
			if len(rows) >= fetched && sk[:msLength] != last[:msLength] {
				break
			}
			rows, last = append(rows, next), sk
			next, err = m.take(ctx)
		}
		if err != nil {
			return err
		}
		q.calls, m.calls = q.calls+m.calls, 0
		found, ferr := items(rows)
		if ferr != nil {
			return ferr
		}
		q.items += len(rows)
		q.addGroups(found)
		if q.done = q.passed(last); !q.full && next != nil && q.exhausted() {
			q.end(q.done)
		}
	}
	return err
}

// addGroups adds items millisecond by millisecond, in the order of reading.
func (q *query) addGroups(items []Item) {
	slices.SortFunc(items, func(a, b Item) int {
		if !q.window.ascending {
			a, b = b, a
		}
		return strings.Compare(a.ID, b.ID)
	})
	for len(items) > 0 && !q.full {
		n := 1
		for n < len(items) && items[n].ID[:msLength] == items[0].ID[:msLength] {
			n++
		}
		q.add(items[:n])
		items = items[n:]
	}
}
