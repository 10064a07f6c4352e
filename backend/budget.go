package backend

import (
	"sync"
	"time"

	"golang.org/x/time/rate"

	"usher/backend/event"
)

// Budgets per person. They are checked before any store is asked, so that one
// person's flood cannot make a store throttle another's download.
const (
	objectsPerSecond = 5500 // as many GETs as S3 promises for one prefix (S3 user guide, "Optimizing Amazon S3 performance")
	objectsBurst     = 2 * objectsPerSecond
	listsPerSecond   = 20
	listsBurst       = 40
	deniedPerMinute  = 300
	budgetForget     = 10 * time.Minute
)

type budgets struct {
	now func() time.Time

	mu     sync.Mutex
	people map[string]*spending
	swept  time.Time
}

type spending struct {
	objects, reports, lists *rate.Limiter
	used                    time.Time

	minute time.Time // start of the window of denials
	denied int
	held   int         // denials over the budget, not yet recorded
	sample event.Event // whose
}

func newBudgets(now func() time.Time) *budgets {
	return &budgets{now: now, people: map[string]*spending{}}
}

// of finds a person's spending; b.mu is held.
func (b *budgets) of(sub string, now time.Time) *spending {
	s := b.people[sub]
	if s == nil {
		s = &spending{
			objects: rate.NewLimiter(objectsPerSecond, objectsBurst),
			reports: rate.NewLimiter(objectsPerSecond, objectsBurst),
			lists:   rate.NewLimiter(listsPerSecond, listsBurst),
		}
		b.people[sub] = s
	}
	s.used = now
	return s
}

func (b *budgets) objects(sub string, n int) bool {
	now := b.now()
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.of(sub, now).objects.AllowN(now, n)
}

// reports counts what is told about downloads: as many as there can be of them,
// and not out of the same purse.
func (b *budgets) reports(sub string, n int) bool {
	now := b.now()
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.of(sub, now).reports.AllowN(now, n)
}

func (b *budgets) lists(sub string) bool {
	now := b.now()
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.of(sub, now).lists.AllowN(now, 1)
}

// denied counts a refusal. Beyond the budget it answers false: the event is
// not recorded by itself but counted, exactly, for one "suppressed" event.
func (b *budgets) denied(e event.Event) bool {
	now := b.now()
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.of(e.User.Sub, now)
	if now.Sub(s.minute) >= time.Minute && s.held == 0 {
		s.minute, s.denied = now, 0
	}
	if s.denied >= deniedPerMinute {
		s.held++
		s.sample = e
		return false
	}
	s.denied++
	return true
}

// drain returns one event for each person whose minute of held denials is over
// (or for all), and starts their windows anew.
func (b *budgets) drain(all bool) []event.Event {
	now := b.now()
	b.mu.Lock()
	defer b.mu.Unlock()
	if !all && now.Sub(b.swept) < time.Second {
		return nil
	}
	b.swept = now
	var events []event.Event
	for sub, s := range b.people {
		if s.held > 0 && (all || now.Sub(s.minute) >= time.Minute) {
			e := s.sample
			e.Action, e.Bucket, e.Key, e.Grant, e.Continues = event.Suppressed, "", "", "", ""
			e.Outcome, e.Reason, e.Count = event.Denied, "denied decisions over the budget", s.held
			events = append(events, e)
			s.held, s.denied, s.minute = 0, 0, time.Time{}
		}
		if s.held == 0 && now.Sub(s.used) > budgetForget {
			delete(b.people, sub)
		}
	}
	return events
}

// restore takes back what drain gave, when it could not be recorded.
func (b *budgets) restore(events []event.Event) {
	now := b.now()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, e := range events {
		s := b.of(e.User.Sub, now)
		s.held, s.sample = s.held+e.Count, e
	}
}
