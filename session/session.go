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

// flight is one renewal, shared by all concurrent callers of Token.
type flight struct {
	done   chan struct{} // closed when tokens and err are set
	tokens Tokens
	err    error
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

// String returns the session's name, which is that of its profile.
func (s *Session) String() string { return "session of profile " + s.profile.Name }

// GoString returns String, for %#v.
func (s *Session) GoString() string { return s.String() }

// LogValue returns String, for slog.
func (s *Session) LogValue() slog.Value { return slog.StringValue(s.String()) }
