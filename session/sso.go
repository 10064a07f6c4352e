package session

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"usher/backend/api"
	"usher/backend/api/shape"
	"usher/backend/safetext"
	"usher/session/device"
	"usher/session/oauth"
)

// browserLimit is the time for the pages in the browser. SPEC: Cognito developer
// guide, managed login: its pages give up after 5 minutes.
const browserLimit = 5 * time.Minute

// domain is the authorization server of a profile's pool, for one app client. It
// is the source of the tokens of its way.
type domain struct {
	client   *oauth.Client
	clientID string
	way      api.Way
	host     string
	now      func() time.Time
}

// newDomain returns the authorization server for a way of the server's offer.
func newDomain(p Profile, way api.Way, o Options) (*domain, error) {
	if err := p.check(); err != nil {
		return nil, err
	}
	offer := p.Config.Offer()
	clientID := offer.Client(way)
	if clientID == "" || offer.HostedUI == "" {
		return nil, &WayError{way}
	}
	c := oauth.Config{
		HTTP: waitingClient(o.Waiting), Origin: offer.HostedUI, Issuer: p.Config.Issuer, ClientID: clientID, Random: o.Random, Pause: device.Pause,
	}
	// SPEC: Cognito, authorize endpoint, resource: no http address but localhost.
	if strings.HasPrefix(p.Server, "https://") {
		c.Resource = p.Server
	}
	client, err := oauth.New(c)
	if err != nil {
		return nil, err
	}
	return &domain{client: client, clientID: clientID, way: way, host: hostOf(offer.HostedUI), now: o.Now}, nil
}

// waitingClient is newHTTPClient with notes on a call that takes long.
func waitingClient(waiting func(host string) (done func())) *http.Client {
	c := newHTTPClient()
	if waiting != nil {
		c.Transport = noted{c.Transport, waiting}
	}
	return c
}

type noted struct {
	http.RoundTripper
	waiting func(host string) (done func())
}

func (n noted) RoundTrip(r *http.Request) (*http.Response, error) {
	defer n.waiting(r.URL.Host)()
	return n.RoundTripper.RoundTrip(r)
}

// renew gets new tokens at the token endpoint: only there Cognito promises to
// keep aud. An error with new refresh tokens is as in pool.renew.
func (d *domain) renew(ctx context.Context, t Tokens) (Tokens, error) {
	ctx, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	requestedAt := d.now()
	answer, err := d.client.Refresh(ctx, t.Refresh.Reveal())
	if err != nil {
		return Tokens{}, d.explain(ctx, err, errEnded)
	}
	return renewed(t, d.clientID, answer.Access, answer.Refresh, answer.ID, requestedAt)
}

// revoke ends the session of t. A session that has ended already is no error.
func (d *domain) revoke(ctx context.Context, t Tokens) error {
	if err := d.client.Revoke(ctx, t.Refresh.Reveal()); err != nil {
		if err = d.explain(ctx, err, errEnded); !errors.Is(err, ErrSignedOut) {
			return err
		}
	}
	return nil
}

// redeem exchanges a code for tokens.
func (d *domain) redeem(ctx context.Context, code oauth.Code) (Tokens, error) {
	t, _, err := d.redeemed(ctx, code)
	return t, err
}

// redeemed is redeem, with the ID token.
func (d *domain) redeemed(ctx context.Context, code oauth.Code) (t Tokens, id string, err error) {
	ctx, cancel := context.WithTimeout(ctx, 2*callLimit)
	defer cancel()
	requestedAt := d.now()
	answer, err := d.client.Redeem(ctx, code)
	if err != nil {
		return Tokens{}, "", d.explain(ctx, err, ErrBrowserCode)
	}
	t, err = newTokens(answer.Access, answer.Refresh, answer.ID, d.clientID, requestedAt)
	t.Way = d.way
	return t, answer.ID, err
}

