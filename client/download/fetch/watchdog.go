package fetch

import (
	"context"
	"time"

	"golang.org/x/time/rate"
)

// dog cuts a connection that gives no byte for Idle, or fewer than MinRate
// over RateWindow. One timer per connection; a read costs a clock reading.
type watchdog struct {
	t     Timeouts
	cut   context.CancelCauseFunc
	timer *time.Timer
	armed time.Time
	start time.Time // of the rate window
	bytes int64
}

func newWatchdog(t Timeouts, cut context.CancelCauseFunc) *watchdog {
	now := time.Now()
	p := &watchdog{t: t, cut: cut, armed: now, start: now}
	p.timer = time.AfterFunc(t.Idle, func() { cut(ErrStalled) })
	return p
}

// beat notes n bytes.
func (p *watchdog) beat(n int) {
	now := time.Now()
	if now.Sub(p.armed) > p.t.Idle/8 {
		p.timer.Reset(p.t.Idle)
		p.armed = now
	}
	p.bytes += int64(n)
	if since := now.Sub(p.start); since >= p.t.RateWindow {
		if float64(p.bytes) < float64(p.t.MinRate)*since.Seconds() {
			p.cut(ErrTooSlow)
		}
		p.start, p.bytes = now, 0
	}
}

// rest stops the watch while usher itself holds the connection back.
func (p *watchdog) rest(wait func() error) error {
	p.timer.Stop()
	before := time.Now()
	err := wait()
	now := time.Now()
	p.start = p.start.Add(now.Sub(before))
	p.timer.Reset(p.t.Idle)
	p.armed = now
	return err
}

func (p *watchdog) stop() { p.timer.Stop() }

// waitLimit waits until the limiter has room for n bytes.
func waitLimit(ctx context.Context, l *rate.Limiter, n int) error {
	for n > 0 {
		m := min(n, l.Burst())
		if err := l.WaitN(ctx, m); err != nil {
			return err
		}
		n -= m
	}
	return nil
}
