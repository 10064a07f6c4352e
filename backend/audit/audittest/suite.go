// Package audittest is the conformance suite of audit.Store. Check returns one
// error for each violated requirement, and Run reports them to a test. Memory
// is a conforming store for tests of other packages.
//
// The suite cannot simulate a crash: each store's own tests check that
// acknowledged events survive the loss of the process.
package audittest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"testing"
	"time"

	"usher/backend/audit"
	"usher/backend/event"
)

// requirement is one part of the contract, checked on a new store.
type requirement struct {
	name  string
	check func(ctx context.Context, s audit.Store) error
}

// The numbers of random filters that the suite tries.
const (
	manyFilters = 200
	fewFilters  = 5
)

func requirements(filters int) []requirement {
	return []requirement{
		{"an acknowledged append is readable at once, byte for byte", readBack},
		{"a batch is recorded whole or not at all", wholeBatch},
		{"an event repeated with the same content is recorded once", repeated},
		{"a different event with a known id is refused with its whole batch", conflict},
		{"repeated completions of a release fold into the first one", oneCompletion},
		{"concurrent writers lose nothing and repeat nothing", manyWriters},
		{"pages are in the order of time, also after a clock steps back", clockBack},
		{"pages have no gap and no overlap while events are added", steadyPages},
		{"a query finds exactly what the filter matches", func(ctx context.Context, s audit.Store) error { return filtered(ctx, s, filters) }},
		{"a page with an unknown position is refused", badPosition},
		{"hours are counted, empty hours included", hours},
		{"a check succeeds and records nothing", checked},
		{"a canceled context ends a call", canceled},
	}
}

// Check returns an error for each requirement that a store violates. open
// returns a new, empty store. Check closes a store that is an io.Closer.
func Check(open func() audit.Store) []error {
	var violated []error
	for _, r := range requirements(manyFilters) {
		if err := checkOne(open(), r, checkLimit); err != nil {
			violated = append(violated, fmt.Errorf("%s: %w", r.name, err))
		}
	}
	return violated
}

// The longest times for one requirement. A slow server needs minutes; a broken
// store can use up all of the time.
const (
	runLimit   = 2 * time.Minute
	checkLimit = 15 * time.Second
)

func checkOne(s audit.Store, r requirement, limit time.Duration) (err error) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	if c, ok := s.(io.Closer); ok {
		defer func() { err = errors.Join(err, c.Close()) }()
	}
	return r.check(ctx, s)
}

// Run is Check with a subtest for each requirement.
func Run(t *testing.T, open func() audit.Store) { run(t, open, manyFilters) }

// RunSlow is Run with few random filters, for a store on a slow server.
func RunSlow(t *testing.T, open func() audit.Store) { run(t, open, fewFilters) }

func run(t *testing.T, open func() audit.Store, filters int) {
	for _, r := range requirements(filters) {
		t.Run(r.name, func(t *testing.T) {
			if err := checkOne(open(), r, runLimit); err != nil {
				t.Error(err)
			}
		})
	}
}

func readBack(ctx context.Context, s audit.Store) error {
	for i, e := range append(hostile(), sample(40)...) {
		if err := s.Append(ctx, []event.Event{e}); err != nil {
			return fmt.Errorf("event %d: %w", i, err)
		}
		if err := same(get(ctx, s, e.ID), e); err != nil {
			return fmt.Errorf("event %d by id: %w", i, err)
		}
		for _, f := range []event.Filter{
			{Terms: []event.Term{{Field: event.ByID, Value: e.ID}}},
			{Terms: []event.Term{{Field: event.BySince, Time: e.Time}, {Field: event.ByUntil, Time: e.Time.Add(time.Millisecond)}, {Field: event.ByID, Value: e.ID}}},
			{Terms: []event.Term{{Field: event.BySession, Value: e.Session}, {Field: event.ByPath, Exact: true, Value: e.Path()}, {Field: event.ByID, Value: e.ID}}},
		} {
			if err := same(pages(ctx, s, f, audit.Page{Limit: 10}), e); err != nil {
				return fmt.Errorf("event %d by %s: %w", i, f, err)
			}
		}
	}
	return same(get(ctx, s, "no such event"))
}

