package fetch

import (
	"context"
	"sync"
	"time"
)

// Semaphore is a counting semaphore, first come first served, whose capacity can
// change: it shrinks when S3 slows down, grows back with success, and grows beyond
// the first one while responses come as fast as with few requests.
type Semaphore struct {
	mu      sync.Mutex
	most    int
	ceiling int // at most so many for now
	first   int // capacity before the first response
	limit   int // present capacity
	used    int
	good    int // successes since the limit last changed
	waiting []*waiter

	slowed  bool          // S3 slowed down, and the capacity has not grown back
	fastest time.Duration // response since nothing was in flight; 0: none
	mean    time.Duration // of about 16 responses
	late    int           // responses while requests wait for each other
}

type waiter struct {
	weight int
	ready  chan struct{}
}

// NewSemaphore returns a semaphore whose capacity is first, and n at most.
func NewSemaphore(first, n int) *Semaphore {
	first = min(first, n)
	return &Semaphore{most: n, ceiling: n, first: first, limit: first}
}

// Capacity is the largest capacity.
func (g *Semaphore) Capacity() int { return g.most }

// Enter waits for weight units, at most the capacity, and returns their number.
// Leave returns them.
func (g *Semaphore) Enter(ctx context.Context, weight int) (int, error) {
	g.mu.Lock()
	weight = min(weight, g.most)
	if len(g.waiting) == 0 && g.fits(weight) {
		g.used += weight
		g.mu.Unlock()
		return weight, nil
	}
	w := &waiter{weight: weight, ready: make(chan struct{})}
	g.waiting = append(g.waiting, w)
	g.mu.Unlock()
	select {
	case <-w.ready:
		return weight, nil
	case <-ctx.Done():
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for i, o := range g.waiting {
		if o == w {
			g.waiting = append(g.waiting[:i], g.waiting[i+1:]...)
			return 0, context.Cause(ctx)
		}
	}
	g.used -= weight // it became ready at the same moment
	g.next()
	return 0, context.Cause(ctx)
}

// TryEnter takes one unit if one is free and no caller waits. Leave returns it.
func (g *Semaphore) TryEnter() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.waiting) > 0 || !g.fits(1) {
		return false
	}
	g.used++
	return true
}

// Crowded reports whether a caller of Enter waits.
func (g *Semaphore) Crowded() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.waiting) > 0
}

// fits admits at least one caller, however far the limit has shrunk.
func (g *Semaphore) fits(weight int) bool {
	return g.used == 0 || g.used+weight <= min(g.limit, g.ceiling)
}

// Bound sets the current capacity, at most the largest.
func (g *Semaphore) Bound(n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.ceiling = min(n, g.most)
	g.next()
}

// Leave returns the units of Enter.
func (g *Semaphore) Leave(weight int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.used -= weight; g.used == 0 {
		g.fastest, g.mean = 0, 0 // the next requests may take another way
	}
	g.next()
}

func (g *Semaphore) next() {
	for len(g.waiting) > 0 && g.fits(g.waiting[0].weight) {
		w := g.waiting[0]
		g.waiting = g.waiting[1:]
		g.used += w.weight
		close(w.ready)
	}
}

// Slower halves the capacity, down to a sixteenth of the largest.
func (g *Semaphore) Slower() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.limit, g.good, g.slowed = max(g.limit/2, g.most/16, 1), 0, true
}

// Faster counts a success. After Slower the capacity grows back to the first one, by
// one after as many successes as its value.
func (g *Semaphore) Faster() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.limit >= g.first {
		g.slowed = false
		return
	}
	if g.good++; g.good >= g.limit {
		g.limit, g.good = g.limit+1, 0
		g.next()
	}
}

// crowding is the time by which a response may be later than three times the fastest one.
const crowding = 10 * time.Millisecond

// lateSteps is the number of late responses that lower the capacity by one: a moment
// without progress costs little of it.
const lateSteps = 8

// Responded notes the time between a request and its response. By Little's law the
// throughput is the number of requests in flight divided by this time: while the
// time stays near that of the fastest response, more requests bring more throughput,
// and the capacity grows by one. When they wait for each other, it shrinks back
// towards the first one.
func (g *Semaphore) Responded(after time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.fastest == 0 || after < g.fastest {
		g.fastest = max(after, 1)
	}
	if g.mean == 0 {
		g.mean = after
	}
	g.mean += (after - g.mean) / 16
	switch crowded := g.mean > 3*g.fastest+crowding; {
	case g.slowed:
	case !crowded && g.limit < g.most && 2*g.used > g.limit:
		g.limit++
		g.next()
	case crowded && g.limit > g.first:
		if g.late++; g.late%lateSteps == 0 {
			g.limit--
		}
	}
}

// Limit is the present capacity.
func (g *Semaphore) Limit() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.limit
}
