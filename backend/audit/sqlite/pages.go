package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"

	"usher/backend/audit/btree"
)

// pageChunk are rows that a scan reads in one transaction: a longer one would keep the
// write-ahead log of a server from being reused.
const (
	recordsTogether = 500
	rowsTogether    = 4_000
)

// tables reads whole tables and indexes from the pages of the database, in a transaction. That
// takes a fifth of the time of a query.
type tables struct {
	*btree.Reader
	tx    *sql.Tx
	roots map[string]uint32
}

// session is a series of readings. It begins a new transaction now and then.
type session struct {
	db      *sql.DB
	most    int // readings of one transaction
	buffers btree.Buffers
	tables  *tables
	uses    int
}

// sessionReadings are the readings of one transaction of a verification that does not
// pause.
const sessionReadings = 16

// session returns a session of a verification.
func (v *verification) session() *session {
	if v.pause != nil {
		return &session{db: v.db, most: 1}
	}
	return &session{db: v.db, most: sessionReadings}
}

// open returns the tables for one reading.
func (s *session) open(ctx context.Context) (*tables, error) {
	if s.uses++; s.tables != nil && s.uses <= s.most {
		return s.tables, nil
	}
	s.close()
	tx, err := s.db.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return nil, err
	}
	if s.tables, err = newTables(ctx, tx, &s.buffers); err != nil {
		return nil, errors.Join(err, tx.Rollback())
	}
	s.uses = 1
	return s.tables, nil
}

// done ends a reading. The transaction does not stay open for a pause.
func (s *session) done() {
	if s.uses >= s.most {
		s.close()
	}
}

func (s *session) close() {
	if s.tables != nil {
		_ = s.tables.tx.Rollback() // it changed nothing
		s.tables = nil
	}
}

func newTables(ctx context.Context, tx *sql.Tx, buffers *btree.Buffers) (t *tables, err error) {
	t = &tables{tx: tx, roots: map[string]uint32{}}
	rows, err := tx.QueryContext(ctx, "SELECT name, rootpage FROM sqlite_schema WHERE type IN ('table', 'index')")
	if err != nil {
		return nil, err
	}
	for rows.Next() {
		var name string
		var root uint32
		if err := rows.Scan(&name, &root); err != nil {
			return nil, errors.Join(err, rows.Close())
		}
		t.roots[name] = root
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return nil, err
	}
	// SPEC: https://www.sqlite.org/dbpage.html
	const query = "SELECT p.data FROM json_each(?) AS n CROSS JOIN sqlite_dbpage AS p ON p.pgno = n.value"
	pages, err := tx.PrepareContext(ctx, query) // the end of the transaction closes it
	if err != nil {
		return nil, err
	}
	t.Reader, err = btree.New(func(numbers []uint32, buffer []byte) ([][]byte, error) {
		return readPages(ctx, pages, numbers, buffer)
	}, buffers)
	return t, damaged(err)
}

// readPages returns pages of the database, which it appends to all.
func readPages(ctx context.Context, query *sql.Stmt, numbers []uint32, all []byte) (pages [][]byte, err error) {
	list := []byte{'['}
	for i, n := range numbers {
		if i > 0 {
			list = append(list, ',')
		}
		list = strconv.AppendUint(list, uint64(n), 10)
	}
	rows, err := query.QueryContext(ctx, string(append(list, ']')))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	var raw sql.RawBytes
	for rows.Next() {
		if err := rows.Scan(&raw); err != nil {
			return nil, err
		}
		from := len(all)
		all = append(all, raw...)
		pages = append(pages, all[from:len(all):len(all)])
	}
	return pages, rows.Err()
}

// damaged returns ErrDamaged for malformed pages.
func damaged(err error) error {
	if errors.Is(err, btree.ErrMalformed) {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return err
}

// errOrder: SQLite keeps the rows of a table in order.
var errOrder = fmt.Errorf("%w: rows are not in order", btree.ErrMalformed)

// recordChunk is a buffer of records that are read together.
type recordChunk struct {
	records      []Record
	packed, text []byte
	ends         []int
}

// records returns the next records after a number, in a buffer.
func (s *session) records(ctx context.Context, texts *texts, after int64, c *recordChunk) ([]Record, error) {
	t, err := s.open(ctx)
	if err != nil {
		return nil, err
	}
	defer s.done()
	c.records, c.packed, c.ends = c.records[:0], c.packed[:0], c.ends[:0]
	var columns [2]btree.Value
	err = t.Table(t.roots["records"], after, func(row btree.Row) (bool, error) {
		if err := btree.Columns(row.Payload, columns[:]); err != nil {
			return false, err
		}
		if b := columns[1].Bytes; len(b) <= maxRecord {
			c.packed = append(c.packed, b...)
		}
		c.records, c.ends = append(c.records, Record{Seq: row.ID}), append(c.ends, len(c.packed))
		return len(c.records) < recordsTogether && len(c.packed) < maxRecord, nil
	})
	if err != nil {
		return nil, damaged(err)
	}
	c.text, err = source{t.tx, texts}.expandAll(ctx, c.records, c.text[:0], c.packed, c.ends)
	return c.records, err
}

// indexColumns are the columns of the table events, in the order of its rows.
const indexColumns = 12

// index calls yield for the rows of the index behind a place, in the order of
// time. It returns the place of the last one, and the number of rows.
func (s *session) index(ctx context.Context, after indexPlace, yield func(tx *sql.Tx, at indexPlace, columns []btree.Value) error) (last indexPlace, n int, err error) {
	t, err := s.open(ctx)
	if err != nil {
		return after, 0, err
	}
	defer s.done()
	columns := make([]btree.Value, indexColumns)
	last = after
	err = t.Index(t.roots["events"], func(row btree.Row) (bool, error) {
		err := btree.Columns(row.Payload, columns[:2])
		return !placeOf(columns).after(after), err
	}, func(row btree.Row) (bool, error) {
		if err := btree.Columns(row.Payload, columns); err != nil {
			return false, err
		}
		at := placeOf(columns)
		if !at.after(last) {
			return false, errOrder
		}
		last, n = at, n+1
		return n < rowsTogether, yield(t.tx, at, columns)
	})
	return last, n, damaged(err)
}

// indexPlace is the place of a row in the order of the index.
type indexPlace struct{ time, seq int64 }

func placeOf(columns []btree.Value) indexPlace {
	return indexPlace{columns[0].Integer, columns[1].Integer}
}

func (p indexPlace) after(other indexPlace) bool {
	return p.time > other.time || p.time == other.time && p.seq > other.seq
}
