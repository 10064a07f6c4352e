package download

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"math"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// getHandler handles a GET in place of the proxy. n is the number of the GET,
// from 1. It returns false to let the proxy send the origin's response.
type getHandler func(n int, o *object, rw http.ResponseWriter, r *http.Request) bool

// step is a fault in a script: do handles the GETs for which when returns true.
type step struct {
	when func(*http.Request) bool // nil: every GET
	do   getHandler
}

// noFault lets a GET pass.
var noFault = step{do: func(int, *object, http.ResponseWriter, *http.Request) bool { return false }}

func anyGET(h getHandler) step { return step{do: h} }

// script injects the faults of steps in their order, each into the next GET that
// it applies to. The last step applies to all GETs that follow.
func (w *testbed) script(steps ...step) {
	var mu sync.Mutex
	at := 0
	next := func(r *http.Request) getHandler {
		mu.Lock()
		defer mu.Unlock()
		s := steps[at]
		if s.when != nil && !s.when(r) {
			return noFault.do
		}
		at = min(at+1, len(steps)-1)
		return s.do
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.onGet = func(n int, o *object, rw http.ResponseWriter, r *http.Request) bool { return next(r)(n, o, rw, r) }
}

// covers returns a condition for the GETs whose range contains byte n.
func covers(n int) func(*http.Request) bool {
	return func(r *http.Request) bool {
		from, to := requestedRange(r)
		return from <= n && n < to
	}
}

// requestedRange returns the range [from, to) of a GET.
func requestedRange(r *http.Request) (from, to int) {
	if _, err := fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-%d", &from, &to); err != nil {
		return 0, math.MaxInt
	}
	return from, to + 1
}

// status responds with an S3 error. header holds names and values in turn.
func status(code int, s3code string, header ...string) getHandler {
	return func(_ int, _ *object, rw http.ResponseWriter, _ *http.Request) bool {
		for i := 0; i+1 < len(header); i += 2 {
			rw.Header().Set(header[i], header[i+1])
		}
		resp := refusal(code, s3code, "no")
		rw.WriteHeader(code)
		_, _ = io.Copy(rw, resp.Body)
		return true
	}
}

// expired responds as S3 does to an expired URL.
func expired(_ int, _ *object, rw http.ResponseWriter, _ *http.Request) bool {
	resp := refusal(http.StatusForbidden, "AccessDenied", "Request has expired")
	rw.WriteHeader(resp.StatusCode)
	_, _ = io.Copy(rw, resp.Body)
	return true
}

// closeAfter sends the origin's response up to n bytes of the body and closes the
// connection, with or without a reset.
func (w *testbed) closeAfter(n int, reset bool) getHandler {
	return func(_ int, _ *object, rw http.ResponseWriter, r *http.Request) bool {
		resp := w.answer(r)
		defer resp.Body.Close()
		conn, buf := hijack(rw)
		fmt.Fprintf(buf, "HTTP/1.1 %d x\r\n", resp.StatusCode)
		_ = resp.Header.Write(buf)
		_, _ = buf.WriteString("\r\n")
		sent, _ := io.CopyN(buf, resp.Body, int64(n))
		w.sent.Add(sent)
		_ = buf.Flush()
		end(conn, reset)
		return true
	}
}

// closeAt closes the connection before byte n of the object.
func (w *testbed) closeAt(n int, reset bool) step {
	return step{covers(n), func(i int, o *object, rw http.ResponseWriter, r *http.Request) bool {
		from, _ := requestedRange(r)
		return w.closeAfter(n-from, reset)(i, o, rw, r)
	}}
}

// unanswered closes the connection before a response.
func unanswered(_ int, _ *object, rw http.ResponseWriter, _ *http.Request) bool {
	conn, _ := hijack(rw)
	end(conn, true)
	return true
}

func hijack(rw http.ResponseWriter) (net.Conn, *bufio.ReadWriter) {
	conn, buf, err := rw.(http.Hijacker).Hijack()
	if err != nil {
		panic(err)
	}
	return conn, buf
}

