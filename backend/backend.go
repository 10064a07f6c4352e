// Package backend is the authorization backend as an http.Handler. Every
// request walks the same way: guard (is this a request at all) → verify (whose
// token) → live check (what does the directory say now) → decide (grants) →
// record (durably) → answer. Nothing is answered that was not recorded first,
// and only release.go reaches the presigner.
//
// The package owns the order of these steps and the words of the wire. It
// leaves each step's meaning to identity, grant, object and audit, and sockets,
// configuration and shutdown to serve.
package backend

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/sync/singleflight"

	"usher/backend/api"
	"usher/backend/audit"
	"usher/backend/budget"
	"usher/backend/cursor"
	"usher/backend/event"
	"usher/backend/grant"
	"usher/backend/identity"
	"usher/backend/object"
	"usher/backend/safetext"
)

// Verifier says whose token this is, offline.
type Verifier interface {
	Verify(ctx context.Context, token string) (identity.Claims, error)
}

// Directory says what the user pool holds of a person now.
type Directory interface {
	ForRelease(ctx context.Context, c identity.Claims) (identity.Standing, error)
	ForListing(ctx context.Context, c identity.Claims) (identity.Standing, error)
	Drop(c identity.Claims)
	InForce() time.Duration
}

// Grants is the set in force. Problem is a newer set's refusal, if any.
type Grants interface {
	Current(ctx context.Context) (*grant.Set, error)
	Problem() error
}

// Objects lists and asks S3.
type Objects interface {
	List(ctx context.Context, q object.ListQuery) (object.Page, error)
	Head(ctx context.Context, bucket, key, event string) (object.Facts, error)
	Explain(ctx context.Context, bucket, key, event string)
}

// Signer presigns what carries a receipt.
type Signer interface {
	Sign(ctx context.Context, r audit.Receipt) (object.SignedURL, error)
}

// Clock fails when this machine's time and the storage's disagree.
type Clock interface {
	Check(ctx context.Context, bucket string) error
}

// Log records and is asked.
type Log interface {
	Record(ctx context.Context, events ...event.Event) error
	RecordReleases(ctx context.Context, releases []audit.Release, others ...event.Event) ([]audit.Receipt, error)
	RecordCompletions(ctx context.Context, who event.User, base event.Event, reports []audit.Completion) error
	Query(ctx context.Context, filter event.Filter, page audit.Page) (audit.Result, error)
	Get(ctx context.Context, ids ...string) ([]event.Event, error)
	Summary(ctx context.Context, hours int) (audit.Summary, error)
}

// Cursors seals the place at which a listing or a search goes on.
type Cursors interface {
	Seal(c cursor.Cursor) (string, error)
	Open(text string, want cursor.Cursor, now time.Time) (cursor.Cursor, error)
}

// Config is all that the backend needs; only FileKeys and Proxies may be empty.
type Config struct {
	Public    api.Config // what GET config answers
	Verifier  Verifier
	Directory Directory
	Grants    Grants
	Objects   Objects
	Signer    Signer
	Clock     Clock
	Audit     Log
	Access    Access
	Health    Health
	Cursors   Cursors
	URLLife   time.Duration
	FileKeys  bool           // the storage keeps objects as files and may take a/../b for b
	Hosts     []string       // Host headers that are answered, port included
	Proxies   []netip.Prefix // whose X-Forwarded-For is believed
	Now       func() time.Time
	NewID     func(time.Time) string
	Log       *slog.Logger
}

// Backend is the handler.
type Backend struct {
	c      Config
	routes map[string]route // by path
	*spent
}

// spent is the state that outlives a change of the configuration.
type spent struct {
	rates    *budget.Rates
	denials  *budget.Denials
	bodies   *budget.Slots // bodies being read
	work     *budget.Slots // requests at work
	queries  *budget.Slots // searches of the log
	sessions *sessions
	signouts singleflight.Group
}

