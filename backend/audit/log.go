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

// tries is the number of attempts to write within the deadline. The pauses
// between them are retryPause and twice that.
const (
	tries      = 3
	retryPause = 20 * time.Millisecond
)

// Config holds a Log's parts. Store, Now and NewID are required.
type Config struct {
	Store Store
	Now   func() time.Time
	NewID func(time.Time) string // ULIDs

	// Deadline bounds each write, its retries included, and each query. 0 means
	// DefaultDeadline.
	Deadline time.Duration
	// Pending bounds the writes inside the store, those past their deadline
	// included. Further writes are refused at once. 0 means DefaultPending.
	Pending int
}

// Log records events and reads them back.
type Log struct {
	store    Store
	now      func() time.Time
	newID    func(time.Time) string
	deadline time.Duration
	pending  chan struct{} // semaphore: one token for each write inside the store
	gap      gap
}

// New returns a Log. It refuses a configuration without a store, because a
// server that cannot record must not start.
func New(c Config) (*Log, error) {
	switch {
	case c.Store == nil:
		return nil, errors.New("audit: no store: usher releases nothing without a record")
	case c.Now == nil:
		return nil, errors.New("audit: no clock")
	case c.NewID == nil:
		return nil, errors.New("audit: no source of event ids")
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

// NewID returns a new event id for an event of an instant, for callers that need
// it before Record.
func (l *Log) NewID(at time.Time) string { return l.newID(at) }

// Record makes all events durable or none. It fills in an empty ID and a zero
// Time. It refuses allowed downloads and completions, which need
// RecordReleases and RecordCompletions.
func (l *Log) Record(ctx context.Context, events ...event.Event) error {
	batch, err := l.others(events)
	if err != nil {
		return err
	}
	return l.append(ctx, batch)
}

// Release is an authorized download of one object.
type Release struct {
	// Event has user, bucket, key, version or ETag, and source. Its action is
	// download and its outcome allowed; both may be left empty.
	Event event.Event
	// CheckedAt is the start of the live check of the user.
	CheckedAt time.Time
	// Link selects a URL for any browser. It is set exactly when the event's
	// purpose is link.
	Link bool
}

// RecordReleases makes releases durable, in one write behind the other events of
// the request (the session's start, denied and failed objects). After that it
// returns a receipt for each release, in the same order. On any error it returns
// no receipt.
func (l *Log) RecordReleases(ctx context.Context, releases []Release, others ...event.Event) ([]Receipt, error) {
	batch, err := l.others(others)
	if err != nil {
		return nil, err
	}
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
	if err := l.append(ctx, batch); err != nil {
		return nil, err
	}
	return receipts, nil
}

// release returns the event of a release. It refuses a release with a missing or
// invalid field, because the receipt has the same fields.
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
		return e, refused("a release names an object in UTF-8") // cleaning would change the name
	case e.User.Sub == "":
		return e, refused("a release names a person")
	case r.CheckedAt.IsZero():
		return e, refused("a release has the time of its live check")
	case r.Link != (e.Purpose == api.PurposeLink):
		return e, refused("a release is for a link exactly when its purpose is")
	}
	return l.fill(e), nil
}

// others fills in events that release nothing, and refuses all others.
func (l *Log) others(events []event.Event) ([]event.Event, error) {
	batch := make([]event.Event, 0, len(events))
	for _, e := range events {
		switch {
		case e.Action == "" || e.Outcome == "":
			return nil, refused("an event has an action and an outcome")
		case e.Action == event.Download && e.Outcome == event.Allowed:
			return nil, refused("an allowed download is recorded as a release")
		case e.Action == event.Completed:
			return nil, refused("a completion is recorded with RecordCompletions")
		}
		batch = append(batch, l.fill(e))
	}
	return batch, nil
}

// refused returns the error for an invalid event. It wraps ErrNotDurable, so a
// caller cannot continue after it.
func refused(reason string) error {
	return fmt.Errorf("recording: %s: %w", reason, ErrNotDurable)
}

func (l *Log) fill(e event.Event) event.Event {
	if e.Time.IsZero() {
		e.Time = l.now()
	}
	if e.ID == "" {
		e.ID = l.newID(e.Time)
	}
	return event.Clean(e)
}

// append writes events, and counts a failure.
func (l *Log) append(ctx context.Context, events []event.Event) error {
	if err := l.write(ctx, events); err != nil {
		l.refused(ctx, err)
		return err
	}
	l.resumed(ctx)
	return nil
}

// write writes within the log's own deadline, even if the request is canceled.
// The store runs in a goroutine of its own, so a store that ignores its context
// cannot delay the caller further.
func (l *Log) write(ctx context.Context, events []event.Event) error {
	if len(events) == 0 {
		return nil
	}
	select {
	case l.pending <- struct{}{}:
	default:
		return fmt.Errorf("recording: too many writes are pending: %w", ErrNotDurable)
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
		// The goroutine cancels ctx at its end too. Its result, if any, counts.
		select {
		case err = <-done:
		default:
			// A later success leaves an event without a URL, never the reverse.
			err = ctx.Err()
		}
	}
	if err != nil {
		return fmt.Errorf("recording: %w: %w", ErrNotDurable, err)
	}
	return nil
}

// attempt writes the events and retries a failed write with the same ids. The
// store skips events that an earlier try recorded in spite of its error.
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

// Check makes a durable write that adds no event. It returns nil if Record
// would succeed now.
func (l *Log) Check(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, l.deadline)
	defer cancel()
	if err := l.store.Check(ctx); err != nil {
		return fmt.Errorf("writing to the audit log: %w", err)
	}
	return nil
}

// Query returns one page of the matching events, or ErrTooSlow after the
// deadline.
func (l *Log) Query(ctx context.Context, filter event.Filter, page Page) (Result, error) {
	if page.Limit < 1 || page.Limit > MaxPage {
		return Result{}, fmt.Errorf("reading the audit log: a page has 1 to %d events", MaxPage)
	}
	return read(ctx, l, func(ctx context.Context) (Result, error) { return l.store.Query(ctx, filter, page) })
}

// Newest returns the newest matching event, and false if no event matches.
func (l *Log) Newest(ctx context.Context, filter event.Filter) (event.Event, bool, error) {
	for page := (Page{Limit: 1, Lookup: true}); ; {
		found, err := l.Query(ctx, filter, page)
		if err != nil {
			return event.Event{}, false, err
		}
		if len(found.Events) > 0 {
			return found.Events[0], true, nil
		}
		if page.Position = found.Position; page.Position == "" {
			return event.Event{}, false, nil
		}
	}
}

// Get returns the events with these ids. Unknown ids are skipped.
func (l *Log) Get(ctx context.Context, ids ...string) ([]event.Event, error) {
	return read(ctx, l, func(ctx context.Context) ([]event.Event, error) { return l.store.Get(ctx, ids) })
}

// MaxHours is the maximum number of hours in a summary.
const MaxHours = 168

// Summary counts the events of the last hours, the current hour included.
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

// read runs a query within the log's deadline.
func read[T any](ctx context.Context, l *Log, query func(context.Context) (T, error)) (T, error) {
	ctx, cancel := context.WithTimeout(ctx, l.deadline)
	defer cancel()
	result, err := query(ctx)
	if err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return result, fmt.Errorf("reading the audit log: %w", ErrTooSlow)
	}
	if err != nil {
		return result, fmt.Errorf("reading the audit log: %w", err)
	}
	return result, nil
}