// explain maps a failure of the authorization server to a sentence. refused is
// the meaning of invalid_grant.
func (d *domain) explain(ctx context.Context, err, refused error) error {
	var declined *oauth.Declined
	var forged *oauth.IDTokenError
	switch {
	case errors.As(err, &declined):
		return &DeclinedError{declined}
	case errors.As(err, &forged):
		return &ForeignTokenError{forged.Claim}
	case errors.Is(err, oauth.ErrTimeout):
		return ErrBrowserTime
	case errors.Is(err, oauth.ErrGrant):
		return refused
	case errors.Is(err, oauth.ErrClient):
		return ErrMisconfigured
	case errors.Is(err, oauth.ErrBusy):
		return ErrThrottled
	case errors.Is(err, oauth.ErrDown):
		return ErrUnavailable
	case errors.Is(err, oauth.ErrGarbled):
		return ErrGarbled
	}
	return networkError(ctx, d.host, err)
}

// Failures of a sign-in in a browser, for errors.Is.
var (
	// ErrBrowserTime: no browser came back in time: it was closed, or was never opened.
	ErrBrowserTime error = &Failure{sentence: "The browser did not come back within 5 minutes. Start again, or sign in another way.", exit: api.ExitSignedOut}
	// ErrBrowserCode: the authorization server refused the code.
	ErrBrowserCode error = &Failure{sentence: "The sign-in service did not accept the browser's sign-in; it may have taken too long. Start again.", exit: api.ExitSignedOut}
)

// WayError is a way to sign in that the server does not offer.
type WayError struct{ Way api.Way }

func (e *WayError) Error() string {
	switch e.Way {
	case api.WaySSO:
		return "This server does not offer a sign-in in the browser. Use usher login --password."
	case api.WayDevice:
		return "This server does not offer a sign-in on another device. Use usher login --password."
	}
	return "This server does not offer this way to sign in."
}

// Exit returns the exit code of a command that ends with this error.
func (e *WayError) Exit() int { return api.ExitUsage }

// PortError means that no registered port is free.
type PortError struct{ Ports []int }

func (e *PortError) Error() string {
	if len(e.Ports) == 1 {
		return fmt.Sprintf("Port %d of this machine is taken. Choose another one with --port, or sign in another way.", e.Ports[0])
	}
	return fmt.Sprintf("All ports for the browser's return are taken (%s). Close a program that uses one of them, or sign in another way.", portList(e.Ports))
}

// Exit returns the exit code of a command that ends with this error.
func (e *PortError) Exit() int { return api.ExitUnavailable }

func portList(ports []int) string {
	return strings.Trim(strings.ReplaceAll(fmt.Sprint(ports), " ", ", "), "[]")
}

// UnregisteredPortError is a port that is not one of the app client's.
type UnregisteredPortError struct {
	Port  int
	Ports []int
}

func (e *UnregisteredPortError) Error() string {
	return fmt.Sprintf("Port %d is not registered at the sign-in service. Use one of %s.", e.Port, portList(e.Ports))
}

// Exit returns the exit code of a command that ends with this error.
func (e *UnregisteredPortError) Exit() int { return api.ExitUsage }

// DeclinedError is a refusal in the browser, with the reason in the words of the
// company or the sign-in service.
type DeclinedError struct{ declined *oauth.Declined }

func (e *DeclinedError) Error() string {
	s := "The sign-in was refused in the browser"
	for _, part := range []safetext.Text{e.declined.Code, e.declined.Text} {
		if !part.IsZero() {
			s += ": " + part.String()
		}
	}
	return s + ". Start again, or ask your administrator."
}

// Exit returns the exit code of a command that ends with this error.
func (e *DeclinedError) Exit() int { return api.ExitSignedOut }

// Unwrap returns oauth.Declined.
func (e *DeclinedError) Unwrap() error { return e.declined }

// ForeignTokenError is an ID token that does not belong to this sign-in. Nothing
// of the answer was stored.
type ForeignTokenError struct{ Claim string }

