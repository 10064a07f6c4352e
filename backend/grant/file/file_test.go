package file_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"usher/backend/grant"
	"usher/backend/grant/file"
	"usher/backend/grant/granttest"
)

// clock is the machine's clock plus an offset.
type clock struct{ ahead atomic.Int64 }

func (c *clock) now() time.Time { return time.Now().Add(time.Duration(c.ahead.Load())) }

func (c *clock) advance(d time.Duration) { c.ahead.Add(int64(d)) }

// replace replaces a file atomically, by a rename.
func replace(path string, data []byte) error {
	if err := os.WriteFile(path+".new", data, 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

func fixtures(t *testing.T) func() (granttest.Fixture, error) {
	return func() (granttest.Fixture, error) {
		path := filepath.Join(t.TempDir(), "grants.yaml")
		c := &clock{}
		return granttest.Fixture{
			Open: func() (granttest.Store, error) {
				return file.Open(file.Config{Path: path, Now: c.now, Log: slog.New(slog.DiscardHandler), Changed: recorded})
			},
			Put:     func(g []grant.Grant) error { return replace(path, file.Print(g)) },
			Break:   func() error { return replace(path, []byte("grants:\n  - {group: g, bucket: bkt, prefix: finance}\n")) },
			Vanish:  func() error { return os.Remove(path) },
			Advance: c.advance,
		}, nil
	}
}

func TestStore(t *testing.T) { granttest.Run(t, fixtures(t)) }

// recorded is a Config.Changed that accepts every change.
func recorded(context.Context, file.Change) error { return nil }

// fixture is a store with its file, clock and log.
type fixture struct {
	t     *testing.T
	path  string
	clock clock
	store *file.Store
	log   *bytes.Buffer

	changes []file.Change // recorded changes
	refuse  error         // result of further records, if not nil
}

func (h *fixture) record(_ context.Context, c file.Change) error {
	if h.refuse != nil {
		return h.refuse
	}
	h.changes = append(h.changes, c)
	return nil
}

const (
	oneGrant  = "grants:\n  - {group: g, bucket: bkt, prefix: a/}\n"
	twoGrants = oneGrant + "  - {group: g, bucket: bkt, prefix: b/}\n"
)

func open(t *testing.T, text string) *fixture {
	h := &fixture{t: t, path: filepath.Join(t.TempDir(), "grants.yaml"), log: &bytes.Buffer{}}
	h.write(text)
	store, err := file.Open(file.Config{Path: h.path, Now: h.clock.now, Log: slog.New(slog.NewTextHandler(h.log, nil)), Changed: h.record})
	if err != nil {
		t.Fatal(err)
	}
	h.store = store
	return h
}

// write writes the file in place.
func (h *fixture) write(text string) {
	h.t.Helper()
	if err := os.WriteFile(h.path, []byte(text), 0o600); err != nil {
		h.t.Fatal(err)
	}
}

func (h *fixture) grants() int {
	h.t.Helper()
	set, err := h.store.Current(context.Background())
	if err != nil {
		h.t.Fatal(err)
	}
	return set.Len()
}

func TestOpenRequiresAllParts(t *testing.T) {
	path := filepath.Join(t.TempDir(), "grants.yaml")
	if err := replace(path, []byte(oneGrant)); err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	for part, c := range map[string]file.Config{
		"file": {Now: time.Now, Log: log}, "clock": {Path: path, Log: log}, "logger": {Path: path, Now: time.Now}, "record": {Path: path, Now: time.Now, Log: log},
	} {
		if _, err := file.Open(c); err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("without a %s: %v", part, err)
		}
	}
}

// TestFileWrittenInPlace: a file that is cut after its first grant, as during a
// write in place, is not read until it was unchanged for a while.
func TestFileWrittenInPlace(t *testing.T) {
	h := open(t, twoGrants)
	h.clock.advance(time.Second)
	h.grants() // the new file is read a second time
	h.write(oneGrant)
	h.clock.ahead.Store(int64(time.Second + 210*time.Millisecond))
	mtime := h.clock.now().Add(-100 * time.Millisecond)
	if err := os.Chtimes(h.path, mtime, mtime); err != nil {
		t.Fatal(err)
	}
	if n := h.grants(); n != 2 {
		t.Errorf("a file written 0.1 s ago is in force with %d grants", n)
	}
	h.clock.advance(time.Second)
	if n := h.grants(); n != 1 {
		t.Errorf("an unchanged file is not in force: %d grants", n)
	}
}

// TestSameSizeSameInstant: a change right after the read that keeps size and
// modification time is detected, although the file's info is equal.
func TestSameSizeSameInstant(t *testing.T) {
	h := open(t, oneGrant)
	info, err := os.Stat(h.path)
	if err != nil {
		t.Fatal(err)
	}
	h.write(strings.Replace(oneGrant, "a/", "b/", 1))
	if err := os.Chtimes(h.path, info.ModTime(), info.ModTime()); err != nil {
		t.Fatal(err)
	}
	h.clock.advance(time.Second)
	set, err := h.store.Current(context.Background())
	if err != nil || !set.Decide([]string{"g"}, "bkt", "b/x", h.clock.now()).Allowed {
		t.Errorf("the change was missed: %v, %v", set.Grants(), err)
	}
}

// TestClockOfTheFileIsAhead: a file server's clock may differ from usher's.
func TestClockOfTheFileIsAhead(t *testing.T) {
	h := open(t, oneGrant)
	h.clock.advance(time.Second)
	h.grants()
	h.write(twoGrants)
	ahead := h.clock.now().Add(time.Hour)
	if err := os.Chtimes(h.path, ahead, ahead); err != nil {
		t.Fatal(err)
	}
	for range 4 {
		h.clock.advance(time.Second / 4)
		h.grants()
	}
	if n := h.grants(); n != 2 {
		t.Errorf("a file with a future time is not in force after a second: %d grants", n)
	}
}

// TestClockStepsBack: the next check does not wait until the clock catches up.
func TestClockStepsBack(t *testing.T) {
	h := open(t, oneGrant)
	h.clock.advance(time.Hour)
	h.grants()
	h.clock.advance(-59 * time.Minute)
	h.write(twoGrants)
	if n := h.grants(); n != 2 {
		t.Errorf("after the clock stepped back %d grants are in force", n)
	}
}

func TestProblemHasThePositionAndIsLoggedOnce(t *testing.T) {
	h := open(t, oneGrant)
	h.write("grants:\n  - {group: g, bucket: bkt, prefix: \"fin\\e[2Jance\"}\n")
	for range 5 {
		h.clock.advance(time.Second)
		h.grants()
	}
	err := h.store.Problem()
	if err == nil || !strings.Contains(err.Error(), `grants.yaml:2:37: prefix "fin\u{1b}[2Jance" does not end in "/"`) {
		t.Errorf("the problem is %v", err)
	}
	if log := h.log.String(); strings.Count(log, "stay in force") != 1 || strings.Contains(log, "\x1b") {
		t.Errorf("the log has\n%s", log)
	}
	h.write(oneGrant)
	h.clock.advance(time.Second)
	if h.grants(); h.store.Problem() != nil || strings.Count(h.log.String(), "grants are in force") != 1 {
		t.Errorf("after the correction: %v, and the log has\n%s", h.store.Problem(), h.log)
	}
}

// TestProblemChecksTheFile: a health check may be the only caller.
func TestProblemChecksTheFile(t *testing.T) {
	h := open(t, oneGrant)
	if err := os.Remove(h.path); err != nil {
		t.Fatal(err)
	}
	h.clock.advance(time.Second)
	if err := h.store.Problem(); !strings.Contains(err.Error(), "the grants file") {
		t.Errorf("the problem with a missing file is %v", err)
	}
}

// TestNoRegularFile: reading a path that is no usable file neither blocks nor
// changes the grants. TestNamedPipe has one more kind.
func TestNoRegularFile(t *testing.T) {
	for name, put := range map[string]func(path string) error{
		"a directory":        func(path string) error { return os.Mkdir(path, 0o700) },
		"an empty file":      func(path string) error { return os.WriteFile(path, nil, 0o600) },
		"a dangling symlink": func(path string) error { return os.Symlink(path+".gone", path) },
		"a huge file": func(path string) error {
			if err := os.WriteFile(path, []byte("grants: []\n"), 0o600); err != nil {
				return err
			}
			return os.Truncate(path, 1<<40)
		},
	} {
		keepsGrants(t, name, put)
	}
}

// keepsGrants puts something else at the place of the grants file.
func keepsGrants(t *testing.T, name string, put func(path string) error) {
	t.Helper()
	h := open(t, oneGrant)
	if err := os.Remove(h.path); err != nil {
		t.Fatal(err)
	}
	if err := put(h.path); err != nil {
		t.Fatal(err)
	}
	h.clock.advance(time.Second)
	if n := h.grants(); n != 1 || h.store.Problem() == nil {
		t.Errorf("%s: %d grants are in force, problem %v", name, n, h.store.Problem())
	}
}

// TestReplacedSymlink: configuration in a container is updated by replacing a
// link.
func TestReplacedSymlink(t *testing.T) {
	h := open(t, oneGrant)
	first, second := h.path+".1", h.path+".2"
	for path, text := range map[string]string{first: oneGrant, second: twoGrants} {
		if err := replace(path, []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	for i, target := range []string{first, second, first} {
		if err := os.Symlink(target, h.path+".link"); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(h.path+".link", h.path); err != nil {
			t.Fatal(err)
		}
		h.clock.advance(time.Second)
		if n, want := h.grants(), 1+i%2; n != want {
			t.Errorf("swap %d: %d grants are in force, want %d", i+1, n, want)
		}
	}
}

func TestMissingFile(t *testing.T) {
	_, err := file.Open(file.Config{Path: filepath.Join(t.TempDir(), "no\x1bsuch"), Now: time.Now, Log: slog.New(slog.DiscardHandler), Changed: recorded})
	if err == nil || strings.Contains(err.Error(), "\x1b") || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("opening a missing file: %v", err)
	}
}

// TestBadFilesUnderLoad replaces the file fifty times, every second time by an
// invalid one. Concurrent readers always get a valid set.
func TestBadFilesUnderLoad(t *testing.T) {
	h := open(t, oneGrant)
	stop := make(chan struct{})
	var readers sync.WaitGroup
	var wrong atomic.Int64
	for range 4 {
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				set, err := h.store.Current(context.Background())
				if err != nil || set.Len() != 1 && set.Len() != 2 {
					wrong.Add(1)
				}
			}
		})
	}
	texts := []string{twoGrants, "grants:", oneGrant, ""}
	for i := range 50 {
		if err := replace(h.path, []byte(texts[i%len(texts)])); err != nil {
			t.Fatal(err)
		}
		h.clock.advance(time.Second)
		h.grants()
	}
	close(stop)
	readers.Wait()
	if n := wrong.Load(); n > 0 {
		t.Errorf("%d reads returned no valid set", n)
	}
}

func BenchmarkCurrent(b *testing.B) {
	path := filepath.Join(b.TempDir(), "grants.yaml")
	if err := replace(path, []byte(oneGrant)); err != nil {
		b.Fatal(err)
	}
	s, err := file.Open(file.Config{Path: path, Now: time.Now, Log: slog.New(slog.DiscardHandler), Changed: recorded})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Current(context.Background()); err != nil {
			b.Fatal(err)
		}
	}
}
