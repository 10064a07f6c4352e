// Package directorytest is the conformance suite of directories: the memory of a
// single machine, and the state that several instances share.
//
//	func TestDirectory(t *testing.T) { directorytest.Run(t, newFixture) }
package directorytest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"usher/backend/identity"
)

// Directory is the backend's view of a directory.
type Directory interface {
	ForRelease(ctx context.Context, c identity.Claims) (identity.Standing, error)
	ForListing(ctx context.Context, c identity.Claims) (identity.Standing, error)
	Drop(c identity.Claims)
	InForce() time.Duration
}

// Pool is a user pool with states that a test sets. The zero value has no ended
// session and no group. Safe for concurrent use.
type Pool struct {
	mu     sync.Mutex
	ended  map[string]bool
	groups map[string][]string
	down   bool
	other  bool

	alive, lists int
}

// Alive implements identity.Source.
func (p *Pool) Alive(_ context.Context, c identity.Claims) (identity.Profile, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.alive++
	switch {
	case p.down:
		return identity.Profile{}, identity.ErrUnavailable
	case p.ended[c.Session]:
		return identity.Profile{}, identity.ErrRevoked
	case p.other:
		return identity.Profile{Sub: "another"}, nil
	}
	return identity.Profile{Sub: c.Sub, Email: c.Username + "@example.com"}, nil
}

// Groups implements identity.Source.
func (p *Pool) Groups(_ context.Context, c identity.Claims) ([]string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lists++
	if p.down {
		return nil, identity.ErrUnavailable
	}
	return slices.Clone(p.groups[c.Username]), nil
}

// End ends a session.
func (p *Pool) End(session string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended == nil {
		p.ended = map[string]bool{}
	}
	p.ended[session] = true
}

// Member sets a person's groups.
func (p *Pool) Member(username string, groups ...string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.groups == nil {
		p.groups = map[string][]string{}
	}
	p.groups[username] = groups
}

// Down makes the pool unavailable, or available again.
func (p *Pool) Down(down bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.down = down
}

// Questions returns the number of questions about sessions and about groups.
func (p *Pool) Questions() (alive, groups int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.alive, p.lists
}

// Fixture is a directory on a new pool. Advance advances all clocks. AliveRate and
// GroupsRate of the directory are 60 and 25 questions a second.
type Fixture struct {
	Directory Directory
	Pool      *Pool
	Advance   func(time.Duration)
	Now       func() time.Time
}

// Claims returns the claims of a person in one session.
func Claims(name string) identity.Claims {
	return identity.Claims{Sub: "sub-" + name, Username: name, Session: "session-" + name}
}

// Run reports each requirement that the directory violates.
func Run(t *testing.T, newFixture func(t *testing.T) Fixture) {
	t.Helper()
	for name, check := range map[string]func(*testing.T, Fixture){
		"a release follows the pool within 5 s":              followsWithin5s,
		"a listing follows the pool within 30 s":             followsWithin30s,
		"an answer is used again":                            usesAgain,
		"a release has time for its record":                  timeForTheRecord,
		"an outage stops releases, then listings":            outage,
		"an ended session stays ended, with few questions":   ended,
		"a dropped session is asked about at once":           dropped,
		"an answer about another person ends the session":    otherPerson,
		"each person and session has an answer of its own":   separate,
		"a crowd raises the greatest age":                    crowd,
		"concurrent requests of a session ask few questions": concurrent,
		"a canceled request returns":                         canceled,
	} {
		t.Run(name, func(t *testing.T) { check(t, newFixture(t)) })
	}
}

func groupsOf(t *testing.T, s identity.Standing, err error, want ...string) {
	t.Helper()
	if err != nil || !slices.Equal(s.Groups, want) {
		t.Errorf("groups %q, %v; want %q", s.Groups, err, want)
	}
}

