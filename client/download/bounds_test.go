package download

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"usher/client/download/fetch"
)

// TestBounds checks that each bound is at least one and that their sum stays
// within the file descriptors.
func TestBounds(t *testing.T) {
	for _, row := range []struct{ parallel, descriptors int }{
		{0, 0}, {0, 1 << 20}, {0, 1024}, {0, 256}, {0, 64}, {0, 32}, {0, 10},
		{1, 0}, {1, 64}, {3, 1024}, {500, 0},
	} {
		b := boundsFor(row.parallel, row.descriptors)
		if min(b.small, b.large, b.conns, b.idle, b.folders) < 1 || b.small > smallSlots || b.conns > fetch.MaxConns {
			t.Errorf("%+v: %+v", row, b)
		}
		if used := b.small*eachDescriptors + b.conns + 4*b.large + 2*b.folders; row.descriptors >= 64 && used > row.descriptors-keptDescriptors {
			t.Errorf("%+v: %+v may need %d", row, b, used)
		}
		if row.parallel > 0 && max(b.small, b.conns) > row.parallel {
			t.Errorf("%+v: %+v", row, b)
		}
	}
}

// connCount counts the client's open connections. A server still counts a
// connection that the client has closed, until it reads the end.
type connCount struct{ open, most atomic.Int64 }

func (c *connCount) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	n := c.open.Add(1)
	for most := c.most.Load(); n > most && !c.most.CompareAndSwap(most, n); most = c.most.Load() {
	}
	conn, err := new(net.Dialer).DialContext(ctx, network, addr)
	if err != nil {
		c.open.Add(-1)
		return nil, err
	}
	return &countedConn{TCPConn: conn.(*net.TCPConn), closed: sync.OnceFunc(func() { c.open.Add(-1) })}, nil
}

// countedConn is a TCP connection that reports its end.
type countedConn struct {
	*net.TCPConn
	closed func()
}

func (c *countedConn) Close() error {
	defer c.closed()
	return c.TCPConn.Close()
}

// TestParallelConnections checks that --parallel limits the connections to S3,
// including those opened ahead.
func TestParallelConnections(t *testing.T) {
	for _, parallel := range []int{1, 3} {
		w := newTestbed(t)
		w.put("b/f/large", random(1, 40<<20), "CRC64NVME")
		w.put("b/f/medium", random(2, 9<<20), "CRC64NVME")
		for i := range 60 {
			w.put(fmt.Sprintf("b/f/%d", i), random(uint64(i), 2000), "CRC64NVME")
		}
		var conns connCount
		e := w.engine(func(c *Config) { c.Parallel, c.hooks.dial = parallel, conns.dial })
		e.Add(Request{Bucket: "b", Key: "f/", Folder: true, Dir: scratch(t)})
		wait(t, e)
		if s := e.Snapshot(); s.FilesDone != 62 {
			t.Errorf("%d done%s", s.FilesDone, failures(e))
		}
		if n := conns.most.Load(); n > int64(parallel) || n == 0 {
			t.Errorf("%d connections at once with parallel %d", n, parallel)
		}
		e.Close()
	}
}

// TestShortRanges plays a cache that returns 206 with less than the requested
// range. It costs further requests, but no file fails.
func TestShortRanges(t *testing.T) {
	const most = 300_000
	for _, size := range []int{1, 200_000, 1 << 20, 3 << 20, 9 << 20} {
		for _, named := range []bool{true, false} {
			w := newTestbed(t)
			o := w.put("b/k", random(1, size), "CRC64NVME")
			w.onGet = func(_ int, o *object, rw http.ResponseWriter, r *http.Request) bool {
				from, to := 0, len(o.data)-1
				if spec := r.Header.Get("Range"); spec != "" {
					if _, err := fmt.Sscanf(spec, "bytes=%d-%d", &from, &to); err != nil {
						t.Error(err)
					}
				}
				to = min(to, from+most-1)
				rw.Header().Set("ETag", o.etag)
				rw.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, to, len(o.data)))
				rw.Header().Set("Content-Length", strconv.Itoa(to-from+1))
				rw.WriteHeader(http.StatusPartialContent)
				n, _ := rw.Write(o.data[from : to+1])
				w.sent.Add(int64(n))
				return true
			}
			e := w.engine()
			r := w.request("b/k", scratch(t))
			if !named {
				r.ETag, r.Size = "", 0
			}
			id := e.Add(r)[0]
			wait(t, e)
			got := find(t, e, id)
			if got.State != Done || got.Verified != "crc64nvme" && !named || w.sent.Load() > int64(size)+4*most {
				t.Errorf("%d bytes, with ETag %v: %v by %q, %v, %d bytes sent", size, named, got.State, got.Verified, got.Err, w.sent.Load())
				continue
			}
			mustEqual(t, got.Dest, o.data)
		}
	}
}

// TestWrongRange checks that a response is refused if it starts at another byte,
// is longer than requested, or has a Content-Range that differs from its length.
// The object has no checksum, so that verification finds only a wrong size.
func TestWrongRange(t *testing.T) {
	const size = 9 << 20
	for name, change := range map[string]func(from, to int) (first, last, length int){
		"starts later":               func(from, to int) (int, int, int) { return from + 1, to, to - from },
		"starts earlier":             func(from, to int) (int, int, int) { return max(from-1, 0), to - 1, to - max(from-1, 0) },
		"longer than requested":      func(from, to int) (int, int, int) { return from, to + 1, to - from + 2 },
		"another length":             func(from, to int) (int, int, int) { return from, to, to - from },
		"another range":              func(from, to int) (int, int, int) { return 0, to - from, to - from + 1 },
		"last byte before the first": func(from, to int) (int, int, int) { return to, from, to - from + 1 },
	} {
		t.Run(name, func(t *testing.T) {
			w := newTestbed(t)
			w.put("b/k", random(1, size), "")
			w.onGet = func(_ int, o *object, rw http.ResponseWriter, r *http.Request) bool {
				var from, to int
				if _, err := fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-%d", &from, &to); err != nil || from == 0 || to >= size-2 {
					return false
				}
				first, last, length := change(from, to)
				rw.Header().Set("ETag", o.etag)
				rw.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", first, last, size))
				rw.Header().Set("Content-Length", strconv.Itoa(length))
				rw.WriteHeader(http.StatusPartialContent)
				_, _ = rw.Write(make([]byte, length))
				return true
			}
			e := w.engine()
			id := e.Add(w.request("b/k", scratch(t)))[0]
			wait(t, e)
			if got := find(t, e, id); got.State != Failed || !errors.Is(got.Err, ErrIntegrity) {
				t.Errorf("%v, %v", got.State, got.Err)
			}
		})
	}
}
