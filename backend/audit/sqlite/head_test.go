package sqlite

import (
	"database/sql"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"usher/backend/audit/tree"
	"usher/backend/event"
)

// copyFile copies one file, without its WAL and head file.
func copyFile(t testing.TB, from, to string) {
	t.Helper()
	r, err := os.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	w, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		t.Fatal(errors.Join(err, r.Close()))
	}
	_, err = io.Copy(w, r)
	if err := errors.Join(err, r.Close(), w.Close()); err != nil {
		t.Fatal(err)
	}
}

// A log without its last records is refused. It can be opened only by a caller
// that accepts the loss.
func TestALostWALIsDetected(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.db")
	logWith(t, path, 5)
	acknowledged := len(killAfter(t, path, 20))
	if err := os.Remove(path + "-wal"); err != nil {
		t.Fatal(err)
	}
	for range 2 { // a refusal changes nothing
		if s, err := Open(Config{Path: path}); !errors.Is(err, ErrBehind) || !strings.Contains(err.Error(), "it ends at record 5,") || !strings.Contains(err.Error(), "--accept-lost-records") {
			if err == nil {
				_ = s.Close()
			}
			t.Fatalf("a log without its last %d records: %v", acknowledged, err)
		}
	}
	s, err := Open(Config{Path: path, AcceptLost: true})
	if err != nil || !errors.Is(s.Lost(), ErrBehind) {
		t.Fatalf("accepted: %v", err)
	}
	if err := errors.Join(s.Append(t.Context(), samples(900_000, 2)), s.Close()); err != nil {
		t.Fatal(err)
	}
	again := openTest(t, path)
	if whole(t, again); again.Lost() != nil {
		t.Errorf("the accepted loss is reported again: %v", again.Lost())
	}
}

// The loss of all records is detected, and can be accepted too.
func TestADeletedLogIsDetected(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.db")
	logWith(t, path, 5)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(Config{Path: path}); !errors.Is(err, ErrBehind) {
		t.Fatalf("%v", err)
	}
	if _, err := os.Stat(path + headSuffix); err != nil {
		t.Errorf("the refusal removed the head file: %v", err)
	}
	s, err := Open(Config{Path: path, AcceptLost: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	openTest(t, path)
}

func TestAReplacedLogIsDetected(t *testing.T) {
	dir := t.TempDir()
	path, other := filepath.Join(dir, "audit.db"), filepath.Join(dir, "other.db")
	logWith(t, path, 5)
	s := openTest(t, other)
	if err := errors.Join(s.Append(t.Context(), samples(100, 9)), s.Close()); err != nil {
		t.Fatal(err)
	}
	copyFile(t, other, path)
	if _, err := Open(Config{Path: path}); !errors.Is(err, ErrBehind) || !strings.Contains(err.Error(), "first 5 records differ") {
		t.Errorf("%v", err)
	}
}

// The head file is written after the commit. During the transaction it has the
// previous head.
func TestTheHeadFileFollowsTheCommit(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.db")
	s := openTest(t, path)
	claimed := func() int64 {
		h, err := readHead(path + headSuffix)
		if err != nil {
			t.Error(err)
		}
		return h.Size
	}
	for i := range 5 {
		var within int64
		w := &pending{ctx: hookContext{t.Context(), func() { within = claimed() }}, events: samples(i, 1), done: make(chan error, 1)}
		w.canonical = [][]byte{event.Canonical(w.events[0])}
		s.queue <- w
		if err := <-w.done; err != nil {
			t.Fatal(err)
		}
		if after := claimed(); within != int64(i) || after != int64(i+1) {
			t.Errorf("record %d: %d claimed before its commit, %d after", i+1, within, after)
		}
	}
}

// After a torn write of one slot, the other slot has the previous head.
func TestATornHead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "head")
	h, err := openHead(path, 0)
	if err != nil {
		t.Fatal(err)
	}
	for n := range int64(4) {
		if err := h.write(claim{tree.Head{Size: n + 1, Root: tree.Hash{byte(n)}}, n}); err != nil {
			t.Fatal(err)
		}
	}
	if err := h.close(); err != nil {
		t.Fatal(err)
	}
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		hurt func([]byte) []byte
		want int64
	}{
		{"whole", func(b []byte) []byte { return b }, 4},
		{"the newer slot torn", func(b []byte) []byte { b[slotSize+40] ^= 1; return b }, 3},
		{"the older slot torn", func(b []byte) []byte { b[40] ^= 1; return b }, 4},
		{"both torn", func(b []byte) []byte { b[40] ^= 1; b[slotSize+40] ^= 1; return b }, 0},
		{"cut short", func(b []byte) []byte { return b[:slotSize+30] }, 3},
		{"empty", func([]byte) []byte { return nil }, 0},
		{"text", func([]byte) []byte { return []byte("hello\n") }, 0},
	} {
		if err := os.WriteFile(path, c.hurt(append([]byte(nil), good...)), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := readHead(path); err != nil || got.Size != c.want {
			t.Errorf("%s: record %d is claimed, want %d (%v)", c.name, got.Size, c.want, err)
		}
	}
}

