// Package backend is the authorization backend as an http.Handler. Every
// request passes the same steps: guard (form of the request) → verify (token) →
// live check (current session and groups) → decide (grants) → record (durably)
// → respond. Each response follows its durable record, and only release.go
// calls the presigner.
//
// The package owns the order of the steps and the form of the wire. It leaves
// each step to identity, grant, object and audit. It leaves sockets,
// configuration and shutdown to serve.
package backend

import (
	"context"
	"fmt"
	"iter"
	"log/slog"
	"net/http"
	"net/netip"
	"time"

	"golang.org/x/sync/singleflight"

	"usher/backend/accessrequest"
	"usher/backend/api"
	"usher/backend/audit"
	"usher/backend/audit/checkpoint"
	"usher/backend/budget"
	"usher/backend/cursor"
	"usher/backend/event"
	"usher/backend/grant"
	"usher/backend/identity"
	"usher/backend/object"
	"usher/backend/reader"
)

// Verifier checks access tokens and ID tokens offline and returns their claims.
type Verifier interface {
	Verify(ctx context.Context, token string) (identity.Claims, error)
	VerifyID(ctx context.Context, token, client string) (identity.SignIn, error)
}

// Directory returns a person's current session state and groups.
type Directory interface {
	ForRelease(ctx context.Context, c identity.Claims) (identity.Standing, error)
	ForListing(ctx context.Context, c identity.Claims) (identity.Standing, error)
	Drop(c identity.Claims)
	InForce() time.Duration
}

// Grants is the source of the active grants. Problem returns the error of a
// newer set that was refused, or nil.
type Grants interface {
	Current(ctx context.Context) (*grant.Set, error)
	Problem() error
}

// Objects lists and examines objects in S3. Explain writes the cause of a
// refused download to the server's log.
type Objects interface {
	List(ctx context.Context, q object.ListQuery) (object.Page, error)
	Head(ctx context.Context, bucket, key, version, event string) (object.Facts, error)
	Versions(ctx context.Context, q object.VersionsQuery) (object.VersionPage, error)
	Explain(ctx context.Context, bucket, key, version, event string)
}

// Pages are pages of S3 that are requested ahead, for one person each.
type Pages interface {
	List(ctx context.Context, person string, q object.ListQuery) (object.Page, error)
	Begin(ctx context.Context, person string, q object.ListQuery)
}

// Signer presigns the release of a receipt.
type Signer interface {
	Sign(ctx context.Context, r audit.Receipt) (object.SignedURL, error)
}

// Places returns the hosts of the storage that serve buckets.
type Places interface {
	Hosts(ctx context.Context, buckets []string) ([]string, error)
}

// Clock compares the clocks of this machine and the storage. Check fails when they
// differ. Difference returns the storage's time minus this machine's at the last
// comparison, and false before the first one.
type Clock interface {
	Check(ctx context.Context, bucket string) error
	Difference() (time.Duration, bool)
}

// Log records and queries events.
type Log interface {
	Record(ctx context.Context, events ...event.Event) error
	RecordReleases(ctx context.Context, releases []audit.Release, others ...event.Event) ([]audit.Receipt, error)
	RecordCompletions(ctx context.Context, user event.User, base event.Event, reports []audit.Completion) error
	Query(ctx context.Context, filter event.Filter, page audit.Page) (audit.Result, error)
	Tally(ctx context.Context, by []event.By, filter event.Filter, position string) (audit.Tally, error)
	Newest(ctx context.Context, filter event.Filter) (event.Event, bool, error)
	Get(ctx context.Context, ids ...string) ([]event.Event, error)
	Summary(ctx context.Context, hours int) (audit.Summary, error)
}

// Sinks are the receivers of the log.
type Sinks interface {
	Sinks(ctx context.Context) []api.Sink
}

// Principal is the principal of IAM that signs the server's requests of S3.
type Principal interface {
	// Principal returns its ARN, "" if it is not known, and whether each person has a
	// session of it with the person's sub as its name.
	Principal(ctx context.Context) (arn string, perPerson bool)
}