func wholeBatch(ctx context.Context, s audit.Store) error {
	batch := sample(250)
	if err := s.Append(ctx, batch); err != nil {
		return err
	}
	if err := same(ascending(ctx, s), batch...); err != nil {
		return err
	}
	short, cancel := context.WithCancel(ctx)
	more := sample(500)[250:]
	go cancel()
	err := s.Append(short, more)
	for {
		found, getErr := s.Get(ctx, ids(more))
		switch {
		case getErr != nil:
			return getErr
		case len(found) == len(more), err != nil && len(found) == 0:
			return nil
		case err == nil:
			return fmt.Errorf("%d of %d events found after success", len(found), len(more))
		}
		select { // the server may still be writing
		case <-time.After(10 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("%d of %d events found after %w", len(found), len(more), err)
		}
	}
}

func repeated(ctx context.Context, s audit.Store) error {
	batch := sample(6)
	for _, part := range [][]event.Event{batch[:4], batch[:4], batch, {batch[5], batch[5]}} {
		if err := s.Append(ctx, part); err != nil {
			return err
		}
	}
	if n, err := s.Count(ctx); err != nil || n != int64(len(batch)) {
		return fmt.Errorf("the log counts %d events, want %d (%v)", n, len(batch), err)
	}
	return same(ascending(ctx, s), batch...)
}

func conflict(ctx context.Context, s audit.Store) error {
	batch := sample(8)
	if err := s.Append(ctx, batch[:3]); err != nil {
		return err
	}
	other := batch[0]
	other.Key += "x"
	if err := s.Append(ctx, []event.Event{batch[3], other, batch[4]}); !errors.Is(err, audit.ErrConflict) {
		return fmt.Errorf("a different event with a known id: %v", err)
	}
	twin := batch[5]
	twin.Outcome += "x"
	if err := s.Append(ctx, []event.Event{batch[5], twin}); !errors.Is(err, audit.ErrConflict) {
		return fmt.Errorf("two events with one id in a batch: %v", err)
	}
	if err := s.Append(ctx, batch[6:]); err != nil {
		return fmt.Errorf("after a conflict: %w", err)
	}
	return same(ascending(ctx, s), append(batch[:3:3], batch[6:]...)...)
}

func oneCompletion(ctx context.Context, s audit.Store) error {
	released := sample(3)
	if err := s.Append(ctx, released); err != nil {
		return err
	}
	id := mint(4)
	report := func(of event.Event, bytes int64) event.Event {
		e := of
		e.ID, e.Action, e.Continues, e.Bytes = id(of.Time), event.Completed, of.ID, &bytes
		return e
	}
	first := map[string]string{} // id of the first report, by release
	for i, of := range []int{0, 1, 0, 2, 0, 1} {
		e := report(released[of], int64(i))
		if first[e.Continues] == "" {
			first[e.Continues] = e.ID
		}
		if err := s.Append(ctx, []event.Event{e}); err != nil {
			return err
		}
	}
	both := []event.Event{report(released[1], 10), report(released[2], 11)}
	for range 2 {
		if err := s.Append(ctx, both); err != nil {
			return err
		}
	}
	all, err := ascending(ctx, s)()
	if err != nil {
		return err
	}
	for _, e := range released {
		of := matching(all, event.Filter{Terms: []event.Term{{Field: event.ByAction, Value: event.Completed}}})
		of = slices.DeleteFunc(of, func(c event.Event) bool { return c.Continues != e.ID })
		if rows := event.Fold(of); len(rows) != 1 || rows[0].Completed == nil || rows[0].Completed.ID != first[e.ID] {
			return fmt.Errorf("%d completions of a release do not fold into the first one", len(of))
		}
	}
	return nil
}

func manyWriters(ctx context.Context, s audit.Store) error {
	const writers, each = 16, 10
	all := sample(writers * each)
	var wg sync.WaitGroup
	errs := make(chan error, writers*each)
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				e := all[w*each+i]
				if err := s.Append(ctx, []event.Event{e}); err != nil {
					errs <- err
					continue
				}
				if err := same(get(ctx, s, e.ID), e); err != nil {
					errs <- fmt.Errorf("right after its append: %w", err)
				}
			}
		})
	}
	wg.Wait()
	close(errs)
	if err := <-errs; err != nil {
		return err
	}
	slices.SortFunc(all, event.Compare)
	return same(ascending(ctx, s), all...)
}

