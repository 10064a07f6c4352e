package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"usher/backend/api"
)

// The limits of the sum of all pauses within one call.
const (
	busyLimit    = time.Minute     // for rate_limited: the server works, and the budget refills
	failureLimit = 8 * time.Second // for the table's other rows with Retry
	firstPause   = 250 * time.Millisecond
	longestPause = 4 * time.Second
	networkPause = 500 * time.Millisecond
)

// Wait is a pause within a call: the server answered Code, and the client
// repeats the call after For.
type Wait struct {
	Code api.Code
	For  time.Duration
}

type waitKey struct{}

// WithWait returns a context whose calls report each pause to f before it
// begins, on the goroutine of the call. A page can show it until the call
// returns. f must not block. It replaces the f of an outer context.
func WithWait(ctx context.Context, f func(Wait)) context.Context {
	return context.WithValue(ctx, waitKey{}, f)
}

// call makes a call and repeats it in three cases: once, without a pause, after
// a refusal of the token; once after a connection that broke before its time
// limit; and, within the limits above, after an answer whose row in the table
// has Retry. Every verb may be repeated, and each repetition is a separate event.
//
// A pause is at least the answer's Retry-After. If ctx or the limit would end
// during the pause, the answer is returned at once.
func (c *Client) call(ctx context.Context, verb api.Verb, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return fmt.Errorf("writing the request: %w", err)
	}
	var r retries
	for {
		err := c.attempt(ctx, verb, body, out)
		if err == nil || ctx.Err() != nil {
			return err
		}
		pause, again := r.next(err)
		if end, ok := ctx.Deadline(); !again || ok && time.Until(end) <= pause {
			return err
		}
		var answer *api.Error
		if report, ok := ctx.Value(waitKey{}).(func(Wait)); ok && pause > 0 && errors.As(err, &answer) {
			report(Wait{Code: answer.Code, For: pause})
		}
		if !sleep(ctx, pause) {
			return ctx.Err()
		}
	}
}

// retries is the history of one call.
type retries struct {
	token, network bool          // a retry was made for this reason
	paused         time.Duration // the sum
	backoff        time.Duration
}

// next returns the pause before the call is repeated, or false.
func (r *retries) next(err error) (time.Duration, bool) {
	var answer *api.Error
	var lost *api.Unreachable
	switch {
	case refusesToken(err):
		again := !r.token
		r.token = true
		return 0, again
	case errors.As(err, &answer):
		return r.pause(answer)
	case errors.As(err, &lost):
		again := !r.network && !errors.Is(err, context.DeadlineExceeded)
		r.network = true
		return networkPause, again
	}
	return 0, false
}

func (r *retries) pause(answer *api.Error) (time.Duration, bool) {
	if !api.Lookup(answer.Code).Retry {
		return 0, false
	}
	limit := failureLimit
	if answer.Code == api.RateLimited {
		limit = busyLimit
	}
	r.backoff = min(max(2*r.backoff, firstPause), longestPause)
	pause := max(r.backoff, answer.RetryAfter)
	r.paused += pause
	return pause, r.paused <= limit
}

// refusesToken reports whether the server refused the access token itself.
func refusesToken(err error) bool {
	var answer *api.Error
	if !errors.As(err, &answer) {
		return false
	}
	switch answer.Code {
	case api.TokenExpired, api.SessionRevoked, api.Unauthenticated:
		return true
	}
	return false
}

// retryAfter reads Retry-After: seconds, or a date by the server's own clock
// (RFC 9110 §10.2.3). 0 means none.
func retryAfter(h http.Header) time.Duration {
	value := h.Get("Retry-After")
	if seconds, err := strconv.ParseUint(value, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	until, err := http.ParseTime(value)
	now, err2 := http.ParseTime(h.Get("Date"))
	if err != nil || err2 != nil {
		return 0
	}
	return max(0, until.Sub(now))
}

// sleep reports whether the pause passed before ctx ended.
func sleep(ctx context.Context, pause time.Duration) bool {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}
