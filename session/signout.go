package session

import (
	"context"
	"errors"
)

// Tell reports the end of a session to the server, with its access token.
type Tell func(ctx context.Context, token string) error

// SignOut removes the tokens of the session from this machine. Then it tells the
// server and ends the session at the pool (with everywhere, all sessions of the
// person), in at most 5 s. If these calls fail or are interrupted, the error is
// a *SignOutError. SignOut of a profile without tokens is not an error. tell may
// be nil; its error is ignored, because the server sees the end at the pool.
func (s *Session) SignOut(ctx context.Context, everywhere bool, tell Tell) error {
	if !s.store.exists() {
		return nil
	}
	tokens, err := s.stored()
	switch {
	case errors.Is(err, errOtherPerson):
		return nil // another person's tokens stay
	case err != nil && !errors.Is(err, ErrSignedOut): // an unsafe file: end the session in memory
		s.mu.Lock()
		tokens = s.current
		s.mu.Unlock()
	}
	err = s.store.wipe()
	s.clear()
	if err != nil {
		return err
	}
	if tokens.Refresh.IsZero() {
		return nil
	}
	limited, cancel := context.WithTimeout(ctx, signOutLimit)
	defer cancel()
	err = s.endSessions(limited, tokens, everywhere, tell)
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	switch {
	case err != nil && everywhere:
		return &SignOutError{cause: err, remaining: "your sign-ins in other places may still be open"}
	case err != nil:
		return &SignOutError{cause: err, remaining: "the sign-in service did not confirm it, so this session ends by itself later"}
	}
	return nil
}

// endSessions tells the server, and ends the session, or all sessions, at the
// pool. An access token that has expired is renewed first, because the server
// and GlobalSignOut accept only a live one.
func (s *Session) endSessions(ctx context.Context, t Tokens, everywhere bool, tell Tell) error {
	if !s.acceptable(t) {
		fresh, err := s.source(t).renew(ctx, t)
		switch {
		case err == nil:
			t = fresh
		case everywhere || final(err):
			if errors.Is(err, ErrSignedOut) && !everywhere {
				return nil // it has ended already
			}
			return err
		}
	}
	if tell != nil {
		limited, cancel := context.WithTimeout(ctx, tellLimit)
		_ = tell(limited, t.Access.Reveal())
		cancel()
	}
	if everywhere {
		return s.pool.revokeAll(ctx, t)
	}
	return s.source(t).revoke(ctx, t)
}
