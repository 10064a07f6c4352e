package budget

import (
	"sync"
	"time"

	"usher/backend/event"
)

const deniedPerMinute = 300

// Denials bounds the recorded refusals of each person. Refusals beyond the
// bound are counted exactly and become one "suppressed" event.
type Denials struct {
	now func() time.Time

	mu     sync.Mutex
	people map[string]*refusals
	swept  time.Time
}

type refusals struct {
	minute time.Time // start of the window
	denied int       // recorded one by one
	held   int       // over the bound, not recorded yet
	sample event.Event
}

// NewDenials needs the server's clock.
func NewDenials(now func() time.Time) *Denials {
	return &Denials{now: now, people: map[string]*refusals{}}
}

// Denied counts a refusal. It returns false beyond the bound: the event is
// then held back and counted.
func (d *Denials) Denied(e event.Event) bool {
	now := d.now()
	d.mu.Lock()
	defer d.mu.Unlock()
	s := d.of(e.User.Sub)
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

// of finds a person's refusals; d.mu is held.
func (d *Denials) of(sub string) *refusals {
	s := d.people[sub]
	if s == nil {
		s = &refusals{}
		d.people[sub] = s
	}
	return s
}

// Drain returns one event for each person whose minute of held refusals is
// over (with all: for each person), and starts a new window for them.
func (d *Denials) Drain(all bool) []event.Event {
	now := d.now()
	d.mu.Lock()
	defer d.mu.Unlock()
	if !all && now.Sub(d.swept) < time.Second {
		return nil
	}
	d.swept = now
	var events []event.Event
	for sub, s := range d.people {
		over := now.Sub(s.minute) >= time.Minute
		if s.held > 0 && (all || over) {
			e := s.sample
			e.Action, e.Bucket, e.Key, e.Grant, e.Continues = event.Suppressed, "", "", "", ""
			e.Outcome, e.Reason, e.Count = event.Denied, "denied decisions over the budget", s.held
			events = append(events, e)
			s.held, s.denied, s.minute = 0, 0, time.Time{}
		}
		if s.held == 0 && over {
			delete(d.people, sub)
		}
	}
	return events
}

// Restore takes back events of Drain that could not be recorded.
func (d *Denials) Restore(events []event.Event) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, e := range events {
		s := d.of(e.User.Sub)
		s.held, s.sample = s.held+e.Count, e
	}
}
