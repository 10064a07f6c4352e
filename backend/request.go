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
	"usher/backend/event"
	"usher/backend/identity"
	"usher/backend/reader"
)

// request is the state of one HTTP request.
type request struct {
	b      *Backend
	http   *http.Request
	ctx    context.Context
	id     string
	verb   string
	route  route
	ip     string
	began  time.Time // start of the request, for the server's log
	now    time.Time // instant of the decision and its events, after the body was read
	body   []byte
	claims identity.Claims
	status int // HTTP status of a successful response; 0 means 200
	email  string

	reading *reader.Reading // sessions for the calls of S3

	itemErr error // storage failure of single items, for the log line of a successful request
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
	if r.b.c.Ahead != nil {
		r.b.c.Ahead(r.ctx, token)
	}
	claims, err := r.b.c.Verifier.Verify(r.ctx, token)
	if err != nil {
		return identityFailure(err)
	}
	r.claims = claims
	return r.opened()
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

// live checks that the session has not ended, at the route's freshness. Handlers
// check again: the body and the slot can take seconds.
func (r *request) live() error {
	var err error
	if r.route.check == forReleasing {
		_, err = r.releasing()
	} else {
		_, err = r.listing()
	}
	return err
}

// listing and releasing return the person's directory record at the freshness
// of a listing and of a release.
func (r *request) listing() (identity.Standing, error) {
	return r.standing(r.b.c.Directory.ForListing)
}

func (r *request) releasing() (identity.Standing, error) {
	return r.standing(r.b.c.Directory.ForRelease)
}

func (r *request) standing(query func(context.Context, identity.Claims) (identity.Standing, error)) (identity.Standing, error) {
	s, err := query(r.ctx, r.claims)
	if err != nil {
		if errors.Is(err, identity.ErrRevoked) {
			r.ended()
		}
		return s, identityFailure(err)
	}
	r.email = s.Email
	return s, nil
}

// ended records a request of an ended session. The request is refused in any
// case, so a failure to record only reaches the server's log.
func (r *request) ended() {
	e := r.event(r.route.action, "", "")
	e.Outcome, e.Reason = event.Denied, "session ended"
	if !r.b.denials.Denied(e) {
		return
	}
	if err := r.b.c.Audit.Record(r.ctx, e); err != nil {
		r.b.c.Log.Error("recording an attempt after a session's end", "request", r.id)
	}
}

// event returns an event with the person, session and source of the request.
func (r *request) event(action, bucket, key string) event.Event {
	return event.Event{
		ID: r.b.c.NewID(r.now), Time: r.now, Action: action, Bucket: bucket, Key: key,
		User:    event.User{Sub: r.claims.Sub, Username: r.claims.Username, Email: r.email},
		Session: fingerprint(r.claims.Session), SourceIP: r.ip, UserAgent: userAgent(r.http), RequestID: r.id,
	}
}

// fingerprint names a session in events without revealing its id.
func fingerprint(origin string) string {
	sum := sha256.Sum256([]byte("session\x00" + origin))
	return "s-" + strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(sum[:10]))
}

// userAgent returns the User-Agent as valid UTF-8 of at most maxUserAgent bytes.
func userAgent(h *http.Request) string {
	ua := strings.ToValidUTF8(h.UserAgent(), "\uFFFD")
	for len(ua) > maxUserAgent {
		_, size := utf8.DecodeLastRuneInString(ua)
		ua = ua[:len(ua)-size]
	}
	return ua
}

// record writes events. The first record of a session begins with its
// session-start event.
func (r *request) record(events ...event.Event) error {
	opening, err := r.opening()
	if err != nil {
		return err
	}
	events = append(opening, events...)
	if len(events) == 0 {
		return nil
	}
	if err := r.b.c.Audit.Record(r.ctx, events...); err != nil {
		r.b.sessions.forget(r.claims.Session)
		return fail(api.AuditUnavailable, err)
	}
	return nil
}

// opening returns the session-start event if the log has none for this session.
// With shared sessions it records the event itself, once for all instances.
func (r *request) opening() ([]event.Event, error) {
	if !r.b.sessions.claim(r.claims.Session) {
		return nil, nil
	}
	if r.b.c.Sessions == nil && r.recorded(event.SessionStart) != "" {
		return nil, nil
	}
	e := r.event(event.SessionStart, "", "")
	e.Outcome = event.Allowed
	if r.b.c.Sessions == nil {
		return []event.Event{e}, nil
	}
	if _, err := r.once(e); err != nil {
		r.b.sessions.forget(r.claims.Session)
		return nil, err
	}
	return nil, nil
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
	if err := r.b.c.Sessions.Recorded(r.ctx, r.claims.Session, e.Action); err != nil {
		return "", fail(api.AuditUnavailable, err)
	}
	return first.ID, nil
}

// signOut records the end of the session, once, and returns the event's id.
func (r *request) signOut() (string, error) {
	e := r.event(event.SignOut, "", "")
	e.Outcome = event.Allowed
	if r.b.c.Sessions != nil {
		if err := r.record(); err != nil { // the start comes first
			return "", err
		}
		return r.once(e)
	}
	if id := r.recorded(event.SignOut); id != "" {
		return id, nil
	}
	return e.ID, r.record(e)
}

// recorded returns the id of this session's event with an action. It returns ""
// if the log has none or cannot be read now.
func (r *request) recorded(action string) string {
	filter, err := event.ParseFilter("session:"+fingerprint(r.claims.Session)+" action:"+action+" outcome:"+event.Allowed, r.now)
	if err != nil {
		return ""
	}
	known, _, err := r.b.c.Audit.Newest(r.ctx, filter)
	if err != nil {
		return ""
	}
	return known.ID
}

// spend spends n more of the route's rate. Each request has spent one already.
func (r *request) spend(n int) bool {
	return n <= 0 || r.b.rates.Spend(r.claims.Sub, r.route.spends, n)
}

// deny records a refusal and returns "not found".
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
