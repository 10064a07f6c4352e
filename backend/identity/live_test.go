package identity

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"usher/backend/elapsed/elapsedtest"
)

// fakePool is a user pool with states that a test can set.
type fakePool struct {
	mu     sync.Mutex
	dead   map[string]bool // by session
	groups map[string][]string
	values map[string]string // attributes, by username
	down   bool
	slow   time.Duration

	alive, lists, attributes atomic.Int64
}

func newFakePool() *fakePool {
	return &fakePool{dead: map[string]bool{}, groups: map[string][]string{}, values: map[string]string{}}
}

func (p *fakePool) Alive(_ context.Context, c Claims) (Profile, error) {
	p.alive.Add(1)
	p.mu.Lock()
	slow, down, dead := p.slow, p.down, p.dead[c.Session]
	p.mu.Unlock()
	time.Sleep(slow)
	switch {
	case down:
		return Profile{}, ErrUnavailable
	case dead:
		return Profile{}, ErrRevoked
	}
	return Profile{Sub: c.Sub}, nil
}

func (p *fakePool) Groups(_ context.Context, c Claims) ([]string, error) {
	p.lists.Add(1)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.down {
		return nil, ErrUnavailable
	}
	return p.groups[c.Username], nil
}

func (p *fakePool) GroupsOf(ctx context.Context, username string) ([]string, error) {
	return p.Groups(ctx, Claims{Username: username})
}

func (p *fakePool) Members(context.Context, string) ([]Member, error) { return nil, nil }

func (p *fakePool) Attribute(_ context.Context, username, _ string) (string, error) {
	p.attributes.Add(1)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.down {
		return "", ErrUnavailable
	}
	return p.values[username], nil
}

func (p *fakePool) set(f func(p *fakePool)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f(p)
}

func claimsOf(name string) Claims {
	return Claims{Sub: "sub-" + name, Username: name, Session: "session-" + name}
}

func inBubble(t *testing.T, f func(t *testing.T, p *fakePool, d *Directory)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		p := newFakePool()
		d, err := NewDirectory(DirectoryConfig{Source: p, Now: time.Now})
		if err != nil {
			t.Fatal(err)
		}
		f(t, p, d)
	})
}

func TestReleasesFollowTheDirectoryWithinFiveSeconds(t *testing.T) {
	inBubble(t, func(t *testing.T, p *fakePool, d *Directory) {
		ctx := context.Background()
		ada := claimsOf("ada")
		p.set(func(p *fakePool) { p.groups["ada"] = []string{"finance-team"} })
		s, err := d.ForRelease(ctx, ada)
		if err != nil || len(s.Groups) != 1 {
			t.Fatalf("%v %v", s, err)
		}
		p.set(func(p *fakePool) { p.groups["ada"], p.dead[ada.Session] = nil, true })
		time.Sleep(4400 * time.Millisecond)
		if _, err := d.ForRelease(ctx, ada); err != nil {
			t.Errorf("within 5 s: %v", err)
		}
		time.Sleep(700 * time.Millisecond)
		if _, err := d.ForRelease(ctx, ada); !errors.Is(err, ErrRevoked) {
			t.Errorf("after 5 s: %v, want ErrRevoked", err)
		}
		if _, err := d.ForListing(ctx, ada); !errors.Is(err, ErrRevoked) {
			t.Errorf("a listing after the end of the session was found: %v, want ErrRevoked", err)
		}
	})
}

func TestAgeCountsFromTheStartOfTheQuery(t *testing.T) {
	inBubble(t, func(t *testing.T, p *fakePool, d *Directory) {
		p.set(func(p *fakePool) { p.slow = 2 * time.Second })
		before := time.Now()
		s, err := d.ForRelease(context.Background(), claimsOf("ada"))
		if err != nil {
			t.Fatal(err)
		}
		if !s.CheckedAt.Equal(before) {
			t.Errorf("CheckedAt is %v after the start of the query", s.CheckedAt.Sub(before))
		}
	})
}

func TestOutage(t *testing.T) {
	inBubble(t, func(t *testing.T, p *fakePool, d *Directory) {
		ctx := context.Background()
		ada := claimsOf("ada")
		if _, err := d.ForListing(ctx, ada); err != nil {
			t.Fatal(err)
		}
		p.set(func(p *fakePool) { p.down = true })
		time.Sleep(10 * time.Second)
		if _, err := d.ForRelease(ctx, ada); !errors.Is(err, ErrUnavailable) {
			t.Errorf("a release during an outage: %v, want ErrUnavailable", err)
		}
		time.Sleep(45 * time.Second)
		if _, err := d.ForListing(ctx, ada); err != nil {
			t.Errorf("a listing 55 s into an outage: %v", err)
		}
		time.Sleep(10 * time.Second)
		if _, err := d.ForListing(ctx, ada); !errors.Is(err, ErrUnavailable) {
			t.Errorf("a listing 65 s into an outage: %v, want ErrUnavailable", err)
		}
	})
}

