package sqlite

import (
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"hash/maphash"
	"net/netip"

	"github.com/oklog/ulid/v2"
	"golang.org/x/sync/errgroup"

	"usher/backend/audit/btree"
	"usher/backend/event"
)

// scanConns is the number of connections of a scan: records, their tree, the index,
// and its people.
const scanConns = 4

// scanLeast is the number of records from which on a scan is faster than read.
const scanLeast = 2 * block

// scan is read for many records, on several goroutines: one reads and hashes the
// records, one parses them, and one reads the index, in the order of the index. The
// rows of a block must have the same sum on both sides. Only the records of a block
// with different sums are compared one by one. The sums depend on a random seed, so
// nobody can prepare other rows with the same sum.
func (w *walk) scan(ctx context.Context, last int64) error {
	whole, err := scannable(ctx, w.db)
	if err != nil {
		return err
	}
	w.doubtful = secondaries()
	if !whole || w.from > 0 || last < scanLeast || w.conns < scanConns { // the index is in the order of time
		return w.read(ctx, w.db, last)
	}
	g, work := errgroup.WithContext(ctx)
	fromRecords, fromIndex := newSums(w.seed, w.from, last), newSums(w.seed, w.from, last)
	const ahead = 3 // chunks that are read, parsed or between
	chunks, free := make(chan *recordChunk, ahead), make(chan *recordChunk, ahead)
	for range ahead {
		free <- &recordChunk{}
	}
	g.Go(func() error { // the parser
		var e event.Event
		for c := range chunks {
			for _, r := range c.records {
				if w.parse(r, &e) {
					fromRecords.add(r.Seq, func(b []byte) []byte { return appendEvent(b, &e) })
				}
			}
			free <- c
		}
		return nil
	})
	w.doubtful = nil // the scan finds those
	g.Go(func() error { return w.scanIndex(work, fromIndex) })
	g.Go(func() error { // the reader of the records
		defer close(chunks)
		s := w.session()
		defer s.close()
		var c *recordChunk
		next := func(ctx context.Context, after int64) (_ []Record, err error) {
			select {
			case c = <-free:
			case <-ctx.Done():
				return nil, ctx.Err()
			}
			return s.records(ctx, w.texts, after, c)
		}
		return w.each(work, w.db, last, next, func(found []Record) error {
			c.records = found
			chunks <- c // has room for all buffers
			return nil
		})
	})
	if err := g.Wait(); err != nil {
		return err
	}
	w.scanned = last
	for i, sum := range fromRecords.blocks {
		if sum != fromIndex.blocks[i] {
			if err := w.compareBlock(ctx, w.from+int64(i)*block, last); err != nil {
				return err
			}
		}
	}
	return nil
}

