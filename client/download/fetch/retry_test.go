package fetch

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"usher/backend/api"
	"usher/client/download/ticket"
)

// policy is a retry whose pauses take no time, and its record.
type policy struct {
	retry
	pauses []time.Duration
	texts  []string
	kinds  []Kind
	slower int
}

func (p *policy) Slower() { p.slower++ }

func (p *policy) Notify(e Event) { p.texts, p.kinds = append(p.texts, e.Text), append(p.kinds, e.Kind) }

func newPolicy() *policy {
	p := &policy{}
	p.retry = retry{
		t:      Timeouts{BackoffMin: time.Second, BackoffMax: 4 * time.Second, RetryAfter: time.Minute, Tick: time.Second},
		sleep:  func(_ context.Context, d time.Duration) error { p.pauses = append(p.pauses, d); return nil },
		events: p, throttle: p, progress: &Progress{}, motion: &motion{}, moved: &atomic.Int64{}, key: "k",
	}
	p.motion.note(time.Now())
	return p
}

func failing(err error) request { return func(context.Context) (bool, error) { return false, err } }

var (
	errDown      = &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
	errUntrusted = &tls.CertificateVerificationError{Err: errors.New("unknown authority")}
)

// Each row is one failure: it ends the attempt, or leads to a pause and a retry.
func TestRetry(t *testing.T) {
	for _, row := range []struct {
		name    string
		err     error
		ends    error // nil: another request follows
		pause   time.Duration
		text    string
		retries int64
		slower  int
	}{
		{name: "success"},
		{name: "a refused ticket is replaced at once", err: errSpent},
		{name: "the first break is repeated at once", err: io.ErrUnexpectedEOF, text: "The connection broke; going on from 0 B.", retries: 1},
		{name: "a stall", err: ErrStalled, text: "The connection broke; going on from 0 B.", retries: 1},
		{name: "no connection", err: errDown, pause: 1, retries: 1},
		{name: "no descriptor", err: &net.OpError{Op: "socket", Err: syscall.EMFILE}, pause: 1, text: "Too many files are open; waiting for one to be closed.", retries: 1},
		{name: "a wrong certificate", err: errUntrusted, ends: ErrNetwork},
		{name: "a failure of the source", err: permanentError{&api.Error{Code: api.NotFound}}, ends: &api.Error{Code: api.NotFound}},
		{name: "a changed object", err: &Error{Kind: ErrChanged}, ends: ErrChanged},
		{name: "no ranges", err: ErrNoRange, ends: ErrNoRange},
		{name: "a contradiction", err: badAnswer("another part"), ends: ErrMismatch},
		{name: "another content", err: &s3Error{status: 412}, ends: ErrChanged},
		{name: "fewer bytes", err: &s3Error{status: 416}, ends: ErrMismatch},
		{name: "a redirect", err: &s3Error{status: 302}, ends: ticket.ErrRefused},
		{name: "no object", err: &s3Error{status: 404}, ends: &api.Error{Code: api.NotFound}},
		{name: "an archive", err: &s3Error{status: 403, code: archivedCode}, ends: &api.Error{Code: api.ObjectArchived}},
		{name: "no right to the key", err: &s3Error{status: 400, code: "KMS.DisabledException"}, ends: &api.Error{Code: api.StorageRefused}},
		{name: "an error of the storage", err: &s3Error{status: 500}, pause: 1, text: "The storage can't answer at the moment; trying again.", retries: 1},
		{name: "slow down", err: &s3Error{status: 503}, pause: 1, text: "The storage can't answer at the moment; trying again.", retries: 1, slower: 1},
		{name: "slow down, with a time", err: &s3Error{status: 429, retryAfter: 9 * time.Second}, pause: 9 * time.Second, text: "The storage can't answer at the moment; trying again.", retries: 1, slower: 1},
		{name: "slow down, with an hour", err: &s3Error{status: 503, retryAfter: time.Hour}, pause: time.Minute, text: "The storage can't answer at the moment; trying again.", retries: 1, slower: 1},
	} {
		t.Run(row.name, func(t *testing.T) {
			p := newPolicy()
			err := p.do(t.Context(), failing(row.err))
			if !errors.Is(err, row.ends) {
				t.Errorf("the result is %v, want %v", err, row.ends)
			}
			if got := len(p.pauses) == 1; got != (row.pause > 0) || row.pause > 1 && p.pauses[0] != row.pause {
				t.Errorf("pauses %v, want %v", p.pauses, row.pause)
			}
			if got := append(p.texts, ""); got[0] != row.text {
				t.Errorf("text %q, want %q", got[0], row.text)
			}
			if got := p.progress.Retries.Load(); got != row.retries || p.slower != row.slower {
				t.Errorf("%d retries and %d of fewer requests, want %d and %d", got, p.slower, row.retries, row.slower)
			}
		})
	}
}

