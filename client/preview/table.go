package preview

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"io"
	"path"
	"slices"
	"strings"
	"unicode/utf8"
)

// Table is rows of cells below a head.
type Table struct {
	Title string // "table", "listing", "schema"
	Head  []string
	Right []bool // columns of numbers
	Rows  [][]string
}

// Name implements View.
func (t *Table) Name() string { return t.Title }

// drop removes a column.
func (t *Table) drop(column int) {
	t.Head = slices.Delete(t.Head, column, column+1)
	t.Right = slices.Delete(t.Right, column, column+1)
	for i, r := range t.Rows {
		t.Rows[i] = slices.Delete(r, column, column+1)
	}
}

// showTable shows a CSV or TSV file.
func showTable(ctx context.Context, d *Doc, in input) error {
	text, ok := d.decode(in)
	if !ok {
		return damaged("it is not text")
	}
	cells := &cellReader{r: strings.NewReader(text)}
	r := csv.NewReader(cells)
	r.Comma, r.LazyQuotes, r.FieldsPerRecord = separator(in.name, text), true, -1
	t := &Table{Title: "table"}
	sum := 0
	cells.separator = byte(r.Comma)
	for {
		cells.n = 0
		record, err := r.Read()
		var bad *csv.ParseError
		switch {
		case errors.Is(err, io.EOF):
			return d.finish(t, in)
		case errors.As(err, &bad):
			d.note("Line %d is not a whole record.", bad.Line)
		case err != nil:
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if len(record) > mostColumns {
			record = record[:mostColumns]
			d.note("The table stops after %d columns.", mostColumns)
		}
		for i, c := range record {
			record[i] = cellOf(c)
		}
		if sum += len(record) + 2; sum > mostCells {
			d.note("The table stops after %d rows.", len(t.Rows))
			return d.finish(t, in)
		}
		t.Rows = append(t.Rows, record)
	}
}

// cellReader ends after a record with too many separators. csv.Reader keeps all cells
// of a record.
type cellReader struct {
	r         io.Reader
	separator byte
	n         int // separators since the record before
}

func (c *cellReader) Read(p []byte) (int, error) {
	if c.n > mostCells {
		return 0, damaged("a record has too many cells")
	}
	n, err := c.r.Read(p)
	c.n += bytes.Count(p[:n], []byte{c.separator})
	return n, err
}

// finish takes the first record as the head. The last record of an incomplete text is
// dropped.
func (d *Doc) finish(t *Table, in input) error {
	if !in.complete && len(t.Rows) > 1 {
		t.Rows = t.Rows[:len(t.Rows)-1]
	}
	if len(t.Rows) == 0 {
		return damaged("it has no record")
	}
	t.Head, t.Rows = t.Rows[0], t.Rows[1:]
	for _, r := range t.Rows {
		for len(t.Head) < len(r) {
			t.Head = append(t.Head, "")
		}
	}
	t.align()
	d.add(t)
	return nil
}

// cellOf bounds a cell.
func cellOf(s string) string {
	if len(s) <= mostCell {
		return s
	}
	return cut(s, mostCell) + "…"
}

// separator returns the separator of a table: the one that the first line has most.
func separator(name, text string) rune {
	if ext := path.Ext(name); ext == ".tsv" || ext == ".tab" {
		return '\t'
	}
	line, _, _ := strings.Cut(text[:min(len(text), int(First))], "\n")
	best, most := ',', 0
	for _, c := range ",;\t|" {
		if n := strings.Count(line, string(c)); n > most {
			best, most = c, n
		}
	}
	return best
}

// align finds the columns of numbers in the first rows.
func (t *Table) align() {
	t.Right = make([]bool, len(t.Head))
	for c := range t.Right {
		numbers, others := 0, 0
		for _, r := range t.Rows[:min(len(t.Rows), 100)] {
			switch {
			case c >= len(r) || r[c] == "":
			case isNumber(r[c]):
				numbers++
			default:
				others++
			}
		}
		t.Right[c] = numbers > 0 && others == 0
	}
}

// isNumber reports whether a cell is a number with few other signs.
func isNumber(s string) bool {
	digits := 0
	for _, r := range s {
		switch {
		case r >= '0' && r <= '9':
			digits++
		case !strings.ContainsRune("+-.,eE% ", r):
			return false
		}
	}
	return digits > 0 && utf8.RuneCountInString(s) < 32
}
