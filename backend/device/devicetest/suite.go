// Package devicetest is the conformance suite of the device flow's stores: every
// instance reads the entries of each other, and of two changes of one version
// exactly one succeeds.
//
// The rules of the flow are left to the tests of package device.
package devicetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"usher/backend/device"
)

// Shared is one store as two instances see it, with the clock that both read.
type Shared struct {
	A, B    device.Store
	Advance func(time.Duration)
	Now     func() time.Time
}

// Run reports each broken promise of a store to t. open returns an empty store.
func Run(t *testing.T, open func(t *testing.T) Shared) {
	for _, c := range cases() {
		t.Run(c.name, func(t *testing.T) {
			if err := c.check(t.Context(), open(t)); err != nil {
				t.Error(err)
			}
		})
	}
}

// Check returns the names of the promises that a store breaks.
func Check(t *testing.T, open func(t *testing.T) Shared) []string {
	var broken []string
	for _, c := range cases() {
		if c.check(t.Context(), open(t)) != nil {
			broken = append(broken, c.name)
		}
	}
	return broken
}

type promise struct {
	name  string
	check func(ctx context.Context, s Shared) error
}

func cases() []promise {
	return []promise{
		{"a stored request is found by id and by user code", found},
		{"a taken user code is refused", taken},
		{"the pending requests are limited", limited},
		{"of many changes of one version one succeeds", raced},
		{"an expired request stays for a while, and no longer", expired},
		{"counters belong to a minute", counted},
		{"an opened session ends", opened},
	}
}

// Sample returns a request with all fields set.
func Sample(s Shared, n int) device.Request {
	now := s.Now().UTC().Truncate(time.Millisecond)
	return device.Request{
		ID: fmt.Sprintf("id-%d", n), State: device.Pending, User: fmt.Sprintf("user-%d", n), Nonce: fmt.Sprintf("nonce-%d", n),
		Challenge: "challenge", Host: "box", Terminal: "192.0.2.7", Owner: "192.0.2.7", Created: now, Expires: now.Add(10 * time.Minute),
		Interval: 5 * time.Second, Polled: now, Cookie: "cookie", Return: "return", Browser: "192.0.2.8", Code: "code", Number: "number",
		Wrong: 1, Handed: now, Session: "session", Reason: "reason",
	}
}

var wide = device.Limits{Total: 1000, Owner: 1000}

func found(ctx context.Context, s Shared) error {
	stored, err := s.A.Insert(ctx, Sample(s, 1), wide)
	if err != nil {
		return err
	}
	for _, store := range []device.Store{s.A, s.B} {
		byID, err := store.Find(ctx, stored.ID)
		if err != nil {
			return err
		}
		byUser, err := store.ByUser(ctx, stored.User)
		if err != nil {
			return err
		}
		if byID != stored || byUser != stored {
			return fmt.Errorf("stored %+v, found %+v and %+v", stored, byID, byUser)
		}
	}
	if _, err := s.B.Find(ctx, "another"); !errors.Is(err, device.ErrAbsent) {
		return fmt.Errorf("an unknown id: %w", err)
	}
	if _, err := s.B.ByUser(ctx, "another"); !errors.Is(err, device.ErrAbsent) {
		return fmt.Errorf("an unknown user code: %w", err)
	}
	if _, err := s.B.Replace(ctx, Sample(s, 2)); !errors.Is(err, device.ErrAbsent) && !errors.Is(err, device.ErrStale) {
		return fmt.Errorf("a change of an unknown request: %w", err)
	}
	return nil
}

func taken(ctx context.Context, s Shared) error {
	if _, err := s.A.Insert(ctx, Sample(s, 1), wide); err != nil {
		return err
	}
	again := Sample(s, 2)
	again.User = Sample(s, 1).User
	if _, err := s.B.Insert(ctx, again, wide); !errors.Is(err, device.ErrTaken) {
		return fmt.Errorf("a second request with one user code: %w", err)
	}
	return nil
}

