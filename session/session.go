// Package session signs a person in through Cognito and keeps them signed in:
// it discovers and pins a server, proves a password by SRP, keeps the tokens
// of a profile on disk, renews them, and hands out access tokens.
//
// It promises:
//   - a password that exists already is never sent; a proof of it goes only to
//     the endpoint derived from the pinned region and pool, which no setting
//     of the AWS SDK can move;
//   - tokens lie in a file 0600 in a folder 0700, replaced as one step, and a
//     file that others can get at is refused with the fix;
//   - of many processes with one profile a single one renews at a time, so a
//     refresh token that rotates is used once; who loses a race adopts what
//     the other got, and nobody throws away tokens that are not the ones that
//     were refused;
//   - a clock that is wrong does not end a session;
//   - errors are sentences (Failure and its kin) that say what to do and hold
//     no text of Cognito, no token and no password.
//
// It has no user interface, and leaves the server's own calls to client. What
// tokens say about a person here is unverified, for a first paint only: the
// server decides.
//
//	p, err := folders.Resolve(ctx, "", "", os.Getenv)
//	s, err := session.Open(folders, p, session.Options{Now: time.Now, Random: rand.Reader})
//	token, err := s.Token(ctx) // errors.Is(err, session.ErrSignedOut): sign in
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
	renewLimit = 30 * time.Second // of one renewal, waiting for the lock included
	lockLimit  = 5 * time.Second  // of waiting for the lock to store or to sign out
)

// Session hands out a profile's access tokens. Its methods may be called from
// any goroutine.
type Session struct {
	profile Profile
	store   *store
	pool    *pool
	now     func() time.Time

	mu      sync.Mutex
	current Tokens    // zero: signed out, as far as this process knows
	flight  *flight   // the renewal under way, if any
	who     string    // the sub this process works for, once known; only Adopt changes it
	refused Secret    // the access token that the server refused last
	again   time.Time // when tokens renewed because of a refusal came
	behind  Secret    // the refresh token still on disk after a failed write; zero: current is there
}

// flight is one renewal that any number of callers wait for.
type flight struct {
	done   chan struct{} // closed when tokens and err are set
	tokens Tokens
	err    error
}

// Open reads what is kept for a profile. Being signed out is no error here;
// tokens that others can get at are.
func Open(f Folders, p Profile, o Options) (*Session, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	if f.Config == "" || f.State == "" {
		return nil, errors.New("session needs its folders")
	}
	pool, err := newPool(p, o.Now)
	if err != nil {
		return nil, err
	}
	s := &Session{profile: p, store: newStore(f, p), pool: pool, now: o.Now}
	if s.current, err = s.store.read(); err != nil {
		return nil, err
	}
	s.who = s.current.claims.Sub
	return s, nil
}

// Profile is the profile the session is for.
func (s *Session) Profile() Profile { return s.profile }

// Person is who signed in, as the tokens say: for the first paint, until the
// server's whoami has answered. ok is false when signed out.
func (s *Session) Person() (person api.Person, groups []string, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	person, groups = s.current.person()
	return person, groups, !s.current.Access.IsZero()
}

// Token gives an access token with a minute left, renewing it when needed.
// ErrSignedOut means that there is no session any more. When the pool cannot
// be reached, a token that still lives is given all the same.
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
		go s.fly(context.WithoutCancel(ctx), f)
	}
	s.mu.Unlock()
	select {
	case <-ctx.Done():
		return "", ctx.Err()
	case <-f.done:
		return f.tokens.Access.Reveal(), f.err
	}
}

// usable needs mu.
func (s *Session) usable(t Tokens) bool {
	return t.fresh(s.now()) && !t.Access.Equal(s.refused)
}

// fly renews for all who wait. It does not end with the caller who began it:
// a rotated token whose answer is not read would be lost.
func (s *Session) fly(ctx context.Context, f *flight) {
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

// renew brings current up to date under the lock that all processes share:
// by what another process stored meanwhile, or by asking the pool.
func (s *Session) renew(ctx context.Context) (Tokens, error) {
	if _, err := s.stored(); err != nil {
		return Tokens{}, err // nothing to renew: leave no lock file behind
	}
	unlock, err := s.store.lock(ctx)
	if err != nil {
		return Tokens{}, waitedTooLong(err)
	}
	defer unlock()
	stored, err := s.stored()
	if err != nil {
		return Tokens{}, err
	}
	if s.acceptable(stored) {
		s.take(stored)
		return stored, nil
	}
	if s.hopeless(stored) {
		return Tokens{}, s.end()
	}
	return s.ask(ctx, stored, true)
}

// stored reads the file: what this process should go on from.
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
	case s.who != "" && stored.claims.Sub != s.who:
		s.current = Tokens{}
		return Tokens{}, errOtherPerson
	case !s.behind.IsZero() && stored.Refresh.Equal(s.behind):
		return s.current, nil // ours are newer; the disk did not take them
	}
	return stored, nil
}

func (s *Session) acceptable(t Tokens) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.usable(t)
}

// hopeless says whether the server refused tokens that were renewed because
// of a refusal less than a minute ago: asking on would go round in circles.
func (s *Session) hopeless(t Tokens) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.again.IsZero() || !t.Access.Equal(s.refused) {
		return false
	}
	d, ok := age(s.again, s.now())
	return ok && d < time.Minute
}

// take makes tokens current.
func (s *Session) take(t Tokens) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t.Access.Equal(s.current.Access) {
		s.current = t // its refresh token may be new
		return
	}
	if !s.refused.IsZero() && s.refused.Equal(s.current.Access) {
		s.again = s.now()
	}
	s.current, s.who = t, t.claims.Sub
}

