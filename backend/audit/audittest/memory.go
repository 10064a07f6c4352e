package audittest

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"usher/backend/audit"
	"usher/backend/event"
)

// Memory is a store for tests of other packages. It passes the suite, but its
// events do not survive the process. Tests of durability need a real store.
type Memory struct {
	mu        sync.Mutex
	events    []event.Event // in the order of recording
	byID      map[string]int
	completed map[string]bool // releases that have a report
}

// NewMemory returns an empty store.
func NewMemory() *Memory {
	return &Memory{byID: map[string]int{}, completed: map[string]bool{}}
}

// Events returns all events in the order of recording.
func (m *Memory) Events() []event.Event {
	m.mu.Lock()
	defer m.mu.Unlock()
	return clones(m.events)
}

// Append implements audit.Store.
func (m *Memory) Append(ctx context.Context, events []event.Event) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	times := map[int64]bool{}
	for _, e := range events {
		times[e.Time.UnixMilli()] = true
	}
	if len(times) > audit.MaxTimes {
		return fmt.Errorf("an append of events of %d times; audit.MaxTimes is %d", len(times), audit.MaxTimes)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	fresh := map[string]event.Event{}
	var batch []event.Event
	for _, e := range events {
		known, ok := fresh[e.ID]
		if i, recorded := m.byID[e.ID]; recorded {
			known, ok = m.events[i], true
		}
		if ok {
			if !bytes.Equal(event.Canonical(known), event.Canonical(e)) {
				return audit.ErrConflict
			}
			continue
		}
		fresh[e.ID] = e
		batch = append(batch, e)
	}
	for _, e := range batch {
		if e.Action == event.Completed {
			if m.completed[e.Continues] {
				continue
			}
			m.completed[e.Continues] = true
		}
		m.byID[e.ID] = len(m.events)
		m.events = append(m.events, event.Clean(e))
	}
	return nil
}

// Get implements audit.Store.
func (m *Memory) Get(ctx context.Context, ids []string) ([]event.Event, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var found []event.Event
	for _, e := range m.events {
		if slices.Contains(ids, e.ID) {
			found = append(found, event.Clean(e))
		}
	}
	return found, ctx.Err()
}

// Query implements audit.Store.
func (m *Memory) Query(ctx context.Context, filter event.Filter, page audit.Page) (audit.Result, error) {
	if err := ctx.Err(); err != nil {
		return audit.Result{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	start, err := m.start(page)
	if err != nil {
		return audit.Result{}, err
	}
	var order []int // indexes of the matching events of this page and later ones
	for i, e := range m.events {
		at := event.Compare(e, start)
		if (start.ID == "" || at != 0 && (at > 0) == page.Ascending) && filter.Match(e) {
			order = append(order, i)
		}
	}
	slices.SortFunc(order, func(i, j int) int {
		if !page.Ascending {
			i, j = j, i
		}
		return event.Compare(m.events[i], m.events[j])
	})
	var r audit.Result
	for _, i := range order[:min(len(order), page.Limit)] {
		r.Events = append(r.Events, event.Clean(m.events[i]))
		r.Records = append(r.Records, int64(i)+1)
	}
	if len(order) > page.Limit {
		last := r.Events[page.Limit-1]
		r.Position, r.Reached = fmt.Sprintf("%d.%s", last.Time.UnixMilli(), last.ID), last.Time
	}
	return r, nil
}

// start returns the time and id of the event before a page, or the zero event.
func (m *Memory) start(page audit.Page) (event.Event, error) {
	if page.Position != "" {
		ms, id, ok := strings.Cut(page.Position, ".")
		n, err := strconv.ParseInt(ms, 10, 64)
		if !ok || err != nil || strings.ContainsAny(id, " ;") {
			return event.Event{}, audit.ErrBadPosition
		}
		return event.Event{ID: id, Time: time.UnixMilli(n)}, nil
	}
	if page.After == "" {
		return event.Event{}, nil
	}
	i, ok := m.byID[page.After]
	if !ok {
		return event.Event{}, audit.ErrBadPosition
	}
	return m.events[i], nil
}

// Hours implements audit.Store.
func (m *Memory) Hours(ctx context.Context, from time.Time, n int) (audit.Summary, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var s audit.Summary
	for i := range n {
		s.Hours = append(s.Hours, audit.Hour{Start: from.UTC().Add(time.Duration(i) * time.Hour)})
	}
	people := map[string]bool{}
	for _, e := range m.events {
		i := int(e.Time.Truncate(time.Hour).Sub(from) / time.Hour)
		if e.Time.Before(from) || i >= n {
			continue
		}
		s.Hours[i].Events++
		s.Hours[i].Denied += audit.Denials(e)
		s.Denied += audit.Denials(e)
		s.Downloads += audit.Releases(e)
		if e.User.Sub != "" {
			people[e.User.Sub] = true
		}
	}
	s.People = len(people)
	return s, ctx.Err()
}

// Count implements audit.Store.
func (m *Memory) Count(ctx context.Context) (int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return int64(len(m.events)), ctx.Err()
}

// Check implements audit.Store.
func (m *Memory) Check(ctx context.Context) error { return ctx.Err() }

// NewID returns a deterministic source of ids. They sort by time, then by the
// order of the calls.
func NewID() func(time.Time) string {
	var mu sync.Mutex
	n := 0
	return func(t time.Time) string {
		mu.Lock()
		defer mu.Unlock()
		n++
		return strings.ToUpper(fmt.Sprintf("%013x%013x", t.UnixMilli(), n))
	}
}

func clones(events []event.Event) []event.Event {
	copies := make([]event.Event, len(events))
	for i, e := range events {
		copies[i] = event.Clean(e)
	}
	return copies
}
