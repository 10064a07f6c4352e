// Package history keeps the ended downloads of a person in the browser between two
// runs: the object, the end, its time, and the checksum that verified the file.
//
// There is one private file for each person at each server. It has names of objects,
// no content, no URL and no token. It is bounded: the oldest downloads leave it, and
// its sums keep counting them. A damaged file is empty.
//
// All texts of a State are raw. The caller escapes them for the screen.
package history

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
	"unicode/utf8"

	"usher/backend/api"
	"usher/client/statefile"
)

// Bounds of a State.
const (
	MaxEntries = 1000
)

// version is the version of the file's format.
const version = 1

// End is the end of a download.
type End string

// Ends of a download.
const (
	Done   End = "done"
	Failed End = "failed"
	Denied End = "denied"
)

// Entry is one ended download.
type Entry struct {
	Bucket   string    `json:"bucket"`
	Key      string    `json:"key"`
	At       time.Time `json:"at"`
	End      End       `json:"end"`
	Size     int64     `json:"size"`               // bytes; -1: unknown
	Verified string    `json:"verified,omitempty"` // download.Transfer.Verified
	Event    string    `json:"event,omitempty"`    // ID of the audit event
}

// State is the downloads of one person at one server.
type State struct {
	Since   time.Time `json:"since,omitzero"` // of the first download
	Files   int       `json:"files"`          // downloaded since then
	Bytes   int64     `json:"bytes"`
	Entries []Entry   `json:"entries,omitempty"` // oldest first; the newest ones
}

// ErrNewer is a file of a newer program, which is not replaced.
var ErrNewer = errors.New("the history of downloads was stored by a newer usher")

// after returns the state with further downloads. The sums count those that entries no
// longer has.
func (s State) after(c change) State {
	if s.Since.IsZero() && len(c.entries) > 0 {
		s.Since = c.entries[0].At
	}
	s.Files += c.files
	s.Bytes += c.bytes
	s.Entries = newest(slices.Concat(s.Entries, c.entries))
	return s
}

func newest(all []Entry) []Entry { return all[max(0, len(all)-MaxEntries):] }

// valid returns the state without invalid and surplus entries: a file can be damaged.
func (s State) valid() State {
	s.Files, s.Bytes = max(s.Files, 0), max(s.Bytes, 0)
	s.Entries = newest(slices.DeleteFunc(s.Entries, func(e Entry) bool {
		return e.Bucket == "" || len(e.Bucket)+len(e.Key) > 2*api.MaxKey || !utf8.ValidString(e.Key) || e.End != Done && e.End != Failed && e.End != Denied
	}))
	return s
}

// stored is the content of the file.
type stored struct {
	Version int `json:"version"`
	State
}

// encode returns the content of the file. It leaves out the oldest entries of a state
// that is too large.
func (s State) encode() ([]byte, error) {
	for {
		content, err := statefile.Encode(stored{version, s})
		if err != nil || len(content) <= statefile.MaxBytes || len(s.Entries) == 0 {
			return content, err
		}
		s.Entries = s.Entries[(len(s.Entries)+7)/8:]
	}
}

// writeDelay is the time in which ends are written together.
const writeDelay = time.Second

// change is the downloads that are not written yet.
type change struct {
	entries []Entry
	files   int
	bytes   int64
}

// Store is the history of one person at one server. Its methods may be called at the
// same time.
type Store struct {
	file statefile.File

	mu    sync.Mutex
	next  change
	timer *time.Timer
}

// New returns the store of a person, by the identity, at a server.
func New(files statefile.Files, server, identity string) *Store {
	return &Store{file: statefile.New(files, "history", version, server, identity)}
}

// Load returns the history with the downloads that are not written yet. Without a
// readable file it begins with them.
func (s *Store) Load() State {
	s.mu.Lock()
	defer s.mu.Unlock()
	state, _ := s.load()
	return state.after(s.next)
}

func (s *Store) load() (State, error) {
	all, err := statefile.Read[stored](s.file)
	return all.valid(), err
}

// Add adds a download. It is written soon, and by Flush.
func (s *Store) Add(e Entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next.entries = newest(append(s.next.entries, e))
	if e.End == Done {
		s.next.files++
		s.next.bytes += max(e.Size, 0)
	}
	if s.timer == nil {
		s.timer = time.AfterFunc(writeDelay, func() { _ = s.Flush() }) // the last Flush returns its error
	}
}

// Flush writes the downloads that are not written yet.
func (s *Store) Flush() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.timer != nil {
		s.timer.Stop()
		s.timer = nil
	}
	if len(s.next.entries) == 0 {
		return nil
	}
	err := s.file.Change(func() ([]byte, error) {
		now, err := s.load()
		if err != nil {
			return nil, err
		}
		return now.after(s.next).encode()
	})
	switch {
	case errors.Is(err, statefile.ErrNewer):
		return ErrNewer
	case err != nil:
		return fmt.Errorf("storing the history of downloads: %w", err)
	}
	s.next = change{}
	return nil
}
