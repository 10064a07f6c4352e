package download

import (
	"context"
	"errors"

	"usher/backend/api"
)

// ended takes a transfer whose work is over out of the window and finishes it.
// ctx is the transfer's; its cause decides between Paused and Cancelled.
func (e *Engine) ended(ctx context.Context, t *transfer, state State, err error) {
	err = mapped(err, "", false)
	var pe *pauseError
	e.mu.Lock()
	if cause := context.Cause(ctx); err != nil {
		switch {
		case cause != nil && (errors.Is(err, cause) || errors.Is(err, context.Canceled)):
			state, err = Paused, nil // also when the engine was closed: the queue file keeps it
			if cause == errCancelled || t.slot.drops {
				state = Cancelled
				e.forgetParts(t) // the fetch removes only a part that it has opened, and for no other cause
			}
		case errors.As(err, &pe):
			state, err = Paused, pe.err
		default:
			state = Failed
		}
	}
	if t.phase == syncing {
		t.phase = resting
		e.window.settling--
	} else {
		e.leaveWindow(t)
	}
	if below := t.concernsAll(err); below != "" && state == Failed && e.halt(t, below, err) {
		t.event = err.Error()
		state, err = Paused, nil
	}
	e.finish(t, state, err)
	e.admit()
	e.mu.Unlock()
	e.queue.touch(e)
	e.notify()
}

// leaveWindow runs under mu.
func (e *Engine) leaveWindow(t *transfer) {
	delete(e.window.active, t)
	e.account(t)
	if t.isSmall() {
		e.window.smallIn--
		e.window.smallSum -= t.req.Size
	} else {
		e.window.largeIn -= t.slot.weight
		e.conns.SetTaken(e.window.largeIn)
	}
	if t.slot.cancel, t.slot.meter = nil, (meter{}); t.phase != requeued {
		t.phase = resting
	}
	e.sums.meter.ended++
}

// finish gives a transfer its end, counts it and queues its report, under mu.
// Every end passes here: no other code sets a state that is finished, or a
// Paused that has a cause.
func (e *Engine) finish(t *transfer, state State, err error) {
	if t.phase == requeued {
		t.phase = resting
		if state != Done && state != Skipped {
			e.enqueue(t)
			return
		}
	}
	var ae *api.Error
	own := !t.req.Folder || t.folder.walkErr != nil // not the failure of a file in the folder
	if own && state == Failed && errors.As(err, &ae) && ae.Code == api.NotFound {
		state, t.event = Denied, "No longer available."
	}
	if err != nil && t.event == "" {
		t.event = err.Error()
	}
	ended := t.state.Finished()
	e.transition(t, state, err)
	if t.req.Folder {
		if own && err != nil && !ended {
			e.reportEnd(t)
		}
		return
	}
	if state == Done || state == Skipped {
		if t.size < 0 {
			e.resize(t, t.progress.Done.Load())
		}
		t.progress.Done.Store(t.size)
		if state == Done {
			t.event = ""
		}
	}
	if state.Finished() {
		t.chain.offer = offer{} // unused: its event is the only trace of it
		e.countEnd(t, 1)
	}
	if state.Finished() || err != nil {
		e.reportEnd(t)
	}
}

// outcome is one end that is to be reported.
type outcome struct {
	last Transfer
	item api.CompleteItem // without Event: nothing to report to the backend
}

// reportEnd queues the report of an end, under mu. Reports go out one by one, in
// order, on a goroutine that lives as long as there are any.
func (e *Engine) reportEnd(t *transfer) {
	e.ends.queue = append(e.ends.queue, outcome{e.copyOf(t), e.completion(t)})
	if !e.ends.telling {
		e.ends.telling = true
		go e.sendEnds()
	}
}

// sendEnds reports ends to the backend and to Config.Finished until there are none.
func (e *Engine) sendEnds() {
	e.mu.Lock()
	defer e.mu.Unlock()
	for len(e.ends.queue) > 0 {
		ends := e.ends.queue
		e.ends.queue, e.ends.spare = e.ends.spare, nil
		e.mu.Unlock()
		for _, x := range ends {
			if x.item.Event != "" {
				e.reporter.add(x.item)
			}
			if e.cfg.Finished != nil {
				e.cfg.Finished(x.last)
			}
		}
		e.queue.touch(e)
		e.notify()
		clear(ends)
		e.mu.Lock()
		e.ends.spare = ends[:0]
	}
	e.ends.queue, e.ends.spare = nil, nil
	e.ends.telling = false
	e.ends.told.Broadcast()
	e.checkIdle()
	if !e.busy() {
		go e.reporter.flush()
	}
}

// completion is the report of an end to the backend, under mu. A transfer without
// a URL has no event and is not reported.
func (e *Engine) completion(t *transfer) api.CompleteItem {
	item := api.CompleteItem{Event: t.chain.first, Bytes: t.progress.Done.Load(), Verified: t.result.verified,
		Seconds: max(e.cfg.Now().Sub(t.started).Seconds(), 0)}
	if e.cfg.Now().Sub(t.chain.at) > chainAge {
		item.Event = t.chain.last
	}
	switch t.state {
	case Done:
		item.Outcome = api.CompletedDone
	case Skipped: // the URL served a comparison, and nothing was fetched
		item.Outcome, item.Bytes = api.CompletedDone, 0
	case Cancelled:
		item.Outcome = api.CompletedCancelled
	case Failed:
		item.Outcome = api.CompletedFailed
	default:
		item.Event = ""
	}
	if !e.cfg.Report {
		item.Event = ""
	}
	return item
}
