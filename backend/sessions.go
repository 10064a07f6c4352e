package backend

import (
	"context"
	"fmt"
	"runtime/debug"

	"usher/backend/api"
	"usher/backend/event"
	"usher/backend/identity"
)

// start is the session-start event of a session that this server has not seen.
type start struct {
	found    chan struct{} // closed when the fields below are set
	event    event.Event
	recorded bool // by another instance
	err      error
}

// begin looks up the session's start for all instances, beside the next steps of
// the request.
func (r *request) begin() {
	if r.b.c.Sessions == nil || r.route.verb == api.VerbDeviceDone || r.b.sessions.known(r.claims.Session) {
		return
	}
	r.lookUp()
}

// lookUp reads the event of the session's start, or becomes its first instance.
func (r *request) lookUp() {
	s, e, ctx := &start{found: make(chan struct{})}, r.startEvent(), r.ctx
	r.start = s
	go func() {
		defer close(s.found)
		s.err = safely(func() (err error) {
			s.event, s.recorded, err = r.b.c.Sessions.Once(ctx, r.claims.Session, e)
			return err
		})
	}()
}

// safely returns a panic as an error: it does not end the process.
func safely(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	return f()
}

// announce calls write with the events that must precede this request's events: the
// start of the session, or a change of the person's groups. Both have the names of
// the groups whose hash is in the other events. The first requests of a session
// wait for the one that announces it: the names are in the log before their hash.
// It follows the live check: nothing is recorded before.
func (r *request) announce(write func(before []event.Event) error) error {
	if err := r.settled(); err != nil {
		return err
	}
	s := r.b.sessions
	a := s.of(r.claims.Session)
	if s.current(a, r.groups, r.checked) {
		return write(nil)
	}
	waiting, cancel := context.WithTimeout(r.ctx, maxAnnounce)
	defer cancel()
	select {
	case a.turn <- struct{}{}:
	case <-waiting.Done():
		return fail(api.AuditUnavailable, fmt.Errorf("waiting for the start of the session: %w", waiting.Err()))
	}
	release := func() { <-a.turn }
	if s.current(a, r.groups, r.checked) {
		release()
		return write(nil)
	}
	defer release()
	before, err := r.announcement()
	if err != nil {
		return err
	}
	if err := write(before); err != nil {
		return err
	}
	s.set(a, r.groups, r.checked)
	return nil
}

// announcement returns the events that the log lacks about this session.
func (r *request) announcement() (before []event.Event, err error) {
	var last event.Event // with groups of this session
	if r.start == nil && r.b.c.Sessions != nil && r.route.verb != api.VerbDeviceDone {
		r.lookUp() // this instance knows that the session has started, and not its event
	}
	if s := r.start; s != nil {
		<-s.found
		if s.err != nil {
			return nil, fail(api.AuditUnavailable, s.err)
		}
		if last = s.event; !s.recorded {
			before = []event.Event{last}
		}
	}
	if len(before) == 0 && (r.start == nil || r.changed(last)) {
		newest, known, err := r.lastAnnounced()
		switch {
		case known:
			last = newest
		case r.start != nil && err != nil:
			return nil, fail(api.AuditUnavailable, err)
		case r.start == nil: // a log that cannot be read now may have the start twice
			return []event.Event{r.startEvent()}, nil
		}
	}
	if !r.changed(last) {
		return before, nil
	}
	e := r.event(event.MembershipChanged, "", "")
	e.Outcome, e.GroupNames, e.GroupNamesBefore = event.Allowed, r.groupNames, last.GroupNames
	return append(before, e), nil
}

// changed reports whether the groups of the live check differ from those of the
// session's last event with groups.
func (r *request) changed(last event.Event) bool {
	return r.groups != "" && last.Groups != "" && last.Groups != r.groups
}

// lastAnnounced returns the newest event of the log with the groups of this
// session.
func (r *request) lastAnnounced() (event.Event, bool, error) {
	return r.b.c.Audit.Newest(r.ctx, event.Filter{Terms: []event.Term{
		{Field: event.BySession, Value: event.SessionName(r.claims.Session)}, {Field: event.ByOutcome, Value: event.Allowed},
		{Field: event.ByAction, Value: event.SessionStart}, {Field: event.ByAction, Value: event.MembershipChanged},
	}})
}

// startEvent returns the event of the session's start.
func (r *request) startEvent() event.Event {
	e := r.event(event.SessionStart, "", "")
	e.Outcome, e.GroupNames, e.Way = event.Allowed, r.groupNames, event.WayNative
	switch {
	case r.fromDevice():
		e.Way = event.WayDevice
	case r.claims.Browser:
		e.Way = event.WaySSO
	}
	if at := r.claims.SignedIn; !at.IsZero() {
		e.SignedIn = &at
	}
	return e
}

// member stores the groups of a live check, for the events of the request.
func (r *request) member(s identity.Standing) {
	names := event.SortedGroups(s.Groups)
	r.groupNames, r.groups, r.checked = names, event.HashNames(names), s.CheckedAt
}

// finish ends the work beside a request: a frozen instance must have none.
func (r *request) finish() {
	if r.settle != nil {
		_, _ = r.settle(r.ctx) // the request has failed already
	}
	if r.start != nil {
		<-r.start.found
	}
	if r.warmed != nil {
		<-r.warmed
	}
}

// once records the session's event with the action of e, once for all instances,
// and returns its id. A repetition of the same event adds nothing to the log.
func (r *request) once(e event.Event) (string, error) {
	first, recorded, err := r.b.c.Sessions.Once(r.ctx, r.claims.Session, e)
	if err != nil {
		return "", fail(api.AuditUnavailable, err)
	}
	if recorded {
		return first.ID, nil
	}
	if err := r.b.c.Audit.Record(r.ctx, first); err != nil {
		return "", fail(api.AuditUnavailable, err)
	}
	return first.ID, nil
}
