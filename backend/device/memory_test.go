package device_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"usher/backend/device"
	"usher/backend/device/devicetest"
)

// clock is a clock that a test sets.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func newClock() *clock { return &clock{at: time.Date(2026, 11, 3, 9, 30, 0, 0, time.UTC)} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

func shared(wrap func(device.Store) device.Store) func(*testing.T) devicetest.Shared {
	return func(*testing.T) devicetest.Shared {
		c := newClock()
		m := wrap(device.NewMemory(c.now))
		return devicetest.Shared{A: m, B: m, Advance: c.advance, Now: c.now}
	}
}

func TestMemory(t *testing.T) {
	devicetest.Run(t, shared(func(s device.Store) device.Store { return s }))
}

// unlimited ignores the limits, careless the versions, and eternal the end of a
// session.
type (
	unlimited struct{ device.Store }
	careless  struct{ device.Store }
	eternal   struct{ device.Store }
)

func (u unlimited) Insert(ctx context.Context, r device.Request, _ device.Limits) (device.Request, error) {
	return u.Store.Insert(ctx, r, device.Limits{Total: 1 << 30, Owner: 1 << 30})
}

func (c careless) Replace(ctx context.Context, r device.Request) (device.Request, error) {
	have, err := c.Find(ctx, r.ID)
	if err != nil {
		return r, err
	}
	r.Version = have.Version
	return c.Store.Replace(ctx, r)
}

func (e eternal) Open(ctx context.Context, session string, until time.Time) error {
	return e.Store.Open(ctx, session, until.Add(time.Hour))
}

// Control: the suite finds stores that break one promise.
func TestSuiteFindsBrokenStores(t *testing.T) {
	for want, wrap := range map[string]func(device.Store) device.Store{
		"the pending requests are limited":            func(s device.Store) device.Store { return unlimited{s} },
		"of many changes of one version one succeeds": func(s device.Store) device.Store { return careless{s} },
		"an opened session ends":                      func(s device.Store) device.Store { return eternal{s} },
	} {
		if broken := devicetest.Check(t, shared(wrap)); !slices.Contains(broken, want) {
			t.Errorf("%q is not found: %q", want, broken)
		}
	}
}
