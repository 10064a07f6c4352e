package file

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"usher/backend/grant"
	"usher/backend/safetext"
)

// Current checks the file at most every checkEvery. A changed file is read after
// it was unchanged for quietPeriod, so a file that is written in place is not
// read in part. Together they stay below the documented second.
const (
	checkEvery  = 200 * time.Millisecond
	quietPeriod = 250 * time.Millisecond
)

// Config has the parts of a Store. All are required.
type Config struct {
	Path string
	Now  func() time.Time
	Log  *slog.Logger // changes of the grants and refusals of the file
	// Changed records a change durably. The new grants take effect only after
	// it returns nil. After an error, it is called again with the same change.
	Changed func(ctx context.Context, c Change) error
}

// Change is the difference between the grants in force and new ones. Before and
// After are versions of grant.Set. An edited grant counts as one removed and one
// added.
type Change struct {
	Before, After  string
	Added, Removed int
	Old, New       *grant.Set
}

// Store has the grants of one file. It is safe for concurrent use.
type Store struct {
	path    string
	now     func() time.Time
	log     *slog.Logger
	changed func(context.Context, Change) error

	state atomic.Pointer[state]

	mu      sync.Mutex // held by the goroutine that checks the file
	checked time.Time
	read    os.FileInfo // last file read; nil if it must be read again
	pending os.FileInfo // a changed file that is not read yet
	since   time.Time   // time of the first check that found pending
}

type state struct {
	set     *grant.Set
	problem error
}

// Open reads the file and returns its Store. The file must exist and be valid: a
// server does not start without its grants.
func Open(c Config) (*Store, error) {
	switch {
	case c.Path == "":
		return nil, errors.New("opening grants: the config has no file (Path)")
	case c.Now == nil:
		return nil, errors.New("opening grants: the config has no clock (Now)")
	case c.Log == nil:
		return nil, errors.New("opening grants: the config has no logger (Log)")
	case c.Changed == nil:
		return nil, errors.New("opening grants: the config has no record of changes (Changed)")
	}
	s := &Store{path: c.Path, now: c.Now, log: c.Log, changed: c.Changed, checked: c.Now()}
	set, info, err := s.load()
	if err != nil {
		return nil, fmt.Errorf("opening grants: %w", err)
	}
	if s.checked.Sub(info.ModTime()) >= quietPeriod {
		s.read = info // a newer file may be incomplete and is read again
	}
	s.state.Store(&state{set: set})
	return s, nil
}

// Read returns the grants in the file, with the checks of Open.
func Read(path string) (*grant.Set, error) {
	set, _, err := (&Store{path: path}).load()
	return set, err
}

// Current returns the grants in force. It fails only if ctx has ended.
func (s *Store) Current(ctx context.Context) (*grant.Set, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("reading grants: %w", err)
	}
	s.refresh(ctx)
	return s.state.Load().set, nil
}

// Problem returns the reason why the current file is not in force, or nil. The
// text is safe to print. It has the file, the lines and the fixes.
func (s *Store) Problem() error {
	s.refresh(context.Background())
	return s.state.Load().problem
}

// Reload reads the file at once, even if it seems unchanged. It returns the
// reason why the file is not in force, or nil.
func (s *Store) Reload(ctx context.Context) error {
	s.mu.Lock()
	s.checked = s.now()
	s.apply(ctx, nil)
	s.mu.Unlock()
	return s.state.Load().problem
}

// refresh applies a changed file. Only one goroutine does so at a time; others
// use the grants in force meanwhile.
func (s *Store) refresh(ctx context.Context) {
	if !s.mu.TryLock() {
		return
	}
	defer s.mu.Unlock()
	now := s.now()
	if age := now.Sub(s.checked); age >= 0 && age < checkEvery {
		return
	}
	s.checked = now
	info, err := os.Stat(s.path)
	if err != nil {
		s.refuse(plainly("checking the grants file", err))
		return
	}
	if same(info, s.read) {
		return
	}
	if !same(info, s.pending) {
		s.pending, s.since = info, now
	}
	if now.Sub(info.ModTime()) < quietPeriod && now.Sub(s.since) < quietPeriod {
		return
	}
	s.apply(ctx, info)
}

