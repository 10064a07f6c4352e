package sealer

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"time"

	"usher/backend/audit/tiles"
	"usher/backend/audit/tree"
)

const (
	// maxSweeps bounds the sweeps of one step.
	maxSweeps = 8
	// idle is the progress without batches from which the position is stored.
	idle = 10 * time.Minute
)

// plan returns the state to store next: with a plan, with progress alone, or nil
// if nothing changed.
func (s *Sealer) plan(ctx context.Context, state State, r *Result) (*State, error) {
	now := s.c.Now().UTC()
	next := state
	next.Version++
	next.Hours = cloneHours(state.Hours)
	due, err := s.due(ctx, state, &next.Hours, now)
	if err != nil {
		return nil, err
	}
	if r.More = len(due) > maxSweeps; r.More {
		due = due[:maxSweeps]
	}
	for _, d := range due {
		p, err := s.sweep(ctx, state, next.Hours, d, r)
		if err != nil {
			return nil, err
		}
		if p != nil {
			next.Plan = p
			next.Hours = state.Hours // those of the plan replace them
			return &next, nil
		}
	}
	if err := s.leave(ctx, next.Version, &next.Hours, now); err != nil {
		return nil, err
	}
	p, position, err := s.following(ctx, state, next.Hours, now, r)
	if err != nil {
		return nil, err
	}
	if p != nil {
		next.Plan, next.Hours = p, state.Hours
		return &next, nil
	}
	if position.IsZero() { // an empty log
		return nil, nil
	}
	pass(&next.Hours, first(state.Position, position), position, now)
	next.Position = position
	if position.Sub(state.Position) < idle && reflect.DeepEqual(next.Hours, state.Hours) {
		return nil, nil
	}
	return &next, nil
}

// first returns the position, or other for a log without one.
func first(position, other time.Time) time.Time {
	if position.IsZero() {
		return other
	}
	return position
}

// sweeping is a sweep that is due.
type sweeping struct {
	hour time.Time
	mark string // "" for a regular sweep
}

// due returns the sweeps that are due. Marked hours that have left the state come
// back into it.
func (s *Sealer) due(ctx context.Context, state State, hours *[]Hour, now time.Time) ([]sweeping, error) {
	marks, err := s.c.Log.Marks(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading the marks of late events: %w", err)
	}
	var all []sweeping
	for _, m := range marks {
		if !m.Hour.Before(state.Position) {
			continue // its batches come in order
		}
		h, err := s.hour(ctx, *hours, m.Hour)
		if err != nil {
			return nil, err
		}
		if h.Mark != m.Value {
			*hourAt(hours, m.Hour) = h
			all = append(all, sweeping{m.Hour, m.Value})
		}
	}
	for _, h := range *hours {
		if h.due(now) && !h.end().After(state.Position) {
			all = append(all, sweeping{hour: h.Start})
		}
	}
	return all, nil
}

// hour returns an hour of the state, or one that has left it.
func (s *Sealer) hour(ctx context.Context, hours []Hour, start time.Time) (Hour, error) {
	for _, h := range hours {
		if h.Start.Equal(start) {
			h.Ranges = slices.Clone(h.Ranges)
			return h, nil
		}
	}
	h, err := s.c.States.LoadHour(ctx, start)
	if err != nil {
		return Hour{}, fmt.Errorf("reading the ranges of an hour: %w", err)
	}
	h.Start, h.Swept = start, Final
	return h, nil
}

// leave removes the hours that need no further sweep from the state.
func (s *Sealer) leave(ctx context.Context, version int64, hours *[]Hour, now time.Time) error {
	var rest []Hour
	for _, h := range *hours {
		if !h.leaves(now) {
			rest = append(rest, h)
			continue
		}
		if len(h.Ranges) == 0 {
			continue
		}
		if err := s.c.States.SaveHour(ctx, version, h); err != nil {
			return fmt.Errorf("storing the ranges of an hour: %w", err)
		}
	}
	*hours = rest
	return nil
}

