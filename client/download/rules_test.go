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

// TestOthersStartAtHeaders: the first request is a range, and the other
// connections start when its headers are there, not its body.
func TestOthersStartAtHeaders(t *testing.T) {
	w := newTestbed(t)
	o := w.put("b/k", random(1, 40<<20), "CRC64NVME")
	others := make(chan struct{})
	w.onGet = func(n int, o *object, rw http.ResponseWriter, r *http.Request) bool {
		if r.Header.Get("Range") == "" {
			t.Error("a large object was asked for without a range")
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
		case <-others: // all of them, while no byte of the first body came
		case <-r.Context().Done():
			t.Error("the others wait for the first body")
		}
		rw.Write(rec.Body.Bytes())
		return true
	}
	e := w.engine()
	id := e.Add(w.request("b/k", scratch(t)))[0]
	wait(t, e)
	mustEqual(t, find(t, e, id).Dest, o.data)
}

// TestConnectionsAdapt: where each connection is limited, their number grows;
// where the storage says SlowDown, it shrinks.
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
	}{{1.05, 1000, 16}, {1.5, 1000, 64}, {1.5, worthATry - 1, 16}} { // growth of throughput with each doubling, and what is left to do
		c := newLaneControl(largeSlots, maxConns)
		c.jobs[&job{}] = nil
		now := 100.0
		for range 5 {
			for range settleTicks + 1 { // the first one rises
				c.look(now, r.left)
			}
			now *= r.rate
		}
		if c.quota(1) != r.want {
			t.Errorf("throughput grows %.2f, %v ticks are left: %d connections, not %d", r.rate, r.left, c.quota(1), r.want)
		}
	}
}

// TestManyInFlight: small objects are asked for 128 at a time, over
// connections that stay.
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

// TestTheft: the tail of a large object does not hang on one connection.
func TestTheft(t *testing.T) {
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
		t.Errorf("a rest that is not worth it was taken: %+v", x)
	}
}
