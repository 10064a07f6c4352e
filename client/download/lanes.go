package download

import (
	"context"
	"sync"
)

// laneControl says how many connections large objects may have together. It
// begins with 16, doubles as long as that brings a tenth more throughput, up
// to 64, and halves when S3 asks to slow down. No one else's numbers are known
// to it: it tries and looks.
type laneControl struct {
	mu     sync.Mutex
	limit  int
	jobs   map[*job]context.Context
	before float64 // bytes a second with half the limit; 0: none measured yet
	ticks  int     // since the limit last changed
	sum    float64 // of the rates in those ticks
	done   bool    // it stopped growing
}

func newLaneControl() *laneControl {
	return &laneControl{limit: firstConns, jobs: map[*job]context.Context{}}
}

// settleTicks is how many ticks a limit is looked at before the next step: the
// first shows slow start, not throughput.
const settleTicks = 3

func (c *laneControl) join(ctx context.Context, j *job) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.jobs) == 0 {
		c.limit, c.before, c.ticks, c.sum, c.done = firstConns, 0, 0, 0, false
	}
	c.jobs[j] = ctx
}

func (c *laneControl) quit(j *job) {
	c.mu.Lock()
	delete(c.jobs, j)
	c.mu.Unlock()
	c.spread()
}

// quota is what one job may have now.
func (c *laneControl) quota() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return max(c.limit/max(len(c.jobs), 1), 1)
}

// tick takes the present throughput, in bytes a second, and decides.
func (c *laneControl) tick(rate float64) {
	c.mu.Lock()
	grow := false
	if len(c.jobs) > 0 && !c.done && rate > 0 {
		c.ticks++
		if c.ticks > 1 {
			c.sum += rate
		}
		if c.ticks > settleTicks {
			now := c.sum / float64(c.ticks-1)
			switch {
			case c.before > 0 && now < 1.1*c.before:
				c.limit, c.done = max(c.limit/2, 1), true // the last step brought nothing
			case c.limit >= maxConns:
				c.done = true
			default:
				c.before, c.limit, c.ticks, c.sum, grow = now, c.limit*2, 0, 0, true
			}
		}
	}
	c.mu.Unlock()
	if grow {
		c.spread()
	}
}

// spread lets the jobs start what they may have.
func (c *laneControl) spread() {
	c.mu.Lock()
	jobs := make(map[*job]context.Context, len(c.jobs))
	for j, ctx := range c.jobs {
		jobs[j] = ctx
	}
	c.mu.Unlock()
	for j, ctx := range jobs {
		j.growIfWorking(ctx)
	}
}

// slower answers SlowDown.
func (c *laneControl) slower() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.limit, c.done = max(c.limit/2, 2), true
}
