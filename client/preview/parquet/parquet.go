// Package parquet reads the schema and the first rows of Parquet files by ranges: the
// footer, then the beginning of the first pages of each column. It never needs a whole
// page, so its cost depends on the number of columns and not on the size of pages.
//
// It reads PLAIN, dictionaries, RLE, the three delta encodings and BYTE_STREAM_SPLIT;
// pages of both versions; without compression, Snappy, gzip, zstd and LZ4_RAW.
// Columns of another form are in the schema, and have no values.
//
// It is not github.com/parquet-go/parquet-go, which reads whole pages: the first 200
// rows of 11 columns in pages of 1 MiB need 5.6 to 7.3 MB there and 0.2 to 1.7 MB here,
// and a preview fetches at most 4 MiB without a question. It
// also adds 10 MB to the program. TestParquetGo of the rig compares both.
//
// Guarantees: memory is bounded by Limits, whatever lengths a file names. An error
// about the content is an Error; all others are those of the io.ReaderAt.
//
// SPEC: https://parquet.apache.org/docs/file-format/ and parquet.thrift.
package parquet

import (
	"encoding/binary"
	"errors"
	"io"
)

// Error is a part of a sentence about damaged or unknown content. It holds no text of
// the file.
type Error string

func (e Error) Error() string { return string(e) }

// Limits bound the reading of a file.
type Limits struct {
	Footer  int // bytes of the footer
	Columns int
	Page    int // unpacked bytes of a page
	Rows    int
	Cell    int // bytes of a value
}

// File is a file's footer.
type File struct {
	Rows    int64
	Groups  int
	Columns []Column
	limits  Limits
}

// Column is a leaf of the schema.
type Column struct {
	Path        []string // raw
	Type        string   // "int64", "timestamp(us, UTC)"
	Repetition  string   // "required", "optional" or "repeated"; of the innermost part
	Compression string   // of the first row group
	Encodings   string   // of the first row group
	Bytes       int64    // compressed, of all row groups
	Number      bool     // its values are numbers

	leaf  leaf
	chunk *chunk // of the first row group with rows; nil: none
}

const magic = "PAR1"

// Open reads the footer of a file of size bytes.
func Open(r io.ReaderAt, size int64, limits Limits) (*File, error) {
	var tail [8]byte
	if size < 12 {
		return nil, Error("it is too short")
	}
	if err := readFull(r, tail[:], size-8); err != nil {
		return nil, err
	}
	switch string(tail[4:]) {
	case magic:
	case "PARE":
		return nil, Error("its footer is encrypted")
	default:
		return nil, Error("it does not end with a footer")
	}
	n := int64(binary.LittleEndian.Uint32(tail[:]))
	switch {
	case n > size-12:
		return nil, Error("its footer is larger than the file")
	case n > int64(limits.Footer):
		return nil, Error("its footer is too large for a preview")
	}
	footer := make([]byte, n)
	if err := readFull(r, footer, size-8-n); err != nil {
		return nil, err
	}
	return parseFooter(footer, limits)
}

// readFull fills p. A range at the end of the file has io.EOF with all bytes.
func readFull(r io.ReaderAt, p []byte, off int64) error {
	n, err := r.ReadAt(p, off)
	if n == len(p) {
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		return Error("it ends too early")
	}
	return err
}

// Rows are the first rows of a file.
type Rows struct {
	Cells [][]string // a value that is not read is "…"
	// Failed is the number of columns with values that cannot be read, and Reason the
	// first cause.
	Failed int
	Reason Error
}

// First returns the first rows, and the rows so far with an error of the reader.
func (f *File) First(r io.ReaderAt) (Rows, error) {
	most := int(min(int64(f.limits.Rows), f.Rows))
	if len(f.Columns) > 100 {
		most = min(most, 50)
	}
	var out Rows
	for i := range f.Columns {
		values, err := f.Columns[i].first(r, most, f.limits)
		var content Error
		switch {
		case errors.As(err, &content):
			if out.Failed++; out.Failed == 1 {
				out.Reason = content
			}
		case err != nil:
			return out, err
		}
		out.column(i, len(f.Columns), values)
	}
	return out, nil
}

// column sets the values of column i of n.
func (o *Rows) column(i, n int, values []string) {
	for len(o.Cells) < len(values) {
		row := make([]string, n)
		for j := range row {
			row[j] = missing
		}
		o.Cells = append(o.Cells, row)
	}
	for j, v := range values {
		o.Cells[j][i] = v
	}
}
