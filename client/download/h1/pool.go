package h1

import (
	"context"
	"crypto/tls"
	"errors"
	"os"
	"slices"
	"time"
)

// origin holds a transport's connections to one server.
type origin struct {
	idle    []*conn // most recently used last
	coming  int     // connections that Warm is opening
	waiting []chan *conn
}

// origin returns the record of one server. The caller holds mu.
func (t *Transport) origin(key string) *origin {
	o := t.origins[key]
	if o == nil {
		o = &origin{}
		t.origins[key] = o
	}
	return o
}

// take returns an idle connection, one that Warm is opening, or a new one.
func (t *Transport) take(ctx context.Context, key string) (*conn, error) {
	for {
		c, coming := t.pop(key)
		if coming != nil {
			select {
			case c = <-coming:
			case <-ctx.Done():
				t.decline(key, coming)
				return nil, context.Cause(ctx)
			}
		}
		if c == nil {
			return t.dial(ctx, key)
		}
		if c.quiet() {
			return c, nil
		}
		c.net.Close()
	}
}

// decline leaves the queue, and returns a connection that has already arrived.
func (t *Transport) decline(key string, coming chan *conn) {
	t.mu.Lock()
	o := t.origin(key)
	i := slices.Index(o.waiting, coming)
	if i >= 0 {
		o.waiting = slices.Delete(o.waiting, i, i+1)
	}
	t.mu.Unlock()
	if i < 0 {
		if c := <-coming; c != nil {
			t.give(c)
		}
	}
}

// pop returns an idle connection, or a channel that delivers one (nil if its
// dial fails), or neither.
func (t *Transport) pop(key string) (*conn, chan *conn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	o := t.origin(key)
	if len(o.idle) == 0 {
		if len(o.waiting) >= o.coming {
			return nil, nil
		}
		coming := make(chan *conn, 1)
		o.waiting = append(o.waiting, coming)
		return nil, coming
	}
	last := len(o.idle) - 1
	c := o.idle[last]
	o.idle[last] = nil
	o.idle = o.idle[:last]
	if t.c.Idle > 0 && time.Since(c.unused) > t.c.Idle { // all others are older
		for _, old := range o.idle {
			old.net.Close()
		}
		o.idle = nil
		c.net.Close()
		return nil, nil
	}
	return c, nil
}

// quiet reports whether an idle connection is open and has no unread byte. An
// unread byte would be taken for the next response.
func (c *conn) quiet() bool {
	raw, secure := c.net, false
	if s, ok := c.net.(*tls.Conn); ok {
		raw, secure = s.NetConn(), true
	}
	open, waiting := peek(raw)
	if !open || !waiting || !secure {
		return open && !waiting
	}
	// With TLS the bytes may be a session ticket, which holds no response.
	c.head = maxHead
	_ = c.net.SetReadDeadline(time.Now().Add(time.Millisecond))
	_, err := c.in.Peek(1)
	return errors.Is(err, os.ErrDeadlineExceeded) && c.net.SetReadDeadline(time.Time{}) == nil
}

// give returns a connection to the pool.
func (t *Transport) give(c *conn) {
	c.unused = time.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	o := t.origin(c.key)
	switch {
	case len(o.waiting) > 0:
		o.waiting[0] <- c
		o.waiting = o.waiting[1:]
	case t.closed || len(o.idle) >= t.c.MaxIdle:
		c.net.Close()
	default:
		o.idle = append(o.idle, c)
		if t.sweeper == nil && t.c.Idle > 0 {
			t.sweeper = time.AfterFunc(t.c.Idle, t.sweep)
		}
	}
}

// sweep closes connections that were idle for too long.
func (t *Transport) sweep() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sweeper = nil
	next := time.Duration(-1)
	for _, o := range t.origins {
		old := 0
		for ; old < len(o.idle) && time.Since(o.idle[old].unused) >= t.c.Idle; old++ {
			o.idle[old].net.Close()
		}
		if o.idle = slices.Delete(o.idle, 0, old); len(o.idle) > 0 {
			if left := t.c.Idle - time.Since(o.idle[0].unused); next < 0 || left < next {
				next = left
			}
		}
	}
	if next >= 0 && !t.closed {
		t.sweeper = time.AfterFunc(next, t.sweep)
	}
}

// Warm opens n connections to an origin ("https://host") in the background and
// returns at once, so that connections are ready before the first request. A
// request that arrives during this time waits for one of them.
func (t *Transport) Warm(ctx context.Context, key string, n int) {
	t.mu.Lock()
	t.origin(key).coming += n
	t.mu.Unlock()
	for range n {
		go t.warm(ctx, key)
	}
}

func (t *Transport) warm(ctx context.Context, key string) {
	if t.c.Opening > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, t.c.Opening)
		defer cancel()
	}
	c, err := t.dial(ctx, key)
	if err == nil {
		t.give(c)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	o := t.origin(key)
	o.coming--
	if len(o.waiting) > o.coming {
		o.waiting[0] <- nil // the waiter dials itself and gets the error
		o.waiting = o.waiting[1:]
	}
}

// Idle returns the number of unused connections to an origin.
func (t *Transport) Idle(key string) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.origin(key).idle)
}

// Close ends the unused connections. A connection in use ends with its response.
func (t *Transport) Close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
	if t.sweeper != nil {
		t.sweeper.Stop()
	}
	for _, o := range t.origins {
		for _, c := range o.idle {
			c.net.Close()
		}
		o.idle = nil
	}
}
