package identity

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
	"golang.org/x/time/rate"
)

const (
	maxSessions = 8                // checked sessions kept for a person
	activeFor   = 30 * time.Second // how long somebody counts as active after a question
	forgetAfter = 10 * time.Minute // idle people leave memory
	maxWait     = 2 * time.Second  // for a question within the budget
	endedServes = 5 * time.Second  // how long a session's end is believed without asking again

	// A person's share of the questions to the pool: one of so many parts, and
	// the most at once. Many sign-ins of one person then cannot use up all.
	share      = 6
	shareBurst = 2 * maxSessions
)

// Source is the user pool as the directory asks it.
type Source interface {
	// Alive asks whether the pool still stands by the token's session and who
	// it says the token's person is. It fails with ErrRevoked or ErrUnavailable.
	Alive(ctx context.Context, c Claims) (Profile, error)
	// Groups lists the person's groups now.
	Groups(ctx context.Context, username string) ([]string, error)
}

// Profile is what the pool says about a person. Email is set only when
// verified, and is an annotation: people can change it themselves.
type Profile struct{ Sub, Email string }

// DirectoryConfig states how fresh answers must be, and how much may be asked.
type DirectoryConfig struct {
	Source Source
	Now    func() time.Time
	// MaxAge is how old an answer may be before a release (default 5 s) and
	// before a listing (default 30 s), counted from when it was asked.
	ReleaseAge, ListAge time.Duration
	// OutageAge is how long listings live on old answers while the pool does
	// not answer (default 60 s). Releases never do.
	OutageAge time.Duration
	// Budgets in questions a second. Defaults are half of the pool's quotas for
	// UserRead (120/s) and UserResourceRead (50/s), one instance.
	// SPEC: Cognito developer guide, "Quotas in Amazon Cognito".
	AliveRate, GroupsRate float64
}

// Standing is what the directory says about a person, and when it was asked.
type Standing struct {
	Groups []string
	Email  string
	// Asked is the older of the two instants at which liveness and groups were
	// asked (not answered): nothing later than it is known.
	Asked time.Time
	// ReleaseAge is the age in force for releases: above the configured one
	// while more people are active than the pool's quotas allow.
	ReleaseAge time.Duration
}

// Directory keeps the pool's answers for as long as they may be used. Liveness
// is per session, groups are per person. It runs no ticker: a process that was
// frozen cannot come back with answers that look fresh. Safe for concurrent use.
type Directory struct {
	c      DirectoryConfig
	alive  *rate.Limiter
	groups *rate.Limiter
	calls  singleflight.Group

	mu      sync.Mutex
	people  map[string]*person
	counted time.Time     // when active was last counted
	stretch time.Duration // release age in force
}

type person struct {
	seen     time.Time // last question about releases
	used     time.Time
	groups   []string
	groupsAt time.Time
	sessions map[string]liveness
	alive    *rate.Limiter // this person's share of the questions
	lists    *rate.Limiter
}

type liveness struct {
	at    time.Time // when it was asked; zero: never
	ended time.Time // when the pool was asked and did not stand by it
	email string
}

// NewDirectory fills in defaults and refuses a missing source or clock.
func NewDirectory(c DirectoryConfig) (*Directory, error) {
	if c.Source == nil || c.Now == nil {
		return nil, fmt.Errorf("directory: source and clock are needed")
	}
	fallback := func(d *time.Duration, v time.Duration) {
		if *d <= 0 {
			*d = v
		}
	}
	fallback(&c.ReleaseAge, 5*time.Second)
	fallback(&c.ListAge, 30*time.Second)
	fallback(&c.OutageAge, 60*time.Second)
	if c.AliveRate <= 0 {
		c.AliveRate = 60
	}
	if c.GroupsRate <= 0 {
		c.GroupsRate = 25
	}
	return &Directory{
		c:       c,
		alive:   rate.NewLimiter(rate.Limit(c.AliveRate), max(1, int(c.AliveRate))),
		groups:  rate.NewLimiter(rate.Limit(c.GroupsRate), max(1, int(c.GroupsRate))),
		people:  map[string]*person{},
		stretch: c.ReleaseAge,
	}, nil
}

