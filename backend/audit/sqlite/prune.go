package sqlite

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"time"

	"usher/backend/audit"
	"usher/backend/audit/tree"
	"usher/backend/event"
)

// pruneChunk is the number of blocks whose records one transaction deletes. Appends
// wait for it for some milliseconds.
const pruneChunk = 4

// Retention selects the events that Prune deletes.
type Retention struct {
	Before time.Time                // older events expire
	Held   func(e event.Event) bool // held events stay
	// Applied completes the event of a deletion: its id and time.
	Applied func(e event.Event) event.Event
}

// plan is the result of a search for expired events.
type prunePlan struct {
	first, last int64 // blocks, from 0; last is exclusive
	kept        []int64
	deleted     int
	held        int
}

// Prune deletes expired events and their index, and keeps their hashes: everything
// that is left is provable, and so is an exported event that is deleted here.
// Records expire in blocks of 256, from the oldest on. The event retention-applied
// is part of the first transaction. Prune returns it, or false if nothing has
// expired.
func (s *Store) Prune(ctx context.Context, r Retention) (event.Event, bool, error) {
	e, some, err := s.prune(ctx, r)
	if err != nil {
		return e, some, fmt.Errorf("deleting expired events: %w", explain(err))
	}
	return e, some, nil
}

func (s *Store) prune(ctx context.Context, r Retention) (event.Event, bool, error) {
	s.deleting.Lock()
	defer s.deleting.Unlock()
	plan, err := s.expired(ctx, r)
	if err != nil || plan.deleted == 0 {
		return event.Event{}, false, err
	}
	last := plan.last * block
	head, err := proofs(ctx, s.on(s.db)).At(last)
	if err != nil {
		return event.Event{}, false, err
	}
	gone, err := expiredCount(ctx, s.db)
	if err != nil {
		return event.Event{}, false, err
	}
	e := event.Clean(r.Applied(event.Event{
		Action: event.RetentionApplied, Outcome: event.Allowed, Count: plan.deleted, FirstRecord: 1, LastRecord: last, Records: gone + int64(plan.deleted),
		Root: base64.StdEncoding.EncodeToString(head.Root[:]),
		Reason: fmt.Sprintf("%d events before %s deleted, %d held; the hashes of records 1 to %d stay",
			plan.deleted, r.Before.UTC().Format(time.RFC3339), plan.held, last),
	}))
	first := []event.Event{e}
	for blocks := plan.blocks(); len(blocks) > 0; {
		some := blocks[:min(len(blocks), pruneChunk)]
		blocks = blocks[len(some):]
		w := &pending{ctx: ctx, events: first, canonical: make([][]byte, len(first)), done: make(chan error, 1),
			also: func(ctx context.Context, g *openTx) error { return g.prune(ctx, some, r) }}
		for i, e := range first {
			w.canonical[i] = event.Canonical(e)
		}
		first = nil
		if err := s.enqueue(ctx, w); err != nil {
			return e, true, err
		}
	}
	return e, true, nil
}

// blocks returns the blocks with records to delete.
func (p prunePlan) blocks() []int64 {
	all := p.kept
	for n := p.first; n < p.last; n++ {
		all = append(all, n)
	}
	return all
}

// expired finds the blocks behind those of earlier deletions in which all records
// have expired, and earlier blocks whose events are held no longer. It reads without
// the writer.
func (s *Store) expired(ctx context.Context, r Retention) (p prunePlan, err error) {
	if err := s.db.QueryRowContext(ctx, "SELECT coalesce(max(n) + 1, 0) FROM leaves").Scan(&p.first); err != nil {
		return p, err
	}
	p.last = p.first
	frontier, err := readFrontier(ctx, s.db)
	if err != nil {
		return p, err
	}
	var of, deleted, held, rows int64 // of the current block
	due := true
	end := func() { // of a block
		switch {
		case rows == 0:
		case of < p.first:
			if deleted > 0 {
				p.kept = append(p.kept, of)
			}
			p.deleted, p.held = p.deleted+int(deleted), p.held+int(held)
		case due && of == p.last && (of+1)*block <= frontier.Size():
			p.last++
			p.deleted, p.held = p.deleted+int(deleted), p.held+int(held)
		default:
			due = false
		}
		deleted, held, rows = 0, 0, 0
	}
	for rec, err := range s.Records(ctx, 0) {
		if err != nil {
			return p, err
		}
		if n := (rec.Seq - 1) / block; n != of {
			end()
			of = n
		}
		if !due {
			return p, nil
		}
		e, err := event.Parse(rec.Canonical)
		if err != nil {
			return p, fmt.Errorf("%w: record %d: %w", ErrDamaged, rec.Seq, err)
		}
		rows++
		switch {
		case !e.Time.Before(r.Before):
			if of >= p.first {
				due = false
				return p, nil
			}
		case r.Held(e):
			held++
		default:
			deleted++
		}
	}
	end()
	return p, nil
}

