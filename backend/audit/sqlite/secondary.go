package sqlite

import (
	"bytes"
	"cmp"
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/maphash"

	"usher/backend/audit/btree"
	"usher/backend/event"
)

// secondary is an index of the table events: the values of one column, each with the
// place of its row. A query reads it alone, so a row without an entry would not be
// found.
type secondary struct {
	name   string
	column int                          // of the row
	has    func(row []btree.Value) bool // nil: it has all rows
}

// Columns of the table events.
const (
	columnAction  = 5
	columnOutcome = 6
)

// secondaries returns the indexes of the table events, as in the schema.
func secondaries() []secondary {
	is := func(v btree.Value, text string) bool { return v.Kind == btree.Text && string(v.Bytes) == text }
	return []secondary{
		{"events_id", 2, nil},
		{"events_completed", 11, func(row []btree.Value) bool { return is(row[columnAction], event.Completed) }},
		{"events_person", 3, nil},
		{"events_session", 4, nil},
		{"events_object", 8, nil},
		{"events_ip", 9, nil},
		{"events_request", 10, nil},
		{"events_action", columnAction, func(row []btree.Value) bool {
			return !is(row[columnAction], event.Download) && !is(row[columnAction], event.Completed)
		}},
		{"events_outcome", columnOutcome, func(row []btree.Value) bool { return !is(row[columnOutcome], event.Allowed) }},
	}
}

// entrySums are the sums of the entries that each index must have.
type entrySums struct {
	seed   maphash.Seed
	all    []secondary
	of     []uint64
	buffer []byte
}

func newEntrySums(seed maphash.Seed) *entrySums {
	all := secondaries()
	return &entrySums{seed: seed, all: all, of: make([]uint64, len(all))}
}

// row adds the entries of a row.
func (s *entrySums) row(row []btree.Value) {
	for i, index := range s.all {
		if index.has == nil || index.has(row) {
			s.of[i] += s.entry(row[index.column], placeOf(row))
		}
	}
}

// entry returns the part of an entry in a sum.
func (s *entrySums) entry(v btree.Value, at indexPlace) uint64 {
	b := binary.BigEndian.AppendUint64(append(s.buffer[:0], byte(v.Kind)), uint64(at.time))
	b = binary.BigEndian.AppendUint64(b, uint64(at.seq))
	if v.Kind == btree.Integer {
		b = binary.BigEndian.AppendUint64(b, uint64(v.Integer))
	}
	s.buffer = append(b, v.Bytes...)
	return maphash.Bytes(s.seed, s.buffer)
}

// scanSecondaries compares the sums of the entries of records up to number last with
// those of their rows. Retention may delete entries meanwhile, so a difference is no
// fault yet: finish reads the index again.
func (w *walk) scanSecondaries(ctx context.Context, s *session, rows *entrySums, last int64) error {
	for i, index := range rows.all {
		var sum uint64
		var at *entry
		for {
			next, n, err := s.entries(ctx, index.name, at, func(v btree.Value, place indexPlace) {
				if place.seq <= last {
					sum += rows.entry(v, place)
				}
			})
			if errors.Is(err, btree.ErrMalformed) {
				sum = ^rows.of[i]
				break
			}
			if err != nil {
				return err
			}
			if n == 0 {
				break
			}
			at = next
			w.rest(ctx)
		}
		if sum != rows.of[i] {
			w.doubtful = append(w.doubtful, index)
		}
	}
	return nil
}

// entry is the place of an entry in the order of an index.
type entry struct {
	kind    btree.Kind
	integer int64
	bytes   []byte
	at      indexPlace
}

// compare compares an entry with another one in the order of SQLite.
// SPEC: https://www.sqlite.org/datatype3.html, section 4.1.
func (e *entry) compare(v btree.Value, at indexPlace) int {
	switch {
	case e.kind != v.Kind:
		return cmp.Compare(e.kind, v.Kind)
	case e.integer != v.Integer:
		return cmp.Compare(e.integer, v.Integer)
	}
	if c := bytes.Compare(e.bytes, v.Bytes); c != 0 {
		return c
	}
	return cmp.Or(cmp.Compare(e.at.time, at.time), cmp.Compare(e.at.seq, at.seq))
}