// A number of failures in a row ends the attempt; a byte between them begins the
// count again.
func TestRetryStreak(t *testing.T) {
	for _, row := range []struct {
		name string
		err  error
		ends error
		most int // failures that are repeated; 0: all
	}{
		{"breaks", io.ErrUnexpectedEOF, ErrNetwork, maxStreak},
		{"errors of the storage", &s3Error{status: 500}, &api.Error{Code: api.StorageUnavailable}, maxStreak},
		{"descriptors", &net.OpError{Op: "socket", Err: syscall.EMFILE}, ErrNetwork, 10 * maxStreak},
		{"no connection", errDown, nil, 0},
	} {
		t.Run(row.name, func(t *testing.T) {
			p := newPolicy()
			for n := 1; n <= 11*maxStreak; n++ {
				err := p.do(t.Context(), failing(row.err))
				if ended := err != nil; ended != (row.most > 0 && n > row.most) || ended && !errors.Is(err, row.ends) {
					t.Fatalf("failure %d: %v", n, err)
				}
				if row.most > 0 && n > row.most {
					break
				}
			}
			p = newPolicy()
			for n := range 5 * maxStreak {
				if err := p.do(t.Context(), func(context.Context) (bool, error) { return true, row.err }); err != nil {
					t.Fatalf("failure %d after a byte: %v", n, err)
				}
			}
		})
	}
}

// One failed connection beside bytes on another is no outage; a failure without
// bytes is one, and ends with the patience.
func TestRetryOutage(t *testing.T) {
	p := newPolicy()
	if err := p.do(t.Context(), failing(errDown)); err != nil || len(p.kinds) != 0 {
		t.Errorf("one failure beside arriving bytes: %v, events %v", err, p.kinds)
	}
	p.motion.note(time.Now().Add(-time.Hour))
	if err := p.do(t.Context(), failing(errDown)); err != nil || len(p.kinds) != 1 || p.kinds[0] != Offline {
		t.Errorf("in an outage: %v, events %v", err, p.kinds)
	}
	if !p.motion.note(time.Now()) || p.motion.note(time.Now()) {
		t.Error("the first byte after an outage ends it, once")
	}
	p = newPolicy()
	p.patience = time.Minute
	p.motion.note(time.Now().Add(-time.Hour))
	if err := p.do(t.Context(), failing(errDown)); err != nil {
		t.Errorf("the first failure: %v", err)
	}
	if err := p.do(t.Context(), failing(errDown)); !errors.Is(err, ErrNetwork) {
		t.Errorf("after the patience: %v", err)
	}
	// A certificate that was valid before is waited for: another network may follow.
	p = newPolicy()
	p.moved.Store(1)
	if err := p.do(t.Context(), failing(errUntrusted)); err != nil || len(p.pauses) != 1 {
		t.Errorf("a certificate that is no longer trusted: %v, pauses %v", err, p.pauses)
	}
}

// The end of the context is its cause, whatever the request returns.
func TestRetryEnded(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(ErrCancelled)
	if err := newPolicy().do(ctx, failing(io.ErrUnexpectedEOF)); !errors.Is(err, ErrCancelled) {
		t.Errorf("%v", err)
	}
}
