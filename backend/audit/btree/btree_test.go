package btree

import (
	"bytes"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	_ "modernc.org/sqlite"
)

// database makes a database with a table with row ids and one without, and returns
// its pages. SQLite's own answers are in the rows.
func database(t testing.TB, pageSize, rows int) (file []byte, roots map[string]uint32, table, index []string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "test.db")
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	exec := func(query string, args ...any) {
		if _, err := db.Exec(query, args...); err != nil {
			t.Fatal(query, err)
		}
	}
	exec(fmt.Sprintf("PRAGMA page_size = %d", pageSize))
	exec("CREATE TABLE one (n INTEGER PRIMARY KEY, a, b)")
	exec("CREATE TABLE two (time INTEGER NOT NULL, seq INTEGER NOT NULL, a, b, PRIMARY KEY (time, seq)) WITHOUT ROWID")
	exec("BEGIN")
	r := rand.New(rand.NewPCG(uint64(pageSize), uint64(rows)))
	for i := range rows {
		a := []any{nil, int64(r.Uint64()), int64(r.Uint64()) >> r.IntN(64), 1.5, "text", []byte("blob"), int64(0), int64(1), int64(-1)}[r.IntN(9)]
		b := bytes.Repeat([]byte{byte(i)}, r.IntN(40))
		if r.IntN(20) == 0 {
			b = bytes.Repeat([]byte{byte(i)}, r.IntN(4*pageSize))
		}
		exec("INSERT INTO one VALUES (?, ?, ?)", 1+3*i, a, b)
		exec("INSERT INTO two VALUES (?, ?, ?, ?)", r.IntN(rows)-rows/2, i, a, b)
	}
	exec("DELETE FROM one WHERE n % 7 = 0")
	exec("DELETE FROM two WHERE seq % 5 = 0")
	exec("COMMIT")
	roots = map[string]uint32{}
	all := func(query string) (found []string) {
		rows, err := db.Query(query)
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		for rows.Next() {
			var text string
			if err := rows.Scan(&text); err != nil {
				t.Fatal(err)
			}
			found = append(found, text)
		}
		return found
	}
	for _, name := range []string{"one", "two"} {
		var root uint32
		if err := db.QueryRow("SELECT rootpage FROM sqlite_schema WHERE name = ?", name).Scan(&root); err != nil {
			t.Fatal(err)
		}
		roots[name] = root
	}
	value := "typeof(%[1]s) || ' ' || iif(typeof(%[1]s) = 'real', '', iif(typeof(%[1]s) = 'integer', %[1]s, coalesce(hex(%[1]s), '')))"
	table = all("SELECT n || ' ' || " + fmt.Sprintf(value, "a") + " || ' ' || " + fmt.Sprintf(value, "b") + " FROM one ORDER BY n")
	index = all("SELECT time || ' ' || seq || ' ' || " + fmt.Sprintf(value, "a") + " || ' ' || " + fmt.Sprintf(value, "b") + " FROM two ORDER BY time, seq")
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if file, err = os.ReadFile(path); err != nil {
		t.Fatal(err)
	}
	return file, roots, table, index
}

// text returns a value in the form of database.
func text(v Value) string {
	switch v.Kind {
	case Null:
		return "null "
	case Integer:
		return fmt.Sprintf("integer %d", v.Integer)
	case Real:
		return "real "
	case Text:
		return fmt.Sprintf("text %X", v.Bytes)
	}
	return fmt.Sprintf("blob %X", v.Bytes)
}

