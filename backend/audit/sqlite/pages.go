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

// tables reads whole tables from the pages of the database, in a transaction. That
// takes a fifth of the time of a query.
type tables struct {
	*btree.Reader
	tx    *sql.Tx
	roots map[string]uint32
}

// openTables begins a transaction. done ends it.
func openTables(ctx context.Context, db *sql.DB, buffers *btree.Buffers) (t *tables, done func(), err error) {
	tx, err := db.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return nil, nil, err
	}
	done = func() { _ = tx.Rollback() }
	if t, err = newTables(ctx, tx, buffers); err != nil {
		done()
		return nil, nil, err
	}
	return t, done, nil
}

func newTables(ctx context.Context, tx *sql.Tx, buffers *btree.Buffers) (t *tables, err error) {
	t = &tables{tx: tx, roots: map[string]uint32{}}
	rows, err := tx.QueryContext(ctx, "SELECT name, rootpage FROM sqlite_schema WHERE type = 'table'")
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
	t.Reader, err = btree.New(func(numbers []uint32, buffer []byte) ([][]byte, error) {
		return readPages(ctx, tx, numbers, buffer)
	}, buffers)
	return t, damaged(err)
}

// readPages returns pages of the database.
// SPEC: https://www.sqlite.org/dbpage.html
func readPages(ctx context.Context, tx *sql.Tx, numbers []uint32, all []byte) (pages [][]byte, err error) {
	list := []byte{'['}
	for i, n := range numbers {
		if i > 0 {
			list = append(list, ',')
		}
		list = strconv.AppendUint(list, uint64(n), 10)
	}
	const query = "SELECT p.data FROM json_each(?) AS n CROSS JOIN sqlite_dbpage AS p ON p.pgno = n.value"
	rows, err := tx.QueryContext(ctx, query, string(append(list, ']')))
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
	pages        *btree.Buffers
	records      []Record
	packed, text []byte
	ends         []int
}

// recordsByPage returns the next records after a number, in a buffer.
func (s reader) recordsByPage(ctx context.Context, after int64, c *recordChunk) ([]Record, error) {
	t, done, err := openTables(ctx, s.db, c.pages)
	if err != nil {
		return nil, err
	}
	defer done()
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
	c.text, err = s.on(t.tx).expandAll(ctx, c.records, c.text[:0], c.packed, c.ends)
	return c.records, err
}

// indexColumns are the columns of the table events, in the order of its rows.
const indexColumns = 12

// indexByPage calls yield for the rows of the index behind a place, in the order of
// time. It returns the place of the last one, and the number of rows.
func (s reader) indexByPage(ctx context.Context, after indexPlace, buffers *btree.Buffers, yield func(tx *sql.Tx, at indexPlace, columns []btree.Value) error) (last indexPlace, n int, err error) {
	t, done, err := openTables(ctx, s.db, buffers)
	if err != nil {
		return after, 0, err
	}
	defer done()
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
