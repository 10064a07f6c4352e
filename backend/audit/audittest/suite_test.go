package audittest

import (
	"context"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"usher/backend/audit"
	"usher/backend/event"
)

func TestMemory(t *testing.T) {
	Run(t, func() audit.Store { return NewMemory() })
}

// broken is a store with one defect.
type broken struct {
	*Memory
	append func(m *Memory, ctx context.Context, events []event.Event) error
	query  func(m *Memory, ctx context.Context, f event.Filter, p audit.Page) (audit.Result, error)
	hours  func(m *Memory, ctx context.Context, from time.Time, n int) (audit.Summary, error)
}

func (b *broken) Append(ctx context.Context, events []event.Event) error {
	if b.append == nil {
		return b.Memory.Append(ctx, events)
	}
	return b.append(b.Memory, ctx, events)
}

func (b *broken) Query(ctx context.Context, f event.Filter, p audit.Page) (audit.Result, error) {
	if b.query == nil {
		return b.Memory.Query(ctx, f, p)
	}
	return b.query(b.Memory, ctx, f, p)
}

func (b *broken) Hours(ctx context.Context, from time.Time, n int) (audit.Summary, error) {
	if b.hours == nil {
		return b.Memory.Hours(ctx, from, n)
	}
	return b.hours(b.Memory, ctx, from, n)
}

// dropping makes a store that ignores some terms of a filter.
func dropping(drop func(event.Term) bool) func() *broken {
	return func() *broken {
		return &broken{query: func(m *Memory, ctx context.Context, f event.Filter, p audit.Page) (audit.Result, error) {
			f.Terms = slices.DeleteFunc(slices.Clone(f.Terms), drop)
			return m.Query(ctx, f, p)
		}}
	}
}

// reading makes a store that misreads the terms of a filter.
func reading(change func(*event.Term)) func() *broken {
	return func() *broken {
		return &broken{query: func(m *Memory, ctx context.Context, f event.Filter, p audit.Page) (audit.Result, error) {
			f.Terms = slices.Clone(f.Terms)
			for i := range f.Terms {
				change(&f.Terms[i])
			}
			return m.Query(ctx, f, p)
		}}
	}
}

// recording makes a store that changes events before recording them.
func recording(change func(*event.Event)) func() *broken {
	return func() *broken {
		return &broken{append: func(m *Memory, ctx context.Context, events []event.Event) error {
			events = slices.Clone(events)
			for i := range events {
				change(&events[i])
			}
			return m.Append(ctx, events)
		}}
	}
}

