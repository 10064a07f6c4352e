package download

import (
	"container/list"
	"slices"
)

// SetLimit changes the rate limit of all transfers together, in bytes a second; 0 is
// no limit. Running transfers keep to it at once.
func (e *Engine) SetLimit(bytes int64) {
	e.mu.Lock()
	e.window.limit = max(bytes, 0)
	e.fetcher.SetLimit(e.window.limit)
	e.mu.Unlock()
	e.notify()
}

// SetParallel changes the number of files that run at once; 0 is as many as bring
// throughput. With a smaller number the last large files in the list go back to the
// queue and keep their bytes, and small files that have begun end first.
func (e *Engine) SetParallel(files int) {
	e.mu.Lock()
	e.window.atOnce.Store(int32(min(max(files, 0), smallSlots)))
	if files > 0 {
		over := -files
		for t := range e.window.active {
			if !t.leaves() {
				over++
			}
		}
		for _, t := range slices.Backward(e.list.order) {
			if over > 0 && e.yield(t) {
				over--
			}
		}
	}
	e.admit()
	e.mu.Unlock()
	e.notify()
}

// First makes a transfer precede all others until it ends: it moves to the front,
// and running large files go back to the queue and keep their bytes. Small files that
// have begun end first. A folder precedes with all its files. A paused transfer is
// resumed. 0 ends the precedence.
func (e *Engine) First(id ID) {
	e.mu.Lock()
	t := e.list.byID[id]
	switch {
	case id == 0:
		e.window.first = nil
	case t != nil && !t.state.Finished():
		for _, c := range slices.Clone(e.list.order) {
			if c == t || c.parent == t {
				e.resume(c)
			}
		}
		e.window.first = t
		e.toFront()
		for a := range e.window.active {
			if !e.leads(a) {
				e.yield(a)
			}
		}
	}
	e.admit()
	e.wake.room.Broadcast()
	e.mu.Unlock()
	e.queue.touch(e)
	e.notify()
}

// leads reports whether a transfer belongs to the first one, under mu.
func (e *Engine) leads(t *transfer) bool {
	f := e.window.first
	return f != nil && (t == f || t.parent == f)
}

// mayStart reports whether a transfer at the head of a queue may be admitted, under mu.
func (e *Engine) mayStart(t *transfer) bool {
	if n := int(e.window.atOnce.Load()); n > 0 && len(e.window.active) >= n {
		return false
	}
	return e.window.first == nil || e.leads(t)
}

// endFirst ends the precedence of a transfer that no longer needs it, under mu: it
// has ended or is paused, or nothing of it runs or waits.
func (e *Engine) endFirst() (ended bool) {
	f := e.window.first
	if f == nil {
		return false
	}
	idle := !f.phase.lists() && f.slot.elem == nil && !f.phase.works()
	if f.req.Folder && idle {
		for a := range e.window.active {
			idle = idle && !e.leads(a)
		}
		for _, l := range []*list.List{e.window.waitSmall, e.window.waitLarge} {
			idle = idle && (l.Len() == 0 || !e.leads(l.Front().Value.(*transfer)))
		}
	}
	if !idle && !f.state.Finished() && f.state != Paused {
		return false
	}
	e.window.first = nil
	return true
}

// unlead ends the precedence of a transfer that waits for another program.
func (e *Engine) unlead(t *transfer) {
	e.mu.Lock()
	if e.leads(t) {
		e.window.first = nil
		e.admit()
	}
	e.mu.Unlock()
}

// toFront moves the first transfer, and the files of a folder, to the front of the
// list and of the queues, in their order, under mu.
func (e *Engine) toFront() {
	lead := make([]*transfer, 0, 1)
	rest := make([]*transfer, 0, len(e.list.order))
	for _, t := range e.list.order {
		if e.leads(t) {
			lead = append(lead, t)
		} else {
			rest = append(rest, t)
		}
	}
	e.list.order = append(lead, rest...)
	for _, t := range slices.Backward(lead) {
		if t.slot.elem != nil {
			e.listOf(t).MoveToFront(t.slot.elem)
		}
	}
}

