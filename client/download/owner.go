package download

import (
	"context"
	"time"

	"usher/client/download/fetch"
	"usher/client/download/ticket"
)

// owner is a transfer's side of a fetch: it releases URLs and notes events.
type owner struct {
	e *Engine
	t *transfer
}

// Ticket releases another URL.
func (o owner) Ticket(ctx context.Context, named bool) (*ticket.Ticket, error) {
	return o.e.ticketFor(ctx, o.t, named)
}

// Notify notes an event of an attempt.
func (o owner) Notify(ev fetch.Event) {
	switch e, t := o.e, o.t; ev.Kind {
	case fetch.Checking:
		e.mu.Lock()
		t.result.verified = ev.Label // of the check that is under way
		e.report(t, Verifying, nil, ev.Text)
		e.mu.Unlock()
		e.notify()
	case fetch.Dropped:
		e.mu.Lock()
		t.result.anew = true
		e.report(t, Running, nil, ev.Text)
		e.mu.Unlock()
	case fetch.Offline:
		e.set(t, WaitingNetwork, mapped(ev.Err, t.req.Key, false), ev.Text)
	default:
		e.set(t, Running, nil, ev.Text)
	}
}

// Sized notes the size.
func (o owner) Sized(size int64) error {
	o.e.mu.Lock()
	defer o.e.mu.Unlock()
	o.e.resize(o.t, size)
	return nil
}

// Chain returns the first event of the transfer.
func (o owner) Chain() (event string, at time.Time) {
	o.e.mu.Lock()
	defer o.e.mu.Unlock()
	return o.t.chain.first, o.t.chain.at
}
