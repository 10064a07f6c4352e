package session

import (
	"context"
	"errors"
)

// Ending describes a sign-out. Its functions get an access token of the session,
// which is removed from this machine before.
type Ending struct {
	// Tell reports the sign-out to the server. Its error is ignored, because the
	// server sees the end at the pool. It may be nil.
	Tell func(ctx context.Context, token string) error
	// Everywhere ends all sessions of the person. nil: this session alone.
	Everywhere func(ctx context.Context, token string) error
	// Forget also removes this machine from the remembered ones. Without a session
	// of a remembered machine it deletes the machine's secrets alone.
	Forget bool
}

// SignOut removes the tokens of the session from this machine. Then it informs the
// server and ends the session at the pool, in at most 5 s. If these calls fail or
// are interrupted, the error is a *SignOutError. SignOut of a profile without
// tokens is not an error.
func (s *Session) SignOut(ctx context.Context, e Ending) error {
	if !s.store.exists() {
		if e.Forget {
			return s.machines.write(nil)
		}
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
	switch {
	case e.Forget && tokens.DeviceKey != "":
		s.machines.remove(tokens.DeviceKey)
	case e.Forget: // of a browser's session, or of an unreadable one
		if err := s.machines.write(nil); err != nil {
			return err
		}
	}
	if tokens.Refresh.IsZero() {
		return nil
	}
	limited, cancel := context.WithTimeout(ctx, signOutLimit)
	defer cancel()
	err = s.endSessions(limited, tokens, e)
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	switch {
	case err != nil && e.Everywhere != nil:
		return &SignOutError{cause: err, remaining: "your sign-ins in other places may still be open"}
	case err != nil:
		return &SignOutError{cause: err, remaining: "the sign-in service did not confirm it, so this session ends by itself later"}
	}
	return nil
}

// endSessions informs the server, and ends the session, or all sessions. An access
// token that has expired is renewed first, because the server accepts only a
// live one.
func (s *Session) endSessions(ctx context.Context, t Tokens, e Ending) error {
	if !s.acceptable(t) {
		fresh, err := s.source(t).renew(ctx, t)
		switch {
		case err == nil:
			t = fresh
		case errors.Is(err, ErrSignedOut) && e.Everywhere == nil:
			return nil // it has ended already
		case e.Everywhere != nil || final(err):
			return err
		}
	}
	if e.Forget && t.DeviceKey != "" {
		if err := s.pool.forgetDevice(ctx, t); err != nil {
			return err
		}
	}
	if e.Tell != nil {
		limited, cancel := context.WithTimeout(ctx, tellLimit)
		_ = e.Tell(limited, t.Access.Reveal())
		cancel()
	}
	if e.Everywhere != nil {
		if err := e.Everywhere(ctx, t.Access.Reveal()); err != nil {
			return err
		}
	}
	return s.source(t).revoke(ctx, t)
}
