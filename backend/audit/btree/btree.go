// Package btree reads the rows of a table from the pages of an SQLite database. It
// reads all rows in order, several times faster than a query. It is pure: the caller
// brings the pages.
//
// The pages may be those of an attacker. A page that SQLite would not write is an
// error, and so are rows that are not in order: a reading always ends.
// SPEC: https://www.sqlite.org/fileformat2.html
package btree

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// ErrMalformed reports a page that is none of a table.
var ErrMalformed = errors.New("malformed page of the database")

// Pages returns the pages with the given numbers, from 1 on, in this order. buffer is a
// buffer that the pages may use.
type Pages func(numbers []uint32, buffer []byte) ([][]byte, error)

// Reader reads tables. It is for one goroutine.
type Reader struct {
	pages   Pages
	size    int // bytes of a page
	usable  int // of these, without the reserved ones
	payload []byte
	buffers *Buffers
}

// Buffers are buffers for the pages of each depth. A Reader uses those of an earlier
// one again.
type Buffers [maxDepth + 2][]byte

// Types of pages.
const (
	interiorIndex = 2
	interiorTable = 5
	leafIndex     = 10
	leafTable     = 13
)

// Bounds.
const (
	maxDepth   = 20      // SQLite's own bound
	maxPayload = 5 << 20 // bytes of a row
	together   = 16      // pages of one call
)

// firstHeader is the length of the database's header, on page 1.
const firstHeader = 100

// New returns a reader of a database.
func New(pages Pages, buffers *Buffers) (*Reader, error) {
	if pages == nil || buffers == nil {
		return nil, errors.New("btree: the pages or the buffers are missing")
	}
	first, err := pages([]uint32{1}, nil)
	if err != nil {
		return nil, fmt.Errorf("reading the database's header: %w", err)
	}
	if len(first) != 1 || len(first[0]) < 512 {
		return nil, fmt.Errorf("reading the database's header: %w", ErrMalformed)
	}
	usable := len(first[0]) - int(first[0][20]) // without the bytes that are reserved on each page
	if usable < 480 {
		return nil, fmt.Errorf("reading the database's header: %w", ErrMalformed)
	}
	return &Reader{pages: pages, size: len(first[0]), usable: usable, buffers: buffers}, nil
}

// cell is a row on a page.
type cell struct {
	left    uint32 // page with the rows before it, on an interior page
	rowid   int64  // of a table
	size    int    // of the payload
	payload []byte // its part on this page
	next    uint32 // first overflow page
}

// buffer returns the buffer of the pages below a depth.
func (r *Reader) buffer(depth int) []byte {
	if cap(r.buffers[depth]) < together*r.size {
		r.buffers[depth] = make([]byte, 0, together*r.size)
	}
	return r.buffers[depth]
}

// page is a parsed page.
type page struct {
	data   []byte
	number uint32
	kind   byte
	cells  int
	header int // position of its header
}

func (r *Reader) parse(number uint32, data []byte) (p page, err error) {
	if number == 1 {
		p.header = firstHeader
	}
	if len(data) < r.usable || p.header+12 > r.usable {
		return p, ErrMalformed
	}
	p.data, p.number, p.kind = data[:r.usable], number, data[p.header]
	p.cells = int(binary.BigEndian.Uint16(data[p.header+3:]))
	if p.start()+2*p.cells > r.usable {
		return p, ErrMalformed
	}
	return p, nil
}

func (p page) interior() bool { return p.kind == interiorIndex || p.kind == interiorTable }

// start returns the position of the list of cells.
func (p page) start() int {
	if p.interior() {
		return p.header + 12
	}
	return p.header + 8
}

// right returns the page with the rows behind the last cell.
func (p page) right() uint32 { return binary.BigEndian.Uint32(p.data[p.header+8:]) }