// scannable reports whether the tables that a scan reads are those of a new log.
func scannable(ctx context.Context, q queryer) (bool, error) {
	found, err := schemaOf(ctx, q)
	if err != nil {
		return false, err
	}
	want, err := freshSchema(ctx)
	if err != nil {
		return false, err
	}
	names := []string{"table records", "table events", "table hour_people"}
	for _, index := range secondaries() {
		names = append(names, "index "+index.name)
	}
	for _, name := range names {
		if found[name] != want[name] {
			return false, nil
		}
	}
	return true, nil
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
	found, err := recordsBetween(ctx, w.on(w.db), from, min(last, from+block))
	if err != nil {
		return err
	}
	events := make([]parsed, 0, block)
	for _, r := range found {
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

// scanIndex adds all rows of the index, in chunks, and the people of each hour. Then it
// compares the secondary indexes with the rows.
func (w *walk) scanIndex(ctx context.Context, to *sums) error {
	people, s, entries := newRoster(), w.session(), newEntrySums(w.seed)
	defer s.close()
	at := indexPlace{time: -1 << 62}
	hour, seen := int64(-1<<62), map[int64]bool{} // people of this hour
	for {
		next, n, err := s.index(ctx, at, func(tx *sql.Tx, at indexPlace, columns []btree.Value) error {
			number := columns[3].Integer
			who, err := people.of(ctx, tx, number)
			if err != nil || at.seq > to.last {
				return err // a record after the scan
			}
			to.add(at.seq, func(b []byte) []byte { return appendRow(b, at.time, columns, who) })
			entries.row(columns)
			if h := hourOf(at.time); h != hour {
				hour = h
				clear(seen)
			}
			if !seen[number] && who.Sub != "" {
				seen[number] = true
				w.people[hour] += w.personSum(hour, who)
			}
			return nil
		})
		if err != nil {
			return err
		}
		if n == 0 {
			return w.scanSecondaries(ctx, s, entries, to.last)
		}
		at = next
		w.rest(ctx)
	}
}

// roster has the people of the index by number.
type roster struct{ known map[int64]event.User }

func newRoster() *roster { return &roster{map[int64]event.User{}} }

// maxPeopleKept bounds the people in memory.
const maxPeopleKept = 50_000

// of returns sub and user name of a number. No record has the name of a number that is
// missing.
func (s *roster) of(ctx context.Context, q queryer, n int64) (event.User, error) {
	if u, ok := s.known[n]; ok {
		return u, nil
	}
	var u event.User
	err := q.QueryRowContext(ctx, "SELECT sub, username FROM people WHERE person = ?", n).Scan(&u.Sub, &u.Username)
	if errors.Is(err, sql.ErrNoRows) {
		return event.User{Sub: "\x00missing"}, nil
	}
	if len(s.known) >= maxPeopleKept {
		clear(s.known)
	}
	s.known[n] = u
	return u, err
}

// appendEvent appends the row of an event to b, with the texts of the event. It is the
// form of appendRow.
func appendEvent(b []byte, e *event.Event) []byte {
	b = binary.AppendVarint(b, e.Time.UnixMilli())
	for _, t := range []string{e.ID, e.Session, e.Action, e.Outcome, e.Bucket} {
		b = appendText(b, t)
	}
	if e.Bucket == "" {
		b = append(b, 0)
	} else { // the path, without a copy of it
		b = binary.AppendUvarint(b, uint64(len(e.Bucket)+1+len(e.Key)))
		b = append(append(append(b, e.Bucket...), '/'), e.Key...)
	}
	for _, t := range []string{e.SourceIP, e.RequestID, e.Continues, e.User.Sub, e.User.Username} {
		b = appendText(b, t)
	}
	return b
}

// appendRow appends a row of the index to b. Each key has the form of its text: a key of
// another type than that of key.go finds nothing, and is no row of any event.
func appendRow(b []byte, time int64, columns []btree.Value, who event.User) []byte {
	b = binary.AppendVarint(b, time)
	b = appendID(b, columns[2])
	b = appendSession(b, columns[4])
	for _, c := range columns[5:8] { // action, outcome and bucket
		b = appendColumn(b, c, c.Kind == btree.Text)
	}
	b = appendColumn(b, columns[8], columns[8].Kind == btree.Blob) // object
	b = appendIP(b, columns[9])
	b = appendID(appendID(b, columns[10]), columns[11]) // request and continues
	return appendText(appendText(b, who.Sub), who.Username)
}

// wrongType is the form of a value that no event has.
const wrongType = "\x00\xff"

func appendColumn(b []byte, c btree.Value, ok bool) []byte {
	if !ok {
		return append(b, wrongType...)
	}
	return appendText(b, c.Bytes)
}

func appendID(b []byte, c btree.Value) []byte {
	if c.Kind == btree.Blob && len(c.Bytes) == len(ulid.ULID{}) {
		var text [ulid.EncodedSize]byte
		if err := ulid.ULID(c.Bytes).MarshalTextTo(text[:]); err == nil {
			return appendText(b, text[:])
		}
	}
	return appendColumn(b, c, c.Kind == btree.Text && (len(c.Bytes) == 0 || isText(idKey(string(c.Bytes)))))
}

func appendSession(b []byte, c btree.Value) []byte {
	const size = 10 // as in event.SessionName
	if c.Kind == btree.Blob && len(c.Bytes) == size {
		return appendBase32(append(b, 2+size*8/5, 's', '-'), c.Bytes)
	}
	return appendColumn(b, c, c.Kind == btree.Text && isText(sessionKey(string(c.Bytes))))
}

// appendBase32 appends bytes, five at a time, in the alphabet of event.SessionName.
// encoding/base32 needs a table for each encoding.
func appendBase32(b, raw []byte) []byte {
	const alphabet = "abcdefghijklmnopqrstuvwxyz234567"
	for ; len(raw) >= 5; raw = raw[5:] {
		bits := uint64(raw[0])<<32 | uint64(binary.BigEndian.Uint32(raw[1:]))
		for shift := 35; shift >= 0; shift -= 5 {
			b = append(b, alphabet[bits>>shift&31])
		}
	}
	return b
}

func appendIP(b []byte, c btree.Value) []byte {
	if c.Kind == btree.Blob {
		a, ok := netip.AddrFromSlice(c.Bytes)
		if !ok || a.Is4In6() {
			return append(b, wrongType...)
		}
		var text [64]byte
		return appendText(b, a.AppendTo(text[:0]))
	}
	return appendColumn(b, c, c.Kind == btree.Text && isText(ipKey(string(c.Bytes))))
}

// isText reports whether a text has no shorter key.
func isText(key any) bool {
	_, ok := key.(string)
	return ok
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
