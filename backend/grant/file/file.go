// Package file keeps grants in a YAML file that people write:
//
//	grants:
//	  - {group: finance-team, bucket: company-reports, prefix: quarterly/}
//	  - {group: external-auditors, bucket: company-reports, object: annual/letter.pdf, expires: 2026-12-31T00:00:00Z, reason: "audit 2026"}
//	  - {group: contractors, bucket: builds, prefix: "", effect: deny}
//
// A Store follows its file: a change is in force within a second of its being
// written, at the next call of Current, and only after Config.Changed recorded
// it. A file that is refused, not recorded, or gone, leaves the grants before
// it in force, and Problem has the reason until it is put right: it never means
// that everyone, or no one, may read. To take all grants away, write
// grants: [].
//
// A file that other accounts of the machine can write is refused (Guarded).
//
// A file is taken whole or not at all. Parse refuses whatever could mean
// something else than its author thinks: a prefix that does not end in "/", an
// unknown or doubled field, a grant with neither prefix nor object, a window
// that ends before it starts, the same grant twice, anchors and tags, and
// characters that do not show. Each refusal says the line and the fix.
//
// The package leaves deciding to grant.
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

// The file is looked at when a question is asked, at most every lookEvery. A
// change is read once the file has been left alone for settle, so that one
// that is being written in place is not taken half. Together they stay under
// the second that is promised.
const (
	lookEvery = 200 * time.Millisecond
	settle    = 250 * time.Millisecond
)

// Config is what a Store needs; no part may be missing.
type Config struct {
	Path string
	Now  func() time.Time
	Log  *slog.Logger // says when grants change, and when a file is refused
	// Changed records a change durably. The new grants are in force only after
	// it returned nil; it is called again with the same change after an error.
	Changed func(ctx context.Context, c Change) error
}

// Change is a new content of the file, beside the one in force. Before and
// After are versions of grant.Set. A grant of which anything was edited counts
// as one removed and one added.
type Change struct {
	Before, After  string
	Added, Removed int
}

// Store is the grants of one file. It is safe for any number of goroutines.
type Store struct {
	path    string
	now     func() time.Time
	log     *slog.Logger
	changed func(context.Context, Change) error

	state atomic.Pointer[state]

	mu      sync.Mutex // held by the one goroutine that looks at the file
	looked  time.Time
	read    os.FileInfo // the file that was read last; nil if it must be read again
	pending os.FileInfo // a file that differs from it
	since   time.Time   // when pending was first seen
}

type state struct {
	set     *grant.Set
	problem error
}

// Open reads the file, which must be there and good: a service does not start
// without its grants.
func Open(c Config) (*Store, error) {
	switch {
	case c.Path == "":
		return nil, errors.New("opening grants: the config names no file")
	case c.Now == nil:
		return nil, errors.New("opening grants: the config has no clock (Now)")
	case c.Log == nil:
		return nil, errors.New("opening grants: the config has no logger (Log)")
	case c.Changed == nil:
		return nil, errors.New("opening grants: the config has no record of changes (Changed)")
	}
	s := &Store{path: c.Path, now: c.Now, log: c.Log, changed: c.Changed, looked: c.Now()}
	set, info, err := s.load()
	if err != nil {
		return nil, fmt.Errorf("opening grants: %w", err)
	}
	if s.looked.Sub(info.ModTime()) >= settle {
		s.read = info // a younger one may still be written, and is read again
	}
	s.state.Store(&state{set: set})
	return s, nil
}

// Read returns the grants of the file as it is now, by the rules of Open.
func Read(path string) (*grant.Set, error) {
	set, _, err := (&Store{path: path}).load()
	return set, err
}

// Current returns the grants in force. It fails only if ctx is done.
func (s *Store) Current(ctx context.Context) (*grant.Set, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("reading grants: %w", err)
	}
	s.look(ctx)
	return s.state.Load().set, nil
}

// Problem says why the file as it is now is not in force: nil if it is. The
// text is safe to print, and names the file, the lines and the fixes.
func (s *Store) Problem() error {
	s.look(context.Background())
	return s.state.Load().problem
}

// Reload reads the file now, whether or not it seems unchanged, and returns
// why it is not in force: nil if it is.
func (s *Store) Reload(ctx context.Context) error {
	s.mu.Lock()
	s.looked = s.now()
	s.take(ctx, nil)
	s.mu.Unlock()
	return s.state.Load().problem
}

// look takes a changed file into force. One goroutine looks, and the others
// go on with what is in force.
func (s *Store) look(ctx context.Context) {
	if !s.mu.TryLock() {
		return
	}
	defer s.mu.Unlock()
	now := s.now()
	if age := now.Sub(s.looked); age >= 0 && age < lookEvery {
		return
	}
	s.looked = now
	info, err := os.Stat(s.path)
	if err != nil {
		s.refuse(plainly("looking at the grants file", err))
		return
	}
	if same(info, s.read) {
		return
	}
	if !same(info, s.pending) {
		s.pending, s.since = info, now
	}
	if now.Sub(info.ModTime()) < settle && now.Sub(s.since) < settle {
		return
	}
	s.take(ctx, info)
}

// take reads the file and puts it into force, or refuses it. expected is the
// file that was looked at; nil for any. s.mu is held.
func (s *Store) take(ctx context.Context, expected os.FileInfo) {
	set, loaded, err := s.load()
	if loaded != nil && expected != nil && !same(loaded, expected) {
		return // it changed meanwhile: the next look reads it
	}
	if err != nil {
		s.refuse(err)
		s.read = loaded // refused for its content: not read again until it changes
		return
	}
	if err := s.accept(ctx, set); err != nil {
		s.refuse(err)
		return
	}
	s.read, s.pending = loaded, nil
}

// accept puts a set into force after its change was recorded. A caller that
// hangs up does not undo the record, so its cancellation does not count.
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
	c := Change{Before: before.Version(), After: after.Version()}
	old := make(map[grant.Grant]bool, before.Len())
	for _, g := range before.Grants() {
		old[g] = true
	}
	for _, g := range after.Grants() {
		if !old[g] {
			c.Added++
		}
		delete(old, g)
	}
	c.Removed = len(old)
	return c
}

// refuse keeps the grants in force and says why, once for each reason.
func (s *Store) refuse(problem error) {
	s.read, s.pending = nil, nil
	before := s.state.Load()
	if before.problem != nil && before.problem.Error() == problem.Error() {
		return
	}
	s.state.Store(&state{set: before.set, problem: problem})
	s.log.Error("the grants file is refused, and the grants before it stay in force", "problem", problem.Error(), "version", before.set.Version())
}

// load reads and parses the file. The info is that of the file read; with an
// error it is there only if the content is at fault.
func (s *Store) load() (*grant.Set, os.FileInfo, error) {
	info, err := os.Stat(s.path)
	if err != nil {
		return nil, nil, plainly("looking at the grants file", err)
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
		return nil, nil, plainly("looking at the grants file", err)
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

// plainly makes an error of the operating system, which quotes the path, safe
// to print, and keeps it for errors.Is.
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

// same says whether two looks show the same unchanged file.
func same(a, b os.FileInfo) bool {
	return a != nil && b != nil && os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime())
}
