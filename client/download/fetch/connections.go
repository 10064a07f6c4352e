package fetch

import (
	"context"
	"sync"
	"sync/atomic"
)

// Connections bounds the connections of all large objects together. It
// begins with 16, doubles as long as that brings a tenth more throughput, up
// to 64, and halves when S3 slows down. It has no other source than the
// measured throughput.
type Connections struct {
	slots    int          // most places that files take at once
	most     int          // connections, at most
	units    *Semaphore   // see Share; may be nil
	taken    atomic.Int64 // places of the files that were admitted
	mu       sync.Mutex
	limit    int
	attempts map[*attempt]context.Context
	before   float64 // bytes a second with half the limit; 0: none measured yet
	ticks    int     // since the limit last changed
	rising   int     // ticks of them in which flows were still getting faster
	last     float64 // the rate of the tick before
	sum      float64 // of the rates in ticks that count
	done     bool    // it stopped growing
}

func NewConnections(slots, most int) *Connections {
	return &Connections{slots: slots, most: most, limit: min(FirstConns, most), attempts: map[*attempt]context.Context{}}
}

// settleTicks is how many ticks a limit is looked at before the next step.
// Those in which the rate still rises show slow start, not throughput: they
// would make every later step look like a gain, and 64 flows on a link that 16
// fill only lose packets to each other. They do not count, up to mostRising.
const (
	settleTicks = 3
	mostRising  = 3
	worthATry   = 12 // ticks of work; with less the next step costs more than it can bring
)

// Most is the largest number of connections.
func (c *Connections) Most() int { return c.most }

// Share takes one unit of s for each connection of an object beyond its first,
// whose unit the caller of Fetch holds. Then s bounds all connections, those of
// small objects included. It is called before the first Fetch.
func (c *Connections) Share(s *Semaphore) { c.units = s }

// more takes the unit of a further connection. It returns false if none is free.
func (c *Connections) more() bool { return c.units == nil || c.units.TryEnter() }

// fewer returns the unit of a further connection.
func (c *Connections) fewer() {
	if c.units != nil {
		c.units.Leave(1)
	}
}

// crowded reports whether another object waits for the unit of a connection.
func (c *Connections) crowded() bool { return c.units != nil && c.units.Crowded() }

// SetTaken sets the number of places that the admitted files take.
func (c *Connections) SetTaken(n int) { c.taken.Store(int64(n)) }

func (c *Connections) join(ctx context.Context, j *attempt) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.attempts) == 0 {
		c.limit, c.before, c.done = min(FirstConns, c.most), 0, false
		c.begin()
	}
	c.attempts[j] = ctx
}

func (c *Connections) quit(j *attempt) {
	c.mu.Lock()
	delete(c.attempts, j)
	c.mu.Unlock()
	c.spread()
}

// quota is the number of connections of one attempt: its share of the places that
// running and admitted files take.
func (c *Connections) quota(weight int) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	weight = max(weight, 1)
	taken := max(min(int(c.taken.Load()), c.slots), weight)
	return max(c.limit*weight/taken, 1)
}

// Tick takes the present throughput, in bytes a second, and for how many ticks
// there is work at that rate, and acts on it.
func (c *Connections) Tick(rate, left float64) {
	if c.look(rate, left) || c.units != nil { // units may have become free
		c.spread()
	}
}

// begin looks at a limit afresh.
func (c *Connections) begin() { c.ticks, c.rising, c.last, c.sum = 0, 0, 0, 0 }

// look changes the limit, and reports whether it grew.
func (c *Connections) look(rate, left float64) (grew bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.attempts) == 0 || c.done || rate <= 0 {
		return false
	}
	rises := rate > 1.1*c.last
	if c.last = rate; rises && c.rising < mostRising {
		c.rising++
		return false
	}
	c.ticks++
	c.sum += rate
	if c.ticks < settleTicks {
		return false
	}
	now := c.sum / float64(c.ticks)
	switch {
	case c.before > 0 && now < 1.1*c.before:
		c.limit, c.done = max(c.limit/2, 1), true // the last step brought nothing
	case c.limit >= c.most:
		c.done = true
	case left < worthATry:
		// More flows than the link has room for lose packets, and the last of
		// them waits for a retransmission when all else is done.
	default:
		c.before, c.limit = now, min(c.limit*2, c.most)
		c.begin()
		return true
	}
	return false
}

// spread lets the attempts start the connections of their quota.
func (c *Connections) spread() {
	c.mu.Lock()
	attempts := make(map[*attempt]context.Context, len(c.attempts))
	for j, ctx := range c.attempts {
		attempts[j] = ctx
	}
	c.mu.Unlock()
	for j, ctx := range attempts {
		j.growIfWorking(ctx)
	}
}

// Slower halves the limit after a SlowDown response.
func (c *Connections) Slower() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.limit, c.done = max(c.limit/2, min(2, c.most)), true
}
