package device

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"net/url"
	"time"

	"usher/backend/api"
	"usher/backend/api/shape"
	"usher/backend/event"
)

const (
	life     = 10 * time.Minute
	interval = 5 * time.Second
	// slower is added to the interval of a terminal that polls too fast.
	// SPEC: RFC 8628 §3.5.
	slower = 5 * time.Second
	// early is the accepted earliness of a poll: timers and networks vary.
	early = 500 * time.Millisecond
	// codeLife is the time to redeem an authorization code.
	// SPEC: Cognito developer guide, "Authorize endpoint": 5 minutes, once.
	codeLife = 5 * time.Minute
	// repeat is the time in which a lost response to the right number repeats.
	repeat = 30 * time.Second

	maxWrong        = 3
	maxPending      = 1000
	maxPendingOwner = 20
	lookupsOwner    = 10 // in a minute
	lookupsTotal    = 120
	cancelsOwner    = 60 // in a minute
	cancelsTotal    = 600
	maxHost         = 64   // bytes of the claimed host
	maxCode         = 2048 // bytes of an authorization code
	maxReason       = 128  // bytes of a refusal by the hosted UI
	attempts        = 8    // of a change that another request overtook
)

// Log records events durably.
type Log interface {
	Record(ctx context.Context, events ...event.Event) error
}

// Config holds the parts of a Broker. Only Resource, Provider and From may be
// empty.
type Config struct {
	Store    Store
	Log      Log
	Key      []byte         // of the HMACs, 32 bytes or more
	ClientID string         // the app client for device sign-ins
	HostedUI string         // origin of the hosted UI
	Origin   string         // origin of this server
	Resource string         // RFC 8707 resource of the access token
	Provider string         // the only identity provider
	Plain    bool           // no number: plain RFC 8628
	From     []netip.Prefix // networks of terminals; empty: all
	Now      func() time.Time
	NewID    func(time.Time) string
	Rand     io.Reader
}

// Broker holds the rules of the device flow.
type Broker struct {
	c   Config
	key key
}

// New refuses a configuration with a missing part.
func New(c Config) (*Broker, error) {
	for name, absent := range map[string]bool{
		"store": c.Store == nil, "log": c.Log == nil, "key of 32 bytes": len(c.Key) < 32, "client id": c.ClientID == "",
		"hosted UI": c.HostedUI == "", "origin": c.Origin == "", "clock": c.Now == nil, "source of ids": c.NewID == nil,
		"randomness": c.Rand == nil,
	} {
		if absent {
			return nil, fmt.Errorf("device: the %s is missing", name)
		}
	}
	return &Broker{c: c, key: key(c.Key)}, nil
}

// The errors of a Broker. Every other error means that a store is unavailable.
var (
	ErrUnknown  = errors.New("the code is unknown or has expired")
	ErrLookups  = errors.New("too many codes were tried")
	ErrNetwork  = errors.New("the network is not allowed")
	ErrBrowser  = errors.New("another browser began this sign-in")
	ErrFinished = errors.New("this sign-in has ended")
)

// Authorization is the response to a terminal.
// SPEC: RFC 8628 §3.2.
type Authorization struct {
	DeviceCode string `json:"device_code"`
	UserCode   string `json:"user_code"`
	URI        string `json:"verification_uri"`
	Complete   string `json:"verification_uri_complete"`
	Expires    int    `json:"expires_in"` // seconds
	Interval   int    `json:"interval"`   // seconds
}

// SPEC: RFC 7636 §4.2: the base64url form of a SHA-256.
var challengeShape = shape.NewForm(`^[A-Za-z0-9_-]{43}$`)

// Terminal is the beginning of a request.
type Terminal struct {
	ClientID, Challenge, Method string
	Host                        string // as the terminal claims it
	Address                     string
}

