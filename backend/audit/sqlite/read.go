package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"
	"time"

	"usher/backend/audit"
	"usher/backend/audit/tree"
	"usher/backend/event"
)

// reader runs queries on its own connections.
type reader struct {
	db    *sql.DB
	conns int // bound of its connections
	work  work
}

// widen allows more connections.
func (s *reader) widen(n int) {
	s.conns = n
	s.db.SetMaxOpenConns(n)
}

// Get implements audit.Store. It uses the lookup connections, because releases
// depend on it.
func (s *Store) Get(ctx context.Context, ids []string) ([]event.Event, error) {
	const most = 500 // far below SQLite's limit of bound parameters
	var found []event.Event
	for len(ids) > 0 {
		n := min(len(ids), most)
		args := make([]any, n)
		for i, id := range ids[:n] {
			args[i] = idKey(id)
		}
		part, err := s.lookup.events(ctx, "SELECT e.seq, r.event FROM events e JOIN records r USING (seq) WHERE e.id IN ("+placeholders(n)+")", args)
		if err != nil {
			return nil, err
		}
		for _, p := range part {
			found = append(found, p.event)
		}
		ids = ids[n:]
	}
	return found, nil
}

// row is an event with its number in the log.
type row struct {
	seq   int64
	event event.Event
}

// events runs a query for seq and canonical bytes.
func (s reader) events(ctx context.Context, query string, args []any) (all []row, err error) {
	err = s.each(ctx, query, args, func(seq int64, canonical []byte) (bool, error) {
		e, err := event.Parse(canonical)
		all = append(all, row{seq, e})
		return true, err
	})
	return all, err
}

// each runs a query for seq and canonical bytes, and calls yield for each row until
// it returns false. The bytes are valid during the call.
func (s reader) each(ctx context.Context, query string, args []any, yield func(seq int64, canonical []byte) (bool, error)) (err error) {
	rows, err := s.db.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var seq int64
		var canonical sql.RawBytes
		if err := rows.Scan(&seq, &canonical); err != nil {
			return err
		}
		if on, err := yield(seq, canonical); err != nil {
			return fmt.Errorf("record %d: %w", seq, err)
		} else if !on {
			return nil
		}
	}
	return rows.Err()
}

// Hours implements audit.Store.
func (s *Store) Hours(ctx context.Context, from time.Time, n int) (_ audit.Summary, err error) {
	var sum audit.Summary
	first := hourOf(from.UnixMilli())
	for i := range n {
		sum.Hours = append(sum.Hours, audit.Hour{Start: time.Unix((first+int64(i))*3600, 0).UTC()})
	}
	rows, err := s.db.QueryContext(ctx, "SELECT start, events, denied, downloads FROM hours WHERE start >= ? AND start < ?", first, first+int64(n))
	if err != nil {
		return sum, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var start int64
		var events, denied, downloads int
		if err := rows.Scan(&start, &events, &denied, &downloads); err != nil {
			return sum, err
		}
		hour := &sum.Hours[start-first]
		hour.Events, hour.Denied = events, denied
		sum.Denied += denied
		sum.Downloads += downloads
	}
	if err := rows.Err(); err != nil {
		return sum, err
	}
	err = s.db.QueryRowContext(ctx, `SELECT count(DISTINCT p.sub) FROM hour_people h JOIN people p USING (person)
		WHERE h.start >= ? AND h.start < ?`, first, first+int64(n)).Scan(&sum.People)
	return sum, err
}

// hourOf returns the number of full hours since 1970, negative before it.
func hourOf(ms int64) int64 {
	const hour = 3_600_000
	if ms < 0 {
		return -((-ms + hour - 1) / hour)
	}
	return ms / hour
}

// Count implements audit.Store. It is the number of records without those that
// retention deleted.
func (s *Store) Count(ctx context.Context) (int64, error) {
	f, err := readFrontier(ctx, s.db)
	if err != nil {
		return 0, err
	}
	gone, err := expiredCount(ctx, s.db)
	return f.Size() - gone, err
}

// Head returns the number of records and the root of their tree. A copy of them
// elsewhere can prove later that the log still has these records.
func (s reader) Head(ctx context.Context) (tree.Head, error) {
	f, err := readFrontier(ctx, s.db)
	return f.Head(), err
}

