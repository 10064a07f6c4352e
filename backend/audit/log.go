package audit

import (
	"context"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"usher/backend/api"
	"usher/backend/event"
)

// Defaults of a Config.
const (
	DefaultDeadline = 2 * time.Second
	DefaultPending  = 512
)

// tries is how often a write is attempted inside its deadline. A store that
// fails at once is asked again after retryPause and twice that.
const (
	tries      = 3
	retryPause = 20 * time.Millisecond
)

// Config holds a Log's parts. Store, Now and NewID are required.
type Config struct {
	Store Store
	Now   func() time.Time
	NewID func(time.Time) string // ULIDs

	// Deadline bounds each write with all its tries, and each query; 0 means
	// DefaultDeadline.
	Deadline time.Duration
	// Pending bounds how many writes wait for the store at once, those whose
	// deadline has passed but which the store still holds included; more are
	// refused at once. 0 means DefaultPending.
	Pending int
}

// Log records events and reads them back.
type Log struct {
	store    Store
	now      func() time.Time
	newID    func(time.Time) string
	deadline time.Duration
	pending  chan struct{} // a token for each write that the store holds
}

// New refuses a configuration without a store: a server that cannot record
// must not start.
func New(c Config) (*Log, error) {
	switch {
	case c.Store == nil:
		return nil, errors.New("audit: no store: usher releases nothing that it cannot record")
	case c.Now == nil:
		return nil, errors.New("audit: no clock")
	case c.NewID == nil:
		return nil, errors.New("audit: nothing mints event ids")
	case c.Deadline < 0 || c.Pending < 0:
		return nil, errors.New("audit: deadline and pending writes cannot be negative")
	}
	if c.Deadline == 0 {
		c.Deadline = DefaultDeadline
	}
	if c.Pending == 0 {
		c.Pending = DefaultPending
	}
	return &Log{
		store: c.Store, now: c.Now, newID: c.NewID, deadline: c.Deadline,
		pending: make(chan struct{}, c.Pending),
	}, nil
}

// NewID mints an event id, for a caller that has to name an event before it
// records it.
func (l *Log) NewID() string { return l.newID(l.now()) }

// Record makes events durable, all or none. An empty ID and a zero Time are
// filled in. Allowed downloads and completions are refused: RecordReleases
// and RecordCompletions are their only ways in.
func (l *Log) Record(ctx context.Context, events ...event.Event) error {
	batch, err := l.others(events)
	if err != nil {
		return err
	}
	return l.append(ctx, batch)
}

// Release is a decision to let one object go, with what was checked before.
type Release struct {
	// Event says who gets what: user, bucket, key, version or ETag, source.
	// Its action is download and its outcome allowed; both may be left empty.
	Event event.Event
	// CheckedAt is when the live check of the person was asked.
	CheckedAt time.Time
	// Link asks for a URL that any browser can use; the event's purpose is
	// link then, and only then.
	Link bool
}

// RecordReleases makes releases durable, and with them, in the same write,
// what else the request has to say (denied and failed objects). Only then it
// gives a receipt for each release, in their order. On any error there is no
// receipt at all.
func (l *Log) RecordReleases(ctx context.Context, releases []Release, others ...event.Event) ([]Receipt, error) {
	batch := make([]event.Event, 0, len(releases)+len(others))
	receipts := make([]Receipt, 0, len(releases))
	for _, r := range releases {
		e, err := l.release(r)
		if err != nil {
			return nil, err
		}
		batch = append(batch, e)
		receipts = append(receipts, Receipt{
			event: e.ID, bucket: e.Bucket, key: e.Key, etag: e.ETag, version: e.Version,
			checkedAt: r.CheckedAt, link: r.Link,
		})
	}
	rest, err := l.others(others)
	if err != nil {
		return nil, err
	}
	if err := l.append(ctx, append(batch, rest...)); err != nil {
		return nil, err
	}
	return receipts, nil
}

// release is the event of a release, held to what a receipt will claim.
func (l *Log) release(r Release) (event.Event, error) {
	e := r.Event
	if e.Action == "" {
		e.Action = event.Download
	}
	if e.Outcome == "" {
		e.Outcome = event.Allowed
	}
	if r.Link && e.Purpose == "" {
		e.Purpose = api.PurposeLink
	}
	switch {
	case e.Action != event.Download || e.Outcome != event.Allowed:
		return e, refused("a release is an allowed download")
	case e.Bucket == "" || e.Key == "":
		return e, refused("a release names an object")
	case !utf8.ValidString(e.Bucket) || !utf8.ValidString(e.Key) || !utf8.ValidString(e.ETag) || !utf8.ValidString(e.Version):
		return e, refused("a release names an object in UTF-8") // the event would name another one
	case e.User.Sub == "":
		return e, refused("a release names a person")
	case r.CheckedAt.IsZero():
		return e, refused("a release says when the person was checked")
	case r.Link != (e.Purpose == api.PurposeLink):
		return e, refused("a release is for a link exactly when its purpose is")
	}
	return l.fill(e), nil
}