// TestTheSuiteFindsBrokenStores is the suite's negative control: every broken
// store must fail it.
func TestTheSuiteFindsBrokenStores(t *testing.T) {
	stores := map[string]func() *broken{
		"forgetful": func() *broken {
			var n atomic.Int64
			return &broken{append: func(m *Memory, ctx context.Context, events []event.Event) error {
				if n.Add(1)%7 == 0 {
					return nil
				}
				return m.Append(ctx, events)
			}}
		},
		"acknowledging before it writes": func() *broken {
			var mu sync.Mutex
			var waiting []event.Event
			return &broken{append: func(m *Memory, ctx context.Context, events []event.Event) error {
				mu.Lock()
				defer mu.Unlock()
				late := waiting
				waiting = slices.Clone(events)
				return m.Append(ctx, late)
			}}
		},
		"recording a part of a batch": func() *broken {
			return &broken{append: func(m *Memory, ctx context.Context, events []event.Event) error {
				for _, e := range events {
					if err := m.Append(ctx, []event.Event{e}); err != nil {
						return err
					}
				}
				return nil
			}}
		},
		"refusing known events": func() *broken {
			return &broken{append: func(m *Memory, ctx context.Context, events []event.Event) error {
				if known, _ := m.Get(ctx, ids(events)); len(known) > 0 {
					return audit.ErrConflict
				}
				return m.Append(ctx, events)
			}}
		},
		"accepting a different event with a known id": func() *broken {
			return &broken{append: func(m *Memory, ctx context.Context, events []event.Event) error {
				err := m.Append(ctx, events)
				if err == audit.ErrConflict {
					return nil
				}
				return err
			}}
		},
		"keeping the last completion": func() *broken {
			return &broken{append: func(m *Memory, ctx context.Context, events []event.Event) error {
				err := m.Append(ctx, events)
				m.mu.Lock()
				defer m.mu.Unlock()
				for _, e := range events {
					i := slices.IndexFunc(m.events, func(f event.Event) bool { return f.Action == event.Completed && f.Continues == e.Continues })
					if e.Action == event.Completed && i >= 0 {
						m.events[i] = e
					}
				}
				return err
			}}
		},
		"sorting by the order of recording": func() *broken {
			return &broken{query: func(m *Memory, ctx context.Context, f event.Filter, p audit.Page) (audit.Result, error) {
				r, err := m.Query(ctx, f, p)
				order := ids(m.Events())
				slices.SortFunc(r.Events, func(a, b event.Event) int {
					before := slices.Index(order, a.ID) - slices.Index(order, b.ID)
					if !p.Ascending {
						return -before
					}
					return before
				})
				return r, err
			}}
		},
		"sorting a millisecond in the reverse order of ids": func() *broken {
			return &broken{query: func(m *Memory, ctx context.Context, f event.Filter, p audit.Page) (audit.Result, error) {
				r, err := m.Query(ctx, f, p)
				slices.Reverse(r.Events)
				slices.SortStableFunc(r.Events, func(a, b event.Event) int {
					if !p.Ascending {
						a, b = b, a
					}
					return a.Time.Compare(b.Time)
				})
				return r, err
			}}
		},
		"ending at a short page": func() *broken {
			return &broken{query: func(m *Memory, ctx context.Context, f event.Filter, p audit.Page) (audit.Result, error) {
				limit := p.Limit
				p.Limit = (limit + 1) / 2
				r, err := m.Query(ctx, f, p)
				if len(r.Events) < limit {
					r.Position = ""
				}
				return r, err
			}}
		},
		"paging by count": func() *broken {
			return &broken{query: func(m *Memory, ctx context.Context, f event.Filter, p audit.Page) (audit.Result, error) {
				if p.Ascending {
					return m.Query(ctx, f, p)
				}
				skip := len(p.Position)
				r, err := m.Query(ctx, f, audit.Page{Limit: audit.MaxPage})
				r.Position = ""
				r.Events = r.Events[min(skip, len(r.Events)):]
				if len(r.Events) > p.Limit {
					r.Events, r.Position = r.Events[:p.Limit], strings.Repeat("x", skip+p.Limit)
				}
				return r, err
			}}
		},
		"starting over at a bad position": func() *broken {
			return &broken{query: func(m *Memory, ctx context.Context, f event.Filter, p audit.Page) (audit.Result, error) {
				r, err := m.Query(ctx, f, p)
				if err == audit.ErrBadPosition {
					p.Position, p.After = "", ""
					return m.Query(ctx, f, p)
				}
				return r, err
			}}
		},
		"ignoring a canceled context": func() *broken {
			return &broken{append: func(m *Memory, ctx context.Context, events []event.Event) error {
				return m.Append(context.WithoutCancel(ctx), events)
			}}
		},
		"counting renewed URLs as downloads": func() *broken {
			return &broken{hours: func(m *Memory, ctx context.Context, from time.Time, n int) (audit.Summary, error) {
				s, err := m.Hours(ctx, from, n)
				for _, e := range m.Events() {
					if e.Action == event.Download && e.Continues != "" && !e.Time.Before(from) {
						s.Downloads++
					}
				}
				return s, err
			}}
		},
		"leaving out empty hours": func() *broken {
			return &broken{hours: func(m *Memory, ctx context.Context, from time.Time, n int) (audit.Summary, error) {
				s, err := m.Hours(ctx, from, n)
				s.Hours = slices.DeleteFunc(s.Hours, func(h audit.Hour) bool { return h.Events == 0 })
				return s, err
			}}
		},
		"cutting text at NUL":      recording(func(e *event.Event) { e.Key, _, _ = strings.Cut(e.Key, "\x00") }),
		"folding case":             reading(func(t *event.Term) { t.Value = strings.ToLower(t.Value) }),
		"reading path as LIKE":     dropping(func(t event.Term) bool { return t.Field == event.ByPath && strings.ContainsAny(t.Value, "%_") }),
		"treating exact as prefix": reading(func(t *event.Term) { t.Exact = false }),
		"ignoring negation":        reading(func(t *event.Term) { t.Not = false }),
		"off by a millisecond":     reading(func(t *event.Term) { t.Time = t.Time.Add(time.Millisecond) }),
	}
	for _, field := range event.Fields() {
		stores["dropping "+string(field)] = dropping(func(t event.Term) bool { return t.Field == field })
	}
	for name, open := range stores {
		found := Check(func() audit.Store {
			b := open()
			b.Memory = NewMemory()
			return b
		})
		if len(found) == 0 {
			t.Errorf("a store that is %s passed the suite", name)
		}
	}
	t.Logf("%d broken stores", len(stores))
}

// short is a conforming store with short and empty pages.
type short struct {
	*Memory
	mu    sync.Mutex
	calls int
}

func (s *short) Query(ctx context.Context, f event.Filter, p audit.Page) (audit.Result, error) {
	s.mu.Lock()
	s.calls++
	empty := s.calls%3 == 0 && p.Position != ""
	s.mu.Unlock()
	limit := p.Limit
	if p.Limit = (p.Limit + 2) / 3; empty {
		p.Limit = limit
	}
	r, err := s.Memory.Query(ctx, f, p)
	if err == nil && empty {
		return audit.Result{Position: p.Position, Reached: Now()}, nil
	}
	return r, err
}

func TestPagesMayBeShort(t *testing.T) {
	Run(t, func() audit.Store { return &short{Memory: NewMemory()} })
}
