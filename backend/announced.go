package backend

import (
	"sync"
	"time"

	"usher/backend/audit"
)

// sessions caches, from the log, the sessions with a recorded start or end.
type sessions struct {
	mu    sync.Mutex
	seen  map[string]*announced // by origin_jti
	ended map[string]string     // event id of the sign-out, by origin_jti
}

// announced is the state of one session in the log.
type announced struct {
	turn chan struct{} // semaphore of one: requests with an announcement wait for each other

	// Guarded by the mutex of sessions.
	started bool      // the log has the session's start
	groups  string    // hash of the groups that the log has
	checked time.Time // live check with these groups
}

const (
	maxCached   = 10_000                // sessions in each map
	maxAnnounce = audit.DefaultDeadline // longest wait for another request's announcement
)

func newSessions() *sessions {
	return &sessions{seen: map[string]*announced{}, ended: map[string]string{}}
}

func (s *sessions) of(origin string) *announced {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.seen[origin]
	if a == nil {
		if len(s.seen) >= maxCached {
			clear(s.seen)
		}
		a = &announced{turn: make(chan struct{}, 1)}
		s.seen[origin] = a
	}
	return a
}

// current reports whether the log has the session's start and these groups. A
// live check before the one in the log is no change: its request is only late.
func (s *sessions) current(a *announced, groups string, checked time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return a.started && (groups == "" || groups == a.groups || checked.Before(a.checked))
}

func (s *sessions) set(a *announced, groups string, checked time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a.started, a.groups, a.checked = true, groups, checked
}

// known reports whether the session's start is recorded.
func (s *sessions) known(origin string) bool {
	a := s.of(origin)
	return s.current(a, "", time.Time{})
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