// Records reads the log in the order of recording.
type Records interface {
	// Between yields the records with an index from from to to (exclusive), as far as
	// the log has them: the retention removes some.
	Between(ctx context.Context, from, to int64) iter.Seq2[event.Record, error]
}

// Policies are the versions of the grants that decided.
type Policies interface {
	// Version returns a version. The error is grant.ErrUnknown for one that is not
	// kept.
	Version(ctx context.Context, version string) (*grant.Set, error)
}

// Reviews are the configured reviews of the log.
type Reviews interface {
	Reviews(ctx context.Context) ([]api.Review, error)
}

// Witnesses are the witnesses of the log.
type Witnesses interface {
	Policy() string   // c2sp.org/tlog-policy
	Cosigned() []byte // the last checkpoint that satisfies it, or nil
}

// Requests are the stored requests of people for access.
type Requests interface {
	All(ctx context.Context) ([]accessrequest.Request, error)
	// Update stores the change that edit makes of all requests, or nothing after an
	// error of edit, which it returns. Edit can run several times.
	Update(ctx context.Context, edit func([]accessrequest.Request) (accessrequest.Change, error)) error
}

// Cursors seals the position at which a listing or a search continues.
type Cursors interface {
	Seal(c cursor.Cursor) (string, error)
	Open(text string, want cursor.Cursor, now time.Time) (cursor.Cursor, error)
	// Marks returns the marks of listed objects.
	Marks(now time.Time) (cursor.Marks, error)
}

// Sessions gives the start and the end of a session one event for all instances.
type Sessions interface {
	// Once returns the session's event with the action of e, and whether it is
	// recorded. Without one, e becomes that event. The log confirms the record.
	Once(ctx context.Context, session string, e event.Event) (first event.Event, recorded bool, err error)
}

// Config holds the parts of the backend. Only Devices, Sessions, Held, Scope, Ahead,
// Observe, Editor, Pages, Reader, Places, Principal, Policies, Checkpoints, Witnesses,
// Sinks, Records, Reviews, FileKeys and Proxies may be empty.
type Config struct {
	Public    api.Config // the response of GET config
	Verifier  Verifier
	Directory Directory
	Ender     Ender
	Devices   Devices  // nil: no sign-in without a browser
	Sessions  Sessions // nil: one instance, whose log finds its events at once
	Held      Held     // nil: one instance
	// Scope returns the context of one request, whose reads of the shared state are
	// one call. nil: no shared state.
	Scope func(context.Context) context.Context
	// Ahead starts the first calls of a request from a token that is not verified
	// yet. It must not wait. nil: no call starts before the verification.
	Ahead func(ctx context.Context, token string, releasing bool)
	// Observe receives the verb, the code ("ok" or that of the error) and the
	// duration of each request. nil: no metrics.
	Observe  func(verb, code string, took time.Duration)
	Grants   Grants
	Editor   Editor // nil: the grants are a file on the server
	Objects  Objects
	Pages    Pages // nil: no page is requested ahead
	Signer   Signer
	Reader   *reader.Sessions // nil: the server reads and signs with its own credentials
	Places   Places           // nil: the hosts of Public are all
	Clock    Clock
	Audit    Log
	Policies Policies // kept versions of the grants. nil: none
	// Checkpoints are those of the log. nil: a log without them.
	Checkpoints checkpoint.Source
	Witnesses   Witnesses // of the log. nil: none
	Sinks       Sinks     // of the log. nil: none
	Principal   Principal // of the server's requests of S3. nil: not known
	// Records is for exports. nil: a log that is not exported.
	Records  Records
	Reviews  Reviews // nil: none
	Access   Access
	Requests Requests
	Health   Health
	Cursors  Cursors
	URLLife  time.Duration
	FileKeys bool           // the storage keeps objects as files: a/../b may be the file b
	Hosts    []string       // accepted Host headers, port included
	Proxies  []netip.Prefix // peers with a trusted X-Forwarded-For
	Now      func() time.Time
	NewID    func(time.Time) string
	Log      *slog.Logger
}

