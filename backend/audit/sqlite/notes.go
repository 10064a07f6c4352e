package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"usher/backend/audit/checkpoint"
	"usher/backend/audit/tree"
)

// notes reads the stored checkpoints in order and verifies their signatures.
type notes struct {
	key    *checkpoint.Verifier // nil: no checkpoints are read
	policy *checkpoint.Policy   // nil: cosignatures are not verified
	report *Report

	cosigned bool  // the checkpoint that was read last satisfies the policy
	last     int64 // number of the last checkpoint that was read
	head     tree.Head
	page     []note
	dry      bool // there were no more
}

type note struct {
	n, size int64
	text    string
}

// begin verifies the last checkpoint at or before record from, and skips those
// before it.
func (s *notes) begin(ctx context.Context, r reader, from int64) error {
	if s.key == nil || from == 0 {
		return nil
	}
	var n int64
	switch err := r.db.QueryRowContext(ctx, "SELECT n FROM checkpoints WHERE size <= ? ORDER BY n DESC LIMIT 1", from).Scan(&n); {
	case errors.Is(err, sql.ErrNoRows):
		return nil
	case err != nil:
		return err
	}
	s.last = n - 1
	head, ok, err := s.upTo(ctx, r.db, from)
	if err != nil || !ok {
		return err
	}
	at, err := proofs(ctx, r.on(r.db)).At(head.Size)
	if err != nil {
		return err
	}
	if at != head {
		s.report.fault(Fault{Kind: FaultChanged, Seq: 1, Count: head.Size, Detail: "a head of the log proves other records"})
		return nil
	}
	s.report.Signed, s.report.Checkpoints = head.Size, 1
	return nil
}

// upTo returns the next checkpoint with a valid signature, of at most size
// records. A checkpoint without one is a fault.
func (s *notes) upTo(ctx context.Context, q queryer, size int64) (head tree.Head, ok bool, err error) {
	for s.key != nil && !s.dry {
		if len(s.page) == 0 {
			if s.page, err = readNotes(ctx, q, s.last); err != nil || len(s.page) == 0 {
				s.dry = err == nil
				return head, false, err
			}
		}
		next := s.page[0]
		if next.size > size {
			return head, false, nil
		}
		s.page = s.page[1:]
		if next.n != s.last+1 {
			s.report.fault(Fault{Kind: FaultCheckpoint, Detail: fmt.Sprintf("number %d is missing", s.last+1)})
		}
		s.last = next.n
		head, err := s.key.Open([]byte(next.text))
		if err == nil && (head.Size != next.size || head.Size <= s.head.Size) {
			err = errors.New("its size is not the stored one")
		}
		if err != nil {
			s.report.fault(Fault{Kind: FaultCheckpoint, Detail: fmt.Sprintf("number %d: %v", next.n, err)})
			continue
		}
		s.head = head
		s.cosigned = s.policy != nil && s.policy.Satisfied([]byte(next.text))
		return head, true, nil
	}
	return head, false, nil
}

// readNotes returns the next checkpoints after number n.
func readNotes(ctx context.Context, q queryer, n int64) (all []note, err error) {
	rows, err := q.QueryContext(ctx, "SELECT n, size, note FROM checkpoints WHERE n > ? ORDER BY n LIMIT 256", n)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var next note
		if err := rows.Scan(&next.n, &next.size, &next.text); err != nil {
			return nil, err
		}
		all = append(all, next)
	}
	return all, rows.Err()
}

// hourText returns the start of an hour, in UTC.
func hourText(hour int64) string { return time.Unix(hour*3600, 0).UTC().Format("2006-01-02T15:04Z") }
