package dynamo

import (
	"net/http"
	"sync"
	"time"
)

const (
	// resolution of the Date header (RFC 9110 §5.6.7).
	resolution = time.Second
	// drift is the allowed error of a machine's clock between two responses, as a
	// fraction: 1/drift. NTP clients correct at most 1/2000.
	drift = 1000
	// unknown bounds the clock before the first response.
	unknown = 10 * time.Second
)

// clock is the interval in which DynamoDB's clock is, relative to this machine's
// clock. Instances compare times by DynamoDB's clock, because their own may
// differ.
type clock struct {
	now func() time.Time

	mu     sync.Mutex
	seen   time.Time     // last response; zero: none
	lo, hi time.Duration // bounds of DynamoDB's clock minus this one
}

// observe narrows the interval by the Date header of one response. A header that
// contradicts the interval (one of the clocks was set) replaces it.
func (c *clock) observe(sent, received time.Time, header string) {
	date, err := http.ParseTime(header)
	if err != nil {
		return
	}
	sent, received = sent.Round(0), received.Round(0)
	lo, hi := date.Sub(received), date.Add(resolution).Sub(sent)
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.seen.IsZero() {
		spread := max(0, received.Sub(c.seen)) / drift
		if l, h := max(lo, c.lo-spread), min(hi, c.hi+spread); l <= h {
			lo, hi = l, h
		}
	}
	c.seen, c.lo, c.hi = received, lo, hi
}

// Time returns the bounds of DynamoDB's time now. After one response they are
// about a second apart, and later a few milliseconds.
func (c *Client) Time() (earliest, latest time.Time) {
	k := c.clock
	now := k.now().Round(0)
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.seen.IsZero() {
		return now.Add(-unknown), now.Add(unknown)
	}
	spread := max(0, now.Sub(k.seen)) / drift
	return now.Add(k.lo - spread), now.Add(k.hi + spread)
}
