package download

import (
	"context"
	"errors"

	"usher/backend/api"
)

// ended notes how a transfer's work ended, counts it and makes room.
func (e *Engine) ended(ctx context.Context, t *transfer, state State, err error) {
	cause := context.Cause(ctx)
	var pe *pauseError
	var ae *api.Error
	e.mu.Lock()
	switch {
	case err == nil:
	case cause != nil && errors.Is(err, cause) || errors.Is(err, context.Canceled) && cause != nil:
		switch cause {
		case errPaused:
			state, err = Paused, nil
		case errCancelled:
			state, err = Cancelled, nil
		default:
			state, err = Paused, nil // closed; the queue file keeps it
		}
	case errors.As(err, &pe):
		state, err = Paused, pe.err
	case errors.As(err, &ae) && ae.Code == api.NotFound:
		state = Denied
		t.event = "No longer available."
	default:
		state = Failed
	}
	if t.syncing {
		t.syncing = false
		e.settling--
	} else {
		e.leaveWindow(t)
	}
	e.telling++ // before conclude lets Wait look
	e.conclude(t, state, err)
	last := e.copyOf(t)
	e.mu.Unlock()
	e.tell(t, last, cause)
	e.mu.Lock()
	e.telling--
	e.checkIdle()
	e.mu.Unlock()
}

// leaveWindow runs under mu.
func (e *Engine) leaveWindow(t *transfer) {
	delete(e.active, t)
	if t.isSmall() {
		e.smallIn--
		e.smallSum -= t.req.Size
	} else {
		e.largeIn -= t.weight
		e.lanes.taken.Store(int64(e.largeIn))
	}
	t.running, t.cancel, t.meter = false, nil, meter{}
	e.meter.ended++
}

// conclude sets the final state and counts it, under mu.
func (e *Engine) conclude(t *transfer, state State, err error) {
	if t.again && state != Done && state != Skipped {
		t.again = false
		e.enqueue(t)
		e.admit()
		return
	}
	t.again = false
	if err != nil && t.event == "" {
		t.event = err.Error()
	}
	t.state, t.err = state, err
	if state == Done || state == Skipped {
		if t.size < 0 {
			e.resize(t, t.done.Load())
		}
		t.done.Store(t.size)
		if state == Done {
			t.event = ""
		}
	}
	if state.Finished() {
		e.countEnd(t, 1)
	}
	e.admit()
}

// countEnd counts a finished file, or takes it out again for a retry, under mu.
func (e *Engine) countEnd(t *transfer, n int) {
	for _, c := range e.totalsOf(t) {
		switch t.state {
		case Done, Skipped:
			c.done += n
			c.doneBytes += int64(n) * t.size
		case Failed, Denied:
			c.failed += n
		}
		switch {
		case t.state == Skipped && t.differs:
			c.differ += n
		case t.state == Skipped:
			c.same += n
		case t.state == Done:
			c.newBytes += int64(n) * t.size
			if t.verified == "size" {
				c.plain += n
			}
		}
	}
	if t.state == Cancelled && t.counted {
		e.count(t, -1)
	}
	if p := t.parent; p != nil {
		p.children -= n
		if n > 0 && t.err != nil && p.firstErr == nil {
			p.firstErr = t.err
		}
		e.settleParent(p)
		e.forgetOld()
	}
}

// tell reports an ended transfer to the backend, the caller's hook and the
// queue file.
func (e *Engine) tell(t *transfer, last Transfer, cause error) {
	switch {
	case last.State == Done:
		e.report(t, api.CompletedDone, t.done.Load())
	case last.State == Skipped: // a URL was asked for to compare, and nothing was fetched
		e.report(t, api.CompletedDone, 0)
	case last.State == Cancelled:
		e.report(t, api.CompletedCancelled, t.done.Load())
	case last.State == Failed:
		e.report(t, api.CompletedFailed, t.done.Load())
	}
	if last.State.Finished() && e.cfg.Finished != nil && cause != errClosed {
		e.finishedMu.Lock()
		e.cfg.Finished(last)
		e.finishedMu.Unlock()
	}
	e.queue.touch(e)
	e.notify()
}
