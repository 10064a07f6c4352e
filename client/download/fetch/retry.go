package fetch

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"usher/backend/api"
	"usher/client/download/part"
	"usher/client/download/ticket"
	"usher/client/quantity"
)

// retry is the policy for the requests of one connection. It judges each failure:
// some end the attempt, and after the others it pauses for another request. No
// other code repeats a request to the storage.
type retry struct {
	t        Timeouts
	patience time.Duration // how long to wait for the network; 0: for ever
	sleep    func(context.Context, time.Duration) error
	throttle interface{ Slower() } // of all requests of this kind
	events   interface{ Notify(Event) }
	progress *Progress
	motion   *motion       // of the whole attempt
	moved    *atomic.Int64 // bytes that any request of the client has brought
	key      string        // of the object, for errors

	broke int // failures in a row, without a byte between
	away  int // connections in a row that did not come about
}

// request is one request to the storage. moved reports whether bytes came.
type request func(ctx context.Context) (moved bool, err error)

// maxStreak is the number of failures in a row that end an attempt.
const maxStreak = 10

// do runs one request. It returns nil after a success, and after the pause of a
// failure that another request may mend; else it returns the error that ends the
// attempt.
func (r *retry) do(ctx context.Context, q request) error {
	moved, err := q(ctx)
	if err == nil || moved {
		r.broke, r.away = 0, 0
	}
	if err == nil {
		return nil
	}
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return r.judge(ctx, err)
}

func (r *retry) judge(ctx context.Context, err error) error {
	var own *Error
	var permanent permanentError
	var s3 *s3Error
	var bad badAnswer
	switch {
	case errors.Is(err, errSpent):
		return nil
	case errors.As(err, &permanent):
		return permanent.error
	case errors.As(err, &own), errors.Is(err, ErrNoRange):
		return err
	case errors.As(err, &bad):
		return mismatch(string(bad))
	case errors.As(err, &s3):
		r.broke++
		return r.judgeS3(ctx, s3)
	case untrusted(err) && r.moved.Load() == 0: // no wait helps against a wrong address
		return networkError(err)
	}
	r.progress.Retries.Add(1)
	switch {
	case part.OutOfDescriptors(err): // another connection ends, and leaves its own
		r.events.Notify(Event{Text: "Too many files are open; waiting for one to be closed."})
		if r.broke++; r.broke > 10*maxStreak {
			return networkError(err)
		}
		return r.pause(ctx, r.broke)
	case unreachable(err) || untrusted(err):
		return r.waitNetwork(ctx, err)
	}
	if r.broke++; r.broke > maxStreak {
		return &Error{Kind: ErrNetwork, Detail: "the connection broke " + strconv.Itoa(r.broke) + " times"}
	}
	r.events.Notify(Event{Text: "The connection broke; going on from " + quantity.Size(r.progress.Done.Load()) + "."})
	if r.broke == 1 {
		return nil // at once: most breaks are single
	}
	return r.pause(ctx, r.broke-1)
}

// judgeS3 is judge for a response of the storage.
func (r *retry) judgeS3(ctx context.Context, s3 *s3Error) error {
	switch s := s3.status; {
	case s == http.StatusPreconditionFailed:
		return &Error{Kind: ErrChanged}
	case s == http.StatusNotFound, s3.code == archivedCode, s3.refuses():
		return s3.failure()
	case s == http.StatusRequestedRangeNotSatisfiable:
		return mismatch("the storage has fewer bytes than announced")
	case s >= 300 && s < 400:
		return &ticket.Error{Path: r.key, Reason: "the storage redirects to another address"}
	}
	r.progress.Retries.Add(1)
	if r.broke > maxStreak {
		return &api.Error{Code: api.StorageUnavailable}
	}
	if s3.status == http.StatusServiceUnavailable || s3.status == http.StatusTooManyRequests {
		r.throttle.Slower()
	}
	pause := r.t.Backoff(r.broke)
	if s3.retryAfter > 0 {
		pause = min(s3.retryAfter, r.t.RetryAfter)
	}
	r.events.Notify(Event{Text: "The storage can't answer at the moment; trying again."})
	return r.sleep(ctx, pause)
}

// movesStill is the number of ticks after a byte during which a file counts as moving.
const movesStill = 4

// waitNetwork waits while no connection comes about, as long as the patience lasts.
// While the network is away nothing has broken, however often it was tried.
func (r *retry) waitNetwork(ctx context.Context, err error) error {
	r.away, r.broke = r.away+1, 0
	still := r.motion.still()
	if p := r.patience; p > 0 && r.away > 1 && still > p {
		return networkError(err)
	}
	// One connection that fails beside others that move is no outage.
	if still > movesStill*r.t.Tick {
		r.motion.offline.Store(true)
		text := "Waiting for the network: the storage does not answer."
		if untrusted(err) { // a network that inspects traffic, or one with a sign-in page
			text = "Waiting for the network: " + ErrUntrusted.Error() + "."
		}
		r.events.Notify(Event{Kind: Offline, Err: networkError(err), Text: text})
	}
	return r.pause(ctx, r.away)
}

// pause waits after the n-th failure in a row.
func (r *retry) pause(ctx context.Context, n int) error { return r.sleep(ctx, r.t.Backoff(n)) }

// motion holds when an attempt last wrote bytes, over all its connections.
type motion struct {
	last    atomic.Int64 // nanoseconds
	offline atomic.Bool  // an Offline event is out
}

// note notes bytes, or the begin of an attempt. It reports whether an outage has
// ended.
func (m *motion) note(now time.Time) (again bool) {
	m.last.Store(now.UnixNano())
	return m.offline.Load() && m.offline.CompareAndSwap(true, false)
}

// still is the time since bytes were last written.
func (m *motion) still() time.Duration { return time.Since(time.Unix(0, m.last.Load())) }