// apply reads the file and puts its grants into force, or refuses it. expected
// is the file that was checked, or nil for any. s.mu is held.
func (s *Store) apply(ctx context.Context, expected os.FileInfo) {
	set, loaded, err := s.load()
	if loaded != nil && expected != nil && !same(loaded, expected) {
		return // changed meanwhile; the next refresh reads it
	}
	if err != nil {
		s.refuse(err)
		s.read = loaded // invalid content is not read again until it changes
		return
	}
	if err := s.accept(ctx, set); err != nil {
		s.refuse(err)
		return
	}
	s.read, s.pending = loaded, nil
}

// accept records a change and then puts the new set into force. The caller's
// cancellation does not interrupt the record.
func (s *Store) accept(ctx context.Context, set *grant.Set) error {
	before := s.state.Load()
	if before.set.Version() == set.Version() {
		if before.problem != nil {
			s.state.Store(&state{set: before.set})
			s.log.Info("grants are in force", "file", safetext.New(s.path), "version", set.Version(), "grants", set.Len(), "before", set.Version())
		}
		return nil
	}
	c := difference(before.set, set)
	if err := s.changed(context.WithoutCancel(ctx), c); err != nil {
		return fmt.Errorf("the change of %s is not recorded: %w", safetext.Line(s.path), err)
	}
	s.state.Store(&state{set: set})
	s.log.Info("grants are in force", "file", safetext.New(s.path), "version", c.After, "grants", set.Len(), "before", c.Before, "added", c.Added, "removed", c.Removed)
	return nil
}

func difference(before, after *grant.Set) Change {
	c := Change{Before: before.Version(), After: after.Version(), Old: before, New: after}
	c.Added, c.Removed = grant.Count(before, after)
	return c
}

// refuse keeps the grants in force. It stores the problem and logs it, once for
// each reason.
func (s *Store) refuse(problem error) {
	s.read, s.pending = nil, nil
	before := s.state.Load()
	if before.problem != nil && before.problem.Error() == problem.Error() {
		return
	}
	s.state.Store(&state{set: before.set, problem: problem})
	s.log.Error("grants file refused; the previous grants stay in force", "problem", problem.Error(), "version", before.set.Version())
}

// load reads and parses the file. It returns the info of the file, also with an
// error about its content, but not with other errors.
func (s *Store) load() (*grant.Set, os.FileInfo, error) {
	info, err := os.Stat(s.path)
	if err != nil {
		return nil, nil, plainly("checking the grants file", err)
	}
	if !info.Mode().IsRegular() {
		return nil, nil, fmt.Errorf("%s is not a file", safetext.Line(s.path))
	}
	if err := Guarded(s.path); err != nil {
		return nil, nil, err
	}
	f, err := os.Open(s.path)
	if err != nil {
		return nil, nil, plainly("opening the grants file", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, MaxBytes+1))
	if err != nil {
		return nil, nil, plainly("reading the grants file", err)
	}
	if info, err = f.Stat(); err != nil {
		return nil, nil, plainly("checking the grants file", err)
	}
	grants, err := Parse(filepath.Base(s.path), data)
	if err != nil {
		return nil, info, err
	}
	set, err := grant.NewSet(grants)
	if err != nil {
		return nil, info, fmt.Errorf("building the grants of %s: %w", safetext.Line(s.path), err)
	}
	return set, info, nil
}

// plainly makes an error of the operating system safe to print, because its text
// quotes the path. errors.Is still finds the cause.
func plainly(doing string, err error) error {
	return &osError{doing, err}
}

type osError struct {
	doing string
	err   error
}

func (e *osError) Error() string {
	return e.doing + ": " + safetext.Line(e.err.Error())
}
func (e *osError) Unwrap() error { return e.err }

// same reports whether a and b are the same unchanged file.
func same(a, b os.FileInfo) bool {
	return a != nil && b != nil && os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime())
}
