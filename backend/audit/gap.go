package audit

import (
	"context"
	"errors"
	"sync"
	"time"

	"usher/backend/event"
)

// gap counts the records that the log refused, until it takes events again.
type gap struct {
	mu      sync.Mutex
	count   int
	from    time.Time
	until   time.Time
	pending *event.Event // of a gap that is over, and not recorded yet
	writing bool
}

type besideKey struct{}

// Beside returns a context for records that no request waits for. Their failure is
// not counted in an audit-gap event.
func Beside(ctx context.Context) context.Context { return context.WithValue(ctx, besideKey{}, true) }

// refused counts a record that a request needed and did not get.
func (l *Log) refused(ctx context.Context, err error) {
	if ctx.Value(besideKey{}) != nil || errors.Is(err, ErrConflict) {
		return
	}
	now := l.now()
	g := &l.gap
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.count++; g.count == 1 {
		g.from = now
	}
	g.until = now
}

// open reports whether refused records have no event yet.
func (g *gap) open() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.count > 0 || g.pending != nil
}

// take returns the event of a gap that is over, or nil. A retry has the same event,
// so a write with a lost response is not recorded twice.
func (l *Log) take() *event.Event {
	g := &l.gap
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.writing || g.pending == nil && g.count == 0 {
		return nil
	}
	if g.pending == nil {
		from, until := g.from, g.until
		e := l.fill(event.Event{
			Action: event.AuditGap, Outcome: event.Failed, Count: g.count, From: &from, Until: &until,
			Reason: "the log took no events; nothing was released",
		})
		g.pending, g.count = &e, 0
	}
	g.writing = true
	return g.pending
}

// resumed records the end of a gap, after a successful write.
func (l *Log) resumed(ctx context.Context) {
	e := l.take()
	if e == nil {
		return
	}
	err := l.write(ctx, []event.Event{*e})
	g := &l.gap
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.writing = false; err == nil {
		g.pending = nil
	}
}

// Resume records the end of a gap if the log takes events again. Call it each
// second: the end is then recorded without a further request.
func (l *Log) Resume(ctx context.Context) {
	if l.gap.open() && l.Check(ctx) == nil {
		l.resumed(ctx)
	}
}
