package backend

import (
	"context"
	"errors"
	"net/http"
	"strings"
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

	settle func(context.Context) (identity.Standing, error) // of the live check; nil: nothing is left to store

	groupNames []string  // of the last live check, sorted
	groups     string    // their hash; "" before the live check
	checked    time.Time // instant of the live check
	start      *start    // of the session; nil: no look-up

	reading *reader.Reading // sessions for the calls of S3
	warmed  chan struct{}   // closed at the end of warm; nil: it did not begin

	itemErr error // storage failure of single items, for the log line of a successful request
	denied  int   // refused decisions, for the log line
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
		r.b.c.Ahead(r.ctx, token, r.route.check == forReleasing)
	}
	claims, err := r.b.c.Verifier.Verify(r.ctx, token)
	if err != nil {
		r.refusedToken(err)
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
	r.member(s)
	if s.Settle != nil {
		r.settle = s.Settle
	}
	return s, nil
}

// settled waits until the result of the live check is stored for all instances. A
// check that was overtaken with other groups ends the request: its decisions may
// be wrong. Every effect of a request follows it.
func (r *request) settled() error {
	if r.settle == nil {
		return nil
	}
	s, err := r.settle(r.ctx)
	r.settle = nil
	switch {
	case errors.Is(err, identity.ErrRevoked):
		r.ended()
		return identityFailure(err)
	case err != nil:
		return identityFailure(err)
	case event.HashGroups(s.Groups) != r.groups:
		return fail(api.IdentityUnavailable, errors.New("the groups changed during the request"))
	}
	return nil
}

// ended records a request of an ended session. The request is refused in any
// case, so a failure to record only reaches the server's log.
func (r *request) ended() {
	e := r.event(r.route.action, "", "")
	e.Outcome, e.Reason = event.Denied, "session ended"
	if !r.refusal(e) {
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
		Session: event.SessionName(r.claims.Session), SourceIP: r.ip, UserAgent: userAgent(r.http), RequestID: r.id,
		Groups: r.groups,
	}
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

// record writes events, behind the session's own (announce).
func (r *request) record(events ...event.Event) error {
	return r.announce(func(before []event.Event) error {
		all := append(before, events...)
		if len(all) == 0 {
			return nil
		}
		if err := r.b.c.Audit.Record(r.ctx, all...); err != nil {
			return fail(api.AuditUnavailable, err)
		}
		return nil
	})
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
	filter, err := event.ParseFilter("session:"+event.SessionName(r.claims.Session)+" action:"+action+" outcome:"+event.Allowed, r.now)
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

// refusal counts a refusal and reports whether it is recorded by itself.
func (r *request) refusal(e event.Event) bool {
	r.denied++
	return r.b.denials.Denied(e)
}

// deny records a refusal and returns "not found".
func (r *request) deny(e event.Event) error {
	e.Outcome = event.Denied
	if !r.refusal(e) {
		return fail(api.RateLimited, nil)
	}
	if err := r.record(e); err != nil {
		return err
	}
	return fail(api.NotFound, nil)
}
