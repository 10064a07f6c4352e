package download

import (
	"context"
	"time"

	"usher/client/download/fetch"
	"usher/client/download/ticket"
)

// attempt is one try of a transfer: a look at the disk, a ticket, a place among
// the requests, the bytes and the final name. Each step takes plain values and
// returns its result; only this file notes results in the transfer.
func (e *Engine) attempt(ctx context.Context, t *transfer, r *retryNote) (State, error) {
	to := t.target()
	p, err := e.look(to)
	e.notePlan(t, p)
	if err == nil && !p.skip {
		err = e.admissible(to, t.refused)
	}
	if err != nil || p.skip {
		return p.state, err
	}
	named := t.isSmall() && len(p.compare) == 0
	tk, err := e.ticketFor(ctx, t, named)
	if err == nil && len(p.compare) > 0 {
		p, err = e.sameContent(to, p, tk)
		e.notePlan(t, p)
	}
	if err != nil || p.skip {
		return p.state, err
	}
	job := e.jobOf(t, tk, r)
	job.Object.Named = named
	job.Object.Plain = r.wholes > 0 || job.Object.Size <= smallObject && (job.Object.Size >= 0 || named)
	leave, err := e.enter(ctx, t, &job.Object)
	if err != nil {
		return Failed, err
	}
	got, err := e.save(ctx, to, job, p, func() { e.startedAgain(t) })
	leave(err)
	e.mu.Lock()
	defer e.mu.Unlock()
	if t.result.verified = got.verified; err == nil && got.end == Done {
		t.result.dest, t.err = got.dest, nil
	}
	return got.end, err
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

// startedAgain notes that the part of another content was dropped.
func (e *Engine) startedAgain(t *transfer) {
	e.mu.Lock()
	defer e.mu.Unlock()
	t.result.anew = true
	e.report(t, Running, nil, "The file changed since the last try; starting from the beginning.")
}

// admissible returns the reason why a target cannot be released, or cannot be
// written where it lands. refused is a reason that is known beforehand.
func (e *Engine) admissible(to target, refused error) error {
	if refused != nil {
		return refused
	}
	if err := e.disk.Check(to.dir, to.dirs); err != nil {
		return err
	}
	return e.fits(to)
}

// jobOf describes a transfer to package fetch. r is nil for a stream.
func (e *Engine) jobOf(t *transfer, tk *ticket.Ticket, r *retryNote) fetch.Job {
	size := tk.Size
	if size < 0 && t.req.ETag != "" {
		size = t.req.Size
	}
	return fetch.Job{
		Object: fetch.Object{Bucket: t.req.Bucket, Key: t.req.Key, ETag: tk.ETag, Version: tk.Version, Size: size, Modified: tk.Modified,
			Checksum: tk.Checksum, Parts: tk.Parts, Weight: t.slot.weight, Whole: r != nil && r.wholes > 0},
		Ticket:   tk,
		Source:   source{e, t},
		Progress: &t.progress,
		Notify:   func(ev fetch.Event) { e.fetched(t, ev) },
		Sized: func(size int64) error {
			e.mu.Lock()
			defer e.mu.Unlock()
			e.resize(t, size)
			return nil
		},
		Chain: func() (string, time.Time) {
			e.mu.Lock()
			defer e.mu.Unlock()
			return t.chain.first, t.chain.at
		},
	}
}

// source releases the URLs of one transfer.
type source struct {
	e *Engine
	t *transfer
}

func (s source) Ticket(ctx context.Context, named bool) (*ticket.Ticket, error) {
	return s.e.ticketFor(ctx, s.t, named)
}

// fetched notes an event of an attempt.
func (e *Engine) fetched(t *transfer, ev fetch.Event) {
	switch ev.Kind {
	case fetch.Checking:
		e.mu.Lock()
		t.result.verified = ev.Label // of the check that is under way
		e.report(t, Verifying, nil, ev.Text)
		e.mu.Unlock()
		e.notify()
	case fetch.Offline:
		e.set(t, WaitingNetwork, mapped(ev.Err, t.req.Key, false), ev.Text)
	default:
		e.set(t, Running, nil, ev.Text)
	}
}

// enter waits for a place among the requests under way. leave gives it back.
func (e *Engine) enter(ctx context.Context, t *transfer, o *fetch.Object) (leave func(error), err error) {
	places, weight := e.large, e.largeWeight(o.Size)
	if o.Plain && t.isSmall() {
		places, weight = e.small, e.smallWeight(o.Size)
	}
	if weight, err = places.Enter(ctx, weight); err != nil {
		return nil, err
	}
	e.set(t, Running, nil, "")
	return func(err error) {
		places.Leave(weight)
		if err == nil && places == e.small {
			places.Faster()
		}
	}, nil
}
