// Package servertest holds the promises of a server to the screens: listing and
// paging, reading the audit log, and the access queries of admins. The backend
// and the fakes of the screens' tests pass the same suites.
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

// Bed is a server and one folder that the caller may see, empty at first.
type Bed struct {
	Server browse.Backend
	Bucket string
	Prefix string // ends in "/"
	// Put makes an object of size bytes; its name is relative to Prefix.
	Put func(name string, size int64) error
	// Remove takes away all objects that begin with a name. To the caller that is the same
	// as a grant that was removed.
	Remove func(name string) error
}

// AuditBed is an audit log in which the caller may read.
type AuditBed struct {
	Log    audit.Backend
	Filter string // matches the events of Record, and nothing else
	Record func(n int) error
}

// Promise is one promise of a suite.
type Promise[B any] struct {
	Name  string
	check func(context.Context, B) error
}

// Listing is the promises of a server that lists.
func Listing() []Promise[Bed] {
	return []Promise[Bed]{
		{"the root lists buckets", buckets},
		{"a folder lists files and folders by their names' bytes", level},
		{"a recursive listing names every object and no folder", recursive},
		{"pages join to the whole listing", pages(api.ListRequest{})},
		{"pages join to the whole recursive listing", pages(api.ListRequest{Recursive: true})},
		{"a cursor belongs to its question", cursors},
		{"what is not there is not found", absent},
		{"what is removed is not listed any more", removed},
		{"stat and listing agree", facts},
	}
}

// Audit is the promises of a server with an audit log.
func Audit() []Promise[AuditBed] {
	return []Promise[AuditBed]{
		{"events come newest first, and pages join", auditPages},
		{"a filter that matches nothing gives an empty page", nothing},
		{"a filter that cannot be read is refused", unreadable},
		{"an audit cursor belongs to its filter", auditCursors},
		{"the summary has an entry for each hour", summary},
	}
}

// Run plays each promise on a bed of its own.
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

// Check plays one promise and returns how it was broken.
func (p Promise[B]) Check(open func() (B, error)) error {
	b, err := open()
	if err != nil {
		return fmt.Errorf("opening a server: %w", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	return p.check(ctx, b)
}

// code fails unless an error carries a code of the server.
func code(err error, want api.Code) error {
	var answer *api.Error
	if !errors.As(err, &answer) || answer.Code != want {
		return fmt.Errorf("the answer is %v, want %s", err, want)
	}
	return nil
}