// reader reads the pages of a file, and counts them.
func reader(t testing.TB, file []byte, read *int) *Reader {
	t.Helper()
	r, err := New(pagesOf(file, read), new(Buffers))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func pagesOf(file []byte, read *int) Pages {
	size := int(binary.BigEndian.Uint16(file[16:]))
	return func(numbers []uint32, buffer []byte) (all [][]byte, err error) {
		for _, n := range numbers {
			*read++
			if n > 0 && int(n)*size <= len(file) {
				from := len(buffer)
				buffer = append(buffer, file[int(n-1)*size:int(n)*size]...)
				all = append(all, buffer[from:len(buffer):len(buffer)])
			}
		}
		return all, nil
	}
}

// rows reads a table from a place on.
func rows(r *Reader, root uint32, after int64) (all []string, err error) {
	v := make([]Value, 3)
	err = r.Table(root, after, func(row Row) (bool, error) {
		err := Columns(row.Payload, v)
		all = append(all, fmt.Sprintf("%d %s %s", row.ID, text(v[1]), text(v[2])))
		return true, err
	})
	return all, err
}

var errOrder = errors.New("not in order")

func indexRows(r *Reader, root uint32, time, seq int64) (all []string, err error) {
	v := make([]Value, 4)
	lastTime, lastSeq := time, seq
	after := func(t, s int64) bool {
		return v[0].Integer > t || v[0].Integer == t && v[1].Integer > s
	}
	err = r.Index(root, func(row Row) (bool, error) {
		err := Columns(row.Payload, v[:2])
		return !after(time, seq), err
	}, func(row Row) (bool, error) {
		if err := Columns(row.Payload, v); err != nil {
			return false, err
		}
		if !after(lastTime, lastSeq) {
			return false, errOrder
		}
		lastTime, lastSeq = v[0].Integer, v[1].Integer
		all = append(all, fmt.Sprintf("%d %d %s %s", v[0].Integer, v[1].Integer, text(v[2]), text(v[3])))
		return true, nil
	})
	return all, err
}

// Every row is the one of SQLite, from any place on.
func TestRowsOfSQLite(t *testing.T) {
	for _, c := range []struct{ page, rows int }{{512, 0}, {512, 1}, {512, 900}, {4096, 2000}, {1024, 60}} {
		file, roots, table, index := database(t, c.page, c.rows)
		read := 0
		r := reader(t, file, &read)
		got, err := rows(r, roots["one"], 0)
		if err != nil || strings.Join(got, "\n") != strings.Join(table, "\n") {
			t.Fatalf("%v: %d rows, want %d (%v)", c, len(got), len(table), err)
		}
		got, err = indexRows(r, roots["two"], -1<<62, 0)
		if err != nil || strings.Join(got, "\n") != strings.Join(index, "\n") {
			t.Fatalf("%v: %d rows of the index, want %d (%v)", c, len(got), len(index), err)
		}
		for i := 0; i < len(table); i += 1 + len(table)/40 {
			var after, time, seq int64
			fmt.Sscan(table[i], &after)
			read = 0
			got, err := rows(r, roots["one"], after)
			if err != nil || len(got) != len(table)-i-1 || len(got) > 0 && got[0] != table[i+1] {
				t.Fatalf("%v: after row %d: %d rows, want %d (%v)", c, i, len(got), len(table)-i-1, err)
			}
			if i >= len(index) {
				continue
			}
			fmt.Sscan(index[i], &time, &seq)
			got, err = indexRows(r, roots["two"], time, seq)
			if err != nil || len(got) != len(index)-i-1 || len(got) > 0 && got[0] != index[i+1] {
				t.Fatalf("%v: after index row %d: %d rows, want %d (%v)", c, i, len(got), len(index)-i-1, err)
			}
		}
	}
}

// A reading can end early, and then reads few pages.
func TestAReadingEnds(t *testing.T) {
	file, roots, _, _ := database(t, 512, 900)
	read := 0
	r := reader(t, file, &read)
	read = 0
	n := 0
	if err := r.Table(roots["one"], 1000, func(Row) (bool, error) { n++; return n < 3, nil }); err != nil || n != 3 || read > 4*together {
		t.Errorf("%d rows, %d pages (%v)", n, read, err)
	}
	stop := errors.New("stop")
	if err := r.Table(roots["one"], 0, func(Row) (bool, error) { return true, stop }); !errors.Is(err, stop) {
		t.Errorf("an error of the caller: %v", err)
	}
}

// Changed pages are an error or other rows, and never a crash or a reading without an
// end: no page is read more often than a whole table needs.
func TestChangedPages(t *testing.T) {
	file, roots, _, _ := database(t, 512, 400)
	pages := len(file) / 512
	r := rand.New(rand.NewPCG(1, 1))
	rounds, refused := 1000, 0
	if testing.Short() {
		rounds = 200
	}
	for range rounds {
		changed := bytes.Clone(file)
		for range 1 + r.IntN(4) {
			page := 1 + r.IntN(pages-1)
			at := page*512 + r.IntN(1+r.IntN(512))
			changed[at] = byte(r.Uint32())
			if r.IntN(3) == 0 { // a pointer to another page
				binary.BigEndian.PutUint32(changed[page*512+8:], uint32(1+r.IntN(pages)))
			}
			if r.IntN(5) == 0 { // another page in its place
				copy(changed[page*512:], changed[r.IntN(pages)*512:][:512])
			}
		}
		read := 0
		reader := reader(t, changed, &read)
		_, err1 := rows(reader, roots["one"], 0)
		_, err2 := indexRows(reader, roots["two"], -1<<62, 0)
		for _, err := range []error{err1, err2} {
			if err != nil && !errors.Is(err, ErrMalformed) && !errors.Is(err, errOrder) {
				t.Fatal(err)
			}
			if err != nil {
				refused++
			}
		}
		if limit := 40 * (pages + maxPayload/512); read > limit {
			t.Fatalf("%d pages were read", read)
		}
	}
	if refused < rounds/10 {
		t.Errorf("%d of %d were refused", refused, rounds)
	}
}

// Interior pages that lead to each other, to empty pages, or to nothing are refused.
func TestCycles(t *testing.T) {
	file, roots, _, _ := database(t, 512, 900)
	for _, name := range []string{"one", "two"} {
		root := int(roots[name]-1) * 512
		for what, target := range map[string]uint32{"itself": roots[name], "the header": 1, "no page": 0, "a page behind the end": 1 << 30} {
			changed := bytes.Clone(file)
			binary.BigEndian.PutUint32(changed[root+8:], target)
			read := 0
			r := reader(t, changed, &read)
			_, err := rows(r, roots["one"], 0)
			if name == "two" {
				_, err = indexRows(r, roots["two"], -1<<62, 0)
			}
			if !errors.Is(err, ErrMalformed) && !errors.Is(err, errOrder) {
				t.Errorf("%s: %s: %v", name, what, err)
			}
		}
	}
	if _, err := New(func([]uint32, []byte) ([][]byte, error) { return [][]byte{make([]byte, 100)}, nil }, new(Buffers)); !errors.Is(err, ErrMalformed) {
		t.Errorf("a short page: %v", err)
	}
}

func FuzzColumns(f *testing.F) {
	f.Add([]byte{4, 1, 2, 25, 7, 1, 1, 'a', 'b', 'c', 'd', 'e', 'f'})
	f.Add([]byte{2, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		v := make([]Value, 4)
		if err := Columns(b, v); err != nil && !errors.Is(err, ErrMalformed) {
			t.Error(err)
		}
		if _, n := Varint(b); n > 9 || n > len(b) {
			t.Errorf("a varint of %d bytes", n)
		}
	})
}
