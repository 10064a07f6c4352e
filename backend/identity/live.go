package identity

import (
	"context"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
	"golang.org/x/time/rate"

	"usher/backend/elapsed"
)

const (
	maxSessions = 8                // checked sessions kept for a person
	activeFor   = 30 * time.Second // a person is active for this time after a release check
	forgetAfter = 10 * time.Minute // idle time after which a person leaves memory
	maxWait     = 2 * time.Second  // longest wait for the query budget
	endedLife   = 5 * time.Second  // lifetime of an ended session's result

	// Each person has 1/share of the query rate, with a burst of shareBurst.
	// Many sign-ins of one person cannot use up the whole budget.
	share      = 6
	shareBurst = 2 * maxSessions
)

// DefaultReleaseAge is the release age while the pool's quotas allow it.
const DefaultReleaseAge = 5 * time.Second

// RecordTime is the part of a release age that is left for the durable record
// between the live check and the signing. A release whose result is too old at the
// signing is decided and recorded again, and the log has two events of it.
const RecordTime = 500 * time.Millisecond

// ReuseAge returns the greatest age of a result that a release uses without a
// query, for a release age.
func ReuseAge(releaseAge time.Duration) time.Duration { return releaseAge - RecordTime }

// Source is the user pool that the directory queries.
type Source interface {
	// Alive checks the token's session and returns the profile of its person.
	// It fails with ErrRevoked or ErrUnavailable.
	Alive(ctx context.Context, c Claims) (Profile, error)
	// Groups returns the person's current groups in the session of c.
	Groups(ctx context.Context, c Claims) ([]string, error)
}

// Profile is a person's entry in the pool. Email is set only when verified. It
// is an annotation and no identity: people can change their email address.
type Profile struct{ Sub, Email string }

// DirectoryConfig bounds the age of results and the rate of queries.
type DirectoryConfig struct {
	Source Source
	Now    func() time.Time
	// ReleaseAge (default DefaultReleaseAge) and ListAge (default 30 s) are the greatest ages
	// of a result for a release and for a listing, counted from the start of
	// the query.
	ReleaseAge, ListAge time.Duration
	// OutageAge is the greatest age of a result for a listing while the pool
	// does not respond (default 60 s). Releases are refused then.
	OutageAge time.Duration
	// AliveRate and GroupsRate are budgets in queries a second. Each default is
	// half of the pool's quota, for one server: UserRead (120/s) and
	// UserResourceRead (50/s).
	// SPEC: Cognito developer guide, "Quotas in Amazon Cognito".
	AliveRate, GroupsRate float64
}

// Standing is the directory's record of a person at one instant.
type Standing struct {
	Groups []string
	Email  string
	// CheckedAt is the start of the older of the two queries, session state and
	// groups. Later changes in the pool may be missing from the record.
	CheckedAt time.Time
	// ReleaseAge is the current greatest age for releases. It is above the
	// configured one while more people are active than the pool's quotas allow.
	ReleaseAge time.Duration
	// Settle waits until the record is stored for all instances of the server, and
	// returns it, or a newer one that overtook it. Call it before the effects of a
	// decision leave the server. nil: nothing is left to store.
	Settle func(context.Context) (Standing, error)
}

// Directory caches the pool's results up to their greatest age. Liveness is
// cached for each session, groups for each person. Directory has no ticker: a
// process that was suspended cannot resume with results that look fresh. Safe
// for concurrent use.
type Directory struct {
	c      DirectoryConfig
	alive  *rate.Limiter
	groups *rate.Limiter
	calls  singleflight.Group

	mu         sync.Mutex
	people     map[string]*person
	counted    time.Time     // last count of active people
	releaseAge time.Duration // current greatest age for releases
}

type person struct {
	seen     time.Time             // last release check
	used     time.Time             // last use of this record
	groups   map[string]membership // by Claims.membership
	sessions map[string]liveness
	alive    *rate.Limiter // this person's share of session queries
	lists    *rate.Limiter // this person's share of groups queries
}

// membership is the result of the last query about groups.
type membership struct {
	at     time.Time // start of the query
	groups []string
}

// membership returns the key of a session's groups. All sessions with a password
// have the same groups. Sessions of a browser differ: the groups of a company
// depend on the sign-in.
func (c Claims) membership() string {
	if c.Browser {
		return c.Session
	}
	return ""
}

// liveness is the result of the last query about a session.
type liveness struct {
	at    time.Time // start of the query that found the session alive; zero: none
	ended time.Time // start of the query that found the session ended; zero: none
	email string
}

// NewDirectory applies the defaults. It refuses a missing source or clock.
func NewDirectory(c DirectoryConfig) (*Directory, error) {
	if c.Source == nil || c.Now == nil {
		return nil, fmt.Errorf("directory: source and clock are needed")
	}
	fallback := func(d *time.Duration, v time.Duration) {
		if *d <= 0 {
			*d = v
		}
	}
	fallback(&c.ReleaseAge, DefaultReleaseAge)
	fallback(&c.ListAge, 30*time.Second)
	fallback(&c.OutageAge, 60*time.Second)
	if c.AliveRate <= 0 {
		c.AliveRate = 60
	}
	if c.GroupsRate <= 0 {
		c.GroupsRate = 25
	}
	return &Directory{
		c:          c,
		alive:      rate.NewLimiter(rate.Limit(c.AliveRate), max(1, int(c.AliveRate))),
		groups:     rate.NewLimiter(rate.Limit(c.GroupsRate), max(1, int(c.GroupsRate))),
		people:     map[string]*person{},
		releaseAge: c.ReleaseAge,
	}, nil
}

