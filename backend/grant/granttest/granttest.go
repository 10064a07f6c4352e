// Package granttest is the conformance suite of stores of grants. Every store
// passes it: a file, a table in a database, or a fake of one in another test.
//
//	func TestFile(t *testing.T) { granttest.Run(t, newRig) }
//
// A bug found in one store becomes a case here, for all of them.
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

// Rig is one store and its source, which is empty at first. Every function is
// required. Check calls Open only once in each rig, after the first Put.
type Rig struct {
	Open    func() (Store, error)     // on the current content
	Put     func([]grant.Grant) error // replaces all grants at once
	Break   func() error              // makes the source unreadable
	Vanish  func() error              // removes the source
	Advance func(d time.Duration)     // moves the clock that the store was given
}

// Run reports each promise that the store breaks.
func Run(t *testing.T, newRig func() (Rig, error)) {
	t.Helper()
	for _, err := range Check(newRig) {
		t.Error(err)
	}
}

// Check returns one error for each promise that the store breaks.
func Check(newRig func() (Rig, error)) []error {
	var all []error
	for _, promise := range []struct {
		text string
		keep func(*bench) error
	}{
		{"reads back every field of every grant", readsBack},
		{"does not open over nothing", opensOverNothing},
		{"does not open over what it cannot read", opensOverBroken},
		{"opens over no grants at all, and allows nothing", opensEmpty},
		{"follows a change within a second", follows},
		{"follows many changes, and gives the version of each", followsMany},
		{"keeps the version while nothing changes", keepsVersion},
		{"keeps the old grants in force when the new ones cannot be read, and says so", survivesBreaking},
		{"keeps the old grants in force when there are none to be read, and says so", survivesVanishing},
		{"never changes a set that it gave out", givesOutFixedSets},
		{"answers many at once, with whole sets only", answersManyAtOnce},
		{"stops when it is told to", stops},
	} {
		rig, err := newRig()
		if err == nil {
			err = promise.keep(&bench{Rig: rig})
		}
		if err != nil {
			all = append(all, fmt.Errorf("a store %s: %w", promise.text, err))
		}
	}
	return all
}

// bench is a rig with its store and the steps that cases share.
type bench struct {
	Rig
	store Store
}

var epoch = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

// Samples are grants with every field and every kind of text that a store has
// to keep.
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

func (b *bench) open(grants []grant.Grant) error {
	if err := b.Put(grants); err != nil {
		return err
	}
	var err error
	if b.store, err = b.Open(); err != nil {
		return fmt.Errorf("opening: %w", err)
	}
	return b.holds(grants)
}

func (b *bench) current() (*grant.Set, error) {
	set, err := b.store.Current(context.Background())
	if err == nil && set == nil {
		err = errors.New("no set and no error")
	}
	if err != nil {
		return nil, fmt.Errorf("asking for the current grants: %w", err)
	}
	return set, nil
}

// holds checks that the store has just these grants in force.
func (b *bench) holds(grants []grant.Grant) error {
	want, err := grant.NewSet(grants)
	if err != nil {
		return err
	}
	got, err := b.current()
	if err != nil {
		return err
	}
	have, lack := got.Grants(), want.Grants()
	for i := range max(len(have), len(lack)) {
		if i >= len(have) || i >= len(lack) || have[i] != lack[i] {
			return fmt.Errorf("grant %d of %d put and %d read is not the same", i+1, len(lack), len(have))
		}
	}
	if got.Version() != want.Version() {
		return fmt.Errorf("the version is %s, want %s", got.Version(), want.Version())
	}
	return nil
}

// after lets the second pass in which a change must take effect. A store may
// be asked meanwhile.
func (b *bench) after() error {
	for range 4 {
		if _, err := b.current(); err != nil {
			return err
		}
		b.Advance(time.Second / 4)
	}
	return nil
}

func readsBack(b *bench) error { return b.open(Samples()) }

func opensOverNothing(b *bench) error {
	if _, err := b.Open(); err == nil {
		return errors.New("it opened")
	}
	return nil
}

func opensOverBroken(b *bench) error {
	if err := errors.Join(b.Put(Samples()), b.Break()); err != nil {
		return err
	}
	return opensOverNothing(b)
}