// set sets the place. It copies the bytes.
func (e *entry) set(v btree.Value, at indexPlace) {
	e.kind, e.integer, e.at = v.Kind, v.Integer, at
	e.bytes = append(e.bytes[:0], v.Bytes...)
}

// entries calls yield for the entries of an index behind one, in their order. It
// returns the last one, and their number.
func (s *session) entries(ctx context.Context, name string, after *entry, yield func(btree.Value, indexPlace)) (last *entry, n int, err error) {
	t, err := s.open(ctx)
	if err != nil {
		return nil, 0, err
	}
	defer s.done()
	return t.entries(name, after, rowsTogether, yield)
}

// entries calls yield for at most limit entries of an index.
func (t *tables) entries(name string, after *entry, limit int, yield func(btree.Value, indexPlace)) (last *entry, n int, err error) {
	last = &entry{}
	err = t.Index(t.roots[name], func(row btree.Row) (bool, error) {
		if after == nil {
			return false, nil
		}
		v, time, seq, err := btree.Entry(row.Payload)
		return err == nil && after.compare(v, indexPlace{time, seq}) >= 0, err
	}, func(row btree.Row) (bool, error) {
		v, time, seq, err := btree.Entry(row.Payload)
		if err != nil {
			return false, err
		}
		at := indexPlace{time, seq}
		if n > 0 && last.compare(v, at) >= 0 {
			return false, errOrder
		}
		yield(v, at)
		last.set(v, at)
		n++
		return n < limit, nil
	})
	return last, n, err
}

// finishSecondaries compares the doubtful indexes with the rows, in one state of the
// database.
func (w *walk) finishSecondaries(ctx context.Context, tx *sql.Tx, size int64) error {
	if len(w.doubtful) == 0 {
		return nil
	}
	whole, err := scannable(ctx, tx)
	if err != nil || !whole { // other tables are a fault already
		return err
	}
	t, err := newTables(ctx, tx, new(btree.Buffers))
	if err != nil {
		return err
	}
	for _, index := range w.doubtful {
		if err := w.compareSecondary(t, index, size); err != nil {
			return damaged(err)
		}
	}
	return nil
}

func (w *walk) compareSecondary(t *tables, index secondary, size int64) error {
	size = max(size, 1)
	rows, entries, sum := newSums(w.seed, 0, size), newSums(w.seed, 0, size), newEntrySums(w.seed)
	add := func(to *sums, v btree.Value, at indexPlace) {
		to.blocks[min(max(at.seq-1, 0), size-1)/block] += sum.entry(v, at)
	}
	row := make([]btree.Value, indexColumns)
	err := t.Index(t.roots["events"], func(btree.Row) (bool, error) { return false, nil }, func(r btree.Row) (bool, error) {
		if err := btree.Columns(r.Payload, row); err != nil {
			return false, err
		}
		if index.has == nil || index.has(row) {
			add(rows, row[index.column], placeOf(row))
		}
		return true, nil
	})
	if err != nil {
		return err
	}
	_, _, err = t.entries(index.name, nil, 1<<62, func(v btree.Value, at indexPlace) { add(entries, v, at) })
	if errors.Is(err, btree.ErrMalformed) {
		w.report.fault(Fault{Kind: FaultIndex, Detail: fmt.Sprintf("its part %s is malformed", index.name)})
		return nil
	}
	for i, found := range rows.blocks {
		if found != entries.blocks[i] {
			first := int64(i) * block
			w.report.fault(Fault{Kind: FaultIndex, Seq: first + 1, Count: min(block, size-first), Detail: fmt.Sprintf("its part %s differs", index.name)})
		}
	}
	return err
}