func followsWithin5s(t *testing.T, f Fixture) {
	ctx := context.Background()
	f.Pool.Member("ada", "finance-team")
	s, err := f.Directory.ForRelease(ctx, Claims("ada"))
	groupsOf(t, s, err, "finance-team")
	if s.Email != "ada@example.com" || f.Now().Sub(s.CheckedAt) < 0 {
		t.Errorf("%+v", s)
	}
	f.Pool.Member("ada", "engineering")
	f.Advance(5*time.Second + time.Millisecond)
	s, err = f.Directory.ForRelease(ctx, Claims("ada"))
	groupsOf(t, s, err, "engineering")
	f.Pool.End(Claims("ada").Session)
	f.Advance(5*time.Second + time.Millisecond)
	if _, err = f.Directory.ForRelease(ctx, Claims("ada")); !errors.Is(err, identity.ErrRevoked) {
		t.Errorf("after the end of the session: %v", err)
	}
}

func followsWithin30s(t *testing.T, f Fixture) {
	ctx := context.Background()
	f.Pool.Member("ada", "finance-team")
	s, err := f.Directory.ForListing(ctx, Claims("ada"))
	groupsOf(t, s, err, "finance-team")
	f.Pool.Member("ada", "engineering")
	f.Advance(25 * time.Second)
	s, err = f.Directory.ForListing(ctx, Claims("ada"))
	groupsOf(t, s, err, "finance-team")
	f.Advance(6 * time.Second)
	s, err = f.Directory.ForListing(ctx, Claims("ada"))
	groupsOf(t, s, err, "engineering")
}

func usesAgain(t *testing.T, f Fixture) {
	for range 3 {
		if _, err := f.Directory.ForRelease(context.Background(), Claims("ada")); err != nil {
			t.Fatal(err)
		}
		f.Advance(time.Second)
	}
	if alive, groups := f.Pool.Questions(); alive != 1 || groups != 1 {
		t.Errorf("%d and %d questions", alive, groups)
	}
}

// timeForTheRecord uses the answer at each age.
func timeForTheRecord(t *testing.T, f Fixture) {
	for range 120 {
		s, err := f.Directory.ForRelease(context.Background(), Claims("ada"))
		if err != nil {
			t.Fatal(err)
		}
		if left := s.CheckedAt.Add(s.ReleaseAge).Sub(f.Now()); left < identity.RecordTime {
			t.Fatalf("%s are left for the record of a release", left)
		}
		f.Advance(100 * time.Millisecond)
	}
	if alive, _ := f.Pool.Questions(); alive > 4 {
		t.Errorf("%d questions in 12 s", alive)
	}
}

func outage(t *testing.T, f Fixture) {
	ctx := context.Background()
	f.Pool.Member("ada", "finance-team")
	_, err := f.Directory.ForListing(ctx, Claims("ada"))
	if err != nil {
		t.Fatal(err)
	}
	f.Pool.Down(true)
	f.Advance(10 * time.Second)
	if _, err := f.Directory.ForRelease(ctx, Claims("ada")); !errors.Is(err, identity.ErrUnavailable) {
		t.Errorf("a release during the outage: %v", err)
	}
	f.Advance(45 * time.Second)
	s, err := f.Directory.ForListing(ctx, Claims("ada"))
	groupsOf(t, s, err, "finance-team")
	f.Advance(10 * time.Second)
	if _, err := f.Directory.ForListing(ctx, Claims("ada")); !errors.Is(err, identity.ErrUnavailable) {
		t.Errorf("a listing 65 s into the outage: %v", err)
	}
	f.Pool.Down(false)
	s, err = f.Directory.ForRelease(ctx, Claims("ada"))
	groupsOf(t, s, err, "finance-team")
}

