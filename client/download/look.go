package download

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"usher/backend/api"
	"usher/client/download/ticket"
)

// Look reads ranges of one object for a display. A release with the purpose preview
// precedes them, and its event covers all ranges of its URL. When the URL ends, the
// next range requests another release, which is decided and recorded like the first.
// All ranges are of the content of the first release. Nothing is written to the disk.
// Its methods may be called from any goroutine.
type Look struct {
	engine *Engine
	object api.ReleaseObject

	mu       sync.Mutex
	ticket   *ticket.Ticket
	size     int64 // of the first release
	modified time.Time
	sum      *api.Checksum
	releases int
}

// Look returns a Look at an object or at a version of it. It makes no call.
func (e *Engine) Look(obj api.ReleaseObject) *Look { return &Look{engine: e, object: obj} }

// Size returns the size of the object in bytes, and releases a URL if none is there.
func (l *Look) Size(ctx context.Context) (int64, error) {
	if _, err := l.current(ctx); err != nil {
		return 0, stoppedBy(ctx, err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.size, nil
}

// Releases returns the number of releases so far, each an event of the audit log.
func (l *Look) Releases() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.releases
}

// Modified returns the time of the object, after the first release; zero if it is not
// known.
func (l *Look) Modified() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.modified
}

// Sum returns the checksum of the object, after the first release: its algorithm, a
// space and its value; "" if S3 has none.
func (l *Look) Sum() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.sum == nil {
		return ""
	}
	return l.sum.Algorithm + " " + l.sum.Value
}

// ReadRange returns n bytes from an offset, fewer at the end of the object.
func (l *Look) ReadRange(ctx context.Context, off, n int64) ([]byte, error) {
	t, err := l.current(ctx)
	if err != nil {
		return nil, stoppedBy(ctx, err)
	}
	l.mu.Lock()
	n = min(n, l.size-off)
	l.mu.Unlock()
	if n <= 0 {
		return nil, nil
	}
	raw, err := l.engine.fetcher.Range(ctx, t, off, off+n)
	if err != nil {
		l.drop(t)
	}
	return raw, stoppedBy(ctx, mapped(err, l.object.Key, false))
}

// stoppedBy returns the cause of a canceled call in place of its error, which is about
// the network.
func stoppedBy(ctx context.Context, err error) error {
	if err == nil || !errors.Is(ctx.Err(), context.Canceled) {
		return err
	}
	return fmt.Errorf("reading ranges of an object: %w", context.Cause(ctx))
}

// drop removes a ticket after a failed request. The storage may have refused it.
func (l *Look) drop(t *ticket.Ticket) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ticket == t {
		l.ticket = nil
	}
}

// current returns a ticket with enough life for a request.
func (l *Look) current(ctx context.Context) (*ticket.Ticket, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.engine
	if l.ticket != nil && l.ticket.Fresh(e.cfg.Now(), e.cfg.Timeouts.Margin) {
		return l.ticket, nil
	}
	t, err := e.release(ctx, l.object)
	if err != nil {
		return nil, err
	}
	if l.releases++; l.releases == 1 {
		if t.Size < 0 {
			l.releases = 0
			return nil, &ticket.Error{Path: l.object.Key, Reason: "no size"}
		}
		l.size, l.object.ETag = t.Size, t.ETag
		l.modified, l.sum = t.Modified, t.Checksum
	}
	l.ticket = t
	return t, nil
}

// release requests one URL with the purpose preview, and checks it.
func (e *Engine) release(ctx context.Context, obj api.ReleaseObject) (*ticket.Ticket, error) {
	got := e.cfg.Now()
	resp, err := e.cfg.Releaser.Release(ctx, api.ReleaseRequest{Objects: []api.ReleaseObject{obj}, Purpose: api.PurposePreview})
	if err != nil {
		return nil, err
	}
	if len(resp.Items) != 1 {
		return nil, &ticket.Error{Path: obj.Key, Reason: "not one answer to one question"}
	}
	if failed := resp.Items[0].Error; failed != nil {
		return nil, &api.Error{Code: failed.Code}
	}
	t, err := e.check.Check(obj, resp.Items[0], got)
	if err != nil {
		return nil, err
	}
	t.Request = resp.RequestID
	return t, nil
}