// line puts a transfer into its queue, under mu: at the end, or before those that
// follow it in the list if it has yielded. Files of the first transfer are in front.
func (e *Engine) line(t *transfer) {
	l, next := e.listOf(t), e.nextInLine(t)
	switch {
	case e.leads(t):
		at := l.Front()
		for at != nil && e.leads(at.Value.(*transfer)) {
			at = at.Next()
		}
		if at == nil {
			t.slot.elem = l.PushBack(t)
		} else {
			t.slot.elem = l.InsertBefore(t, at)
		}
	case next != nil:
		t.slot.elem = l.InsertBefore(t, next.slot.elem)
	default:
		t.slot.elem = l.PushBack(t)
	}
	t.slot.yields = false
}

// nextInLine returns the transfer that a yielded one goes before: the first after it
// in the list that waits in the same queue. It is nil for none, and runs under mu.
func (e *Engine) nextInLine(t *transfer) *transfer {
	if !t.slot.yields {
		return nil
	}
	l, after := e.listOf(t), false
	for _, o := range e.list.order {
		if after && o.slot.elem != nil && e.listOf(o) == l {
			return o
		}
		after = after || o == t
	}
	return nil
}

// leaves reports whether an admitted transfer is about to end its work: it has
// yielded, or a person has paused or removed it.
func (t *transfer) leaves() bool {
	return t.phase == requeued || t.state == Paused || t.slot.drops
}

// yield sends a running large file back to its place in the queue, under mu. Its
// bytes are kept. It reports whether the file runs.
func (e *Engine) yield(t *transfer) bool {
	if t.isSmall() || t.slot.cancel == nil || t.leaves() || t.phase != working && t.phase != blocked {
		return false
	}
	t.phase, t.slot.yields = requeued, true
	e.transition(t, Waiting, nil)
	t.slot.cancel(errPaused)
	return true
}

// swapRunning moves a large file past the next running one, or over the border
// between running and waiting ones, where the other one takes its place. It runs under
// mu, and returns false for files that it does not move. i is the position of t in the
// list.
func (e *Engine) swapRunning(t *transfer, i, step int) bool {
	queued := t.slot.elem != nil
	if i < 0 || t.isSmall() || t.req.Folder || !queued && !t.phase.works() || queued && (step > 0 || t.slot.elem.Prev() != nil) {
		return false
	}
	runs := func(o *transfer) bool { return !o.req.Folder && !o.isSmall() && o.phase.works() }
	if step < 0 {
		at := lastIndex(e.list.order[:i], runs)
		if at < 0 {
			return queued // there is none to take the place of
		}
		e.outrank(t, e.list.order[at])
		return true
	}
	if at := slices.IndexFunc(e.list.order[i+1:], runs); at >= 0 {
		e.outrank(e.list.order[i+1+at], t)
	} else if l := e.listOf(t); l.Len() > 0 {
		e.outrank(l.Front().Value.(*transfer), t)
	}
	return true
}

// outrank places t before o, under mu. If t waits and o runs, o yields.
func (e *Engine) outrank(t, o *transfer) {
	if t.state == Waiting && o.state != Waiting && e.window.first == nil {
		e.yield(o)
	}
	e.placeBefore(t, o)
}

func lastIndex(all []*transfer, ok func(*transfer) bool) int {
	for i := len(all) - 1; i >= 0; i-- {
		if ok(all[i]) {
			return i
		}
	}
	return -1
}

// placeBefore moves t in the list to the place before o, under mu.
func (e *Engine) placeBefore(t, o *transfer) {
	if from := slices.Index(e.list.order, t); from >= 0 {
		e.list.order = slices.Delete(e.list.order, from, from+1)
	}
	if to := slices.Index(e.list.order, o); to >= 0 {
		e.list.order = slices.Insert(e.list.order, to, t)
		return
	}
	e.list.order = append(e.list.order, t)
}
