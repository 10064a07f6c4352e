package backend

import (
	"context"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"net/http"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"usher/backend/api"
	"usher/backend/audit"
	"usher/backend/event"
	"usher/backend/identity"
)

// request is one call on its way through the backend.
type request struct {
	b      *Backend
	http   *http.Request
	ctx    context.Context
	id     string
	verb   string
	way    route
	ip     string
	began  time.Time // of the request, for the server's log
	now    time.Time // of the decision and of its events: after the body has arrived
	body   []byte
	claims identity.Claims
	status int // HTTP, of an answer that is no error; 0: 200
	email  string

	trouble error // of single items, for the log's line of a request that succeeds
}

// identify verifies the bearer token.
func (r *request) identify() error {
	values := r.http.Header.Values("Authorization")
	if len(values) != 1 {
		return fail(api.Unauthenticated, errors.New("authorization header"))
	}
	token, ok := strings.CutPrefix(values[0], "Bearer ")
	if !ok {
		return fail(api.Unauthenticated, errors.New("authorization scheme"))
	}
	claims, err := r.b.c.Verifier.Verify(r.ctx, token)
	if err != nil {
		return identityFailure(err)
	}
	r.claims = claims
	return nil
}

func identityFailure(err error) error {
	switch {
	case errors.Is(err, identity.ErrExpired):
		return fail(api.TokenExpired, err)
	case errors.Is(err, identity.ErrRevoked):
		return fail(api.SessionRevoked, err)
	case errors.Is(err, identity.ErrClock):
		return fail(api.ClockSkew, err)
	case errors.Is(err, identity.ErrTooLarge):
		return fail(api.HeaderTooLarge, err)
	case errors.Is(err, identity.ErrToken):
		return fail(api.Unauthenticated, err)
	case errors.Is(err, identity.ErrBusy):
		return fail(api.RateLimited, err)
	default:
		return fail(api.IdentityUnavailable, err)
	}
}

// live checks, as the route demands, that the session has not ended. Handlers
// check once more: a body and a slot can take their time.
func (r *request) live() error {
	var err error
	if r.way.check == forReleasing {
		_, err = r.releasing()
	} else {
		_, err = r.listing()
	}
	return err
}

// listing and releasing ask the directory, as fresh as the purpose needs.
func (r *request) listing() (identity.Standing, error) {
	return r.standing(r.b.c.Directory.ForListing)
}

func (r *request) releasing() (identity.Standing, error) {
	return r.standing(r.b.c.Directory.ForRelease)
}

func (r *request) standing(ask func(context.Context, identity.Claims) (identity.Standing, error)) (identity.Standing, error) {
	s, err := ask(r.ctx, r.claims)
	if err != nil {
		if errors.Is(err, identity.ErrRevoked) {
			r.ended()
		}
		return s, identityFailure(err)
	}
	r.email = s.Email
	return s, nil
}

// ended records an attempt after a session's end. Nothing is released whether
// or not the record succeeds, so its failure only reaches the log.
func (r *request) ended() {
	e := r.event(r.way.action, "", "")
	e.Outcome, e.Reason = event.Denied, "session ended"
	if !r.b.denials.Denied(e) {
		return
	}
	if err := r.b.c.Audit.Record(r.ctx, e); err != nil {
		r.b.c.Log.Error("recording an attempt after a session's end", "request", r.id)
	}
}

// event begins an event with all that the request says of its origin.
func (r *request) event(action, bucket, key string) event.Event {
	return event.Event{
		ID: r.b.c.NewID(r.now), Time: r.now, Action: action, Bucket: bucket, Key: key,
		User:    event.User{Sub: r.claims.Sub, Username: r.claims.Username, Email: r.email},
		Session: fingerprint(r.claims.Session), SourceIP: r.ip, UserAgent: userAgent(r.http), RequestID: r.id,
	}
}

// fingerprint names a session in events without giving its id away.
func fingerprint(origin string) string {
	sum := sha256.Sum256([]byte("session\x00" + origin))
	return "s-" + strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(sum[:10]))
}

// userAgent is valid UTF-8 of at most maxUserAgent bytes.
func userAgent(h *http.Request) string {
	ua := strings.ToValidUTF8(h.UserAgent(), "\uFFFD")
	for len(ua) > maxUserAgent {
		_, size := utf8.DecodeLastRuneInString(ua)
		ua = ua[:len(ua)-size]
	}
	return ua
}

// record writes events, with the session's start before its first one.
func (r *request) record(events ...event.Event) error {
	events = append(r.opening(), events...)
	if len(events) == 0 {
		return nil
	}
	if err := r.b.c.Audit.Record(r.ctx, events...); err != nil {
		r.b.sessions.forget(r.claims.Session)
		return fail(api.AuditUnavailable, err)
	}
	return nil
}

// opening is the session-start event when the log has none of this session.
// Two processes may each write one; an auditor sees both.
func (r *request) opening() []event.Event {
	if !r.b.sessions.claim(r.claims.Session) {
		return nil
	}
	if r.recorded(event.SessionStart) != "" {
		return nil
	}
	e := r.event(event.SessionStart, "", "")
	e.Outcome = event.Allowed
	return []event.Event{e}
}

// recorded is the id of this session's event of an action, or "" where the log
// has none or cannot be read now.
func (r *request) recorded(action string) string {
	filter, err := event.ParseFilter("session:"+fingerprint(r.claims.Session)+" action:"+action+" outcome:"+event.Allowed, r.now)
	if err != nil {
		return ""
	}
	known, err := r.b.c.Audit.Query(r.ctx, filter, audit.Page{Limit: 1, Lookup: true})
	if err != nil || len(known.Events) == 0 {
		return ""
	}
	return known.Events[0].ID
}

// spend takes n more of the rate that the request's route names, which every
// request has spent once already.
func (r *request) spend(n int) bool {
	return n <= 0 || r.b.rates.Spend(r.claims.Sub, r.way.spends, n)
}

// deny records a refusal and answers as if there were nothing.
func (r *request) deny(e event.Event) error {
	e.Outcome = event.Denied
	if !r.b.denials.Denied(e) {
		return fail(api.RateLimited, nil)
	}
	if err := r.record(e); err != nil {
		return err
	}
	return fail(api.NotFound, nil)
}

// sessions remembers which sign-ins have their start and end recorded. It is a
// cache of the log.
type sessions struct {
	mu    sync.Mutex
	seen  map[string]bool   // origin_jti
	ended map[string]string // origin_jti to the id of its sign-out
}

const maxRemembered = 10_000

func newSessions() *sessions { return &sessions{seen: map[string]bool{}, ended: map[string]string{}} }

// claim returns whether the caller is the one to record the session's start.
func (s *sessions) claim(origin string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.seen[origin] {
		return false
	}
	if len(s.seen) >= maxRemembered {
		clear(s.seen)
	}
	s.seen[origin] = true
	return true
}

// forget lets the next request try again, after a write that failed.
func (s *sessions) forget(origin string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.seen, origin)
}

// signedOut is the id of the session's sign-out, or "".
func (s *sessions) signedOut(origin string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ended[origin]
}

func (s *sessions) end(origin, id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.ended) >= maxRemembered {
		clear(s.ended)
	}
	s.ended[origin] = id
}
