package fetch

import (
	"context"
	"io"
	"net/http"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// limit is a rate that all response bodies share. It can change while bodies are
// read: a body that waits at the old rate continues at the new one.
type limit struct {
	mu      sync.Mutex
	bytes   int64 // a second; 0: no limit
	limiter *rate.Limiter
	changed chan struct{} // closed at the next change
}

func newLimit(bytes int64) *limit {
	l := &limit{changed: make(chan struct{})}
	l.set(bytes)
	return l
}

// set changes the rate, in bytes a second; 0 is no limit.
func (l *limit) set(bytes int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if bytes = max(bytes, 0); bytes == l.bytes && (l.limiter != nil) == (bytes > 0) {
		return
	}
	l.bytes, l.limiter = bytes, nil
	if bytes > 0 {
		l.limiter = rate.NewLimiter(rate.Limit(bytes), int(min(bytes, BufferSize)))
	}
	close(l.changed)
	l.changed = make(chan struct{})
}

// now returns the rate in bytes a second, 0 for none, its limiter, and the channel
// that its end closes.
func (l *limit) now() (int64, *rate.Limiter, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.bytes, l.limiter, l.changed
}

// most is the number of bytes of one read. Short reads keep the rate even.
func (l *limit) most() int {
	bytes, _, _ := l.now()
	if bytes == 0 {
		return BufferSize
	}
	return int(min(max(bytes/8, 512), BufferSize))
}

// wait returns when n bytes are within the rate.
func (l *limit) wait(ctx context.Context, n int) error {
	for n > 0 {
		_, limiter, changed := l.now()
		if limiter == nil {
			return nil
		}
		m := min(n, limiter.Burst())
		r := limiter.ReserveN(time.Now(), m)
		if err := await(ctx, r.Delay(), changed); err != nil {
			return err
		}
		select {
		case <-changed: // the rest of the wait is at the new rate
		default:
			n -= m
		}
	}
	return nil
}

// await waits for d, or until changed is closed.
func await(ctx context.Context, d time.Duration, changed <-chan struct{}) error {
	if d <= 0 {
		return nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-changed:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	return nil
}

// limited is an http.RoundTripper whose response bodies keep to a limit.
type limited struct {
	next  http.RoundTripper
	limit *limit
}

// RoundTrip sends req. Its context also ends the waits of the body.
func (l *limited) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := l.next.RoundTrip(req)
	if err == nil {
		resp.Body = &limitedBody{resp.Body, req.Context(), l.limit}
	}
	return resp, err
}

type limitedBody struct {
	io.ReadCloser
	ctx   context.Context
	limit *limit
}

// Read returns after the limit has admitted the bytes.
func (b *limitedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p[:min(len(p), b.limit.most())])
	if werr := b.limit.wait(b.ctx, n); werr != nil {
		return n, werr
	}
	return n, err
}