// cell parses the cell with number i.
func (r *Reader) cell(p page, i int) (c cell, err error) {
	at := int(binary.BigEndian.Uint16(p.data[p.start()+2*i:]))
	if at+4 > len(p.data) {
		return c, ErrMalformed
	}
	rest := p.data[at:]
	if p.interior() {
		c.left, rest = binary.BigEndian.Uint32(rest), rest[4:]
	}
	if p.kind != interiorTable {
		size, n := Varint(rest)
		if n == 0 || size < 0 || size > maxPayload {
			return c, ErrMalformed
		}
		c.size, rest = int(size), rest[n:]
	}
	if p.kind == leafTable || p.kind == interiorTable {
		n := 0
		if c.rowid, n = Varint(rest); n == 0 {
			return c, ErrMalformed
		}
		rest = rest[n:]
	}
	if p.kind == interiorTable {
		return c, nil
	}
	local := r.local(p.kind, c.size)
	if local > len(rest) {
		return c, ErrMalformed
	}
	c.payload, rest = rest[:local], rest[local:]
	if local < c.size {
		if len(rest) < 4 {
			return c, ErrMalformed
		}
		c.next = binary.BigEndian.Uint32(rest)
	}
	return c, nil
}

// local returns the number of bytes of a payload that are on the page of its cell.
func (r *Reader) local(kind byte, size int) int {
	most := r.usable - 35
	if kind != leafTable {
		most = (r.usable-12)*64/255 - 23
	}
	if size <= most {
		return size
	}
	least := (r.usable-12)*32/255 - 23
	if some := least + (size-least)%(r.usable-4); some <= most {
		return some
	}
	return least
}

// whole returns the payload of a cell with its part on overflow pages. It is valid
// until the next call.
func (r *Reader) whole(c cell) ([]byte, error) {
	if len(c.payload) == c.size {
		return c.payload, nil
	}
	r.payload = append(r.payload[:0], c.payload...)
	for next := c.next; len(r.payload) < c.size; {
		found, err := r.pages([]uint32{next}, nil)
		if err != nil {
			return nil, err
		}
		if len(found) != 1 || len(found[0]) < r.usable {
			return nil, ErrMalformed
		}
		data := found[0][:r.usable]
		next = binary.BigEndian.Uint32(data)
		r.payload = append(r.payload, data[4:min(len(data), 4+c.size-len(r.payload))]...)
	}
	return r.payload, nil
}

// Row is a row of a table. It is valid during the call that receives it.
type Row struct {
	ID      int64 // of a table with row ids
	Payload []byte
}

// walk reads the pages of one table.
type walk struct {
	*Reader
	index bool
	skip  func(Row) (bool, error) // reports a row before the start; nil: there are none
	yield func(Row) (bool, error)
	prior *int64
	// deeper reports that the page that was read last is an interior one. These are read
	// one by one: the rows that the caller reads may all be below the first of them.
	deeper bool
}

// Table reads the rows of a table with row ids from number after+1 on. It stops when
// yield returns false.
func (r *Reader) Table(root uint32, after int64, yield func(Row) (bool, error)) error {
	w := &walk{Reader: r, yield: yield, prior: &after}
	w.skip = func(row Row) (bool, error) { return row.ID <= after, nil }
	if _, err := w.read(root, 0); err != nil {
		return fmt.Errorf("reading a table: %w", err)
	}
	return nil
}

// Index reads the rows of a table without row ids, or of an index. It leaves out the
// first rows, for which before returns true. The caller checks the order of the rows,
// whose columns only the caller knows. It stops when yield returns false.
func (r *Reader) Index(root uint32, before, yield func(Row) (bool, error)) error {
	w := &walk{Reader: r, index: true, skip: before, yield: yield}
	if _, err := w.read(root, 0); err != nil {
		return fmt.Errorf("reading an index: %w", err)
	}
	return nil
}

// read reads a page and the pages below it. It returns false after the end.
func (w *walk) read(number uint32, depth int) (bool, error) {
	found, err := w.pages([]uint32{number}, nil)
	if err != nil {
		return false, err
	}
	if len(found) != 1 {
		return false, ErrMalformed
	}
	return w.page(number, found[0], depth)
}

