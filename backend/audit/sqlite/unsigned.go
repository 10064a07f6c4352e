package sqlite

import (
	"context"
	"database/sql"
	"time"

	"usher/backend/event"
)

// maxUnsigned is the greatest difference between the times of unsigned records. A
// server signs within a second of each commit, and records an event at most half a
// minute after its time, the longest time of a request. The writer enforces it: a crash
// leaves no other records unsigned, also after a full disk or a changed clock.
const maxUnsigned = 60 * time.Second

// span are the times of unsigned records.
type span struct{ first, last time.Time } // zero: none

// with returns the span with an event. The event of an earlier count has the time of
// that count, so it does not begin a span.
func (s span) with(e *event.Event) span {
	switch e.Action {
	case event.Suppressed, event.Alert, event.AuditGap, event.TokenRefused:
	default:
		if s.first.IsZero() || e.Time.Before(s.first) {
			s.first = e.Time
		}
	}
	if e.Time.After(s.last) {
		s.last = e.Time
	}
	return s
}

// over reports whether no crash leaves records of these times unsigned.
func (s span) over() bool { return !s.first.IsZero() && s.last.Sub(s.first) > maxUnsigned }

// withAll returns the span with the events of appends.
func (s span) withAll(group []*pending) span {
	for _, one := range group {
		for i := range one.events {
			s = s.with(&one.events[i])
		}
	}
	return s
}

// signBefore signs the records before those of a group, if both together would be
// over. Its error refuses the group: a log that cannot be signed takes no events.
func (w *writer) signBefore(group []*pending) error {
	times := w.tree.times.withAll(group)
	if times.over() && w.unsigned() {
		if err := w.sign(); err != nil {
			return err
		}
		times = w.tree.times.withAll(group)
	}
	w.tree.times = times
	return nil
}

// compareUnsigned reports unsigned records that no crash leaves behind, and a missing
// head file.
func (w *walk) compareUnsigned(ctx context.Context, tx *sql.Tx, size int64) error {
	var checkpoints, signed int64
	if err := tx.QueryRowContext(ctx, "SELECT count(*), coalesce(max(size), 0) FROM checkpoints").Scan(&checkpoints, &signed); err != nil {
		return err
	}
	if w.headPath != "" && checkpoints > 0 {
		if head, err := readHead(w.headPath); err != nil {
			return err
		} else if !head.valid {
			w.report.fault(Fault{Kind: FaultCheckpoint, Detail: ErrNoHead.Error() + ", and a server keeps it beside the log"})
		}
	}
	if checkpoints == 0 && w.key == nil { // a log without a signer
		return nil
	}
	over, err := w.over(ctx, tx, signed, size)
	if over {
		w.report.fault(Fault{Kind: FaultUnsigned, Seq: signed + 1, Count: size - signed, Detail: unsignedText})
	}
	return err
}

// unsignedText is a text of docs/audit.md too.
const unsignedText = "no checkpoint proves them, and their times are more than 60 seconds apart. usher signs within a second, so checkpoints were deleted, and these records may be changed. Compare a kept checkpoint with --checkpoint, and begin a new log with usher audit restart"

// over reports whether the times of the records after one number, up to another, are over.
func (w *walk) over(ctx context.Context, tx *sql.Tx, after, last int64) (bool, error) {
	var times span
	for {
		found, err := records(ctx, w.on(tx), after)
		if err != nil || len(found) == 0 {
			return false, err
		}
		for _, r := range found {
			if after = r.Seq; after > last {
				return false, nil // inserted records, a fault by themselves
			}
			if r.bad != nil {
				continue
			}
			var e event.Event
			if event.ParseInto(&e, r.Canonical) != nil { // a fault by itself
				continue
			}
			if times = times.with(&e); times.over() {
				return true, nil
			}
		}
		w.rest(ctx)
	}
}