func (e *ForeignTokenError) Error() string {
	why := map[string]string{
		oauth.ClaimNonce:     "it was made for another sign-in (nonce)",
		oauth.ClaimIssuer:    "it is from another user pool (issuer)",
		oauth.ClaimAudience:  "it is for another program (audience)",
		oauth.ClaimSignature: "its signature is not that of the user pool",
		oauth.ClaimSubject:   "it names another person than the access token (subject)",
	}[e.Claim]
	if why == "" {
		why = "it is malformed"
	}
	return "usher does not trust the answer of the sign-in service: " + why + ". Nothing was stored. Start again; if it happens again, ask your administrator."
}

// Exit returns the exit code of a command that ends with this error.
func (e *ForeignTokenError) Exit() int { return api.ExitIntegrity }

// BrowserOptions choose the details of a sign-in in a browser. All may be zero.
type BrowserOptions struct {
	User     string // fills in the form
	Provider string // a name of the offer's providers; "" for the only one
	Port     int    // a registered port; 0 means the first free one
}

// BrowserSignIn is a sign-in in a browser on this machine: the authorization code
// grant with PKCE. Close it in any case.
type BrowserSignIn struct {
	profile  Profile
	domain   *domain
	listener *oauth.Listener
	request  *oauth.Request
}

// NewBrowserSignIn opens the port for the browser's return. It sends nothing and
// opens no browser.
func NewBrowserSignIn(ctx context.Context, p Profile, o Options, b BrowserOptions) (*BrowserSignIn, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	d, err := newDomain(p, api.WaySSO, o)
	if err != nil {
		return nil, err
	}
	offer := p.Config.Offer()
	ports := offer.CallbackPorts
	if b.Port != 0 {
		if !slices.Contains(ports, b.Port) {
			return nil, &UnregisteredPortError{b.Port, ports}
		}
		ports = []int{b.Port}
	}
	l, err := oauth.Listen(ctx, ports, shape.CallbackPath)
	switch {
	case errors.Is(err, oauth.ErrPorts):
		return nil, &PortError{ports}
	case err != nil:
		return nil, err
	}
	if b.Provider == "" && len(offer.Providers) == 1 {
		b.Provider = offer.Providers[0].Name
	}
	request, err := d.client.Begin(l.RedirectURI(), oauth.Options{Hint: strings.TrimSpace(b.User), Provider: b.Provider})
	if err != nil {
		l.Close()
		return nil, err
	}
	l.Expect(request)
	return &BrowserSignIn{profile: p, domain: d, listener: l, request: request}, nil
}

// URL returns the address for the browser. It is ASCII without spaces or control
// characters.
func (b *BrowserSignIn) URL() string { return b.request.URL }

// Port returns the port of 127.0.0.1 for the browser's return.
func (b *BrowserSignIn) Port() int { return b.listener.Port() }

// Wait waits for the browser and returns the Done step. The server's
// configuration is compared with the trusted one again before the code is sent.
func (b *BrowserSignIn) Wait(ctx context.Context) (Step, error) {
	code, err := b.listener.Wait(ctx, browserLimit)
	switch {
	case ctx.Err() != nil:
		return Step{}, ctx.Err()
	case err != nil:
		return Step{}, b.domain.explain(ctx, err, ErrBrowserCode)
	}
	web := newHTTPClient()
	defer web.CloseIdleConnections()
	if _, err := b.profile.Recheck(ctx, web.Transport); err != nil {
		return Step{}, err
	}
	tokens, err := b.domain.redeem(ctx, code)
	if err != nil {
		return Step{}, err
	}
	return Step{Kind: Done, Tokens: tokens}, nil
}

// Close releases the port, after the last page was sent.
func (b *BrowserSignIn) Close() { b.listener.Close() }

// String keeps the sign-in's secrets out of all output.
func (b *BrowserSignIn) String() string { return "sign-in in a browser" }

// GoString keeps the sign-in's secrets out of all output.
func (b *BrowserSignIn) GoString() string { return b.String() }