func end(conn net.Conn, reset bool) {
	if tcp, ok := conn.(*net.TCPConn); ok && reset {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}

// modify sends the origin's response after change.
func (w *testbed) modify(change func(r *http.Request, resp *http.Response)) getHandler {
	return func(_ int, _ *object, rw http.ResponseWriter, r *http.Request) bool {
		resp := w.answer(r)
		defer resp.Body.Close()
		change(r, resp)
		maps.Copy(rw.Header(), resp.Header)
		rw.WriteHeader(resp.StatusCode)
		n, err := io.Copy(rw, resp.Body)
		w.sent.Add(n)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		return true
	}
}

// truncateAt ends the body before byte n of the object in a response without a
// length, so that the end looks regular.
func (w *testbed) truncateAt(n int) step {
	return step{covers(n), func(_ int, _ *object, rw http.ResponseWriter, r *http.Request) bool {
		resp := w.answer(r)
		defer resp.Body.Close()
		maps.Copy(rw.Header(), resp.Header)
		rw.Header().Del("Content-Length")
		rw.WriteHeader(resp.StatusCode)
		rw.(http.Flusher).Flush() // otherwise net/http adds the length of a short body
		from, _ := requestedRange(r)
		sent, _ := io.CopyN(rw, resp.Body, int64(n-from))
		w.sent.Add(sent)
		return true
	}}
}

// flipBit inverts a bit of byte n of the object.
func (w *testbed) flipBit(n int) step {
	return step{covers(n), w.modify(func(r *http.Request, resp *http.Response) {
		from, _ := requestedRange(r)
		resp.Body = io.NopCloser(&bitFlipper{resp.Body, n - from})
	})}
}

type bitFlipper struct {
	r  io.Reader
	in int // bytes before the changed one; negative after it
}

func (f *bitFlipper) Read(p []byte) (int, error) {
	n, err := f.r.Read(p)
	if f.in >= 0 && f.in < n {
		p[f.in] ^= 1
	}
	f.in -= n
	return n, err
}

// extraBytes appends bytes to the body, with or without counting them in
// Content-Length.
func (w *testbed) extraBytes(announced bool) step {
	const extra = "extra"
	return anyGET(w.modify(func(_ *http.Request, resp *http.Response) {
		resp.Body = io.NopCloser(io.MultiReader(resp.Body, strings.NewReader(extra)))
		if resp.Header.Del("Content-Length"); announced {
			resp.Header.Set("Content-Length", strconv.FormatInt(resp.ContentLength+int64(len(extra)), 10))
		}
	}))
}

// paced sends step bytes at a time, with a pause between them.
func (w *testbed) paced(step int64, pause time.Duration) getHandler {
	return w.holdAt(0, func(r *http.Request, send func(int64) error) {
		for send(step) == nil {
			select {
			case <-r.Context().Done():
				return
			case <-time.After(pause):
			}
		}
	}).do
}

// stallAt sends up to byte n of the object. Then it sends nothing, or with drip
// one byte each 20 ms.
func (w *testbed) stallAt(n int, drip bool) step {
	return w.holdAt(n, func(r *http.Request, send func(int64) error) {
		for drip {
			select {
			case <-r.Context().Done():
				return
			case <-time.After(20 * time.Millisecond):
			}
			if send(1) != nil {
				return
			}
		}
		<-r.Context().Done()
	})
}

// holdAt sends up to byte n of the object and calls then, which may send more
// bytes. The connection closes when then returns.
func (w *testbed) holdAt(n int, then func(r *http.Request, send func(int64) error)) step {
	return step{covers(n), func(_ int, _ *object, rw http.ResponseWriter, r *http.Request) bool {
		resp := w.answer(r)
		defer resp.Body.Close()
		maps.Copy(rw.Header(), resp.Header)
		rw.WriteHeader(resp.StatusCode)
		send := func(n int64) error {
			m, err := io.CopyN(rw, resp.Body, n)
			w.sent.Add(m)
			rw.(http.Flusher).Flush()
			return err
		}
		from, _ := requestedRange(r)
		_ = send(int64(max(n-from, 0)))
		then(r, send)
		return true
	}}
}
