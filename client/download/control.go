package download

import (
	"errors"
	"slices"
)

// Pause stops a transfer, or all of a folder, and keeps the fetched bytes.
func (e *Engine) Pause(id ID) { e.each(id, e.pause) }

// Resume puts a paused transfer back into the queue.
func (e *Engine) Resume(id ID) { e.each(id, e.resume) }

// Cancel stops a transfer and removes its part. One that ended already is
// taken off the list; a finished file stays where it is.
func (e *Engine) Cancel(id ID) { e.each(id, e.drop) }

// Retry puts a transfer that failed, was denied or was cancelled back into
// the queue. A transfer that waits for the network tries now.
func (e *Engine) Retry(id ID) {
	e.each(id, e.retry)
	e.wakeSleepers()
}

// PauseAll pauses everything that is not finished.
func (e *Engine) PauseAll() { e.each(0, e.pause) }

// ResumeAll resumes everything that is paused.
func (e *Engine) ResumeAll() { e.each(0, e.resume) }

// RetryAll retries all transfers that failed or were denied. A transfer that
// waits for the network tries now.
func (e *Engine) RetryAll() {
	e.each(0, func(t *transfer) {
		if t.state != Cancelled {
			e.retry(t)
		}
	})
	e.wakeSleepers()
}

func (e *Engine) wakeSleepers() {
	e.mu.Lock()
	close(e.wake.kick)
	e.wake.kick = make(chan struct{})
	e.mu.Unlock()
}

// each applies f under mu to a transfer and, if it is a folder, to its
// files; id 0 means all.
func (e *Engine) each(id ID, f func(*transfer)) {
	e.mu.Lock()
	if t := e.list.byID[id]; t != nil || id == 0 {
		for _, c := range slices.Clone(e.list.order) {
			if id == 0 || c == t || c.parent == t && t.req.Folder {
				f(c)
			}
		}
		e.sweep()
		e.admit()
		e.wake.room.Broadcast()
	}
	e.mu.Unlock()
	e.queue.touch(e)
	e.notify()
}

func (e *Engine) pause(t *transfer) {
	if t.state.Finished() || t.state == Paused || t.phase == syncing {
		return
	}
	t.stay()
	e.dequeue(t)
	if t.slot.cancel != nil {
		t.slot.cancel(errPaused)
	}
	e.transition(t, Paused, t.err)
}

func (e *Engine) resume(t *transfer) {
	if t.state != Paused {
		return
	}
	clear(e.halted) // a person may have made room
	switch {
	case !t.req.Folder:
		e.enqueue(t)
	case t.phase.lists(): // the walk is about to stop
		t.phase, t.slot.drops = rewalking, false
		e.transition(t, Running, t.err)
	case t.folder.walkErr == errPaused:
		e.startWalk(t)
	default:
		e.transition(t, Running, t.err)
		e.settleParent(t)
	}
}

func (e *Engine) retry(t *transfer) {
	if t.state != Failed && t.state != Denied && t.state != Cancelled {
		return
	}
	clear(e.halted)
	if t.req.Folder {
		if t.folder.walkErr != nil && !t.phase.lists() {
			e.startWalk(t)
		}
		return
	}
	e.countEnd(t, -1)
	if !t.counted {
		e.count(t, 1)
	}
	e.enterBatch(t)
	if p := t.parent; p != nil && p.state.Finished() {
		e.transition(p, Running, nil)
	}
	if errors.Is(t.err, ErrChanged) {
		t.req.ETag = "" // the listing's content is no more: take the one that is there
	}
	t.err, t.event = nil, ""
	e.enqueue(t)
}

func (e *Engine) drop(t *transfer) {
	if t.req.Folder && t.state != Done && t.state != Skipped && t.state != Cancelled {
		e.forgetParts(t) // those of an earlier run: the files of this one are transfers
	}
	switch {
	case t.phase == syncing:
	case t.state == Done || t.state == Skipped || t.state == Cancelled:
		e.remove(t)
	case t.slot.cancel != nil: // its goroutine removes the part and ends the transfer
		t.stay()
		t.slot.drops = true // after a pause, errCancelled is not the cause
		t.slot.cancel(errCancelled)
	case t.req.Folder:
		e.finish(t, Cancelled, nil)
	case t.state == Failed || t.state == Denied:
		e.remove(t)
		if !t.req.Folder {
			e.forgetParts(t)
		}
	default:
		e.dequeue(t)
		e.forgetParts(t)
		e.finish(t, Cancelled, nil)
	}
}

// replace takes a finished transfer off the list and keeps its parts, under mu; sweep
// completes it.
func (e *Engine) replace(t *transfer) {
	e.remove(t)
	if !t.req.Folder {
		return
	}
	for _, c := range e.list.order {
		if c.parent == t && c.state.Finished() && c.phase != removed {
			e.remove(c)
		}
	}
}

// remove takes a transfer off the list, under mu; sweep completes it.
func (e *Engine) remove(t *transfer) {
	if t.state.Finished() && t.state != Cancelled {
		e.countEnd(t, -1)
		if p := t.parent; p != nil {
			p.folder.children-- // finished it stays; it only leaves the list
			e.settleParent(p)
		}
	}
	if t.counted && !t.req.Folder {
		e.count(t, -1)
	}
	t.phase = removed
	delete(e.list.byID, t.id)
}

func (e *Engine) sweep() {
	e.list.order = slices.DeleteFunc(e.list.order, func(t *transfer) bool { return t.phase == removed })
}

// Move shifts a waiting transfer by delta places among those that wait like it
// (large ones and small ones have queues of their own), and any other on the list;
// below zero is towards the front. A large file that moves past the last running one
// takes its place, and the other one waits.
func (e *Engine) Move(id ID, delta int) {
	e.mu.Lock()
	if t := e.list.byID[id]; t != nil {
		for ; delta < 0; delta++ {
			e.swap(t, -1)
		}
		for ; delta > 0; delta-- {
			e.swap(t, 1)
		}
	}
	e.mu.Unlock()
	e.queue.touch(e)
	e.notify()
}

// swap moves a transfer by one place, under mu: past the next that waits in the
// same queue, if it waits.
func (e *Engine) swap(t *transfer, step int) {
	i := slices.Index(e.list.order, t)
	to := i + step
	if e.swapRunning(t, i, step) {
		return
	}
	if l := e.listOf(t); t.slot.elem != nil {
		past := t.slot.elem.Next()
		if step < 0 {
			past = t.slot.elem.Prev()
		}
		if past == nil {
			return
		}
		if to = slices.Index(e.list.order, past.Value.(*transfer)); step < 0 {
			l.MoveBefore(t.slot.elem, past)
		} else {
			l.MoveAfter(t.slot.elem, past)
		}
	}
	if i >= 0 && to >= 0 && to < len(e.list.order) {
		e.list.order = slices.Insert(slices.Delete(e.list.order, i, i+1), to, t)
	}
}