// others are events that release nothing.
func (l *Log) others(events []event.Event) ([]event.Event, error) {
	batch := make([]event.Event, 0, len(events))
	for _, e := range events {
		switch {
		case e.Action == "" || e.Outcome == "":
			return nil, refused("an event has an action and an outcome")
		case e.Action == event.Download && e.Outcome == event.Allowed:
			return nil, refused("an allowed download is recorded as a release")
		case e.Action == event.Completed:
			return nil, refused("a completion is recorded as one")
		}
		batch = append(batch, l.fill(e))
	}
	return batch, nil
}

// refused is a caller's mistake; it counts as not durable, so that nobody
// goes on after it.
func refused(why string) error { return fmt.Errorf("recording: %s: %w", why, ErrNotDurable) }

func (l *Log) fill(e event.Event) event.Event {
	if e.Time.IsZero() {
		e.Time = l.now()
	}
	if e.ID == "" {
		e.ID = l.newID(e.Time)
	}
	return event.Clean(e)
}

// append writes within the log's own deadline, whatever becomes of the
// request. The store runs beside it, so that one that hangs in spite of its
// context holds up nobody for longer.
func (l *Log) append(ctx context.Context, events []event.Event) error {
	if len(events) == 0 {
		return nil
	}
	select {
	case l.pending <- struct{}{}:
	default:
		return fmt.Errorf("recording: too many writes wait for the store: %w", ErrNotDurable)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), l.deadline)
	done := make(chan error, 1)
	go func() {
		defer cancel()
		defer func() { <-l.pending }()
		done <- l.attempt(ctx, events)
	}()
	var err error
	select {
	case err = <-done:
	case <-ctx.Done():
		// The attempt's end cancels too: what it said counts, if it said it.
		select {
		case err = <-done:
		default:
			// The write may land later: an event without a URL, never the reverse.
			err = ctx.Err()
		}
	}
	if err != nil {
		return fmt.Errorf("recording: %w: %w", ErrNotDurable, err)
	}
	return nil
}

// attempt tries a write that failed again, with the same ids: if the first
// try landed after all, the store knows the events and says so.
func (l *Log) attempt(ctx context.Context, events []event.Event) error {
	pause := retryPause
	for try := 1; ; try++ {
		err := l.store.Append(ctx, events)
		if err == nil || try == tries || ctx.Err() != nil || errors.Is(err, ErrConflict) {
			return err
		}
		select {
		case <-time.After(pause):
			pause *= 2
		case <-ctx.Done():
			return err
		}
	}
}

// Check makes a durable write that adds no event: nil means that a record would
// be taken now.
func (l *Log) Check(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, l.deadline)
	defer cancel()
	if err := l.store.Check(ctx); err != nil {
		return fmt.Errorf("writing to the audit log: %w", err)
	}
	return nil
}

// Query gives one page of the events that match; ErrTooSlow when that takes
// longer than the deadline.
func (l *Log) Query(ctx context.Context, filter event.Filter, page Page) (Result, error) {
	if page.Limit < 1 || page.Limit > MaxPage {
		return Result{}, fmt.Errorf("reading the audit log: a page has 1 to %d events", MaxPage)
	}
	return read(ctx, l, func(ctx context.Context) (Result, error) { return l.store.Query(ctx, filter, page) })
}

// Get gives the events with these ids that are in the log.
func (l *Log) Get(ctx context.Context, ids ...string) ([]event.Event, error) {
	return read(ctx, l, func(ctx context.Context) ([]event.Event, error) { return l.store.Get(ctx, ids) })
}

// MaxHours is how many hours a summary can reach back.
const MaxHours = 168

// Summary counts the events of the last hours, the current one included.
func (l *Log) Summary(ctx context.Context, hours int) (Summary, error) {
	if hours < 1 || hours > MaxHours {
		return Summary{}, fmt.Errorf("reading the audit log: a summary covers 1 to %d hours", MaxHours)
	}
	from := l.now().UTC().Truncate(time.Hour).Add(-time.Duration(hours-1) * time.Hour)
	return read(ctx, l, func(ctx context.Context) (Summary, error) {
		s, err := l.store.Hours(ctx, from, hours)
		if err != nil {
			return s, err
		}
		s.Events, err = l.store.Count(ctx)
		return s, err
	})
}

// read bounds a query.
func read[T any](ctx context.Context, l *Log, query func(context.Context) (T, error)) (T, error) {
	ctx, cancel := context.WithTimeout(ctx, l.deadline)
	defer cancel()
	answer, err := query(ctx)
	if err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return answer, fmt.Errorf("reading the audit log: %w", ErrTooSlow)
	}
	if err != nil {
		return answer, fmt.Errorf("reading the audit log: %w", err)
	}
	return answer, nil
}
