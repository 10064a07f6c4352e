package download

import (
	"context"
	"errors"
	"net/http"
	"time"

	"usher/backend/api"
	"usher/client/download/fetch"
)

// Releaser requests presigned URLs from the backend and reports the ends of
// transfers. Its errors are *api.Error where the server answered, those of
// api.SignedOut, and an api.Failing with ExitIntegrity, which ends the transfer;
// anything else counts as a server that was not reached. It
// repeats calls by itself where the table of errors allows it.
type Releaser interface {
	Release(ctx context.Context, req api.ReleaseRequest) (api.ReleaseResponse, error)
	Complete(ctx context.Context, req api.CompleteRequest) error
}

// Lister lists the objects that a person may see.
type Lister interface {
	List(ctx context.Context, req api.ListRequest) (api.ListResponse, error)
}

// Config has the parts and settings of an engine. Only Releaser and S3Hosts must be set.
type Config struct {
	Releaser Releaser
	Lister   Lister   // needed for folders
	S3Hosts  []string // host[:port] that URLs may name; BUCKET.host is allowed too

	// Values, if set, has the values of the contexts that Releaser and Lister get.
	// Its end does not end the engine.
	Values context.Context

	AllowHTTP bool  // take http URLs, of a loopback address only
	Parallel  int   // files at once, and connections to S3; 0: 4 large ones, 16 of up to 64 MiB, and 128 to 256 small requests
	Limit     int64 // bytes a second over all transfers; 0: none
	Report    bool  // tell the backend how transfers ended
	Dotfiles  bool  // allow names that begin with a dot directly in the home directory

	// ExactFolders makes a local file with the name of a folder an ErrNoFolder. Without
	// it the folder is saved under its name and "%~".
	ExactFolders bool

	// QueueFile keeps the unfinished requests; "": nothing is kept. A
	// second process with the same file goes without.
	QueueFile string

	// Patience is how long a transfer keeps trying while nothing moves because
	// the network is down; 0: for ever.
	Patience time.Duration

	// Finished, if set, is called once for each end, one call at a time: of a
	// file (Done, Skipped, Failed, Denied, Cancelled, or Paused with an Err, which
	// is given up for now), and of a folder that could not be listed to its end.
	// It must not block long.
	Finished func(Transfer)

	// Watch, if set, gets the state of Save, once each Tick.
	Watch func(Transfer)

	// Wrap, if set, surrounds the transport of requests to S3, to log them.
	Wrap func(http.RoundTripper) http.RoundTripper

	Now      func() time.Time // nil: time.Now
	Timeouts Timeouts         // zero fields take their defaults

	hooks hooks
}

// Timeouts are the engine's patience; a zero field takes the default.
type Timeouts struct {
	Idle        time.Duration // 20 s: no byte for so long cuts the connection
	RateWindow  time.Duration // 60 s: the window for MinRate
	MinRate     int64         // 1024: fewer bytes a second over RateWindow cut the connection
	Margin      time.Duration // 10 s: a URL with less life left starts no request
	BackoffMin  time.Duration // 500 ms: the first pause after a failure, with full jitter
	BackoffMax  time.Duration // 8 s: the longest pause that is not asked for by Retry-After
	RetryAfter  time.Duration // 60 s: the most that a Retry-After is honored
	LockPoll    time.Duration // 1 s: how often a part that another process holds is tried
	LockWait    time.Duration // 10 min: how long a part without growth is waited for
	Checkpoint  time.Duration // 500 ms: how often the sidecar is written
	ReportEvery time.Duration // 15 s: how long a completion waits for others before it is reported
	Tick        time.Duration // 250 ms: how often rates are measured
}

func (t Timeouts) withDefaults() Timeouts {
	set := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	set(&t.Idle, 20*time.Second)
	set(&t.RateWindow, time.Minute)
	set(&t.Margin, 10*time.Second)
	set(&t.BackoffMin, 500*time.Millisecond)
	set(&t.BackoffMax, 8*time.Second)
	set(&t.RetryAfter, time.Minute)
	set(&t.LockPoll, time.Second)
	set(&t.LockWait, 10*time.Minute)
	set(&t.Checkpoint, 500*time.Millisecond)
	set(&t.ReportEvery, 15*time.Second)
	set(&t.Tick, 250*time.Millisecond)
	if t.MinRate == 0 {
		t.MinRate = 1024
	}
	return t
}

// fetch is the part of t that concerns one object.
func (t Timeouts) fetch() fetch.Timeouts {
	return fetch.Timeouts{Idle: t.Idle, RateWindow: t.RateWindow, MinRate: t.MinRate, Margin: t.Margin, BackoffMin: t.BackoffMin,
		BackoffMax: t.BackoffMax, RetryAfter: t.RetryAfter, Checkpoint: t.Checkpoint, Tick: t.Tick}
}

func (c Config) withDefaults() (Config, error) {
	if c.Releaser == nil {
		return c, errors.New("download: Config.Releaser is missing")
	}
	if c.Parallel < 0 || c.Limit < 0 {
		return c, errors.New("download: Config.Parallel and Config.Limit must not be negative")
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Values == nil {
		c.Values = context.Background()
	}
	c.Timeouts = c.Timeouts.withDefaults()
	c.hooks = c.hooks.withDefaults()
	return c, nil
}

// Sizes that the speed of a transfer hangs on.
const (
	smallObject = api.SmallObject // up to here the listing's ETag is named and one request fetches all
	largeSlots  = 16              // places for large objects under way, see largeWeight
	largeFiles  = 4               // very large ones at once
	oneConn     = 64 << 20        // bytes; up to here a file takes one place
	guessConns  = 6               // connections opened ahead for an object of unknown size
	firstSlots  = 128             // small requests in flight to begin with
	smallSlots  = 256             // small requests in flight, at most
)