// age is how long ago t was, by wall clock or monotonic clock, whichever says
// more: the monotonic one stands still while a machine sleeps, the wall clock
// can be set back.
func age(now, t time.Time) time.Duration {
	if t.IsZero() {
		return 1 << 62
	}
	return max(now.Sub(t), now.Round(0).Sub(t.Round(0)))
}

// ForRelease checks a person before a URL is signed: no answer older than the
// release age counts, and an outage refuses.
func (d *Directory) ForRelease(ctx context.Context, c Claims) (Standing, error) {
	limit := d.active(c.Sub)
	return d.check(ctx, c, limit, limit)
}

// ForListing checks a person before names are shown. While the pool does not
// answer, the last answers serve for OutageAge.
func (d *Directory) ForListing(ctx context.Context, c Claims) (Standing, error) {
	return d.check(ctx, c, max(d.c.ListAge, d.InForce()), max(d.c.OutageAge, d.c.ListAge))
}

// InForce is the release age in force now.
func (d *Directory) InForce() time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.stretch
}

// active notes that a person downloads, and once a second works out how old
// answers must be allowed to get so that the questions stay within budget.
func (d *Directory) active(sub string) time.Duration {
	now := d.c.Now()
	d.mu.Lock()
	defer d.mu.Unlock()
	d.person(sub, now).seen = now
	if age(now, d.counted) >= time.Second {
		d.counted = now
		people, sessions := 0, 0
		for who, p := range d.people {
			if age(now, p.used) > forgetAfter {
				delete(d.people, who)
				continue
			}
			if age(now, p.seen) <= activeFor {
				people++
				sessions += max(1, len(p.sessions))
			}
		}
		need := max(float64(people)/d.c.GroupsRate, float64(sessions)/d.c.AliveRate)
		d.stretch = max(d.c.ReleaseAge, time.Duration(need*float64(time.Second)))
	}
	return d.stretch
}

// person finds or begins a person's record; d.mu is held.
func (d *Directory) person(sub string, now time.Time) *person {
	p := d.people[sub]
	if p == nil {
		p = &person{
			sessions: map[string]liveness{},
			alive:    rate.NewLimiter(d.alive.Limit()/share, shareBurst),
			lists:    rate.NewLimiter(d.groups.Limit()/share, shareBurst),
		}
		d.people[sub] = p
	}
	p.used = now
	return p
}

// check asks what is older than want, and lets answers up to outage old stand
// in when the pool cannot be asked. An answer that another request drops
// meanwhile is asked for again.
func (d *Directory) check(ctx context.Context, c Claims, want, outage time.Duration) (Standing, error) {
	for range 4 {
		if err := d.refresh(ctx, c, "alive", want, outage); err != nil {
			return Standing{}, err
		}
		if err := d.refresh(ctx, c, "groups", want, outage); err != nil {
			return Standing{}, err
		}
		if s, ok := d.standing(c, outage); ok {
			return s, nil
		}
	}
	return Standing{}, fmt.Errorf("answers do not last: %w", ErrUnavailable)
}

// standing is what is known of a session and its person, if it is recent.
func (d *Directory) standing(c Claims, outage time.Duration) (Standing, bool) {
	now := d.c.Now()
	d.mu.Lock()
	defer d.mu.Unlock()
	p := d.person(c.Sub, now)
	live, ok := p.sessions[c.Session]
	if !ok || !live.ended.IsZero() || age(now, live.at) > outage || age(now, p.groupsAt) > outage {
		return Standing{}, false
	}
	asked := live.at
	if age(now, p.groupsAt) > age(now, asked) {
		asked = p.groupsAt
	}
	return Standing{
		Groups: append([]string(nil), p.groups...), Email: live.email,
		Asked: asked, ReleaseAge: d.stretch,
	}, true
}

// Drop forgets a session at once, so that its next use asks the pool.
func (d *Directory) Drop(c Claims) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if p := d.people[c.Sub]; p != nil {
		delete(p.sessions, c.Session)
		p.groupsAt = time.Time{}
	}
}

