package session

import (
	"context"
	"errors"
	"time"

	"usher/backend/api"
)

// flight is one renewal, shared by all concurrent callers of Token.
type flight struct {
	done   chan struct{} // closed when tokens and err are set
	tokens Tokens
	err    error
}

// usable reports whether a token can be used without a renewal. The caller
// holds mu.
func (s *Session) usable(t Tokens) bool {
	return t.fresh(s.now()) && !t.Access.Equal(s.refused)
}

// runFlight runs one renewal for all callers. The renewal outlives the caller that
// started it: a rotated refresh token would be lost with an unread answer.
func (s *Session) runFlight(ctx context.Context, f *flight) {
	ctx, cancel := context.WithTimeout(ctx, renewLimit)
	defer cancel()
	f.tokens, f.err = s.renew(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	if f.err != nil && !errors.Is(f.err, ErrSignedOut) &&
		s.current.left(s.now()) > 5*time.Second && !s.current.Access.Equal(s.refused) {
		f.tokens, f.err = s.current, nil
	}
	s.flight = nil
	close(f.done)
}

// renew brings current up to date, under the lock that all processes share:
// with the tokens that another process stored meanwhile, or from the pool.
func (s *Session) renew(ctx context.Context) (Tokens, error) {
	if _, err := s.stored(); err != nil {
		return Tokens{}, err // without tokens, no lock file is created
	}
	unlock, stored, err := s.turn(ctx)
	if err != nil {
		return Tokens{}, err
	}
	defer unlock()
	if s.acceptable(stored) {
		s.setCurrent(stored)
		return stored, nil
	}
	if s.refusedTwice(stored) {
		return Tokens{}, s.end(stored.Refresh)
	}
	return s.renewAtPool(ctx, stored, true)
}

// turn returns the stored tokens, and holds the lock of renewals unless they are
// acceptable. A holder of the lock that does not finish, such as a stopped
// process, does not block a session that was signed in again meanwhile.
func (s *Session) turn(ctx context.Context) (unlock func(), stored Tokens, err error) {
	for {
		unlock, err = s.lockFor(ctx, lookAgain)
		busy := errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil
		if err != nil && !busy {
			return nil, Tokens{}, busyError(err)
		}
		stored, serr := s.stored()
		switch {
		case serr != nil && busy:
			return nil, Tokens{}, serr
		case serr != nil:
			unlock()
			return nil, Tokens{}, serr
		case !busy:
			return unlock, stored, nil
		case s.acceptable(stored):
			return func() {}, stored, nil
		}
	}
}

// lookAgain is the interval at which a process that waits for the lock reads the
// file.
const lookAgain = time.Second

func (s *Session) lockFor(ctx context.Context, d time.Duration) (func(), error) {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	return s.store.lock(ctx)
}

// stored returns the tokens in the file, or the newer ones in memory where the
// last write failed.
func (s *Session) stored() (Tokens, error) {
	stored, err := s.store.read()
	if err != nil {
		return Tokens{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case stored.Refresh.IsZero():
		known := !s.current.Refresh.IsZero()
		s.current = Tokens{}
		if known {
			return Tokens{}, errEnded
		}
		return Tokens{}, ErrSignedOut
	case s.sub != "" && stored.claims.Sub != s.sub:
		s.current = Tokens{}
		return Tokens{}, errOtherPerson
	case !s.onDisk.IsZero() && stored.Refresh.Equal(s.onDisk):
		return s.current, nil // newer than the file: the last write failed
	}
	return stored, nil
}

func (s *Session) acceptable(t Tokens) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.usable(t)
}

// refusedTwice reports whether the server refused tokens that were renewed because
// of a refusal less than a minute ago. Another renewal would start a loop.
func (s *Session) refusedTwice(t Tokens) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.renewedAt.IsZero() || !t.Access.Equal(s.refused) {
		return false
	}
	d, ok := age(s.renewedAt, s.now())
	return ok && d < time.Minute
}

