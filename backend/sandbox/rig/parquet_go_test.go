package rig

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"

	"usher/client/preview"
)

// reading is a row of a file that parquet-go writes.
type reading struct {
	Station string
	Note    *string
	Day     int32 `parquet:"day,date"`
	A, B    int64
	C, D    float64
	E, F    uint32
	G       bool
	Tags    []string `parquet:"tags,list"`
}

// fileInMemory counts the bytes that are read of it.
type fileInMemory struct {
	data []byte
	read int64
}

func (f *fileInMemory) ReadRange(_ context.Context, off, n int64) ([]byte, error) {
	f.read += n
	return f.data[off : off+n], nil
}

func (f *fileInMemory) ReadAt(p []byte, off int64) (int, error) {
	n, err := bytes.NewReader(f.data).ReadAt(p, off)
	f.read += int64(n)
	return n, err
}

// parquet-go writes files in its usual pages of 1 MiB, and reads the rows that usher
// shows. Its pages are read whole, so that the first rows need more bytes than usher
// fetches without a question.
func TestParquetGo(t *testing.T) {
	for _, codec := range []struct {
		name string
		with parquet.WriterOption
	}{{"none", parquet.Compression(&parquet.Uncompressed)}, {"snappy", parquet.Compression(&parquet.Snappy)}, {"gzip", parquet.Compression(&parquet.Gzip)}, {"zstd", parquet.Compression(&parquet.Zstd)}} {
		t.Run(codec.name, func(t *testing.T) {
			data := readings(t, 120_000, codec.with)
			file := &fileInMemory{data: data}
			d, err := preview.Open(t.Context(), preview.NewRanges(file, int64(len(data))), "readings.parquet", preview.First)
			if err != nil {
				t.Fatal(err)
			}
			shown, ok := d.Views[0].(*preview.Table)
			if !ok || len(shown.Rows) != 200 || len(shown.Head) != 11 {
				t.Fatalf("the first view is %T (%q)", d.Views[0], d.Notes)
			}
			theirs := &fileInMemory{data: data}
			rows := firstRows(t, theirs, int64(len(data)), 200)
			for i, r := range rows {
				want := []string{r.Station, "null", fmt.Sprint(r.A), fmt.Sprint(r.B), fmt.Sprint(r.E), fmt.Sprint(r.G), joined(r.Tags)}
				if r.Note != nil {
					want[1] = *r.Note
				}
				s := shown.Rows[i]
				if got := []string{s[0], s[1], s[3], s[4], s[7], s[9], s[10]}; fmt.Sprint(got) != fmt.Sprint(want) {
					t.Fatalf("row %d is %q, want %q", i, got, want)
				}
			}
			t.Logf("PREVIEW parquet codec=%s file=%d usher=%d parquet_go=%d", codec.name, len(data), file.read, theirs.read)
			if file.read > preview.Free/2 || theirs.read <= preview.Free {
				t.Errorf("usher reads %d bytes, parquet-go %d of %d", file.read, theirs.read, len(data))
			}
		})
	}
}

func joined(tags []string) string { return "[" + strings.Join(tags, ", ") + "]" }

func readings(t *testing.T, n int, codec parquet.WriterOption) []byte {
	t.Helper()
	r := rand.New(rand.NewPCG(1, 2))
	var out bytes.Buffer
	w := parquet.NewGenericWriter[reading](&out, codec, parquet.PageBufferSize(1<<20))
	for i := range n {
		row := reading{Station: fmt.Sprintf("station-%d-%x", i, r.Uint64()), Day: int32(20_000 + i/1000), A: r.Int64(), B: r.Int64(), C: r.Float64(), D: r.NormFloat64(), E: r.Uint32(), F: r.Uint32(), G: i%2 == 0}
		if i%3 == 0 {
			note := fmt.Sprintf("note %x", r.Uint64())
			row.Note = &note
		}
		for j := range i % 3 {
			row.Tags = append(row.Tags, fmt.Sprintf("tag-%d-%x", j, r.Uint32()))
		}
		if _, err := w.Write([]reading{row}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// firstRows reads rows with parquet-go in its smallest steps.
func firstRows(t *testing.T, f io.ReaderAt, size int64, n int) []reading {
	t.Helper()
	opened, err := parquet.OpenFile(f, size, parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true), parquet.ReadBufferSize(4<<10))
	if err != nil {
		t.Fatal(err)
	}
	r := parquet.NewGenericReader[reading](opened)
	defer func() { _ = r.Close() }()
	rows := make([]reading, n)
	if m, err := r.Read(rows); m < n && !errors.Is(err, io.EOF) {
		t.Fatalf("%d rows, %v", m, err)
	}
	return rows
}
