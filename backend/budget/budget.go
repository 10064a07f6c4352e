// Package budget bounds the use of the server by one person and one address:
// rates per person (Rates), recorded refusals per person (Denials), and
// concurrent work per owner (Slots). All types are safe for concurrent use.
//
// The package leaves the choice of the budget for a verb to backend's routes.
package budget

import (
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Kind names one rate. The zero Kind is no budget at all.
type Kind uint8

// The rates of a person.
const (
	None     Kind = iota
	Requests      // whoami and sign-out
	Lists         // listings, log queries and access reports
	Objects       // released or examined objects
	Reports       // reported downloads: as many as Objects, counted apart
	kinds
)

// Limits per person: a rate for each second, and a burst.
const (
	objectsPerSecond  = 5500 // GETs that S3 supports for one prefix (S3 user guide, "Optimizing Amazon S3 performance")
	objectsBurst      = 2 * objectsPerSecond
	listsPerSecond    = 20
	listsBurst        = 40
	requestsPerSecond = 50
	requestsBurst     = 200
)

// forget is the idle time after which a person leaves memory.
const forget = 10 * time.Minute

// Rates holds each person's remaining rates. A request spends its rate before
// it uses any store: one person's flood cannot slow another's download.
type Rates struct {
	now func() time.Time

	mu     sync.Mutex
	people map[string]*spending
	swept  time.Time
}

type spending struct {
	left [kinds]*rate.Limiter
	used time.Time
}

// NewRates returns full rates. now is the server's clock.
func NewRates(now func() time.Time) *Rates {
	return &Rates{now: now, people: map[string]*spending{}}
}

// Spend spends n of a person's rate, and returns false if less than n is left.
// It always returns false for None.
func (r *Rates) Spend(sub string, kind Kind, n int) bool {
	if kind <= None || kind >= kinds {
		return false
	}
	now := r.now()
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.of(sub, now).left[kind].AllowN(now, n)
}

// SpendUpTo spends n of a person's rate, or the rest if less than n is left. It
// returns the number that it spent.
func (r *Rates) SpendUpTo(sub string, kind Kind, n int) int {
	if kind <= None || kind >= kinds || n <= 0 {
		return 0
	}
	now := r.now()
	r.mu.Lock()
	defer r.mu.Unlock()
	left := r.of(sub, now).left[kind]
	n = min(n, int(left.TokensAt(now)))
	if n <= 0 || !left.AllowN(now, n) {
		return 0
	}
	return n
}

// of returns a person's rates, and adds an entry if absent. r.mu is held.
func (r *Rates) of(sub string, now time.Time) *spending {
	r.sweep(now)
	s := r.people[sub]
	if s == nil {
		s = &spending{left: [kinds]*rate.Limiter{
			Requests: rate.NewLimiter(requestsPerSecond, requestsBurst),
			Lists:    rate.NewLimiter(listsPerSecond, listsBurst),
			Objects:  rate.NewLimiter(objectsPerSecond, objectsBurst),
			Reports:  rate.NewLimiter(objectsPerSecond, objectsBurst),
		}}
		r.people[sub] = s
	}
	s.used = now
	return s
}

// sweep drops idle people, at most once a minute. Their rates are full again by
// then. r.mu is held.
func (r *Rates) sweep(now time.Time) {
	if now.Sub(r.swept) < time.Minute {
		return
	}
	r.swept = now
	for sub, s := range r.people {
		if now.Sub(s.used) > forget {
			delete(r.people, sub)
		}
	}
}