func limited(ctx context.Context, s Shared) error {
	limits := device.Limits{Total: 5, Owner: 3}
	insert := func(n int, owner string) error {
		r := Sample(s, n)
		r.Owner = owner
		_, err := []device.Store{s.A, s.B}[n%2].Insert(ctx, r, limits)
		return err
	}
	for n := range 3 {
		if err := insert(n, "a"); err != nil {
			return err
		}
	}
	if err := insert(10, "a"); !errors.Is(err, device.ErrFull) {
		return fmt.Errorf("a fourth request of one owner: %w", err)
	}
	for n := 3; n < 5; n++ {
		if err := insert(n, "b"); err != nil {
			return err
		}
	}
	if err := insert(11, "c"); !errors.Is(err, device.ErrFull) {
		return fmt.Errorf("a sixth request: %w", err)
	}
	done, err := s.A.Find(ctx, "id-0")
	if err != nil {
		return err
	}
	done.State = device.Refused
	if _, err := s.B.Replace(ctx, done); err != nil {
		return err
	}
	if err := insert(12, "a"); err != nil {
		return fmt.Errorf("after one request ended: %w", err)
	}
	s.Advance(10 * time.Minute)
	for n := 20; n < 23; n++ {
		if err := insert(n, "a"); err != nil {
			return fmt.Errorf("after all requests expired: %w", err)
		}
	}
	return nil
}

func raced(ctx context.Context, s Shared) error {
	first, err := s.A.Insert(ctx, Sample(s, 1), wide)
	if err != nil {
		return err
	}
	const many = 16
	won := make(chan error, many)
	var work sync.WaitGroup
	for n := range many {
		store := []device.Store{s.A, s.B}[n%2]
		work.Go(func() {
			r := first
			r.Wrong = n
			_, err := store.Replace(ctx, r)
			won <- err
		})
	}
	work.Wait()
	winners := 0
	for range many {
		switch err := <-won; {
		case err == nil:
			winners++
		case !errors.Is(err, device.ErrStale):
			return err
		}
	}
	if winners != 1 {
		return fmt.Errorf("%d changes of one version succeeded", winners)
	}
	return nil
}

func expired(ctx context.Context, s Shared) error {
	r, err := s.A.Insert(ctx, Sample(s, 1), wide)
	if err != nil {
		return err
	}
	s.Advance(r.Expires.Sub(s.Now()) + time.Second)
	if _, err := s.B.Find(ctx, r.ID); err != nil {
		return fmt.Errorf("a second after its end: %w", err)
	}
	s.Advance(device.Keep)
	if _, err := s.B.Find(ctx, r.ID); !errors.Is(err, device.ErrAbsent) {
		return fmt.Errorf("long after its end: %w", err)
	}
	if _, err := s.A.ByUser(ctx, r.User); !errors.Is(err, device.ErrAbsent) {
		return fmt.Errorf("by user code, long after its end: %w", err)
	}
	return nil
}

func counted(ctx context.Context, s Shared) error {
	minute := s.Now().Truncate(time.Minute)
	for want := 1; want <= 4; want++ {
		n, err := []device.Store{s.A, s.B}[want%2].Count(ctx, "lookups", minute)
		if err != nil || n != want {
			return fmt.Errorf("count %d: %d, %w", want, n, err)
		}
	}
	for name, at := range map[string]time.Time{"others": minute, "lookups": minute.Add(time.Minute)} {
		if n, err := s.A.Count(ctx, name, at); err != nil || n != 1 {
			return fmt.Errorf("%s: %d, %w", name, n, err)
		}
	}
	return nil
}

func opened(ctx context.Context, s Shared) error {
	if err := s.A.Open(ctx, "session", s.Now().Add(time.Hour)); err != nil {
		return err
	}
	if open, err := s.B.Opened(ctx, "session"); err != nil || !open {
		return fmt.Errorf("an opened session: %v, %w", open, err)
	}
	if open, err := s.B.Opened(ctx, "another"); err != nil || open {
		return fmt.Errorf("another session: %v, %w", open, err)
	}
	s.Advance(time.Hour)
	if open, err := s.B.Opened(ctx, "session"); err != nil || open {
		return fmt.Errorf("after its end: %v, %w", open, err)
	}
	return nil
}
