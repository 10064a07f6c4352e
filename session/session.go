package session

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"usher/backend/api"
)

const (
	renewLimit   = 30 * time.Second // of one renewal, including the wait for the lock
	signOutLimit = 5 * time.Second  // of the calls of a sign-out, after the tokens are removed
	tellLimit    = 3 * time.Second  // of the call to the server among them
)

// Session holds the tokens of one profile. Its methods may be called from any
// goroutine.
type Session struct {
	profile Profile
	store   *store
	pool    *pool

	folders  Folders
	machines *machines
	domains  map[api.Way]*domain // of the ways with a browser
	now      func() time.Time

	mu        sync.Mutex
	current   Tokens    // zero: signed out, as far as this process has seen
	flight    *flight   // the renewal in progress, or nil
	sub       string    // the sub of this process; "" before the first tokens, changed only by Adopt
	refused   Secret    // the access token that the server refused last
	renewedAt time.Time // arrival of the tokens that were renewed because of a refusal
	onDisk    Secret    // the refresh token on disk after a failed write; zero: current is on disk
}

// source renews and revokes the tokens of one way to sign in.
type source interface {
	renew(ctx context.Context, t Tokens) (Tokens, error)
	revoke(ctx context.Context, t Tokens) error
}

// source returns the source of a session's tokens.
func (s *Session) source(t Tokens) source {
	if d := s.domains[t.Way]; d != nil {
		return d
	}
	return s.pool
}

// Open reads the stored tokens of a profile. A profile without tokens is not
// an error; a token file that other users can access is a *FileError.
func Open(f Folders, p Profile, o Options) (*Session, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	if f.Config == "" || f.State == "" {
		return nil, errors.New("session needs its folders")
	}
	pool, err := newPool(p, o)
	if err != nil {
		return nil, err
	}
	s := &Session{profile: p, folders: f, store: newStore(f, p, o), machines: newMachines(f, p, o), pool: pool, domains: map[api.Way]*domain{}, now: o.Now}
	for _, way := range []api.Way{api.WaySSO, api.WayDevice} {
		if p.Config.Offer().Client(way) == "" {
			continue
		}
		if s.domains[way], err = newDomain(p, way, o); err != nil {
			return nil, err
		}
	}
	if s.current, err = s.store.read(); err != nil && !errors.Is(err, ErrSignedOut) {
		return nil, err
	}
	s.sub = s.current.claims.Sub
	return s, nil
}

// Profile returns the profile of the session.
func (s *Session) Profile() Profile { return s.profile }

// Sealed reports whether the stored tokens are sealed with a key of the keyring.
func (s *Session) Sealed() bool { return s.store.sealed() }

// Person returns the person and the groups in the tokens, unverified: for the
// first paint, before the answer to whoami. ok is false when signed out.
func (s *Session) Person() (person api.Person, groups []string, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	person, groups = s.current.person()
	return person, groups, !s.current.Access.IsZero()
}

// Way returns the way of the present sign-in; "" when signed out.
func (s *Session) Way() api.Way {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.current.Way
}

// Token returns an access token with at least a minute left, after a renewal
// where one is due. ErrSignedOut means that the session has ended. While the
// pool cannot be reached, a token with more than 5 s left is returned.
func (s *Session) Token(ctx context.Context) (string, error) {
	s.mu.Lock()
	if s.usable(s.current) {
		token := s.current.Access.Reveal()
		s.mu.Unlock()
		return token, nil
	}
	f := s.flight
	if f == nil {
		f = &flight{done: make(chan struct{})}
		s.flight = f
		go s.runFlight(context.WithoutCancel(ctx), f)
	}
	s.mu.Unlock()
	select {
	case <-ctx.Done():
		return "", ctx.Err()
	case <-f.done:
		return f.tokens.Access.Reveal(), f.err
	}
}

// clear removes the tokens from memory.
func (s *Session) clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.current, s.refused, s.renewedAt, s.onDisk = Tokens{}, Secret{}, time.Time{}, Secret{}
}

// Refused records that the server refused this access token (token_expired or
// session_revoked). The next call of Token renews, or returns ErrSignedOut.
// The refusal of a token that is no longer current has no effect.
func (s *Session) Refused(token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if token != "" && s.current.Access.Reveal() == token {
		s.refused = s.current.Access
	}
}

// Adopt stores the tokens of a completed sign-in. It does not wait for a renewal
// of another process, which compares before it writes.
func (s *Session) Adopt(t Tokens) error {
	if t.Access.IsZero() || t.Refresh.IsZero() {
		return ErrSignedOut
	}
	if err := s.store.put(t); err != nil {
		return err
	}
	_ = s.folders.SaveState(wayFile(s.profile), []byte(t.Way)) // only the focus of the next sign-in
	s.mu.Lock()
	defer s.mu.Unlock()
	s.current, s.sub = t, t.claims.Sub
	s.refused, s.renewedAt, s.onDisk = Secret{}, time.Time{}, Secret{}
	return nil
}

// String returns the session's name, which is that of its profile.
func (s *Session) String() string { return "session of profile " + s.profile.Name }

// GoString returns String, for %#v.
func (s *Session) GoString() string { return s.String() }

// LogValue returns String, for slog.
func (s *Session) LogValue() slog.Value { return slog.StringValue(s.String()) }
