package parquet_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"usher/client/preview/parquet"
)

func limits() parquet.Limits {
	return parquet.Limits{Footer: 1 << 20, Columns: 100, Page: 256 << 10, Rows: 60, Cell: 200}
}

// want returns row i of the files in testdata, which github.com/parquet-go/parquet-go
// v0.32.0 wrote.
func want(i int) []string {
	maybe, b := "null", "null"
	if i%2 == 0 {
		maybe, b = fmt.Sprint(i), fmt.Sprintf("b%d", i)
	}
	var tags []string
	for j := range i % 4 {
		tags = append(tags, fmt.Sprintf("t%d", j))
	}
	cents := i*101 - 300
	sign := ""
	if cents < 0 {
		sign, cents = "-", -cents
	}
	return []string{
		fmt.Sprint(i*i - 50), []string{"alpha", "beta", "gamma"}[i%3], fmt.Sprintf("note %d é", i), fmt.Sprintf("common-prefix-%05d", i),
		fmt.Sprint(float64(i) * 1.25), fmt.Sprint(float32(i) / 3), fmt.Sprint(i%3 == 0),
		fmt.Sprintf("2026-03-14 09:12:%02d.%06dZ", i%60, i), time.Unix(int64(20000+i)*86400, 0).UTC().Format("2006-01-02"),
		fmt.Sprintf("%s%d.%02d", sign, cents/100, cents%100), fmt.Sprint(4294967295 - i), fmt.Sprintf("%02x010203-0000-0000-0000-000000000000", i),
		maybe, "[" + strings.Join(tags, ", ") + "]", fmt.Sprint(-i), b,
	}
}

// The first rows of files in each compression and page version are those of their
// writer.
func TestRowsOfAnotherWriter(t *testing.T) {
	files, err := filepath.Glob("testdata/*.parquet")
	if err != nil || len(files) < 8 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, path := range files {
		t.Run(filepath.Base(path), func(t *testing.T) {
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			f, err := parquet.Open(bytes.NewReader(data), int64(len(data)), limits())
			if err != nil {
				t.Fatal(err)
			}
			if f.Rows != 60 || f.Groups != 2 || len(f.Columns) != 16 {
				t.Errorf("%d rows, %d groups, %d columns", f.Rows, f.Groups, len(f.Columns))
			}
			rows, err := f.First(bytes.NewReader(data))
			if err != nil {
				t.Fatal(err)
			}
			if strings.HasPrefix(filepath.Base(path), "brotli") {
				if rows.Failed != 16 || rows.Reason != "its compression is not known" {
					t.Errorf("%d columns fail: %s", rows.Failed, rows.Reason)
				}
				return
			}
			if rows.Failed != 0 || len(rows.Cells) != 40 { // of the first row group
				t.Errorf("%d columns fail (%s), %d rows", rows.Failed, rows.Reason, len(rows.Cells))
			}
			for i, r := range rows.Cells {
				if w := want(i); fmt.Sprint(r) != fmt.Sprint(w) {
					t.Fatalf("row %d:\n%q\nwant\n%q", i, r, w)
				}
			}
		})
	}
}

// The types of the schema.
func TestSchema(t *testing.T) {
	data, err := os.ReadFile("testdata/snappy-v2.parquet")
	if err != nil {
		t.Fatal(err)
	}
	f, err := parquet.Open(bytes.NewReader(data), int64(len(data)), limits())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range f.Columns {
		got = append(got, strings.Join(c.Path, ".")+" "+c.Type+" "+c.Repetition+" "+c.Compression)
	}
	for _, line := range []string{"id int64 required snappy", "name string required snappy", "when timestamp(us, UTC) required snappy", "day date required snappy",
		"amount decimal(10, 2) required snappy", "u uint32 required snappy", "uuid uuid required snappy", "maybe int64 optional snappy", "tags.list.element string required snappy", "in.b string optional snappy"} {
		if !strings.Contains(strings.Join(got, "\n"), line) {
			t.Errorf("no %q in\n%s", line, strings.Join(got, "\n"))
		}
	}
}

// FuzzOpen reads any bytes. A hang or a panic fails.
func FuzzOpen(f *testing.F) {
	files, _ := filepath.Glob("testdata/*.parquet")
	for _, path := range files {
		if data, err := os.ReadFile(path); err == nil {
			f.Add(data)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := parquet.Open(bytes.NewReader(data), int64(len(data)), limits())
		if err != nil {
			return
		}
		rows, err := p.First(bytes.NewReader(data))
		if err == nil && len(rows.Cells) > limits().Rows {
			t.Errorf("%d rows", len(rows.Cells))
		}
	})
}
