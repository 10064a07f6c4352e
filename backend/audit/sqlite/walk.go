package sqlite

import (
	"context"
	"database/sql"
	"errors"

	"usher/backend/audit"
	"usher/backend/audit/tree"
	"usher/backend/event"
)

// walk is the state of a verification.
type walk struct {
	verification
	report Report

	frontier tree.Frontier // of the records before next
	start    tree.Frontier // at the start of the block
	gap      bool          // records of the block are missing
	next     int64         // number of the next record
	read0    int64         // number of records that were read

	notes  notes
	agreed int64 // number of records at the last head that was compared

	expired  []tree.Hash // of the block of next, if its expired records were deleted
	block    int64       // that block, or the last one that was looked up; from 1
	lastGone int64       // number of the last deleted record

	// Of parse, which one goroutine calls.
	hours      map[int64]audit.Summary
	unreadable []int64
	applied    []event.Event // retention-applied
}

func (v verification) start(ctx context.Context) (*walk, error) {
	w := &walk{verification: v, next: v.from + 1, agreed: v.from, hours: map[int64]audit.Summary{}}
	var err error
	if w.frontier, err = proofs(ctx, v.on(v.db)).Resume(v.from); err != nil {
		return nil, err
	}
	w.start = w.frontier.Clone()
	w.notes = notes{key: v.key, policy: v.policy, report: &w.report}
	return w, w.notes.begin(ctx, v.reader, v.from)
}

// read verifies the records up to number last.
func (w *walk) read(ctx context.Context, q queryer, last int64) error {
	return w.each(ctx, q, last, func(records []Record) error {
		return w.compareIndex(ctx, q, w.parse(records))
	})
}

// each verifies the tree of the records up to number last, and passes the records
// to inspect, in chunks.
func (w *walk) each(ctx context.Context, q queryer, last int64, inspect func([]Record) error) error {
	// A running server may have signed the current records meanwhile.
	w.notes.dry = false
	if err := w.compareHeads(ctx, q); err != nil {
		return err
	}
	for w.next <= last {
		found, err := records(ctx, w.on(q), w.next-1)
		if err != nil {
			return err
		}
		end := len(found) == 0
		for i, r := range found {
			if r.Seq > last {
				found, end = found[:i], true
				break
			}
			if err := w.advance(ctx, q, r.Seq); err != nil {
				return err
			}
			if err := w.add(ctx, q, tree.Leaf(r.Canonical)); err != nil {
				return err
			}
		}
		w.read0 += int64(len(found))
		if err := inspect(found); err != nil {
			return err
		}
		if end {
			return w.advance(ctx, q, last+1)
		}
		w.rest(ctx)
		if w.progress != nil {
			w.progress(w.next-1, last)
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return nil
}

// rest pauses, for a verification beside other work.
func (w *walk) rest(ctx context.Context) {
	if w.pause != nil {
		w.pause(ctx)
	}
}

// parse parses records, counts them, and passes them to the check of their content.
func (w *walk) parse(records []Record) []parsed {
	events := make([]parsed, 0, len(records))
	for _, r := range records {
		p, err := eventOf(r)
		if err != nil {
			w.unreadable = append(w.unreadable, r.Seq)
			continue
		}
		e := p.event
		events = append(events, p)
		w.count(e)
		if e.Action == event.RetentionApplied {
			w.applied = append(w.applied, e)
		}
		if w.event != nil {
			w.event(r.Seq, e)
		}
	}
	return events
}

// advance reports the missing records before number seq.
func (w *walk) advance(ctx context.Context, q queryer, seq int64) error {
	for seq > w.next {
		n := (w.next - 1) / block
		if w.block != n+1 {
			hashes, _, err := pruned(ctx, q, n)
			if err != nil {
				return err
			}
			w.expired, w.block = hashes, n+1
		}
		if w.expired == nil {
			break
		}
		w.report.Expired++
		w.lastGone = w.next
		if err := w.add(ctx, q, w.expired[(w.next-1)%block]); err != nil {
			return err
		}
	}
	if seq <= w.next {
		return nil
	}
	w.report.fault(Fault{Kind: FaultMissing, Seq: w.next, Count: seq - w.next})
	for w.next < seq {
		w.gap = true
		w.next = min(seq, (w.next-1)/block*block+block+1)
		if (w.next-1)%block == 0 {
			if err := w.endBlock(ctx, q, tree.Hash{}); err != nil {
				return err
			}
		}
	}
	return nil
}

// add adds the next record.
func (w *walk) add(ctx context.Context, q queryer, leaf tree.Hash) error {
	w.next++
	var subtree tree.Hash
	if !w.gap {
		w.frontier.Append(leaf, func(level int, _ int64, h tree.Hash) {
			if level == tree.Step {
				subtree = h
			}
		})
		if (w.next-1)%block != 0 {
			return w.compareHeads(ctx, q)
		}
	}
	if (w.next-1)%block == 0 {
		return w.endBlock(ctx, q, subtree)
	}
	return nil
}

// endBlock compares a block with the stored hash. After a difference it continues
// with the stored hash, so the faults behind the block are found too.
func (w *walk) endBlock(ctx context.Context, q queryer, found tree.Hash) error {
	n := (w.next-1)/block - 1
	stored, err := storedNode(ctx, q, tree.Step, n)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		w.report.fault(Fault{Kind: FaultTree, Seq: n*block + 1, Count: block, Detail: "its hash is missing"})
		stored = found
	case err != nil:
		return err
	case found != stored && !w.gap:
		w.report.fault(Fault{Kind: FaultChanged, Seq: n*block + 1, Count: block})
	}
	var higher []node
	w.frontier = w.start.Clone()
	w.frontier.AppendSubtree(tree.Step, stored, func(level int, n int64, h tree.Hash) { higher = append(higher, node{level, n, h}) })
	for _, h := range higher {
		leaves := int64(1) << h.level
		if stored, err := storedNode(ctx, q, h.level, h.n); err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		} else if err != nil || stored != h.hash {
			w.report.fault(Fault{Kind: FaultTree, Seq: h.n*leaves + 1, Count: leaves, Detail: "its hash differs"})
		}
	}
	w.start, w.gap = w.frontier.Clone(), false
	return w.compareHeads(ctx, q)
}

