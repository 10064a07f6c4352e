package fetch

import (
	"context"
	"crypto/x509"
	"errors"
	"math/rand/v2"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"

	"usher/backend/api"
	"usher/client/download/part"
	"usher/client/download/ticket"
)

// Sizes that the speed of a download depends on.
const (
	BufferSize   = 256 << 10 // bytes of one read and one write
	MinPart      = 1 << 20   // bytes of one range, at least
	maxPart      = 16 << 20  // bytes of one range, at most
	minSteal     = 512 << 10 // bytes; a smaller rest is not worth a second connection
	allocateFrom = 8 << 20   // bytes; larger files get their blocks before the first byte
	FirstConns   = 16        // connections to begin with for large objects
	MaxConns     = 64        // connections for large objects, at most
)

// Timeouts are durations and rates that must all be set.
type Timeouts struct {
	Idle       time.Duration // without a byte for so long a connection is cut
	RateWindow time.Duration // the window of MinRate
	MinRate    int64         // bytes a second; a slower connection is cut
	Margin     time.Duration // a URL with less life left starts no request
	BackoffMin time.Duration // the first pause after a failure
	BackoffMax time.Duration // the longest pause that is not the storage's
	RetryAfter time.Duration // the longest pause that is the storage's
	Checkpoint time.Duration // between two sidecars
	Tick       time.Duration // between two measurements of the rate
}

// Backoff is a pause with full jitter after the n-th failure in a row, from 1.
func (t Timeouts) Backoff(n int) time.Duration {
	top := t.BackoffMin << min(n, 10)
	if top > t.BackoffMax || top <= 0 {
		top = t.BackoffMax
	}
	return t.BackoffMin/2 + rand.N(max(top-t.BackoffMin/2, 1))
}

// Throttle is a bound that shrinks when the storage slows down, and grows while
// its responses come as fast as with few requests.
type Throttle interface {
	Slower()
	Responded(after time.Duration)
}

// Config is the setting of a Client. Timeouts, Now, Sleep, Connections and Small
// must be set.
type Config struct {
	Timeouts    Timeouts
	Patience    time.Duration // how long an attempt waits for the network; 0: for ever
	Limit       int64         // bytes a second at first, of all downloads; 0: none. See SetLimit
	Idle        int           // connections kept for later
	Connections *Connections  // of large objects
	Small       Throttle      // of small objects
	RootCAs     *x509.CertPool
	Dial        Dial // nil: TCP
	NoVerify    bool // test only: no checksum is compared
	// Wrap, if set, surrounds the transport of requests, to log them.
	Wrap  func(http.RoundTripper) http.RoundTripper
	Now   func() time.Time
	Sleep func(context.Context, time.Duration) error // may end early
}

// Client fetches objects. One client serves all downloads of an engine. Its
// methods may be called from any goroutine.
type Client struct {
	Config
	transport *Transport
	requests  http.RoundTripper // transport, with its watchdog and its limit
	limit     *limit
	buffers   buffers
	moved     atomic.Int64
}

// New returns a client without a connection.
func New(cfg Config) (*Client, error) {
	if cfg.Now == nil || cfg.Sleep == nil || cfg.Connections == nil || cfg.Small == nil || cfg.Timeouts.Idle <= 0 {
		return nil, errors.New("fetch: Config needs Timeouts, Now, Sleep, Connections and Small")
	}
	c := &Client{Config: cfg, transport: NewTransport(cfg.Dial, cfg.RootCAs, cfg.Timeouts.Idle, cfg.Idle)}
	var transport http.RoundTripper = c.transport
	if cfg.Wrap != nil {
		transport = cfg.Wrap(transport)
	}
	c.limit = newLimit(cfg.Limit)
	c.requests = &limited{&watchdog{transport, cfg.Timeouts}, c.limit} // waits for the limit are no stall
	return c, nil
}

// SetLimit changes the limit, in bytes a second; 0 is no limit. It holds for running
// downloads at once.
func (c *Client) SetLimit(bytes int64) { c.limit.set(bytes) }

// Moved is the number of bytes that came over the network.
func (c *Client) Moved() int64 { return c.moved.Load() }

// Warm opens n connections ahead of the requests that will need them.
func (c *Client) Warm(ctx context.Context, origin *url.URL, n int) { c.transport.warm(ctx, origin, n) }

// Close closes all connections.
func (c *Client) Close() { c.transport.close() }

// Owner is the caller's side of a Job. Its methods are called from any goroutine.
type Owner interface {
	// Ticket releases a URL of the object. With named, the ETag of the listing is
	// enough; without it, the ticket has size, checksum and parts. An error ends the
	// attempt as it is.
	Ticket(ctx context.Context, named bool) (*ticket.Ticket, error)
	// Sized is called when the size becomes known, in bytes. An error ends the attempt
	// as it is.
	Sized(size int64) error
	// Notify is called for each change.
	Notify(Event)
	// Chain returns the first audit event of the download, for the sidecar; "": none.
	Chain() (event string, at time.Time)
}

// Kind is the kind of an Event.
type Kind int

const (
	Moving   Kind = iota // bytes come, or the next request is on its way
	Checking             // all bytes are here and are compared
	Offline              // no connection comes about: see Event.Err
	Dropped              // the part of another content was removed
)

// Event is a change during an attempt.
type Event struct {
	Kind  Kind
	Text  string // one sentence; ""
	Label string // of Checking: the checksum's name, as in Result
	Err   error  // of Offline
}

// Progress counts while an attempt runs.
type Progress struct {
	Done    atomic.Int64 // bytes that are written
	Fetched atomic.Int64 // bytes that came over the network
	Retries atomic.Int64
}

// Object is one content of one object, and the way to fetch it.
type Object struct {
	Bucket, Key   string
	ETag, Version string
	Size          int64 // bytes; -1: not known
	Modified      time.Time
	Checksum      *api.Checksum
	Parts         *api.Parts

	Plain  bool // one request without a range fetches it all
	Named  bool // see Owner
	Whole  bool // the storage has shown that it ignores ranges
	Weight int  // of the object's share of Connections
}

// Job is one attempt to fetch an object.
type Job struct {
	Object   Object
	Ticket   *ticket.Ticket // the first one
	Owner    Owner
	File     *part.File
	Progress *Progress
}

// Result is a complete and verified object.
type Result struct {
	ETag     string
	Size     int64
	Modified time.Time
	Label    string // the name of the checksum that matched; "size": none was known
	attempt  *attempt
}

// Keep writes the sidecar, so that a later attempt finds all bytes.
func (r Result) Keep() { r.attempt.note() }

// Fetch fetches the missing bytes, and verifies the whole. After a failure it
// keeps the part for the next attempt, or removes it where its bytes are of no
// use: ErrChanged, ErrMismatch, ErrNoRange and ErrCancelled.
func (c *Client) Fetch(ctx context.Context, t Job) (Result, error) {
	j := newAttempt(c, t)
	err := j.prepare()
	if err == nil {
		err = j.fetchAll(ctx)
	}
	if err == nil {
		err = j.verify(ctx)
	}
	if err != nil {
		j.abandon(err)
		return Result{}, err
	}
	return Result{ETag: j.Object.ETag, Size: j.size, Modified: j.modified, Label: j.expected.Label(), attempt: j}, nil
}