// Backend is the handler.
type Backend struct {
	c       Config
	routes  map[string]route // by path
	handler http.Handler
	*usage
}

// usage is the state that outlives a change of the configuration.
type usage struct {
	rates    *budget.Rates
	denials  *budget.Denials
	tokens   *budget.TokenRefusals
	bodies   *budget.Slots // bodies being read
	work     *budget.Slots // requests in their handlers
	queries  *budget.Slots // searches of the log
	sessions *sessions
	devices  *opened
	signouts singleflight.Group
}

// missing returns the name of the first missing part, or "".
func (c Config) missing() string {
	for _, part := range []struct {
		name   string
		absent bool
	}{
		{"the public configuration", c.Public.Region == "" || c.Public.AuditorsGroup == "" || c.Public.AdminsGroup == ""},
		{"the token verifier", c.Verifier == nil},
		{"the user directory", c.Directory == nil},
		{"the end of sessions", c.Ender == nil},
		{"the grants", c.Grants == nil},
		{"the object storage", c.Objects == nil},
		{"the URL signer", c.Signer == nil},
		{"the comparison of clocks", c.Clock == nil},
		{"the audit log", c.Audit == nil},
		{"the access reports", c.Access == nil},
		{"the requests for access", c.Requests == nil},
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

// New returns a backend. It refuses a configuration with a missing part: a
// backend without, for example, an audit log must not start.
func New(c Config) (*Backend, error) {
	if part := c.missing(); part != "" {
		return nil, fmt.Errorf("backend: %s is missing", part)
	}
	if err := public(c.Public); err != nil {
		return nil, err
	}
	return build(c, &usage{
		rates: budget.NewRates(c.Now), denials: budget.NewDenials(c.Now), tokens: budget.NewTokenRefusals(c.Now, c.tokenPeriod()), sessions: newSessions(), devices: newOpened(),
		bodies: budget.NewSlots(bodySlots()), work: budget.NewSlots(workSlots()), queries: budget.NewSlots(querySlots()),
	})
}

// With returns a backend with another configuration and the same budgets, slots
// and sessions.
func (b *Backend) With(c Config) (*Backend, error) {
	if part := c.missing(); part != "" {
		return nil, fmt.Errorf("backend: %s is missing", part)
	}
	if err := public(c.Public); err != nil {
		return nil, err
	}
	return build(c, b.usage)
}

func build(c Config, u *usage) (b *Backend, err error) {
	b = &Backend{c: c, usage: u}
	if b.routes, err = index(b.table()); err != nil {
		return nil, err
	}
	if b.handler, err = compressed(http.HandlerFunc(b.respond)); err != nil {
		return nil, fmt.Errorf("backend: %w", err)
	}
	return b, nil
}

// Hosts returns the accepted Host headers.
func (b *Backend) Hosts() []string { return b.c.Hosts }

// Bound returns the current revocation bound in whole seconds.
func (b *Backend) Bound() int { return b.bound() }

// bound is the current revocation bound in whole seconds: the greatest age of a
// live check plus the life of a URL.
func (b *Backend) bound() int {
	d := b.c.Directory.InForce() + b.c.URLLife
	return int((d + time.Second - 1) / time.Second)
}

func (b *Backend) whoami(r *request) (any, error) {
	if err := r.decode(&struct{}{}); err != nil {
		return nil, err
	}
	person, err := r.releasing() // a screen that is open learns of the end of a session here
	if err != nil {
		return nil, err
	}
	set, err := b.c.Grants.Current(r.ctx)
	if err != nil {
		return nil, fail(api.StorageUnavailable, err)
	}
	if err := r.record(); err != nil { // records the session's start on the first request
		return nil, err
	}
	return api.Whoami{
		OpenRequests:  b.openRequests(r, person.Groups),
		Person:        api.Person{Sub: r.claims.Sub, Username: r.claims.Username, Email: person.Email},
		Groups:        append([]string{}, person.Groups...), // [] and never null
		GrantsVersion: set.Version(),
		BoundSeconds:  b.bound(),
		SessionStart:  r.claims.SignedIn,
	}, nil
}