// missing names the first part that is not there, in words, or is "".
func (c Config) missing() string {
	for _, part := range []struct {
		name   string
		absent bool
	}{
		{"the public configuration", c.Public.Region == "" || c.Public.AuditorsGroup == "" || c.Public.AdminsGroup == ""},
		{"the token verifier", c.Verifier == nil},
		{"the user directory", c.Directory == nil},
		{"the grants", c.Grants == nil},
		{"the object storage", c.Objects == nil},
		{"the URL signer", c.Signer == nil},
		{"the comparison of clocks", c.Clock == nil},
		{"the audit log", c.Audit == nil},
		{"the access reports", c.Access == nil},
		{"the health checks", c.Health == nil},
		{"the cursor sealer", c.Cursors == nil},
		{"the life of URLs", c.URLLife <= 0},
		{"the host names", len(c.Hosts) == 0},
		{"the clock", c.Now == nil},
		{"the source of event ids", c.NewID == nil},
		{"the server's log", c.Log == nil},
	} {
		if part.absent {
			return part.name
		}
	}
	return ""
}

// New refuses a configuration with a part missing: a backend without, say, an
// audit log must not start.
func New(c Config) (*Backend, error) {
	if part := c.missing(); part != "" {
		return nil, fmt.Errorf("backend: %s is missing", part)
	}
	if err := public(c.Public); err != nil {
		return nil, err
	}
	return build(c, &spent{
		rates: budget.NewRates(c.Now), denials: budget.NewDenials(c.Now), sessions: newSessions(),
		bodies: budget.NewSlots(bodySlots()), work: budget.NewSlots(workSlots()), queries: budget.NewSlots(querySlots()),
	})
}

// With is a backend with another configuration that counts on with the budgets
// and slots of this one.
func (b *Backend) With(c Config) (*Backend, error) {
	if part := c.missing(); part != "" {
		return nil, fmt.Errorf("backend: %s is missing", part)
	}
	if err := public(c.Public); err != nil {
		return nil, err
	}
	return build(c, b.spent)
}

func build(c Config, s *spent) (b *Backend, err error) {
	b = &Backend{c: c, spent: s}
	if b.routes, err = index(b.table()); err != nil {
		return nil, err
	}
	return b, nil
}

const maxPublic = 256 // bytes of one text of the public configuration

// public holds the configuration that anyone can read to texts that every
// screen shows as they are: no control characters, nothing invisible, bounded.
func public(c api.Config) error {
	raw, err := json.Marshal(c)
	if err != nil {
		return fmt.Errorf("backend: the public configuration: %w", err)
	}
	var fields map[string]any
	if err := json.Unmarshal(raw, &fields); err != nil {
		return fmt.Errorf("backend: the public configuration: %w", err)
	}
	for name, value := range fields {
		texts, ok := value.([]any)
		if !ok {
			texts = []any{value}
		}
		for _, v := range texts {
			text, ok := v.(string)
			if ok && (len(text) > maxPublic || strings.ContainsRune(text, utf8.RuneError) || safetext.New(text).Escaped()) {
				return fmt.Errorf("backend: %s has more than %d bytes or characters that a screen does not show", name, maxPublic)
			}
		}
	}
	for name, group := range map[string]string{"auditors_group": c.AuditorsGroup, "admins_group": c.AdminsGroup} {
		if !grant.ValidGroup(group) {
			return fmt.Errorf("backend: %s is not the name of a Cognito group", name)
		}
	}
	return nil
}

// Start records that the service runs. A log that cannot take this event
// cannot take any, so the service must not listen.
func (b *Backend) Start(ctx context.Context) error {
	set, err := b.c.Grants.Current(ctx)
	if err != nil {
		return err
	}
	return b.service(ctx, event.Event{Action: event.ServiceStart, GrantsVersion: set.Version()})
}

// Flush records the refusals that were held back. It is called each second, so
// that a flood that ends is recorded without a further request.
func (b *Backend) Flush(ctx context.Context) error { return b.suppressed(ctx) }

// Stop records what was held back and that the service ends.
func (b *Backend) Stop(ctx context.Context) error {
	if held := b.denials.Drain(true); len(held) > 0 {
		if err := b.c.Audit.Record(ctx, held...); err != nil {
			return fmt.Errorf("recording suppressed denials: %w", err)
		}
	}
	return b.service(ctx, event.Event{Action: event.ServiceStop})
}