// Authorize begins a request.
func (b *Broker) Authorize(ctx context.Context, t Terminal) (Authorization, error) {
	switch {
	case !b.allowed(t.Address):
		return Authorization{}, ErrNetwork
	case t.ClientID != b.c.ClientID:
		return Authorization{}, &Error{Code: "invalid_client"}
	case t.Method != "S256" || !challengeShape.Matches(t.Challenge):
		return Authorization{}, &Error{Code: "invalid_request", Text: "a PKCE challenge by S256 is required"}
	case len(t.Host) > maxHost:
		return Authorization{}, &Error{Code: "invalid_request", Text: "the host name is too long"}
	}
	now := b.c.Now()
	device, err := secret(b.c.Rand)
	if err != nil {
		return Authorization{}, err
	}
	r := Request{
		ID: b.id(device), Nonce: api.DeviceNonce(device), State: Pending, Challenge: t.Challenge, Host: t.Host, Terminal: t.Address,
		Owner: owner(t.Address), Created: now, Expires: now.Add(life), Interval: interval,
	}
	for range attempts {
		user, err := userCode(b.c.Rand)
		if err != nil {
			return Authorization{}, err
		}
		r.User = b.key.digest("user code", user)
		_, err = b.c.Store.Insert(ctx, r, Limits{Total: maxPending, Owner: maxPendingOwner})
		switch {
		case err == nil:
			return Authorization{
				DeviceCode: device, UserCode: ShowUserCode(user), URI: b.c.Origin + "/d", Complete: b.c.Origin + "/d/" + user,
				Expires: int(life / time.Second), Interval: int(interval / time.Second),
			}, nil
		case !errors.Is(err, ErrTaken):
			return Authorization{}, fmt.Errorf("storing the request: %w", err)
		}
	}
	return Authorization{}, ErrFull
}

// id returns the id of the request of a device code.
func (b *Broker) id(device string) string { return b.byNonce(api.DeviceNonce(device)) }

func (b *Broker) byNonce(nonce string) string { return b.key.digest("request", nonce) }

// allowed reports whether a terminal's address is in a configured network.
func (b *Broker) allowed(address string) bool {
	if len(b.c.From) == 0 {
		return true
	}
	a, err := netip.ParseAddr(address)
	if err != nil {
		return false
	}
	for _, p := range b.c.From {
		if p.Contains(a.Unmap()) {
			return true
		}
	}
	return false
}

// owner returns an address, or the /64 of an IPv6 address: one customer has a
// whole /64.
func owner(address string) string {
	a, err := netip.ParseAddr(address)
	if err != nil || !a.Is6() || a.Is4In6() {
		return address
	}
	p, err := a.Prefix(64)
	if err != nil {
		return address
	}
	return p.String()
}

// change applies a change to a request. It reads the request again after another
// instance changed it.
func (b *Broker) change(ctx context.Context, id string, apply func(*Request) error) (Request, error) {
	for range attempts {
		r, err := b.c.Store.Find(ctx, id)
		if errors.Is(err, ErrAbsent) {
			return r, ErrUnknown
		}
		if err != nil {
			return r, fmt.Errorf("reading the request: %w", err)
		}
		before := r
		if err := apply(&r); err != nil {
			return r, err
		}
		if r == before {
			return r, nil
		}
		if r, err = b.c.Store.Replace(ctx, r); err == nil {
			return r, nil
		}
		if !errors.Is(err, ErrStale) {
			return r, fmt.Errorf("storing the request: %w", err)
		}
	}
	return Request{}, fmt.Errorf("storing the request: %w", ErrStale)
}

// Visit is one step of a browser.
type Visit struct {
	User    string // the user code, parsed
	Cookie  string
	Address string
}

// Lookup returns the request of a user code. Lookups are limited, for each
// address and in all.
func (b *Broker) Lookup(ctx context.Context, v Visit) (Request, error) {
	if err := b.spend(ctx, "lookups", v.Address, lookupsOwner, lookupsTotal); err != nil {
		return Request{}, err
	}
	r, err := b.c.Store.ByUser(ctx, b.key.digest("user code", v.User))
	switch {
	case errors.Is(err, ErrAbsent):
		return r, ErrUnknown
	case err != nil:
		return r, fmt.Errorf("reading the request: %w", err)
	}
	return r, b.open(r)
}

