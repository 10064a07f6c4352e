package budget

import (
	"sync"
	"time"

	"usher/backend/event"
)

const deniedPerMinute = 300

// drainEvery is the time between two drains. A killed process loses at most the
// refusals of one such period.
const drainEvery = time.Second

// Denials bounds the recorded refusals of each person. Refusals beyond the
// bound are counted exactly, and become one "suppressed" event each second.
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

// NewDenials returns an empty count. now is the server's clock.
func NewDenials(now func() time.Time) *Denials {
	return &Denials{now: now, people: map[string]*refusals{}}
}

// Denied counts a refusal. It returns false beyond the bound: the event must
// not be recorded now, and becomes part of a suppressed event.
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

// of returns a person's refusals, and adds an entry if absent. d.mu is held.
func (d *Denials) of(sub string) *refusals {
	s := d.people[sub]
	if s == nil {
		s = &refusals{}
		d.people[sub] = s
	}
	return s
}

// Drain returns one event for each person with refusals over the bound; Count
// is their number. Within a second of the last drain it returns nothing, unless
// all is true.
func (d *Denials) Drain(all bool) []event.Event {
	now := d.now()
	d.mu.Lock()
	defer d.mu.Unlock()
	if age := now.Sub(d.swept); !all && age >= 0 && age < drainEvery {
		return nil
	}
	d.swept = now
	var events []event.Event
	for sub, s := range d.people {
		if s.held > 0 {
			events = append(events, s.take())
		}
		if now.Sub(s.minute) >= time.Minute {
			delete(d.people, sub)
		}
	}
	return events
}

// take returns the event of a person's refusals over the bound.
func (s *refusals) take() event.Event {
	e := s.sample
	e.Action, e.Bucket, e.Key, e.Grant, e.Continues, e.Policy, e.Groups = event.Suppressed, "", "", "", "", "", ""
	e.Outcome, e.Reason, e.Count = event.Denied, "denied decisions over the budget", s.held
	s.held = 0
	return e
}

// Take returns the event of one person's refusals over the bound, and false if
// there are none.
func (d *Denials) Take(sub string) (event.Event, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := d.people[sub]
	if s == nil || s.held == 0 {
		return event.Event{}, false
	}
	return s.take(), true
}

// Restore adds back events from Drain that could not be recorded.
func (d *Denials) Restore(events []event.Event) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, e := range events {
		s := d.of(e.User.Sub)
		s.held, s.sample = s.held+e.Count, e
	}
}