func storedNode(ctx context.Context, q queryer, level int, n int64) (h tree.Hash, err error) {
	var raw []byte
	if err := q.QueryRowContext(ctx, "SELECT hash FROM nodes WHERE level = ? AND n = ?", level, n).Scan(&raw); err != nil {
		return h, err
	}
	copy(h[:], raw)
	return h, nil
}

// compareHeads compares the records before next with the checkpoints and known
// heads of this size.
func (w *walk) compareHeads(ctx context.Context, q queryer) error {
	size := w.frontier.Size()
	var root *tree.Hash // computed if it is necessary
	compare := func(head tree.Head, from string) bool {
		if root == nil {
			h := w.frontier.Root()
			root = &h
		}
		if head.Root == *root {
			w.agreed = size
			return true
		}
		w.report.fault(Fault{Kind: FaultChanged, Seq: w.agreed + 1, Count: size - w.agreed, Detail: from + " proves other records"})
		w.agreed = size
		return false
	}
	for {
		head, ok, err := w.notes.upTo(ctx, q, size)
		if err != nil {
			return err
		}
		if !ok {
			break
		}
		if head.Size == size && compare(head, ownHead) { // a smaller one is in a block with a gap
			w.report.Signed, w.report.Checkpoints = size, w.report.Checkpoints+1
			if w.notes.cosigned {
				w.report.Witnessed = size
			}
		}
	}
	for _, known := range w.knownHeads() {
		if known.Size == size && known.Size > 0 {
			compare(known.Head, known.From)
		}
	}
	return nil
}

// ownHead is the source of a stored checkpoint and of the head file.
const ownHead = "a head of the log"

// knownHeads returns the heads from outside of the database.
func (w *walk) knownHeads() []Known {
	return append(w.known[:len(w.known):len(w.known)], Known{w.claimed.Head, ownHead})
}

func (w *walk) count(e event.Event) {
	start := hourOf(e.Time.UnixMilli())
	h := w.hours[start]
	h.Events++
	h.Denied += audit.Denials(e)
	h.Downloads += audit.Releases(e)
	w.hours[start] = h
}