func (b *Backend) service(ctx context.Context, e event.Event) error {
	e.Time, e.Outcome = b.c.Now(), event.Allowed
	e.ID = b.c.NewID(e.Time)
	if err := b.c.Audit.Record(ctx, e); err != nil {
		return fmt.Errorf("recording %s: %w", e.Action, err)
	}
	return nil
}

// bound is the revocation bound in force, in whole seconds: the age that a live
// check may have plus a URL's life.
func (b *Backend) bound() int {
	d := b.c.Directory.InForce() + b.c.URLLife
	return int((d + time.Second - 1) / time.Second)
}

func (b *Backend) whoami(r *request) (any, error) {
	if err := r.decode(&struct{}{}); err != nil {
		return nil, err
	}
	who, err := r.listing()
	if err != nil {
		return nil, err
	}
	set, err := b.c.Grants.Current(r.ctx)
	if err != nil {
		return nil, fail(api.StorageUnavailable, err)
	}
	if err := r.record(); err != nil { // the session's start, when this is its first request
		return nil, err
	}
	return api.Whoami{
		Person:        api.Person{Sub: r.claims.Sub, Username: r.claims.Username, Email: who.Email},
		Groups:        append([]string{}, who.Groups...), // [] and never null
		GrantsVersion: set.Version(),
		BoundSeconds:  b.bound(),
		SessionStart:  r.claims.SignedIn,
	}, nil
}

// signout records the end of a session once: a repetition returns the event of
// the first.
func (b *Backend) signout(r *request) (any, error) {
	if err := r.decode(&struct{}{}); err != nil {
		return nil, err
	}
	session := fingerprint(r.claims.Session)
	id, err, _ := b.signouts.Do(session, func() (any, error) {
		if id := b.sessions.signedOut(r.claims.Session); id != "" {
			return id, nil
		}
		if id := r.recorded(event.SignOut); id != "" {
			return id, nil
		}
		e := r.event(event.SignOut, "", "")
		e.Outcome = event.Allowed
		if err := r.record(e); err != nil {
			return "", err
		}
		b.sessions.end(r.claims.Session, e.ID)
		b.c.Directory.Drop(r.claims)
		return e.ID, nil
	})
	if err != nil {
		return nil, err
	}
	return api.SignoutResponse{Event: id.(string)}, nil
}

// complete takes the client's word on how its downloads ended. The answer is
// the same whether an event was known or not.
func (b *Backend) complete(r *request) (any, error) {
	var in api.CompleteRequest
	if err := r.decode(&in); err != nil {
		return nil, err
	}
	if len(in.Items) < 1 || len(in.Items) > api.MaxRelease {
		return nil, fail(api.BadRequest, nil)
	}
	if _, err := r.listing(); err != nil {
		return nil, err
	}
	if !r.spend(len(in.Items) - 1) {
		return nil, fail(api.RateLimited, nil)
	}
	done := make([]audit.Completion, len(in.Items))
	for i, it := range in.Items {
		done[i] = audit.Completion{Event: it.Event, Outcome: it.Outcome, Bytes: it.Bytes, Seconds: it.Seconds, Verified: it.Verified}
	}
	base := r.event(event.Completed, "", "")
	if err := b.c.Audit.RecordCompletions(r.ctx, base.User, base, done); err != nil {
		return nil, fail(api.AuditUnavailable, err)
	}
	r.explain(in.Items)
	return api.CompleteResponse{}, nil
}

// explain looks into the first download that is reported to have failed before
// its first byte: the storage refuses a client, and only the client sees why.
func (r *request) explain(items []api.CompleteItem) {
	i := slices.IndexFunc(items, func(it api.CompleteItem) bool {
		return it.Outcome == api.CompletedFailed && it.Bytes == 0
	})
	if i < 0 {
		return
	}
	known, err := r.b.c.Audit.Get(r.ctx, items[i].Event)
	if err != nil || len(known) != 1 {
		return
	}
	if e := known[0]; e.Action == event.Download && e.Outcome == event.Allowed && e.User.Sub == r.claims.Sub {
		r.b.c.Objects.Explain(r.ctx, e.Bucket, e.Key, e.ID)
	}
}
