package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"hash/maphash"
	"slices"

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
	leaves   int64       // number of records whose hashes are stored for deletions

	// Of parse, which one goroutine calls.
	hours      map[int64]audit.Summary
	unreadable []int64
	applied    []event.Event // retention-applied
	hour       int64         // of the last event
	count      audit.Summary // of hour, not in hours yet

	// Of the people of each hour: their sum, those of records that the scan has not
	// read, and the last record that it has read.
	seed    maphash.Seed
	people  map[int64]uint64
	later   map[hourUser]bool
	scanned int64
	buffer  []byte

	doubtful []secondary // indexes that finish compares

	heads []Known // from outside of the database

	hashes   []tree.Hash // stored ones of the blocks from number hashFrom on
	hashFrom int64
}

func (v verification) start(ctx context.Context) (*walk, error) {
	w := &walk{verification: v, next: v.from + 1, agreed: v.from, hours: map[int64]audit.Summary{},
		seed: maphash.MakeSeed(), people: map[int64]uint64{}, later: map[hourUser]bool{}}
	w.heads = append(slices.Clone(v.known), Known{v.claimed.Head, ownHead})
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
	next := func(ctx context.Context, after int64) ([]Record, error) { return records(ctx, w.on(q), after) }
	return w.each(ctx, q, last, next, func(records []Record) error {
		events := make([]parsed, 0, len(records))
		for _, r := range records {
			p := parsed{seq: r.Seq}
			if w.parse(r, &p.event) {
				w.see(&p.event)
				events = append(events, p)
			}
		}
		return w.compareIndex(ctx, q, events)
	})
}

// each verifies the tree of the records up to number last, and passes the records
// to inspect, in chunks. next returns a chunk after a number.
func (w *walk) each(ctx context.Context, q queryer, last int64, next func(ctx context.Context, after int64) ([]Record, error), inspect func([]Record) error) error {
	// A running server may have signed the current records meanwhile.
	w.notes.dry = false
	if err := w.compareHeads(ctx, q); err != nil {
		return err
	}
	for w.next <= last {
		found, err := next(ctx, w.next-1)
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

// parse parses a record into e, counts it, and passes it to the check of its content.
// It returns false for an unreadable record.
func (w *walk) parse(r Record, e *event.Event) bool {
	if r.bad != nil || event.ParseInto(e, r.Canonical) != nil {
		w.unreadable = append(w.unreadable, r.Seq)
		return false
	}
	w.countEvent(e)
	if e.Action == event.RetentionApplied {
		w.applied = append(w.applied, *e)
	}
	if w.event != nil {
		w.event(r.Seq, e)
	}
	return true
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
	stored, err := w.blockHash(ctx, q, n)
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

// blockHash returns the stored hash of a block, and sql.ErrNoRows if it is missing. It
// reads those of the next blocks too.
func (w *walk) blockHash(ctx context.Context, q queryer, n int64) (tree.Hash, error) {
	if at := n - w.hashFrom; at >= 0 && at < int64(len(w.hashes)) {
		return w.hashes[at], nil
	}
	w.hashFrom, w.hashes = n, w.hashes[:0]
	rows, err := q.QueryContext(ctx, "SELECT n, hash FROM nodes WHERE level = ? AND n >= ? ORDER BY n LIMIT 256", tree.Step, n)
	if err != nil {
		return tree.Hash{}, err
	}
	for rows.Next() {
		var at int64
		var raw sql.RawBytes
		if err := rows.Scan(&at, &raw); err != nil {
			return tree.Hash{}, errors.Join(err, rows.Close())
		}
		if at != n+int64(len(w.hashes)) {
			break // one is missing
		}
		var h tree.Hash
		copy(h[:], raw)
		w.hashes = append(w.hashes, h)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return tree.Hash{}, err
	}
	if len(w.hashes) == 0 {
		return tree.Hash{}, sql.ErrNoRows
	}
	return w.hashes[0], nil
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
	for _, known := range w.heads {
		if known.Size == size && known.Size > 0 {
			compare(known.Head, known.From)
		}
	}
	return nil
}

// ownHead is the source of a stored checkpoint and of the head file.
const ownHead = "a head of the log"

// countEvent counts an event. Most events are in the hour of the one before.
func (w *walk) countEvent(e *event.Event) {
	if hour := hourOf(e.Time.UnixMilli()); hour != w.hour {
		w.endHour()
		w.hour = hour
	}
	w.count.Events++
	w.count.Denied += audit.Denials(*e)
	w.count.Downloads += audit.Releases(*e)
}

// endHour adds the counts of the last events to those of their hour.
func (w *walk) endHour() {
	if w.count.Events == 0 {
		return
	}
	h := w.hours[w.hour]
	h.Events, h.Denied, h.Downloads = h.Events+w.count.Events, h.Denied+w.count.Denied, h.Downloads+w.count.Downloads
	w.hours[w.hour], w.count = h, audit.Summary{}
}
