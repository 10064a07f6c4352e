package download

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"usher/client/download/fetch"
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
		if n == fetch.FirstConns {
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
	if tr := find(t, e, id); tr.State != Done || w.flyingMax.Load() <= fetch.FirstConns || w.flyingMax.Load() > fetch.MaxConns {
		t.Errorf("%v with at most %d connections", tr.State, w.flyingMax.Load())
	}
}

// TestManyInFlight checks that at least 128 small objects are in flight at a time, and
// at most 256.
func TestManyInFlight(t *testing.T) {
	w := newTestbed(t)
	for i := range 600 {
		w.put(fmt.Sprintf("b/f/%d", i), []byte("x"), "")
	}
	full := make(chan struct{})
	var once atomic.Bool
	w.onGet = func(_ int, _ *object, _ http.ResponseWriter, r *http.Request) bool {
		if w.flying.Load() >= firstSlots && once.CompareAndSwap(false, true) {
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