// sweep looks for strays in an hour, up to the position. It returns a plan for
// them, or nil if there are none.
func (s *Sealer) sweep(ctx context.Context, state State, hours []Hour, d sweeping, r *Result) (*Plan, error) {
	now := s.c.Now().UTC()
	h := hourAt(&hours, d.hour)
	known, err := s.sealed(ctx, state.Head(), *h)
	if err != nil {
		return nil, err
	}
	to := h.end()
	if state.Position.Before(to) {
		to = state.Position
	}
	c := collector{}
	err = s.c.Log.Batches(ctx, h.Start, to, func(b Batch) bool { return c.take(b, known) })
	if err != nil {
		return nil, fmt.Errorf("sweeping an hour of the log: %w", err)
	}
	r.Damaged = append(r.Damaged, c.damaged...)
	if !c.full { // otherwise the rest is for the next sweep
		switch {
		case d.mark != "":
			h.Mark, h.Kept = d.mark, now.Add(marked)
		case now.Before(h.end().Add(final)):
			h.Swept = Closed
		default:
			h.Swept = Final
		}
	}
	events := unsealed(ordered(c.batches), known)
	if len(events) == 0 {
		return nil, nil
	}
	p := &Plan{Stray: h.Start, IDs: ids(c.batches), Position: state.Position, Hours: hours}
	return p, s.complete(ctx, state, p, events)
}

// following plans the batches behind the position. Without batches it returns the
// new position alone, and the zero time for an empty log.
func (s *Sealer) following(ctx context.Context, state State, hours []Hour, now time.Time, r *Result) (*Plan, time.Time, error) {
	from, to := state.Position, now.Add(-s.c.Settle).Truncate(time.Millisecond)
	if from.IsZero() {
		oldest, err := s.c.Log.Oldest(ctx)
		if err != nil {
			return nil, from, fmt.Errorf("reading the oldest batch: %w", err)
		}
		if oldest.IsZero() {
			return nil, from, nil
		}
		from = oldest.Truncate(time.Hour)
	}
	if !to.After(from) {
		return nil, state.Position, nil
	}
	c := collector{whole: true}
	if err := s.c.Log.Batches(ctx, from, to, func(b Batch) bool { return c.take(b, nil) }); err != nil {
		return nil, from, fmt.Errorf("reading the next batches: %w", err)
	}
	r.Damaged = append(r.Damaged, c.damaged...)
	if c.full {
		to = c.last.Add(time.Millisecond)
	}
	events := ordered(c.batches)
	if len(events) == 0 {
		return nil, to, nil
	}
	pass(&hours, from, to, now)
	p := &Plan{IDs: ids(c.batches), Position: to, Hours: hours}
	return p, to, s.complete(ctx, state, p, events)
}

// complete computes the tree of a plan and the ranges of its events.
func (s *Sealer) complete(ctx context.Context, state State, p *Plan, events []timed) error {
	g, err := grow(ctx, s.c.Objects, state.Head(), events)
	if err != nil {
		return err
	}
	p.Size, p.Root = g.head.Size, g.head.Root
	p.Hours = cloneHours(p.Hours)
	add(&p.Hours, events, state.Size)
	s.planned = map[string]growth{p.Root.String(): g}
	return nil
}

// collector takes the batches of one plan.
type collector struct {
	whole   bool // end between two milliseconds
	batches []Batch
	damaged []Batch
	bytes   int
	last    time.Time // of the last batch
	full    bool
}

// take takes a batch unless all of its events are known. It returns false for a
// batch beyond the bounds.
func (c *collector) take(b Batch, known map[tree.Hash]bool) bool {
	at, ok := timeOf(b.ID)
	if !ok {
		b.Damage = fmt.Errorf("the id %.40q is no id of a batch", b.ID)
	}
	if over := len(c.batches) >= maxBatches || c.bytes >= maxBytes; over && !(c.whole && at.Equal(c.last)) {
		c.full = true
		return false
	}
	if b = usable(b); b.Damage != nil {
		c.damaged = append(c.damaged, b)
		return true
	}
	if known != nil && len(unsealed(ordered([]Batch{b}), known)) == 0 {
		return true
	}
	c.batches, c.last = append(c.batches, b), at
	for _, e := range b.Events {
		c.bytes += len(e.Line)
	}
	return true
}

// unsealed returns the events without those that are known.
func unsealed(events []timed, known map[tree.Hash]bool) []timed {
	return slices.DeleteFunc(events, func(e timed) bool { return known[tree.Leaf(e.Line)] })
}

// sealed returns the leaves of the sealed events of an hour.
func (s *Sealer) sealed(ctx context.Context, head tree.Head, h Hour) (map[tree.Hash]bool, error) {
	known := map[tree.Hash]bool{}
	for _, r := range h.Ranges {
		for line, err := range tiles.Events(ctx, s.c.Objects, head.Size, r[0], r[1]) {
			if err != nil {
				return nil, fmt.Errorf("reading the sealed events of an hour: %w", err)
			}
			known[tree.Leaf(line)] = true
		}
	}
	return known, nil
}

func ids(batches []Batch) []string {
	all := make([]string, len(batches))
	for i, b := range batches {
		all[i] = b.ID
	}
	return all
}
