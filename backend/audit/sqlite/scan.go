package sqlite

import (
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"hash/maphash"

	"golang.org/x/sync/errgroup"

	"usher/backend/event"
)

// scanConns is the number of connections of a scan: records, their tree, and the
// index.
const scanConns = 4

// scanLeast is the number of records from which on a scan is faster than read.
const scanLeast = 2 * block

// scan is read for many records, on several goroutines: one reads and hashes the
// records, one parses them, and one reads the index, in the order of the index. The
// rows of a block must have the same sum on both sides. Only the records of a block
// with different sums are compared one by one. The sums depend on a random seed, so
// nobody can prepare other rows with the same sum.
func (w *walk) scan(ctx context.Context, last int64) error {
	if w.from > 0 || last < scanLeast || w.conns < scanConns { // the index is in the order of time
		return w.read(ctx, w.db, last)
	}
	g, work := errgroup.WithContext(ctx)
	seed := maphash.MakeSeed()
	fromRecords, fromIndex := newSums(seed, w.from, last), newSums(seed, w.from, last)
	chunks := make(chan []Record, 4)
	g.Go(func() error { // the parser
		for found := range chunks {
			for _, p := range w.parse(found) {
				c := columnsOf(p.event)
				fromRecords.add(p.seq, func(b []byte) []byte { return c.append(b, p.event.User.Sub, p.event.User.Username) })
			}
		}
		return nil
	})
	g.Go(func() error { return w.scanIndex(work, fromIndex) })
	g.Go(func() error { // the reader of the records
		defer close(chunks)
		return w.each(work, w.db, last, func(found []Record) error {
			select {
			case chunks <- found:
				return nil
			case <-work.Done():
				return work.Err()
			}
		})
	})
	if err := g.Wait(); err != nil {
		return err
	}
	for i, sum := range fromRecords.blocks {
		if sum != fromIndex.blocks[i] {
			if err := w.compareBlock(ctx, w.from+int64(i)*block, last); err != nil {
				return err
			}
		}
	}
	return nil
}

// sums are the sums of the rows of each block.
type sums struct {
	seed       maphash.Seed
	from, last int64 // numbers of the records
	blocks     []uint64
	buffer     []byte
}

func newSums(seed maphash.Seed, from, last int64) *sums {
	return &sums{seed: seed, from: from, last: last, blocks: make([]uint64, (last-from+block-1)/block)}
}

// add adds the row of a record.
func (s *sums) add(seq int64, row func([]byte) []byte) {
	if seq <= s.from || seq > s.last {
		return // of another record; its number is a fault by itself
	}
	s.buffer = row(binary.AppendVarint(s.buffer[:0], seq))
	s.blocks[(seq-1-s.from)/block] += maphash.Bytes(s.seed, s.buffer)
}

// compareBlock compares the records of a block with their rows one by one.
func (w *walk) compareBlock(ctx context.Context, from, last int64) error {
	found, err := records(ctx, w.on(w.db), from)
	if err != nil {
		return err
	}
	events := make([]parsed, 0, block)
	for _, r := range found {
		if r.Seq > min(last, from+block) {
			break
		}
		if e, err := eventOf(r); err == nil { // an unreadable record is a fault already
			events = append(events, e)
		}
	}
	before := w.report.FaultCount
	if err := w.compareIndex(ctx, w.db, events); err != nil {
		return err
	}
	if w.report.FaultCount == before && int64(len(events)) == min(last, from+block)-from {
		w.report.fault(Fault{Kind: FaultIndex, Seq: from + 1, Count: int64(len(events)), Detail: "the index has other rows of these records"})
	}
	return nil
}

// scanIndex adds all rows of the index, in chunks: a long query would keep the
// write-ahead log of a server from being reused.
func (w *walk) scanIndex(ctx context.Context, to *sums) error {
	people := map[int64][2]string{}
	at := indexPlace{time: -1 << 62}
	for {
		next, n, err := w.scanRows(ctx, at, people, to)
		if err != nil || n == 0 {
			return err
		}
		at = next
		w.rest(ctx)
	}
}

// indexPlace is the place of a row in the order of the index.
type indexPlace struct{ time, seq int64 }

// maxPeopleKept bounds the people in memory.
const maxPeopleKept = 100_000

// person returns sub and user name of a number in the index.
func (w *walk) person(ctx context.Context, n int64, known map[int64][2]string) (p [2]string, err error) {
	p, ok := known[n]
	if ok {
		return p, nil
	}
	err = w.db.QueryRowContext(ctx, "SELECT sub, username FROM people WHERE person = ?", n).Scan(&p[0], &p[1])
	if errors.Is(err, sql.ErrNoRows) {
		return [2]string{"", "\x00missing"}, nil // no record has this row
	}
	if len(known) >= maxPeopleKept {
		clear(known)
	}
	known[n] = p
	return p, err
}

// scanRows adds one chunk of rows after a place.
func (w *walk) scanRows(ctx context.Context, after indexPlace, people map[int64][2]string, to *sums) (last indexPlace, n int, err error) {
	const query = `SELECT time, seq, person, id, session, action, outcome, bucket, object, ip, request, continues
		FROM events ` + byTime + ` WHERE (time, seq) > (?, ?) ORDER BY time, seq LIMIT 4096`
	rows, err := w.db.QueryContext(ctx, query, after.time, after.seq)
	if err != nil {
		return after, 0, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	var person int64
	texts := make([]sql.RawBytes, 9)
	to9 := []any{&last.time, &last.seq, &person}
	for i := range texts {
		to9 = append(to9, &texts[i])
	}
	for rows.Next() {
		if err := rows.Scan(to9...); err != nil {
			return last, n, err
		}
		n++
		who, err := w.person(ctx, person, people)
		if err != nil {
			return last, n, err
		}
		to.add(last.seq, func(b []byte) []byte {
			b = binary.AppendVarint(b, last.time)
			for _, t := range texts {
				b = appendText(b, t)
			}
			return appendText(appendText(b, who[0]), who[1])
		})
	}
	return last, n, rows.Err()
}

// append adds the columns of a row to b. It is the form of scanRows.
func (c columns) append(b []byte, sub, username string) []byte {
	b = binary.AppendVarint(b, c.time)
	for _, t := range []string{c.id, c.session, c.action, c.outcome, c.bucket, c.object, c.ip, c.request, c.continues, sub, username} {
		b = appendText(b, t)
	}
	return b
}

// appendText adds a text with its length, so no two rows have the same bytes.
func appendText[T ~string | ~[]byte](b []byte, t T) []byte {
	return append(binary.AppendUvarint(b, uint64(len(t))), t...)
}

// eventOf parses a record.
func eventOf(r Record) (parsed, error) {
	if r.bad != nil {
		return parsed{}, r.bad
	}
	e, err := event.Parse(r.Canonical)
	return parsed{r.Seq, e}, err
}
