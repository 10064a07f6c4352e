package download

import (
	"testing"
	"time"
)

// TestPauses checks the pauses between attempts: they double from half a second
// to eight seconds, with jitter, and Retry-After counts up to a minute.
func TestPauses(t *testing.T) {
	w := newTestbed(t)
	e := w.engine(func(c *Config) { c.Timeouts = Timeouts{} })
	seen := map[time.Duration]bool{}
	for n := range 64 {
		least, most := 250*time.Millisecond, min(500*time.Millisecond<<min(n+1, 10), 8*time.Second)
		for range 20 {
			p := e.cfg.Timeouts.fetch().Backoff(n + 1)
			if seen[p] = true; p < least || p > most {
				t.Errorf("after failure %d: %v, not %v to %v", n+1, p, least, most)
			}
		}
	}
	if len(seen) < 100 {
		t.Errorf("only %d different pauses", len(seen))
	}
	if most := e.cfg.Timeouts.RetryAfter; most != time.Minute {
		t.Errorf("the limit of Retry-After is %v", most)
	}
}