func (w *walk) page(number uint32, data []byte, depth int) (bool, error) {
	p, err := w.parse(number, data)
	if err != nil {
		return false, err
	}
	leaf, interior := byte(leafTable), byte(interiorTable)
	if w.index {
		leaf, interior = leafIndex, interiorIndex
	}
	switch {
	case p.kind == leaf && (p.cells > 0 || depth == 0):
		return w.leaf(p)
	case p.kind == interior && p.cells > 0 && depth < maxDepth:
		return w.inside(p, depth)
	}
	return false, ErrMalformed
}

func (w *walk) leaf(p page) (bool, error) {
	w.deeper = false
	for i := range p.cells {
		c, err := w.cell(p, i)
		if err != nil {
			return false, err
		}
		if more, err := w.row(c); err != nil || !more {
			return false, err
		}
	}
	return true, nil
}

// row passes a row on.
func (w *walk) row(c cell) (bool, error) {
	row := Row{ID: c.rowid}
	if w.skip != nil && !w.index {
		if early, err := w.skip(row); err != nil || early {
			return err == nil, err
		}
	}
	if w.prior != nil {
		if c.rowid <= *w.prior {
			return false, ErrMalformed // SQLite keeps the rows in order
		}
		*w.prior = c.rowid
	}
	var err error
	if row.Payload, err = w.whole(c); err != nil {
		return false, err
	}
	if w.skip != nil && w.index {
		if early, err := w.skip(row); err != nil || early {
			return err == nil, err
		}
	}
	w.skip = nil // all further rows are behind the start
	return w.yield(row)
}

// early reports whether all rows below the left page of a cell, and its own row in an
// index, are before the start.
func (w *walk) early(c cell) (bool, error) {
	if w.skip == nil {
		return false, nil
	}
	row := Row{ID: c.rowid}
	if w.index {
		var err error
		if row.Payload, err = w.whole(c); err != nil {
			return false, err
		}
	}
	return w.skip(row)
}

// inside reads the pages below an interior page, some of them with one call.
func (w *walk) inside(p page, depth int) (bool, error) {
	first := 0
	for ; first < p.cells; first++ {
		c, err := w.cell(p, first)
		if err != nil {
			return false, err
		}
		if early, err := w.early(c); err != nil {
			return false, err
		} else if !early {
			break
		}
	}
	n := 1 // the first page alone: its kind is that of the others
	for from := first; from <= p.cells; {
		to := min(from+n, p.cells+1)
		if more, err := w.some(p, from, to, depth); err != nil || !more {
			return false, err
		}
		if from = to; !w.deeper {
			n = together
		}
	}
	w.deeper = true
	return true, nil
}

// some reads the pages left of the cells from number from to number to; the page of
// the last number is the right one.
func (w *walk) some(p page, from, to, depth int) (bool, error) {
	cells := make([]cell, to-from)
	numbers := make([]uint32, to-from)
	for i := range cells {
		var err error
		if from+i == p.cells {
			numbers[i] = p.right()
		} else if cells[i], err = w.cell(p, from+i); err != nil {
			return false, err
		} else {
			numbers[i] = cells[i].left
		}
	}
	found, err := w.pages(numbers, w.buffer(depth))
	if err != nil {
		return false, err
	}
	if len(found) != len(numbers) {
		return false, ErrMalformed
	}
	for i, data := range found {
		if more, err := w.page(numbers[i], data, depth+1); err != nil || !more {
			return false, err
		}
		if from+i == p.cells {
			break
		}
		if w.index {
			if more, err := w.row(cells[i]); err != nil || !more {
				return false, err
			}
			continue
		}
		if cells[i].rowid < *w.prior {
			return false, ErrMalformed // a query by this number would not find the rows before it
		}
		*w.prior = cells[i].rowid
	}
	return true, nil
}
