package sqlite

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"slices"

	"usher/backend/audit"
	"usher/backend/audit/tree"
	"usher/backend/event"
)

// openTx is the state of an open transaction.
type openTx struct {
	w        *writer
	frontier tree.Frontier
	nodes    []node // completed subtrees
	hours    map[int64]audit.Summary
	seen     map[hourPerson]bool
	pack     packer
	packed   []byte // scratch
}

type hourPerson struct{ start, person int64 }

// append writes the events of one append, as many as possible with one statement.
func (g *openTx) append(ctx context.Context, one *pending) error {
	for events, canonical := one.events, one.canonical; len(events) > 0; {
		i := slices.IndexFunc(g.w.inserts, func(s inserts) bool { return s.n <= len(events) })
		n := g.w.inserts[i].n
		if err := g.insert(ctx, g.w.inserts[i], events[:n], canonical[:n]); err != nil {
			return err
		}
		events, canonical = events[n:], canonical[n:]
	}
	return nil
}

// insert adds events to the log. It skips an event that is in the log already.
func (g *openTx) insert(ctx context.Context, with inserts, events []event.Event, canonical [][]byte) error {
	people := make([]int64, len(events))
	args := make([]any, 0, 12*len(events))
	for i, e := range events {
		var err error
		if people[i], err = g.w.person(ctx, e.User); err != nil {
			return err
		}
		args = append(args, g.frontier.Size()+1+int64(i), idKey(e.ID), e.Time.UnixMilli(), people[i], sessionKey(e.Session), e.Action, e.Outcome,
			e.Bucket, []byte(e.Path()), ipKey(e.SourceIP), idKey(e.RequestID), idKey(e.Continues))
	}
	result, err := with.events.ExecContext(ctx, args...)
	if err != nil {
		return err
	}
	switch n, err := result.RowsAffected(); {
	case err != nil:
		return err
	case n == int64(len(events)):
	case len(events) == 1:
		if err := g.known(ctx, events[0], canonical[0]); err != nil {
			return err
		}
		return g.w.drop(ctx, events[0].User, people[0])
	default:
		return g.insertEach(ctx, events, canonical)
	}
	args, g.packed = args[:0], g.packed[:0]
	for i, e := range events {
		g.frontier.Append(tree.Leaf(canonical[i]), func(level int, n int64, h tree.Hash) {
			g.nodes = append(g.nodes, node{level, n, h})
		})
		at := len(g.packed)
		g.packed = g.pack.pack(g.packed, canonical[i])
		args = append(args, g.frontier.Size(), g.packed[at:len(g.packed):len(g.packed)])
		g.count(e, people[i])
	}
	_, err = with.records.ExecContext(ctx, args...)
	return err
}

// insertEach repeats an insertion that skipped events, one by one: the others need
// numbers without gaps.
func (g *openTx) insertEach(ctx context.Context, events []event.Event, canonical [][]byte) error {
	for i, e := range events {
		if _, err := g.w.removeEvent.ExecContext(ctx, e.Time.UnixMilli(), g.frontier.Size()+1+int64(i)); err != nil {
			return err
		}
	}
	single := g.w.inserts[len(g.w.inserts)-1]
	for i := range events {
		if err := g.insert(ctx, single, events[i:i+1], canonical[i:i+1]); err != nil {
			return err
		}
	}
	return nil
}

// known returns nil if an event that was not inserted counts as recorded, and
// ErrConflict if its id belongs to a different event.
func (g *openTx) known(ctx context.Context, e event.Event, canonical []byte) error {
	var stored, there []byte
	err := g.w.known.QueryRowContext(ctx, idKey(e.ID)).Scan(&stored)
	if err == nil {
		there, err = g.w.texts.expand(ctx, g.w.conn, nil, stored)
	}
	switch {
	case errors.Is(err, sql.ErrNoRows) && e.Action == event.Completed:
		return nil // another report of the same completion
	case err != nil:
		return err
	case !bytes.Equal(there, canonical):
		return audit.ErrConflict
	}
	return nil
}

func (g *openTx) count(e event.Event, person int64) {
	start := hourOf(e.Time.UnixMilli())
	h := g.hours[start]
	h.Events++
	h.Denied += audit.Denials(e)
	h.Downloads += audit.Releases(e)
	g.hours[start] = h
	if p := (hourPerson{start, person}); e.User.Sub != "" && !g.w.counted[p] {
		g.seen[p] = true
	}
}

// finish stores the tree, and adds the group's counts to the hourly totals.
func (g *openTx) finish(ctx context.Context) error {
	if err := g.storeTree(ctx); err != nil {
		return err
	}
	for start, h := range g.hours {
		if _, err := g.w.addHour.ExecContext(ctx, start, h.Events, h.Denied, h.Downloads); err != nil {
			return err
		}
	}
	for s := range g.seen {
		if _, err := g.w.addHourPerson.ExecContext(ctx, s.start, s.person); err != nil {
			return err
		}
	}
	return nil
}
