package download

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"usher/client/download/verify"
)

// TestOthersStartAtHeaders checks that the first request is for a range, and that
// the other connections start after its headers, before its body.
func TestOthersStartAtHeaders(t *testing.T) {
	w := newTestbed(t)
	o := w.put("b/k", random(1, 40<<20), "CRC64NVME")
	others := make(chan struct{})
	w.onGet = func(n int, o *object, rw http.ResponseWriter, r *http.Request) bool {
		if r.Header.Get("Range") == "" {
			t.Error("a request for a large object without a range")
		}
		if n == firstConns {
			close(others)
		}
		if n != 1 {
			return false
		}
		rec := httptest.NewRecorder()
		w.send(rec, r, o, o.data)
		for k, v := range rec.Header() {
			rw.Header()[k] = v
		}
		rw.WriteHeader(rec.Code)
		rw.(http.Flusher).Flush()
		select {
		case <-others: // all connections started, before a byte of the first body
		case <-r.Context().Done():
			t.Error("the other connections wait for the first body")
		}
		rw.Write(rec.Body.Bytes())
		return true
	}
	e := w.engine()
	id := e.Add(w.request("b/k", scratch(t)))[0]
	wait(t, e)
	mustEqual(t, find(t, e, id).Dest, o.data)
}

// TestConnectionsAdapt checks that the number of connections grows if each one
// has a limited rate, and shrinks after SlowDown.
func TestConnectionsAdapt(t *testing.T) {
	w := newTestbed(t)
	w.put("b/k", random(1, 60<<20), "CRC64NVME")
	w.onGet = func(_ int, o *object, rw http.ResponseWriter, r *http.Request) bool {
		w.send(slow{rw, r.Context(), 64 << 10, 8 * time.Millisecond}, r, o, o.data)
		return true
	}
	e := w.engine(func(c *Config) { c.Timeouts.Tick = 10 * time.Millisecond })
	id := e.Add(w.request("b/k", scratch(t)))[0]
	wait(t, e)
	if tr := find(t, e, id); tr.State != Done || w.flyingMax.Load() <= firstConns || w.flyingMax.Load() > maxConns {
		t.Errorf("%v with at most %d connections", tr.State, w.flyingMax.Load())
	}
	c := newLaneControl(largeSlots, maxConns)
	c.jobs[&job{}] = nil
	for range 3 {
		c.slower()
	}
	if c.quota(1) != 2 {
		t.Errorf("after three SlowDowns: %d", c.quota(1))
	}
	for _, r := range []struct {
		rate, left float64
		want       int
	}{{1.05, 1000, 16}, {1.5, 1000, 64}, {1.5, worthATry - 1, 16}} { // rate: growth of throughput with each doubling; left: remaining ticks
		c := newLaneControl(largeSlots, maxConns)
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

// TestManyInFlight checks that 128 small objects are in flight at a time, over
// reused connections.
func TestManyInFlight(t *testing.T) {
	w := newTestbed(t)
	for i := range 600 {
		w.put(fmt.Sprintf("b/f/%d", i), []byte("x"), "")
	}
	full := make(chan struct{})
	var once atomic.Bool
	w.onGet = func(_ int, _ *object, _ http.ResponseWriter, r *http.Request) bool {
		if w.flying.Load() >= smallSlots && once.CompareAndSwap(false, true) {
			close(full)
		}
		select {
		case <-full:
		case <-r.Context().Done():
			t.Error("fewer than 128 in flight")
		}
		return false
	}
	e := w.engine()
	id := e.Add(Request{Bucket: "b", Key: "f/", Folder: true, Dir: scratch(t)})[0]
	wait(t, e)
	if tr := find(t, e, id); tr.State != Done || w.flyingMax.Load() > smallSlots {
		t.Errorf("%v, at most %d in flight", tr.State, w.flyingMax.Load())
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
