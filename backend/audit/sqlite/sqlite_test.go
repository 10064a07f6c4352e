package sqlite

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"usher/backend/audit"
	"usher/backend/audit/audittest"
	"usher/backend/event"
)

func TestSuite(t *testing.T) {
	audittest.Run(t, func() audit.Store { return openTest(t, filepath.Join(t.TempDir(), "audit.db")) })
}

func TestTheLogSurvivesReopening(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a log?mode=ro#%41 é.db") // must not be parsed as a URL
	s := openTest(t, path)
	if err := s.Append(t.Context(), samples(0, 250)); err != nil {
		t.Fatal(err)
	}
	head := whole(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path + "-wal"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the WAL was not merged into the file: %v", err)
	}
	for _, name := range []string{path, path + ".lock"} {
		if info, err := os.Stat(name); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%v: %v", info, err)
		}
	}
	s = openTest(t, path)
	if err := s.Append(t.Context(), samples(250, 10)); err != nil {
		t.Fatal(err)
	}
	whole(t, s)
	if at, err := proofs(t.Context(), s.on(s.db)).At(head.Size); err != nil || at != head {
		t.Errorf("the first records are %v, want %v (%v)", at, head, err)
	}
}

func TestFilesAreReadableByTheirOwnerOnly(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.db")
	s := openTest(t, path)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	s = openTest(t, path)
	if err := s.Append(t.Context(), samples(0, 1)); err != nil {
		t.Fatal(err)
	}
	for _, suffix := range []string{"", "-wal", "-shm", ".lock"} {
		if info, err := os.Stat(path + suffix); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v (%v)", suffix, info.Mode(), err)
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	for name, test := range map[string]struct {
		prepare func(t *testing.T, path string)
		want    error
	}{
		"text": {func(t *testing.T, path string) {
			if err := os.WriteFile(path, []byte(strings.Repeat("to whom it may concern\n", 500)), 0o600); err != nil {
				t.Fatal(err)
			}
		}, ErrForeign},
		"a directory": {func(t *testing.T, path string) {
			if err := os.Mkdir(path, 0o700); err != nil {
				t.Fatal(err)
			}
		}, ErrForeign},
		"another database": {func(t *testing.T, path string) { write(t, path, "CREATE TABLE songs (title TEXT)") }, ErrForeign},
		"another program's": {func(t *testing.T, path string) {
			write(t, path, "PRAGMA application_id = 7", "PRAGMA user_version = 1")
		}, ErrForeign},
		"a newer layout": {func(t *testing.T, path string) {
			logWith(t, path, 3)
			write(t, path, "PRAGMA user_version = 99")
		}, ErrNewer},
		"a changed last record": {func(t *testing.T, path string) {
			logWith(t, path, 3)
			write(t, path, `UPDATE records SET event = edited(event, (SELECT json_group_object(n, hex(text)) FROM dictionaries), 'report-2.', 'report-3.') WHERE seq = 3`,
				`UPDATE events SET object = CAST(replace(CAST(object AS TEXT), 'report-2.', 'report-3.') AS BLOB) WHERE seq = 3`)
		}, ErrDamaged},
		"an unreadable last record": {func(t *testing.T, path string) {
			logWith(t, path, 3)
			write(t, path, `UPDATE records SET event = x'0000' WHERE seq = 3`)
		}, ErrDamaged},
		"a missing record": {func(t *testing.T, path string) {
			logWith(t, path, 3)
			write(t, path, `DELETE FROM records WHERE seq = 2`)
		}, ErrDamaged},
		"an index row that differs": {func(t *testing.T, path string) {
			logWith(t, path, 3)
			write(t, path, `UPDATE events SET outcome = 'denied' WHERE seq = 2`)
		}, ErrIndex},
		"an index row of another person": {func(t *testing.T, path string) {
			logWith(t, path, 3)
			write(t, path, `UPDATE people SET username = 'alan' WHERE person = 1`)
		}, ErrIndex},
		"a missing index row": {func(t *testing.T, path string) {
			logWith(t, path, 3)
			write(t, path, `DELETE FROM events WHERE seq = 2`)
		}, ErrIndex},
		"pages overwritten": {func(t *testing.T, path string) {
			logWith(t, path, 300)
			f, err := os.OpenFile(path, os.O_RDWR, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			info, _ := f.Stat()
			if _, err := f.WriteAt([]byte(strings.Repeat("x", int(info.Size())-4096)), 4096); err != nil {
				t.Fatal(err)
			}
		}, ErrDamaged},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "audit.db")
			test.prepare(t, path)
			s, err := Open(Config{Path: path})
			if err == nil {
				s.Close()
			}
			if !errors.Is(err, test.want) {
				t.Errorf("%v, want %v", err, test.want)
			}
		})
	}
	if _, err := Open(Config{Path: filepath.Join(t.TempDir(), "no", "such", "folder", "audit.db")}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("in a folder that does not exist: %v", err)
	}
}

