package preview

import (
	"context"
	"errors"
	"io"
	"strings"

	"usher/client/preview/parquet"
	"usher/client/quantity"
)

const (
	parquetRows  = 200       // first rows of a Parquet file
	parquetAhead = 4 << 10   // bytes read of a page at least
	mostFooter   = 2 << 20   // bytes
	mostChunk    = 256 << 10 // unpacked bytes of a column's first page
)

// showParquet shows the first rows and the schema of a Parquet file, by ranges of its
// footer and of the first pages of its columns.
func showParquet(ctx context.Context, d *Doc, in input) error {
	limits := parquet.Limits{Footer: mostFooter, Columns: mostColumns, Page: mostChunk, Rows: parquetRows, Cell: mostCell}
	src := in.r.reader(ctx, parquetAhead)
	f, err := parquet.Open(src, in.r.Size(), limits)
	if err != nil {
		return inFile(err)
	}
	schema := &Table{Title: "schema", Head: []string{"Column", "Type", "", "Compression", "Encoding", "Bytes"}, Right: []bool{false, false, false, false, false, true}}
	for _, c := range f.Columns {
		schema.Rows = append(schema.Rows, []string{cellOf(strings.Join(c.Path, ".")), c.Type, c.Repetition, c.Compression, c.Encodings, quantity.Count(c.Bytes)})
	}
	d.Next = 0
	d.note("%s in %s, %s.", quantity.Plural(f.Rows, "row", "rows"), quantity.Plural(f.Groups, "row group", "row groups"), quantity.Plural(len(f.Columns), "column", "columns"))
	rows, err := f.First(src)
	if rows.Failed > 0 {
		d.note("The values of %s cannot be shown: %s.", quantity.Plural(rows.Failed, "column", "columns"), rows.Reason)
	}
	if len(rows.Cells) > 0 {
		d.add(parquetTable(f, rows.Cells))
		if int64(len(rows.Cells)) < f.Rows {
			d.note("The table has the first %d rows.", len(rows.Cells))
		}
	}
	d.add(schema)
	if err != nil {
		return inFile(err)
	}
	return nil
}

func parquetTable(f *parquet.File, rows [][]string) *Table {
	t := &Table{Title: "table", Rows: rows}
	for _, c := range f.Columns {
		t.Head = append(t.Head, cellOf(strings.Join(c.Path, ".")))
		t.Right = append(t.Right, c.Number)
	}
	return t
}

// inFile turns an error of the package parquet into one about the content.
func inFile(err error) error {
	var known parquet.Error
	switch {
	case errors.As(err, &known):
		return damaged(known)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return damaged("it ends too early")
	}
	return err
}
