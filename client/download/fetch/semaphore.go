package fetch

import (
	"context"
	"sync"
)

// Semaphore is a counting semaphore, first come first served, whose capacity can
// change: it shrinks when S3 slows down and grows back with success.
type Semaphore struct {
	mu      sync.Mutex
	most    int
	ceiling int // at most so many for now
	limit   int // capacity after SlowDown responses
	used    int
	good    int // successes since the limit last changed
	waiting []*waiter
}

type waiter struct {
	weight int
	ready  chan struct{}
}

// NewSemaphore returns a semaphore of capacity n.
func NewSemaphore(n int) *Semaphore { return &Semaphore{most: n, ceiling: n, limit: n} }

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
	g.used -= weight
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
	g.limit, g.good = max(g.limit/2, g.most/16, 1), 0
}

// Faster counts a success. The capacity grows by one after as many successes as
// its value.
func (g *Semaphore) Faster() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.limit == g.most {
		return
	}
	if g.good++; g.good >= g.limit {
		g.limit, g.good = g.limit+1, 0
		g.next()
	}
}