// prune deletes the expired records of blocks, inside a transaction.
func (g *openTx) prune(ctx context.Context, blocks []int64, r Retention) error {
	hours, people := map[int64]audit.Summary{}, map[int64]bool{}
	clear(g.w.people) // people without events are deleted
	clear(g.w.counted)
	for _, n := range blocks {
		if err := g.pruneBlock(ctx, n, r, hours, people); err != nil {
			return err
		}
	}
	for start, s := range hours {
		if err := g.lower(ctx, start, s); err != nil {
			return err
		}
	}
	for person := range people {
		if _, err := g.w.dropPerson.ExecContext(ctx, person, person); err != nil {
			return err
		}
	}
	return nil
}

func (g *openTx) pruneBlock(ctx context.Context, n int64, r Retention, hours map[int64]audit.Summary, people map[int64]bool) error {
	found, err := recordsBetween(ctx, source{g.w.conn, g.w.texts}, n*block, n*block+block)
	if err != nil {
		return err
	}
	if err := g.keepLeaves(ctx, n, found); err != nil {
		return err
	}
	for _, rec := range found {
		e, err := event.Parse(rec.Canonical)
		if err != nil {
			return fmt.Errorf("%w: record %d: %w", ErrDamaged, rec.Seq, err)
		}
		if !e.Time.Before(r.Before) || r.Held(e) {
			continue
		}
		var person int64
		ms := e.Time.UnixMilli()
		if err := g.w.conn.QueryRowContext(ctx, "DELETE FROM events WHERE time = ? AND seq = ? RETURNING person", ms, rec.Seq).Scan(&person); err != nil {
			return fmt.Errorf("%w: the index has no record %d: %w", ErrIndex, rec.Seq, err)
		}
		if _, err := g.w.conn.ExecContext(ctx, "DELETE FROM records WHERE seq = ?", rec.Seq); err != nil {
			return err
		}
		people[person] = true
		h := hours[hourOf(ms)]
		h.Events, h.Denied, h.Downloads = h.Events+1, h.Denied+audit.Denials(e), h.Downloads+audit.Releases(e)
		hours[hourOf(ms)] = h
	}
	return nil
}

// keepLeaves stores the leaf hashes of a block. They must belong to the tree:
// changed records are evidence, and are not deleted.
func (g *openTx) keepLeaves(ctx context.Context, n int64, found []Record) error {
	if _, known, err := pruned(ctx, g.w.conn, n); err != nil || known {
		return err
	}
	if len(found) != block {
		return fmt.Errorf("%w: block %d has %d records", ErrDamaged, n, len(found))
	}
	var f tree.Frontier
	var subtree tree.Hash
	var raw []byte
	for _, rec := range found {
		if rec.bad != nil {
			return fmt.Errorf("record %d: %w", rec.Seq, rec.bad)
		}
		leaf := tree.Leaf(rec.Canonical)
		raw = append(raw, leaf[:]...)
		f.Append(leaf, func(level int, _ int64, h tree.Hash) {
			if level == tree.Step {
				subtree = h
			}
		})
	}
	stored, err := storedNode(ctx, g.w.conn, tree.Step, n)
	if err != nil {
		return err
	}
	if !bytes.Equal(stored[:], subtree[:]) {
		return fmt.Errorf("%w: records %d to %d do not match the tree", ErrDamaged, n*block+1, n*block+block)
	}
	_, err = g.w.conn.ExecContext(ctx, "INSERT INTO leaves (n, hashes) VALUES (?, ?)", n, raw)
	return err
}

// lower takes deleted events from the counts of an hour.
func (g *openTx) lower(ctx context.Context, start int64, s audit.Summary) error {
	const hour = int64(time.Hour / time.Millisecond)
	for _, q := range []struct {
		sql  string
		args []any
	}{
		{"UPDATE hours SET events = events - ?, denied = denied - ?, downloads = downloads - ? WHERE start = ?", []any{s.Events, s.Denied, s.Downloads, start}},
		{"DELETE FROM hours WHERE start = ? AND events <= 0", []any{start}},
		{"DELETE FROM hour_people WHERE start = ?", []any{start}},
		{`INSERT INTO hour_people (start, person) SELECT DISTINCT ?, person FROM events JOIN people USING (person)
			WHERE time >= ? AND time < ? AND sub <> ''`, []any{start, start * hour, start*hour + hour}},
	} {
		if _, err := g.w.conn.ExecContext(ctx, q.sql, q.args...); err != nil {
			return err
		}
	}
	return nil
}