// spend counts one use of a kind in the present minute, for an address and in all.
// It returns ErrLookups over a limit.
func (b *Broker) spend(ctx context.Context, kind, address string, mostOwner, mostTotal int) error {
	minute := b.c.Now().Truncate(time.Minute)
	for _, c := range []struct {
		name string
		most int
	}{{kind + " of " + owner(address), mostOwner}, {kind, mostTotal}} {
		n, err := b.c.Store.Count(ctx, c.name, minute)
		if err != nil {
			return fmt.Errorf("counting %s: %w", kind, err)
		}
		if n > c.most {
			return ErrLookups
		}
	}
	return nil
}

// open refuses a request that a browser can no longer continue.
func (b *Broker) open(r Request) error {
	switch {
	case !b.c.Now().Before(r.Expires):
		return ErrUnknown
	case r.State != Pending && r.State != Approving:
		return ErrFinished
	}
	return nil
}

// Approve binds a request to a browser and returns the address of the hosted UI.
// A second approval replaces the first, whose return is then refused.
func (b *Broker) Approve(ctx context.Context, v Visit) (string, error) {
	r, err := b.Lookup(ctx, v)
	if err != nil {
		return "", err
	}
	random, err := secret(b.c.Rand)
	if err != nil {
		return "", err
	}
	state := r.ID + "." + random
	if r, err = b.change(ctx, r.ID, func(r *Request) error {
		if err := b.open(*r); err != nil {
			return err
		}
		r.State, r.Browser = Approving, v.Address
		r.Cookie, r.Return = b.key.digest("cookie", v.Cookie), b.key.digest("state", state)
		return nil
	}); err != nil {
		return "", err
	}
	return b.hosted(r, state), nil
}

// hosted returns the authorization request. prompt=login makes the person sign
// in again: the browser's cookie alone approves nothing.
func (b *Broker) hosted(r Request, state string) string {
	q := url.Values{
		"response_type": {"code"}, "client_id": {b.c.ClientID}, "redirect_uri": {b.Redirect()}, "scope": {"openid email"},
		"state": {state}, "nonce": {r.Nonce}, "code_challenge": {r.Challenge}, "code_challenge_method": {"S256"},
		"prompt": {"login"},
	}
	if b.c.Resource != "" {
		q.Set("resource", b.c.Resource)
	}
	if b.c.Provider != "" {
		q.Set("identity_provider", b.c.Provider)
	}
	return b.c.HostedUI + "/oauth2/authorize?" + q.Encode()
}

// Redirect returns the registered redirect URI.
func (b *Broker) Redirect() string { return b.c.Origin + "/d/callback" }

// Deny refuses a request for the person, and records the refusal.
func (b *Broker) Deny(ctx context.Context, v Visit, agent string) error {
	r, err := b.Lookup(ctx, v)
	if err != nil {
		return err
	}
	if r, err = b.change(ctx, r.ID, func(r *Request) error {
		if err := b.open(*r); err != nil {
			return err
		}
		r.State, r.Reason, r.Browser, r.Recorded = Refused, notMine, v.Address, true
		return nil
	}); err != nil {
		return err
	}
	return b.record(ctx, r, v.Address, agent)
}

const (
	notMine      = "not mine"
	wrongNumbers = "three wrong numbers"
	canceled     = "canceled in the terminal"
)

// record writes the event of a refusal. After a failure the next poll of the
// terminal writes it.
func (b *Broker) record(ctx context.Context, r Request, address, agent string) error {
	now := b.c.Now()
	err := b.c.Log.Record(ctx, event.Event{
		ID: b.c.NewID(now), Time: now, Action: event.DeviceRefused, Outcome: event.Denied, Reason: r.Reason,
		SourceIP: address, UserAgent: agent, RequestID: b.c.NewID(now),
		TerminalIP: r.Terminal, BrowserIP: r.Browser, ClaimedHost: r.Host,
	})
	if err == nil {
		return nil
	}
	_, again := b.change(context.WithoutCancel(ctx), r.ID, func(r *Request) error { r.Recorded = false; return nil })
	return fmt.Errorf("recording the refusal: %w", errors.Join(err, again))
}

// requestOf returns the id in a state parameter.
func requestOf(state string) (string, bool) {
	const digest = 43 // base64url of an HMAC
	if len(state) != 2*digest+1 || state[digest] != '.' {
		return "", false
	}
	return state[:digest], true
}
