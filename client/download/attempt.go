package download

import (
	"context"
	"strings"

	"usher/client/download/fetch"
	"usher/client/download/part"
	"usher/client/quantity"
)

// attempt is one try of a transfer: a plan from a look at the disk, a released URL, a
// place among the requests, the bytes, their verification and the final name. Each
// step takes plain values and returns its result; only this function notes results in
// the transfer.
func (e *Engine) attempt(ctx context.Context, t *transfer, r *retryNote) (State, error) {
	e.mu.Lock()
	o := t.order(r)
	e.mu.Unlock()
	p, err := e.plan(o)
	e.notePlan(t, p)
	if p.verified == part.Recorded {
		e.dropOwnParts(o.target)
	}
	if err != nil || p.skip {
		return p.state, err
	}
	o.named = o.small && len(p.compare) == 0
	tk, err := e.ticketFor(ctx, t, o.named)
	if err == nil && len(p.compare) > 0 {
		p, err = e.sameContent(o.target, p, tk)
		e.notePlan(t, p)
	}
	if err != nil || p.skip {
		return p.state, err
	}
	object := o.object(tk)
	leave, err := e.enter(ctx, o, object)
	if err != nil {
		return Failed, err
	}
	if err := e.begin(ctx, t); err != nil {
		leave(err)
		return Failed, err
	}
	got, err := e.deliver(ctx, o.target, p, fetch.Job{Object: object, Ticket: tk, Owner: owner{e, t}, Progress: o.progress})
	leave(err)
	e.noteEnd(t, got, err)
	return got.end, err
}

// begin notes that a transfer moves. A stop of several transfers ends all their contexts
// under mu, but returns their places one by one: the next of these transfers may get a
// place, and must not send a request.
func (e *Engine) begin(ctx context.Context, t *transfer) error {
	e.mu.Lock()
	err := context.Cause(ctx)
	if err == nil {
		e.report(t, Running, nil, "")
	}
	e.mu.Unlock()
	e.notify()
	return err
}

// order is one attempt in plain values.
type order struct {
	target
	refused error // see transfer
	small   bool  // one request fetches the whole object
	named   bool  // the ETag of the listing is enough for a URL
	whole   bool  // the storage has shown that it ignores ranges
	weight  int   // in the places of large files
}

// order describes the next attempt, under mu. r is nil for a stream.
func (t *transfer) order(r *retryNote) order {
	o := order{refused: t.refused, small: t.isSmall(), whole: r != nil && r.wholes > 0, weight: t.slot.weight, target: targetOf(t.req, t.segs)}
	o.size, o.progress = t.size, &t.progress
	return o
}

// targetOf returns the target of a request with the local path segs below its Dir.
func targetOf(r Request, segs []string) target {
	to := target{bucket: r.Bucket, key: r.Key, etag: r.ETag, listed: r.Size, size: r.listedSize(),
		dir: r.Dir, given: r.Name != "", conflict: r.Conflict, content: r.Checksum}
	if last := len(segs) - 1; last >= 0 {
		to.dirs, to.name = segs[:last], segs[last]
	}
	return to
}

// notePlan notes the result of a look at the disk.
func (e *Engine) notePlan(t *transfer, p plan) {
	e.mu.Lock()
	defer e.mu.Unlock()
	t.result.dest = p.path
	if p.begun != nil {
		e.adopt(t, *p.begun)
	}
	if p.skip {
		t.result.verified, t.result.differs = p.verified, p.differs
	}
}

// adopt takes over the chain of audit events that an earlier run began, so
// that the auditor sees one row for one file, under mu.
func (e *Engine) adopt(t *transfer, s part.Sidecar) {
	if age := e.cfg.Now().Sub(s.EventAt); t.chain.first != "" || !eventID(s.Event) || age < 0 || age > chainAge {
		return
	}
	t.chain.first, t.chain.at = s.Event, s.EventAt
	t.event = "Going on from " + quantity.Size(s.Have()) + "."
}

// eventID reports whether a sidecar's event has the form of an id: the file may have been
// touched, and the backend refuses a whole release for one odd id.
func eventID(s string) bool {
	return s != "" && len(s) <= 64 && !strings.ContainsFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-')
	})
}

// noteEnd notes the result of a delivery.
func (e *Engine) noteEnd(t *transfer, got delivered, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	t.result.verified = got.verified
	if err == nil && got.end == Done {
		t.result.dest, t.err = got.dest, nil
	}
}