func opensEmpty(b *bench) error {
	if err := b.open(nil); err != nil {
		return err
	}
	set, err := b.current()
	if err != nil {
		return err
	}
	if set.Decide([]string{"finance-team"}, "company-reports", "quarterly/q3.csv", epoch).Allowed {
		return errors.New("something is allowed")
	}
	return b.store.Problem()
}

func follows(b *bench) error {
	if err := b.open(Samples()[:3]); err != nil {
		return err
	}
	if err := errors.Join(b.Put(Samples()[2:]), b.after()); err != nil {
		return err
	}
	if err := b.holds(Samples()[2:]); err != nil {
		return err
	}
	// The same holds for a first request long after the change.
	if err := b.Put(Samples()[:1]); err != nil {
		return err
	}
	b.Advance(time.Second)
	return errors.Join(b.holds(Samples()[:1]), b.store.Problem())
}

func followsMany(b *bench) error {
	if err := b.open(Samples()[:1]); err != nil {
		return err
	}
	for i := range 20 {
		want := Samples()[i%7 : i%7+1+i%4]
		if err := errors.Join(b.Put(want), b.after()); err != nil {
			return err
		}
		if err := b.holds(want); err != nil {
			return fmt.Errorf("change %d: %w", i+1, err)
		}
	}
	return nil
}

func keepsVersion(b *bench) error {
	if err := b.open(Samples()); err != nil {
		return err
	}
	before, err := b.current()
	if err != nil {
		return err
	}
	if err := errors.Join(b.Put(Samples()), b.after()); err != nil {
		return err
	}
	after, err := b.current()
	if err == nil && after.Version() != before.Version() {
		err = errors.New("the same grants have two versions")
	}
	return err
}

func survivesBreaking(b *bench) error { return b.survives(b.Break) }

func survivesVanishing(b *bench) error { return b.survives(b.Vanish) }

func (b *bench) survives(harm func() error) error {
	old := Samples()[:3]
	if err := b.open(old); err != nil {
		return err
	}
	if err := b.store.Problem(); err != nil {
		return fmt.Errorf("a problem before there is one: %w", err)
	}
	if err := errors.Join(harm(), b.after()); err != nil {
		return err
	}
	for range 3 {
		if err := b.holds(old); err != nil {
			return err
		}
		if b.store.Problem() == nil {
			return errors.New("it says nothing of it")
		}
		b.Advance(time.Hour)
	}
	if err := errors.Join(b.Put(Samples()), b.after()); err != nil {
		return err
	}
	if err := b.holds(Samples()); err != nil {
		return fmt.Errorf("after it was put right: %w", err)
	}
	if err := b.store.Problem(); err != nil {
		return fmt.Errorf("it still says so after it was put right: %w", err)
	}
	return nil
}

func givesOutFixedSets(b *bench) error {
	if err := b.open(Samples()[:1]); err != nil {
		return err
	}
	kept, err := b.current()
	if err != nil {
		return err
	}
	version := kept.Version()
	if err := errors.Join(b.Put(Samples()), b.after()); err != nil {
		return err
	}
	if kept.Version() != version || kept.Len() != 1 {
		return errors.New("the set in the caller's hand changed")
	}
	return nil
}

func answersManyAtOnce(b *bench) error {
	one, two := Samples()[:4], Samples()[3:]
	if err := b.open(one); err != nil {
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
	var asking sync.WaitGroup
	for range cap(faults) {
		asking.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				set, err := b.current()
				if err == nil && !valid[set.Version()] {
					err = fmt.Errorf("a set of %d grants that nobody put there", set.Len())
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
		err = errors.Join(err, b.Put([][]grant.Grant{two, one}[i%2]))
		b.Advance(time.Second)
	}
	close(stop)
	asking.Wait()
	select {
	case fault := <-faults:
		err = errors.Join(err, fault)
	default:
	}
	return err
}

func stops(b *bench) error {
	if err := b.open(Samples()); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := b.store.Current(ctx); !errors.Is(err, context.Canceled) {
		return fmt.Errorf("a cancelled question is answered with %v", err)
	}
	return b.holds(Samples())
}