func readFrontier(ctx context.Context, q queryer) (tree.Frontier, error) {
	var size int64
	var raw []byte
	switch err := q.QueryRowContext(ctx, "SELECT size, frontier FROM head").Scan(&size, &raw); {
	case errors.Is(err, sql.ErrNoRows):
		return tree.Frontier{}, fmt.Errorf("%w: its head is missing", ErrDamaged)
	case err != nil:
		return tree.Frontier{}, err
	}
	f, err := tree.Unmarshal(raw)
	if err != nil || f.Size() != size {
		return tree.Frontier{}, fmt.Errorf("%w: its head is malformed", ErrDamaged)
	}
	return f, nil
}

// proofs returns a reader of the hashes of the log's tree.
func proofs(ctx context.Context, q queryer) tree.Reader {
	return tree.Reader{Source: func(level int, from, to int64) (_ []tree.Hash, err error) {
		if level == 0 {
			return leafHashes(ctx, q, from, to)
		}
		rows, err := q.QueryContext(ctx, "SELECT hash FROM nodes WHERE level = ? AND n >= ? AND n < ? ORDER BY n", level, from, to)
		if err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, rows.Close()) }()
		var all []tree.Hash
		for rows.Next() {
			var raw sql.RawBytes
			if err := rows.Scan(&raw); err != nil {
				return nil, err
			}
			if len(raw) != len(tree.Hash{}) {
				return nil, fmt.Errorf("%w: a hash of its tree is malformed", ErrDamaged)
			}
			all = append(all, tree.Hash(raw))
		}
		if err := rows.Err(); err != nil {
			return nil, err
		}
		if int64(len(all)) != to-from {
			return nil, fmt.Errorf("%w: hashes of its tree are missing", ErrDamaged)
		}
		return all, nil
	}}
}

// lastNote returns the last checkpoint, or "".
func (s reader) lastNote(ctx context.Context) (text string, err error) {
	err = s.db.QueryRowContext(ctx, "SELECT note FROM checkpoints ORDER BY n DESC LIMIT 1").Scan(&text)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	return text, err
}

// ErrIndex: the index disagrees with the records. Query results may be wrong,
// even if the records are whole.
var ErrIndex = errors.New("the audit log's index disagrees with its records")

// Record is a stored event.
type Record struct {
	Seq       int64 // from 1 on, without gaps
	Canonical []byte
}

// Records reads the records in order, beginning after a number. It reads in
// chunks, so a long reading blocks no writer.
func (s reader) Records(ctx context.Context, after int64) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		for {
			records, err := records(ctx, s.db, after)
			if err != nil {
				yield(Record{}, err)
				return
			}
			for _, r := range records {
				if !yield(r, nil) {
					return
				}
				after = r.Seq
			}
			if len(records) == 0 {
				return
			}
		}
	}
}

// chunk is the number of records in one query of Records.
const chunk = 1024

func records(ctx context.Context, q queryer, after int64) (all []Record, err error) {
	rows, err := q.QueryContext(ctx, "SELECT seq, event FROM records WHERE seq > ? ORDER BY seq LIMIT ?", after, chunk)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	all = make([]Record, 0, chunk)
	for rows.Next() {
		var r Record
		if err := rows.Scan(&r.Seq, &r.Canonical); err != nil {
			return nil, err
		}
		all = append(all, r)
	}
	return all, rows.Err()
}

// indexRow is a row of the index with its person.
type indexRow struct {
	columns
	sub, username string
}

// parsed is a record with its event.
type parsed struct {
	seq   int64
	event event.Event
}

// indexed returns the index rows of consecutive records, by number. It reads the
// times of the records, because the index is in the order of time.
func indexed(ctx context.Context, q queryer, records []parsed) (_ map[int64]indexRow, err error) {
	if len(records) == 0 {
		return nil, nil
	}
	first := records[0].event.Time.UnixMilli()
	last := first
	for _, r := range records {
		ms := r.event.Time.UnixMilli()
		first, last = min(first, ms), max(last, ms)
	}
	rows, err := q.QueryContext(ctx, `SELECT e.seq, e.id, e.time, e.session, e.action, e.outcome, e.bucket, e.object,
			e.ip, e.request, e.continues, p.sub, p.username
		FROM events e `+byTime+` JOIN people p USING (person) WHERE e.time >= ? AND e.time <= ? AND e.seq >= ? AND e.seq <= ?`,
		first, last, records[0].seq, records[len(records)-1].seq)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	all := make(map[int64]indexRow, len(records))
	for rows.Next() {
		var seq int64
		var r indexRow
		var object []byte
		if err := rows.Scan(&seq, &r.id, &r.time, &r.session, &r.action, &r.outcome, &r.bucket, &object,
			&r.ip, &r.request, &r.continues, &r.sub, &r.username); err != nil {
			return nil, err
		}
		r.object = string(object)
		all[seq] = r
	}
	return all, rows.Err()
}
