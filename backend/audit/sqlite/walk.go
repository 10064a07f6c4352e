package sqlite

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/base64"
	"errors"
	"fmt"
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

	// Of parse, which one goroutine calls.
	hours      map[int64]audit.Summary
	unreadable []int64
	applied    []event.Event // retention-applied
}

func (v verification) start(ctx context.Context) (*walk, error) {
	w := &walk{verification: v, next: v.from + 1, agreed: v.from, hours: map[int64]audit.Summary{}}
	var err error
	if w.frontier, err = proofs(ctx, v.db).Resume(v.from); err != nil {
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
		found, err := records(ctx, q, w.next-1)
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
		e, err := event.Parse(r.Canonical)
		if err != nil {
			w.unreadable = append(w.unreadable, r.Seq)
			continue
		}
		events = append(events, parsed{r.Seq, e})
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

// compareIndex compares records with their rows of the index.
func (w *walk) compareIndex(ctx context.Context, q queryer, records []parsed) error {
	rows, err := indexed(ctx, q, records)
	if err != nil {
		return err
	}
	for _, r := range records {
		row, ok := rows[r.seq]
		if ok && row == (indexRow{columnsOf(r.event), r.event.User.Sub, r.event.User.Username}) {
			continue
		}
		var at int64
		switch err := q.QueryRowContext(ctx, "SELECT seq FROM events WHERE id = ?", idKey(r.event.ID)).Scan(&at); {
		case errors.Is(err, sql.ErrNoRows):
			w.report.fault(Fault{Kind: FaultIndex, Seq: r.seq, Count: 1, Detail: "the index has no event of this id"})
		case err != nil:
			return err
		case at != r.seq:
			w.report.fault(Fault{Kind: FaultMoved, Seq: r.seq, Count: 1, Detail: fmt.Sprintf("its event belongs to number %d", at)})
		default:
			w.report.fault(Fault{Kind: FaultIndex, Seq: r.seq, Count: 1})
		}
	}
	return nil
}

// finish compares the end of the log, and everything that is not part of one
// record.
func (w *walk) finish(ctx context.Context, tx *sql.Tx, head tree.Frontier) error {
	size := head.Size()
	for _, seq := range w.unreadable {
		w.report.fault(Fault{Kind: FaultUnreadable, Seq: seq, Count: 1})
	}
	if !w.gap && w.frontier.Head() != head.Head() {
		w.report.fault(Fault{Kind: FaultChanged, Seq: w.start.Size() + 1, Count: size - w.start.Size()})
	}
	if err := checkSchema(ctx, tx); errors.Is(err, ErrTampered) {
		w.report.fault(Fault{Kind: FaultSchema, Detail: err.Error()})
	} else if err != nil {
		return err
	}
	if err := w.finishHeads(ctx, tx, size); err != nil {
		return err
	}
	var records, rows int64
	const query = "SELECT (SELECT count(*) FROM records WHERE seq < 1 OR seq > ?), (SELECT count(*) FROM events)"
	if err := tx.QueryRowContext(ctx, query, size).Scan(&records, &rows); err != nil {
		return err
	}
	if records > 0 {
		w.report.fault(Fault{Kind: FaultInserted, Seq: size + 1, Count: records})
	}
	if w.from > 0 {
		return nil // the counts need all records
	}
	size -= w.report.Expired
	if missing := size - w.read0; rows != size && (missing == 0 || rows > size) {
		w.report.fault(Fault{Kind: FaultIndex, Detail: fmt.Sprintf("%d records, %d rows", size, rows)})
	}
	if err := w.compareExpired(ctx, tx); err != nil {
		return err
	}
	return w.compareCounts(ctx, tx)
}

// compareExpired reports deleted records that no retention-applied event of the log
// covers: hashes alone do not allow a deletion.
func (w *walk) compareExpired(ctx context.Context, tx *sql.Tx) error {
	if w.lastGone == 0 {
		return nil
	}
	for _, e := range w.applied {
		if e.LastRecord < w.lastGone || e.LastRecord > w.next {
			continue
		}
		at, err := proofs(ctx, tx).At(e.LastRecord)
		if err != nil {
			return err
		}
		if base64.StdEncoding.EncodeToString(at.Root[:]) == e.Root {
			return nil
		}
	}
	w.report.fault(Fault{Kind: FaultMissing, Seq: 1, Count: w.lastGone, Detail: "no event retention-applied covers them"})
	return nil
}

// finishHeads reports checkpoints and known heads beyond the end of the log.
func (w *walk) finishHeads(ctx context.Context, tx *sql.Tx, size int64) error {
	for {
		head, ok, err := w.notes.upTo(ctx, tx, 1<<62)
		if err != nil {
			return err
		}
		if !ok {
			break
		}
		if head.Size > size {
			w.report.fault(Fault{Kind: FaultMissing, Seq: size + 1, Count: head.Size - size, Detail: "a checkpoint proves them"})
			continue
		}
		if at, err := proofs(ctx, tx).At(head.Size); err != nil || at != head {
			w.report.fault(Fault{Kind: FaultChanged, Seq: 1, Count: head.Size, Detail: "a head of the log proves other records"})
		}
	}
	for _, known := range w.knownHeads() {
		if known.Size > size {
			detail := "they were written"
			if known.From != ownHead {
				detail = known.From + " proves them"
			}
			w.report.fault(Fault{Kind: FaultMissing, Seq: size + 1, Count: known.Size - size, Detail: detail})
		}
	}
	if w.key != nil && w.claimed.checkpoints > w.notes.last {
		w.report.fault(Fault{Kind: FaultCheckpoint, Detail: fmt.Sprintf("the log has %d, and %d were written", w.notes.last, w.claimed.checkpoints)})
	}
	return nil
}

// compareCounts compares the counts of each hour with the records.
func (w *walk) compareCounts(ctx context.Context, tx *sql.Tx) (err error) {
	rows, err := tx.QueryContext(ctx, "SELECT start, events, denied, downloads FROM hours ORDER BY start")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	wrong := func(start int64) {
		w.report.fault(Fault{Kind: FaultCounts, Detail: "the hour from " + hourText(start) + " on"})
	}
	for rows.Next() {
		var start int64
		var s audit.Summary
		if err := rows.Scan(&start, &s.Events, &s.Denied, &s.Downloads); err != nil {
			return err
		}
		if found := w.hours[start]; found.Events != s.Events || found.Denied != s.Denied || found.Downloads != s.Downloads {
			wrong(start)
		}
		delete(w.hours, start)
	}
	if err := rows.Err(); err != nil {
		return err
	}
	for start := range w.hours {
		wrong(start)
	}
	// SQLite keeps the sets in temporary files, so memory is bounded.
	const people = `SELECT DISTINCT (time - 3599999 * (time < 0)) / 3600000, person FROM events JOIN people USING (person) WHERE sub <> ''`
	const counted = `SELECT start, person FROM hour_people`
	for _, q := range []string{people + " EXCEPT " + counted, counted + " EXCEPT " + people} {
		var start, person int64
		switch err := tx.QueryRowContext(ctx, q+" LIMIT 1").Scan(&start, &person); {
		case errors.Is(err, sql.ErrNoRows):
		case err != nil:
			return err
		default:
			w.report.fault(Fault{Kind: FaultCounts, Detail: "the people of the hour from " + hourText(start) + " on"})
		}
	}
	return nil
}

// result completes the report.
func (w *walk) result(size int64) Report {
	r := w.report
	r.Head, r.Policy = w.frontier.Head(), w.policy != nil
	r.Head.Size, r.Whole = size, size
	for i, f := range r.Faults {
		if f.Seq == 0 {
			continue
		}
		within := func(wide Fault) bool {
			return wide.Kind == FaultChanged && wide.Seq <= f.Seq && f.Seq < wide.Seq+wide.Count
		}
		if f.Kind == FaultIndex && slices.ContainsFunc(r.Faults, within) { // not the index, but the record was changed
			r.Faults[i] = Fault{Kind: FaultChanged, Seq: f.Seq, Count: f.Count, Detail: "it differs from the index too"}
		}
	}
	exact := func(f Fault) bool { return f.Seq > 0 && f.Count == 1 }
	slices.SortStableFunc(r.Faults, func(a, b Fault) int { // single records are more exact than ranges
		switch {
		case exact(a) && exact(b):
			return cmp.Compare(a.Seq, b.Seq)
		case exact(a) == exact(b):
			return 0
		case exact(a):
			return -1
		}
		return 1
	})
	for _, f := range r.Faults {
		if f.Seq > 0 {
			r.Whole = min(r.Whole, f.Seq-1)
		}
	}
	return r
}
