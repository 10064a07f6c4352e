package fetch

import (
	"context"
	"io"
	"net/http"

	"golang.org/x/time/rate"
)

// limited is an http.RoundTripper whose response bodies share one rate limit.
type limited struct {
	next    http.RoundTripper
	limiter *rate.Limiter
	most    int // bytes of one read
}

// newLimited returns next with a limit in bytes a second. Short reads keep the
// rate even.
func newLimited(next http.RoundTripper, limit int64) *limited {
	return &limited{next, rate.NewLimiter(rate.Limit(limit), int(min(limit, BufferSize))), int(min(max(limit/8, 512), BufferSize))}
}

// RoundTrip sends req. Its context also ends the waits of the body.
func (l *limited) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := l.next.RoundTrip(req)
	if err == nil {
		resp.Body = &limitedBody{resp.Body, req.Context(), l}
	}
	return resp, err
}

type limitedBody struct {
	io.ReadCloser
	ctx context.Context
	l   *limited
}

// Read returns after the limiter has admitted the bytes.
func (b *limitedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p[:min(len(p), b.l.most)])
	for rest := n; rest > 0; {
		m := min(rest, b.l.limiter.Burst())
		if werr := b.l.limiter.WaitN(b.ctx, m); werr != nil {
			if cause := context.Cause(b.ctx); cause != nil {
				werr = cause
			}
			return n, werr
		}
		rest -= m
	}
	return n, err
}
