package sqlite

import (
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

// benchLog returns the path of a log with the first n events of audittest.Many. It
// builds a missing log.
func benchLog(tb testing.TB, n int) string {
	return benchFile(tb, n, "log", "audit.db", func(path string) error { return buildLog(tb, path, n) })
}

// benchFile returns the path of a database in a folder of its own, which appears when
// the database is complete.
func benchFile(tb testing.TB, n int, kind, name string, build func(path string) error) string {
	tb.Helper()
	dir := filepath.Join(benchDir(tb), fmt.Sprintf("%s-%d", kind, n))
	if _, err := os.Stat(dir); err == nil {
		return filepath.Join(dir, name)
	} else if !errors.Is(err, fs.ErrNotExist) {
		tb.Fatal(err)
	}
	part := dir + ".part"
	if err := errors.Join(os.RemoveAll(part), os.MkdirAll(part, 0o700)); err != nil {
		tb.Fatal(err)
	}
	if err := errors.Join(build(filepath.Join(part, name)), os.Rename(part, dir)); err != nil {
		tb.Fatal(err)
	}
	return filepath.Join(dir, name)
}

// benchEvents returns the first n events of audittest.Many, in batches.
func benchEvents(n int) func(func([]event.Event) bool) {
	return chunksOf(audittest.Many("5d41402abc4b2a76b9719d911017c592", n), audit.MaxTimes)
}

// buildLog writes the events into a log, by several writers whose appends share
// commits.
func buildLog(tb testing.TB, path string, n int) (err error) {
	s, err := Open(Config{Path: path})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	batches := make(chan []event.Event)
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
		defer close(batches)
		for some := range benchEvents(n) {
			select {
			case batches <- some:
			case <-ctx.Done():
				return ctx.Err()
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
