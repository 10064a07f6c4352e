package device

import (
	"context"
	"errors"
	"time"
)

// State is the state of a request.
type State string

// The states. Refused and Opened are final.
const (
	Pending   State = "pending"   // the terminal waits
	Approving State = "approving" // a browser is at the hosted UI
	Returned  State = "returned"  // the hosted UI returned a code; the page shows the number
	Redeemed  State = "redeemed"  // the terminal received the code
	Opened    State = "opened"    // the session is open
	Refused   State = "refused"   // by the person, by wrong numbers or by the hosted UI
)

// Request is the request of one terminal. The device code, the user code, the
// cookie, the state and the number are HMACs.
type Request struct {
	ID      string `json:"id"`
	Version int64  `json:"version"` // set by the store
	State   State  `json:"state"`
	User    string `json:"user"`
	Nonce   string `json:"nonce"` // of the ID token; a hash of the device code

	Challenge string        `json:"challenge"` // PKCE S256, of the terminal
	Host      string        `json:"host"`      // the terminal's host name, by its own claim
	Terminal  string        `json:"terminal"`  // address of the terminal
	Owner     string        `json:"owner"`     // address, or the /64 of an IPv6 address
	Created   time.Time     `json:"created"`
	Expires   time.Time     `json:"expires"`
	Interval  time.Duration `json:"interval"`
	Polled    time.Time     `json:"polled"`

	Cookie  string `json:"cookie"`
	Return  string `json:"return"`  // the state parameter
	Browser string `json:"browser"` // address of the browser
	// Code is the authorization code. It is useless without the terminal's
	// verifier.
	Code    string    `json:"code"`
	Number  string    `json:"number"`
	Wrong   int       `json:"wrong"`   // wrong numbers so far
	Handed  time.Time `json:"handed"`  // first delivery of the code
	Session string    `json:"session"` // HMAC of the session's id
	Reason  string    `json:"reason"`  // of a refusal
	// Recorded means that the event of the refusal is durable, or about to be.
	Recorded bool `json:"recorded"`
}

// Finished reports whether a request no longer counts as pending.
func (r Request) Finished() bool { return r.State == Opened || r.State == Refused }

// Limits bound the unfinished requests.
type Limits struct {
	Total int // of all owners
	Owner int // of one owner
}

// The errors of a Store. Every other error means that the store is unavailable.
var (
	ErrAbsent = errors.New("no such request")
	ErrFull   = errors.New("too many requests are pending")
	ErrTaken  = errors.New("the user code is in use")
	ErrStale  = errors.New("the request was changed meanwhile")
)

// Store keeps requests, counters and opened sessions. It is safe for concurrent
// use, by all instances that share it.
type Store interface {
	// Insert stores a new request and returns it with its version. It fails with
	// ErrFull or ErrTaken.
	Insert(ctx context.Context, r Request, limits Limits) (Request, error)
	// Find returns the request with an id, ByUser that with a user code. Expired
	// requests are absent Keep after their end.
	Find(ctx context.Context, id string) (Request, error)
	ByUser(ctx context.Context, user string) (Request, error)
	// Replace stores a changed request and returns it with its next version. It
	// fails with ErrStale if r.Version is not the stored version.
	Replace(ctx context.Context, r Request) (Request, error)
	// Count adds one to a counter of the minute that begins at the given time,
	// and returns the sum.
	Count(ctx context.Context, name string, minute time.Time) (int, error)
	// Open stores an opened session until its end. Opened finds it.
	Open(ctx context.Context, session string, until time.Time) error
	Opened(ctx context.Context, session string) (bool, error)
}

// Keep is the time that a store keeps an expired request: the terminal then
// reads "expired" instead of "unknown".
const Keep = 5 * time.Minute