func clockBack(ctx context.Context, s audit.Store) error {
	batch, id := sample(6), mint(5)
	at := batch[0].Time
	for i, offset := range []int{0, 5, 5, -3, 2, 5} { // seconds
		batch[i].Time = at.Add(time.Duration(offset) * time.Second)
		batch[i].ID = id(batch[i].Time)
		if err := s.Append(ctx, batch[i:i+1]); err != nil {
			return err
		}
	}
	newest := []event.Event{batch[5], batch[2], batch[1], batch[4], batch[0], batch[3]}
	if err := same(pages(ctx, s, event.Filter{}, audit.Page{Limit: 10}), newest...); err != nil {
		return fmt.Errorf("newest first: %w", err)
	}
	if err := same(pages(ctx, s, event.Filter{}, audit.Page{Limit: 2, After: batch[1].ID}), batch[4], batch[0], batch[3]); err != nil {
		return fmt.Errorf("newest first, older than an event: %w", err)
	}
	return same(pages(ctx, s, event.Filter{}, audit.Page{Limit: 10, Ascending: true, After: batch[4].ID}), batch[1], batch[2], batch[5])
}

func steadyPages(ctx context.Context, s audit.Store) error {
	all, id := sample(90), mint(6)
	for i := range all {
		all[i].Time = start.Add(time.Duration(i/7) * time.Millisecond) // several in each millisecond
		all[i].ID = id(all[i].Time)
	}
	if err := s.Append(ctx, all[:60]); err != nil {
		return err
	}
	var got []event.Event
	p, next := audit.Page{Limit: 7}, 60
	for range maxPages {
		r, err := s.Query(ctx, event.Filter{}, p)
		if err != nil {
			return err
		}
		if len(r.Events) > p.Limit {
			return fmt.Errorf("a page of %d has %d events", p.Limit, len(r.Events))
		}
		got = append(got, r.Events...)
		if r.Position == "" {
			want := slices.Clone(all[:60])
			slices.Reverse(want)
			return same(func() ([]event.Event, error) { return got, nil }, want...)
		}
		p.Position = r.Position
		if next < len(all) {
			if err := s.Append(ctx, all[next:next+3]); err != nil {
				return err
			}
			next += 3
		}
	}
	return errors.New("the pages do not end")
}

func badPosition(ctx context.Context, s audit.Store) error {
	if err := s.Append(ctx, sample(3)); err != nil {
		return err
	}
	noMatch := event.Filter{Terms: []event.Term{{Field: event.ByWho, Value: "no-such-user"}}}
	for _, f := range []event.Filter{{}, noMatch} {
		for _, p := range []audit.Page{
			{Limit: 1, Position: "x"}, {Limit: 1, Position: "1.2; DROP TABLE events"}, {Limit: 1, Ascending: true, Position: "x"},
			{Limit: 1, Ascending: true, After: "no such event"}, {Limit: 1, After: "no such event"}, {Limit: 1, Ascending: true, After: mint(9)(start)},
		} {
			if _, err := s.Query(ctx, f, p); !errors.Is(err, audit.ErrBadPosition) {
				return fmt.Errorf("%+v: %v", p, err)
			}
		}
	}
	return nil
}

func canceled(ctx context.Context, s audit.Store) error {
	ctx, cancel := context.WithCancel(ctx)
	cancel()
	batch := sample(1)
	_, query := s.Query(ctx, event.Filter{}, audit.Page{Limit: 1})
	_, get := s.Get(ctx, []string{"a"})
	_, hours := s.Hours(ctx, batch[0].Time.Truncate(time.Hour), 1)
	_, count := s.Count(ctx)
	for name, err := range map[string]error{"Append": s.Append(ctx, batch), "Query": query, "Get": get, "Hours": hours, "Count": count, "Check": s.Check(ctx)} {
		if !errors.Is(err, context.Canceled) {
			return fmt.Errorf("%s: %v", name, err)
		}
	}
	return nil
}

func checked(ctx context.Context, s audit.Store) error {
	if err := s.Append(ctx, sample(3)); err != nil {
		return err
	}
	for range 2 {
		if err := s.Check(ctx); err != nil {
			return err
		}
	}
	n, err := s.Count(ctx)
	if err == nil && n != 3 {
		err = fmt.Errorf("%d events after a check, want 3", n)
	}
	return err
}