func TestACheckFailsWithTheLog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.db")
	s := openTest(t, path)
	if err := s.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	if err := s.Check(t.Context()); !errors.Is(err, errFileGone) {
		t.Errorf("a check without the file: %v", err)
	}
	if err := os.Rename(path+".1", path); err != nil {
		t.Fatal(err)
	}
	if err := s.Check(t.Context()); err != nil {
		t.Errorf("a check with the file again: %v", err)
	}
	if head := whole(t, s); head.Size != 0 {
		t.Errorf("checks made %d records", head.Size)
	}
}

// A check writes: its commit grows the write-ahead log.
func TestACheckWrites(t *testing.T) {
	s := openTest(t, filepath.Join(t.TempDir(), "audit.db"))
	before := walSize(t, s)
	if err := s.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	if after := walSize(t, s); after <= before {
		t.Errorf("the write-ahead log had %d bytes and has %d", before, after)
	}
}

// A failed Open creates no file and changes none.
func TestAFailedOpenChangesNothing(t *testing.T) {
	foreign := func(t *testing.T, path string) {
		db, err := sql.Open("sqlite", "file:"+path)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := db.Exec("CREATE TABLE t (x)"); err != nil {
			t.Fatal(err)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		name string
		make func(t *testing.T, path string)
		want error
	}{
		{"a folder", func(t *testing.T, path string) {
			if err := os.Mkdir(path, 0o755); err != nil {
				t.Fatal(err)
			}
		}, ErrForeign},
		{"a text", func(t *testing.T, path string) {
			if err := os.WriteFile(path, []byte("grants: []\n"), 0o644); err != nil {
				t.Fatal(err)
			}
		}, ErrForeign},
		{"a long text", func(t *testing.T, path string) {
			if err := os.WriteFile(path, []byte(strings.Repeat("grants: []\n", 100)), 0o644); err != nil {
				t.Fatal(err)
			}
		}, ErrForeign},
		{"another database", foreign, ErrForeign},
		{"a folder at the lock's path", func(t *testing.T, path string) {
			if err := os.Mkdir(path+".lock", 0o755); err != nil {
				t.Fatal(err)
			}
		}, nil},
		{"a folder at the head file's path", func(t *testing.T, path string) {
			if err := os.Mkdir(path+headSuffix, 0o755); err != nil {
				t.Fatal(err)
			}
		}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "audit.db")
			c.make(t, path)
			before := names(t, dir)
			s, err := Open(Config{Path: path})
			if err == nil {
				_ = s.Close()
			}
			if err == nil || c.want != nil && !errors.Is(err, c.want) {
				t.Errorf("%v, want %v", err, c.want)
			}
			if after := names(t, dir); after != before {
				t.Errorf("the folder had %s and has %s", before, after)
			}
		})
	}
}

func names(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, e := range entries {
		all = append(all, e.Name()+map[bool]string{true: "/"}[e.Type()&fs.ModeDir != 0])
	}
	return strings.Join(all, " ")
}