// age returns the time since t by the longer of two clocks.
func age(now, t time.Time) time.Duration { return elapsed.Since(now, t) }

// ForRelease returns a person's record for the signing of a URL. It uses results
// up to ReuseAge, those up to the release age while the pool does not respond, and
// fails after that.
func (d *Directory) ForRelease(ctx context.Context, c Claims) (Standing, error) {
	limit := d.active(c.Sub)
	return d.check(ctx, c, ReuseAge(limit), limit)
}

// ForListing returns a person's record for a listing. During an outage it uses
// results up to OutageAge.
func (d *Directory) ForListing(ctx context.Context, c Claims) (Standing, error) {
	return d.check(ctx, c, max(d.c.ListAge, d.InForce()), max(d.c.OutageAge, d.c.ListAge))
}

// InForce returns the current greatest age for releases.
func (d *Directory) InForce() time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.releaseAge
}

// active marks a person as downloading and returns the current release age. It
// computes the age once a second: the queries of all active people must fit
// into the budget.
func (d *Directory) active(sub string) time.Duration {
	now := d.c.Now()
	d.mu.Lock()
	defer d.mu.Unlock()
	d.person(sub, now).seen = now
	if age(now, d.counted) >= time.Second {
		d.counted = now
		people, sessions := 0, 0
		for sub, p := range d.people {
			if age(now, p.used) > forgetAfter {
				delete(d.people, sub)
				continue
			}
			if age(now, p.seen) <= activeFor {
				people++
				sessions += max(1, len(p.sessions))
			}
		}
		need := max(float64(people)/d.c.GroupsRate, float64(sessions)/d.c.AliveRate)
		d.releaseAge = max(d.c.ReleaseAge, RecordTime+time.Duration(need*float64(time.Second)))
	}
	return d.releaseAge
}

// person returns a person's entry, and adds one if absent. d.mu is held.
func (d *Directory) person(sub string, now time.Time) *person {
	p := d.people[sub]
	if p == nil {
		p = &person{
			sessions: map[string]liveness{},
			groups:   map[string]membership{},
			alive:    rate.NewLimiter(d.alive.Limit()/share, shareBurst),
			lists:    rate.NewLimiter(d.groups.Limit()/share, shareBurst),
		}
		d.people[sub] = p
	}
	p.used = now
	return p
}

// check queries the pool for results older than maxAge. During an outage it uses
// results up to outageAge. It repeats the query for a result that another
// request drops meanwhile.
func (d *Directory) check(ctx context.Context, c Claims, maxAge, outageAge time.Duration) (Standing, error) {
	for range 4 {
		err := both(
			func() error { return d.refresh(ctx, c, "alive", maxAge, outageAge) },
			func() error { return d.refresh(ctx, c, "groups", maxAge, outageAge) },
		)
		if err != nil {
			return Standing{}, err
		}
		if s, ok := d.standing(c, outageAge); ok {
			return s, nil
		}
	}
	return Standing{}, fmt.Errorf("results were dropped repeatedly: %w", ErrUnavailable)
}

// standing returns the record from cached results no older than maxAge.
func (d *Directory) standing(c Claims, maxAge time.Duration) (Standing, bool) {
	now := d.c.Now()
	d.mu.Lock()
	defer d.mu.Unlock()
	p := d.person(c.Sub, now)
	live, ok := p.sessions[c.Session]
	in := p.groups[c.membership()]
	if !ok || !live.ended.IsZero() || age(now, live.at) > maxAge || age(now, in.at) > maxAge {
		return Standing{}, false
	}
	checked := live.at
	if age(now, in.at) > age(now, checked) {
		checked = in.at
	}
	return Standing{
		Groups: append([]string(nil), in.groups...), Email: live.email,
		CheckedAt: checked, ReleaseAge: d.releaseAge,
	}, true
}

// Drop removes a session and its person's groups from the cache. The next use
// queries the pool.
func (d *Directory) Drop(c Claims) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if p := d.people[c.Sub]; p != nil {
		delete(p.sessions, c.Session)
		delete(p.groups, c.membership())
	}
}

// known returns the age of a cached result, and whether a recent result found
// the session ended.
func (d *Directory) known(c Claims, kind string) (since time.Duration, ended bool) {
	now := d.c.Now()
	d.mu.Lock()
	defer d.mu.Unlock()
	p := d.person(c.Sub, now)
	if kind == "alive" {
		live := p.sessions[c.Session]
		return age(now, live.at), age(now, live.ended) <= endedLife
	}
	return age(now, p.groups[c.membership()].at), false
}

// recent returns done if the cached result needs no query: it is at most maxAge
// old, or the session ended.
func (d *Directory) recent(c Claims, kind string, maxAge time.Duration) (done bool, err error) {
	since, ended := d.known(c, kind)
	if ended {
		return true, fmt.Errorf("by a recent check: %w", ErrRevoked)
	}
	return since <= maxAge, nil
}