// logWith creates a log of n events and closes it.
func logWith(t *testing.T, path string, n int) {
	t.Helper()
	s, err := Open(Config{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.Append(t.Context(), samples(0, n)), s.Close()); err != nil {
		t.Fatal(err)
	}
}

// Open checks the last records only; Verify finds older damage.
func TestVerifyFindsOldDamage(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.db")
	logWith(t, path, tail+300)
	write(t, path, `DELETE FROM records WHERE seq BETWEEN 20 AND 29`, `DELETE FROM events WHERE seq BETWEEN 20 AND 29`)
	s := openTest(t, path)
	var pauses atomic.Int64 // both readers pause
	report, err := s.Verify(t.Context(), func(context.Context) { pauses.Add(1) })
	if err != nil || len(report.Faults) == 0 || report.Faults[0] != (Fault{Kind: FaultMissing, Seq: 20, Count: 10}) || report.Whole != 19 {
		t.Errorf("%+v (%v)", report, err)
	}
	if !errors.Is(report.Err(), ErrDamaged) || pauses.Load() == 0 {
		t.Errorf("Verify: %v, after %d pauses", report.Err(), pauses.Load())
	}
}

func TestOneProcessWrites(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.db")
	s := openTest(t, path)
	if second, err := Open(Config{Path: path}); !errors.Is(err, ErrLocked) {
		if err == nil {
			second.Close()
		}
		t.Fatalf("a second writer: %v", err)
	}
	if err := s.Append(t.Context(), samples(0, 1)); err != nil {
		t.Errorf("after a second writer was refused: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	whole(t, openTest(t, path))
}

func TestAppendsShareCommits(t *testing.T) {
	const waiting = 100
	s := openTest(t, filepath.Join(t.TempDir(), "audit.db"))
	blocked, release := make(chan struct{}), make(chan struct{})
	first := &pending{ctx: hookContext{t.Context(), func() { close(blocked); <-release }}, done: make(chan error, 1)}
	s.queue <- first
	<-blocked
	frames := walSize(t, s)
	var wg sync.WaitGroup
	errs := make(chan error, waiting)
	for i := range waiting {
		wg.Go(func() { errs <- s.Append(t.Context(), samples(i, 1)) })
	}
	for deadline := time.Now().Add(10 * time.Second); len(s.queue) < waiting; runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatalf("%d of %d appends are queued", len(s.queue), waiting)
		}
	}
	close(release)
	wg.Wait()
	for range waiting {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	if <-first.done != nil {
		t.Error("the first append failed")
	}
	// In separate commits, each append would write a page of a dozen tables.
	if grown := (walSize(t, s) - frames) / 4096; grown > 5*waiting {
		t.Errorf("%d appends wrote %d pages: they did not share a commit", waiting, grown)
	}
	if head := whole(t, s); head.Size != waiting {
		t.Errorf("%d records", head.Size)
	}
}

func walSize(t *testing.T, s *Store) int64 {
	t.Helper()
	info, err := os.Stat(s.path + "-wal")
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

// An append whose caller has given up need not be recorded.
func TestACanceledAppendIsSkipped(t *testing.T) {
	s := openTest(t, filepath.Join(t.TempDir(), "audit.db"))
	blocked, release := make(chan struct{}), make(chan struct{})
	s.queue <- &pending{ctx: hookContext{t.Context(), func() { close(blocked); <-release }}, done: make(chan error, 1)}
	<-blocked
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := s.Append(ctx, samples(0, 1)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
	close(release)
	if err := s.Append(t.Context(), samples(1, 1)); err != nil {
		t.Fatal(err)
	}
	if head := whole(t, s); head.Size != 1 {
		t.Errorf("%d records", head.Size)
	}
}

func TestClose(t *testing.T) {
	s := openTest(t, filepath.Join(t.TempDir(), "audit.db"))
	const writers = 20
	errs := make(chan error, writers)
	for i := range writers {
		go func() { errs <- s.Append(t.Context(), samples(i, 1)) }()
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	acknowledged := int64(0)
	for range writers {
		switch err := <-errs; {
		case err == nil:
			acknowledged++
		case !errors.Is(err, errClosed):
			t.Error(err)
		}
	}
	if err := s.Append(t.Context(), samples(0, 1)); !errors.Is(err, errClosed) {
		t.Errorf("after Close: %v", err)
	}
	if head := whole(t, openTest(t, s.path)); head.Size < acknowledged {
		t.Errorf("%d records, %d acknowledged", head.Size, acknowledged)
	}
}

// The driver can interrupt a query only before its first row. A search does all
// of its work before that, so a deadline ends it.
func TestADeadlineInterruptsAQuery(t *testing.T) {
	s := openTest(t, filepath.Join(t.TempDir(), "audit.db"))
	if err := s.Append(t.Context(), samples(0, 4000)); err != nil {
		t.Fatal(err)
	}
	long, err := s.where(t.Context(), event.Filter{})
	if err != nil {
		t.Fatal(err)
	}
	// The newest event is found at once; testing any other event takes minutes.
	long.and("(e.seq = 4000 OR (SELECT count(*) FROM events a, events b WHERE a.object || b.object = e.object) > 0)")
	long.indexedBy = byTime
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	begin := time.Now()
	query, args := long.sql(false)
	_, err = s.events(ctx, query, append(args, 10))
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
	if took := time.Since(begin); took > 2*time.Second {
		t.Errorf("interrupted after %v", took)
	}
	if r, err := s.Query(t.Context(), event.Filter{}, audit.Page{Limit: 5}); err != nil || len(r.Events) != 5 {
		t.Errorf("the next query: %d events, %v", len(r.Events), err)
	}
}

// A lookup by usher itself does not wait while searches hold all of their
// connections. It would wait if Page.Lookup were ignored.
func TestALookupDoesNotWaitForSearches(t *testing.T) {
	s := openTest(t, filepath.Join(t.TempDir(), "audit.db"))
	all := samples(0, 10)
	if err := s.Append(t.Context(), all); err != nil {
		t.Fatal(err)
	}
	for range readers { // as during long searches
		conn, err := s.db.Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
	}
	short, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := s.Query(short, event.Filter{}, audit.Page{Limit: 1}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a search while searches hold all connections: %v; this test proves nothing", err)
	}
	patient, stop := context.WithTimeout(t.Context(), 10*time.Second)
	defer stop()
	if r, err := s.Query(patient, event.Filter{}, audit.Page{Limit: 1, Lookup: true}); err != nil || len(r.Events) != 1 {
		t.Errorf("a lookup: %d events, %v", len(r.Events), err)
	}
	if found, err := s.Get(patient, []string{all[0].ID}); err != nil || len(found) != 1 {
		t.Errorf("an event by its id: %d, %v", len(found), err)
	}
}
