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
	texts *texts
}

// source is a database, a connection or a transaction, with its texts.
type source struct {
	queryer
	texts *texts
}

func (s reader) on(q queryer) source { return source{q, s.texts} }

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

// events runs a query for seq and stored record.
func (s reader) events(ctx context.Context, query string, args []any) (all []row, err error) {
	err = s.each(ctx, query, args, func(seq int64, canonical []byte) (bool, error) {
		e, err := event.Parse(canonical)
		all = append(all, row{seq, e})
		return true, err
	})
	return all, err
}

// each runs a query for seq and stored record, and calls yield with the canonical
// bytes of each row until it returns false. The bytes are valid during the call.
func (s reader) each(ctx context.Context, query string, args []any, yield func(seq int64, canonical []byte) (bool, error)) (err error) {
	conn, err := s.db.Conn(ctx) // reads dictionaries beside the rows
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	rows, err := conn.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	var raw sql.RawBytes
	var text []byte
	for rows.Next() {
		var seq int64
		if err := rows.Scan(&seq, &raw); err != nil {
			return err
		}
		if text, err = s.texts.expand(ctx, conn, text[:0], raw); err != nil {
			return fmt.Errorf("record %d: %w", seq, err)
		}
		if on, err := yield(seq, text); err != nil {
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
func proofs(ctx context.Context, q source) tree.Reader {
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
	bad       error // the record has no canonical bytes
}

// Records reads the records in order, beginning after a number. It reads in
// chunks, so a long reading blocks no writer. A record without canonical bytes is an
// ErrDamaged; the next ones follow.
func (s reader) Records(ctx context.Context, after int64) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		for {
			records, err := records(ctx, s.on(s.db), after)
			if err != nil {
				yield(Record{}, err)
				return
			}
			for _, r := range records {
				if r.bad != nil {
					r.bad = fmt.Errorf("record %d: %w", r.Seq, r.bad)
				}
				if !yield(Record{Seq: r.Seq, Canonical: r.Canonical}, r.bad) {
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

// stored is the column of a stored record. One above maxRecord is not read.
const stored = "iif(length(event) <= 4194304, event, x'')"

// records returns the next records after a number.
func records(ctx context.Context, q source, after int64) ([]Record, error) {
	return q.records(ctx, "SELECT seq, "+stored+" FROM records WHERE seq > ? ORDER BY seq LIMIT ?", after, chunk)
}

// recordsBetween returns the records after a number and up to another one.
func recordsBetween(ctx context.Context, q source, after, last int64) ([]Record, error) {
	return q.records(ctx, "SELECT seq, "+stored+" FROM records WHERE seq > ? AND seq <= ? ORDER BY seq", after, last)
}

func (s source) records(ctx context.Context, query string, args ...any) (all []Record, err error) {
	rows, err := s.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	all = make([]Record, 0, block)
	packed := make([]byte, 0, chunk*block)
	var ends []int
	var raw sql.RawBytes
	for rows.Next() {
		var r Record
		if err := rows.Scan(&r.Seq, &raw); err != nil {
			return nil, err
		}
		all, packed = append(all, r), append(packed, raw...)
		ends = append(ends, len(packed))
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return nil, err
	}
	_, err = s.expandAll(ctx, all, make([]byte, 0, 3*len(packed)), packed, ends)
	return all, err
}

// expandAll sets the canonical bytes of records, which it appends to text. packed has
// their stored forms, which end at ends.
func (s source) expandAll(ctx context.Context, all []Record, text, packed []byte, ends []int) ([]byte, error) {
	from := 0
	for i, end := range ends {
		begin := len(text)
		var err error
		if text, err = s.texts.expand(ctx, s, text, packed[from:end]); errors.Is(err, ErrDamaged) {
			all[i].bad = err
		} else if err != nil {
			return text, err
		} else {
			all[i].Canonical = text[begin:len(text):len(text)]
		}
		from = end
	}
	return text, nil
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
