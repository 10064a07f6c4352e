package audit_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"usher/backend/audit"
	"usher/backend/audit/audittest"
	"usher/backend/event"
)

// slow is a store with queries that take a minute.
type slow struct{ *audittest.Memory }

func (s slow) Query(ctx context.Context, f event.Filter, p audit.Page) (audit.Result, error) {
	select {
	case <-time.After(time.Minute):
		return s.Memory.Query(ctx, f, p)
	case <-ctx.Done():
		return audit.Result{}, ctx.Err()
	}
}

func TestQueriesHaveADeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLog(t, slow{audittest.NewMemory()})
		begin := time.Now()
		if _, err := l.Query(t.Context(), event.Filter{}, audit.Page{Limit: 1}); !errors.Is(err, audit.ErrTooSlow) || time.Since(begin) != audit.DefaultDeadline {
			t.Errorf("%v after %v", err, time.Since(begin))
		}
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := l.Query(gone, event.Filter{}, audit.Page{Limit: 1}); errors.Is(err, audit.ErrTooSlow) || !errors.Is(err, context.Canceled) {
			t.Errorf("a canceled query: %v", err)
		}
		for _, limit := range []int{0, -1, audit.MaxPage + 1} {
			if _, err := l.Query(t.Context(), event.Filter{}, audit.Page{Limit: limit}); err == nil {
				t.Errorf("a page of %d was accepted", limit)
			}
		}
	})
}

// stalling is a store whose reads end at once, but for some.
type stalling struct {
	*audittest.Memory
	reads, stalls int // reads so far, and the first read that stalls
}

func (s *stalling) Query(ctx context.Context, f event.Filter, p audit.Page) (audit.Result, error) {
	if s.reads++; s.reads == s.stalls {
		return slow{s.Memory}.Query(ctx, f, p)
	}
	p.Limit = 2
	return s.Memory.Query(ctx, f, p)
}

// A page of a count has the events before a stalled read, and the next page has the
// others. A stalled first read is an error.
func TestTallyEndsBeforeASlowRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &stalling{Memory: audittest.NewMemory(), stalls: 3}
		l := newLog(t, store)
		for range 5 {
			if err := l.Record(t.Context(), denied("a"), denied("b")); err != nil {
				t.Fatal(err)
			}
		}
		by := []event.By{event.PerFile}
		sums, position, pages := event.NewSums(by), "", []int(nil)
		for {
			page, err := l.Tally(t.Context(), by, event.Filter{}, position)
			if err != nil {
				t.Fatal(err)
			}
			if err := sums.Merge(page.Groups); err != nil {
				t.Fatal(err)
			}
			pages = append(pages, page.Events)
			if position = page.Position; position == "" {
				break
			}
		}
		groups := sums.Groups(event.SortKey)
		if !slices.Equal(pages, []int{4, 6}) || len(groups) != 2 || groups[0].Events != 5 || groups[1].Events != 5 {
			t.Errorf("pages of %v events: %+v", pages, groups)
		}
		store.stalls = store.reads + 1
		if page, err := l.Tally(t.Context(), by, event.Filter{}, ""); !errors.Is(err, audit.ErrTooSlow) {
			t.Errorf("a stalled first read: %+v, %v", page, err)
		}
	})
}

func TestSummary(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLog(t, audittest.NewMemory())
		time.Sleep(30 * time.Minute)
		if err := l.Record(t.Context(), denied("a"), event.Event{User: ada, Action: event.List, Outcome: event.Allowed}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Hour)
		if _, err := l.RecordReleases(t.Context(), []audit.Release{release("b")}); err != nil {
			t.Fatal(err)
		}
		s, err := l.Summary(t.Context(), 2)
		if err != nil || len(s.Hours) != 2 || s.Hours[1].Events != 1 || s.Denied != 0 || s.Downloads != 1 || s.People != 1 || s.Events != 3 {
			t.Errorf("two hours: %+v (%v)", s, err)
		}
		s, err = l.Summary(t.Context(), 3)
		if err != nil || s.Hours[0].Events != 2 || s.Hours[0].Denied != 1 || s.Denied != 1 || !s.Hours[2].Start.Equal(time.Now().Truncate(time.Hour)) {
			t.Errorf("three hours: %+v (%v)", s, err)
		}
		for _, hours := range []int{0, audit.MaxHours + 1} {
			if _, err := l.Summary(t.Context(), hours); err == nil {
				t.Errorf("a summary of %d hours was accepted", hours)
			}
		}
	})
}
