package fetch

import (
	"context"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// watchdog is an http.RoundTripper that cuts a request, and its response, if no
// byte comes for Idle, or fewer than MinRate over RateWindow. Only the time inside
// RoundTrip and Read counts: a caller that is slow between two reads causes no
// cut. One timer per request; a read costs two clock readings.
type watchdog struct {
	next http.RoundTripper
	t    Timeouts
}

// RoundTrip sends req. The body of the response must be closed.
func (d *watchdog) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx, cut := context.WithCancelCause(req.Context())
	w := &watch{t: d.t, ctx: ctx, cut: cut, opened: time.Now()}
	began := w.begin()
	w.mu.Lock()
	w.timer = time.AfterFunc(d.t.Idle, w.expired)
	w.mu.Unlock()
	resp, err := d.next.RoundTrip(req.WithContext(ctx))
	w.end(began, 0)
	if err != nil {
		err = w.cause(err)
		w.stop()
		return nil, err
	}
	resp.Body = &watchedBody{resp.Body, w}
	return resp, nil
}

// watch is the state of one request.
type watch struct {
	t      Timeouts
	ctx    context.Context
	cut    context.CancelCauseFunc
	opened time.Time
	since  atomic.Int64 // start of the current call, in nanoseconds after opened; -1: none

	mu    sync.Mutex
	timer *time.Timer
	over  bool

	waited time.Duration // inside calls, in this window
	bytes  int64         // in this window
}

func (w *watch) begin() time.Time {
	now := time.Now()
	w.since.Store(int64(now.Sub(w.opened)))
	return now
}

// end ends a call that brought n bytes.
func (w *watch) end(began time.Time, n int) {
	w.since.Store(-1)
	w.waited, w.bytes = w.waited+time.Since(began), w.bytes+int64(n)
	if w.waited >= w.t.RateWindow {
		if float64(w.bytes) < float64(w.t.MinRate)*w.waited.Seconds() {
			w.cut(ErrTooSlow)
		}
		w.waited, w.bytes = 0, 0
	}
}

// expired cuts the request if one call took Idle, and waits on if not.
func (w *watch) expired() {
	rest := w.t.Idle
	if since := w.since.Load(); since >= 0 {
		if rest -= time.Since(w.opened) - time.Duration(since); rest <= 0 {
			w.cut(ErrStalled)
			return
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.over {
		w.timer.Reset(rest)
	}
}

// cause replaces the error of a cut request by the reason of the cut.
func (w *watch) cause(err error) error {
	if cause := context.Cause(w.ctx); cause != nil && err != nil && err != io.EOF {
		return cause
	}
	return err
}

func (w *watch) stop() {
	w.mu.Lock()
	w.over = true
	w.timer.Stop()
	w.mu.Unlock()
	w.cut(nil)
}

// watchedBody is the body of a watched response.
type watchedBody struct {
	io.ReadCloser
	w *watch
}

func (b *watchedBody) Read(p []byte) (int, error) {
	began := b.w.begin()
	n, err := b.ReadCloser.Read(p)
	b.w.end(began, n)
	return n, b.w.cause(err)
}

func (b *watchedBody) Close() error {
	err := b.ReadCloser.Close()
	b.w.stop()
	return err
}
