package backend

import (
	"fmt"
	"runtime/debug"
	"sync"

	"usher/backend/api"
	"usher/backend/event"
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
	s, e, ctx := &start{found: make(chan struct{})}, r.event(event.SessionStart, "", ""), r.ctx
	e.Outcome = event.Allowed
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

// opening returns the session-start event if the log has none for this session. It
// follows the live check: nothing is recorded before.
func (r *request) opening() ([]event.Event, error) {
	if err := r.settled(); err != nil {
		return nil, err
	}
	if s := r.start; s != nil {
		<-s.found
		if s.err != nil {
			return nil, fail(api.AuditUnavailable, s.err)
		}
	}
	if !r.b.sessions.claim(r.claims.Session) {
		return nil, nil
	}
	switch {
	case r.start != nil && r.start.recorded:
		return nil, nil
	case r.start != nil:
		return []event.Event{r.start.event}, nil
	case r.recorded(event.SessionStart) != "":
		return nil, nil
	}
	e := r.event(event.SessionStart, "", "")
	e.Outcome = event.Allowed
	return []event.Event{e}, nil
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

// unrecorded makes the next request of the session record its start, after a
// failed write.
func (r *request) unrecorded() { r.b.sessions.forget(r.claims.Session) }

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

// sessions caches, from the log, the sessions with a recorded start or end.
type sessions struct {
	mu    sync.Mutex
	seen  map[string]bool   // by origin_jti
	ended map[string]string // event id of the sign-out, by origin_jti
}

const maxCached = 10_000 // sessions in each map

func newSessions() *sessions { return &sessions{seen: map[string]bool{}, ended: map[string]string{}} }

// claim reports whether the caller must record the session's start.
func (s *sessions) claim(origin string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.seen[origin] {
		return false
	}
	if len(s.seen) >= maxCached {
		clear(s.seen)
	}
	s.seen[origin] = true
	return true
}

// known reports whether the session's start is recorded, or about to be.
func (s *sessions) known(origin string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.seen[origin]
}

// forget makes the next request record the session's start, after a failed
// write.
func (s *sessions) forget(origin string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.seen, origin)
}

// signedOut returns the event id of the session's sign-out, or "".
func (s *sessions) signedOut(origin string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ended[origin]
}

func (s *sessions) end(origin, id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.ended) >= maxCached {
		clear(s.ended)
	}
	s.ended[origin] = id
}
