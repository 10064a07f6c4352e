package download

import (
	"container/list"
	"context"
	"time"

	"usher/backend/api"
)

// enqueue runs under mu.
func (e *Engine) enqueue(t *transfer) {
	t.state, t.err = Waiting, nil
	if t.running {
		t.again = true
		return
	}
	e.listOf(t).PushBack(t)
	t.elem = e.listOf(t).Back()
}

func (e *Engine) listOf(t *transfer) *list.List {
	if t.isSmall() {
		return e.waitSmall
	}
	return e.waitLarge
}

// dequeue runs under mu.
func (e *Engine) dequeue(t *transfer) {
	if t.elem != nil {
		e.listOf(t).Remove(t.elem)
		t.elem = nil
	}
}

// How far releases run ahead of transfers: what can start within 30 s, by the
// rates measured so far; before there are any, what a slow link can start.
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

// heft is how many of the small slots a file of that size takes.
func (e *Engine) heft(size int64) int {
	if e.cfg.Parallel > 0 {
		return 1
	}
	return 1 + int(max(size, 0)>>20)
}

// pace fits the small slots to the rate and to the files that are next, under mu.
func (e *Engine) pace() (slots int) {
	most := e.small.capacity()
	mean, n := e.smallSum, int64(e.smallIn)
	if next := e.waitSmall.Front(); n == 0 && next != nil {
		mean, n = next.Value.(*transfer).req.Size, 1
	}
	if e.cfg.Parallel > 0 || n == 0 {
		return most
	}
	flight := int64(flightCold)
	if e.meter.warm {
		flight = max(int64(e.meter.rate*flightTime.Seconds()), flightLeast)
	}
	mean = max(mean/n, 1)
	files := min(max(flight/mean, leastSlots), int64(most))
	slots = min(int(files)*e.heft(mean), most)
	e.small.bound(slots)
	return slots
}

// admit starts what may start, under mu.
func (e *Engine) admit() {
	if e.closed {
		return
	}
	ahead, sum := aheadMost, int64(aheadBytes)
	if e.meter.warm {
		ahead = int(min(max(e.meter.files*aheadTime.Seconds(), aheadLeast), aheadMost))
		sum = max(int64(e.meter.rate*aheadTime.Seconds()), flightLeast)
	}
	slots := e.pace()
	if e.smallIn <= slots+ahead-min(ahead/2, api.MaxRelease) { // in portions that fill a release
		for e.waitSmall.Len() > 0 && e.smallIn < slots+ahead && (e.smallIn < aheadLeast || e.smallSum < sum) {
			t := e.waitSmall.Front().Value.(*transfer)
			e.smallIn++
			e.smallSum += t.req.Size
			e.launch(t)
		}
	}
	for e.waitLarge.Len() > 0 {
		t := e.waitLarge.Front().Value.(*transfer)
		weight := e.weigh(t.size)
		if e.largeIn >= e.large.capacity()+aheadLarge*weight {
			break
		}
		t.weight = weight
		e.largeIn += weight
		e.lanes.taken.Store(int64(e.largeIn))
		e.launch(t)
	}
	if e.waitSmall.Len()+e.waitLarge.Len() < maxPending {
		e.room.Broadcast()
	}
	e.checkIdle()
}

// weigh says how many of the largeSlots a file of that size takes: 4 big ones
// are under way at once, or up to 16 of 64 MiB or less, each on a connection of
// its own and in one request, which costs the storage least. -1: not known.
func (e *Engine) weigh(size int64) int {
	if e.cfg.Parallel > 0 || size >= 0 && size <= oneConn {
		return 1
	}
	return largeSlots / largeFiles
}

// launch runs under mu.
func (e *Engine) launch(t *transfer) {
	e.dequeue(t)
	ctx, cancel := context.WithCancelCause(e.ctx)
	t.cancel, t.running, t.parked, t.meter = cancel, true, false, meter{}
	e.active[t] = struct{}{}
	e.warm(t)
	e.startTicking()
	e.wg.Add(1)
	select {
	case e.hands <- errand{ctx, t}:
	default:
		go e.hand(errand{ctx, t})
	}
}

// warm opens connections for the first transfers while their URLs are asked
// for, under mu: who waits for the backend need not wait for S3 afterwards.
func (e *Engine) warm(t *transfer) {
	if e.moved.Load() > 0 {
		return
	}
	want := e.smallIn
	if !t.isSmall() {
		want += int(min(max(t.size/minPart, guessConns), firstConns))
	}
	if more := min(want, max(e.small.capacity(), e.lanes.most)) - e.warmed; more > 0 {
		e.warmed += more
		e.transport.warm(e.ctx, e.check.Origin(t.req.Bucket), more)
	}
}

// errand is a transfer that was admitted.
type errand struct {
	ctx context.Context
	t   *transfer
}

// hand carries one transfer after the other: a stack that has grown once
// serves thousands of small files.
func (e *Engine) hand(next errand) {
	idle := time.NewTimer(time.Second)
	defer idle.Stop()
	for {
		e.carry(next.ctx, next.t)
		idle.Reset(time.Second)
		select {
		case next = <-e.hands:
		case <-idle.C:
			return
		case <-e.ctx.Done():
			return
		}
	}
}
