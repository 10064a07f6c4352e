// Package granttest is the conformance suite of stores of grants. Every store
// must pass it: a file, a table in a database, or a fake in another test.
//
//	func TestFile(t *testing.T) { granttest.Run(t, newFixture) }
//
// A bug in one store becomes a case here, for all stores.
package granttest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"usher/backend/grant"
)

// Store is the backend's view of a store of grants.
type Store interface {
	Current(ctx context.Context) (*grant.Set, error)
	Problem() error
}

// Fixture is one store with its source, which is empty at first. Every function
// is required. Check calls Open at most once for each fixture.
type Fixture struct {
	Open    func() (Store, error)     // opens the store on the current content
	Put     func([]grant.Grant) error // replaces all grants atomically
	Break   func() error              // makes the source unreadable
	Vanish  func() error              // removes the source
	Advance func(d time.Duration)     // advances the store's clock
}

// Run reports each requirement that the store violates.
func Run(t *testing.T, newFixture func() (Fixture, error)) {
	t.Helper()
	for _, err := range Check(newFixture) {
		t.Error(err)
	}
}

// Check returns one error for each requirement that the store violates.
func Check(newFixture func() (Fixture, error)) []error {
	var all []error
	for _, requirement := range []struct {
		text  string
		check func(*suite) error
	}{
		{"reads back every field of every grant", readsBack},
		{"does not open without a source", opensWithoutSource},
		{"does not open an unreadable source", opensUnreadable},
		{"opens an empty list of grants and allows nothing", opensEmpty},
		{"applies a change within a second", applies},
		{"applies many changes, each with its version", appliesMany},
		{"keeps the version while nothing changes", keepsVersion},
		{"keeps the previous grants if the source is unreadable, and reports it", survivesBreaking},
		{"keeps the previous grants if the source is missing, and reports it", survivesVanishing},
		{"never changes a set that it returned", returnsFixedSets},
		{"serves concurrent callers with complete sets only", servesConcurrently},
		{"respects a canceled context", respectsContext},
	} {
		f, err := newFixture()
		if err == nil {
			err = requirement.check(&suite{Fixture: f})
		}
		if err != nil {
			all = append(all, fmt.Errorf("a store %s: %w", requirement.text, err))
		}
	}
	return all
}

// suite is a fixture with its open store and the common steps of the checks.
type suite struct {
	Fixture
	store Store
}

var epoch = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

// Samples returns grants with every field and with every kind of text that a
// store must keep.
func Samples() []grant.Grant {
	return []grant.Grant{
		{Group: "finance-team", Bucket: "company-reports", Prefix: "quarterly/"},
		{Group: "finance-team", Bucket: "company-reports", Prefix: "quarterly//../%2e/"},
		{Group: "external-auditors", Bucket: "company-reports", Object: "annual/letter.pdf", NotBefore: epoch.Add(-time.Hour), Expires: epoch.Add(time.Hour + time.Nanosecond), Reason: "audit 2026: \"letter\"\n\tonly"},
		{Group: "external-auditors", Bucket: "company-reports", Object: "quarterly/"},
		{Group: "engineering", Bucket: "builds", Effect: grant.Allow},
		{Group: "contractors", Bucket: "builds", Effect: grant.Deny, Expires: epoch.Add(48 * time.Hour)},
		{Group: "true", Bucket: "123", Prefix: "null/", Reason: "~"},
		{Group: "λογιστές", Bucket: "datasets", Prefix: "\u00e9/", Reason: "# no comment"},
		{Group: "λογιστές", Bucket: "datasets", Prefix: "e\u0301/", Reason: " spaces "},
		{Group: "g{}[]:,&*!|>'\"%@`#", Bucket: "datasets", Prefix: "hostile/\x1b[2J\u202e\u009b\u2028\U000e0041\x7f\\\"'/", Effect: grant.Deny},
		{Group: "g", Bucket: "datasets", Object: strings.Repeat("é", 512), Reason: strings.Repeat("r", grant.MaxReason)},
	}
}

func (s *suite) open(grants []grant.Grant) error {
	if err := s.Put(grants); err != nil {
		return err
	}
	var err error
	if s.store, err = s.Open(); err != nil {
		return fmt.Errorf("opening: %w", err)
	}
	return s.holds(grants)
}

func (s *suite) current() (*grant.Set, error) {
	set, err := s.store.Current(context.Background())
	if err == nil && set == nil {
		err = errors.New("no set and no error")
	}
	if err != nil {
		return nil, fmt.Errorf("reading the current grants: %w", err)
	}
	return set, nil
}

// holds checks that exactly these grants are in force.
func (s *suite) holds(grants []grant.Grant) error {
	want, err := grant.NewSet(grants)
	if err != nil {
		return err
	}
	got, err := s.current()
	if err != nil {
		return err
	}
	have, lack := got.Grants(), want.Grants()
	for i := range max(len(have), len(lack)) {
		if i >= len(have) || i >= len(lack) || have[i] != lack[i] {
			return fmt.Errorf("grant %d differs (%d written, %d read)", i+1, len(lack), len(have))
		}
	}
	if got.Version() != want.Version() {
		return fmt.Errorf("the version is %s, want %s", got.Version(), want.Version())
	}
	return nil
}

