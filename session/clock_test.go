package session_test

import (
	"crypto/rand"
	"errors"
	"testing"
	"time"

	"usher/backend/elapsed/elapsedtest"
	"usher/backend/sandbox/cognito"
	"usher/session"
)

// A clock that is set by a day between a challenge and its answer changes nothing:
// neither the proofs nor the life of the tokens depend on it.
func TestClockSetDuringAChallenge(t *testing.T) {
	t.Parallel()
	rows := 0
	for _, row := range challengeRows() {
		if row.at == 0 || testing.Short() && rows > 3 {
			continue
		}
		rows++
		for _, jump := range []time.Duration{24 * time.Hour, -24 * time.Hour} {
			r, box := fullRig(t, func(c *cognito.Config) {
				if row.devices {
					c.Devices = cognito.DevicesAlways
				}
			})
			s := r.signIn()
			step, err := row.start(r, s)
			if err != nil || step.Kind != row.at {
				t.Fatalf("%s: %v, step %d", row.name, err, step.Kind)
			}
			r.localClock.add(jump)
			next, err := row.right(r, s, box, step)
			if err == nil {
				next, err = r.walk(s, box, row.user, next, nil)
			}
			if err != nil || next.Kind != session.Done {
				t.Errorf("%s, set by %v: %v, step %d", row.name, jump, err, next.Kind)
				continue
			}
			stored := r.open()
			if err := stored.Adopt(next.Tokens); err != nil {
				t.Fatal(err)
			}
			first := r.token(stored)
			if r.pass(10 * time.Minute); r.token(stored) == first {
				t.Errorf("%s, set by %v: an expired token is used", row.name, jump)
			}
		}
	}
}

// The clock is set while the person is in the browser.
func TestClockSetDuringABrowserSignIn(t *testing.T) {
	t.Parallel()
	for _, jump := range []time.Duration{24 * time.Hour, -24 * time.Hour} {
		r, _ := newBrowserRig(t, nil)
		b := r.browserSignIn(session.BrowserOptions{})
		r.localClock.add(jump / 2)
		r.browse(b, "ada")
		r.localClock.add(jump / 2)
		step, err := b.Wait(ctx)
		if err != nil || step.Kind != session.Done {
			t.Errorf("set by %v: %v, step %d", jump, err, step.Kind)
		}
		b.Close()
	}
}

// A clock that is set during a session costs at most one renewal, at the API and at
// the token endpoint.
func TestClockSetDuringASession(t *testing.T) {
	t.Parallel()
	for _, k := range kinds() {
		r := k.rig(t, nil)
		s := k.signedIn(r)
		for _, jump := range []time.Duration{-24 * time.Hour, 48 * time.Hour, -time.Hour} {
			r.inject(nil)
			r.localClock.add(jump)
			r.token(s)
			r.token(s)
			if got := r.count(k.renewal); got != 1 {
				t.Errorf("%s, set by %v: %d renewals, want 1", k.way, jump, got)
			}
		}
	}
}

// While a machine sleeps, its monotonic clock stops: the token of before is too old
// when it wakes up.
func TestSleepDuringASession(t *testing.T) {
	t.Parallel()
	for _, k := range kinds() {
		r := k.rig(t, nil)
		base := time.Now()
		slept := 0
		awake := func() time.Time { return elapsedtest.Thawed(base, slept) }
		tokens := k.tokens(r)
		tokens.RequestedAt = base
		s, err := session.Open(r.folders, r.profile(), session.Options{Now: awake, Random: rand.Reader})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Adopt(tokens); err != nil {
			t.Fatal(err)
		}
		first := r.token(s)
		slept = 3600
		r.poolClock.add(time.Hour)
		if got := r.token(s); got == first {
			t.Errorf("%s: the token of before the sleep is used", k.way)
		}
		// Longer than the session: the person signs in again.
		slept += 13 * 3600
		r.poolClock.add(13 * time.Hour)
		if _, err := s.Token(ctx); !errors.Is(err, session.ErrSignedOut) {
			t.Errorf("%s: after a night: %v", k.way, err)
		}
	}
}

// A machine that sleeps during a challenge starts again, with a sentence.
func TestSleepDuringAChallenge(t *testing.T) {
	t.Parallel()
	r, _ := fullRig(t, nil)
	base := time.Now()
	slept := 0
	s, err := session.NewSignIn(r.folders, r.profile(), session.Options{Now: func() time.Time { return elapsedtest.Thawed(base, slept) }, Random: rand.Reader})
	if err != nil {
		t.Fatal(err)
	}
	step, err := s.Password(ctx, "alan", []byte(password))
	if err != nil || step.Kind != session.NeedCode {
		t.Fatalf("%v, step %d", err, step.Kind)
	}
	slept = 3600
	r.poolClock.add(time.Hour)
	if _, err := s.Code(ctx, r.pool.CodeNow("alan")); !errors.Is(err, session.ErrStartAgain) {
		t.Errorf("%v", err)
	}
}
