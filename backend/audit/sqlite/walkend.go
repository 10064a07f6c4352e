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
)

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
	if err := w.compareUnsigned(ctx, tx, size); err != nil {
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
	if err := w.finishSecondaries(ctx, tx, size); err != nil {
		return err
	}
	if err := w.compareRest(ctx, tx, size); err != nil {
		return err
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
	if w.lastGone == 0 && w.leaves == 0 {
		return nil
	}
	for _, e := range slices.Backward(w.applied) {
		if e.LastRecord < max(w.lastGone, w.leaves) || e.LastRecord > w.next {
			continue
		}
		at, err := proofs(ctx, w.on(tx)).At(e.LastRecord)
		if err != nil {
			return err
		}
		if base64.StdEncoding.EncodeToString(at.Root[:]) != e.Root {
			continue
		}
		if gone := w.report.Expired; gone > e.Records { // held events are gone too
			w.report.fault(Fault{Kind: FaultMissing, Seq: 1, Count: w.lastGone, Detail: fmt.Sprintf("%d records are gone, and the event retention-applied has %d", gone, e.Records)})
		}
		return nil
	}
	w.report.fault(Fault{Kind: FaultMissing, Seq: 1, Count: max(w.lastGone, w.leaves), Detail: "no event retention-applied covers them"})
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
		if at, err := proofs(ctx, w.on(tx)).At(head.Size); err != nil || at != head {
			w.report.fault(Fault{Kind: FaultChanged, Seq: 1, Count: head.Size, Detail: "a head of the log proves other records"})
		}
	}
	for _, known := range w.heads {
		if known.Size > size {
			detail := "they were written"
			if known.From != ownHead {
				detail = known.From + " proves them"
			}
			w.report.fault(Fault{Kind: FaultMissing, Seq: size + 1, Count: known.Size - size, Detail: detail})
		}
	}
	if w.key != nil && w.claimed.checkpoints > w.notes.last && w.claimed.Size <= size {
		w.report.fault(Fault{Kind: FaultCheckpoint, Detail: fmt.Sprintf("the log has %d, and %d were written", w.notes.last, w.claimed.checkpoints)})
	}
	return nil
}

// compareCounts compares the counts of each hour with the records.
func (w *walk) compareCounts(ctx context.Context, tx *sql.Tx) (err error) {
	w.endHour()
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
		if found := w.hours[start]; s.Events <= 0 || found.Events != s.Events || found.Denied != s.Denied || found.Downloads != s.Downloads {
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
	return w.comparePeople(ctx, tx)
}

// older marks a log that has no other fault than missing events at its end, which are
// proved elsewhere: its own checkpoints prove the others, but for the tail of a backup.
func (r *Report) older(size int64) {
	for _, f := range r.Faults {
		if f.Kind != FaultMissing || f.Seq != size+1 {
			return
		}
	}
	if r.Signed == 0 {
		return
	}
	for i := range r.Faults {
		r.Faults[i].Detail += "; this is an older copy of the log, as a backup is. In place of the log, restore a later copy, or begin a new log with usher audit restart"
	}
}

// result completes the report.
func (w *walk) result(size int64) Report {
	r := w.report
	r.older(size)
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
