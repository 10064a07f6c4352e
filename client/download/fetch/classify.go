package fetch

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"usher/backend/api"
	"usher/client/download/part"
	"usher/client/download/ticket"
	"usher/client/quantity"
)

// streak counts failures in a row, without a byte between. While the network is
// away nothing has broken, however often it was tried.
type streak struct{ broke, away int }

// classify returns nil, after a pause, for a failure that another request may
// mend, and else the error that ends this attempt.
func (j *attempt) classify(ctx context.Context, err error, s *streak) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	var own *Error
	var source sourceError
	var s3 *s3Error
	var bad badAnswer
	switch {
	case errors.Is(err, errSpent):
		return nil
	case errors.As(err, &source):
		return source.error
	case errors.As(err, &own), errors.Is(err, ErrNoRange):
		return err
	case errors.As(err, &bad):
		return mismatch(string(bad))
	case errors.As(err, &s3):
		s.broke++
		return j.classifyS3(ctx, s3, s.broke)
	case untrusted(err) && j.c.moved.Load() == 0: // no wait helps against a wrong address
		return networkError(err)
	}
	j.Progress.Retries.Add(1)
	switch {
	case part.OutOfDescriptors(err): // another connection ends, and leaves its own
		j.Notify(Event{Text: "Too many files are open; waiting for one to be closed."})
		if s.broke++; s.broke > 10*maxStreak {
			return networkError(err)
		}
		return j.pause(ctx, s.broke)
	case unreachable(err) || untrusted(err):
		return j.waitNetwork(ctx, err, s)
	}
	if s.broke++; s.broke > maxStreak {
		return &Error{Kind: ErrNetwork, Detail: "the connection broke " + strconv.Itoa(s.broke) + " times"}
	}
	j.Notify(Event{Text: "The connection broke; going on from " + quantity.Size(j.Progress.Done.Load()) + "."})
	if s.broke == 1 {
		return nil // at once: most breaks are single
	}
	return j.pause(ctx, s.broke-1)
}

// pause waits after the n-th failure in a row.
func (j *attempt) pause(ctx context.Context, n int) error {
	return j.c.Sleep(ctx, j.c.Timeouts.Backoff(n))
}

// waitNetwork waits for a network that lets no connection come about, up to the
// client's patience.
func (j *attempt) waitNetwork(ctx context.Context, err error, s *streak) error {
	s.away, s.broke = s.away+1, 0
	if p := j.c.Patience; p > 0 && s.away > 1 && time.Since(j.lastMove()) > p {
		return networkError(err)
	}
	// One connection that fails beside others that move is no outage.
	if time.Since(j.lastMove()) > movesStill*j.c.Timeouts.Tick {
		j.away.Store(true)
		text := "Waiting for the network: the storage does not answer."
		if untrusted(err) { // a network that inspects traffic, or one with a sign-in page
			text = "Waiting for the network: " + ErrUntrusted.Error() + "."
		}
		j.Notify(Event{Kind: Offline, Err: networkError(err), Text: text})
	}
	return j.pause(ctx, s.away)
}

// movesStill is for how many ticks after a byte a file counts as moving.
const movesStill = 4

// maxStreak is how many failures in a row, without a byte between, end a try.
const maxStreak = 10

// classifyS3 is classify for a response of the storage.
func (j *attempt) classifyS3(ctx context.Context, s3 *s3Error, streak int) error {
	switch s := s3.status; {
	case s == http.StatusPreconditionFailed:
		return &Error{Kind: ErrChanged}
	case s == http.StatusNotFound, s3.code == archivedCode, s3.refuses():
		return s3.failure(j.released())
	case s == http.StatusRequestedRangeNotSatisfiable:
		return mismatch("the storage has fewer bytes than announced")
	case s >= 300 && s < 400:
		return &ticket.Error{Path: j.Object.Key, Reason: "the storage points elsewhere"}
	}
	j.Progress.Retries.Add(1)
	if streak > maxStreak {
		return &api.Error{Code: api.StorageUnavailable}
	}
	if s3.status == http.StatusServiceUnavailable || s3.status == http.StatusTooManyRequests {
		if j.plain {
			j.c.Small.Slower()
		} else {
			j.c.Connections.Slower()
		}
	}
	pause := j.c.Timeouts.Backoff(streak)
	if s3.retryAfter > 0 {
		pause = min(s3.retryAfter, j.c.Timeouts.RetryAfter)
	}
	j.Notify(Event{Text: "The storage asked to slow down; trying again."})
	return j.c.Sleep(ctx, pause)
}