func ended(t *testing.T, f Fixture) {
	f.Pool.End(Claims("ada").Session)
	for range 5 {
		if _, err := f.Directory.ForListing(context.Background(), Claims("ada")); !errors.Is(err, identity.ErrRevoked) {
			t.Errorf("%v", err)
		}
	}
	if alive, _ := f.Pool.Questions(); alive != 1 {
		t.Errorf("%d questions", alive)
	}
	f.Advance(7 * time.Second)
	if _, err := f.Directory.ForRelease(context.Background(), Claims("ada")); !errors.Is(err, identity.ErrRevoked) {
		t.Errorf("later: %v", err)
	}
}

func dropped(t *testing.T, f Fixture) {
	ctx := context.Background()
	if _, err := f.Directory.ForListing(ctx, Claims("ada")); err != nil {
		t.Fatal(err)
	}
	f.Advance(time.Second)
	f.Pool.End(Claims("ada").Session)
	f.Directory.Drop(Claims("ada"))
	f.Advance(10 * time.Millisecond)
	if _, err := f.Directory.ForListing(ctx, Claims("ada")); !errors.Is(err, identity.ErrRevoked) {
		t.Errorf("after the drop: %v", err)
	}
}

func otherPerson(t *testing.T, f Fixture) {
	f.Pool.mu.Lock()
	f.Pool.other = true
	f.Pool.mu.Unlock()
	if _, err := f.Directory.ForRelease(context.Background(), Claims("ada")); !errors.Is(err, identity.ErrRevoked) {
		t.Errorf("%v", err)
	}
}

func separate(t *testing.T, f Fixture) {
	ctx := context.Background()
	f.Pool.Member("ada", "finance-team")
	f.Pool.Member("alan", "engineering")
	f.Pool.End(Claims("eve").Session)
	for range 2 {
		s, err := f.Directory.ForRelease(ctx, Claims("ada"))
		groupsOf(t, s, err, "finance-team")
		s, err = f.Directory.ForRelease(ctx, Claims("alan"))
		groupsOf(t, s, err, "engineering")
		if _, err = f.Directory.ForRelease(ctx, Claims("eve")); !errors.Is(err, identity.ErrRevoked) {
			t.Errorf("eve: %v", err)
		}
	}
	// A token that names the session of another person gets none of its answers.
	mixed := Claims("alan")
	mixed.Session = Claims("ada").Session
	if s, err := f.Directory.ForRelease(ctx, mixed); err == nil && slices.Contains(s.Groups, "finance-team") {
		t.Errorf("alan has ada's groups")
	}
}

func crowd(t *testing.T, f Fixture) {
	ctx := context.Background()
	if age := f.Directory.InForce(); age != 5*time.Second {
		t.Errorf("at first: %s", age)
	}
	const people = 200 // need 8 s at 25 questions a second
	for i := range people {
		for {
			_, err := f.Directory.ForRelease(ctx, Claims(fmt.Sprint(i)))
			if err == nil {
				break
			}
			if !errors.Is(err, identity.ErrBusy) {
				t.Fatal(err)
			}
			f.Advance(time.Second)
		}
		f.Advance(60 * time.Millisecond)
	}
	f.Advance(time.Second)
	if _, err := f.Directory.ForRelease(ctx, Claims("0")); err != nil && !errors.Is(err, identity.ErrBusy) {
		t.Fatal(err)
	}
	if age := f.Directory.InForce(); age < 7*time.Second || age > 10*time.Second {
		t.Errorf("with %d people: %s", people, age)
	}
}

func concurrent(t *testing.T, f Fixture) {
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			if _, err := f.Directory.ForRelease(context.Background(), Claims("ada")); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	// A request that reads the shared state just before an answer is stored can ask once
	// more.
	if alive, groups := f.Pool.Questions(); alive > 10 || groups > 10 {
		t.Errorf("%d and %d questions", alive, groups)
	}
}

func canceled(t *testing.T, f Fixture) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := f.Directory.ForRelease(ctx, Claims("ada")); err == nil {
		return // the answer may be there before the cancellation is seen
	} else if !errors.Is(err, identity.ErrUnavailable) {
		t.Errorf("%v", err)
	}
}
