package sqlite

import (
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"golang.org/x/sync/errgroup"

	"usher/backend/audit"
	"usher/backend/audit/audittest"
	"usher/backend/event"
)

// benchDir has the logs of USHER_BENCH_DIR, which a second run reuses, or is temporary.
func benchDir(tb testing.TB) string {
	if dir := os.Getenv("USHER_BENCH_DIR"); dir != "" {
		return dir
	}
	return tb.TempDir()
}

// benchLog returns the path of a log with the first n events of audittest.Many, and
// that of a plain table of them. It builds a missing log.
func benchLog(tb testing.TB, n int) (log, plain string) {
	tb.Helper()
	dir := filepath.Join(benchDir(tb), fmt.Sprintf("log-%d", n))
	log, plain = filepath.Join(dir, "audit.db"), filepath.Join(dir, "plain.db")
	if _, err := os.Stat(dir); err == nil {
		return log, plain
	} else if !errors.Is(err, fs.ErrNotExist) {
		tb.Fatal(err)
	}
	part := dir + ".part"
	if err := errors.Join(os.RemoveAll(part), os.MkdirAll(part, 0o700)); err != nil {
		tb.Fatal(err)
	}
	if err := build(tb, part, n); err != nil {
		tb.Fatal(err)
	}
	if err := os.Rename(part, dir); err != nil {
		tb.Fatal(err)
	}
	return log, plain
}

// build writes the events into a log, by several writers whose appends share commits,
// and into a plain table, which gets its indexes afterwards.
func build(tb testing.TB, dir string, n int) (err error) {
	s, err := Open(Config{Path: filepath.Join(dir, "audit.db")})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	p, err := openPlainTable(filepath.Join(dir, "plain.db"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.db.Close()) }()
	if _, err := p.db.ExecContext(tb.Context(), "CREATE TABLE log (id TEXT, time INTEGER, who TEXT, action TEXT, outcome TEXT, bucket TEXT, path TEXT, session TEXT, ip TEXT, request TEXT, event BLOB)"); err != nil {
		return err
	}
	batches, plain := make(chan []event.Event), make(chan []event.Event)
	g, ctx := errgroup.WithContext(tb.Context())
	for range 8 {
		g.Go(func() error {
			for some := range batches {
				if err := s.Append(ctx, some); err != nil {
					return err
				}
			}
			return nil
		})
	}
	g.Go(func() error {
		for some := range plain {
			if err := p.append(tb, some); err != nil {
				return err
			}
		}
		return p.index(tb)
	})
	g.Go(func() error {
		defer close(batches)
		defer close(plain)
		for some := range chunksOf(audittest.Many("5d41402abc4b2a76b9719d911017c592", n), audit.MaxTimes) {
			for _, to := range []chan []event.Event{batches, plain} {
				select {
				case to <- some:
				case <-ctx.Done():
					return ctx.Err()
				}
			}
		}
		return nil
	})
	return g.Wait()
}

func chunksOf(all func(func(event.Event) bool), n int) func(func([]event.Event) bool) {
	return func(yield func([]event.Event) bool) {
		var some []event.Event
		for e := range all {
			if some = append(some, e); len(some) == n {
				if !yield(slices.Clone(some)) {
					return
				}
				some = some[:0]
			}
		}
		if len(some) > 0 {
			yield(some)
		}
	}
}

// plainTable is a table of the same events with an index for each column.
type plainTable struct{ db *sql.DB }

func openPlainTable(path string) (plainTable, error) {
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=journal_mode(WAL)&_pragma=synchronous(OFF)")
	return plainTable{db}, err
}

func (p plainTable) append(tb testing.TB, events []event.Event) error {
	tx, err := p.db.BeginTx(tb.Context(), nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	for _, e := range events {
		if _, err := tx.ExecContext(tb.Context(), "INSERT INTO log VALUES (?,?,?,?,?,?,?,?,?,?,?)", e.ID, e.Time.UnixMilli(), e.User.Username, e.Action, e.Outcome, e.Bucket, e.Path(), e.Session, e.SourceIP, e.RequestID, event.Canonical(e)); err != nil {
			return err
		}
	}
	return tx.Commit()
}

func (p plainTable) index(tb testing.TB) error {
	_, err := p.db.ExecContext(tb.Context(), "CREATE UNIQUE INDEX log_id ON log (id); CREATE INDEX log_time ON log (time)")
	for _, column := range []string{"who", "action", "outcome", "bucket", "path", "session", "ip", "request"} {
		if err == nil {
			_, err = p.db.ExecContext(tb.Context(), fmt.Sprintf("CREATE INDEX log_%[1]s ON log (%[1]s, time)", column))
		}
	}
	return err
}