// after advances the clock by the second in which a change must take effect, with
// several calls of Current.
func (s *suite) after() error {
	for range 4 {
		if _, err := s.current(); err != nil {
			return err
		}
		s.Advance(time.Second / 4)
	}
	return nil
}

func readsBack(s *suite) error { return s.open(Samples()) }

func opensWithoutSource(s *suite) error {
	if _, err := s.Open(); err == nil {
		return errors.New("it opened")
	}
	return nil
}

func opensUnreadable(s *suite) error {
	if err := errors.Join(s.Put(Samples()), s.Break()); err != nil {
		return err
	}
	return opensWithoutSource(s)
}

func opensEmpty(s *suite) error {
	if err := s.open(nil); err != nil {
		return err
	}
	set, err := s.current()
	if err != nil {
		return err
	}
	if set.Decide([]string{"finance-team"}, "company-reports", "quarterly/q3.csv", epoch).Allowed {
		return errors.New("something is allowed")
	}
	return s.store.Problem()
}

func applies(s *suite) error {
	if err := s.open(Samples()[:3]); err != nil {
		return err
	}
	if err := errors.Join(s.Put(Samples()[2:]), s.after()); err != nil {
		return err
	}
	if err := s.holds(Samples()[2:]); err != nil {
		return err
	}
	// A change also takes effect without calls of Current in between.
	if err := s.Put(Samples()[:1]); err != nil {
		return err
	}
	s.Advance(time.Second)
	return errors.Join(s.holds(Samples()[:1]), s.store.Problem())
}

func appliesMany(s *suite) error {
	if err := s.open(Samples()[:1]); err != nil {
		return err
	}
	for i := range 20 {
		want := Samples()[i%7 : i%7+1+i%4]
		if err := errors.Join(s.Put(want), s.after()); err != nil {
			return err
		}
		if err := s.holds(want); err != nil {
			return fmt.Errorf("change %d: %w", i+1, err)
		}
	}
	return nil
}

func keepsVersion(s *suite) error {
	if err := s.open(Samples()); err != nil {
		return err
	}
	before, err := s.current()
	if err != nil {
		return err
	}
	if err := errors.Join(s.Put(Samples()), s.after()); err != nil {
		return err
	}
	after, err := s.current()
	if err == nil && after.Version() != before.Version() {
		err = errors.New("the same grants have two versions")
	}
	return err
}

func survivesBreaking(s *suite) error { return s.survives(s.Break) }

func survivesVanishing(s *suite) error { return s.survives(s.Vanish) }

func (s *suite) survives(harm func() error) error {
	old := Samples()[:3]
	if err := s.open(old); err != nil {
		return err
	}
	if err := s.store.Problem(); err != nil {
		return fmt.Errorf("a problem before the fault: %w", err)
	}
	if err := errors.Join(harm(), s.after()); err != nil {
		return err
	}
	for range 3 {
		if err := s.holds(old); err != nil {
			return err
		}
		if s.store.Problem() == nil {
			return errors.New("no problem is reported")
		}
		s.Advance(time.Hour)
	}
	if err := errors.Join(s.Put(Samples()), s.after()); err != nil {
		return err
	}
	if err := s.holds(Samples()); err != nil {
		return fmt.Errorf("after the correction: %w", err)
	}
	if err := s.store.Problem(); err != nil {
		return fmt.Errorf("a problem after the correction: %w", err)
	}
	return nil
}

func returnsFixedSets(s *suite) error {
	if err := s.open(Samples()[:1]); err != nil {
		return err
	}
	kept, err := s.current()
	if err != nil {
		return err
	}
	version := kept.Version()
	if err := errors.Join(s.Put(Samples()), s.after()); err != nil {
		return err
	}
	if kept.Version() != version || kept.Len() != 1 {
		return errors.New("a returned set changed")
	}
	return nil
}

func servesConcurrently(s *suite) error {
	one, two := Samples()[:4], Samples()[3:]
	if err := s.open(one); err != nil {
		return err
	}
	valid := map[string]bool{}
	for _, grants := range [][]grant.Grant{one, two} {
		set, err := grant.NewSet(grants)
		if err != nil {
			return err
		}
		valid[set.Version()] = true
	}
	stop := make(chan struct{})
	faults := make(chan error, 8)
	var callers sync.WaitGroup
	for range cap(faults) {
		callers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				set, err := s.current()
				if err == nil && !valid[set.Version()] {
					err = fmt.Errorf("a set of %d grants that was never written", set.Len())
				}
				if err != nil {
					faults <- err
					return
				}
			}
		})
	}
	var err error
	for i := range 10 {
		err = errors.Join(err, s.Put([][]grant.Grant{two, one}[i%2]))
		s.Advance(time.Second)
	}
	close(stop)
	callers.Wait()
	select {
	case fault := <-faults:
		err = errors.Join(err, fault)
	default:
	}
	return err
}

func respectsContext(s *suite) error {
	if err := s.open(Samples()); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := s.store.Current(ctx); !errors.Is(err, context.Canceled) {
		return fmt.Errorf("a canceled call returned %v", err)
	}
	return s.holds(Samples())
}
