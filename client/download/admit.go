package download

import (
	"container/list"
	"context"
	"time"

	"usher/backend/api"
	"usher/client/download/fetch"
)

// enqueue runs under mu.
func (e *Engine) enqueue(t *transfer) {
	e.transition(t, Waiting, nil)
	t.slot.drops = false
	if t.phase.works() {
		t.phase = requeued
		return
	}
	t.phase = queued
	e.line(t)
}

func (e *Engine) listOf(t *transfer) *list.List {
	if t.isSmall() {
		return e.window.waitSmall
	}
	return e.window.waitLarge
}

// dequeue runs under mu.
func (e *Engine) dequeue(t *transfer) {
	if t.slot.elem != nil {
		e.listOf(t).Remove(t.slot.elem)
		t.slot.elem, t.phase = nil, resting
	}
}

// How far releases run ahead of transfers: the files that can
// start within 15 s at the measured rate, and before a rate is measured the files
// that a slow link can start. A file whose URL came with its listing waits for a slot
// instead.
const (
	aheadTime  = 15 * time.Second
	aheadBytes = 8 << 20 // before the first rate
	aheadMost  = 1000    // files
	aheadLeast = 8
	aheadLarge = 2    // files beyond those that have their places
	maxPending = 2000 // children that a walk may run ahead
)

// How much of small files is in flight together. A slow link that all of them
// share brings none of them home for long, and a kill then costs them all.
const (
	flightTime  = 4 * time.Second
	flightCold  = 4 << 20 // bytes, before the first rate
	flightLeast = 1 << 20 // bytes
	leastSlots  = 4
)

// smallWeight is how many of the small slots a file of that size takes.
func (e *Engine) smallWeight(size int64) int {
	if e.cfg.Parallel > 0 || e.window.atOnce.Load() > 0 {
		return 1
	}
	return 1 + int(max(size, 0)>>20)
}

// fitSlots fits the small slots to the rate and to the files that are next, under mu.
func (e *Engine) fitSlots() (slots int) {
	if n := int(e.window.atOnce.Load()); n > 0 {
		e.small.Bound(n)
		return n
	}
	most := e.small.Limit()
	mean, n := e.window.smallSum, int64(e.window.smallIn)
	if next := e.window.waitSmall.Front(); n == 0 && next != nil {
		mean, n = next.Value.(*transfer).req.Size, 1
	}
	if e.cfg.Parallel > 0 || n == 0 {
		return most
	}
	flight := int64(flightCold)
	if e.sums.meter.warm {
		flight = max(int64(e.sums.meter.rate*flightTime.Seconds()), flightLeast)
	}
	mean = max(mean/n, 1)
	files := min(max(flight/mean, leastSlots), int64(most))
	slots = min(int(files)*e.smallWeight(mean), most)
	if slots < most {
		e.small.Bound(slots)
	} else { // room to grow
		e.small.Bound(e.small.Capacity())
	}
	return slots
}

// admit starts the transfers that may start, under mu.
func (e *Engine) admit() {
	if e.closed {
		return
	}
	ahead, sum := aheadMost, int64(aheadBytes)
	if e.sums.meter.warm {
		ahead = int(min(max(e.sums.meter.files*aheadTime.Seconds(), aheadLeast), aheadMost))
		sum = max(int64(e.sums.meter.rate*aheadTime.Seconds()), flightLeast)
	}
	slots := e.fitSlots()
	portion := e.window.smallIn <= slots+ahead-min(ahead/2, api.MaxRelease) // fills a release
	for e.window.waitSmall.Len() > 0 {
		t := e.window.waitSmall.Front().Value.(*transfer)
		if !e.mayStart(t) {
			break
		}
		if t.chain.offer.item != nil {
			if e.window.smallIn >= slots+aheadLeast {
				break
			}
		} else if !portion || e.window.smallIn >= slots+ahead || e.window.smallIn >= aheadLeast && e.window.smallSum >= sum {
			break
		}
		e.window.smallIn++
		e.window.smallSum += t.req.Size
		e.launch(t)
	}
	for e.window.waitLarge.Len() > 0 {
		t := e.window.waitLarge.Front().Value.(*transfer)
		if !e.mayStart(t) {
			break
		}
		weight := e.largeWeight(t.size)
		if e.window.largeIn >= e.large.Capacity()+aheadLarge*weight {
			break
		}
		t.slot.weight = weight
		e.window.largeIn += weight
		e.conns.SetTaken(e.window.largeIn)
		e.launch(t)
	}
	if e.endFirst() {
		e.admit()
		return
	}
	for t := range e.list.walks {
		if e.pageDue(t.folder.urls) {
			e.wake.room.Broadcast()
			break
		}
	}
	e.checkIdle()
}

// largeWeight is how many of the largeSlots a file of that size takes: 4 big ones
// are under way at once, or up to 16 of 64 MiB or less, each on a connection of
// its own and in one request, which costs the storage least. -1: not known.
func (e *Engine) largeWeight(size int64) int {
	if e.cfg.Parallel > 0 || e.window.atOnce.Load() > 0 || size >= 0 && size <= oneConn {
		return 1
	}
	return largeSlots / largeFiles
}

// launch runs under mu.
func (e *Engine) launch(t *transfer) {
	e.dequeue(t)
	ctx, cancel := context.WithCancelCause(e.ctx)
	t.slot.cancel, t.slot.meter, t.slot.drops, t.phase = cancel, meter{}, false, working
	e.window.active[t] = struct{}{}
	e.warm(t)
	e.startTicking()
	e.wg.Add(1)
	select {
	case e.workers <- assignment{ctx, t}:
	default:
		go e.worker(assignment{ctx, t})
	}
}

// warm opens connections for the first transfers while their URLs are released
// for, under mu, so that connections to S3 open while the release is in flight.
func (e *Engine) warm(t *transfer) {
	if e.fetcher.Moved() > 0 {
		return
	}
	want := e.window.smallIn
	if !t.isSmall() {
		want += int(min(max(t.size/fetch.MinPart, guessConns), fetch.FirstConns))
	}
	e.warmUpTo(want, t.req.Bucket)
}

// warmUpTo opens connections to a bucket ahead, up to that number in all, under mu.
func (e *Engine) warmUpTo(want int, bucket string) {
	if more := min(want, max(e.small.Capacity(), e.conns.Most())) - e.window.warmed; more > 0 {
		e.window.warmed += more
		e.fetcher.Warm(e.ctx, e.check.Origin(bucket), more)
	}
}

// assignment is a transfer that was admitted.
type assignment struct {
	ctx context.Context
	t   *transfer
}

// worker runs one transfer after the other: a stack that has grown once
// serves thousands of small files.
func (e *Engine) worker(next assignment) {
	idle := time.NewTimer(time.Second)
	defer idle.Stop()
	for {
		e.run(next.ctx, next.t)
		idle.Reset(time.Second)
		select {
		case next = <-e.workers:
		case <-idle.C:
			return
		case <-e.ctx.Done():
			return
		}
	}
}
