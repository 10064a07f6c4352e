package download

import (
	"context"
	"errors"
	"net/http"
	"path/filepath"
	"time"

	"usher/backend/api"
	"usher/client/download/part"
	"usher/client/download/ticket"
	"usher/client/quantity"
)

// streak counts failures in a row, without a byte between. While the network is
// away nothing has broken, however often it was tried.
type streak struct{ broke, away int }

// judge decides what follows from a failure: nil, after a pause, to go on;
// an error to end this try.
func (j *job) judge(ctx context.Context, err error, s *streak) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	e := j.e
	var own *Error
	var ae *api.Error
	var pe *pauseError
	var refused *ticket.Error
	var s3 *s3Error
	var bad badAnswer
	switch {
	case errors.Is(err, errGoneBefore):
		return nil
	case errors.As(err, &own), errors.As(err, &ae), errors.As(err, &pe), errors.As(err, &refused), errors.Is(err, errNoRange):
		return err
	case errors.As(err, &bad):
		return &mismatch{string(bad)}
	case errors.As(err, &s3):
		s.broke++
		return j.judgeS3(ctx, s3, s.broke)
	case untrusted(err) && e.moved.Load() == 0: // no wait helps against a wrong address
		return netError(err)
	}
	e.mu.Lock()
	j.t.progress.retries++
	e.mu.Unlock()
	if part.OutOfDescriptors(err) { // another connection ends, and leaves its own
		e.set(j.t, Running, nil, "Too many files are open; waiting for one to be closed.")
		if s.broke++; s.broke > 10*maxStreak {
			return netError(err)
		}
		return e.sleep(ctx, e.backoff(s.broke))
	}
	if unreachable(err) || untrusted(err) {
		s.away, s.broke = s.away+1, 0
		if p := e.cfg.Patience; p > 0 && s.away > 1 && time.Since(j.lastMove()) > p {
			return netError(err)
		}
		// One connection that fails beside others that move is no outage.
		if time.Since(j.lastMove()) > movesStill*e.cfg.Timeouts.Tick {
			j.away.Store(true)
			event := "Waiting for the network: the storage does not answer."
			if untrusted(err) { // a network that inspects traffic, or one with a sign-in page
				event = "Waiting for the network: " + errUntrusted.Error() + "."
			}
			e.set(j.t, WaitingNetwork, netError(err), event)
		}
		return e.sleep(ctx, e.backoff(s.away))
	}
	if s.broke++; s.broke > maxStreak {
		return &Error{Kind: ErrNetwork, Detail: "the connection broke " + itoa(s.broke) + " times"}
	}
	e.set(j.t, Running, nil, "The connection broke; going on from "+quantity.Size(j.t.progress.done.Load())+".")
	if s.broke == 1 {
		return nil // at once: most breaks are single
	}
	return e.sleep(ctx, e.backoff(s.broke-1))
}

// movesStill is for how many ticks after a byte a file counts as moving.
const movesStill = 4

// maxStreak is how many failures in a row, without a byte between, end a try.
const maxStreak = 10

func (j *job) judgeS3(ctx context.Context, s3 *s3Error, streak int) error {
	e := j.e
	switch s := s3.status; {
	case s == http.StatusPreconditionFailed:
		return &Error{Kind: ErrChanged, Path: j.t.req.Key}
	case s == http.StatusNotFound, s3.code == archivedCode, s3.refuses():
		return s3.failure(j.released())
	case s == http.StatusRequestedRangeNotSatisfiable:
		return &mismatch{"the storage has fewer bytes than announced"}
	case s >= 300 && s < 400:
		return &ticket.Error{Path: j.t.req.Key, Reason: "the storage points elsewhere"}
	}
	e.mu.Lock()
	j.t.progress.retries++
	e.mu.Unlock()
	if streak > maxStreak {
		return &api.Error{Code: api.StorageUnavailable}
	}
	if s3.status == http.StatusServiceUnavailable || s3.status == http.StatusTooManyRequests {
		if j.plain {
			e.limits.small.slower()
		} else {
			e.limits.lanes.slower()
		}
	}
	pause := e.backoff(streak)
	if s3.retryAfter > 0 {
		pause = min(s3.retryAfter, e.cfg.Timeouts.RetryAfter)
	}
	e.set(j.t, Running, nil, "The storage asked to slow down; trying again.")
	return e.sleep(ctx, pause)
}

// keeps tells whether what was fetched outlives this try.
func (j *job) keeps() bool { return j.file.Named() && j.t.progress.done.Load() > 0 }

// mismatch is content that is not what it should be.
type mismatch struct{ what string }

func (m *mismatch) Error() string        { return m.what }
func (m *mismatch) Is(target error) bool { return target == errMismatch }

// writeError says what the disk said, with the numbers where it is full.
func (e *Engine) writeError(j *job, err error) error {
	path := j.file.Path()
	if len(j.t.segs) > 0 {
		path = filepath.Join(j.file.Folder().Path(), j.t.segs[len(j.t.segs)-1])
	}
	if isFull(err) {
		need := max(j.size-j.t.progress.done.Load(), 1)
		return &Error{Kind: ErrDisk, Path: path, Needed: need, Free: max(j.file.Folder().Free(), 0), kept: j.keeps(), cause: err}
	}
	err = diskError(path, err)
	var own *Error
	if errors.As(err, &own) {
		own.kept = j.keeps()
	}
	return err
}