func TestConcurrentRequestsShareOneQuery(t *testing.T) {
	inBubble(t, func(t *testing.T, p *fakePool, d *Directory) {
		p.set(func(p *fakePool) { p.slow = time.Second })
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() {
				if _, err := d.ForRelease(context.Background(), claimsOf("ada")); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if n := p.alive.Load(); n != 1 {
			t.Errorf("%d queries for 100 concurrent requests", n)
		}
	})
}

func TestQueriesStayWithinTheBudget(t *testing.T) {
	inBubble(t, func(t *testing.T, p *fakePool, d *Directory) {
		const people, seconds = 500, 60
		var wg sync.WaitGroup
		var failed atomic.Int64
		for i := range people {
			wg.Go(func() {
				time.Sleep(time.Duration(i) * 20 * time.Millisecond)
				for range seconds {
					if _, err := d.ForRelease(context.Background(), claimsOf(fmt.Sprint(i))); err != nil {
						failed.Add(1)
					}
					time.Sleep(time.Second)
				}
			})
		}
		wg.Wait()
		if n := p.lists.Load(); n > 25*(seconds+12)+25 {
			t.Errorf("%d groups queries in %d s, over the budget of 25/s", n, seconds+12)
		}
		if d.InForce() < 15*time.Second {
			t.Errorf("with %d active people the release age is %v, want 15 s or more", people, d.InForce())
		}
		t.Logf("groups=%d alive=%d failed=%d in force=%v", p.lists.Load(), p.alive.Load(), failed.Load(), d.InForce())
	})
}

func TestEachPersonHasTheirOwnResults(t *testing.T) {
	inBubble(t, func(t *testing.T, p *fakePool, d *Directory) {
		p.set(func(p *fakePool) { p.groups["ada"], p.groups["alan"] = []string{"a"}, []string{"b"} })
		ctx := context.Background()
		for range 5000 {
			ada, err1 := d.ForRelease(ctx, claimsOf("ada"))
			alan, err2 := d.ForRelease(ctx, claimsOf("alan"))
			if err1 != nil || err2 != nil || ada.Groups[0] != "a" || alan.Groups[0] != "b" {
				t.Fatalf("%v %v %v %v", ada, alan, err1, err2)
			}
		}
		// The same session name with another sub is another session.
		stolen := claimsOf("ada")
		stolen.Sub = "sub-alan"
		p.set(func(p *fakePool) { p.dead[stolen.Session] = true })
		if _, err := d.ForRelease(ctx, stolen); !errors.Is(err, ErrRevoked) {
			t.Errorf("the result of a session was used for another sub: %v", err)
		}
	})
}

// Hundreds of sign-ins of one person do not use up the whole query budget: a
// check for another person does not wait.
func TestOnePersonsSignInsLeaveBudgetToOthers(t *testing.T) {
	inBubble(t, func(t *testing.T, p *fakePool, d *Directory) {
		var wg sync.WaitGroup
		var busy atomic.Int64
		for i := range 250 {
			wg.Go(func() {
				c := claimsOf("mallory")
				c.Session = fmt.Sprint(i)
				if _, err := d.ForRelease(context.Background(), c); errors.Is(err, ErrBusy) {
					busy.Add(1)
				} else if err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		for i := range 20 {
			before := time.Now()
			if _, err := d.ForRelease(context.Background(), claimsOf(fmt.Sprint("honest", i))); err != nil {
				t.Errorf("another person: %v", err)
			}
			if took := time.Since(before); took != 0 {
				t.Errorf("another person waited %s", took)
			}
		}
		wg.Wait()
		if n := busy.Load(); n < 200 {
			t.Errorf("only %d of 250 sign-ins had to wait", n)
		}
	})
}

// Requests of an ended session cause one query in each endedLife. A session
// that the pool accepts again is valid again after endedLife.
func TestEndedSessionCausesOneQuery(t *testing.T) {
	inBubble(t, func(t *testing.T, p *fakePool, d *Directory) {
		ctx := context.Background()
		ada := claimsOf("ada")
		p.set(func(p *fakePool) { p.dead[ada.Session] = true })
		for range 1000 {
			if _, err := d.ForRelease(ctx, ada); !errors.Is(err, ErrRevoked) {
				t.Fatal(err)
			}
		}
		if n := p.alive.Load(); n != 1 {
			t.Errorf("%d queries for 1000 requests of an ended session", n)
		}
		p.set(func(p *fakePool) { p.dead[ada.Session] = false })
		time.Sleep(endedLife + time.Second)
		if _, err := d.ForRelease(ctx, ada); err != nil {
			t.Errorf("accepted again: %v", err)
		}
	})
}

type wrongPerson struct{ fakePool }

func (w *wrongPerson) Alive(context.Context, Claims) (Profile, error) {
	return Profile{Sub: "somebody else"}, nil
}

func TestProfileMustMatchTheToken(t *testing.T) {
	d, err := NewDirectory(DirectoryConfig{Source: &wrongPerson{}, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.ForRelease(context.Background(), claimsOf("ada")); !errors.Is(err, ErrRevoked) {
		t.Errorf("%v, want ErrRevoked", err)
	}
}

func TestEightSessionsPerPersonAreKept(t *testing.T) {
	inBubble(t, func(t *testing.T, p *fakePool, d *Directory) {
		for i := range 20 {
			c := claimsOf("ada")
			c.Session = fmt.Sprint(i)
			if _, err := d.ForRelease(context.Background(), c); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Millisecond)
		}
		if n := len(d.people["sub-ada"].sessions); n != maxSessions {
			t.Errorf("%d sessions are kept", n)
		}
	})
}

// A process that was frozen for an hour repeats its checks and fetches its keys
// again after a day, though its monotonic clock stood still.
func TestChecksAfterAFreeze(t *testing.T) {
	now := time.Now()
	p := newFakePool()
	d, err := NewDirectory(DirectoryConfig{Source: p, Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	ada := claimsOf("ada")
	for want := int64(1); want <= 3; want++ {
		for range 2 {
			s, err := d.ForRelease(t.Context(), ada)
			if err != nil || !s.CheckedAt.Equal(now) {
				t.Fatal(err, s.CheckedAt)
			}
		}
		if p.alive.Load() != want || p.lists.Load() != want {
			t.Errorf("before freeze %d: %d and %d queries", want, p.alive.Load(), p.lists.Load())
		}
		now = elapsedtest.Thawed(now, 3600)
	}
	if _, err := d.ForListing(t.Context(), ada); err != nil || p.alive.Load() != 4 {
		t.Errorf("a listing after an hour: %v, %d queries", err, p.alive.Load())
	}
	f := newForge(t)
	f.Now = time.Now()
	if _, err := f.keys.Key(t.Context(), f.KID); err != nil {
		t.Fatal(err)
	}
	before := f.keys.fetches
	f.Now = elapsedtest.Thawed(f.Now, 25*3600)
	if _, err := f.keys.Key(t.Context(), f.KID); err != nil {
		t.Fatal(err)
	}
	if f.keys.fetches != before+1 {
		t.Errorf("after a day: %d fetches, then %d", before, f.keys.fetches)
	}
}

func TestIssuer(t *testing.T) {
	for want, p := range map[string]Pool{
		"https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_Ab9":        {Region: "eu-west-1", ID: "eu-west-1_Ab9"},
		"https://issuer-cognito-idp.eu-west-1.amazonaws.com/eu-west-1_Ab9": {Region: "eu-west-1", ID: "eu-west-1_Ab9", AlternateIssuer: true},
		"http://127.0.0.1:80/eu-west-1_Ab9":                                {Region: "eu-west-1", ID: "eu-west-1_Ab9", LoopbackIssuer: "http://127.0.0.1:80/eu-west-1_Ab9"},
	} {
		if got, err := p.Issuer(); err != nil || got != want {
			t.Errorf("%v: %q %v", p, got, err)
		}
	}
	t.Setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
	t.Setenv("AWS_ENDPOINT_URL_COGNITO_IDENTITY_PROVIDER", "http://127.0.0.1:1")
	for _, p := range []Pool{
		{Region: "evil.example.com/", ID: "eu-west-1_Ab9"}, {Region: "eu-west-1", ID: "us-east-1_Ab9"}, {Region: "eu-west-1", ID: "eu-west-1_Ab9/../x"},
		{Region: "eu-west-1", ID: "eu-west-1_Ab9", LoopbackIssuer: "http://10.0.0.1:80/eu-west-1_Ab9"},
		{Region: "eu-west-1", ID: "eu-west-1_Ab9", LoopbackIssuer: "https://evil.example.com/eu-west-1_Ab9"}, {},
	} {
		if got, err := p.Issuer(); err == nil {
			t.Errorf("%v became %q", p, got)
		}
	}
}

// Many people at one instant do not exceed the budget: 25 groups queries at
// once, and 25 a second afterwards.
func TestCrowdStaysWithinTheBudget(t *testing.T) {
	inBubble(t, func(t *testing.T, p *fakePool, d *Directory) {
		var wg sync.WaitGroup
		var busy atomic.Int64
		for i := range 300 {
			wg.Go(func() {
				if _, err := d.ForListing(context.Background(), claimsOf(fmt.Sprint(i))); errors.Is(err, ErrBusy) {
					busy.Add(1)
				}
			})
		}
		wg.Wait()
		if alive, lists := p.alive.Load(), p.lists.Load(); alive > 60+60*2 || lists > 25+25*4 {
			t.Errorf("%d session and %d groups queries", alive, lists)
		}
		if busy.Load() == 0 {
			t.Error("no request was refused: the test did not reach the budget")
		}
	})
}