// ask renews at the pool and stores before use. Where the pool refuses, the
// file is read once more (there are file systems without locks): tokens that
// another process got meanwhile are adopted, and only the very tokens that
// were refused are thrown away.
func (s *Session) ask(ctx context.Context, old Tokens, once bool) (Tokens, error) {
	fresh, err := s.pool.renew(ctx, old)
	if !fresh.Refresh.IsZero() && (err == nil || !fresh.Refresh.Equal(old.Refresh)) {
		s.save(old, fresh)
	}
	if err == nil {
		return fresh, nil
	}
	if !ended(err) {
		return Tokens{}, err
	}
	stored, rerr := s.stored()
	switch {
	case rerr != nil:
		return Tokens{}, rerr
	case stored.Refresh.Equal(old.Refresh):
		return Tokens{}, s.end()
	case s.acceptable(stored):
		s.take(stored)
		return stored, nil
	case once:
		return s.ask(ctx, stored, false)
	}
	return Tokens{}, err
}

// ended says whether the pool's refusal is final for a refresh token.
func ended(err error) bool {
	return errors.Is(err, ErrSignedOut) || errors.Is(err, ErrPasswordReset) || errors.Is(err, ErrUnfinishedAccount)
}

// save stores renewed tokens and makes them current. A disk that does not
// take them (full, read-only) does not end the session: this process goes on
// with what it has and tries to store it at the next renewal.
func (s *Session) save(old, fresh Tokens) {
	err := s.store.write(fresh)
	s.take(fresh)
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case err == nil:
		s.behind = Secret{}
	case s.behind.IsZero():
		s.behind = old.Refresh
	}
}

// end forgets tokens that the pool refused.
func (s *Session) end() error {
	if err := s.forget(); err != nil {
		return err
	}
	return errEnded
}

// forget removes the tokens from the disk and from memory; from memory also
// where the disk does not let go of them.
func (s *Session) forget() error {
	err := s.store.wipe()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.current, s.refused, s.again, s.behind = Tokens{}, Secret{}, time.Time{}, Secret{}
	return err
}

// Ended says that the server refused this access token (token_expired or
// session_revoked). The next Token renews, or finds out that the session is
// over; a token that is not the present one is old news and changes nothing.
func (s *Session) Ended(token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if token != "" && s.current.Access.Reveal() == token {
		s.refused = s.current.Access
	}
}

// Adopt keeps the tokens of a sign-in that is done.
func (s *Session) Adopt(t Tokens) error {
	if t.Access.IsZero() || t.Refresh.IsZero() {
		return ErrSignedOut
	}
	ctx, cancel := context.WithTimeout(context.Background(), lockLimit)
	defer cancel()
	unlock, err := s.store.lock(ctx)
	if err != nil {
		return waitedTooLong(err)
	}
	defer unlock()
	if err := s.store.write(t); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.current, s.who = t, t.claims.Sub
	s.refused, s.again, s.behind = Secret{}, time.Time{}, Secret{}
	return nil
}

// SignOut ends the session at the pool, or with everywhere all sessions of
// the person, and forgets it here in any case, also when the pool cannot be
// reached (*SignOutError). Signed out already is no error.
func (s *Session) SignOut(ctx context.Context, everywhere bool) error {
	if !s.store.exists() {
		return nil
	}
	lockCtx, cancel := context.WithTimeout(ctx, lockLimit)
	defer cancel()
	if unlock, err := s.store.lock(lockCtx); err == nil {
		defer unlock()
	}
	tokens, err := s.stored()
	switch {
	case errors.Is(err, errOtherPerson):
		return nil // theirs stays
	case err != nil && !errors.Is(err, ErrSignedOut): // a file that is not to be trusted: end what this process knows
		s.mu.Lock()
		tokens = s.current
		s.mu.Unlock()
	}
	var told error
	if !tokens.Refresh.IsZero() {
		told = s.tell(ctx, tokens, everywhere)
	}
	switch err := s.forget(); {
	case err != nil:
		return err
	case told != nil && everywhere:
		return &SignOutError{cause: told, remaining: "your sign-ins in other places may still be open"}
	case told != nil:
		return &SignOutError{cause: told, remaining: "the sign-in service could not be told, so this session ends by itself later"}
	}
	return nil
}

// tell ends sessions at the pool.
func (s *Session) tell(ctx context.Context, t Tokens, everywhere bool) error {
	ctx, cancel := context.WithTimeout(ctx, 2*callLimit)
	defer cancel()
	if !everywhere {
		return s.pool.revoke(ctx, t)
	}
	if !s.acceptable(t) { // GlobalSignOut takes a live access token only
		fresh, err := s.pool.renew(ctx, t)
		if err != nil {
			return err
		}
		t = fresh
	}
	return s.pool.revokeAll(ctx, t)
}

// errBusy: another process of this person holds the lock for too long.
var errBusy error = &Failure{
	sentence: "Another usher on this machine is renewing your sign-in and does not finish. Try again.",
	exit:     api.ExitUnavailable,
}

func waitedTooLong(err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return errBusy
	}
	return err
}

// String names the session by its profile.
func (s *Session) String() string { return "session of profile " + s.profile.Name }

// GoString is String, for %#v.
func (s *Session) GoString() string { return s.String() }

// LogValue is String, for slog.
func (s *Session) LogValue() slog.Value { return slog.StringValue(s.String()) }
