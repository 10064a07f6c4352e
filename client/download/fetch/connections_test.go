package fetch

import (
	"bytes"
	"context"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"

	"usher/client/download/verify"
)

// The number of connections grows while that brings throughput, and shrinks when
// the storage slows down.
func TestConnections(t *testing.T) {
	c := NewConnections(16, MaxConns)
	c.attempts[&attempt{}] = nil
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
		c.attempts[&attempt{}] = nil
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
	l.write(discard{}, a, make([]byte, 256<<10))
	b := l.claim(1<<20, 0)
	if b == nil || a.end != b.off || b.end != 64<<20 || b.off < 32<<20 {
		t.Fatalf("the second connection got %+v of %+v", b, a)
	}
	l.write(discard{}, b, make([]byte, 1<<20))
	if c := l.claim(1<<20, 0); c == nil || c.off < a.held || c.end > b.off && c.off < b.held {
		t.Errorf("the third got %+v, beside %+v and %+v", c, a, b)
	}
	small := newLedger(600<<10, verify.Check{}, nil)
	small.claim(600<<10, 0)
	if x := small.claim(1, 0); x != nil {
		t.Errorf("a remainder that is too small was split: %+v", x)
	}
}

// TestSharedUnits checks that further connections of an object take free units
// only, and return them.
func TestSharedUnits(t *testing.T) {
	units := NewSemaphore(4, 4)
	for range 2 { // of this object, and of another one
		if !units.TryEnter() {
			t.Fatal("no unit is free")
		}
	}
	var open, most atomic.Int64
	c := client(t, Config{Dial: func(ctx context.Context, network, addr string) (net.Conn, error) {
		for n, old := open.Add(1), most.Load(); n > old && !most.CompareAndSwap(old, n); old = most.Load() {
		}
		conn, err := new(net.Dialer).DialContext(ctx, network, addr)
		return &countedConn{conn, sync.OnceFunc(func() { open.Add(-1) })}, err
	}})
	c.Connections.Share(units)
	third := make(chan struct{})
	s := serve(t, &store{data: text(6 << 20), serve: func(n int, _ http.ResponseWriter) bool {
		if n == 3 {
			close(third)
		}
		<-third // the own unit and both free ones are in use
		return false
	}})
	if got, _, _, err := fetchOne(t, c, s, nil); err != nil || !bytes.Equal(got, s.data) {
		t.Fatalf("%d bytes, %v", len(got), err)
	}
	if n := most.Load(); n != 3 {
		t.Errorf("%d connections at once with one object's own unit and 2 free ones", n)
	}
	for n, want := range []bool{true, true, false} {
		if got := units.TryEnter(); got != want {
			t.Errorf("unit %d after the object: %v", n, got)
		}
	}
}

// countedConn is a connection that reports its end.
type countedConn struct {
	net.Conn
	closed func()
}

func (c *countedConn) Close() error {
	defer c.closed()
	return c.Conn.Close()
}
