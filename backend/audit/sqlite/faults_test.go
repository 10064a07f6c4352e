package sqlite

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	codes "modernc.org/sqlite/lib"

	"usher/backend/audit"
	"usher/backend/event"
)

// SQLite would write to files that were deleted or replaced; Append must fail.
func TestAMissingFileFailsClosed(t *testing.T) {
	for name, hurt := range map[string]func(path string) error{
		"log deleted": os.Remove,
		"WAL deleted": func(path string) error { return os.Remove(path + "-wal") },
		"log moved":   func(path string) error { return os.Rename(path, path+".1") },
		"log replaced": func(path string) error {
			return errors.Join(os.Rename(path, path+".1"), os.WriteFile(path, nil, 0o600))
		},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "audit.db")
			s := openTest(t, path)
			if err := s.Append(t.Context(), samples(0, 1)); err != nil {
				t.Fatal(err)
			}
			if err := hurt(path); err != nil {
				t.Fatal(err)
			}
			for i := range 2 {
				if err := s.Append(t.Context(), samples(1+i, 1)); !errors.Is(err, errFileGone) {
					t.Errorf("append %d: %v", i, err)
				}
			}
		})
	}
}

// A commit does not count if the file is moved during it.
func TestAFileMovedDuringTheCommit(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.db")
	s := openTest(t, path)
	hook := &pending{ctx: hookContext{t.Context(), func() { _ = os.Rename(path, path+".1") }}, events: samples(0, 1), done: make(chan error, 1)}
	hook.canonical = [][]byte{event.Canonical(hook.events[0])}
	s.queue <- hook
	if err := <-hook.done; !errors.Is(err, errFileGone) {
		t.Errorf("%v", err)
	}
	if err := os.Rename(path+".1", path); err != nil {
		t.Fatal(err)
	}
	if err := s.Append(t.Context(), samples(0, 2)); err != nil { // the first event is in the file already
		t.Fatal(err)
	}
	if head := whole(t, s); head.Size != 2 {
		t.Errorf("%d records", head.Size)
	}
}

// hookContext calls a function from Err, which the writer calls inside the
// transaction.
type hookContext struct {
	context.Context
	hook func()
}

func (h hookContext) Err() error { h.hook(); return h.Context.Err() }

func TestAFullDiskFailsClosedAndRecovers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.db")
	s := openTest(t, path)
	if err := s.Append(t.Context(), samples(0, 50)); err != nil {
		t.Fatal(err)
	}
	limit := func(pages int) { // simulates a full disk
		t.Helper()
		done := make(chan error, 1)
		w := &pending{ctx: hookContext{t.Context(), func() {
			_, err := s.writer.conn.ExecContext(context.Background(), pragma("max_page_count", pages))
			done <- err
		}}, done: make(chan error, 1)}
		s.queue <- w
		if err := errors.Join(<-done, <-w.done); err != nil {
			t.Fatal(err)
		}
	}
	limit(1) // SQLite uses the current size as minimum
	failed := 0
	for i := 50; i < 150; i++ {
		err := s.Append(t.Context(), samples(i, 1))
		found, getErr := s.Get(t.Context(), []string{sample(i).ID})
		if getErr != nil || (err == nil) != (len(found) == 1) {
			t.Fatalf("append: %v, %d events found (%v)", err, len(found), getErr)
		}
		if err != nil {
			failed++
		}
	}
	if failed == 0 {
		t.Fatal("the disk was never full: this test proves nothing")
	}
	limit(1 << 20)
	if err := s.Append(t.Context(), samples(50, 100)); err != nil {
		t.Fatalf("after the limit was raised: %v", err)
	}
	if head := whole(t, s); head.Size != 150 {
		t.Errorf("%d records", head.Size)
	}
}

// An append that cannot be written does not fail the others in its group.
func TestAFailingAppendFailsAlone(t *testing.T) {
	s := openTest(t, filepath.Join(t.TempDir(), "audit.db"))
	blocked, release := make(chan struct{}), make(chan struct{})
	first := &pending{ctx: hookContext{t.Context(), func() { close(blocked); <-release }}, done: make(chan error, 1)}
	s.queue <- first
	<-blocked
	// The missing canonical bytes violate a NOT NULL constraint.
	bad := &pending{ctx: t.Context(), events: samples(5, 1), canonical: [][]byte{nil}, done: make(chan error, 1)}
	good := &pending{ctx: t.Context(), events: samples(6, 1), canonical: [][]byte{event.Canonical(sample(6))}, done: make(chan error, 1)}
	s.queue <- bad
	s.queue <- good
	close(release)
	if err := <-bad.done; err == nil {
		t.Error("the bad append succeeded")
	}
	if err := errors.Join(<-first.done, <-good.done); err != nil {
		t.Errorf("a good append failed too: %v", err)
	}
	if head := whole(t, s); head.Size != 1 {
		t.Errorf("%d records", head.Size)
	}
}

