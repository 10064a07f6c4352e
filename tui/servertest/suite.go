// Package servertest holds test suites of a server for the screens: listing and
// paging, reading the audit log, and the access queries of admins. The backend and
// the fakes of the screens' tests pass the same suites.
package servertest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"usher/backend/api"
	"usher/tui/audit"
	"usher/tui/browse"
)

// Bed is a server and a folder that the caller can read, empty at first.
type Bed struct {
	Server browse.Backend
	Bucket string
	Prefix string // ends in "/"
	// Put adds an object of size bytes. Its name is relative to Prefix.
	Put func(name string, size int64) error
	// Remove removes all objects that begin with a name. For the caller this equals
	// the removal of a grant.
	Remove func(name string) error
}

// AuditBed is an audit log that the caller can read.
type AuditBed struct {
	Log    audit.Backend
	Filter string // matches the events of Record, and nothing else
	Record func(n int) error
}

// Promise is one check of a suite.
type Promise[B any] struct {
	Name  string
	check func(context.Context, B) error
}

// Listing returns the checks of listings.
func Listing() []Promise[Bed] {
	return []Promise[Bed]{
		{"the root lists buckets", buckets},
		{"a folder lists files and folders by their names' bytes", level},
		{"a recursive listing names every object and no folder", recursive},
		{"pages join to the whole listing", pages(api.ListRequest{})},
		{"pages join to the whole recursive listing", pages(api.ListRequest{Recursive: true})},
		{"a listing starts behind a name", starts},
		{"a cursor belongs to its question", cursors},
		{"an absent path is not found", absent},
		{"a removed object is not listed", removed},
		{"stat and listing agree", facts},
		{"a name that no request can contain is left out and counted", leftOut},
		{"a search finds objects by text, glob and size", searches},
		{"a foreign cursor of a search is refused", searchCursors},
	}
}

// Audit returns the checks of an audit log.
func Audit() []Promise[AuditBed] {
	return []Promise[AuditBed]{
		{"events come newest first, and pages join", auditPages},
		{"a filter that matches nothing gives an empty page", nothing},
		{"a filter that cannot be read is refused", unreadable},
		{"an audit cursor belongs to its filter", auditCursors},
		{"events are read from both ends, and before any event", bothEnds},
		{"the summary has an entry for each hour", summary},
	}
}

// Run runs each check on a bed of its own.
func Run[B any](t *testing.T, promises []Promise[B], open func() (B, error)) {
	t.Helper()
	for _, p := range promises {
		t.Run(p.Name, func(t *testing.T) {
			if err := p.Check(open); err != nil {
				t.Error(err)
			}
		})
	}
}

// Check runs one check and returns its error.
func (p Promise[B]) Check(open func() (B, error)) error {
	b, err := open()
	if err != nil {
		return fmt.Errorf("opening a server: %w", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	return p.check(ctx, b)
}

// code returns an error unless err has the server's code want.
func code(err error, want api.Code) error {
	var answer *api.Error
	if !errors.As(err, &answer) || answer.Code != want {
		return fmt.Errorf("the answer is %v, want %s", err, want)
	}
	return nil
}
