package download

// totals count files and bytes.
type totals struct {
	files, done, failed int
	same, differ, plain int   // of done: were here; stay though they may differ; checked by size alone
	bytes, doneBytes    int64 // doneBytes: of finished files
	newBytes            int64 // of files that were fetched
}

// batch is the extent of the totals.
type batch uint8

const (
	whileBusy batch = iota // a transfer that is added when all have ended begins a batch
	opened                 // so does the next one, and those after it are in the same batch
	begun                  // all that are added are in one batch
)

// OpenBatch keeps the transfers that are added until end is called in one batch, though
// those before them may have ended. The caller calls end once.
func (e *Engine) OpenBatch() (end func()) {
	set := func(b batch) {
		e.mu.Lock()
		e.sums.batch = b
		e.mu.Unlock()
		e.notify()
	}
	set(opened)
	return func() { set(whileBusy) }
}

// newBatch resets the totals if all transfers have ended and no batch has begun, under mu.
func (e *Engine) newBatch() {
	switch e.sums.batch {
	case opened:
		e.sums.batch = begun
	case begun:
		return
	}
	for _, t := range e.list.order {
		if !t.state.Finished() {
			return
		}
	}
	for _, t := range e.list.order {
		t.batched = false
	}
	e.sums.totals = totals{}
}

// enterBatch counts a file that is to be fetched, under mu.
func (e *Engine) enterBatch(t *transfer) {
	if !t.batched {
		t.batched = true
		e.sums.totals.files++
		e.sums.totals.bytes += max(t.size, 0)
	}
}

// count adds a file to the totals, or takes it out, under mu.
func (e *Engine) count(t *transfer, n int) {
	t.counted = n > 0
	if p := t.parent; p != nil {
		p.folder.files.files += n
		p.folder.files.bytes += int64(n) * max(t.size, 0)
	}
	switch {
	case n > 0:
		e.enterBatch(t)
	case t.batched:
		t.batched = false
		e.sums.totals.files--
		e.sums.totals.bytes -= max(t.size, 0)
	}
}

// resize notes a size that became known, under mu.
func (e *Engine) resize(t *transfer, size int64) {
	grown := size - max(t.size, 0)
	t.size = size
	for _, c := range e.totalsOf(t) {
		c.bytes += grown
	}
}

// totalsOf are the sums that a transfer is part of.
func (e *Engine) totalsOf(t *transfer) (all []*totals) {
	if t.batched {
		all = append(all, &e.sums.totals)
	}
	if t.parent != nil && t.counted {
		all = append(all, &t.parent.folder.files)
	}
	return all
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
		case t.state == Skipped && t.result.differs:
			c.differ += n
		case t.state == Skipped:
			c.same += n
		case t.state == Done:
			c.newBytes += int64(n) * t.size
			if t.result.verified == "size" {
				c.plain += n
			}
		}
	}
	if t.state == Cancelled && t.counted {
		e.count(t, -1)
	}
	if p := t.parent; p != nil {
		p.folder.children -= n
		if n > 0 && t.err != nil && p.folder.firstErr == nil {
			p.folder.firstErr = t.err
		}
		e.settleParent(p)
		e.forgetOld()
	}
}
