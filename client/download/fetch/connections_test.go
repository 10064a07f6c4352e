package fetch

import (
	"testing"

	"usher/client/download/verify"
)

// The number of connections grows while that brings throughput, and shrinks when
// the storage slows down.
func TestConnections(t *testing.T) {
	c := NewConnections(16, MaxConns)
	c.jobs[&job{}] = nil
	for range 3 {
		c.Slower()
	}
	if c.quota(1) != 2 {
		t.Errorf("after three SlowDowns: %d", c.quota(1))
	}
	for _, r := range []struct {
		rate, left float64
		want       int
	}{{1.05, 1000, 16}, {1.5, 1000, 64}, {1.5, worthATry - 1, 16}} { // rate: growth of throughput with each doubling; left: remaining ticks
		c := NewConnections(16, MaxConns)
		c.jobs[&job{}] = nil
		now := 100.0
		for range 5 {
			for range settleTicks + 1 { // the first tick raises the number
				c.look(now, r.left)
			}
			now *= r.rate
		}
		if c.quota(1) != r.want {
			t.Errorf("throughput grows by %.2f, %v ticks left: %d connections, want %d", r.rate, r.left, c.quota(1), r.want)
		}
	}
}

// TestTailIsShared checks that an idle connection takes over a part of another
// one's range, so that the end of an object does not depend on one connection.
func TestTailIsShared(t *testing.T) {
	l := newLedger(64<<20, verify.Check{}, nil)
	a := l.claim(64<<20, 0)
	l.wrote(a, l.hold(a, 256<<10), 0)
	b := l.claim(1<<20, 0)
	if b == nil || a.end != b.off || b.end != 64<<20 || b.off < 32<<20 {
		t.Fatalf("the second connection got %+v of %+v", b, a)
	}
	l.hold(b, 1<<20)
	if c := l.claim(1<<20, 0); c == nil || c.off < a.held || c.end > b.off && c.off < b.held {
		t.Errorf("the third got %+v, beside %+v and %+v", c, a, b)
	}
	small := newLedger(600<<10, verify.Check{}, nil)
	small.claim(600<<10, 0)
	if x := small.claim(1, 0); x != nil {
		t.Errorf("a remainder that is too small was split: %+v", x)
	}
}