// No write succeeds after a failed sync.
func TestAFailedSyncIsPermanent(t *testing.T) {
	s := openTest(t, filepath.Join(t.TempDir(), "audit.db"))
	w := &writer{broken: errSync, conn: s.writer.conn, guard: s.guard}
	one := &pending{ctx: t.Context(), done: make(chan error, 1)}
	w.commit([]*pending{one, {ctx: t.Context(), done: make(chan error, 1)}})
	if err := <-one.done; !errors.Is(err, errSync) {
		t.Error(err)
	}
	for result, broken := range map[coded]bool{codes.SQLITE_IOERR_FSYNC: true, codes.SQLITE_IOERR_DIR_FSYNC: true, codes.SQLITE_FULL: false} {
		w := &writer{conn: s.writer.conn, guard: s.guard}
		w.rollback(t.Context(), result)
		if (w.broken != nil) != broken {
			t.Errorf("after result code %d: %v", result, w.broken)
		}
	}
}

// A full disk is a failure of the disk, for the exit code of a command.
func TestAFullDiskIsAPathError(t *testing.T) {
	var disk *fs.PathError
	if err := explain(coded(codes.SQLITE_FULL)); !errors.As(err, &disk) {
		t.Error(err)
	}
	if err := explain(coded(codes.SQLITE_BUSY)); errors.As(err, &disk) {
		t.Error(err)
	}
}

// coded is an error with an SQLite result code.
type coded int

func (c coded) Error() string { return "disk I/O error" }
func (c coded) Code() int     { return int(c) }

// The documented cure for moved files is to put them back. A reader's new
// connection must not create a file in their place: SQLite deletes the
// write-ahead log beside an empty database.
func TestFilesThatArePutBack(t *testing.T) {
	filter, err := event.ParseFilter("", sample(0).Time)
	if err != nil {
		t.Fatal(err)
	}
	for name, moved := range map[string][]string{
		"log": {""}, "WAL": {"-wal"}, "log and WAL": {"", "-wal"}, "all files": {"", "-wal", headSuffix},
		"all files, replaced": {"", "-wal", "-shm", headSuffix},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "audit.db")
			s := openTest(t, path)
			if err := s.Append(t.Context(), samples(0, 3)); err != nil {
				t.Fatal(err)
			}
			for _, suffix := range moved {
				if err := os.Rename(path+suffix, path+suffix+".gone"); err != nil {
					t.Fatal(err)
				}
			}
			if name == "all files, replaced" {
				other := openTest(t, path+".other")
				if err := errors.Join(other.Append(t.Context(), samples(10, 9)), other.Close(), os.Rename(path+".other", path)); err != nil {
					t.Fatal(err)
				}
			}
			for _, lookup := range []bool{false, true} { // opens connections; an error is allowed
				for range 2 {
					_, _ = s.Query(t.Context(), filter, audit.Page{Limit: 5, Lookup: lookup})
				}
			}
			if err := s.Append(t.Context(), samples(3, 1)); !errors.Is(err, errFileGone) {
				t.Errorf("an append without its files: %v", err)
			}
			if _, err := os.Stat(path + "-wal"); moved[0] == "" && len(moved) == 1 && err != nil {
				t.Errorf("the WAL that was not moved: %v", err)
			}
			for _, suffix := range moved {
				if err := os.Rename(path+suffix+".gone", path+suffix); err != nil {
					t.Fatal(err)
				}
			}
			if err := s.Append(t.Context(), samples(3, 1)); err != nil {
				t.Fatalf("after the files are back: %v", err)
			}
			for _, lookup := range []bool{false, true} {
				for range 2 * readers { // every connection of the pool
					got, err := s.Query(t.Context(), filter, audit.Page{Limit: 5, Lookup: lookup})
					if err != nil || len(got.Events) != 4 {
						t.Fatalf("%d events after the files are back, error %v", len(got.Events), err)
					}
				}
			}
			whole(t, s)
		})
	}
}