// setCurrent makes t current.
func (s *Session) setCurrent(t Tokens) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t.Access.Equal(s.current.Access) {
		s.current = t // its refresh token may be new
		return
	}
	if !s.refused.IsZero() && s.refused.Equal(s.current.Access) {
		s.renewedAt = s.now()
	}
	s.current, s.sub = t, t.claims.Sub
}

// renewAtPool renews at the pool and stores the tokens before their first use. Where
// the pool refuses the refresh token, it reads the file once more, because
// some file systems have no locks. It adopts tokens that another process
// stored, and removes only the tokens that were refused.
func (s *Session) renewAtPool(ctx context.Context, old Tokens, retry bool) (Tokens, error) {
	fresh, err := s.source(old).renew(ctx, old)
	if !fresh.Refresh.IsZero() && (err == nil || !fresh.Refresh.Equal(old.Refresh)) {
		if newer, changed, serr := s.save(ctx, old, fresh); changed {
			return newer, serr
		}
	}
	if err == nil {
		return fresh, nil
	}
	if !final(err) {
		return Tokens{}, err
	}
	stored, rerr := s.stored()
	switch {
	case rerr != nil:
		return Tokens{}, rerr
	case stored.Refresh.Equal(old.Refresh):
		return Tokens{}, s.end(old.Refresh)
	case s.acceptable(stored):
		s.setCurrent(stored)
		return stored, nil
	case retry:
		return s.renewAtPool(ctx, stored, false)
	}
	return Tokens{}, err
}

// final reports whether the pool's refusal of a refresh token is final.
func final(err error) bool {
	return errors.Is(err, ErrSignedOut) || errors.Is(err, ErrPasswordReset) || errors.Is(err, ErrUnfinishedAccount)
}

// save stores renewed tokens and makes them current. changed means that the
// file no longer holds old: another process signed in or out meanwhile. Then
// save writes nothing, and returns the stored tokens of the same person or an
// error.
//
// A failed write (disk full or read-only) does not end the session: the process
// uses the tokens in memory, and writes again at the next renewal.
func (s *Session) save(ctx context.Context, old, fresh Tokens) (newer Tokens, changed bool, err error) {
	expected := old.Refresh
	s.mu.Lock()
	if !s.onDisk.IsZero() {
		expected = s.onDisk
	}
	s.mu.Unlock()
	stored, written, err := s.store.replace(expected, fresh)
	if err == nil && !written {
		return s.overtaken(ctx, stored, fresh)
	}
	s.setCurrent(fresh)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.onDisk = expected
	if err == nil {
		s.onDisk = Secret{}
	}
	return Tokens{}, false, nil
}

// overtaken adopts the tokens that another process stored during a renewal.
// After a sign-out, or another person's sign-in, the renewed tokens are revoked:
// they would outlive their session.
func (s *Session) overtaken(ctx context.Context, stored, fresh Tokens) (Tokens, bool, error) {
	s.mu.Lock()
	s.onDisk = Secret{}
	s.mu.Unlock()
	if stored.claims.Sub != fresh.claims.Sub || stored.Refresh.IsZero() {
		_ = s.source(fresh).revoke(ctx, fresh) // best effort; they end by themselves
		_, err := s.stored()
		if err == nil {
			err = errOtherPerson
		}
		return Tokens{}, true, err
	}
	s.setCurrent(stored)
	return stored, true, nil
}

// end removes the tokens with the refresh token old, which the pool refused. The
// tokens in memory go even if the removal from the disk fails.
func (s *Session) end(old Secret) error {
	s.mu.Lock()
	if !s.onDisk.IsZero() {
		old = s.onDisk
	}
	s.mu.Unlock()
	err := s.store.wipeIf(old)
	s.clear()
	if err != nil {
		return err
	}
	return errEnded
}

// errBusy: another process of this user held the lock longer than the limit.
var errBusy error = &Failure{
	sentence: "Another usher on this machine is renewing your sign-in and does not finish. Try again.",
	exit:     api.ExitUnavailable,
}

func busyError(err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return errBusy
	}
	return err
}