// known returns the age of what is known, and whether the session has ended
// according to a recent answer.
func (d *Directory) known(c Claims, what string) (since time.Duration, ended bool) {
	now := d.c.Now()
	d.mu.Lock()
	defer d.mu.Unlock()
	p := d.person(c.Sub, now)
	if what == "alive" {
		live := p.sessions[c.Session]
		return age(now, live.at), age(now, live.ended) <= endedServes
	}
	return age(now, p.groupsAt), false
}

func (d *Directory) refresh(ctx context.Context, c Claims, what string, want, outage time.Duration) error {
	switch since, ended := d.known(c, what); {
	case ended:
		return fmt.Errorf("asked a moment ago: %w", ErrRevoked)
	case since <= want:
		return nil
	}
	key := what + "\x00" + c.Sub
	if what == "alive" {
		key += "\x00" + c.Session
	}
	// The question goes on when the request that began it hangs up: others
	// wait for the same answer.
	background := context.WithoutCancel(ctx)
	result := d.calls.DoChan(key, func() (any, error) {
		if err := d.wait(background, c, what); err != nil {
			return nil, err
		}
		return nil, d.ask(background, c, what)
	})
	var err error
	select {
	case r := <-result:
		err = r.Err
	case <-ctx.Done():
		err = fmt.Errorf("asking the directory: %w: %w", ErrUnavailable, ctx.Err())
	}
	if err == nil || errors.Is(err, ErrRevoked) {
		return err
	}
	if since, _ := d.known(c, what); since <= outage {
		return nil
	}
	return err
}

// wait takes a question out of the person's share, and then out of the budget
// of all: a person beyond the share leaves the rest to others.
func (d *Directory) wait(ctx context.Context, c Claims, what string) error {
	ctx, cancel := context.WithTimeout(ctx, maxWait)
	defer cancel()
	d.mu.Lock()
	p := d.person(c.Sub, d.c.Now())
	own, all := p.lists, d.groups
	if what == "alive" {
		own, all = p.alive, d.alive
	}
	d.mu.Unlock()
	for _, limiter := range []*rate.Limiter{own, all} {
		if err := limiter.WaitN(ctx, 1); err != nil {
			return fmt.Errorf("waiting for the directory: %w", ErrBusy)
		}
	}
	return nil
}

// ask puts one question to the pool and keeps the answer under the instant at
// which it was asked.
func (d *Directory) ask(ctx context.Context, c Claims, what string) error {
	asked := d.c.Now()
	if what == "groups" {
		groups, err := d.c.Source.Groups(ctx, c.Username)
		d.mu.Lock()
		defer d.mu.Unlock()
		p := d.person(c.Sub, asked)
		switch {
		case err == nil:
			p.groups, p.groupsAt = groups, asked
		case errors.Is(err, ErrRevoked):
			p.groups, p.groupsAt = nil, time.Time{}
		}
		return err
	}
	profile, err := d.c.Source.Alive(ctx, c)
	if err == nil && profile.Sub != c.Sub {
		// The token is somebody else's: its name and its answer disagree.
		err = fmt.Errorf("the directory names another person: %w", ErrRevoked)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	p := d.person(c.Sub, asked)
	switch {
	case err == nil:
		d.keep(p, c.Session, liveness{at: asked, email: profile.Email})
	case errors.Is(err, ErrRevoked):
		d.keep(p, c.Session, liveness{ended: asked})
	}
	return err
}

// keep stores a session's liveness and drops the one checked longest ago when
// a person has more than maxSessions; d.mu is held.
func (d *Directory) keep(p *person, session string, l liveness) {
	p.sessions[session] = l
	for len(p.sessions) > maxSessions {
		oldest := ""
		for s, have := range p.sessions {
			if s != session && (oldest == "" || have.asked().Before(p.sessions[oldest].asked())) {
				oldest = s
			}
		}
		delete(p.sessions, oldest)
	}
}

// asked is when the pool was last asked about the session.
func (l liveness) asked() time.Time {
	if l.ended.After(l.at) {
		return l.ended
	}
	return l.at
}
