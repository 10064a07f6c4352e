package fetch

import (
	"context"
	"testing"
	"time"
)

// TestCapacityAdapts checks that the capacity grows to its bound while responses
// come as fast as the first ones, that it stays where they wait for each other, and
// that it does not grow after a SlowDown before it has grown back.
func TestCapacityAdapts(t *testing.T) {
	const first, most = 128, 256
	for name, row := range map[string]struct {
		queue  time.Duration // delay of a response for each request in flight
		slowed bool
		least  int
		most   int
	}{
		"a fast server far away":  {0, false, most, most},
		"one that serves in turn": {time.Millisecond, false, first, first},
		"one with a limit":        {500 * time.Microsecond, false, 130, 200},
		"one that slowed down":    {0, true, first / 2, first / 2},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewSemaphore(first, most)
			if row.slowed {
				g.Slower()
			}
			enter := func() {
				if _, err := g.Enter(context.Background(), 1); err != nil {
					t.Fatal(err)
				}
			}
			enter()
			g.Responded(30*time.Millisecond + row.queue) // the first response waits for no other
			inFlight := 1
			for range 5000 {
				for ; inFlight < g.Limit(); inFlight++ {
					enter()
				}
				g.Responded(30*time.Millisecond + time.Duration(inFlight)*row.queue)
				g.Leave(1)
				inFlight--
			}
			if n := g.Limit(); n < row.least || n > row.most {
				t.Errorf("capacity %d, want %d to %d", n, row.least, row.most)
			}
		})
	}
}
